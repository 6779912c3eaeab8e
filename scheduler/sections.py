"""A configuration file, read key by key, with every problem collected rather than the first raised.

A key counts as known once it was asked for, so the list of known keys cannot drift from the code that reads them:
``finish`` then reports what nobody asked for, with the nearest name that somebody did, and ``refuse`` raises all
problems as one.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from scheduler import errors
from scheduler.api import units

_MISSING: Final = object()
_COMPARED: Final = 100  # characters; whoever writes more of a key meant none of ours
T = TypeVar("T")


def load(path: str | Path) -> Mapping[str, object]:
    """A configuration file's content; an empty file is an empty mapping.

    Raises:
        InputError: it cannot be read, is not YAML, or is no mapping.
    """
    return read(_content(path), str(path))


def load_all(path: str | Path) -> list[Mapping[str, Any]]:
    """The content of a file that may hold several documents, as manifests do; empty ones are passed over.

    Raises:
        InputError: it cannot be read, is not YAML, or a document is no mapping.
    """
    where = str(path)
    found: list[Mapping[str, Any]] = []
    for data in _tried(_all_parsed, _content(path), where):
        if isinstance(data, Mapping):
            found.append(data)
        elif data is not None:
            raise errors.InputError(where, data, "write mappings of keys to values, between lines of ---")
    return found


def read(content: bytes, where: str) -> Mapping[str, object]:
    """The same of what was read from a file; ``where`` names it in messages.

    Raises:
        InputError: it is not YAML (which JSON is, too), says a key twice, or is no mapping.
    """
    data = _tried(_parsed, content, where)
    if data is None:
        return {}
    if not isinstance(data, Mapping):
        raise errors.InputError(where, data, "write a mapping of keys to values, such as healthServerPort: 8080")
    return data


def _content(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise errors.InputError(str(path), "", f"cannot be read: {error.strerror}") from error


def _tried(parse: Callable[[str], T], content: bytes, where: str) -> T:
    try:
        return parse(content.decode("utf-8"))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        # ValueError: not UTF-8, or a date or number that is none. TypeError: a mapping as a key.
        detail = " ".join(str(error).split())
        raise errors.InputError(where, "", f"not YAML: {detail[:300]}") from error


class _Loader(yaml.SafeLoader):
    """YAML without its tags for code, in which a key that is given twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value if not key.tag.endswith(":merge")]
        twice = [key for index, key in enumerate(keys) if key in keys[:index]]
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"key {twice[0]!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _parsed(text: str) -> object:
    try:  # what YAML makes of it differs: 1e3 is no number there
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 (it is a safe one)


def _all_parsed(text: str) -> list[object]:
    try:
        return [json.loads(text, object_pairs_hook=_once)]
    except json.JSONDecodeError:
        return list(yaml.load_all(text, Loader=_Loader))


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for index, (key, _) in enumerate(pairs) if key in dict(pairs[:index]))
        raise ValueError(f"key {twice!r} is given twice")
    return found


def nearest(text: str, choices: Sequence[str]) -> str:
    """Which of the choices was probably meant; "" for none."""
    return next(iter(difflib.get_close_matches(text[:_COMPARED], choices, n=1)), "")


def refuse(where: str, problems: Sequence[errors.InputError]) -> None:
    """Nothing where there are no problems.

    Raises:
        InputError: names every problem of the file ``where``.
    """
    if len(problems) == 1:
        raise problems[0]
    if problems:
        listed = "".join("\n  " + str(problem).removeprefix(f"{where}: ") for problem in problems)
        raise errors.InputError(where, f"{len(problems)} problems", listed, tuple(problems))


