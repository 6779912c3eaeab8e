"""Node labels as columns of small integers, so that a selector is a table look-up over all nodes at once.

Each label key is a column; each distinct value of a key gets an id; ``ids[n]`` is node n's id, or -1 where the label is
absent. A condition on values is first decided once per distinct value (a table of bools), then taken by id: the last
entry of the table stands for "absent", which is what index -1 reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler.api import requirements

Mask = NDArray[np.bool_]

# Values kept beyond what nodes could hold, so that forgetting is rare.
_SPARE_VALUES = 64
_NONE: Final[Mapping[str, str]] = {}


class Column:
    """The values of one label key over all nodes."""

    __slots__ = ("_integers", "holders", "ids", "values")

    def __init__(self, capacity: int) -> None:
        self.ids = np.full(capacity, -1, np.int32)  # [capacity]; -1 where the label is absent
        self.values: dict[str, int] = {}  # value -> id
        self.holders = 0  # nodes that have the label
        self._integers: tuple[int, NDArray[np.int64], Mask] | None = None

    def set(self, index: int, value: str) -> None:
        """Give node ``index`` this value."""
        if self.ids[index] < 0:
            self.holders += 1
        self.ids[index] = self.values.setdefault(value, len(self.values))
        if len(self.values) > 2 * len(self.ids) + _SPARE_VALUES:
            self._forget_unused()

    def clear(self, index: int) -> None:
        """Take the label from node ``index``, which has it."""
        self.ids[index] = -1
        self.holders -= 1

    def _forget_unused(self) -> None:
        """Drop values that no node has any more: a label such as a timestamp would collect them for ever."""
        by_id = list(self.values)
        used, renumbered = np.unique(self.ids, return_inverse=True)
        absent = int(used[0] == -1)
        self.ids = (renumbered - absent).astype(np.int32)
        self.values = {by_id[old]: new for new, old in enumerate(used[absent:].tolist())}
        self._integers = None

    def present(self, size: int) -> Mask:
        """Where the label exists, whatever its value."""
        return self.ids[:size] >= 0

    def among(self, wanted: Iterable[str], size: int) -> Mask:
        """Where the label exists with one of the wanted values."""
        known = [self.values[value] for value in wanted if value in self.values]
        if len(known) == 1:
            equal: Mask = self.ids[:size] == known[0]
            return equal
        table = np.zeros(len(self.values) + 1, np.bool_)
        table[known] = True
        return table[self.ids[:size]]

    def compare(self, bound: int, *, above: bool, size: int) -> Mask:
        """Where the value is an int64 above (or below) the bound."""
        numbers, valid = self._as_integers()
        table: Mask = valid & ((numbers > bound) if above else (numbers < bound))
        return table[self.ids[:size]]

    def _as_integers(self) -> tuple[NDArray[np.int64], Mask]:
        if self._integers is None or self._integers[0] != len(self.values):
            parsed = [requirements.parse_int64(value) for value in self.values]
            numbers = np.array([*(value or 0 for value in parsed), 0], np.int64)
            valid = np.array([*(value is not None for value in parsed), False], np.bool_)
            self._integers = (len(self.values), numbers, valid)
        return self._integers[1], self._integers[2]


class LabelTable:
    """All label columns of all nodes."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._columns: dict[str, Column] = {}
        self._rows: dict[int, Mapping[str, str]] = {}

    def grow(self, capacity: int) -> None:
        """Make room for node indices below ``capacity``."""
        for column in self._columns.values():
            column.ids = np.concatenate([column.ids, np.full(capacity - len(column.ids), -1, np.int32)])
        self._capacity = capacity

    def set_row(self, index: int, labels: Mapping[str, str]) -> bool:
        """Replace the labels of node ``index``; returns whether they are others."""
        before = self._rows.get(index, _NONE)
        if before == labels:
            return False
        for key in before.keys() - labels.keys():
            self._columns[key].clear(index)
            if not self._columns[key].holders:
                del self._columns[key]
        columns = self._columns
        for key, value in labels.items():
            column = columns.get(key)
            if column is None:
                column = columns[key] = Column(self._capacity)
            column.set(index, value)
        if labels:
            self._rows[index] = labels
        else:
            del self._rows[index]
        return True

    def of(self, index: int) -> Mapping[str, str]:
        """The labels of node ``index``."""
        return self._rows.get(index, _NONE)

    def column(self, key: str) -> Column | None:
        """The column of a key, or None when no node has it."""
        return self._columns.get(key)
