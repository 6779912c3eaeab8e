"""InterPodAffinity's score: preferences between the pod and those that run in a node's domains, either way.

Every pod in a domain that a preferred term means adds the term's weight (anti-affinity: takes it), whether the pod to
place carries the term or is meant by it; a required affinity of a running pod that means the pod adds the configured
weight. Pods on nodes that are not feasible count too.

Source: pkg/scheduler/framework/plugins/interpodaffinity/scoring.go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from scheduler import config
from scheduler.plugins import contract, request
from scheduler.plugins.common import domains
from scheduler.plugins.pod_affinity import terms
from scheduler.state import carried as carriers
from scheduler.state import changes, snapshot, tallies


@dataclass(frozen=True, slots=True)
class Asked:
    """The pod, what a required affinity of others is worth, and whether to ask others if the pod prefers nothing."""

    own: terms.Asked
    hard_weight: int
    asks_others: bool


class Resolved(NamedTuple):
    """Its own terms, and with their weights those of others that mean it."""

    own: tuple[terms.Sought, ...]
    carried: tuple[tuple[carriers.Carried, int], ...]


def _compile(pod: request.PodRequest, settings: config.Settings) -> Asked | contract.Refuse:
    """Refused where the filter that would have refused it is disabled."""
    if pod.terms.problem:
        return contract.Refuse(f'running PreScore plugin "{terms.NAME}": failed to parse pod: {pod.terms.problem}')
    plugins = settings.plugins
    prefers = bool(pod.terms.preferred or pod.terms.preferred_anti)
    return Asked(
        own=terms.read(pod),
        hard_weight=plugins.hard_pod_affinity_weight,
        asks_others=prefers or not plugins.ignore_preferred_terms_of_existing_pods,
    )


def _resolve(asked: Asked, view: snapshot.Snapshot) -> Resolved | None:
    """None where no pod that shares a domain with a node has anything to say."""
    own, carried = tuple(_sought(asked.own, view)), tuple(_carried(asked, view))
    speaks = any(one.tally(view).total for one in own) or any(one.tally.total for one, _ in carried)
    return Resolved(own, carried) if speaks else None


def _sought(asked: terms.Asked, view: snapshot.Snapshot) -> Iterator[terms.Sought]:
    for weighted in asked.terms.preferred:
        yield terms.seek(asked, weighted.pod_affinity_term, view, weighted.weight)
    for weighted in asked.terms.preferred_anti:
        yield terms.seek(asked, weighted.pod_affinity_term, view, -weighted.weight)


def _carried(asked: Asked, view: snapshot.Snapshot) -> Iterator[tuple[carriers.Carried, int]]:
    if asked.asks_others:
        for one in view.neighbours.drawing.meaning(asked.own.pod, view.neighbours.namespaces):
            weight = asked.hard_weight if one.weight is None else one.weight
            if weight:
                yield one, weight


def _preferences(asked: Resolved, view: snapshot.Snapshot) -> Iterator[tuple[int, tallies.Tally]]:
    """A weight and the pods that it counts for."""
    for term in asked.own:
        yield term.weight, term.tally(view)
    for one, weight in asked.carried:
        yield weight, one.tally


def _raws(asked: Resolved, view: snapshot.Snapshot) -> contract.Ints:
    total = np.zeros(view.size, np.int64)
    for weight, tally in _preferences(asked, view):
        here = tally.row(view.size)
        if here is not None:
            total += weight * here
    return total


def _raw(asked: Resolved, view: snapshot.Snapshot, slot: int) -> int:
    return sum(weight * tally.of(slot) for weight, tally in _preferences(asked, view))


def _touched(asked: Resolved, view: snapshot.Snapshot, hits: contract.Changes, _since: int) -> Collection[int] | None:
    if changes.ALL in hits:
        return None
    keys = {term.topology_key for term in asked.own}
    return domains.sharing(view, keys | {one.term.topology_key for one, _ in asked.carried}, hits)


def _normalise(sums: contract.Ints, least: int, most: int) -> contract.Ints:
    """100 for the highest sum, 0 for the lowest; 0 for all where they are equal. In floats, as upstream reckons it."""
    if least == most:
        return np.zeros(len(sums), np.int64)
    return (float(contract.MAX_SCORE) * ((sums - least) / float(most - least))).astype(np.int64)


def _normalise_one(total: int, least: int, most: int) -> int:
    return int(float(contract.MAX_SCORE) * (float(total - least) / float(most - least))) if least != most else 0


SCORE: Final = contract.Score(
    name=terms.NAME,
    compile=_compile,
    resolve=_resolve,
    raws=_raws,
    raw=_raw,
    facets=changes.COMPANY | changes.LABELS | changes.ALIVE,
    touched=_touched,
    normalise=contract.Normalise(all=_normalise, one=_normalise_one),
)
