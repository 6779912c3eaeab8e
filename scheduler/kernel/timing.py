"""When a pod that failed is tried again, by kube-scheduler's clockwork. Monotonic seconds throughout.

Backoffs are kept in windows of a second: one that ends within a window is over when the next begins, so that all pods
of a window are tried in the order of the active line. Who sleeps is looked through every half minute.

Source: pkg/scheduler/backend/queue, backoff_queue.go (alignToWindow, isEntityBackingoff, calculateBackoffDuration) and
scheduling_queue.go (Run, flushUnschedulableEntitiesLeftover).
"""

from __future__ import annotations

import math
from typing import Final

_MOST_DOUBLINGS: Final = 32  # beyond any maximum, and no overflow
_FLUSH_AFTER_S: Final = 300.0  # kube-scheduler's podMaxInUnschedulablePodsDuration
_SWEEP_EVERY_S: Final = 30.0


def backoff_ends_s(failed_s: float, failures: int, initial_s: float, max_s: float) -> float:
    """When a pod that failed for the n-th time may be tried again; at once if the longest backoff is none at all."""
    if max_s <= 0:
        return failed_s
    duration_s = min(max_s, initial_s * 2.0 ** min(failures - 1, _MOST_DOUBLINGS))
    return math.floor(failed_s + duration_s) + 1.0


def flush_s(failed_s: float) -> float:
    """When a pod that sleeps since then is tried again though nothing woke it: by the first sweep that finds it due."""
    return (math.floor((failed_s + _FLUSH_AFTER_S) / _SWEEP_EVERY_S) + 1) * _SWEEP_EVERY_S
