"""NodeUnschedulable: no pod goes to a cordoned node unless it tolerates the cordon's taint."""

from __future__ import annotations

from typing import Final

from scheduler import config
from scheduler.api import core
from scheduler.engine import request, tolerations, verdict
from scheduler.state import snapshot

PLUGIN: Final = "NodeUnschedulable"
_CORDON: Final = core.Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")


def check(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings) -> verdict.Verdict | None:
    """Refuse cordoned nodes."""
    if tolerations.tolerates(asked.pod.spec.tolerations, _CORDON):
        return None
    return verdict.refuse(PLUGIN, snap.unschedulable, verdict.Code.UNRESOLVABLE, "node(s) were unschedulable")
