"""Field and label selectors, as far as the product uses them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

# What an object without the field is taken to have; a selector on any other field is refused, as the real server does.
_FIELDS = {
    "metadata.name": "",
    "metadata.namespace": "",
    "spec.nodeName": "",
    "spec.schedulerName": "",
    "spec.unschedulable": "false",
    "status.phase": "",
}


class SelectorError(Exception):
    """The selector is not supported."""


def compile_selector(fields: str, labels: str) -> Callable[[Json], bool]:
    """Make one predicate of both selectors; an empty one matches everything."""
    tests = [_field_test(term) for term in fields.split(",") if term]
    tests += [_label_test(term) for term in re.split(r",(?![^(]*\))", labels) if term]
    return lambda obj: all(test(obj) for test in tests)


def _field_test(term: str) -> Callable[[Json], bool]:
    path, wanted, equal = _split(term)
    if path not in _FIELDS:
        raise SelectorError(f"field label not supported: {path}")

    def test(obj: Json) -> bool:
        value: Any = obj
        for part in path.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(value, bool):
            value = str(value).lower()
        return (str(value or _FIELDS[path]) == wanted) is equal

    return test


def _label_test(term: str) -> Callable[[Json], bool]:
    if " in (" in term:
        key, _, values = term.removesuffix(")").partition(" in (")
        allowed = frozenset(values.split(","))
        return lambda obj: (obj["metadata"].get("labels") or {}).get(key) in allowed
    if "=" not in term:
        key, present = term.removeprefix("!"), not term.startswith("!")
        return lambda obj: (key in (obj["metadata"].get("labels") or {})) is present
    key, wanted, equal = _split(term)
    return lambda obj: ((obj["metadata"].get("labels") or {}).get(key) == wanted) is equal


def _split(term: str) -> tuple[str, str, bool]:
    if "!=" in term:
        path, wanted = term.split("!=")
        return path, wanted, False
    path, wanted = term.replace("==", "=").split("=")
    return path, wanted, True
