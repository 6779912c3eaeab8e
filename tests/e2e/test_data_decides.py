"""Data decides, end to end: real stores, a daemon for each node, the scheduler under its role, a real API server.

Pods go to one of two workers in two regions; each region has a store. Every decision is held against the formula, and
against what the offline door answers about the same objects.
"""

from __future__ import annotations

import itertools
import json
import pathlib
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from demo import processes
from localcluster import cluster, keeping, topology
from localcluster import names as cluster_names
from tests import clusterfixture
from tests.e2e import process

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Json = dict[str, Any]

NODES = tuple(
    topology.Node(f"{kind}-{side}", region=side, zone=f"{side}-1", cpu="8", memory="32Gi", minio=kind == "store",
                  labels={"example.com/kind": kind})
    for kind in ("store", "worker")
    for side in ("west", "east")
)  # fmt: skip
GB = 1_000_000_000
IN_ZONE = (0.001, 500e6)  # latency and bandwidth of the prior: seconds, bytes per second
BETWEEN_REGIONS = (0.030, 50e6)

HOME = processes.NAMESPACE
PODS = "/api/v1/namespaces/default/pods"
OBJECTS = "/apis/scheduler.thesis/v1alpha1/dataobjects"
CAPABILITIES = "/apis/scheduler.thesis/v1alpha1/nodecapabilities"

# A machine that is busy with other tests may be slow to look a key up; that nobody waits longer than told is tested
# elsewhere (tests/live/test_ondemand.py).
# What is under way counts, too, of which what kubectl lists knows nothing; tests/kernel asks with it.
CONFIGURATION = {"dataWait": "40s", "seed": 1, "contention": False}


def seconds(link: tuple[float, float], size_bytes: float) -> float:
    latency_s, bandwidth = link
    return latency_s + size_bytes / bandwidth


