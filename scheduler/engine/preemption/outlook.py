"""What preemption could do for one pod, as values.

The words for a pod that preemption cannot help are kube-scheduler's (DefaultPreemption, PostFilter).
"""

from __future__ import annotations

import types
from collections import Counter
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.api import core
from scheduler.engine import verdict
from scheduler.state import snapshot

_NEVER: Final = "Never"


class Victim(NamedTuple):
    """A pod that would have to go."""

    uid: str
    namespace: str
    name: str


class Candidate(NamedTuple):
    """A node on which the pod would fit if some pods were gone.

    Attributes:
        node: Its name.
        victims: Those pods, the most important first.
        pdb_violations: How many of them a PodDisruptionBudget would not let go.
    """

    node: str
    victims: tuple[Victim, ...]
    pdb_violations: int


_NONE: Final[Mapping[str, Candidate]] = types.MappingProxyType({})


class Outlook(NamedTuple):
    """What preemption could do for a pod that fits nowhere.

    Attributes:
        eligible: Whether the pod may preempt at all.
        text: The sentence that is appended to the FailedScheduling text; "" where some node is a candidate.
        candidates: By node.
        selected: The nodes that tie for the best of them, sorted.
        chosen: The candidate at one of these, by the decision's own draw; None where there is none.
    """

    eligible: bool
    text: str
    candidates: Mapping[str, Candidate] = _NONE
    selected: tuple[str, ...] = ()
    chosen: Candidate | None = None


def outlook(pod: core.Pod, snap: snapshot.Snapshot, resolvable: NDArray[np.bool_]) -> Outlook:
    """Judge a pod that no node takes.

    Args:
        pod: The pod.
        snap: The cluster.
        resolvable: [slots] nodes refused in a way that removing pods may change.
    """
    if pod.spec.preemption_policy == _NEVER:
        return Outlook(eligible=False, text=f"preemption: not eligible due to preemptionPolicy={_NEVER}.")
    hopeful = int(resolvable.sum())
    victims = int(snap.priorities.below(pod.spec.priority, snap.size)[resolvable].sum()) if hopeful else 0
    if victims:
        return Outlook(eligible=True, text=f"preemption is not supported yet: {victims} pod(s) of lower priority stay.")
    counts = Counter(
        {
            "No preemption victims found for incoming pod": hopeful,
            "Preemption is not helpful for scheduling": snap.count - hopeful,
        }
    )
    return Outlook(eligible=True, text=f"preemption: {verdict.count_text(snap.count, counts)}")
