"""What the webhook costs: how long an admission takes at a steady rate, and how many pods a second can still be made.

    python benchmarks/bench_webhook.py [--rate 200] [--seconds 15] [--objects 10000] [--rounds 5] [--pods 1500]

A real control plane, the webhook as a process beside it under its own ServiceAccount, registered as in manifests/base
but by URL. Load comes from further processes, so all of them share this machine's cores.

Latency: AdmissionReviews of pods (most of a Deployment, some with annotations of their own, some with nothing) over
TLS at an open-loop rate, measured by who sends them from the moment each was due; then pods made at the same rate
through the API server, measured by the API server's own histogram. Rate: rounds without the webhook and with it, in
turn; each pair of rounds gives a ratio, and the median of these counts. Pods are made at the steady rate, by the
ReplicaSet controller that scales a Deployment up, and as fast as the machine goes. All of them are enriched. For the
last, the processor time that each process spends on a pod tells where the rate goes.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

from localcluster import certificates, cluster, topology
from scheduler.api import names
from tests.webhook import process

CONNECTIONS = 8  # at once to the API server
SETTLE_S = 1.0  # for the API server to heed that there is no webhook
QUIET_CORES, QUIET_S = 0.1, 5.0  # what the control plane may use by itself, and for how long, when measuring begins
LOAD = pathlib.Path(__file__).with_name("webhook_load.py")
IDLE_CONNECTIONS = 25  # what the API server keeps to a webhook
SAYS = {
    f"{names.INPUT_PREFIX}1": "landsat-l1/scene.tif",
    f"{names.INPUT_PREFIX}2": "landsat-l1/mask.tif,1000000",
    f"{names.OUTPUT_PREFIX}1": "landsat-l2/scene.tif,1000000",
    names.PREFER_EDGE: "true",
}
Json = dict[str, Any]


def main() -> None:
    """Start everything, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rate", type=float, default=200.0, help="admissions a second, steadily")
    parser.add_argument("--seconds", type=float, default=15.0, help="for how long, each time")
    parser.add_argument(
        "--objects", type=int, default=10_000, help="Deployments, Jobs and DataObjects there are, of each"
    )
    parser.add_argument("--rounds", type=int, default=5, help="pairs of rounds, without the webhook and with it")
    parser.add_argument("--pods", type=int, default=1500, help="pods a round")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("kopf", "aiohttp", "msgspec"))
    print(f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    with cluster.start(topology.Topology(())) as running, tempfile.TemporaryDirectory() as directory:
        running.apply(process.ROOT / "crds")
        version = json.loads(running.kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"]
        print(f"kube-apiserver {version}")
        account = process.account(running)
        folder = process.Folder(pathlib.Path(directory) / "tls", certificates.Authority())
        log = pathlib.Path(directory) / "log"
        with process.Webhook(account, folder, log) as webhook:
            print(f"memory of the webhook with nothing to know: {_rss_mb(webhook):.0f} MB")
        _fill(running, options.objects)
        _until_quiet(running)
        with process.Webhook(account, folder, log) as webhook:
            counts = f"{options.objects} Deployments, Jobs and DataObjects each"
            print(f"memory with {counts}: {_rss_mb(webhook):.0f} MB")
            _latency_by_client(webhook, options)
            process.register(running, f"https://127.0.0.1:{webhook.port}", bundle=folder.bundle)
            _latency_by_apiserver(running, webhook, options)
            _rate_when_steady(running, webhook, options)
            _rate_of_scaling(running, webhook, options)
            _rate_at_most(running, webhook, options)


# ------------------------------------------------------------------------------------------------------------ measuring


def _latency_by_client(webhook: process.Webhook, options: argparse.Namespace) -> None:
    rng = random.Random(1)  # noqa: S311 (repeatable, not secret)
    job = {
        "url": f"https://localhost:{webhook.port}/enrich",
        "ca": webhook.folder.authority.pem,
        "bodies": [json.dumps(process.review(_asked(rng, options.objects))) for _ in range(500)],
        "rate": options.rate,
        "connections": IDLE_CONNECTIONS,
    }
    _run({**job, "seconds": 2.0})
    spent_s = _cpu_s(webhook.process.pid)
    latencies_ms = sorted(_run({**job, "seconds": options.seconds})["latencies_ms"])
    cpu = (_cpu_s(webhook.process.pid) - spent_s) / options.seconds
    shown = ", ".join(f"p{share:g} {_share(latencies_ms, share):.1f} ms" for share in (50, 95, 99))
    print(f"AdmissionReviews over TLS, {options.rate:g}/s for {options.seconds:g} s, from when each was due: {shown}, "
          f"most {latencies_ms[-1]:.1f} ms   (goal: p99 below 20 ms); {cpu:.0%} of a core")  # fmt: skip
    print(f"  as the webhook sees it: {_histogram(webhook.get('/metrics')[1], OWN)}")


def _latency_by_apiserver(running: cluster.Cluster, webhook: process.Webhook, options: argparse.Namespace) -> None:
    namespace = _namespace(running)
    before = running.kubectl("get", "--raw", "/metrics")
    job = _pods_job(running, namespace)
    latencies_ms = sorted(_run({**job, "rate": options.rate, "seconds": options.seconds})["latencies_ms"])
    after = running.kubectl("get", "--raw", "/metrics")
    print(f"pods made through the API server, {options.rate:g}/s for {options.seconds:g} s; it waited for the webhook: "
          f"{_histogram(after, THEIRS, before)}; a pod took its client p50 {_share(latencies_ms, 50):.1f} ms, "
          f"p99 {_share(latencies_ms, 99):.1f} ms")  # fmt: skip
    assert process.failed_open(running) == 0
    enriched = webhook.figure("data_locality_webhook_pods_total", outcome="enriched")
    assert enriched >= options.rate * options.seconds * 0.95
    _empty(running, namespace)


def _rate_when_steady(running: cluster.Cluster, webhook: process.Webhook, options: argparse.Namespace) -> None:
    namespace = _namespace(running)
    job = _pods_job(running, namespace) | {"rate": options.rate, "seconds": options.seconds}

    def measure() -> float:
        seconds = float(_run(job)["seconds"])
        _empty(running, namespace)
        return float(options.rate * options.seconds / seconds)

    _in_turn(f"pods wanted at {options.rate:g}/s", running, webhook, options, measure)


def _rate_of_scaling(running: cluster.Cluster, webhook: process.Webhook, options: argparse.Namespace) -> None:
    namespace = _namespace(running)
    pod = _pod(namespace)
    template = {"metadata": {"labels": pod["metadata"]["labels"]}, "spec": {"containers": pod["spec"]["containers"]}}
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "it"}}, "template": template}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    running.api.request("POST", path, {"metadata": {"name": "it", "annotations": SAYS}, "spec": spec})

    def scale(replicas: int) -> float:
        began_s = time.perf_counter()
        running.kubectl("scale", "deployment/it", f"--replicas={replicas}", "-n", namespace)
        while _count(running, namespace) != replicas:
            time.sleep(0.02)
        return time.perf_counter() - began_s

    def measure() -> float:
        seconds = scale(options.pods)
        scale(0)
        return float(options.pods / seconds)

    _in_turn("pods of a Deployment that is scaled up", running, webhook, options, measure)