class World:
    """The cluster with its programs, and questions to them."""

    def __init__(self, running: cluster.Cluster, directory: pathlib.Path, configuration: Json | None = None) -> None:
        self.running = running
        self.api = running.api
        self.stores = {side: running.stores[f"store-{side}"] for side in ("west", "east")}
        self._names = (f"p{number}" for number in itertools.count())
        processes.install(running)
        for node in running.nodes:
            self.start_daemon(node)
        kubeconfig = running.service_account_kubeconfig(HOME, "data-locality-scheduler")
        self._settings = CONFIGURATION if configuration is None else configuration
        file = directory / "config.yaml"
        file.write_text(json.dumps(self._settings))
        port = keeping.free_port()
        self._address = f"http://127.0.0.1:{port}"
        running.launch(
            "scheduler",
            [processes.PROGRAM, "run", f"--kubeconfig={kubeconfig}", f"--config={file}",
             "--health-host=127.0.0.1", f"--health-port={port}"],
        )  # fmt: skip
        process.until(lambda: self.get("readyz") is not None, "the scheduler is ready")

    def start_daemon(self, node: str) -> None:
        kubeconfig = self.running.service_account_kubeconfig(HOME, "data-locality-daemon", node=node)
        self.running.launch(
            f"daemon-{node}",
            [processes.PROGRAM, "daemon", f"--kubeconfig={kubeconfig}", f"--node={node}", "--health-host=127.0.0.1",
             "--health-port=0", "--interval-s=1", "--probe-port=-1"],  # all links are one machine's loopback
        )  # fmt: skip

    # ---- asking

    def get(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"{self._address}/{path}") as answer:  # noqa: S310 (our own)
                text = answer.read().decode()
        except OSError:
            return None
        return json.loads(text) if text.startswith("{") else text

    def items(self, path: str) -> list[Json]:
        found: list[Json] = self.api.request("GET", path)["items"]
        return found

    def object(self, urn: str) -> Json:
        """The DataObject of a urn; empty if there is none."""
        return next((obj for obj in self.items(OBJECTS) if obj["spec"]["urn"] == urn), {})

    def holders(self, urn: str) -> set[str]:
        """The nodes from which a urn can be had, according to its DataObject."""
        replicas = self.object(urn).get("status", {}).get("replicas", [])
        return {replica["node"] for replica in replicas if replica.get("available")}

    def served_by(self, node: str) -> set[bool]:
        """Whether what a node has can be had, of all DataObjects that name it."""
        statuses = [obj.get("status", {}) for obj in self.items(OBJECTS)]
        copies = [replica for status in statuses for replica in status.get("replicas", [])]
        return {bool(replica.get("available")) for replica in copies if replica["node"] == node}

    def locations(self) -> dict[str, set[str]]:
        """Where everything can be had."""
        found = {obj["spec"]["urn"]: obj.get("status", {}).get("replicas", []) for obj in self.items(OBJECTS)}
        return {
            urn: {each["node"] for each in copies if each.get("available")} for urn, copies in found.items() if copies
        }

    def settle(self) -> None:
        """Wait until the scheduler has seen the DataObjects and links as they are now."""
        marker = f"marker-{next(self._names)}"
        path = "/apis/scheduler.thesis/v1alpha1/namespaces/default/dataobjects"
        self.api.request(
            "POST",
            path,
            {"apiVersion": "scheduler.thesis/v1alpha1", "kind": "DataObject",
             "metadata": {"name": marker}, "spec": {"urn": marker}},
        )  # fmt: skip
        process.until(lambda: marker in self.get("storage-info")["buckets"], "the scheduler has seen it")

    # ---- nodes

    def kubelet_of(self, node: str, *, plays: bool) -> None:
        """Have KWOK play the node's kubelet, or leave the node alone."""
        mark = f"={cluster_names.KWOK_ANNOTATION_VALUE}" if plays else "-"
        self.running.kubectl("annotate", "node", node, f"{cluster_names.KWOK_ANNOTATION}{mark}")

    def say_ready(self, node: str, status: str) -> None:
        """Write the node's condition Ready, as its kubelet would."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        ready = {"type": "Ready", "status": status, "reason": "Said", "message": "by a test",
                 "lastHeartbeatTime": now, "lastTransitionTime": now}  # fmt: skip
        self.running.kubectl(
            "patch", "node", node, "--subresource=status", "--type=strategic",
            "-p", json.dumps({"status": {"conditions": [ready]}}),
        )  # fmt: skip

    def is_away(self, node: str) -> bool:
        """Whether the cluster takes a node for one that is not ready."""
        found = self.api.request("GET", f"/api/v1/nodes/{node}")
        taints = [taint["key"] for taint in found["spec"].get("taints", ())]
        ready = [one["status"] for one in found["status"]["conditions"] if one["type"] == "Ready"]
        return ready != ["True"] or any(key.startswith("node.kubernetes.io/") for key in taints)

    # ---- placing

    def body(self, *, inputs: tuple[str, ...] = (), outputs: tuple[str, ...] = (), **selector: str) -> Json:
        """A pod for one of the workers, or for those that the labels select; data is ``urn,bytes``."""
        notes = {f"data.scheduler.thesis/input-{number}": text for number, text in enumerate(inputs)}
        notes |= {f"data.scheduler.thesis/output-{number}": text for number, text in enumerate(outputs)}
        spec = {
            "schedulerName": "data-locality-scheduler",
            "nodeSelector": {"example.com/kind": "worker", **selector},
            "containers": [{"name": "main", "image": "example/main:1"}],
        }
        metadata = {"name": next(self._names), "annotations": notes | {"scheduler.thesis/data-intensive": "true"}}
        return {"metadata": metadata, "spec": spec}

    def decide(self, body: Json) -> Json:
        """What the offline door says of a pod, with the objects as the API server has them now."""
        return self._answer(self._question(body))

    def _question(self, body: Json) -> Json:
        return {
            "pod": {**body, "metadata": {**body["metadata"], "namespace": "default"}},
            "nodes": self.items("/api/v1/nodes"),
            "pods": self.items("/api/v1/pods"),
            "dataObjects": self.items(OBJECTS),
            "nodeCapabilities": self.items(CAPABILITIES),
            "config": self._settings,
        }

    def _answer(self, question: Json) -> Json:
        done = subprocess.run(
            [processes.PROGRAM, "decide"], input=json.dumps(question) + "\n", capture_output=True, text=True, check=True
        )
        answer: Json = json.loads(done.stdout)
        assert not answer.get("fault"), answer
        return answer

    def node_of(self, body: Json) -> str:
        return str(self.api.request("GET", f"{PODS}/{body['metadata']['name']}")["spec"].get("nodeName", ""))

    def place(self, body: Json) -> Json:
        """Create a pod, wait for its node, and return the scheduler's explanation."""
        self.api.request("POST", PODS, body)
        process.until(lambda: self.node_of(body), f"{body['metadata']['name']} is placed")
        return self.explanation(body)

    def explanation(self, body: Json) -> Json:
        told: Json = self.get(f"explain?pod=default/{body['metadata']['name']}")["decisions"][-1]
        assert told["node"] == self.node_of(body)
        return told

    def decided(self, **data: Any) -> Json:
        """Place a pod, holding its explanation against the formula and against the offline door."""
        for _ in range(5):
            before = self.locations()
            self.settle()
            body = self.body(**data)
            question = self._question(body)
            told = self.place(body)
            if self.locations() == before:
                break  # else the two were asked about different worlds
        else:
            raise AssertionError("what can be had where does not come to rest")
        offline = self._answer(question | {"now": told["time"]})  # what was measured ages
        assert told["node"] in offline["best"]
        assert told["data_s"] == pytest.approx(sum(move["seconds"] for move in told["transfers"]), rel=1e-9)
        here = offline["criteria"][told["node"]]["data"]
        assert told["data_s"] == pytest.approx(here["seconds"], rel=1e-6)
        for mine, theirs in zip(told["transfers"], here["transfers"], strict=True):
            assert mine["partner"] == theirs["from" if "from" in theirs else "to"]
        return told


