"""Clusters with many pods placed, and the pods that are decided about in them.

Each of 5,000 nodes with 50,000 pods placed: one of 500 groups that ask nothing of each other, some of them behind
Services; one of 10,000 cohorts of five that keep apart, as StatefulSets do; one whose pods have volumes; one that is
full; one with devices. They are made in the form of the offline door's questions (docs/decide.md), so that upstream
gets the same. Nodes and requests are those of benchmarks.scheduling.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.scheduling import claims, storage, work
from scheduler.api import names

Json = dict[str, Any]
Objects = Mapping[str, Sequence[Json]]
"""By collection of a question."""

COHORTS: Final = 10_000
GROUPS: Final = 500
SERVED: Final = 50  # of the groups, those with a Service
IN_TURN: Final = 10  # groups whose pods come at the same time, as while several Deployments are rolled out
OBJECTS: Final = 1000
INPUTS: Final = 10
REPLICAS: Final = 3
WITH_VOLUME: Final = 5  # one in so many placed pods has a volume
WITH_DEVICE: Final = 10  # one in so many has a device
LOW_CPU_MILLI: Final = 3000  # ten on a node leave two of its 32 cores
HIGH_CPU_MILLI: Final = 7000  # two of them have to go
HIGH_PRIORITY: Final = 1000
# The numbers of volumes and claims of pods to be decided about, behind those of placed pods.
_BOUND: Final = 1_000_000
_WAITING: Final = 2_000_000
_CLAIMED: Final = 3_000_000


def groups(nodes: int, placed: int) -> Objects:
    """Pods in groups, each over all zones; behind Services those of the first."""
    selectors = [{"app": f"group-{number}"} for number in range(SERVED)]
    return _cluster(nodes) | {
        "pods": [_old(number, nodes, {"app": f"group-{number % GROUPS}"}) for number in range(placed)],
        "services": [{"metadata": _metadata(each["app"]), "spec": {"selector": each}} for each in selectors],
        "replicaSets": [
            {"metadata": _metadata(each["app"]), "spec": {"selector": {"matchLabels": each}}} for each in selectors
        ],
        "dataObjects": list(_objects(nodes)),
    }


def cohorts(nodes: int, placed: int) -> Objects:
    """Pods in cohorts that keep apart. Those of one follow each other, so that no two of them share a node."""
    size = max(1, placed // COHORTS)
    return _cluster(nodes) | {
        "pods": [_apart(f"old-{number}", number // size, nodeName=_host(number, nodes)) for number in range(placed)]
    }


def volumes(nodes: int, placed: int) -> Objects:
    """Some of the pods have a volume in their node's zone; drivers say how many a node takes."""
    kept = range(0, placed, WITH_VOLUME)
    pods = [_old(number, nodes, {}) for number in range(placed)]
    for number in kept:
        pods[number]["spec"]["volumes"] = storage.mounted(number)
    return _cluster(nodes) | {
        "pods": pods,
        "storageClasses": [storage.storage_class()],
        "csiNodes": [storage.csi_node(work.node_name(number)) for number in range(nodes)],
        "csiDrivers": [storage.driver()],
        "pvs": [storage.volume(number, "default", zone=_zone_of(pods[number])) for number in kept],
        "pvcs": [storage.bound_claim(number, "default") for number in kept],
    }


def full(nodes: int, placed: int) -> Objects:
    """Pods without priority leave little room on any node."""
    spec = {"containers": [work.container(cpu_milli=LOW_CPU_MILLI, memory_mi=500)]}
    return _cluster(nodes) | {"pods": [_old(number, nodes, {}, **spec) for number in range(placed)]}