def _rate_at_most(running: cluster.Cluster, webhook: process.Webhook, options: argparse.Namespace) -> None:
    namespace = _namespace(running)
    job = _pods_job(running, namespace) | {"count": options.pods}
    pids = {**running.pids(), "webhook": webhook.process.pid}
    spent: list[dict[str, float]] = []

    def measure() -> float:
        before = {name: _cpu_s(pid) for name, pid in pids.items()}
        seconds = float(_run(job)["seconds"])
        spent.append({name: (_cpu_s(pid) - before[name]) / options.pods * 1000 for name, pid in pids.items()})
        _empty(running, namespace)
        return float(options.pods / seconds)

    _in_turn(f"pods as fast as {CONNECTIONS} connections go", running, webhook, options, measure)
    for what, rounds in (("without", spent[::2]), ("with", spent[1::2])):
        means = {name: statistics.median(each[name] for each in rounds) for name in pids}
        shown = ", ".join(f"{name} {mean_ms:.1f}" for name, mean_ms in means.items() if mean_ms >= 0.1)
        print(f"  ms of processor time a pod {what} it: {shown}")


def _in_turn(
    what: str,
    running: cluster.Cluster,
    webhook: process.Webhook,
    options: argparse.Namespace,
    measure: Callable[[], float],
) -> None:
    """Measure rates without the webhook and with it, in turn, and print them."""
    pairs = []
    for _ in range(options.rounds):
        process.unregister(running)
        time.sleep(SETTLE_S)
        without = measure()
        process.register(running, f"https://127.0.0.1:{webhook.port}", bundle=webhook.folder.bundle)
        pairs.append((without, measure()))
    assert process.failed_open(running) == 0
    ratio = statistics.median(on / off for off, on in pairs)
    shown = ", ".join(f"{off:.0f} -> {on:.0f}" for off, on in pairs)
    print(f"{what}: {shown} a second; the webhook costs {1 - ratio:.0%}   (goal: below 20%)")


OWN = ("data_locality_webhook_request_seconds_bucket", 'path="enrich"')
THEIRS = ("apiserver_admission_webhook_admission_duration_seconds_bucket", "enrich.data-locality")


def _histogram(page: str, which: tuple[str, str], before: str = "") -> str:
    """Between which bounds the 50th, 95th and 99th percentile of a histogram lie."""
    now, earlier = _buckets(page, which), _buckets(before, which)
    counts = [(bound, count - earlier.get(bound, 0)) for bound, count in sorted(now.items())]
    total = counts[-1][1]
    found = []
    for share in (50, 95, 99):
        number = next(index for index, (_, count) in enumerate(counts) if count >= total * share / 100)
        low = counts[number - 1][0] if number else 0.0
        found.append(f"p{share} {low * 1000:g}-{counts[number][0] * 1000:g} ms")
    return f"{', '.join(found)} of {total:.0f}"


