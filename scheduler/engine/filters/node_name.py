"""NodeName: a pod that names its node goes nowhere else."""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler import config
from scheduler.engine import request, verdict
from scheduler.state import snapshot

PLUGIN: Final = "NodeName"


def check_pod(asked: request.PodRequest) -> verdict.PodVerdict | None:
    """Narrow the pod to the node that it names."""
    name = asked.pod.spec.node_name
    return verdict.PodVerdict((PLUGIN,), only=frozenset((name,))) if name else None


def check(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings) -> verdict.Verdict | None:
    """Refuse every node but the named one."""
    name = asked.pod.spec.node_name
    if not name:
        return None
    others = np.ones(snap.size, np.bool_)
    if name in snap.index_of:
        others[snap.index_of[name]] = False
    return verdict.refuse(PLUGIN, others, verdict.Code.UNRESOLVABLE, "node(s) didn't match the requested node name")
