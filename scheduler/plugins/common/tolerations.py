"""Whether a pod puts up with a taint (k8s.io/api core/v1 Toleration.ToleratesTaint)."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.api import core


def tolerates(tolerations: Iterable[core.Toleration], taint: core.Taint) -> bool:
    """Whether any toleration covers the taint.

    An empty effect or key covers all; operator "" and Equal compare values; Exists does not; Lt and Gt are alpha, off,
    and cover nothing.
    """
    return any(_covers(toleration, taint) for toleration in tolerations)


def _covers(toleration: core.Toleration, taint: core.Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator in ("", "Equal"):
        return toleration.value == taint.value
    return toleration.operator == "Exists"
