"""What many daemons cost the API server: writes a second at rest, and whom one DataObject's change reaches.

    python benchmarks/bench_daemons.py [--nodes 1000] [--seconds 90] [--every 10]

A real control plane with emulated nodes; as many of the daemon's agents as nodes, each with its measuring of links over
the loopback, in a few processes and without their Kopf part (a watch of the own NodeCapability). Every tenth node holds
a bucket, a directory that its daemon lists, and the same node of each hundred shares one more. All counts are the API
server's own metrics: apiserver_request_total for writes to what daemons write, apiserver_watch_events_total for events
sent to watchers.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pathlib
import platform
import re
import sys
import time
from collections.abc import Sequence

import yaml

from daemon import agent, config, metrics
from daemon.links import measurer as links
from daemon.stores import contents
from demo import processes
from localcluster import cluster, topology
from scheduler import errors
from scheduler.api import names
from scheduler.kube import client, events

WORKERS = 2
AGENTS_PER_SESSION = 20
SETTLE_S = 120.0  # daemons look for others three times in their first minutes
READY_S = 600.0
OBJECTS = f"/apis/{names.API_VERSION}/namespaces/{names.HOME_NAMESPACE}/{names.DATA_OBJECTS}"
WRITTEN = ("dataobjects", "nodecapabilities", "nodes", "events")
WRITES = ("POST", "PUT", "PATCH", "APPLY", "DELETE")


def main() -> None:
    """Start everything, wait until it is at rest, count."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=90.0, help="how long to count")
    parser.add_argument("--every", type=int, default=10, help="one node of so many holds a bucket")
    parser.add_argument("--worker", nargs=2, metavar=("DIRECTORY", "KUBECONFIG"), help=argparse.SUPPRESS)
    parser.add_argument("agents", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        asyncio.run(_work(pathlib.Path(options.worker[0]), options.worker[1], options.agents))
        return
    wanted = [topology.Node(name=f"node-{number:04}", zone=f"zone-{number % 20}") for number in range(options.nodes)]
    with cluster.start(topology.Topology(nodes=wanted)) as running:
        _measure(running, [node.name for node in wanted], options)


def _measure(running: cluster.Cluster, nodes: Sequence[str], options: argparse.Namespace) -> None:
    processes.install(running)
    holders = nodes[:: options.every]
    sharers = nodes[:: max(options.nodes // 10, 1)]
    _write_configuration(running.directory, holders, sharers)
    for number in range(WORKERS):
        running.launch(
            f"agents-{number}",
            [sys.executable, __file__, "--worker", running.directory, running.kubeconfig, *nodes[number::WORKERS]],
        )
    began = time.monotonic()
    running.wait_until(
        lambda: (
            _count(running, names.NODE_CAPABILITIES) == len(nodes)
            and _count(running, names.DATA_OBJECTS) == len(holders) + 1
        ),
        what="all daemons to have described their nodes",
        timeout_s=READY_S,
        program="agents-0",
    )
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(f"{len(nodes)} daemons, {len(holders)} buckets and one shared by {len(sharers)} nodes")
    print(f"all described after {time.monotonic() - began:.0f} s")
    time.sleep(SETTLE_S)
    before = _metrics(running)
    time.sleep(options.seconds)
    after = _metrics(running)
    total = 0.0
    for resource in WRITTEN:
        writes = _writes(after, resource) - _writes(before, resource)
        total += writes
        print(f"  {resource:18} {writes / options.seconds:8.2f} writes/s")
    print(f"  {'in all':18} {total / options.seconds:8.2f} writes/s at rest   (goal: below 50)")
    for urn, interested in ((f"bucket-{holders[0]}", 1), ("shared", len(sharers))):
        _change(running, urn, interested)
    memory_kb = sum(_memory_kb(running.pids()[f"agents-{number}"]) for number in range(WORKERS))
    print(f"memory: {memory_kb / len(nodes):.0f} kB a daemon without Kopf, {WORKERS} processes together")


def _change(running: cluster.Cluster, urn: str, interested: int) -> None:
    """Change one DataObject's spec and count the events that the API server sends."""
    idle_before = _watch_events(_metrics(running))
    time.sleep(5.0)
    idle = _watch_events(_metrics(running)) - idle_before
    name = next(item["metadata"]["name"] for item in _items(running) if item["spec"]["urn"] == urn)
    before = _watch_events(_metrics(running))
    running.kubectl(
        "patch", "dataobject", name, "-n", names.HOME_NAMESPACE, "--type=merge", '-p={"spec":{"sizeBytes":12345}}'
    )
    time.sleep(5.0)
    sent = _watch_events(_metrics(running)) - before
    print(
        f"change of the DataObject of {urn}: {sent} watch events sent ({idle} in as long a time before), "
        f"{interested} daemons hold the bucket"
    )


def _write_configuration(directory: pathlib.Path, holders: Sequence[str], sharers: Sequence[str]) -> None:
    paths = []
    for bucket, where in [*((f"bucket-{node}", [node]) for node in holders), ("shared", list(sharers))]:
        folder = directory / "data" / bucket
        folder.mkdir(parents=True)
        (folder / "part-1").write_bytes(b"x" * 1000)
        paths.append({"bucket": bucket, "path": str(folder), "nodes": {"names": where}})
    (directory / "daemon.yaml").write_text(yaml.safe_dump({"paths": paths}))


async def _work(directory: pathlib.Path, kubeconfig: str, nodes: Sequence[str]) -> None:
    # A session has 100 connections, of which every watch takes one.
    apis = [await client.Api.connect(kubeconfig) for _ in range(0, len(nodes), AGENTS_PER_SESSION)]
    sink = events.EventSink(apis[0], names.DAEMON_FIELD_MANAGER, "bench")
    source = config.Source(str(directory / "daemon.yaml"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sink.run())
        for number, node in enumerate(nodes):
            api = apis[number // AGENTS_PER_SESSION]
            settings = agent.Settings(
                node=node,
                namespace=names.HOME_NAMESPACE,
                interval_s=30.0,
                limits=contents.Limits(timeout_s=5.0, max_keys=10_000),
                configuration=source,
            )
            figures = metrics.Metrics()
            tasks.create_task(agent.Agent(api, settings, sink, figures).run())
            tasks.create_task(links.Links(api, links.Settings(node=node), figures).run())
            await asyncio.sleep(0.02)  # daemons of a cluster do not start in the same second either


def _items(running: cluster.Cluster) -> list[dict[str, dict[str, str]]]:
    found: list[dict[str, dict[str, str]]] = running.api.request("GET", OBJECTS)["items"]
    return found


def _count(running: cluster.Cluster, plural: str) -> int:
    try:
        items = running.api.request("GET", f"/apis/{names.API_VERSION}/{plural}")["items"]
    except errors.ApiError:  # the server is still opening its storage of a new resource
        return 0
    return sum(bool(item.get("status")) for item in items)


def _metrics(running: cluster.Cluster) -> str:
    return running.kubectl("get", "--raw", "/metrics")


def _writes(text: str, resource: str) -> float:
    """Writes so far; a node's status and leases are the kubelet's business, not the daemon's."""
    total = 0.0
    for labels, value in re.findall(r"^apiserver_request_total\{(.*?)\} (\S+)$", text, re.MULTILINE):
        is_kubelets = resource == "nodes" and 'subresource="status"' in labels
        is_write = any(f'verb="{verb}"' in labels for verb in WRITES)
        if f'resource="{resource}"' in labels and is_write and not is_kubelets:
            total += float(value)
    return total


def _watch_events(text: str) -> int:
    found = re.findall(r"^apiserver_watch_events_total\{(.*?)\} (\S+)$", text, re.MULTILINE)
    return int(sum(float(value) for labels, value in found if "dataobjects" in labels.lower()))


def _memory_kb(pid: int) -> int:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    main()
