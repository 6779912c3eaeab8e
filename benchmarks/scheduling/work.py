"""The work: nodes, pods and data by kind, made from a number and a seed, and never by who is to schedule them.

Where a kind has a twin in kubernetes/test/integration/scheduler_perf, it asks for the same (100m CPU, 500Mi of memory).
Groups are as large as a usual Deployment; scheduler_perf has one group for the whole cluster.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.scheduling import claims, storage
from scheduler.api import crd, names

Json = dict[str, Any]

ZONES: Final = 10
SHAPES: Final = 1000
GROUP_PODS: Final = 100
DATA_OBJECTS: Final = 10_000
BUCKETS: Final = 100
MAX_INPUTS: Final = 3
LOW_PODS: Final = 4  # on each node, which leave 3.2 of its 32 cores
LOW_CPU_MILLI: Final = 7200
HIGH_CPU_MILLI: Final = 24_000  # three of them have to go
HIGH_PRIORITY: Final = "benchmark-high"
HOSTNAME: Final = "kubernetes.io/hostname"
ZONE: Final = "topology.kubernetes.io/zone"


@dataclass(frozen=True)
class Scene:
    """What pods of a kind may refer to."""

    nodes: int
    rng: random.Random


@dataclass(frozen=True)
class Kind:
    """One kind of work."""

    story: str
    """What its pods ask for, for the report."""
    shape: Callable[[int, Scene], Json]
    """From the pod's number to what it has beyond a plain pod: ``metadata`` and ``spec``."""
    twin: str = ""
    """The workload of kubernetes/test/integration/scheduler_perf that it follows, if any."""
    services: bool = False
    """Whether each group has a Service and a ReplicaSet."""
    churns: bool = False
    """Whether nodes and pods come and go meanwhile."""
    data: bool = False
    """Whether DataObjects are needed."""
    low: bool = False
    """Whether nodes are full of pods without priority."""
    volumes: bool = False
    """Whether each pod has a volume."""
    devices: bool = False
    """Whether each pod has a claim to a device."""
    most_pods: int | None = None
    """In a backlog, where each of them is much work for everybody."""

    @property
    def keeps_namespace(self) -> bool:
        """Whether all turns have one namespace, as what pods have of their own is not made anew."""
        return self.volumes or self.devices


def _plain(_number: int, _scene: Scene) -> Json:
    return {}


