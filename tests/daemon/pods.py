"""Real MinIO servers as the pods of emulated nodes: each with a loopback address of its own, which its pod reports."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml

from localcluster import binaries, cluster, errors, keeping, topology
from localcluster import stores as servers
from tests.daemon import test_on_apiserver as processes


@contextmanager
def minio(addresses: dict[str, str]) -> Iterator[dict[str, servers.Store]]:
    """A MinIO server for each name at its address, all on one port and with the same keys, as a StatefulSet's are."""
    try:
        program = binaries.resolve(["minio"], report=binaries.report_to_stderr)["minio"]
    except errors.BinariesError as error:
        pytest.skip(f"no minio on this machine: {error}")
    keeper = keeping.start_keeper(f"s{os.getpid()}-{os.urandom(3).hex()}")
    port = keeping.free_port()
    found: dict[str, servers.Store] = {}
    try:
        for name, host in addresses.items():
            node = topology.Node(name, store="minio")
            found[name] = store = servers.Store(node, keeper, program, host=host, port=port)
            first = next(iter(found.values()))
            store.access_key, store.secret_key = first.access_key, first.secret_key
            store.launch()
        for store in found.values():
            store.wait()
        yield found
    finally:
        keeper.shutdown()


def open_to_daemons(running: cluster.Cluster, namespace: str, server: servers.Store) -> None:
    """A namespace whose Secret, made as MinIO's chart makes it, the daemons may read."""
    running.kubectl("create", "namespace", namespace)
    running.wait_for_account(namespace)
    secret = {
        "metadata": {"name": "minio"},
        "stringData": {"rootUser": server.access_key, "rootPassword": server.secret_key},
    }
    running.api.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    access = (processes.ROOT / "manifests/examples/store-access.yaml").read_text()
    here = [{**each, "metadata": {**each["metadata"], "namespace": namespace}} for each in yaml.safe_load_all(access)]
    running.kubectl("apply", "-f", "-", stdin="---\n".join(yaml.safe_dump(each) for each in here))


def run(running: cluster.Cluster, namespace: str, name: str, node: str, server: servers.Store) -> None:
    """A pod on ``node`` that is ``server``: labelled as MinIO's chart labels it, with the server's own address."""
    port = {"name": "s3", "containerPort": server.port}
    pod = {
        "metadata": {"name": name, "labels": {"app": "minio"}},
        "spec": {"nodeName": node, "containers": [{"name": "minio", "image": "none", "ports": [port]}]},
    }
    running.api.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod)

    def is_running() -> bool:
        found = running.api.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")
        return bool(found["status"].get("podIP"))

    processes.eventually(is_running)
    patch_status(running, namespace, name, {"podIP": server.host, "podIPs": [{"ip": server.host}]})


def patch_status(running: cluster.Cluster, namespace: str, name: str, status: dict[str, object]) -> None:
    """Have a pod's kubelet say something else."""
    patch = json.dumps({"status": status})
    running.kubectl("patch", "pod", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)


def announce(
    running: cluster.Cluster, namespace: str, name: str, *, cluster_ip: str = "None", **annotations: str
) -> None:
    """A Service as MinIO's chart makes it, before the namespace's MinIO pods, with the Secret named."""
    words = {"storage_secret": "minio", **annotations}
    said = {f"scheduler.thesis/{key.replace('_', '-')}": text for key, text in words.items()}
    metadata = {"name": name, "annotations": said}
    address = {"clusterIP": cluster_ip} if cluster_ip else {}
    ports = [{"name": "http", "port": 9000, "targetPort": "s3"}]
    service = {"metadata": metadata, "spec": {**address, "selector": {"app": "minio"}, "ports": ports}}
    running.api.request("POST", f"/api/v1/namespaces/{namespace}/services", service)


@contextmanager
def daemons(running: cluster.Cluster, logs: pathlib.Path, *options: str) -> Iterator[dict[str, processes.Daemon]]:
    """A daemon for each node, all ready."""
    started = {
        node: processes.Daemon(processes.kubeconfig(running, node), node, logs / f"{node}.log", *options)
        for node in running.nodes
    }
    try:
        for daemon in started.values():
            processes.eventually(daemon.ready)
        yield started
    finally:
        codes = [daemon.stop() for daemon in started.values()]
    assert codes == [0] * len(codes)


def apply_rights(running: cluster.Cluster) -> None:
    base = processes.ROOT / "manifests/base"
    running.apply(base / "namespace.yaml", base / "rbac-daemon.yaml", base / "policy-daemon.yaml")