@pytest.fixture(scope="module")
def world(cluster_factory: clusterfixture.ClusterFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with cluster_factory(topology.Topology(NODES)) as running:
        made = World(running, tmp_path_factory.mktemp("scheduler"))
        for side, store in made.stores.items():
            store.upload("shared", "movie.bin", 5_000_000)
            store.upload(f"only-{side}", "frames.bin", 1_000_000)
            store.upload("split", f"{side}.bin", 3_000_000)
            store.upload("results", "readme.txt", 10)
        # Until somebody asks for a key, there are buckets only.
        process.until(lambda: len(made.holders("results")) == 2, "the buckets are known")
        yield made


def test_a_replica_on_the_nearer_server_wins_and_another_when_its_store_goes_down(world: World) -> None:
    """A shared key on both sides, and a smaller one on the west: the west is better while its store is up."""
    data: Json = {"inputs": (f"shared/movie.bin,{2 * GB}", f"only-west/frames.bin,{GB // 10}")}

    def west_wins() -> None:
        told = world.decided(**data)
        assert told["node"] == "worker-west"
        assert told["deciding"] == "data"
        shared, frames = told["transfers"]
        assert (shared["partner"], frames["partner"]) == ("store-west", "store-west")
        assert shared["seconds"] == pytest.approx(seconds(IN_ZONE, 2 * GB), rel=1e-9)
        assert frames["seconds"] == pytest.approx(seconds(IN_ZONE, GB / 10), rel=1e-9)
        pinned = world.decided(**data, **{"topology.kubernetes.io/zone": "east-1"})
        assert [move["partner"] for move in pinned["transfers"]] == ["store-east", "store-west"]
        assert pinned["transfers"][1]["seconds"] == pytest.approx(seconds(BETWEEN_REGIONS, GB / 10), rel=1e-9)

    world.place(world.body(**data))  # the first to name the keys
    process.until(lambda: len(world.holders("shared/movie.bin")) == 2, "both copies are found")
    west_wins()
    world.stores["west"].stop()
    try:
        process.until(lambda: world.served_by("store-west") == {False}, "the outage is known of all buckets and keys")
        told = world.decided(**data)
        assert told["node"] == "worker-east"
        (shared,) = told["transfers"]  # nobody can hand out the other
        assert shared["partner"] == "store-east"
        assert shared["seconds"] == pytest.approx(seconds(IN_ZONE, 2 * GB), rel=1e-9)
        pinned = world.decided(**data, **{"topology.kubernetes.io/zone": "west-1"})
        assert pinned["transfers"][0]["seconds"] == pytest.approx(seconds(BETWEEN_REGIONS, 2 * GB), rel=1e-9)
    finally:
        world.stores["west"].start()
    process.until(lambda: world.served_by("store-west") == {True}, "the store is back with all of them")
    west_wins()


def test_a_node_that_is_not_ready_draws_nobody_until_it_is_back(world: World) -> None:
    """Its store still answers its daemon; the node itself nobody can reach, as far as the cluster knows."""
    data: Json = {"inputs": (f"shared/movie.bin,{2 * GB}", f"only-west/frames.bin,{GB // 10}")}
    world.place(world.body(**data))
    process.until(lambda: len(world.holders("shared/movie.bin")) == 2, "both copies are found")
    assert world.decided(**data)["node"] == "worker-west"
    world.kubelet_of("store-west", plays=False)
    world.say_ready("store-west", "False")
    try:
        told = world.decided(**data)
        assert told["node"] == "worker-east"
        assert [move["partner"] for move in told["transfers"]] == ["store-east"]
        assert list(told["unavailable"]) == ["only-west/frames.bin"]
        assert "its node is not ready" in told["unavailable"]["only-west/frames.bin"]
    finally:
        world.say_ready("store-west", "True")
        world.kubelet_of("store-west", plays=True)
    process.until(lambda: not world.is_away("store-west"), "the node is back")
    told = world.decided(**data)
    assert told["node"] == "worker-west"
    assert {move["partner"] for move in told["transfers"]} == {"store-west"}


def test_a_link_that_is_measured_slow_changes_the_decision(world: World) -> None:
    data: Json = {"inputs": (f"shared/movie.bin,{GB}", f"only-west/frames.bin,{GB // 100}")}
    assert world.decided(**data)["node"] == "worker-west"
    measured = {"bandwidthBytesPerSecond": 4_000_000, "bandwidthLowBytesPerSecond": 2_000_000, "latencySeconds": 0.25,
                "samples": 20, "confidence": 1.0}  # fmt: skip

    def report(**link: Any) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        links = [{"peer": "worker-west", "direction": "To", "lastProbeTime": now, **link}] if link else []
        body = {"apiVersion": "scheduler.thesis/v1alpha1", "kind": "NodeCapability",
                "metadata": {"name": "store-west"}, "status": {"links": links}}  # fmt: skip
        world.running.kubectl(
            "apply", "--server-side", "--subresource=status", "--field-manager=test", "-f", "-", stdin=json.dumps(body)
        )
        process.until(lambda: len(world.get("storage-info")["links"]) == len(links), "the scheduler has seen it")

    report(**measured)
    try:
        told = world.decided(**data)
        assert told["node"] == "worker-east"
        assert [move["partner"] for move in told["transfers"]] == ["store-east", "store-west"]
        pinned = world.decided(**data, **{"topology.kubernetes.io/zone": "west-1"})
        # From the store of the other region, for that is faster now; the key that lies nowhere else takes the slow way.
        shared, frames = pinned["transfers"]
        assert (shared["partner"], shared["source"]) == ("store-east", "prior")
        assert shared["seconds"] == pytest.approx(seconds(BETWEEN_REGIONS, GB), rel=1e-9)
        assert (frames["partner"], frames["source"]) == ("store-west", "measured")
        assert frames["seconds"] == pytest.approx(seconds((0.25, 2e6), GB / 100), rel=0.02)  # fades with its age
    finally:
        report()
    assert world.decided(**data)["node"] == "worker-west"


@pytest.mark.parametrize("side", ["west", "east"])
def test_a_key_that_lies_on_one_of_two_stores_attracts_the_first_pod_that_names_it(world: World, side: str) -> None:
    """Both stores have the bucket, so nothing but the look at the key itself can tell."""
    urn = f"split/{side}.bin"
    assert world.object(urn) == {}
    body = world.body(inputs=(f"{urn},{GB}",))
    by_buckets = {worker: told["data"]["seconds"] for worker, told in world.decide(body)["criteria"].items()}
    assert by_buckets == dict.fromkeys(["worker-west", "worker-east"], pytest.approx(seconds(IN_ZONE, GB), rel=1e-9))
    began_s = time.monotonic()
    told = world.place(body)
    print(f"placed {time.monotonic() - began_s:.3f} s after it was created")  # noqa: T201 (a figure for the log)
    assert told["node"] == f"worker-{side}", (told, world.object(urn))
    (move,) = told["transfers"]
    assert move["partner"] == f"store-{side}"
    assert move["seconds"] == pytest.approx(seconds(IN_ZONE, GB), rel=1e-9)
    process.until(lambda: "sizeBytes" in world.object(urn)["status"], "its size is summed up")
    made = world.object(urn)
    assert made["metadata"]["namespace"] == HOME
    assert made["metadata"]["labels"]["scheduler.thesis/on-demand"] == "true"
    assert made["status"]["sizeBytes"] == 3_000_000
    assert 'data_waits_total{outcome="answered"}' in world.get("metrics")


@pytest.mark.parametrize("side", ["west", "east"])
def test_a_pipeline_that_is_applied_at_once_stays_where_its_data_will_be(world: World, side: str) -> None:
    """Consumers come before their producers, and nothing of what they read exists; both stores have the bucket."""
    stages = 5
    size = 5 * GB
    first = world.body(inputs=(f"only-{side}/frames.bin,{size}",), outputs=(f"results/{side}-0,{size}",))
    pods = [first]
    for number in range(1, stages):
        read, written = (f"results/{side}-{at},{size}" for at in (number - 1, number))
        pods.append(world.body(inputs=(read,), outputs=(written,)))
    whole = {"apiVersion": "v1", "kind": "List",
             "items": [{"apiVersion": "v1", "kind": "Pod", **pod} for pod in reversed(pods)]}  # fmt: skip
    world.running.kubectl("apply", "-f", "-", "-n", "default", stdin=json.dumps(whole))
    process.until(lambda: all(world.node_of(pod) for pod in pods), "all stages are placed")
    assert [world.node_of(pod) for pod in pods] == [f"worker-{side}"] * stages
    for pod in pods[1:]:
        read, written = world.explanation(pod)["transfers"]
        assert (read["expected"], read["confidence"], read["partner"]) == (True, 0.8, f"store-{side}")
        assert read["seconds"] == pytest.approx(seconds(IN_ZONE, size), rel=1e-9), "and the bucket is as near"
        assert written["partner"] == f"store-{side}"

    # What was expected comes true: the first stage's output is written, and elsewhere than expected.
    other = {"west": "east", "east": "west"}[side]
    urn = f"results/{side}-0"
    (entry,) = world.object(urn)["status"]["expected"]
    assert (entry["node"], entry["producer"]) == (f"store-{side}", f"default/{first['metadata']['name']}")
    world.stores[other].upload("results", f"{side}-0", 1000)
    process.until(lambda: world.holders(urn) == {f"store-{other}"}, "the daemon has seen it")
    process.until(lambda: not world.object(urn)["status"].get("expected"), "it is no longer expected")
    told = world.decided(inputs=(f"{urn},{size}",))
    assert told["node"] == f"worker-{other}"
    assert told["transfers"][0]["expected"] is False


def test_rights_are_enough(world: World) -> None:
    """All of this was done under the role of manifests/base, and nothing was refused."""
    assert "DataObject not written" not in world.running.log_tail("scheduler")
    assert 'data_object_writes_total{what="refused"} 0.0' in world.get("metrics")
