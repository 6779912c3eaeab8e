"""The same workloads, once with stock kube-scheduler and once with ours, on one API server with the real controllers.

Each scene has the nodes to itself. What is compared is what an operator sees: how many pods each zone and node gets,
whose claim goes where, what Events and conditions say. Where kube-scheduler draws among nodes that tie, the counts are
compared without names.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from scheduler import errors
from scheduler.api import volumes
from tests import clusterfixture
from tests.e2e import process

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

OURS, STOCK = "data-locality-scheduler", "default-scheduler"
ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"
NUMBERS = itertools.count()
REPLICAS = 60
# Zones of unlike size, so that an even spread is not what free room alone would give.
NODES = tuple(
    topology.Node(name=f"{zone}{number}", cpu="16", memory="64Gi", zone=zone)
    for zone, count in (("a", 40), ("b", 25), ("c", 20))
    for number in range(count)
)
ZONES = {node.name: node.zone for node in NODES}


class Scene:
    """A namespace and what becomes of the pods in it; names are the same whoever schedules."""

    def __init__(self, running: cluster.Cluster, scheduler: str) -> None:
        self.api = running.api
        self.scheduler = scheduler
        self.number = next(NUMBERS)
        self.namespace = f"scene-{self.number}"
        self.path = f"/api/v1/namespaces/{self.namespace}"
        self.cleared: list[str] = []  # what is not of the namespace, and goes with the scene
        self.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": self.namespace}})
        with contextlib.suppress(errors.ConflictError):  # a controller may be quicker
            self.api.request("POST", f"{self.path}/serviceaccounts", {"metadata": {"name": "default"}})

    def end(self) -> None:
        self.api.request("DELETE", f"/apis/apps/v1/namespaces/{self.namespace}/deployments")

        def are_gone() -> bool:
            self.api.request("DELETE", f"{self.path}/pods?gracePeriodSeconds=0")
            return not self.pods()

        process.until(are_gone, "the scene's pods are gone")
        for path in self.cleared:
            self.api.request("DELETE", path)

    def body(self, name: str, **spec: Any) -> Json:
        requests = {"requests": {"cpu": spec.pop("cpu", "100m")}}
        container = {"name": "main", "image": "example/main:1", "resources": requests}
        meta = {"name": name, "labels": {"app": "web"}}
        return {"metadata": meta, "spec": {"schedulerName": self.scheduler, "containers": [container], **spec}}

    def create(self, name: str, **spec: Any) -> None:
        self.api.request("POST", f"{self.path}/pods", self.body(name, **spec))

    def post(self, kind: str, name: str, **spec: Any) -> None:
        self.api.request("POST", f"{self.path}/{kind}", {"metadata": {"name": name}, "spec": spec})

    def deploy(self, **spec: Any) -> list[str]:
        """A Deployment of REPLICAS pods; the nodes that they are on when all are."""
        template = self.body("web", **spec)
        wanted = {"replicas": REPLICAS, "selector": {"matchLabels": {"app": "web"}}, "template": template}
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        self.api.request("POST", path, {"metadata": {"name": "web"}, "spec": wanted})
        process.until(lambda: len(self.placed()) == REPLICAS, "all replicas are placed", within_s=120)
        return self.placed()

    def pods(self) -> dict[str, Json]:
        return {pod["metadata"]["name"]: pod for pod in self.api.request("GET", f"{self.path}/pods")["items"]}

    def placed(self) -> list[str]:
        return [node for pod in self.pods().values() if (node := pod["spec"].get("nodeName"))]

    def node_of(self, name: str) -> str:
        return str(self.pods()[name]["spec"].get("nodeName", ""))

    def claim(self, name: str) -> Json:
        return dict(self.api.request("GET", f"{self.path}/persistentvolumeclaims/{name}"))

    def condition(self, name: str) -> list[Any]:
        """Of the pod's being scheduled."""
        conditions = self.pods()[name]["status"].get("conditions", [])
        found: Json = next((each for each in conditions if each["type"] == "PodScheduled"), {})
        return [found.get(key) for key in ("status", "reason", "message", "observedGeneration")]

    def told(self, name: str) -> set[tuple[str, ...]]:
        """What its scheduler's Events say of a pod."""
        items = self.api.request("GET", f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events")["items"]
        mine = [
            one for one in items if one["regarding"]["name"] == name and one["reportingController"] == self.scheduler
        ]
        keys = ("type", "reason", "action", "note")
        return {tuple(one[key].replace(self.namespace, "NAMESPACE") for key in keys) for one in mine}

    def hears(self, name: str) -> set[tuple[str, ...]]:
        process.until(lambda: self.told(name) and self.condition(name)[0], f"{name} is told of")  # one after the other
        return self.told(name)


@pytest.fixture(scope="module")
def running(
    cluster_factory: clusterfixture.ClusterFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[cluster.Cluster]:
    directory: pathlib.Path = tmp_path_factory.mktemp("beside-stock")
    with cluster_factory(topology.Topology(NODES), crds=True, kube_scheduler=True) as started:
        for name, mode in (("late", "WaitForFirstConsumer"), ("now", "Immediate")):
            body = {"metadata": {"name": name}, "provisioner": "csi.example.com", "volumeBindingMode": mode}
            started.api.request("POST", "/apis/storage.k8s.io/v1/storageclasses", body)
        with process.Scheduler(process.account(started), directory):
            yield started


def counts(nodes: list[str]) -> Json:
    """How many each zone has, and each of its nodes, without names."""
    on = collections.Counter(nodes)
    by_zone: dict[str, list[int]] = {}
    for node, zone in ZONES.items():
        by_zone.setdefault(zone, []).append(on[node])
    return {zone: sorted(each) for zone, each in by_zone.items()}


def spread(scene: Scene) -> Json:
    """Evenly over the zones, and over the nodes where that can be had."""
    constraints = [
        {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": when, "labelSelector": {"matchLabels": {"app": "web"}}}
        for key, when in ((ZONE, "DoNotSchedule"), (HOSTNAME, "ScheduleAnyway"))
    ]
    found = counts(scene.deploy(topologySpreadConstraints=constraints))
    assert {zone: sum(each) for zone, each in found.items()} == dict.fromkeys("abc", REPLICAS // 3)
    return found


def apart(scene: Scene) -> Json:
    """Never two on a node, and in as few zones twice as can be."""

    def term(key: str) -> Json:
        return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": "web"}}}

    rules = {
        "requiredDuringSchedulingIgnoredDuringExecution": [term(HOSTNAME)],
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "podAffinityTerm": term(ZONE)}],
    }
    found = counts(scene.deploy(affinity={"podAntiAffinity": rules}))
    assert max(itertools.chain.from_iterable(found.values())) == 1
    return found


def served(scene: Scene) -> Json:
    """Of a Service and a Deployment: kube-scheduler's own constraints spread them over the zones."""
    scene.post("services", "web", selector={"app": "web"}, ports=[{"port": 80}])
    found = counts(scene.deploy())
    assert min(sum(each) for each in found.values()) > REPLICAS // 4, "even, though the zones are of unlike size"
    return {zone: sum(each) for zone, each in found.items()}


def gated(scene: Scene) -> Json:
    scene.create("gated", schedulingGates=[{"name": "example.com/first"}, {"name": "example.com/second"}])
    scene.create("free", nodeName="")
    process.until(lambda: scene.node_of("free"), "who has no gate is placed")
    found: Json = {"told": scene.told("gated"), "node": scene.node_of("gated")}
    for left in ([{"name": "example.com/second"}], []):
        found[f"before {len(left)} are left"] = scene.condition("gated")
        pod = scene.pods()["gated"]
        pod["spec"]["schedulingGates"] = left
        scene.api.request("PUT", f"{scene.path}/pods/gated", pod)
    process.until(lambda: scene.node_of("gated"), "it is placed once the last gate is gone")
    return found | {"in the end": scene.condition("gated")[:3]}


def refused(scene: Scene) -> Json:
    """What pods are told that fit nowhere, each for another reason, and one that fits."""
    scene.create("big", cpu="17")
    scene.create("elsewhere", nodeSelector={"disk": "none"})
    scene.create("picky", nodeSelector={ZONE: "a"}, cpu="17")
    scene.create("claimless", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "none"}}])
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    scene.post("persistentvolumeclaims", "unmade", storageClassName="now", **wanted)
    scene.create("unbound", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "unmade"}}])
    found: Json = {name: (scene.hears(name), scene.condition(name)) for name in scene.pods()}
    scene.create("fits", nodeSelector={HOSTNAME: "a0"})
    return found | {"fits": (scene.hears("fits"), scene.condition("fits")[:2])}


