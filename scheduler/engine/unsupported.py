"""What a pod needs that is not built yet: it then stays pending and is told so, never placed as if it had not asked."""

from __future__ import annotations

from scheduler.plugins import request


def may_lack(asked: request.PodRequest) -> bool:
    """Whether there may be such a feature, in some cluster."""
    spec = asked.pod.spec
    return spec.scheduling_group is not None or spec.workload_ref is not None


def find(asked: request.PodRequest) -> str:
    """Name the first feature that the pod needs and this version lacks; "" when there is none."""
    spec = asked.pod.spec
    if spec.scheduling_group is not None:
        return _text("GangScheduling", "spec.schedulingGroup")
    if spec.workload_ref is not None:
        return _text("GangScheduling", "spec.workloadRef")
    return ""


def _text(plugin: str, what: str) -> str:
    return f"{plugin} is not supported yet: cannot honour {what}"
