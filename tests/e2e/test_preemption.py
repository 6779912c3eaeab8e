"""Preemption beside stock kube-scheduler on one API server: the same scenes, played once by each, end the same.

Each scene has the nodes to itself. Victims keep a finalizer, so that what was written to them can be read, and so that
the test says when they are gone; KWOK plays the kubelet that stops them.
"""

from __future__ import annotations

import contextlib
import itertools
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from scheduler import errors
from tests import clusterfixture
from tests.e2e import process

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

NODES = tuple(topology.Node(name=f"n{number}", cpu="2", memory="8Gi", zone=f"z{number}") for number in range(3))
OURS, STOCK = "data-locality-scheduler", "default-scheduler"
PRIORITIES = (5, 10, 50, 100, 200)
FINALIZER = "example.com/held"
NUMBERS = itertools.count()


class Scene:
    """A namespace, pods in it, and what becomes of them; names and words are the same whoever schedules."""

    def __init__(self, running: cluster.Cluster, scheduler: str) -> None:
        self.api = running.api
        self.scheduler = scheduler
        self.namespace = f"preemption-{next(NUMBERS)}"
        self.path = f"/api/v1/namespaces/{self.namespace}"
        self.names: dict[str, str] = {}  # by uid
        self.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        with contextlib.suppress(errors.ConflictError):  # a controller may be quicker
            self.api.request("POST", f"{self.path}/serviceaccounts", {"metadata": {"name": "default"}})

    def end(self) -> None:
        self.api.request("DELETE", f"{self.path}/pods?gracePeriodSeconds=0")

        def are_gone() -> bool:
            self.release()
            return not self.pods()

        process.until(are_gone, "the scene's pods are gone")

    def create(
        self, name: str, cpu: str, priority: int, *, node: str = "", app: str = "", policy: str = "", on: str = ""
    ) -> None:
        """A pod that waits or, with a node, one that is there already and leaves only when it may."""
        spec: Json = {
            "schedulerName": self.scheduler,
            "priorityClassName": f"of-{priority}" + policy.lower(),
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": "example/main:1", "resources": {"requests": {"cpu": cpu}}}],
        }
        meta: Json = {"name": name, "labels": {"app": app or name}}
        if node:
            spec["nodeName"] = node
            meta["finalizers"] = [FINALIZER]
        if on:
            spec["nodeSelector"] = {"kubernetes.io/hostname": on}
        made = self.api.request("POST", f"{self.path}/pods", {"metadata": meta, "spec": spec})
        self.names[made["metadata"]["uid"]] = name
        if node:
            process.until(lambda: self.pods()[name]["status"]["phase"] == "Running", f"{name} runs")

    def budget(self, app: str) -> None:
        """None of these may be disrupted."""
        path = f"/apis/policy/v1/namespaces/{self.namespace}/poddisruptionbudgets"
        spec = {"minAvailable": "100%", "selector": {"matchLabels": {"app": app}}}
        self.api.request("POST", path, {"metadata": {"name": app}, "spec": spec})
        observed = lambda: self.api.request("GET", f"{path}/{app}").get("status", {}).get("observedGeneration")  # noqa: E731
        process.until(observed, "the budget is reckoned")

    def pods(self) -> dict[str, Json]:
        items = self.api.request("GET", f"{self.path}/pods")["items"]
        return {pod["metadata"]["name"]: pod for pod in items}

    def evicted(self) -> set[str]:
        return {name for name, pod in self.pods().items() if pod["metadata"].get("deletionTimestamp")}

    def release(self) -> None:
        """Victims are gone."""
        for name in self.evicted():
            with contextlib.suppress(errors.NotFoundError):
                pod = self.api.request("GET", f"{self.path}/pods/{name}")
                pod["metadata"]["finalizers"] = []
                self.api.request("PUT", f"{self.path}/pods/{name}", pod)

    def node_of(self, name: str) -> str:
        return str(self.pods()[name]["spec"].get("nodeName", ""))

    def nominated(self, name: str) -> str:
        return str(self.pods()[name]["status"].get("nominatedNodeName", ""))

    def placed(self, *names: str) -> None:
        process.until(lambda: all(map(self.node_of, names)), f"{names} are placed")

    def condition(self, name: str, kind: str) -> list[str]:
        """What a condition says."""
        conditions = self.pods()[name]["status"].get("conditions", [])
        found: Json = next((each for each in conditions if each["type"] == kind), {})
        return [found.get(key, "").replace(self.scheduler, "SCHEDULER") for key in ("status", "reason", "message")]

    def told(self, name: str, reason: str) -> set[tuple[str, ...]]:
        """What Events of that reason say of a pod, with names for uids."""
        return {(one["type"], one["action"], self._named(one["note"])) for one in self.events(name, reason)}

    def events(self, name: str, reason: str) -> list[Json]:
        items = self.api.request("GET", f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events")["items"]
        return [one for one in items if one["reason"] == reason and one["regarding"]["name"] == name]

    def _named(self, text: str) -> str:
        for uid, name in self.names.items():
            text = text.replace(uid, name)
        return text

    def of_victim(self, name: str) -> Json:
        """All that is written of a pod that has to go."""
        process.until(lambda: self.told(name, "Preempted"), f"{name} is told")
        [event] = self.events(name, "Preempted")
        if self.scheduler == OURS:  # the other one cannot name a pod of its own there
            assert self.names[event["related"]["uid"]] == event["related"]["name"]
        return {"told": self.told(name, "Preempted"), "condition": self.condition(name, "DisruptionTarget")}

    def of_preemptor(self, name: str) -> Json:
        """All that is written of a pod that waits for room."""
        # Its status is written after the Event, by kube-scheduler as by ours.
        process.until(
            lambda: self.told(name, "FailedScheduling") and self.condition(name, "PodScheduled")[0], f"{name} is told"
        )
        return {
            "told": self.told(name, "FailedScheduling"),
            "condition": self.condition(name, "PodScheduled"),
            "nominated": self.nominated(name),
        }


@pytest.fixture(scope="module")
def running(
    cluster_factory: clusterfixture.ClusterFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[cluster.Cluster]:
    directory: pathlib.Path = tmp_path_factory.mktemp("preemption")
    with cluster_factory(topology.Topology(NODES), crds=True, kube_scheduler=True) as started:
        for priority in PRIORITIES:
            for policy in ("PreemptLowerPriority", "Never"):
                name = f"of-{priority}" + ("never" if policy == "Never" else "")
                body = {"metadata": {"name": name}, "value": priority, "preemptionPolicy": policy}
                started.api.request("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", body)
        with process.Scheduler(process.account(started), directory):
            yield started


def played(running: cluster.Cluster, scene: Any) -> list[Json]:
    """What a scene comes to with either scheduler."""
    found = []
    for scheduler in (STOCK, OURS):
        stage = Scene(running, scheduler)
        try:
            found.append(scene(stage))
        finally:
            stage.end()
    return found


def choice(scene: Scene) -> Json:
    """Room could be made on any node: one has a budget in the way, and one more urgent pods."""
    scene.create("guarded-0", "1", 5, node="n0", app="guarded")
    scene.create("guarded-1", "1", 5, node="n0", app="guarded")
    scene.create("cheap-0", "1", 10, node="n1")
    scene.create("cheap-1", "1", 5, node="n1")
    scene.create("dear", "2", 50, node="n2")
    scene.budget("guarded")
    scene.create("urgent", "2", 100)
    process.until(lambda: len(scene.evicted()) == 2, "two have to go")
    found = {
        "evicted": scene.evicted(),
        **{name: scene.of_victim(name) for name in ("cheap-0", "cheap-1")},
        "urgent": scene.of_preemptor("urgent"),
    }
    scene.release()
    scene.placed("urgent")
    return found | {"node": scene.node_of("urgent"), "nominated": scene.nominated("urgent"), "left": set(scene.pods())}


def never(scene: Scene) -> Json:
    """A pod that may push nobody out waits, and comes when there is room."""
    for name in ("n0", "n1", "n2"):
        scene.create(f"on-{name}", "2", 5, node=name)
    scene.create("polite", "2", 100, policy="Never")
    found = {"polite": scene.of_preemptor("polite"), "evicted": scene.evicted()}
    scene.api.request("DELETE", f"{scene.path}/pods/on-n1")
    scene.release()
    scene.placed("polite")
    return found | {"node": scene.node_of("polite")}


def several(scene: Scene) -> Json:
    """Two at once, each of which needs a node of its own, of three that each hold two pods that may go."""
    for name in ("n0", "n1", "n2"):
        for number in range(2):
            scene.create(f"{name}-{number}", "1", 5, node=name)
    names = [f"urgent-{number}" for number in range(2)]
    for name in names:
        scene.create(name, "2", 100)
    process.until(lambda: all(map(scene.nominated, names)), "both are nominated")
    nominated = {scene.nominated(name) for name in names}
    process.until(lambda: len(scene.evicted()) >= 4, "four have to go")
    assert {name.partition("-")[0] for name in scene.evicted()} == nominated
    evicted = len(scene.evicted())
    scene.release()
    scene.placed(*names)
    assert {scene.node_of(name) for name in names} == nominated
    return {"evicted": evicted, "nodes": len(nominated), "left": len(scene.pods())}


def overtaken(scene: Scene) -> Json:
    """A more urgent pod needs the room that is being made for another one, and one more victim."""
    scene.create("held-1", "2", 200, node="n1")
    scene.create("held-2", "2", 200, node="n2")
    scene.create("v-0", "1", 10, node="n0")
    scene.create("v-1", "1", 5, node="n0")
    scene.create("first", "1", 50)
    process.until(lambda: scene.evicted() and scene.nominated("first"), "room is made for the first")
    found: Json = {"before": (scene.evicted(), scene.nominated("first"))}
    scene.create("second", "2", 100)
    process.until(lambda: scene.nominated("second"), "room is made for the second")
    process.until(lambda: not scene.nominated("first"), "and no more for the first")
    process.until(lambda: len(scene.evicted()) == 2, "both have to go")
    found |= {"after": (scene.evicted(), scene.nominated("second")), "v-0": scene.of_victim("v-0")}
    scene.release()
    scene.placed("second")
    return found | {"node": scene.node_of("second"), "first": scene.node_of("first")}


def urgent_of_two(scene: Scene) -> Json:
    """Of two that need the same room, one gets it, once; the other one is told that nobody is left to go."""
    scene.create("held-1", "2", 200, node="n1")
    scene.create("held-2", "2", 200, node="n2")
    scene.create("v-0", "2", 5, node="n0")
    for name in ("x", "y"):
        scene.create(name, "2", 100)
    process.until(lambda: scene.nominated("x") or scene.nominated("y"), "room is made")
    process.until(lambda: all(scene.told(name, "FailedScheduling") for name in ("x", "y")), "both are told")
    [chosen] = [name for name in ("x", "y") if scene.nominated(name)]
    [other] = {"x", "y"} - {chosen}
    found = {"evicted": scene.evicted(), "other": scene.of_preemptor(other)}
    scene.release()
    scene.placed(chosen)
    return found | {"left": scene.node_of(other), "nominated": scene.nominated(other)}


@pytest.mark.parametrize("scene", [choice, never, several, overtaken, urgent_of_two], ids=lambda scene: scene.__name__)
def test_it_goes_as_with_stock(running: cluster.Cluster, scene: Any) -> None:
    stock, ours = played(running, scene)
    assert ours == stock
