"""InterPodAffinity's score: preferences between the pod and those that run in a node's domains, either way.

Every pod in a domain that a preferred term means adds the term's weight (anti-affinity: takes it), whether the pod to
place carries the term or is meant by it; a required affinity of a running pod that means the pod adds the configured
weight. Pods on nodes that are not feasible count too.

Source: pkg/scheduler/framework/plugins/interpodaffinity/scoring.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.engine import domains, request, scores
from scheduler.engine.filters import pod_affinity
from scheduler.state import neighbours, podterms, snapshot

PLUGIN: Final = pod_affinity.PLUGIN

Ints = NDArray[np.int64]


def raw(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings, feasible: Ints) -> Ints | None:
    """Sum of weights; None where no pod has anything to say.

    Raises:
        ScoreError: a term of the pod cannot be read, and the filter that would have refused it is disabled.
    """
    if asked.terms.problem:
        raise scores.ScoreError(f'running PreScore plugin "{PLUGIN}": failed to parse pod: {asked.terms.problem}')
    total: Ints | None = None
    for key, weight, groups in _preferences(snap, asked, settings.plugins):
        here = domains.near(snap, key, groups)
        if here is not None:
            added = weight * here[feasible]
            total = added if total is None else total + added
    return total


def normalise(raw_scores: Ints) -> Ints:
    """100 for the highest sum, 0 for the lowest; 0 for all where they are equal. In floats, as upstream reckons it."""
    low, high = int(raw_scores.min()), int(raw_scores.max())
    if low == high:
        return np.zeros(len(raw_scores), np.int64)
    return (float(scores.MAX_SCORE) * ((raw_scores - low) / float(high - low))).astype(np.int64)


def _preferences(
    snap: snapshot.Snapshot, asked: request.PodRequest, plugins: config.Plugins
) -> Iterator[tuple[str, int, Sequence[neighbours.PodsAt]]]:
    """Topology key, weight and the pods that it counts for."""
    terms, known = asked.terms, snap.neighbours.namespaces
    own = [(weighted.pod_affinity_term, weighted.weight) for weighted in terms.preferred]
    own += [(weighted.pod_affinity_term, -weighted.weight) for weighted in terms.preferred_anti]
    if plugins.ignore_preferred_terms_of_existing_pods and not own:
        return
    for term, weight in own:
        wanted = podterms.want(term, asked.pod, known)
        yield wanted.topology_key, weight, [cohort.at for cohort in snap.neighbours.cohorts.find((wanted,))]
    for carried in snap.neighbours.drawing.meaning(asked.pod, known):
        weight = plugins.hard_pod_affinity_weight if carried.weight is None else carried.weight
        if weight:
            yield carried.term.topology_key, weight, (carried.at,)
