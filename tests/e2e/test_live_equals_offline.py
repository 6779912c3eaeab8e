"""What `decide` answers is what the scheduler does: a hundred generated pods, one by one, on the real API server.

Each pod is first asked about offline, with the objects as the API server returns them, then created. The scheduler must
bind it to one of the nodes that the answer calls best, or refuse it with the answer's message.
"""

from __future__ import annotations

import json
import pathlib
import random
import subprocess
import urllib.request
from collections.abc import Callable
from typing import Any, Self

import pytest

from demo import processes
from localcluster import cluster, names, topology
from tests import clusterfixture
from tests.e2e import worlds

WORLDS = 10
PODS_PER_WORLD = 10
NAMESPACE = "default"
ALL_DATA_OBJECTS = "/apis/scheduler.thesis/v1alpha1/dataobjects"
DATA_OBJECTS = f"/apis/scheduler.thesis/v1alpha1/namespaces/{NAMESPACE}/dataobjects"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


class Live:
    """A scheduler on a real API server, and when it has seen everything."""

    def __init__(self, running: cluster.Cluster, configuration: pathlib.Path) -> None:
        self.running = running
        self.api = running.api
        processes.install(running)
        # No daemon runs that would look anything up; and no object of the API server's says what is under way, or what
        # was learned of the pods of earlier worlds.
        configuration.write_text("dataWait: 0\ncontention: false\nlearning: false\n")
        self.address = processes.start_scheduler(running, configuration)

    def wait(self, check: Callable[[], bool], what: str) -> None:
        self.running.wait_until(check, what=what, timeout_s=60, program="scheduler")

    def items(self, path: str) -> list[Any]:
        found: list[Any] = self.api.request("GET", path)["items"]
        return found

    def settle(self, placed: int) -> None:
        """Wait until the scheduler's state is the API server's.

        Watches keep the order of events of one resource, so a node that is created last, once seen, says that all
        earlier changes of nodes were seen too.
        """
        last = {"metadata": {"name": "last"}, "status": {}}
        count = len(self.items("/api/v1/nodes"))
        self.api.request("POST", "/api/v1/nodes", last)
        self.wait(lambda: self._cache("nodes") == count + 1, "the scheduler to see the last node")
        self.api.request("DELETE", "/api/v1/nodes/last")
        self.wait(lambda: self._cache("nodes") == count, "the scheduler to see it go")
        self.wait(
            lambda: (self._cache("pods"), self._cache("assumed_pods")) == (placed, 0), "the scheduler to see all pods"
        )
        # Of keys that pods name, the scheduler makes objects itself, beside those of their buckets.
        specs = [item["spec"] for item in self.items(DATA_OBJECTS) if "/" not in item["spec"]["urn"]]
        wanted = {spec["urn"]: sorted(location["node"] for location in spec["locations"]) for spec in specs}
        self.wait(
            lambda: {urn: bucket["nodes"] for urn, bucket in self._get("storage-info")["buckets"].items()} == wanted,
            "the scheduler to see all DataObjects",
        )

    def expect(self, pod: str) -> None:
        """Wait until the outputs of a bound pod are expected, and the scheduler has seen that they are."""
        (*_, told) = self._get(f"explain?pod={NAMESPACE}/{pod}")["decisions"]
        urns = {move["urn"] for move in told["transfers"] if move["is_output"]}

        def are_written() -> bool:
            expected = {obj["spec"]["urn"]: obj.get("status", {}).get("expected", ())
                        for obj in self.items(ALL_DATA_OBJECTS)}  # fmt: skip
            return all(any(one["producer"] == f"{NAMESPACE}/{pod}" for one in expected.get(urn, ())) for urn in urns)

        self.wait(are_written, f"the outputs of {pod} to be expected")
        # The watch keeps the order, so that an object which is made now is seen after those.
        last = {"apiVersion": "scheduler.thesis/v1alpha1", "kind": "DataObject"}
        self.api.request("POST", DATA_OBJECTS, {**last, "metadata": {"name": pod}, "spec": {"urn": pod}})
        self.wait(lambda: pod in self._get("storage-info")["buckets"], "the scheduler to see the last DataObject")
        self.api.request("DELETE", f"{DATA_OBJECTS}/{pod}")

    def pods(self) -> int:
        """How many the scheduler knows of, with a node or without."""
        return sum(self._figures("scheduler_pending_pods{")) + self._cache("pods")

    def _cache(self, kind: str) -> int:
        (found,) = self._figures(f'scheduler_cache_size{{type="{kind}"}}')
        return found

    def _figures(self, start: str) -> list[int]:
        """Its metrics that start so."""
        with urllib.request.urlopen(f"{self.address}/metrics") as answer:  # noqa: S310 (our own)
            text = answer.read().decode()
        return [int(float(line.rsplit(" ", 1)[1])) for line in text.splitlines() if line.startswith(start)]

    def _get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.address}/{path}") as answer:  # noqa: S310 (our own)
            return json.load(answer)


