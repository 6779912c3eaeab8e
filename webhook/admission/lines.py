"""Warnings as the API server passes them on: one line each, short, printable, not too many.

It cuts a warning at 256 characters as soon as there is much to say, and drops one with control characters. What to
write instead stands at the end and must not be what is cut, so the value gives way first, then what precedes the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scheduler import errors

MAX_CHARACTERS: Final = 256
MAX_LINES: Final = 20
# Of a value that is cut further than InputError does: less than this tells nobody which one it is.
_LEAST_OF_A_VALUE: Final = 12
_LEAST_OF_A_PLACE: Final = 60


def line(place: str, problem: errors.InputError) -> str:
    """``place: value: what is wrong and what to write instead``, the middle cut where it must be."""
    place, remedy = _printable(place), _printable(problem.remedy)
    value = problem.value
    room = MAX_CHARACTERS - len(place) - len(remedy) - len(": : ")
    if len(value) > room:
        value = f'{value[: room - 4]}..."' if room >= _LEAST_OF_A_VALUE else ""
    tail = f": {value}: {remedy}" if value else f": {remedy}"
    # The key is at the end of the place.
    room = max(MAX_CHARACTERS - len(tail), _LEAST_OF_A_PLACE)
    if len(place) > room:
        place = f"...{place[3 - room :]}"
    return f"{place}{tail}"[:MAX_CHARACTERS]


def told(found: Sequence[tuple[str, errors.InputError]]) -> list[str]:
    """A line for each place and problem; where there are too many, the first and how many more there are."""
    if len(found) <= MAX_LINES:
        return [line(place, problem) for place, problem in found]
    first = found[: MAX_LINES - 1]
    return [*(line(place, problem) for place, problem in first), f"and {len(found) - len(first)} more"]


def _printable(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape", "backslashreplace").decode("ascii")
