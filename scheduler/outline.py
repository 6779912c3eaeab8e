"""What a reader of configuration files asks for, as a JSON schema.

It is let read an empty file, and each of its questions is written down with the type, the bounds and the default that
it gives. So a schema cannot say anything else than the code that reads. What a reader asks for only where something is
there is found, too: here everything is there, in lists one of each. Problems are nobody's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from scheduler import sections

Schema = dict[str, Any]
T = TypeVar("T")

_GO_DURATION: Final = r"^([+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$|^0$"
_OF_TYPES: Final = frozenset({2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 3.4e38, -3.4e38, math.inf, -math.inf})
# What a number is of, by the end of its key.
_UNITS: Final[Mapping[str, str]] = {
    "Latency": "ms",
    "Bandwidth": "bytes/s",
    "BytesPerSecond": "bytes/s",
    "Milliseconds": "ms",
    "Seconds": "s",
    "Minutes": "min",
    "Bytes": "bytes",
}


class Outline(sections.Section):
    """A section in which everything is there, with its default; see the module.

    Attributes:
        properties: The schema of each key that was asked for.
    """

    def __init__(self, path: str = "") -> None:
        super().__init__({}, path, [])
        self.properties: dict[str, Schema] = {}
        self._inner: dict[str, Outline] = {}
        self._optional: set[str] = set()

    def schema(self) -> Schema:
        """That of the section as a whole."""
        return {"type": "object", "additionalProperties": False, "properties": self.properties}

    def inner(self, key: str) -> Outline:
        """What is asked for under a key: of a section, or of each in a list."""
        return self._inner.setdefault(key, Outline(f"{self.path}{key}."))

    def has(self, key: str) -> bool:
        if key not in self.properties:
            self._optional.add(key)  # asked for only if it is there: then what it would be else is no default
            self.properties[key] = {}
        return True

    def report(self, key: str, remedy: str) -> None:
        """Nobody is told what an empty file lacks."""

    def finish(self) -> None:
        """Whatever is not asked for is not there, either."""

    def raw(self, key: str) -> object:
        self.properties.setdefault(key, {})
        return None

    def text(self, key: str, default: str) -> str:
        return self._asked(key, {"type": "string", "minLength": 1}, default, default)

    def text_or_empty(self, key: str, default: str = "") -> str:
        return self._asked(key, {"type": "string"}, default, default)

    def choice(self, key: str, default: str, choices: Sequence[str]) -> str:
        return self._asked(key, {"type": "string", "enum": [*choices]}, default, default)

    def boolean(self, key: str, *, default: bool = False) -> bool:
        return self._asked(key, {"type": "boolean"}, default, default)

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        return self._asked(key, {"type": "integer", **_bounds(low, high), **_unit(key)}, default, default)

    def number(self, key: str, default: float, low: float, high: float = math.inf) -> float:
        shown = int(default) if default == int(default) else default
        return self._asked(key, {"type": "number", **_bounds(low, high), **_unit(key)}, shown, default)

    def duration_s(self, key: str, default: float, low: float) -> float:
        schema = {"type": ["string", "number"], "minimum": low, "x-unit": "duration"}
        return self._asked(key, schema, duration(default), default)

    def go_duration_s(self, key: str, default: float, low: float = -math.inf) -> float:
        schema: Schema = {"type": "string", "pattern": _GO_DURATION, "x-unit": "duration"}
        if low > 0:
            schema["x-minimum"] = duration(low)
        return self._asked(key, schema, duration(default), default)

    def section(self, key: str) -> sections.Section:
        self.properties[key] = self.inner(key).schema()
        return self.inner(key)

    def sections(self, key: str) -> list[sections.Section]:
        self.properties[key] = {"type": "array", "items": self.inner(key).schema()}
        return [self.inner(key)]

    def texts(self, key: str) -> tuple[str, ...]:
        return self._asked(key, {"type": "array", "items": {"type": "string"}}, [], ())

    def pairs(self, key: str) -> dict[str, str]:
        return self._asked(key, {"type": "object", "additionalProperties": {"type": "string"}}, {}, {})

    def _asked(self, key: str, schema: Schema, shown: object, default: T) -> T:
        if key not in self._optional and shown not in ("", [], {}):
            schema["default"] = shown
        self.properties[key] = schema
        return default


def duration(seconds: float) -> str:
    """Seconds as a file would say them, such as "5m" or "500ms"."""
    if seconds and seconds % 60 == 0:
        return f"{seconds / 60:g}m"
    return f"{seconds:g}s" if seconds >= 1 or not seconds else f"{seconds * 1000:g}ms"


def _bounds(low: float, high: float) -> Schema:
    """Those that are a setting's, not its type's."""
    found: Schema = {}
    if low not in _OF_TYPES:
        found["minimum"] = low
    if high not in _OF_TYPES:
        found["maximum"] = high
    return found


def _unit(key: str) -> Schema:
    unit = next((unit for end, unit in _UNITS.items() if key.endswith(end)), "")
    return {"x-unit": unit} if unit else {}