def _shapes(number: int, _scene: Scene) -> Json:
    shape = number % SHAPES
    return {"spec": {"containers": [container(cpu_milli=50 + shape % 100, memory_mi=100 + 10 * (shape // 100))]}}


def _node_affinity(_number: int, scene: Scene) -> Json:
    zones = [zone_name(zone) for zone in scene.rng.sample(range(ZONES), 2)]
    term = {"matchExpressions": [{"key": ZONE, "operator": "In", "values": zones}]}
    required = {"nodeSelectorTerms": [term]}
    return {"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}}


def _anti_affinity(number: int, scene: Scene) -> Json:
    group = number // min(GROUP_PODS, scene.nodes)
    labels = {"app": f"apart-{group}"}
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": HOSTNAME}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return {"metadata": {"labels": labels}, "spec": {"affinity": affinity}}


def _affinity(number: int, _scene: Scene) -> Json:
    labels = {"app": f"together-{number // GROUP_PODS}"}
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": ZONE}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return {"metadata": {"labels": labels}, "spec": {"affinity": affinity}}


def _preferred(number: int, _scene: Scene, *, wish: str) -> Json:
    labels = {"app": f"near-{number // GROUP_PODS}"}
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": HOSTNAME}
    weighed = {"weight": 1, "podAffinityTerm": term}
    affinity = {wish: {"preferredDuringSchedulingIgnoredDuringExecution": [weighed]}}
    return {"metadata": {"labels": labels}, "spec": {"affinity": affinity}}


def _spread(number: int, _scene: Scene, *, otherwise: str) -> Json:
    labels = {"app": f"spread-{number // GROUP_PODS}"}
    return {"metadata": {"labels": labels}, "spec": {"topologySpreadConstraints": spread_of(labels, otherwise)}}


def spread_of(labels: Mapping[str, str], otherwise: str) -> list[Json]:
    """Constraints of a group over zones and nodes."""
    return [
        {
            "maxSkew": skew,
            "topologyKey": key,
            "whenUnsatisfiable": otherwise,
            "labelSelector": {"matchLabels": dict(labels)},
        }
        for key, skew in ((ZONE, 5), (HOSTNAME, 1))
    ]


def _default_spread(number: int, _scene: Scene) -> Json:
    name = group_name(number // GROUP_PODS)
    return {"metadata": {"labels": {"app": name}, "ownerReferences": [owner(name)]}}


def owner(name: str) -> Json:
    """A ReplicaSet that no controller looks after; its uid is one that the garbage collector would have to look up."""
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": name, "controller": True}


def _preemption(_number: int, _scene: Scene) -> Json:
    large = container(cpu_milli=HIGH_CPU_MILLI, memory_mi=500)
    return {"spec": {"priorityClassName": HIGH_PRIORITY, "containers": [large]}}


def _csi(number: int, _scene: Scene) -> Json:
    return {"spec": {"volumes": storage.mounted(number)}}


def _claims(number: int, _scene: Scene) -> Json:
    return {"spec": {"resourceClaims": claims.named(number)}}


def _data(_number: int, scene: Scene) -> Json:
    inputs = scene.rng.sample(range(DATA_OBJECTS), scene.rng.randint(1, MAX_INPUTS))
    annotations = {f"{names.INPUT_PREFIX}{place}": f"{urn(one)},0" for place, one in enumerate(inputs, 1)}
    return {"metadata": {"annotations": annotations}}


KINDS: Final[Mapping[str, Kind]] = {
    "plain": Kind("100m CPU and 500Mi", _plain, "SchedulingBasic"),
    "shapes": Kind(f"{SHAPES} different requests", _shapes),
    "node-affinity": Kind("required node affinity to two of ten zones", _node_affinity, "SchedulingNodeAffinity"),
    "affinity": Kind(f"required affinity in the zone, groups of {GROUP_PODS}", _affinity, "SchedulingPodAffinity"),
    "anti-affinity": Kind(
        f"required anti-affinity on hostname, groups of {GROUP_PODS}", _anti_affinity, "SchedulingPodAntiAffinity"
    ),
    "preferred-affinity": Kind(
        f"preferred affinity on hostname, groups of {GROUP_PODS}",
        functools.partial(_preferred, wish="podAffinity"),
        "SchedulingPreferredPodAffinity",
    ),
    "preferred-anti-affinity": Kind(
        f"preferred anti-affinity on hostname, groups of {GROUP_PODS}",
        functools.partial(_preferred, wish="podAntiAffinity"),
        "SchedulingPreferredPodAntiAffinity",
    ),
    "default-spread": Kind(
        f"pods of ReplicaSets of {GROUP_PODS}, each with a Service",
        _default_spread,
        "DefaultTopologySpreading",
        services=True,
    ),
    "spread": Kind(
        f"required spread over zones and nodes, groups of {GROUP_PODS}",
        functools.partial(_spread, otherwise="DoNotSchedule"),
        "TopologySpreading",
    ),
    "preferred-spread": Kind(
        f"preferred spread over zones and nodes, groups of {GROUP_PODS}",
        functools.partial(_spread, otherwise="ScheduleAnyway"),
        "PreferredTopologySpreading",
    ),
    "preemption": Kind(
        f"priority above {LOW_PODS} pods on each node, of which three have to go",
        _preemption,
        "PreemptionBasic",
        low=True,
        most_pods=1000,
    ),
    "csi": Kind("a claim of its own that is bound to a CSI volume", _csi, "SchedulingCSIPVs", volumes=True),
    "claims": Kind(
        f"a claim of its own to one of {claims.DEVICES} devices on each node",
        _claims,
        "SchedulingWithResourceClaimTemplate",
        devices=True,
        most_pods=1000,
    ),
    "churn": Kind("plain pods while nodes and pods come and go", _plain, "SchedulingWithMixedChurn", churns=True),
    "data": Kind(f"one to {MAX_INPUTS} of {DATA_OBJECTS} DataObjects as inputs", _data, data=True),
}


def pods(kind: Kind, count: int, scene: Scene, scheduler: str, *, with_data: bool) -> Iterator[Json]:
    """So many pods for a scheduler; without data, the annotations are left out."""
    for number in range(count):
        shape = kind.shape(number, scene)
        metadata: Json = {"name": f"pod-{number:06}", **shape.get("metadata", {})}
        if not with_data:
            metadata.pop("annotations", None)
        yield pod(metadata, {"schedulerName": scheduler, **shape.get("spec", {})})


def pod(metadata: Json, spec: Json) -> Json:
    """A pod with one container that asks for what scheduler_perf's pods do."""
    whole = {"containers": [container(cpu_milli=100, memory_mi=500)], "terminationGracePeriodSeconds": 0, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": whole}


def container(*, cpu_milli: int, memory_mi: int) -> Json:
    """The one container of a pod."""
    requests = {"cpu": f"{cpu_milli}m", "memory": f"{memory_mi}Mi"}
    return {"name": "main", "image": "registry.example/app:1", "resources": {"requests": requests}}


def group_name(group: int) -> str:
    """The name of a ReplicaSet, its Service and their pods' label."""
    return f"web-{group:04}"


def services(count: int) -> Iterator[Json]:
    """The Services of so many pods of ReplicaSets."""
    for group in range(-(-count // GROUP_PODS)):
        name = group_name(group)
        yield {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}


def replica_sets(count: int) -> Iterator[Json]:
    """The ReplicaSets of so many pods."""
    for group in range(-(-count // GROUP_PODS)):
        labels = {"app": group_name(group)}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [container(cpu_milli=100, memory_mi=500)]}}
        spec = {"replicas": GROUP_PODS, "selector": {"matchLabels": labels}, "template": template}
        yield {"metadata": {"name": labels["app"]}, "spec": spec}


def node_name(number: int) -> str:
    """Nodes are numbered from 0."""
    return f"node-{number:05}"


def zone_name(zone: int) -> str:
    """Zones are numbered from 0; even ones lie in one region, odd ones in another."""
    return f"zone-{zone}"


def node(number: int) -> Json:
    """A node that is ready and has room for 110 pods; no kubelet speaks for it."""
    name, zone = node_name(number), number % ZONES
    labels = {
        HOSTNAME: name,
        ZONE: zone_name(zone),
        "topology.kubernetes.io/region": f"region-{zone % 2}",
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
    }
    room = {"cpu": "32", "memory": "128Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"capacity": room, "allocatable": room, "conditions": [ready]},
    }


def low_pods(nodes: int) -> Iterator[Json]:
    """The pods without priority that nodes are full of."""
    for number in range(LOW_PODS * nodes):
        spec = {
            "containers": [container(cpu_milli=LOW_CPU_MILLI, memory_mi=500)],
            "nodeName": node_name(number % nodes),
        }
        yield pod({"name": f"low-{number:06}"}, spec)


def priority_class() -> Json:
    """The priority of those before which they have to go."""
    metadata = {"name": HIGH_PRIORITY}
    return {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": metadata, "value": 1000}


def urn(number: int) -> str:
    """The name of a piece of data."""
    return f"bucket-{number % BUCKETS}/part-{number:05}"


def data_objects(scene: Scene) -> Iterator[Json]:
    """Data of 1 MB to 1 GB with one to three copies, declared, so that they do not age.

    Labelled as the scheduler has them from the first time that it sees them: that is no part of placing a pod.
    """
    for number in range(DATA_OBJECTS):
        places = scene.rng.sample(range(scene.nodes), min(scene.nodes, scene.rng.randint(1, 3)))
        size_bytes = int(10 ** scene.rng.uniform(6, 9))
        spec = {
            "urn": urn(number),
            "sizeBytes": size_bytes,
            "locations": [{"node": node_name(place)} for place in places],
        }
        labels = {names.BUCKET_LABEL: urn(number).partition("/")[0]}
        labels |= {crd.location_label(node_name(place)): "true" for place in places}
        metadata = {"name": f"part-{number:05}", "labels": labels}
        yield {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": metadata, "spec": spec}
