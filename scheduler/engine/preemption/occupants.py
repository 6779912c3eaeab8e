"""The pods on a node as preemption weighs them, and how those that would have to go rank a node among others.

Source: pkg/scheduler/framework/preemption (MoreImportantVictim, pickOneNodeForPreemption).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from scheduler.api import units
from scheduler.engine.preemption import outlook
from scheduler.state import snapshot

# Makes no priority negative, so that more victims never add up to less.
ABOVE_PRIORITIES: Final = 2**31


class Occupant(NamedTuple):
    """A pod on a node; ``started_s`` is in seconds since 1970, infinite for one that has not started."""

    priority: int
    started_s: float
    placed: snapshot.Placed

    @property
    def victim(self) -> outlook.Victim:
        """By name."""
        meta = self.placed.pod.metadata
        return outlook.Victim(meta.uid, meta.namespace, meta.name)


def below(view: snapshot.Snapshot, slot: int, priority: int) -> list[Occupant]:
    """Those of lower priority on a node: the most important first, of equals the one that came first."""
    found = [
        Occupant(placed.pod.spec.priority, _time_s(placed.pod.status.start_time), placed)
        for placed in view.placed_on.get(view.names[slot], {}).values()
        if placed.pod.spec.priority < priority
    ]
    found.sort(key=importance)
    return found


def importance(one: Occupant) -> tuple[int, float]:
    """What they sort by, the most important first."""
    return -one.priority, one.started_s


def chosen(among: Sequence[Occupant], numbers: Iterable[int]) -> tuple[Occupant, ...]:
    """Some of those of a node, the most important first: of equals the one that is named first.

    Of those that have not started, upstream takes the one that came first to have done so first.

    Args:
        among: Those of the node, in order.
        numbers: Which of them.
    """

    def key(number: int) -> tuple[int, float, int]:
        one = among[number]
        return *importance(one), number if math.isinf(one.started_s) else 0

    return tuple([among[number] for number in sorted(numbers, key=key)])


@functools.lru_cache(maxsize=4096)
def _time_s(text: str) -> float:
    when_s = units.time_s(text) if text else None
    return math.inf if when_s is None else when_s


class Rank(NamedTuple):
    """What decides among nodes, the least first.

    Attributes:
        violations: Victims that a budget would not let go.
        top: The highest priority of a victim.
        total: The sum of their priorities, each counted from the lowest that there is.
        victims: How many there are.
        age: The start of the oldest of those with the highest priority, negative: the youngest goes first.
    """

    violations: int
    top: int
    total: int
    victims: int
    age: float


def rank(victims: Sequence[Occupant], violations: int) -> Rank:
    """How a node ranks that is rid of these, the most important first."""
    top = victims[0].priority
    return Rank(
        violations=violations,
        top=top,
        total=sum([one.priority + ABOVE_PRIORITIES for one in victims]),
        victims=len(victims),
        age=-min([one.started_s for one in victims if one.priority == top]),
    )
