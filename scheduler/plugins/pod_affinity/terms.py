"""The terms between a pod and those on the nodes, both ways: what the pod carries, and what they carry that means it.

Both rules of the plugin read the same of a pod: its labels and namespace, by which others may mean it, and its terms.
What that comes to (which namespaces, which terms of others) is looked up for each decision.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from scheduler.api import core
from scheduler.plugins import request
from scheduler.state import podterms, snapshot, tallies

NAME: Final = "InterPodAffinity"
_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class Asked:
    """All that affinity reads of a pod; ``key`` tells it from others."""

    key: bytes
    pod: core.Pod = field(compare=False)
    terms: podterms.Terms = field(compare=False)


@dataclass(frozen=True, slots=True)
class Sought:
    """A term of the pod with its namespaces looked up; ``weight`` is 0 for a required one."""

    selector: bytes
    namespaces: frozenset[str] | None
    topology_key: str
    weight: int
    wanted: podterms.Wanted = field(compare=False)

    def tally(self, view: snapshot.Snapshot) -> tallies.Tally:
        """The pods that it means, by domain."""
        return view.neighbours.near((self.wanted,), self.topology_key)


def read(pod: request.PodRequest) -> Asked:
    meta, affinity = pod.pod.metadata, pod.pod.spec.affinity
    carried = (affinity.pod_affinity, affinity.pod_anti_affinity) if affinity is not None else None
    return Asked(_ENCODER.encode((meta.namespace, meta.labels, carried)), pod.pod, pod.terms)


def seek(asked: Asked, term: core.PodAffinityTerm, view: snapshot.Snapshot, weight: int = 0) -> Sought:
    """Look up the namespaces of a term of the pod."""
    wanted = podterms.want(term, asked.pod, view.neighbours.namespaces)
    return Sought(_ENCODER.encode(wanted.selector), wanted.namespaces, wanted.topology_key, weight, wanted)
