"""What many daemons cost the API server at rest, and whom a changed DataObject, Service or Node reaches.

    python benchmarks/bench_daemons.py [--nodes 1000] [--seconds 120] [--every 10] [--namespaces 15]

A real control plane with emulated nodes; as many of the daemon's agents as nodes, each with its measuring of links over
the loopback, in a few processes and without their Kopf part, in place of which an informer watches the own
NodeCapability. Each node runs a pod in each of the namespaces. Every tenth node holds a bucket, a directory that its
daemon lists, and the same node of each hundred shares one more.

All figures are the API server's own metrics: apiserver_request_total for whatever daemons ask for or write to, but for
what kubelets write (Leases, a Node's status) and pods' status; apiserver_watch_events_total for events sent to
watchers; process_cpu_seconds_total, of which the control plane takes its part without any daemon, too. A watch is
counted when it ends, after 45 minutes on average; so those that are open are counted as one request in 45 minutes each.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import os
import pathlib
import platform
import re
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent import futures

import yaml

from daemon import agent, config, metrics
from daemon.cluster import knowledge
from daemon.links import measurer as links
from daemon.stores import contents
from demo import processes
from localcluster import cluster, topology
from scheduler import errors
from scheduler.api import crd, names
from scheduler.kube import client, events, informer

WORKERS = 2
AGENTS_PER_SESSION = 15
SETTLE_S = 150.0  # daemons look for others three times in their first minutes
READY_S = 600.0
HOME = names.HOME_NAMESPACE
OBJECTS = f"/apis/{names.API_VERSION}/namespaces/{HOME}/{names.DATA_OBJECTS}"
ASKED = (
    "dataobjects", "nodecapabilities", "nodes", "events", "pods", "services", "namespaces", "persistentvolumes",
    "secrets", "configmaps",
)  # fmt: skip
WATCH_S = sum(knowledge.WATCH_S) / 2


def main() -> None:
    """Start everything, wait until it is at rest, count."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=120.0, help="how long to count")
    parser.add_argument("--namespaces", type=int, default=15, help="in which each node runs a pod")
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
    _write_pods(running, nodes, options.namespaces)
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
    _tell_rates(before, after, options.seconds)
    holder = holders[0]
    _change(running, "dataobjects", _name_of(running, f"bucket-{holder}"), HOME, f"{holder} holds the bucket")
    _change(running, "dataobjects", _name_of(running, "shared"), HOME, f"{len(sharers)} nodes hold the bucket")
    _change(running, "services", "web", "team-00", f"{len(nodes)} nodes run pods of the namespace")
    _change(running, "nodes", holder, "", "its own daemon")
    memory_kb = sum(_memory_kb(running.pids()[f"agents-{number}"]) for number in range(WORKERS))
    print(f"memory: {memory_kb / len(nodes):.0f} kB a daemon without Kopf, {WORKERS} processes together")


def _tell_rates(before: str, after: str, seconds: float) -> None:
    """Print the requests a second by verb and resource, and the API server's CPU."""
    then, now = _requests(before), _requests(after)
    rates = {what: (count - then.get(what, 0.0)) / seconds for what, count in now.items()}
    watches = _watches(after)
    rates |= {("WATCH", resource): count / WATCH_S for resource, count in watches.items()}
    for (verb, resource), rate in sorted(rates.items(), key=lambda item: -item[1]):
        if rate >= 0.005:
            print(f"  {verb:6} {resource:18} {rate:8.2f} /s")
    print(f"  in all {sum(rates.values()):8.2f} requests/s at rest, reads and watches included   (goal: below 50)")
    print(f"  open watches: {', '.join(f'{count:.0f} {resource}' for resource, count in sorted(watches.items()))}")
    cpu_s = _sum(after, "process_cpu_seconds_total") - _sum(before, "process_cpu_seconds_total")
    print(f"  API server: {cpu_s / seconds:.2f} cores")


def _change(running: cluster.Cluster, resource: str, name: str, namespace: str, whom: str) -> None:
    """Annotate one object and count the events that the API server sends."""
    before = _watch_events(_metrics(running), resource)
    time.sleep(5.0)
    idle = _watch_events(_metrics(running), resource) - before
    before = _watch_events(_metrics(running), resource)
    where = ("-n", namespace) if namespace else ()
    running.kubectl("annotate", resource, name, *where, "bench.example/changed=yes")
    time.sleep(5.0)
    sent = _watch_events(_metrics(running), resource) - before
    print(f"change of one of {resource}: {sent} watch events sent ({idle} in as long a time before); {whom}")


def _write_pods(running: cluster.Cluster, nodes: Sequence[str], namespaces: int) -> None:
    """One pod of each namespace on each node, and a Service before those of the first namespace."""
    names_of = [f"team-{number:02}" for number in range(namespaces)]
    for namespace in names_of:
        running.kubectl("create", "namespace", namespace)
        running.wait_for_account(namespace)

    def write(node: str) -> None:
        for namespace in names_of:
            pod = {
                "metadata": {"name": f"web-{node}", "labels": {"app": "web"}},
                "spec": {"nodeName": node, "containers": [{"name": "c", "image": "none"}]},
            }
            running.api.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod)

    with futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(write, nodes))
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    running.api.request("POST", f"/api/v1/namespaces/{names_of[0]}/services", service)


