"""TaintToleration's score: fewer untolerated PreferNoSchedule taints are better."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.engine import request, scores, tolerations
from scheduler.state import snapshot

PLUGIN: Final = "TaintToleration"
_SOFT: Final = "PreferNoSchedule"

Ints = NDArray[np.int64]


def raw(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings, feasible: Ints) -> Ints:
    """Untolerated soft taints of each feasible node."""
    given = [toleration for toleration in asked.pod.spec.tolerations if toleration.effect in ("", _SOFT)]
    counts: Ints = np.array(
        [
            sum(taint.effect == _SOFT and not tolerations.tolerates(given, taint) for taint in taints)
            for taints in snap.taint_sets
        ],
        np.int64,
    )
    found: Ints = counts[snap.taint_set[feasible]]
    return found


def normalise(raw_scores: Ints) -> Ints:
    """100 for the fewest: 100 - 100 * n / max, and 100 for all when nobody has one."""
    most = int(raw_scores.max())
    if most == 0:
        return np.full(len(raw_scores), scores.MAX_SCORE, np.int64)
    return scores.MAX_SCORE - scores.MAX_SCORE * raw_scores // most
