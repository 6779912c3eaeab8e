"""NodeAffinity's score: the weights of the preferred terms that match, the pod's and those the configuration adds."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.api import core, requirements
from scheduler.engine import request, scores, selectors
from scheduler.state import snapshot

PLUGIN: Final = "NodeAffinity"

Ints = NDArray[np.int64]


def raw(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings, feasible: Ints) -> Ints | None:
    """Sum of matching weights; None when there is no preference.

    Raises:
        ScoreError: a preferred term of the pod cannot be read. Those of the configuration were read with it.
    """
    affinity = asked.pod.spec.affinity.node_affinity if asked.pod.spec.affinity else None
    own = _preferred(affinity)
    if problem := requirements.aggregate(requirements.preferred_problems(own)):
        raise scores.ScoreError(f'running PreScore plugin "{PLUGIN}": {problem}')
    preferred = own + _preferred(settings.plugins.added_affinity)
    if not preferred:
        return None
    total = np.zeros(len(feasible), np.int64)
    for term in preferred:
        if term.weight:
            total += np.where(selectors.match_term(term.preference, snap)[feasible], term.weight, 0)
    return total


def normalise(raw_scores: Ints) -> Ints:
    """100 for the highest sum; zeros stay zeros. A division as Go's, which cuts towards zero."""
    most = max(int(raw_scores.max()), 0)
    return raw_scores if most == 0 else np.sign(raw_scores) * (scores.MAX_SCORE * np.abs(raw_scores) // most)


def _preferred(affinity: core.NodeAffinity | None) -> tuple[core.PreferredSchedulingTerm, ...]:
    return affinity.preferred if affinity is not None else ()
