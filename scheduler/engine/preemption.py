"""Whether removing pods of lower priority might make room. Doing so is not built: a pod that needs it is told so.

The words for a pod that preemption cannot help are kube-scheduler's (DefaultPreemption, PostFilter).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.api import core
from scheduler.engine import verdict
from scheduler.state import snapshot

_NEVER: Final = "Never"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What preemption could do for a pod that fits nowhere.

    Attributes:
        eligible: Whether the pod may preempt at all.
        needed: Some refused node runs pods of lower priority, so that preemption might help, and is missed.
        text: The sentence that is appended to the FailedScheduling text.
    """

    eligible: bool
    needed: bool
    text: str


def outlook(pod: core.Pod, snap: snapshot.Snapshot, resolvable: NDArray[np.bool_]) -> Outlook:
    """Judge a pod that no node takes.

    Args:
        pod: The pod.
        snap: The cluster.
        resolvable: [slots] nodes refused in a way that removing pods may change.
    """
    if pod.spec.preemption_policy == _NEVER:
        return Outlook(False, False, f"preemption: not eligible due to preemptionPolicy={_NEVER}.")
    hopeful = int(resolvable.sum())
    victims = int(snap.priorities.below(pod.spec.priority, snap.size)[resolvable].sum()) if hopeful else 0
    if victims:
        return Outlook(True, True, f"preemption is not supported yet: {victims} pod(s) of lower priority stay.")
    counts = Counter(
        {
            "No preemption victims found for incoming pod": hopeful,
            "Preemption is not helpful for scheduling": snap.count - hopeful,
        }
    )
    return Outlook(True, False, f"preemption: {verdict.count_text(snap.count, counts)}")
