"""Scripts of what happens to a cluster: nodes, pods, claims and volumes that come, go and change, one after the other.

A script is drawn from one generator, so that a seed repeats it. What can be known of the outcome without a scheduler is
little, so each step is one that can be done whoever is placed where. Ties between nodes would let two schedulers part
for no fault of theirs: no two nodes are of one size, and every pod asks for some of both resources.

Left out, as kube-scheduler itself is slow to see that they help (docs/queue.md): who is shunned by others without
shunning anybody, and affinity to pods in namespaces chosen by their labels. Preemption has tests of its own, so that
no pod here may evict another.
"""

from __future__ import annotations

import dataclasses
import random
from typing import Any

Json = dict[str, Any]

CLASSES = {f"class-{number}": 100 * number for number in range(8)}
SIZES = ("2", "3", "5", "7")  # CPUs; a node has two GiB for each
ZONES = ("a", "a", "b", "b")
TAINT = {"key": "dedicated", "value": "ml", "effect": "NoSchedule"}
READY = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
APPS = ("front", "back")
GATE = {"name": "example.com/wait"}
ADD = "+"
CLASS = "local"


@dataclasses.dataclass(frozen=True)
class Step:
    """One thing that happens.

    Attributes:
        what: create, delete, or change.
        kind: nodes, pods, claims or volumes.
        name: Of the object.
        body: Of a new object, or the parts that change, as `merged` takes them.
    """

    what: str
    kind: str
    name: str
    body: Json = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Script:
    """What is there when the schedulers start, and what happens then."""

    opening: tuple[Step, ...]
    steps: tuple[Step, ...]


def draw(seed: int, length: int) -> Script:
    """A script of so many steps."""
    rng = random.Random(seed)
    writer = _Writer(rng)
    opening = [writer.node() for _ in range(2)]
    # More than there is room for, no two as urgent: who gets it shows in which order they were tried.
    classes = rng.sample(list(CLASSES), len(CLASSES))
    opening += [writer.pod(cpu=rng.choice(["1", "1500m", "2"]), urgency=one) for one in classes]
    return Script(tuple(opening), tuple(writer.step() for _ in range(length)))


