"""A plugin's answers over all slots, kept up to date from the log of changes one cell at a time."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scheduler.plugins import contract
from scheduler.plugins.common import lately
from scheduler.state import changes, snapshot

# What a cell takes in slots of a row made as vectors, beside what any row takes: 4 us, 16 ns and 30 us.
_SLOTS_A_CELL: Final = 256
_CELLS_A_ROW: Final = 8
# Notes of the log that are read for one slot that is looked at again, at most.
_NOTES_A_SLOT: Final = 4
# What sheets share: of selectors, tolerations and images, which few changes touch.
_KEPT_BYTES: Final = 4 << 20
# What a row takes beside arrays: objects, keys, the entry in a dictionary.
_ROW_BYTES: Final = 1000

# What changes at a slot as pods come and go: what a filter says by none of these, it says whoever is there.
PODS: Final = changes.USE | changes.PORTS | changes.COMPANY | changes.MOUNTS

Plugin = contract.Filter[Any, Any] | contract.Score[Any, Any] | contract.Wish[Any]
Asked = Any


def few(size: int) -> int:
    """How many of so many slots to look at again one by one; beyond, all are made anew."""
    return _CELLS_A_ROW + size // _SLOTS_A_CELL


def recent(log: changes.Log, seq: int, size: int) -> contract.Changes | None:
    """What changed after ``seq``; None where that is not worth to be read."""
    return log.since(seq, _NOTES_A_SLOT * few(size))


class Row:
    """What one plugin says of all slots when asked one thing. Whoever uses it calls ``catch_up`` or ``follow`` first.

    Attributes:
        asked: What it was asked, resolved.
        facets: The changes after which it may say something else.
        seq: A state of the log that it is up to date with; -1 before it was made.
    """

    __slots__ = ("_reach", "asked", "facets", "plugin", "seq", "size")

    def __init__(self, plugin: Plugin, asked: Asked) -> None:
        self.plugin = plugin
        self.asked = asked
        self.facets = plugin.facets
        self._reach = None if isinstance(plugin, contract.Wish) else plugin.touched
        self.seq = -1
        self.size = -1

    def catch_up(self, view: snapshot.Snapshot) -> None:
        """Bring the row up to date."""
        log = view.changes
        if self.size == view.size:
            if self.seq == log.seq or not log.concerns(self.facets, self.seq):
                self.seq = log.seq
                return
            changed = recent(log, self.seq, self.size)
            slots = self.touched(view, changed, self.seq) if changed is not None else None
            if slots is not None and len(slots) <= few(self.size):
                self._look_at(view, slots)
                self.seq = log.seq
                return
        self._make(view)
        self.seq, self.size = log.seq, view.size

    def touched(self, view: snapshot.Snapshot, changed: contract.Changes, since: int) -> Collection[int] | None:
        """The slots where the row may be another after the changes ``since`` a state of the log; None for all."""
        facets = self.facets
        if self._reach is not None:
            hits = {slot: noted for slot, noted in changed.items() if noted & facets}
            return self._reach(self.asked, view, hits, since) if hits else ()
        slots = [slot for slot, noted in changed.items() if noted & facets]
        return None if changes.ALL in slots else slots

    @property
    def touched_like(self) -> object:
        """Rows of which this is equal are touched at the same slots, whatever changes."""
        return self.facets if self._reach is None else self

    def follow(self, view: snapshot.Snapshot, slots: Collection[int], since: int) -> None:
        """Bring a row up to date that was so at a state of the log; changes since touched no more than these slots.

        Where another sheet has brought it further meanwhile, only what is new is looked at.
        """
        if self.seq > since:
            self.catch_up(view)
        elif self.seq != view.changes.seq:
            self._look_at(view, slots)
            self.seq = view.changes.seq

    @property
    def size_bytes(self) -> int:
        """What it takes in memory, about."""
        raise NotImplementedError

    def _make(self, view: snapshot.Snapshot) -> None:
        raise NotImplementedError

    def _look_at(self, view: snapshot.Snapshot, slots: Collection[int]) -> None:
        raise NotImplementedError


class FilterRow(Row):
    """A filter's.

    Attributes:
        code: [slots] contract.Code values; None as long as no slot was ever refused.
        reason: [slots] index into ``reasons``.
        may_fail: Whether it ever said of a slot that it could not tell.
    """

    __slots__ = ("_numbers", "code", "may_fail", "plugin", "reason", "reasons")
    plugin: contract.Filter[Any, Any]

    def __init__(self, plugin: contract.Filter[Any, Any], asked: Asked) -> None:
        super().__init__(plugin, asked)
        self.code: NDArray[np.int8] | None = None
        self.reason: NDArray[np.int32] = np.zeros(0, np.int32)
        self.reasons: list[tuple[str, ...]] = []
        self.may_fail = False
        self._numbers: dict[tuple[str, ...], int] = {}

    def refused(self) -> list[int]:
        """The slots that are refused."""
        return np.flatnonzero(self.code).tolist() if self.code is not None else []

    def at(self, slot: int) -> contract.Refusal | None:
        """What is said of one slot."""
        code = self.code.item(slot) if self.code is not None else 0
        return contract.Refusal(contract.Code(code), self.reasons[self.reason.item(slot)]) if code else None

    def said(self) -> contract.Verdict | None:
        """What is said of all; None where none is refused."""
        return contract.Verdict(self.code, self.reason, self.reasons) if self.code is not None else None

    @property
    def size_bytes(self) -> int:
        return 5 * self.size

    def _make(self, view: snapshot.Snapshot) -> None:
        verdict = self.plugin.rows(self.asked, view)
        if verdict is None:
            self.code = None
            return
        self.code, self.reason = verdict.code, verdict.reason
        self.may_fail = bool((verdict.code == contract.Code.ERROR).any())
        self.reasons = list(verdict.reasons)
        self._numbers = {reasons: number for number, reasons in enumerate(self.reasons)}

    def _look_at(self, view: snapshot.Snapshot, slots: Collection[int]) -> None:
        for slot in slots:
            refusal = self.plugin.cell(self.asked, view, slot, contract.NOTHING)
            if refusal is not None:
                self._refuse(view, slot, refusal)
            elif self.code is not None:
                self.code[slot] = contract.Code.SUCCESS

    def _refuse(self, view: snapshot.Snapshot, slot: int, refusal: contract.Refusal) -> None:
        if self.code is None:
            self.code, self.reason = np.zeros(view.size, np.int8), np.zeros(view.size, np.int32)
            self.reasons, self._numbers = [], {}
        number = self._numbers.get(refusal.reasons)
        if number is None:
            number = self._numbers[refusal.reasons] = len(self.reasons)
            self.reasons.append(refusal.reasons)
        self.code[slot] = refusal.code
        self.may_fail |= refusal.code == contract.Code.ERROR
        self.reason[slot] = number


class ScoreRow(Row):
    """A score's: ``values`` are [slots], before they are normalised; [slots, parts] where it is mixed of some."""

    __slots__ = ("plugin", "values")
    plugin: contract.Score[Any, Any]

    def __init__(self, plugin: contract.Score[Any, Any], asked: Asked) -> None:
        super().__init__(plugin, asked)
        self.values: contract.Ints = np.zeros(0, np.int64)

    @property
    def size_bytes(self) -> int:
        return self.values.nbytes

    def _make(self, view: snapshot.Snapshot) -> None:
        self.values = self.plugin.raws(self.asked, view)

    def _look_at(self, view: snapshot.Snapshot, slots: Collection[int]) -> None:
        for slot in slots:
            self.values[slot] = self.plugin.raw(self.asked, view, slot)