class Section:
    """A mapping with typed access; a wrong value is reported and its default counts until ``finish`` refuses all.

    Args:
        data: The mapping as YAML or JSON gave it.
        path: What stands before a key in messages, such as "config.yaml: scheduler.".
        problems: Where problems go; shared with the sections below.
    """

    def __init__(self, data: Mapping[Any, object], path: str, problems: list[errors.InputError]) -> None:
        self.path = path
        self.problems = problems
        self._data = data
        self._known: set[str] = set()

    def has(self, key: str) -> bool:
        """Whether the key is there with a value; a null counts as absent."""
        self._known.add(key)
        return self._data.get(key) is not None

    def __contains__(self, key: str) -> bool:
        """Whether the key is there, whatever its value; it does not count as known by that."""
        return key in self._data

    def is_null(self, key: str) -> bool:
        """Whether the key is there without a value."""
        return key in self._data and self._data[key] is None

    def raw(self, key: str) -> object:
        """The value as it is; None if absent."""
        self._known.add(key)
        return self._data.get(key)

    def report(self, key: str, remedy: str) -> None:
        """Record that the value of ``key`` cannot be used."""
        self._problem(key, self._data.get(key), remedy)

    def text(self, key: str, default: str) -> str:
        value = self._get(key)
        if isinstance(value, str) and value:
            return value
        return self._default(value, key, default, "write a text")

    def text_or_empty(self, key: str, default: str = "") -> str:
        """Likewise, but an empty one counts as absent."""
        return default if self.raw(key) == "" else self.text(key, default)

    def choice(self, key: str, default: str, choices: Sequence[str]) -> str:
        value = self._get(key)
        if isinstance(value, str) and value in choices:
            return value
        near = nearest(value, choices) if isinstance(value, str) else ""
        hint = f"did you mean {near}?" if near else f"write {' or '.join(choices)}"
        return self._default(value, key, default, hint)

    def boolean(self, key: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self._get(key)
        return value if isinstance(value, bool) else self._default(value, key, default, "write true or false")

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        value = self._get(key)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        return self._default(value, key, default, f"write a whole number from {low} to {high}")

    def number(self, key: str, default: float, low: float, high: float = math.inf) -> float:
        """A finite number within the bounds."""
        value = self._get(key)
        # Integers beyond float's range exist in YAML; comparing them is safe, converting them is not.
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= min(high, 1e300):
            return float(value)
        bounds = f"of at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
        return self._default(value, key, default, f"write a number {bounds}")

    def duration_s(self, key: str, default: float, low: float) -> float:
        """Seconds, from "5m" and the like or from a bare number of seconds."""
        value = self._get(key)
        try:
            seconds = units.duration_s(value) if isinstance(value, str | int | float) else -1.0
        except errors.InputError:
            seconds = -1.0
        if seconds >= low:
            return seconds
        return self._default(value, key, default, f'write a duration of at least {low:g} s, such as "30s" or "5m"')

    def go_duration_s(self, key: str, default: float, low: float = -math.inf) -> float:
        """Seconds of a duration as Go writes it, always a text with units; one below 0 has a sign."""
        value = self.raw(key)
        if value is None:
            return default
        text = value if isinstance(value, str) else ""
        size = text[1:] if text[:1] in {"-", "+"} else text
        found = math.nan
        if text == "0" or size[-1:].isalpha():  # a bare number is none of Go's durations, but for this one
            try:
                found = units.duration_s(size) * (-1 if text.startswith("-") else 1)
            except errors.InputError:
                found = math.nan
        if not low <= found:
            bound = f" of at least {low:g} s" if low > -math.inf else ""
            self.report(key, f'write a duration{bound}, such as "30s" or "5m"')
            return default
        return found

    def section(self, key: str) -> Section:
        """The mapping under ``key``; an empty one if absent."""
        value = self._get(key)
        if not isinstance(value, Mapping):
            value = self._default(value, key, {}, "write a mapping of keys to values")
        return Section(value, f"{self.path}{key}.", self.problems)

    def sections(self, key: str) -> list[Section]:
        """The mappings listed under ``key``; a null counts as an empty one."""
        found = []
        for index, item in enumerate(self._list(key)):
            if item is None or isinstance(item, Mapping):
                found.append(Section(item or {}, f"{self.path}{key}[{index}].", self.problems))
            else:
                self._problem(f"{key}[{index}]", item, "write a mapping of keys to values")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts listed under ``key``."""
        items = self._list(key)
        if all(isinstance(item, str) for item in items):
            return tuple(str(item) for item in items)
        self.report(key, "write a list of texts")
        return ()

    def pairs(self, key: str) -> dict[str, str]:
        """The mapping of texts to texts under ``key``, such as labels; an empty one if absent."""
        value = self._get(key)
        if isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair):
            return dict(value)
        return self._default(value, key, {}, 'write a mapping of texts to texts, such as {rack: "7"}')

    def finish(self) -> None:
        """Report the keys that nobody asked for."""
        for key in self._data:
            if key not in self._known:
                near = nearest(str(key), sorted(self._known))
                hint = f"did you mean {near}?" if near else "remove it"
                if not near and len(self._known) <= 8:
                    hint = f"write one of {', '.join(sorted(self._known))}"
                self._problem(str(key)[:100], self._data[key], f"unknown key; {hint}")

    def _problem(self, key: str, value: object, remedy: str) -> None:
        try:
            shown = value if isinstance(value, str) else "" if value is None else repr(value)
        except ValueError:
            shown = "(a number of thousands of digits)"  # which Python refuses to write out
        self.problems.append(errors.InputError(f"{self.path}{key}", shown, remedy))

    def _list(self, key: str) -> Sequence[object]:
        value = self._get(key)
        return value if isinstance(value, list) else self._default(value, key, [], "write a list")

    def _get(self, key: str) -> object:
        value = self.raw(key)
        return _MISSING if value is None else value

    def _default(self, value: object, key: str, default: T, remedy: str) -> T:
        if value is not _MISSING:
            self.report(key, remedy)
        return default