class _Writer:
    """Knows which objects there are, as far as a script decides it."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._nodes: dict[str, Json] = {}
        self._pods: dict[str, Json] = {}
        self._claims: list[str] = []  # that pods name, and that are not there yet
        self._made = 0
        self._stored = 0

    def step(self) -> Step:
        acts = [self.pod, self.pod, self._delete_pod, self._change_node, self._change_node, self._change_pod]
        if len(self._nodes) < len(SIZES):
            acts.append(self.node)
        if self._claims:
            acts += [self._claim, self._claim, self._volume]
        while True:
            step = self._rng.choice(acts)()
            if step is not None:
                return step

    def node(self) -> Step:
        number = len(self._nodes)
        name = f"n{number}"
        resources = {"cpu": SIZES[number], "memory": f"{2 * int(SIZES[number])}Gi", "pods": "20"}
        body: Json = {
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": ZONES[number]},
                "annotations": {"kwok.x-k8s.io/node": "fake"},
            },
            "spec": {"taints": [TAINT] if self._rng.random() < 0.2 else []},
            # Ready from the start: no controller taints it until somebody says so.
            "status": {"allocatable": resources, "capacity": resources, "conditions": [READY]},
        }
        if self._rng.random() < 0.4:
            body["metadata"]["labels"]["disk"] = "ssd"
        self._nodes[name] = body
        return Step("create", "nodes", name, body)

    def pod(self, *, cpu: str = "", urgency: str = "") -> Step:
        rng, name = self._rng, f"p{self._made}"
        self._made += 1
        requests = {"cpu": cpu or rng.choice(["300m", "900m", "1700m", "4"]), "memory": rng.choice(["200Mi", "1Gi"])}
        container: Json = {"name": "main", "image": "example/main:1", "resources": {"requests": requests}}
        app = rng.choice(APPS)
        spec: Json = {"containers": [container], "priorityClassName": urgency or rng.choice(list(CLASSES))}
        if not urgency:
            self._constrain(spec, container, app)
        body = {"metadata": {"name": name, "labels": {"app": app}}, "spec": spec}
        self._pods[name] = body
        return Step("create", "pods", name, body)

    def _constrain(self, spec: Json, container: Json, app: str) -> None:
        rng = self._rng
        selector = {"matchLabels": {"app": app}}
        if rng.random() < 0.25:
            spec["nodeSelector"] = {"disk": "ssd"}
        if rng.random() < 0.25:
            spec["tolerations"] = [{"key": "dedicated", "operator": "Exists"}]
        if rng.random() < 0.2:
            container["ports"] = [{"containerPort": 8000, "hostPort": 8000}]
        if rng.random() < 0.15:
            spec["schedulingGates"] = [GATE]
        if rng.random() < 0.2:
            claim = f"c{self._made}"
            self._claims.append(claim)
            spec["volumes"] = [{"name": "disk", "persistentVolumeClaim": {"claimName": claim}}]
        if rng.random() < 0.25:
            other = {"matchLabels": {"app": rng.choice(APPS)}}
            term = {"topologyKey": rng.choice(["kubernetes.io/hostname", "topology.kubernetes.io/zone"])}
            kind, selector_of = rng.choice([("podAffinity", other), ("podAntiAffinity", selector)])
            terms = [term | {"labelSelector": selector_of}]
            spec["affinity"] = {kind: {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
        if rng.random() < 0.2:
            one = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
            spec["topologySpreadConstraints"] = [one | {"labelSelector": selector}]

    def _claim(self) -> Step | None:
        if not self._claims:
            return None
        name = self._claims.pop(0)
        asked = {
            "storageClassName": CLASS,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        }
        return Step("create", "claims", name, {"metadata": {"name": name}, "spec": asked})

    def _volume(self) -> Step:
        """No two are of one size, so that there is one that fits best."""
        self._stored += 1
        zone = {"key": "topology.kubernetes.io/zone", "operator": "In", "values": [self._rng.choice(ZONES)]}
        spec = {
            "storageClassName": CLASS,
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": f"{self._stored}Gi"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [zone]}]}},
            "local": {"path": "/data"},
        }
        name = f"v{self._stored}"
        return Step("create", "volumes", name, {"metadata": {"name": name}, "spec": spec})

    def _delete_pod(self) -> Step | None:
        if not self._pods:
            return None
        name = self._rng.choice(list(self._pods))
        del self._pods[name]
        return Step("delete", "pods", name)

    def _change_pod(self) -> Step | None:
        gated = [name for name, body in self._pods.items() if body["spec"].get("schedulingGates")]
        if gated and self._rng.random() < 0.7:
            name = self._rng.choice(gated)
            self._pods[name]["spec"].pop("schedulingGates")
            return Step("change", "pods", name, {"spec": {"schedulingGates": []}})
        if not self._pods:
            return None
        name = self._rng.choice(list(self._pods))
        change: Json = self._rng.choice(
            [
                {"metadata": {"labels": {"app": self._rng.choice(APPS)}}},
                {"metadata": {"labels": {"seen": "yes"}}},
                {"metadata": {"annotations": {"seen": str(self._rng.random())}}},
                {"spec": {"tolerations": {ADD: [TAINT | {"operator": "Equal"}]}}},
                {"spec": {"tolerations": {ADD: [{"key": "other", "operator": "Exists"}]}}},
            ]
        )
        return Step("change", "pods", name, change)

    def _change_node(self) -> Step:
        rng, name = self._rng, self._rng.choice(list(self._nodes))
        cpu = str(int(SIZES[int(name[1:])]) + rng.choice([0, 10, 20]))
        change: Json = rng.choice(
            [
                {"spec": {"taints": [TAINT]}},
                {"spec": {"taints": []}},
                {"spec": {"unschedulable": True}},
                {"spec": {"unschedulable": None}},
                {"metadata": {"labels": {"disk": rng.choice(["ssd", "hdd", None])}}},
                {"metadata": {"labels": {"topology.kubernetes.io/zone": rng.choice(ZONES)}}},
                {"metadata": {"labels": {"seen": "yes"}}},
                {"status": {"allocatable": {"cpu": cpu}, "capacity": {"cpu": cpu}}},
            ]
        )
        return Step("change", "nodes", name, change)


def merged(was: Any, change: Any) -> Any:
    """An object with some parts changed: dictionaries merged, with None removed, ADD to lists, all else anew."""
    if isinstance(change, dict) and ADD in change:
        return [*(was or ()), *change[ADD]]
    if not isinstance(was, dict) or not isinstance(change, dict):
        return change
    made = was | {key: merged(was.get(key), value) for key, value in change.items()}
    return {key: value for key, value in made.items() if value is not None}