def devices(nodes: int, placed: int) -> Objects:
    """Some of the pods have a device of their node's."""
    kept = range(0, placed, WITH_DEVICE)
    pods = [_old(number, nodes, {}) for number in range(placed)]
    allocated = []
    for place, number in enumerate(kept):
        node = pods[number]["spec"]["nodeName"] = _host(place, nodes)
        pods[number]["spec"]["resourceClaims"] = claims.named(number)
        allocated.append(
            claims.allocated(number, "default", node, f"old-{number}", device=place // nodes % claims.DEVICES)
        )
    return _cluster(nodes) | {
        "pods": pods,
        "deviceClasses": [claims.device_class()],
        "resourceSlices": [claims.resource_slice(work.node_name(number)) for number in range(nodes)],
        "resourceClaims": allocated,
    }


WORLDS: Final[Mapping[str, Callable[[int, int], Objects]]] = {
    "groups": groups, "cohorts": cohorts, "volumes": volumes, "full": full, "devices": devices,
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """Pods to be decided about."""

    story: str
    make: Callable[[str, int, random.Random], Json]
    world: str = "groups"
    beside: Callable[[int], Objects] | None = None
    """What a pod of this number names."""
    is_ours: bool = False
    """Whether kube-scheduler knows nothing of what it asks for."""


def _known(name: str, _number: int, _rng: random.Random) -> Json:
    return _pod(name)


def _new(name: str, number: int, _rng: random.Random) -> Json:
    return work.pod(
        _metadata(name),
        {"containers": [work.container(cpu_milli=50 + number % 400, memory_mi=100 + number // 400)]},
    )


def _ten_inputs(name: str, _number: int, rng: random.Random) -> Json:
    return _reading(name, rng.sample(range(OBJECTS), INPUTS))


def _one_input(name: str, _number: int, rng: random.Random) -> Json:
    return _reading(name, [rng.randrange(OBJECTS)])


def _reading(name: str, inputs: Sequence[int]) -> Json:
    pod = _pod(name)
    pod["metadata"]["annotations"] = {
        f"{names.INPUT_PREFIX}{place}": f"{work.urn(one)},0" for place, one in enumerate(inputs, 1)
    }
    return pod


def _cohort(name: str, number: int, _rng: random.Random) -> Json:
    return _apart(name, number % COHORTS)


def _preferring(name: str, number: int, _rng: random.Random) -> Json:
    labels = {"app": f"group-{SERVED + number % (GROUPS - SERVED)}"}
    return _pod(name, labels=labels, affinity=_wish("podAffinity", {"matchLabels": labels}))


def _existing(name: str, _number: int, _rng: random.Random) -> Json:
    selector = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    return _pod(name, affinity=_wish("podAntiAffinity", selector))


def _spread(name: str, number: int, otherwise: str) -> Json:
    labels = {"app": f"group-{SERVED + number % IN_TURN}"}
    return _pod(name, labels=labels, topologySpreadConstraints=work.spread_of(labels, otherwise))


def _must_spread(name: str, number: int, _rng: random.Random) -> Json:
    return _spread(name, number, "DoNotSchedule")


def _may_spread(name: str, number: int, _rng: random.Random) -> Json:
    return _spread(name, number, "ScheduleAnyway")


def _served(name: str, number: int, _rng: random.Random) -> Json:
    group = f"group-{number % IN_TURN}"
    pod = _pod(name, labels={"app": group})
    pod["metadata"]["ownerReferences"] = [work.owner(group)]
    return pod


def _with_volume(name: str, number: int, _rng: random.Random) -> Json:
    return _pod(name, volumes=storage.mounted(_BOUND + number))


def _with_waiting(name: str, number: int, _rng: random.Random) -> Json:
    return _pod(name, volumes=storage.mounted(_WAITING + number))


def _with_claim(name: str, number: int, _rng: random.Random) -> Json:
    return _pod(name, resourceClaims=claims.named(_CLAIMED + number))


def _important(name: str, _number: int, _rng: random.Random) -> Json:
    return _pod(name, priority=HIGH_PRIORITY, containers=[work.container(cpu_milli=HIGH_CPU_MILLI, memory_mi=500)])


def _bound(number: int) -> Objects:
    own, zone = _BOUND + number, work.zone_name(number % work.ZONES)
    return {"pvs": [storage.volume(own, "default", zone=zone)], "pvcs": [storage.bound_claim(own, "default")]}


def _waiting(number: int) -> Objects:
    return {"pvcs": [storage.waiting_claim(_WAITING + number, "default")]}


def _claimed(number: int) -> Objects:
    return {"resourceClaims": [claims.claim(_CLAIMED + number, "default")]}


KINDS: Final[Mapping[str, Kind]] = {
    "plain-known": Kind("plain, all alike", _known),
    "plain-new": Kind("plain, each with requests that were never seen", _new),
    "data": Kind(
        f"{INPUTS} of {OBJECTS} DataObjects with {REPLICAS} replicas, other ones each time", _ten_inputs, is_ours=True
    ),
    "preferred-affinity": Kind(f"preferred affinity on hostname to one of {GROUPS} groups", _preferring),
    "spread": Kind(f"required spread over zones and nodes, {IN_TURN} groups in turn", _must_spread),
    "preferred-spread": Kind("the same, if possible", _may_spread),
    "default-spread": Kind(f"pods of {IN_TURN} ReplicaSets with Services in turn", _served),
    "plain-among-cohorts": Kind(f"plain, where {COHORTS} cohorts keep apart", _known, world="cohorts"),
    "anti-affinity": Kind(f"required anti-affinity on hostname, of one of {COHORTS} cohorts", _cohort, world="cohorts"),
    "exists": Kind(f"preferred anti-affinity by a selector with Exists, {COHORTS} cohorts", _existing, world="cohorts"),
    "csi-bound": Kind("a CSI volume of its own, in one of ten zones", _with_volume, world="volumes", beside=_bound),
    "csi-waiting": Kind("a claim of its own that waits for its node", _with_waiting, world="volumes", beside=_waiting),
    "preemption": Kind("a priority above two pods that have to go", _important, world="full"),
    "claims": Kind("a claim of its own to a device", _with_claim, world="devices", beside=_claimed),
}
ONE_INPUT: Final = Kind("one input", _one_input)


def _cluster(nodes: int) -> dict[str, Sequence[Json]]:
    return {"nodes": [work.node(number) for number in range(nodes)]}


def _objects(nodes: int) -> Iterator[Json]:
    """Data with some replicas each."""
    rng = random.Random(nodes)  # noqa: S311 (repeatable, not secret)
    for number in range(OBJECTS):
        places = rng.sample(range(nodes), REPLICAS)
        spec = {
            "urn": work.urn(number),
            "sizeBytes": rng.randrange(10**6, 10**9),
            "locations": [{"node": work.node_name(place)} for place in places],
        }
        yield {"metadata": {"name": f"part-{number}", "namespace": names.HOME_NAMESPACE}, "spec": spec}


def _host(number: int, nodes: int) -> str:
    """One node after the other; the next time round each pod goes one further, so that groups meet every zone."""
    return work.node_name((number + number // nodes) % nodes)


def _zone_of(pod: Json) -> str:
    """The zone of a placed pod."""
    return work.zone_name(int(pod["spec"]["nodeName"].rpartition("-")[2]) % work.ZONES)


def _old(number: int, nodes: int, labels: Mapping[str, str], **spec: Any) -> Json:
    return _pod(f"old-{number}", labels=labels, nodeName=_host(number, nodes), **spec)


def _pod(name: str, labels: Mapping[str, str] | None = None, **spec: Any) -> Json:
    return work.pod(_metadata(name) | {"labels": dict(labels or {})}, spec)


def _metadata(name: str) -> Json:
    return {"name": name, "namespace": "default", "uid": name}


def _apart(name: str, cohort: int, **spec: Any) -> Json:
    labels = {"app": f"cohort-{cohort}"}
    term = {"labelSelector": {"matchLabels": labels}, "topologyKey": work.HOSTNAME}
    affinity = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return _pod(name, labels=labels, affinity=affinity, **spec)


def _wish(part: str, selector: Json) -> Json:
    term = {"labelSelector": selector, "topologyKey": work.HOSTNAME}
    return {part: {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]}}
