"""Stores that no plain Service announces, as the daemons see them on a real API server: with TLS, as directories and
volumes of a node, and outside the cluster; through changes of the configuration and the certificates.
"""

import pathlib
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from localcluster import certificates, cluster, topology
from localcluster import stores as servers
from scheduler.api import names
from tests.clusterfixture import ClusterFactory
from tests.daemon import test_on_apiserver as processes

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

eventually = processes.eventually

NODES = topology.Topology((
    topology.Node("secure", region="west", store="minio", tls=True),
    topology.Node("gateway", region="west", store="versitygw", labels={"asks": "yes"}),
    topology.Node("plain", region="east", labels={"asks": "yes"}),
))  # fmt: skip


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(NODES, crds=True) as started:
        processes.install(started)
        yield started


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The file system of the node that is called plain."""
    root = tmp_path_factory.mktemp("host")
    (root / "srv/notes").mkdir(parents=True)
    (root / "srv/notes/a.txt").write_text("12345")
    (root / "mnt/scans").mkdir(parents=True)
    (root / "mnt/scans/b.tif").write_text("1234567")
    return root


@pytest.fixture(scope="module")
def configuration(host: pathlib.Path, server: servers.Store, running: cluster.Cluster) -> pathlib.Path:
    """The daemons' common file, with a store outside the cluster and a directory of one node."""
    keys = {"accessKey": server.access_key, "secretKey": server.secret_key}
    path = f"/api/v1/namespaces/{processes.HOME}/secrets"
    running.api.request("POST", path, {"metadata": {"name": "lake"}, "stringData": keys})
    lake = {
        "name": "lake", "endpoint": server.endpoint, "secret": f"{processes.HOME}/lake",
        "place": {"region": "north", "zone": "north-1"}, "probeFrom": {"labels": {"asks": "yes"}},
    }  # fmt: skip
    notes = {"bucket": "notes", "path": "/srv/notes", "nodes": {"names": ["plain"]}}
    file = host / "daemon.yaml"
    write(file, {"volumesRoot": str(host), "stores": [lake], "paths": [notes]})
    return file


@pytest.fixture(scope="module")
def daemons(
    running: cluster.Cluster, configuration: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, processes.Daemon]]:
    logs = tmp_path_factory.mktemp("daemons")
    started = {
        node: processes.Daemon(
            processes.kubeconfig(running, node), node, logs / f"{node}.log", f"--config={configuration}"
        )
        for node in running.nodes
    }
    try:
        for daemon in started.values():
            eventually(daemon.ready)
        yield started
    finally:
        codes = [daemon.stop() for daemon in started.values()]
    assert codes == [0] * len(codes)


def write(file: pathlib.Path, content: Any) -> None:
    new = file.with_suffix(".new")
    new.write_text(yaml.safe_dump(content))
    new.replace(file)


def copies(running: cluster.Cluster, bucket: str) -> list[dict[str, Any]]:
    found = processes.data_object(running, bucket).get("status", {}).get("replicas", [])
    fields = ("node", "store", "role", "region", "sizeBytes", "available")
    return [{field: {"role": "Stores", **copy}.get(field) for field in fields} for copy in found]


def copy_of(
    node: str, store: str, size: int, *, role: str = "Stores", region: str | None = None, available: bool = True
) -> dict[str, Any]:
    return {
        "node": node, "store": store, "role": role, "region": region, "sizeBytes": size, "available": available,
    }  # fmt: skip


def askers(running: cluster.Cluster) -> list[str]:
    """The nodes whose NodeCapability names the store outside, each for asking it."""
    found = {node: processes.store_of(running, node, "lake") for node in running.nodes}
    return [node for node, store in found.items() if store is not None and store["role"] == "Probes"]


def test_a_store_with_tls_is_read_and_follows_its_ca(
    running: cluster.Cluster, daemons: dict[str, processes.Daemon]
) -> None:
    store = running.stores["secure"]
    store.upload("photos", "a", 10)
    eventually(lambda: copies(running, "photos") == [copy_of("secure", "storage/minio-secure", 10)])

    another = certificates.Authority("the next one")
    store.stop()
    store.certify(another)
    store.start()
    eventually(lambda: processes.replicas(running, "photos") == {"secure": False})

    def says_why() -> bool:
        entry = processes.store_of(running, "secure", "storage/minio-secure") or {}
        return f"not signed by ConfigMap storage/{store.ca}" in entry.get("message", "")

    eventually(says_why)
    running.kubectl("patch", "configmap", store.ca, "-n", "storage", "--type=merge", "-p",
                    yaml.safe_dump({"data": {"ca.crt": another.pem}}))  # fmt: skip
    eventually(lambda: processes.replicas(running, "photos") == {"secure": True})
    # The objects are written before the node's own description, and the Event is told of that.
    wanted = [("Warning", "StoreUnavailable"), ("Normal", "StoreAvailable")]
    eventually(lambda: [told[:2] for told in processes.told(running, "minio-secure")][-2:] == wanted)


