"""The pods of every node in order of importance, as arrays: read anew where a node's pods changed.

All lie in one array, each node's together, with room to grow; where a node has outgrown its room it moves to the end,
and once the end is reached all move together again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from scheduler.engine.preemption import crowds, occupants
from scheduler.plugins import contract
from scheduler.state import changes, demand, snapshot

_FACETS: Final = changes.ALIVE | changes.USE | changes.COMPANY
_EVERY_PRIORITY: Final = 2**31


class Residents:
    """See the module. Whoever uses it calls ``catch_up`` first."""

    def __init__(self) -> None:
        self._log: changes.Log | None = None
        self._seq = 0
        self._clear(0)

    def catch_up(self, view: snapshot.Snapshot) -> None:
        """Forget what is another by now."""
        log = view.changes
        noted = log.since(self._seq) if log is self._log else None
        if noted is None or len(self._is_known) < view.size:
            self._clear(view.size + view.size // 4)
        else:
            self._is_known[[slot for slot, facets in noted.items() if facets & _FACETS]] = False
        self._log, self._seq = log, log.seq

    def namespaces(self, view: snapshot.Snapshot, slot: int) -> frozenset[str]:
        """Those of the pods on a node."""
        self._read(view, np.array([slot]))
        return self._namespaces[slot]

    def below(
        self, view: snapshot.Snapshot, slots: contract.Ints, priority: int, *, heeds_budgets: bool = False
    ) -> crowds.Crowd:
        """The pods of lower priority on nodes that all have some.

        Args:
            heeds_budgets: Whether to look which of them may not go; they are the first to come back.
        """
        self._read(view, slots)
        sizes = self._sizes[slots]
        starts = np.cumsum(sizes) - sizes
        owner = np.repeat(np.arange(len(slots)), sizes)
        who = np.arange(len(owner)) - starts[owner]
        at = self._starts[slots][owner] + who
        kept = self._priority[at] < priority
        if not kept.all():
            owner, who, at = owner[kept], who[kept], at[kept]
        violating = np.zeros(len(at), np.bool_)
        if heeds_budgets:
            flags = [flag for slot in slots.tolist() for flag in self._violating(view, slot, priority)]
            violating = np.array(flags, np.bool_)
            order = np.lexsort((who, ~violating, owner))
            who, at, violating = who[order], at[order], violating[order]
        return crowds.Crowd(
            slots=slots,
            first=np.searchsorted(owner, np.arange(len(slots))),
            owner=owner,
            priority=self._priority[at],
            started_s=self._started_s[at],
            asked=self._asked_at(view, slots, at),
            who=who,
            violating=violating,
        )

    def victims(self, crowd: crowds.Crowd, gone: contract.Mask, node: int) -> tuple[occupants.Occupant, ...]:
        """Those of a crowd that go from one of its nodes, the most important first."""
        numbers = crowd.who[(crowd.owner == node) & gone].tolist()
        return occupants.chosen(self._who[crowd.slots.item(node)], numbers)

    def _clear(self, size: int) -> None:
        self._is_known = np.zeros(size, np.bool_)
        self._starts, self._sizes, self._rooms = np.zeros((3, size), np.int64)
        self._end = 0
        self._priority: contract.Ints = np.zeros(0, np.int64)
        self._started_s: contract.Floats = np.zeros(0)
        self._asked: contract.Ints = np.zeros((demand.FIXED, 0), np.int64)
        self._who: dict[int, Sequence[occupants.Occupant]] = {}
        self._namespaces: dict[int, frozenset[str]] = {}
        # By slot and number what pods ask for beyond the fixed resources, of nodes where any does.
        self._scalars: dict[int, dict[int, Mapping[str, int]]] = {}

    def _read(self, view: snapshot.Snapshot, slots: contract.Ints) -> None:
        """Look up the pods of some nodes of which they are not known."""
        for slot in slots[~self._is_known[slots]].tolist():
            who = occupants.below(view, slot, _EVERY_PRIORITY)
            start, end = self._place(slot, len(who))
            self._priority[start:end] = [one.priority for one in who]
            self._started_s[start:end] = [one.started_s for one in who]
            self._asked[:, start:end] = np.array([one.placed.asked.vector for one in who]).reshape(-1, demand.FIXED).T
            self._who[slot] = who
            self._namespaces[slot] = frozenset([one.placed.pod.metadata.namespace for one in who])
            self._scalars.pop(slot, None)
            if any(one.placed.asked.scalars for one in who):
                self._scalars[slot] = dict(enumerate([one.placed.asked.scalars for one in who]))
            self._is_known[slot] = True

    def _place(self, slot: int, size: int) -> tuple[int, int]:
        """Where the pods of a node are to stand."""
        if size > self._rooms.item(slot):
            room = size + size // 2 + 1
            self._sizes[slot] = self._rooms[slot] = 0  # what stood there may go
            if self._end + room > len(self._priority):
                self._move_together(room)
            self._starts[slot], self._rooms[slot] = self._end, room
            self._end += room
        self._sizes[slot] = size
        start = self._starts.item(slot)
        return start, start + size

    def _move_together(self, room: int) -> None:
        """Have as much room at the end as there is in all, and so much more."""
        slots = np.flatnonzero(self._sizes)
        sizes = self._sizes[slots]
        starts = np.cumsum(sizes) - sizes
        self._end = int(sizes.sum())
        at = np.arange(self._end) + np.repeat(self._starts[slots] - starts, sizes)
        more = self._end + room
        self._priority = np.pad(self._priority[at], (0, more))
        self._started_s = np.pad(self._started_s[at], (0, more))
        self._asked = np.pad(self._asked[:, at], ((0, 0), (0, more)))
        self._starts[slots] = starts
        self._rooms[:] = self._sizes

    def _asked_at(self, view: snapshot.Snapshot, slots: contract.Ints, at: contract.Ints) -> contract.Ints:
        """[rows, pods] what pods ask for that stand at some places, all of them on some nodes."""
        asked = self._asked[:, at]
        more = [slot for slot in slots.tolist() if slot in self._scalars] if self._scalars else []
        if not more:
            return asked
        asked = np.pad(asked, ((0, len(view.taken) - len(asked)), (0, 0)))
        column = dict(zip(at.tolist(), range(len(at)), strict=True))
        for slot in more:
            for number, scalars in self._scalars[slot].items():
                found = column.get(self._starts.item(slot) + number)
                if found is not None:
                    for name, amount in scalars.items():
                        asked[view.resource_row[name], found] = amount
        return asked

    def _violating(self, view: snapshot.Snapshot, slot: int, priority: int) -> Iterator[bool]:
        return view.budgets.violating([one.placed.pod for one in self._who[slot] if one.priority < priority])
