"""Pods on nodes: each is counted on its node's slot exactly once, from when both are known until one is gone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from scheduler.api import core
from scheduler.state import changes, demand, neighbours, priorities, snapshot, usage
from scheduler.state.volumes import use


class PlacedPods:
    """Keeps them, and counts them in what nodes have left, who is whose neighbour, and which volumes are in use where.

    Args:
        log: Where changes are noted.
        index_of: The slots of nodes by name.
        used: What pods take of nodes.
        company: Who is where among whom.
        mounts: The volumes that pods use.

    Attributes:
        by_uid: The pods.
        on_node: The same by node, known or not, in the order in which they came.
        priorities: Theirs, by slot.
    """

    def __init__(
        self,
        log: changes.Log,
        index_of: Mapping[str, int],
        used: usage.Usage,
        company: neighbours.Neighbours,
        mounts: use.Use,
    ) -> None:
        self.by_uid: dict[str, snapshot.Placed] = {}
        self.on_node: dict[str, dict[str, snapshot.Placed]] = {}
        self.priorities = priorities.PriorityTable()
        self._log = log
        self._index_of = index_of
        self._usage = used
        self._neighbours = company
        self._mounts = mounts

    def put(self, pod: core.Pod, node: str, asked: demand.Demand, *, assumed: bool) -> None:
        """Add a pod that is not there yet."""
        placed = snapshot.Placed(pod, node, self._index_of.get(node, -1), asked, demand.host_ports(pod), assumed)
        uid = pod.metadata.uid
        self.by_uid[uid] = placed
        self.on_node.setdefault(node, {})[uid] = placed
        if placed.index >= 0:
            self._log.note(placed.index, self._count(placed, 1))

    def drop(self, uid: str) -> None:
        """Forget a pod; an unknown one is no error."""
        placed = self.by_uid.pop(uid, None)
        if placed is None:
            return
        here = self.on_node[placed.node]
        del here[uid]
        if not here:
            del self.on_node[placed.node]
        if placed.index >= 0:
            self._log.note(placed.index, self._count(placed, -1))

    @contextlib.contextmanager
    def uncounted(self, uid: str) -> Iterator[None]:
        """As long as the block runs, a pod takes up nothing, though it is still among the pods."""
        placed = self.by_uid.get(uid)
        if placed is None or placed.index < 0:
            yield
            return
        self._log.note(placed.index, self._count(placed, -1))
        try:
            yield
        finally:
            self._log.note(placed.index, self._count(placed, 1))

    def node_came(self, name: str) -> None:
        """A node has a slot now."""
        for placed in self.on_node.get(name, {}).values():
            placed.index = self._index_of[name]
            self._count(placed, 1)

    def node_goes(self, name: str) -> list[core.Pod]:
        """A node is about to lose its slot; returns its pods, which stay known."""
        here = list(self.on_node.get(name, {}).values())
        for placed in here:
            self._count(placed, -1)
            placed.index = -1
        if here:
            self._log.note(changes.ALL, changes.COMPANY)
        return [placed.pod for placed in here]

    def _count(self, placed: snapshot.Placed, sign: int) -> int:
        """Count a pod in (sign 1) or out (sign -1) on its node; returns the facets that changed."""
        self._usage.add(placed.index, placed.asked, placed.ports, sign)
        self.priorities.step(placed.index, placed.pod.spec.priority, sign)
        if placed.company is not None:
            self._neighbours.leave(placed.company, placed.index)
            placed.company = None
        else:
            placed.company = self._neighbours.enter(placed.pod, placed.index)
        changed = changes.USE | changes.COMPANY | changes.PORTS if placed.ports else changes.USE | changes.COMPANY
        if self._mounts.step(placed.pod, placed.index, sign):
            changed |= changes.MOUNTS
        return changed
