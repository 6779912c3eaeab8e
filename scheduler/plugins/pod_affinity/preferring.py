"""InterPodAffinity's score: preferences between the pod and those that run in a node's domains, either way.

Every pod in a domain that a preferred term means adds the term's weight (anti-affinity: takes it), whether the pod to
place carries the term or is meant by it; a required affinity of a running pod that means the pod adds the configured
weight. Pods on nodes that are not feasible count too.

Source: pkg/scheduler/framework/plugins/interpodaffinity/scoring.go.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np

from scheduler import config
from scheduler.plugins import contract, request
from scheduler.plugins.pod_affinity import terms
from scheduler.state import changes, snapshot, tallies


@dataclass(frozen=True, slots=True)
class Asked:
    """The pod, what a required affinity of others is worth, and whether to ask others if the pod prefers nothing."""

    own: terms.Asked
    hard_weight: int
    asks_others: bool


# Weights, and the pods that they count for: its own terms, then those of others that mean it.
Resolved = tuple[tuple[int, tallies.Tally], ...]


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
    own = asked.own
    preferences = [
        (sign * weighted.weight, terms.meant(terms.want(own, weighted.pod_affinity_term, view), view))
        for sign, some in ((1, own.terms.preferred), (-1, own.terms.preferred_anti))
        for weighted in some
    ]
    if asked.asks_others:
        for one in view.neighbours.drawing.meaning(own.pod, view.neighbours.namespaces):
            weight = asked.hard_weight if one.weight is None else one.weight
            if weight:
                preferences.append((weight, one.tally))
    return tuple(preferences) if any(tally.total for _, tally in preferences) else None


def _raws(asked: Resolved, view: snapshot.Snapshot) -> contract.Ints:
    total = np.zeros(view.size, np.int64)
    for weight, tally in asked:
        here = tally.row(view.size)
        if here is not None:
            total += weight * here
    return total


def _raw(asked: Resolved, _view: snapshot.Snapshot, slot: int) -> int:
    return sum([weight * tally.of(slot) for weight, tally in asked])


def _touched(asked: Resolved, view: snapshot.Snapshot, hits: contract.Changes, since: int) -> Collection[int] | None:
    return terms.touched([tally for _, tally in asked], view, hits, since)


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
