"""Make a disagreement small: leave out of a question whatever it does not need to stay one of the same class.

Delta debugging over JSON (Zeller, Hildebrandt 2002, without its complements): lists lose halves, quarters and then
single elements, objects lose keys; until a whole pass changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.parity.hostile.chance import Object

# Without these an object is not what it was; what they hold may still shrink.
_KEPT = frozenset({"metadata", "name", "uid", "namespace", "containers", "spec", "status", "key", "operator", "id"})


def shrink(question: Object, holds: Callable[[Object], bool], at_most: int = 3000) -> Object:
    """The smallest question found for which ``holds`` says yes.

    Args:
        question: One for which it does.
        holds: The check; questions may be nonsense.
        at_most: How often it is called.
    """
    tries = 0
    changed = True
    while changed:
        changed = False
        for smaller in _smaller(question):
            tries += 1
            if tries > at_most:
                return question
            if holds(smaller):
                question, changed = smaller, True
                break
    return question


def _smaller(value: Any) -> Iterator[Any]:
    """The question with one part left out, big parts first."""
    if isinstance(value, list):
        size = len(value)
        while size > 0:
            for start in range(0, len(value), size):
                if size < len(value) or size == 1:
                    yield value[:start] + value[start + size :]
            size //= 2
        for index, part in enumerate(value):
            for smaller in _smaller(part):
                yield [*value[:index], smaller, *value[index + 1 :]]
    elif isinstance(value, dict):
        for key in value:
            if key not in _KEPT:
                yield {other: part for other, part in value.items() if other != key}
        for key, part in value.items():
            for smaller in _smaller(part):
                yield {**value, key: smaller}