def test_a_gateway_serves_what_it_does_not_hold(running: cluster.Cluster, daemons: dict[str, processes.Daemon]) -> None:
    running.kubectl(
        "annotate", "service", "versitygw-gateway", "-n", "storage", f"{names.STORAGE_ROLE}=gateway", "--overwrite"
    )
    running.stores["gateway"].upload("archive", "a", 10)
    wanted = [copy_of("gateway", "storage/versitygw-gateway", 10, role="Serves")]
    eventually(lambda: copies(running, "archive") == wanted)


def test_a_directory_is_a_bucket_and_an_outage_of_its_disk_is_seen(
    running: cluster.Cluster, daemons: dict[str, processes.Daemon], host: pathlib.Path
) -> None:
    eventually(lambda: copies(running, "notes") == [copy_of("plain", "path:/srv/notes", 5)])
    (host / "srv/notes/more.txt").write_text("123")
    eventually(lambda: copies(running, "notes") == [copy_of("plain", "path:/srv/notes", 8)])

    (host / "srv/notes").rename(host / "srv/away")
    eventually(lambda: copies(running, "notes") == [copy_of("plain", "path:/srv/notes", 8, available=False)])
    (host / "srv/away").rename(host / "srv/notes")
    eventually(lambda: copies(running, "notes") == [copy_of("plain", "path:/srv/notes", 8)])


def test_a_volume_is_a_bucket_of_the_node_that_it_is_tied_to(
    running: cluster.Cluster, daemons: dict[str, processes.Daemon]
) -> None:
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": ["plain"]}]}
    volume = {
        "metadata": {"name": "scans-1", "labels": {names.STORAGE_BUCKET: "scans"}},
        "spec": {
            "capacity": {"storage": "1Gi"}, "accessModes": ["ReadOnlyMany"], "storageClassName": "local",
            "local": {"path": "/mnt/scans"}, "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
        },
    }  # fmt: skip
    running.api.request("POST", "/api/v1/persistentvolumes", volume)
    eventually(lambda: copies(running, "scans") == [copy_of("plain", "volume:scans-1", 7)])
    running.api.request("DELETE", "/api/v1/persistentvolumes/scans-1")
    eventually(lambda: copies(running, "scans") == [])


def test_a_store_outside_the_cluster_is_asked_by_one_node_at_a_time(
    running: cluster.Cluster,
    daemons: dict[str, processes.Daemon],
    server: servers.Store,
    configuration: pathlib.Path,
) -> None:
    server.upload("lake-data", "a", 10)
    wanted = [copy_of(names.EXTERNAL, "lake", 10, region="north")]
    eventually(lambda: copies(running, "lake-data") == wanted)
    (first,) = eventually(lambda: askers(running) or None)

    running.kubectl("label", "node", first, "asks-")
    (second,) = eventually(lambda: first not in askers(running) and (askers(running) or None))
    assert {first, second} == {"gateway", "plain"}
    server.upload("lake-data", "b", 5)
    wanted = [copy_of(names.EXTERNAL, "lake", 15, region="north")]
    eventually(lambda: copies(running, "lake-data") == wanted)

    server.crash()
    eventually(lambda: copies(running, "lake-data") == [{**wanted[0], "available": False}])
    server.start()
    eventually(lambda: copies(running, "lake-data") == wanted)

    settings = yaml.safe_load(configuration.read_text())
    write(configuration, {**settings, "stores": [{"name": "broken"}]})
    eventually(lambda: daemons[second].lines("configuration not taken over, the last good one stays"))
    assert copies(running, "lake-data") == wanted
    eventually(lambda: "data_locality_daemon_config_last_reload_success 0.0" in daemons[second].get("/metrics"))

    write(configuration, {**settings, "stores": []})
    eventually(lambda: copies(running, "lake-data") == [])
    eventually(lambda: askers(running) == [])
    write(configuration, settings)
    eventually(lambda: copies(running, "lake-data") == wanted)


def test_who_takes_over_a_store_outside_that_is_down_says_so(
    running: cluster.Cluster, daemons: dict[str, processes.Daemon], server: servers.Store
) -> None:
    running.kubectl("label", "node", "gateway", "plain", "asks=yes", "--overwrite")
    processes.after_rounds(daemons.values(), 3)  # until both know: one may be about to hand over to the other
    (first,) = eventually(lambda: askers(running) or None)
    (here,) = eventually(lambda: [copy for copy in copies(running, "lake-data") if copy["available"]] or None)

    daemons[first].process.send_signal(signal.SIGSTOP)
    try:
        server.crash()
        running.kubectl("label", "node", first, "asks-")
        eventually(lambda: copies(running, "lake-data") == [{**here, "available": False}])
    finally:
        daemons[first].process.send_signal(signal.SIGCONT)
    server.start()
    eventually(lambda: copies(running, "lake-data") == [here])
