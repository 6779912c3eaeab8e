"""What was used of late, within a bound of bytes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Lately(Generic[Value]):
    """What was used of late, as far as there is room."""

    def __init__(self, room_bytes: int) -> None:
        self._room_bytes = room_bytes
        self._taken_bytes = 0
        self._found: dict[Hashable, tuple[Value, int]] = {}  # the longest unused first

    def get(self, key: Hashable) -> Value | None:
        found = self._found.pop(key, None)
        if found is None:
            return None
        self._found[key] = found
        return found[0]

    def put(self, key: Hashable, value: Value, size_bytes: int) -> None:
        before = self._found.pop(key, None)
        self._taken_bytes += size_bytes - (before[1] if before is not None else 0)
        self._found[key] = value, size_bytes
        while self._taken_bytes > self._room_bytes:
            self._taken_bytes -= self._found.pop(next(iter(self._found)))[1]

    def drop(self, key: Hashable) -> None:
        found = self._found.pop(key, None)
        if found is not None:
            self._taken_bytes -= found[1]

    def clear(self) -> None:
        self._found.clear()
        self._taken_bytes = 0
