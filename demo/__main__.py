"""``python -m demo``: a real control plane with real MinIO servers, the same pods placed twice, and what came of it.

The pods go to stock kube-scheduler first and, once those are gone, to us, in the same order and stages. After each
stage its outputs are written to the stores, as the pods would (nodes are emulated, so nothing runs in them). Bytes are
counted from the real placements and the stores' buckets, for both alike; seconds are those of our own link model.
"""

from __future__ import annotations

import copy
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from demo import processes, report, world
from localcluster import cluster

STOCK = "default-scheduler"
OURS = "data-locality-scheduler"
_BOUND_S = 60.0
_GONE_S = 60.0


@click.command()
@click.option("--keep", is_flag=True, help="Leave the cluster running, to look around in.")
def main(*, keep: bool) -> None:
    """Place the demo's pods by kube-scheduler and by us, and compare."""
    began = time.monotonic()
    wanted = world.load()
    with _step("a control plane, its nodes and stores"):
        running = cluster.start(name="demo" if keep else None, kube_scheduler=True, report=click.echo)
    with running:
        with _step("CRDs and roles; objects into the stores"):
            processes.install(running)
            world.upload(wanted, running)
        with _step("a daemon on every node; they find stores and buckets"):
            processes.start_daemons(running)
            address = processes.start_scheduler(running)
            _wait_for_buckets(running, wanted)
        rows = _compare(running, wanted, address)
        click.echo()
        click.echo(running.kubectl("get", "dataobjects,nodecapabilities", "-A"))
        click.echo(report.table(rows))
        click.echo()
        click.echo(report.comparison(rows))
        click.echo(f"\n{len(rows)} pods, {len(running.nodes)} nodes, {time.monotonic() - began:.0f} s in all.")
        if keep:
            running.leave_running()
            click.echo(_around(running, address))


def _compare(running: cluster.Cluster, wanted: world.World, address: str) -> list[report.Row]:
    with _step("the pods, stage by stage, to kube-scheduler"):
        stock = {}
        for stage in wanted.stages:
            stock.update(_place(running, stage, "stock", STOCK))
            world.write_outputs(wanted, running, stage)
        _remove_pods(running, "stock")
    rows = []
    with _step("the same pods to data-locality-scheduler"):
        for stage in wanted.stages:
            offline = _ask_offline(running, stage)
            placed = _place(running, stage, "demo", OURS)
            world.write_outputs(wanted, running, stage)
            for pod, node in placed.items():
                told = processes.explanation(address, f"demo/{pod}")
                rows.append(
                    report.Row(
                        stage=stage.name,
                        pod=pod,
                        stock_node=stock[pod],
                        stock_bytes=world.moved_bytes(wanted, pod, stock[pod]),
                        stock_s=offline[pod]["criteria"][stock[pod]]["data"]["seconds"],
                        node=node,
                        moved_bytes=world.moved_bytes(wanted, pod, node),
                        seconds=told["data_s"],
                        deciding=told["deciding"],
                    )
                )
    return rows


def _place(running: cluster.Cluster, stage: world.Stage, namespace: str, scheduler: str) -> dict[str, str]:
    """Submit a stage's pods and wait until each has a node; returns pod name to node name, in the manifest's order."""
    _ensure_namespace(running, namespace)
    path = f"/api/v1/namespaces/{namespace}/pods"
    names = []
    for manifest in stage.manifests:
        pod = copy.deepcopy(manifest)
        pod["spec"]["schedulerName"] = scheduler
        names.append(pod["metadata"]["name"])
        running.api.request("POST", path, pod)
    placed: dict[str, str] = {}

    def all_bound() -> bool:
        for pod in running.api.request("GET", path)["items"]:
            if pod["metadata"]["name"] in names and pod["spec"].get("nodeName"):
                placed[pod["metadata"]["name"]] = pod["spec"]["nodeName"]
        return len(placed) == len(names)

    running.wait_until(all_bound, what=f"stage {stage.name} to be bound by {scheduler}", timeout_s=_BOUND_S)
    return {name: placed[name] for name in names}


def _ensure_namespace(running: cluster.Cluster, namespace: str) -> None:
    running.kubectl(
        "apply",
        "--server-side",
        "-f",
        "-",
        stdin=json.dumps(
            {
                "apiVersion": "v1",
                "kind": "List",
                "items": [
                    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
                    {
                        "apiVersion": "v1",
                        "kind": "ServiceAccount",
                        "metadata": {"name": "default", "namespace": namespace},
                    },
                ],
            }
        ),
    )


def _remove_pods(running: cluster.Cluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    running.kubectl("delete", "pods", "--all", "-n", namespace, "--wait=false")
    running.wait_until(
        lambda: not running.api.request("GET", path)["items"], what="kube-scheduler's pods to go", timeout_s=_GONE_S
    )


def _ask_offline(running: cluster.Cluster, stage: world.Stage) -> dict[str, dict[str, Any]]:
    """Ask `decide` about every pod of a stage, with the cluster as it is: what each node would cost."""
    group = "/apis/scheduler.thesis/v1alpha1"
    snapshot = {
        "nodes": running.api.request("GET", "/api/v1/nodes")["items"],
        "pods": running.api.request("GET", "/api/v1/pods")["items"],
        "dataObjects": running.api.request("GET", f"{group}/dataobjects")["items"],
        "nodeCapabilities": running.api.request("GET", f"{group}/nodecapabilities")["items"],
    }
    questions = []
    for manifest in stage.manifests:
        pod = copy.deepcopy(manifest)
        pod["metadata"]["namespace"] = "demo"
        questions.append(json.dumps({"id": pod["metadata"]["name"], "pod": pod, **snapshot}))
    done = subprocess.run(
        [str(processes.PROGRAM), "decide"], input="\n".join(questions), capture_output=True, text=True, check=True
    )
    return {answer["id"]: answer for answer in map(json.loads, done.stdout.splitlines())}


def _wait_for_buckets(running: cluster.Cluster, wanted: world.World) -> None:
    path = "/apis/scheduler.thesis/v1alpha1/dataobjects"

    def all_known() -> bool:
        known = {
            item["spec"]["urn"]
            for item in running.api.request("GET", path)["items"]
            if any(replica.get("available") for replica in item.get("status", {}).get("replicas", []))
        }
        return wanted.buckets.keys() <= known

    program = f"daemon-{next(iter(running.stores))}"
    running.wait_until(all_known, what="the daemons to find all buckets", timeout_s=_BOUND_S, program=program)


def _around(running: cluster.Cluster, address: str) -> str:
    return f"""
The cluster stays up. To look around:
  export KUBECONFIG={running.kubeconfig}
  kubectl get pods -n demo -o wide
  kubectl get dataobjects,nodecapabilities -A
  kubectl describe pod -n demo stitch-mosaic
  kubectl locality explain pod -n demo stitch-mosaic --server {address}
  curl {address}/storage-info
To end it:
  python -m localcluster down --name {running.name}"""


@contextmanager
def _step(what: str) -> Iterator[None]:
    click.echo(f"* {what}")
    began = time.monotonic()
    yield
    click.echo(f"  {time.monotonic() - began:.1f} s")


if __name__ == "__main__":
    main()
