"""States with many pods placed, and the pods that are decided about in them.

Two states of 5,000 nodes and 50,000 pods: one of 500 groups that ask nothing of each other, and one of 10,000 cohorts
of five that keep apart, as StatefulSets do. Nodes and requests are those of benchmarks.scheduling.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.scheduling import work
from scheduler.api import names

Json = dict[str, Any]

COHORTS: Final = 10_000
GROUPS: Final = 500
OBJECTS: Final = 1000
INPUTS: Final = 10
REPLICAS: Final = 3


def nodes(count: int) -> Iterator[Json]:
    """The nodes of all states."""
    return map(work.node, range(count))


def grouped(count: int, at: int) -> Iterator[Json]:
    """Pods in groups, on so many nodes."""
    for number in range(count):
        yield _pod(f"old-{number}", labels={"app": f"group-{number % GROUPS}"}, nodeName=work.node_name(number % at))


def in_cohorts(count: int, at: int) -> Iterator[Json]:
    """Pods in cohorts that keep apart, on so many nodes."""
    for number in range(count):
        # Those of a cohort follow each other, so that no two of them share a node.
        yield _apart(f"old-{number}", number // max(1, count // COHORTS), nodeName=work.node_name(number % at))


def objects(count_nodes: int, seed: int) -> Iterator[Json]:
    """Data with three replicas each."""
    rng = random.Random(seed)  # noqa: S311 (repeatable, not secret)
    for number in range(OBJECTS):
        places = rng.sample(range(count_nodes), REPLICAS)
        spec = {
            "urn": work.urn(number),
            "sizeBytes": rng.randrange(10**6, 10**9),
            "locations": [{"node": work.node_name(place)} for place in places],
        }
        yield {"metadata": {"name": f"part-{number}", "namespace": names.HOME_NAMESPACE}, "spec": spec}


@dataclass(frozen=True)
class Kind:
    """Pods to be decided about."""

    story: str
    make: Callable[[str, int, random.Random], Json]
    cohorts: bool = False
    """Whether they meet the state of cohorts."""


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
    labels = {"app": f"group-{number % GROUPS}"}
    return _pod(name, labels=labels, affinity=_wish("podAffinity", {"matchLabels": labels}))


def _existing(name: str, _number: int, _rng: random.Random) -> Json:
    selector = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    return _pod(name, affinity=_wish("podAntiAffinity", selector))


KINDS: Final[Mapping[str, Kind]] = {
    "plain-known": Kind("plain, all alike", _known),
    "plain-new": Kind("plain, each with requests that were never seen", _new),
    "data": Kind(f"{INPUTS} of {OBJECTS} DataObjects with {REPLICAS} replicas, other ones each time", _ten_inputs),
    "preferred-affinity": Kind(f"preferred affinity on hostname to one of {GROUPS} groups", _preferring),
    "plain-among-cohorts": Kind(f"plain, where {COHORTS} cohorts keep apart", _known, cohorts=True),
    "anti-affinity": Kind(f"required anti-affinity on hostname, of one of {COHORTS} cohorts", _cohort, cohorts=True),
    "exists": Kind(f"preferred anti-affinity by a selector with Exists, {COHORTS} cohorts", _existing, cohorts=True),
}
ONE_INPUT: Final = Kind("one input", _one_input)


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