class Offline:
    """One `decide` process, asked line by line."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [processes.PROGRAM, "decide"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0

    def ask(self, question: worlds.Json) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_a_hundred_pods_go_where_decide_says(
    cluster_factory: clusterfixture.ClusterFactory, tmp_path: pathlib.Path
) -> None:
    seed = random.randrange(2**32)  # in every message below, so that a failure can be repeated
    rng = random.Random(seed)
    asked = bound = 0
    with cluster_factory(topology.Topology(nodes=())) as running, Offline() as offline:
        live = Live(running, tmp_path / "config.yaml")
        for number in range(WORLDS):
            _create_world(live, rng, number)
            placed = len(live.items(PODS))
            live.settle(placed)
            for turn in range(PODS_PER_WORLD):
                manifest = worlds.pod(rng, f"pod-{number}-{turn}", schedulerName="data-locality-scheduler")
                answer, outcome = _ask_and_place(live, offline, manifest)
                if outcome["node"]:
                    assert outcome["node"] in answer["best"], (seed, manifest, answer)
                    placed += 1
                    bound += 1
                    live.expect(manifest["metadata"]["name"])
                    live.settle(placed)
                else:
                    assert outcome["message"].startswith(answer["message"]), (seed, manifest, answer, outcome)
                    live.api.request("DELETE", f"{PODS}/{manifest['metadata']['name']}")
                asked += 1
            _clear(live)
    assert asked == WORLDS * PODS_PER_WORLD
    assert bound > asked / 3, "too few pods could be placed for this to mean anything"


def _create_world(live: Live, rng: random.Random, number: int) -> None:
    nodes = worlds.nodes(rng, f"w{number}-", rng.randrange(3, 9))
    for node in nodes:
        node["metadata"]["annotations"] = {names.KWOK_ANNOTATION: names.KWOK_ANNOTATION_VALUE}
        live.api.request("POST", "/api/v1/nodes", node)
    node_names = [node["metadata"]["name"] for node in nodes]

    def steady() -> bool:
        """All Ready, and the controller's taints as the cordons want them."""
        for node in live.items("/api/v1/nodes"):
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"].get("conditions", ()))
            keys = {t["key"] for t in node["spec"].get("taints", ()) if t["key"].startswith("node.kubernetes.io/")}
            cordoned = {"node.kubernetes.io/unschedulable"} if node["spec"].get("unschedulable") else set()
            if not ready or keys != cordoned:
                return False
        return True

    live.wait(steady, "the nodes")
    for old in range(rng.randrange(6)):
        manifest = worlds.pod(rng, f"old-{number}-{old}", nodeName=rng.choice(node_names))
        manifest["spec"].pop("tolerations", None)
        # A fixed node is the kubelet's business; what it would refuse must not be asked for.
        manifest["spec"].pop("nodeSelector", None)
        manifest["spec"].get("affinity", {}).pop("nodeAffinity", None)
        manifest["spec"]["tolerations"] = [{"operator": "Exists"}]
        live.api.request("POST", PODS, manifest)
    for obj in worlds.data_objects(rng, node_names):
        live.api.request("POST", DATA_OBJECTS, obj)


def _ask_and_place(live: Live, offline: Offline, manifest: worlds.Json) -> tuple[Any, worlds.Json]:
    """Ask offline with the pod as the API server would have it, then create it and see what happens."""
    as_created = live.api.request("POST", f"{PODS}?dryRun=All", manifest)
    question = {
        "nodes": live.items("/api/v1/nodes"),
        "pods": live.items("/api/v1/pods"),
        "namespaces": live.items("/api/v1/namespaces"),
        "dataObjects": live.items(ALL_DATA_OBJECTS),
        "pod": as_created,
    }
    answer = offline.ask(question)
    assert "fault" not in answer, answer
    live.api.request("POST", PODS, manifest)
    outcome: worlds.Json = {}

    def over() -> bool:
        pod = live.api.request("GET", f"{PODS}/{manifest['metadata']['name']}")
        refused = [c for c in pod["status"].get("conditions", ()) if c["type"] == "PodScheduled" and c.get("message")]
        outcome["node"] = pod["spec"].get("nodeName", "")
        outcome["message"] = refused[0]["message"] if refused else ""
        return bool(outcome["node"] or outcome["message"])

    live.wait(over, f"pod {manifest['metadata']['name']} to be bound or refused")
    return answer, outcome


def _clear(live: Live) -> None:
    live.running.kubectl("delete", "pods", "--all", "-n", NAMESPACE, "--wait=false")
    live.wait(lambda: not live.items(PODS), "the pods to go")
    # Else it may yet make DataObjects for them.
    live.wait(lambda: live.pods() == 0, "the scheduler to see them go")
    live.running.kubectl("delete", "dataobjects", "--all", "--all-namespaces", "--wait=false")
    live.wait(lambda: not live.items(ALL_DATA_OBJECTS), "the DataObjects to go")
    live.running.kubectl("delete", "nodes", "--all", "--wait=false")
    live.wait(lambda: not live.items("/api/v1/nodes"), "the nodes to go")
