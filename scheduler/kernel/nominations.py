"""Room that is kept for pods that wait, on the nodes where eviction makes it: until a pod is there, or goes elsewhere.

Nobody who is no more urgent is given it, as the state counts such a pod as if it were on its node (NominatedPods). What
is decided here counts at once. The API server hears of it later, and its watches tell of it later still: so a version
of the pod that says what the last one did when it was decided otherwise says nothing new, and what was decided stands.

Source: kube-scheduler's backend/queue/nominator.go, whose rule this is where a pod was nominated to no node before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from scheduler.api import core
from scheduler.kernel import queue
from scheduler.state import cluster


class Nominations:
    """Those that stand.

    Args:
        state: Where they count.
        freed: Told of each pod for which no room is kept any more, as it was on the node.

    Attributes:
        pods: By uid, those of ours that wait and have room kept, with the node in their status.
    """

    def __init__(self, state: cluster.Cluster, freed: Callable[[core.Pod], None]) -> None:
        self.pods: dict[str, core.Pod] = {}
        self._state = state
        self._freed = freed
        self._said: dict[str, str] = {}  # by uid: what the watch had said of a pod when otherwise was decided

    def corrected(self, pod: core.Pod) -> core.Pod:
        """What the watch shows of a pod that waits, with the node that was decided since."""
        uid = pod.metadata.uid
        said = self._said.get(uid)
        if said is None:
            return pod
        if said != pod.status.nominated_node_name:
            del self._said[uid]
            return pod
        kept = self.pods.get(uid)
        return _to(pod, kept.status.nominated_node_name if kept is not None else "")

    def renominate(self, entry: queue.Entry, node: str) -> bool:
        """Keep room for a pod on this node, or with "" nowhere; returns whether that is to be written."""
        uid, shown = entry.uid, entry.pod.status.nominated_node_name
        is_news = node != shown or uid in self._said  # what is on its way to the API server may be the opposite
        if is_news:
            self._said.setdefault(uid, shown)
        if node != shown:
            entry.pod, entry.asked = _to(entry.pod, node), None
        self.put(uid, entry.pod)
        return is_news

    def put(self, uid: str, pod: core.Pod | None) -> None:
        """Count a pod where its status says, or (None, or no node named) nowhere; one that is on a node stays there."""
        if pod is None:
            self._said.pop(uid, None)
        if self._state.is_placed(uid):
            return
        node = pod.status.nominated_node_name if pod is not None else ""
        if uid in self.pods:
            self._state.remove_pod(uid)
        self.take(uid, node)
        if pod is not None and node:
            self.pods[uid] = pod
            self._state.apply_pod(pod)

    def end(self, uid: str, node: str = "") -> None:
        """A pod is there, or gone."""
        self._said.pop(uid, None)
        self.take(uid, node)

    def take(self, uid: str, node: str) -> None:
        """No room is kept for a pod any more; it is free, unless the pod is to be on that node or waits there anew."""
        before = self.pods.pop(uid, None)
        if before is not None and before.status.nominated_node_name != node:
            self._freed(before)

    def below(self, node: str, priority: int) -> Iterator[core.Pod]:
        """The pods less urgent than that for which room is kept on a node."""
        for pod in list(self.pods.values()):
            if pod.status.nominated_node_name == node and pod.spec.priority < priority:
                yield pod

    def known(self) -> set[str]:
        """The pods of which anything is kept here."""
        return self.pods.keys() | self._said.keys()


def _to(pod: core.Pod, node: str) -> core.Pod:
    return msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, nominated_node_name=node))