class WishRow(Row):
    """A wish's: ``values`` are [slots], the share that is granted."""

    __slots__ = ("plugin", "values")
    plugin: contract.Wish[Any]

    def __init__(self, plugin: contract.Wish[Any], asked: Asked) -> None:
        super().__init__(plugin, asked)
        self.values: contract.Floats = np.zeros(0)

    @property
    def size_bytes(self) -> int:
        return 8 * self.size

    def _make(self, view: snapshot.Snapshot) -> None:
        self.values = self.plugin.shares(self.asked, view)

    def _look_at(self, view: snapshot.Snapshot, slots: Collection[int]) -> None:
        for slot in slots:
            self.values[slot] = self.plugin.share(self.asked, view, slot)


class Shelf:
    """Rows of one cluster that were used of late, by what a plugin was asked.

    What a plugin asks holds all that settings tell it. So engines of different profiles share the rows of what they ask
    alike, and no others.
    """

    def __init__(self) -> None:
        self._log: changes.Log | None = None
        self._rows: lately.Lately[Row] = lately.Lately(_KEPT_BYTES)

    def follow(self, log: changes.Log) -> None:
        """From now on rows are of the cluster with this log; those of another one are dropped."""
        if log is not self._log:
            self._log = log
            self._rows.clear()

    def get(self, kind: type[Row], plugin: str, asked: Asked) -> Row | None:
        return self._rows.get((kind, plugin, asked))

    def put(self, row: Row) -> None:
        self._rows.put((type(row), row.plugin.name, row.asked), row, row.size_bytes + _ROW_BYTES)
