"""Pods without a node that preemption told where to go. They hold no room, but others look out for them."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.api import core
from scheduler.state import changes


class NominatedPods:
    """Keeps them, and notes at which nodes that changes something.

    Args:
        index_of: The slots of nodes by name.

    Attributes:
        by_uid: The pods.
    """

    def __init__(self, log: changes.Log, index_of: Mapping[str, int]) -> None:
        self.by_uid: dict[str, core.Pod] = {}
        self._log = log
        self._index_of = index_of

    def put(self, pod: core.Pod) -> None:
        """Add a pod or take in its new version."""
        self.by_uid[pod.metadata.uid] = pod
        self._note(pod)

    def drop(self, uid: str) -> None:
        """Forget a pod; an unknown one is no error."""
        pod = self.by_uid.pop(uid, None)
        if pod is not None:
            self._note(pod)

    def _note(self, pod: core.Pod) -> None:
        index = self._index_of.get(pod.status.nominated_node_name)
        if index is not None:
            self._log.note(index, changes.NOMINATED)
