"""TaintToleration: a pod goes only where it tolerates every NoSchedule and NoExecute taint.

Nodes with the same taints share one entry of the taint-set table, so each set is judged once for all of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler import config
from scheduler.engine import request, tolerations, verdict
from scheduler.state import snapshot

PLUGIN: Final = "TaintToleration"
_HARD: Final = ("NoSchedule", "NoExecute")


def check(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings) -> verdict.Verdict | None:
    """Refuse nodes with an untolerated hard taint."""
    given = asked.pod.spec.tolerations
    refused = np.array(
        [
            any(taint.effect in _HARD and not tolerations.tolerates(given, taint) for taint in taints)
            for taints in snap.taint_sets
        ],
        np.bool_,
    )
    if not refused.any():
        return None
    return verdict.refuse(
        PLUGIN, refused[snap.taint_set], verdict.Code.UNRESOLVABLE, "node(s) had untolerated taint(s)"
    )