def claimed(scene: Scene) -> Json:
    """A claim that waits for its first consumer learns of the node, and the pod waits for the volume that is made."""
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    scene.post("persistentvolumeclaims", "data", storageClassName="late", **wanted)
    found: Json = {"early": scene.claim("data")["metadata"].get("annotations")}
    mounted = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    scene.create("first", volumes=mounted, nodeSelector={HOSTNAME: "b3"})
    notes: Callable[[], Json] = lambda: scene.claim("data")["metadata"].get("annotations", {})  # noqa: E731
    process.until(lambda: "volume.kubernetes.io/storage-provisioner" in notes(), "it is asked for")
    found |= {"asked": notes(), "waits": scene.node_of("first")}
    name = f"made-{scene.number}"
    scene.cleared.append(f"/api/v1/persistentvolumes/{name}")
    claim = scene.claim("data")["metadata"]
    term = {"matchExpressions": [{"key": ZONE, "operator": "In", "values": ["b"]}]}
    spec = {
        "storageClassName": "late",
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
        "csi": {"driver": "csi.example.com", "volumeHandle": name},
        "claimRef": {"kind": "PersistentVolumeClaim", "apiVersion": "v1", "namespace": scene.namespace, "name": "data"}
        | {"uid": claim["uid"]},
    }
    scene.api.request("POST", "/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": spec})
    process.until(lambda: scene.node_of("first"), "its pod is placed")
    found |= {"node": scene.node_of("first"), "bound": notes(), "told": scene.hears("first")}
    assert notes()[volumes.SELECTED_NODE] == scene.node_of("first")
    # The next one has to go where the volume is, wherever there is more room.
    scene.create("second", volumes=mounted)
    process.until(lambda: scene.node_of("second"), "the second is placed")
    return found | {"zone": ZONES[scene.node_of("second")]}


@pytest.mark.parametrize("scene", [spread, apart, served, gated, refused, claimed], ids=lambda scene: scene.__name__)
def test_it_ends_as_with_stock(running: cluster.Cluster, scene: Callable[[Scene], Json]) -> None:
    found = []
    for scheduler in (STOCK, OURS):
        stage = Scene(running, scheduler)
        try:
            found.append(scene(stage))
        finally:
            stage.end()
    stock, ours = found
    assert ours == stock
