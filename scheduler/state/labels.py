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

_NONE: Final[Mapping[str, str]] = {}


class Column:
    """The values of one label key over all nodes.

    A value keeps its id for as long as a node has it; then the next new value gets it.

    Attributes:
        ids: [capacity] the id of each node's value, -1 where the label is absent.
        values: Ids by value.
        width: All ids are below this.
        holders: Nodes that have the label.
    """

    __slots__ = ("_held", "_integers", "_unused", "holders", "ids", "values")

    def __init__(self, capacity: int) -> None:
        self.ids = np.full(capacity, -1, np.int32)
        self.values: dict[str, int] = {}
        self.holders = 0
        self._held: list[int] = []  # by id, the nodes that have the value
        self._unused: list[int] = []
        self._integers: tuple[NDArray[np.int64], Mask] | None = None

    @property
    def width(self) -> int:
        """See the class."""
        return len(self._held)

    def set(self, index: int, value: str, before_value: str | None) -> None:
        """Give node ``index`` this value instead of the one that it had, if it had one."""
        before = self.ids.item(index)
        found = self.values.get(value)
        if found is None:
            found = self.values[value] = self._take()
        elif found == before:
            return
        self._held[found] += 1
        self.ids[index] = found
        self.holders += 1
        if before_value is not None:
            self._release(before, before_value)

    def clear(self, index: int, value: str) -> None:
        """Take the label from node ``index``, which has it with this value."""
        before = self.ids.item(index)
        self.ids[index] = -1
        self._release(before, value)

    def _take(self) -> int:
        self._integers = None
        if self._unused:
            return self._unused.pop()
        self._held.append(0)
        return len(self._held) - 1

    def _release(self, used: int, value: str) -> None:
        self.holders -= 1
        self._held[used] -= 1
        if not self._held[used]:
            self._integers = None
            del self.values[value]
            self._unused.append(used)

    def holders_of(self, value_id: int) -> int:
        """How many nodes have a value."""
        return self._held[value_id]

    def present(self, size: int) -> Mask:
        """Where the label exists, whatever its value."""
        return self.ids[:size] >= 0

    def among(self, wanted: Iterable[str], size: int) -> Mask:
        """Where the label exists with one of the wanted values."""
        known = [self.values[value] for value in wanted if value in self.values]
        if len(known) == 1:
            equal: Mask = self.ids[:size] == known[0]
            return equal
        table = np.zeros(self.width + 1, np.bool_)
        table[known] = True
        return table[self.ids[:size]]

    def compare(self, bound: int, *, above: bool, size: int) -> Mask:
        """Where the value is an int64 above (or below) the bound."""
        numbers, valid = self._as_integers()
        table: Mask = valid & ((numbers > bound) if above else (numbers < bound))
        return table[self.ids[:size]]

    def _as_integers(self) -> tuple[NDArray[np.int64], Mask]:
        if self._integers is None:
            numbers, valid = np.zeros(self.width + 1, np.int64), np.zeros(self.width + 1, np.bool_)
            for value, found in self.values.items():
                parsed = requirements.parse_int64(value)
                if parsed is not None:
                    numbers[found], valid[found] = parsed, True
            self._integers = numbers, valid
        return self._integers


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
            self._columns[key].clear(index, before[key])
            if not self._columns[key].holders:
                del self._columns[key]
        columns = self._columns
        for key, value in labels.items():
            column = columns.get(key)
            if column is None:
                column = columns[key] = Column(self._capacity)
            column.set(index, value, before.get(key))
        if labels:
            self._rows[index] = labels
        else:
            del self._rows[index]
        return True

    def of(self, index: int) -> Mapping[str, str]:
        """The labels of node ``index``."""
        return self._rows.get(index, _NONE)

    def columns(self) -> Mapping[str, Column]:
        """The columns of all keys that nodes have."""
        return self._columns

    def column(self, key: str) -> Column | None:
        """The column of a key, or None when no node has it."""
        return self._columns.get(key)
