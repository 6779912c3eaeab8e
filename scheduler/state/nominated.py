"""Pods without a node that preemption told where to go. They hold no room, but others look out for them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from scheduler import errors
from scheduler.api import core
from scheduler.state import changes, demand, snapshot


class NominatedPods:
    """Keeps them, and notes at which nodes that changes something.

    Args:
        index_of: The slots of nodes by name.

    Attributes:
        by_uid: The pods.
        placed: The same as they would be there, but for those of which it cannot be read what they ask for.
    """

    def __init__(self, log: changes.Log, index_of: Mapping[str, int]) -> None:
        self.by_uid: dict[str, core.Pod] = {}
        self.placed: dict[str, snapshot.Placed] = {}
        self._log = log
        self._index_of = index_of

    def put(self, pod: core.Pod) -> None:
        """Add a pod or take in its new version."""
        uid, node = pod.metadata.uid, pod.status.nominated_node_name
        self.by_uid[uid] = pod
        self.placed.pop(uid, None)
        with contextlib.suppress(errors.InputError):
            self.placed[uid] = snapshot.Placed(pod, node, -1, demand.of(pod), demand.host_ports(pod), assumed=True)
        self._note(pod)

    def drop(self, uid: str) -> None:
        """Forget a pod; an unknown one is no error."""
        pod = self.by_uid.pop(uid, None)
        self.placed.pop(uid, None)
        if pod is not None:
            self._note(pod)

    def _note(self, pod: core.Pod) -> None:
        index = self._index_of.get(pod.status.nominated_node_name)
        if index is not None:
            self._log.note(index, changes.NOMINATED)