def _buckets(page: str, which: tuple[str, str]) -> dict[float, float]:
    found: dict[float, float] = {}
    for line in page.splitlines():
        if line.startswith(which[0]) and which[1] in line:
            bound = float(line.partition('le="')[2].partition('"')[0])
            found[bound] = found.get(bound, 0) + float(line.split()[-1])
    return found


def _share(ordered: Sequence[float], percent: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def _rss_mb(webhook: process.Webhook) -> float:
    status = pathlib.Path(f"/proc/{webhook.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def _cpu_s(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# -------------------------------------------------------------------------------------------------------------- objects


def _asked(rng: random.Random, objects: int) -> Json:
    """A pod as the API server sends it."""
    pod = _pod("default")
    kind = rng.random()
    if kind < 0.8:
        name = f"it-{rng.randrange(objects)}"
        pod["metadata"]["labels"] = {"app": name, "pod-template-hash": "5f9c"}
        owner: Json = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": f"{name}-5f9c", "uid": "u"}
        pod["metadata"]["ownerReferences"] = [owner | {"controller": True}]
    elif kind < 0.9:
        pod["metadata"]["annotations"] = SAYS
    return pod


def _pod(namespace: str) -> Json:
    variables = [{"name": f"VARIABLE_{number}", "value": "a value of some length"} for number in range(10)]
    container: Json = {"name": "main", "image": "example/main:1", "env": variables}
    container["resources"] = {"requests": {"cpu": "100m", "memory": "64Mi"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "it-5f9c-", "namespace": namespace, "labels": {"app": "it"}},
        "spec": {"containers": [container], "schedulerName": "default-scheduler", "terminationGracePeriodSeconds": 0},
    }


def _pods_job(running: cluster.Cluster, namespace: str) -> Json:
    """What a load process needs to make pods of a controller, which are enriched with what their namespace says."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    # A controller that leaves its pods alone.
    owner = running.api.request("POST", path, {"metadata": {"generateName": "owner-"}})["metadata"]
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["name"], "uid": owner["uid"]}
    pod = _pod(namespace)
    pod["metadata"]["ownerReferences"] = [reference | {"controller": True}]
    return {
        "url": f"{running.server}/api/v1/namespaces/{namespace}/pods",
        "kubeconfig": str(running.kubeconfig),
        "body": json.dumps(pod),
        "connections": CONNECTIONS,
    }


def _count(running: cluster.Cluster, namespace: str) -> int:
    page = running.api.request("GET", f"/api/v1/namespaces/{namespace}/pods?limit=1")
    return len(page["items"]) + int(page["metadata"].get("remainingItemCount", 0))


def _namespace(running: cluster.Cluster) -> str:
    body = {"metadata": {"generateName": "bench-", "annotations": SAYS}}
    name = str(running.api.request("POST", "/api/v1/namespaces", body)["metadata"]["name"])
    running.wait_for_account(name)
    return name


def _empty(running: cluster.Cluster, namespace: str) -> None:
    running.api.request("DELETE", f"/api/v1/namespaces/{namespace}/pods?gracePeriodSeconds=0")


def _fill(running: cluster.Cluster, objects: int) -> None:
    """So many Deployments and Jobs, each third with annotations, and DataObjects."""
    containers = {"containers": [{"name": "c", "image": "none"}]}
    template = {"metadata": {"labels": {"app": "it"}}, "spec": containers}
    deployment = {"replicas": 0, "paused": True, "selector": {"matchLabels": {"app": "it"}}, "template": template}
    job = {"suspend": True, "template": {"spec": {**containers, "restartPolicy": "Never"}}}
    for path, spec in (
        ("apps/v1/namespaces/default/deployments", deployment),
        ("batch/v1/namespaces/default/jobs", job),
    ):
        bodies = [
            {"metadata": {"name": f"it-{number}", "annotations": _says(number)}, "spec": spec}
            for number in range(objects)
        ]
        running.api.create_all(f"/apis/{path}", bodies)
    bodies = [
        {
            "apiVersion": names.API_VERSION,
            "kind": "DataObject",
            "metadata": {"name": f"it-{number}"},
            "spec": {"urn": f"bucket-{number % 100}/some/prefix/object-{number}.tif", "sizeBytes": number},
        }
        for number in range(objects)
    ]
    running.api.create_all(f"/apis/{names.API_VERSION}/namespaces/{process.HOME}/{names.DATA_OBJECTS}", bodies)


def _until_quiet(running: cluster.Cluster) -> None:
    """Wait until the controllers have worked off the new objects: that load is none of the admissions'."""
    pids = running.pids().values()
    while True:
        before_s = sum(map(_cpu_s, pids))
        time.sleep(QUIET_S)
        if sum(map(_cpu_s, pids)) - before_s < QUIET_CORES * QUIET_S:
            return


def _says(number: int) -> Json:
    return SAYS | {names.DATA_SOURCES: f"bucket-{number % 100}"} if number % 3 == 0 else {}


# ----------------------------------------------------------------------------------------------------------------- load


def _run(job: Json) -> Json:
    """Have a process of its own send; returns its figures."""
    done = subprocess.run([sys.executable, LOAD], input=json.dumps(job).encode(), stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


if __name__ == "__main__":
    main()
