"""The nodes with a store that can be had now, for pods that ask for storage on their node; kept node by node.

There may be thousands of such nodes, of which each says every few minutes that its stores are still there, and hardly
one ceases to count. So what holds of a node is kept until something changes of it, or its time is over.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping
from typing import Final

from scheduler.state import answers, served, witnesses

# Namespaces whose pods asked for storage of late; each takes some 1 MB at 5,000 nodes.
_KEPT: Final = 16


class _Nodes:
    """Those of one namespace, by name, with their slots; ``again`` are to be looked at again, ``due`` from then on."""

    def __init__(self, now_s: float, again: set[str]) -> None:
        self.now_s = now_s
        self.again = again
        self.slot_of: dict[str, int] = {}
        self.slots: frozenset[int] = frozenset()
        self.due: list[tuple[float, str]] = []


class LocalStorage:
    """Which nodes have storage for the pods of which namespaces.

    Args:
        stores: Who serves what.
        seen: What of it can be had.
    """

    def __init__(self, stores: served.ServedTable, seen: witnesses.Witnesses) -> None:
        self._served = stores
        self._witnesses = seen
        self._nodes: dict[str, _Nodes] = {}  # by namespace

    def look_again(self, node: str) -> None:
        """A node came or went, serves something else, or may count otherwise than before."""
        for namespace, kept in list(self._nodes.items()):
            kept.again.add(node)
            if len(kept.again) > 2 * len(kept.slot_of) + _KEPT:  # nobody has asked for long
                del self._nodes[namespace]

    def slots(self, namespace: str, now_s: float, index_of: Mapping[str, int]) -> frozenset[int]:
        """The slots of the nodes that have storage for a namespace's pods at a time; the same object while equal."""
        kept = self._nodes.pop(namespace, None)
        if kept is None or now_s < kept.now_s or len(kept.due) > 8 * len(kept.slot_of) + _KEPT:
            kept = _Nodes(now_s, self._served.storage_nodes(namespace))
        self._nodes[namespace] = kept
        if len(self._nodes) > _KEPT:
            del self._nodes[next(iter(self._nodes))]
        kept.now_s = now_s
        while kept.due and kept.due[0][0] < now_s:
            kept.again.add(heapq.heappop(kept.due)[1])
        changed = [self._look(namespace, node, kept, index_of) for node in kept.again]
        kept.again.clear()
        if any(changed):
            kept.slots = frozenset(kept.slot_of.values())
        return kept.slots

    def _look(self, namespace: str, node: str, kept: _Nodes, index_of: Mapping[str, int]) -> bool:
        """Look at a node again; returns whether another slot counts now, or none."""
        span, here = answers.ALWAYS, False
        for copy in self._served.storage_on(namespace, node):
            doubt, holds = self._witnesses.judge(copy, kept.now_s)
            here = doubt is None
            if here:
                span = holds
                break
            span &= holds
        if span.until_s < math.inf:
            heapq.heappush(kept.due, (span.until_s, node))
        slot = index_of.get(node) if here else None
        before = kept.slot_of.pop(node, None)
        if slot is not None:
            kept.slot_of[node] = slot
        return slot != before
