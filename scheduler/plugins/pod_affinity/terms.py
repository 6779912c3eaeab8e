"""The terms between a pod and those on the nodes, both ways: what the pod carries, and what they carry that means it.

Both rules of the plugin read the same of a pod: its labels and namespace, by which others may mean it, and its terms.
What that comes to is looked up for each decision: the tallies of those whom its terms mean, and of those whose terms
mean it. As tallies are kept up to date for as long as the state has them, they stand for what they count.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

import msgspec

from scheduler.api import core
from scheduler.plugins import contract, request
from scheduler.plugins.common import domains
from scheduler.state import changes, podterms, snapshot, tallies

NAME: Final = "InterPodAffinity"
_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")


@dataclass(frozen=True, slots=True)
class Asked:
    """All that affinity reads of a pod; ``key`` tells it from others."""

    key: bytes
    pod: core.Pod = field(compare=False)
    terms: podterms.Terms = field(compare=False)


def read(pod: request.PodRequest) -> Asked:
    meta, affinity = pod.pod.metadata, pod.pod.spec.affinity
    carried = (affinity.pod_affinity, affinity.pod_anti_affinity) if affinity is not None else None
    return Asked(_ENCODER.encode((meta.namespace, meta.labels, carried)), pod.pod, pod.terms)


def want(asked: Asked, term: core.PodAffinityTerm, view: snapshot.Snapshot) -> podterms.Wanted:
    """Look up the namespaces of a term of the pod."""
    return podterms.want(term, asked.pod, view.neighbours.namespaces)


def meant(wanted: podterms.Wanted, view: snapshot.Snapshot) -> tallies.Tally:
    """The pods that a term means, by domain: the same tally for as long as it is kept up to date."""
    return view.neighbours.near((wanted,), wanted.topology_key)


def touched(
    counted: Collection[tallies.Tally], view: snapshot.Snapshot, hits: contract.Changes, since: int
) -> Collection[int] | None:
    """Whom changes of some slots concern, all those later than ``since``; None for all.

    These are all that share a domain with such a slot; but pods that came or went and that no tally counts concern
    nobody.
    """
    if changes.ALL in hits:
        return None
    if not any(facets & (changes.LABELS | changes.ALIVE) for facets in hits.values()):
        counted = [tally for tally in counted if tally.moved_at >= since]
    return domains.sharing(view, {tally.key for tally in counted}, hits) if counted else ()