def _write_configuration(directory: pathlib.Path, holders: Sequence[str], sharers: Sequence[str]) -> None:
    paths = []
    for bucket, where in [*((f"bucket-{node}", [node]) for node in holders), ("shared", list(sharers))]:
        folder = directory / "data" / bucket
        folder.mkdir(parents=True)
        (folder / "part-1").write_bytes(b"x" * 1000)
        paths.append({"bucket": bucket, "path": str(folder), "nodes": {"names": where}})
    (directory / "daemon.yaml").write_text(yaml.safe_dump({"paths": paths}))


class _Own:
    """In place of Kopf: tells the agent of its node's NodeCapability."""

    def __init__(self, worker: agent.Agent) -> None:
        self._worker = worker

    def apply(self, obj: crd.NodeCapability) -> None:
        self._worker.capability_seen(obj, gone=False)

    def remove(self, key: informer.Key) -> None:
        """No node leaves here."""

    def replaced(self, count: int) -> None:
        """Nothing to do."""


async def _work(directory: pathlib.Path, kubeconfig: str, nodes: Sequence[str]) -> None:
    # A session has 128 connections, of which every watch takes one.
    apis = [await client.Api.connect(kubeconfig) for _ in range(0, len(nodes), AGENTS_PER_SESSION)]
    sink = events.EventSink(apis[0], names.DAEMON_FIELD_MANAGER, "bench")
    source = config.Source(str(directory / "daemon.yaml"))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sink.run())
        for number, node in enumerate(nodes):
            api = apis[number // AGENTS_PER_SESSION]
            settings = agent.Settings(
                node=node,
                namespace=HOME,
                interval_s=30.0,
                limits=contents.Limits(timeout_s=5.0, max_keys=10_000),
                configuration=source,
            )
            figures = metrics.Metrics()
            worker = agent.Agent(api, settings, sink, figures)
            own = {"fieldSelector": f"metadata.name={node}"}
            path = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"
            watch = informer.Informer(api, path, crd.NodeCapability, _Own(worker), own, watch_s=knowledge.WATCH_S)
            tasks.create_task(worker.run())
            tasks.create_task(watch.run())
            tasks.create_task(links.Links(api, links.Settings(node=node), figures).run())
            await asyncio.sleep(0.02)  # daemons of a cluster do not start in the same second either


def _name_of(running: cluster.Cluster, urn: str) -> str:
    items = running.api.request("GET", OBJECTS)["items"]
    return str(next(item["metadata"]["name"] for item in items if item["spec"]["urn"] == urn))


def _count(running: cluster.Cluster, plural: str) -> int:
    try:
        items = running.api.request("GET", f"/apis/{names.API_VERSION}/{plural}")["items"]
    except errors.ApiError:  # the server is still opening its storage of a new resource
        return 0
    return sum(bool(item.get("status")) for item in items)


def _metrics(running: cluster.Cluster) -> str:
    return running.kubectl("get", "--raw", "/metrics")


def _samples(text: str, name: str) -> Iterator[tuple[dict[str, str], float]]:
    for labels, value in re.findall(rf"^{name}(?:\{{(.*?)\}})? (\S+)$", text, re.MULTILINE):
        yield dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)


def _sum(text: str, name: str) -> float:
    return sum(value for _, value in _samples(text, name))


def _requests(text: str) -> dict[tuple[str, str], float]:
    """Requests so far, by verb and resource, but for watches and what kubelets write: a node's and a pod's status."""
    found: dict[tuple[str, str], float] = collections.defaultdict(float)
    for labels, value in _samples(text, "apiserver_request_total"):
        resource, verb = labels.get("resource", ""), labels.get("verb", "")
        is_kubelets = resource in {"nodes", "pods"} and labels.get("subresource") == "status"
        if resource in ASKED and verb != "WATCH" and not is_kubelets:
            found[verb, resource] += value
    return dict(found)


def _watches(text: str) -> dict[str, float]:
    """Open watches by resource."""
    found: dict[str, float] = collections.defaultdict(float)
    for labels, value in _samples(text, "apiserver_longrunning_requests"):
        if labels.get("resource") in ASKED and labels.get("verb") == "WATCH":
            found[labels["resource"]] += value
    return dict(found)


def _watch_events(text: str, resource: str) -> int:
    """Events sent so far of one resource, which the API server's metric calls by its kind or by its name."""
    wanted = {resource, resource.removesuffix("s")}
    return int(
        sum(
            value
            for labels, value in _samples(text, "apiserver_watch_events_total")
            if wanted & {labels.get(key, "").lower() for key in ("resource", "kind")}
        )
    )


def _memory_kb(pid: int) -> int:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    main()
