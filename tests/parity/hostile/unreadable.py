"""Selectors that cannot be read, as in pods that an older version of the API server let in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.parity.hostile.chance import Chance, Object

_VALUES = ("-x", "a b", "x" * 64, "a/b", "\u00e4", "_")
_KEYS = ("-t", "a/b/c", "Example.com/t", "", "x" * 64)
_NUMBERS = ("1.5", "0x10", "", "9223372036854775808", "-x")


def spoil(chance: Chance, spec: Object) -> None:
    """Spoil one of a pod's selectors, if it has any."""
    parts = [*_parts(spec.get("affinity")), *_parts(spec.get("topologySpreadConstraints"))]
    if not parts:
        return
    part = chance.choice(parts)
    if "operator" not in part:  # labels to match
        key = chance.choice(tuple(part))
        value = part.pop(key)
        if chance.once_in(2):
            part[key] = chance.choice(_VALUES)
        else:
            part[chance.choice(_KEYS)] = value
    elif part["operator"] in {"Gt", "Lt"}:
        part["values"] = [chance.choice(_NUMBERS)]
    elif part.get("values") and not chance.once_in(3):
        part["values"] = [*part["values"], chance.choice(_VALUES)]
    else:
        part["key"] = chance.choice(_KEYS)


def _parts(value: Any) -> Iterator[Object]:
    """Requirements, and labels to match."""
    if isinstance(value, list):
        for one in value:
            yield from _parts(one)
    elif isinstance(value, dict):
        if "operator" in value:
            yield value
        for key, one in value.items():
            if key == "matchLabels":
                if one:
                    yield one
            else:
                yield from _parts(one)
