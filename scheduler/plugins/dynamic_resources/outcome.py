"""What a search for devices on a node is given, and what comes of it."""

from __future__ import annotations

from typing import Final, NamedTuple

from scheduler.plugins.dynamic_resources import wanted
from scheduler.state.claims import pools, use

INVALID_POOLS: Final = "invalid resource pools were encountered"


class Node(NamedTuple):
    """Where devices are looked for."""

    name: str
    pools: tuple[pools.NodePool, ...]
    means: pools.Means
    use: use.Use


class Given(NamedTuple):
    """A device for a request; ``consumed``: of its capacities, None where it is given as a whole."""

    way: wanted.Option
    item: pools.Item
    consumed: use.Amounts | None


class Found(NamedTuple):
    """The outcome.

    Attributes:
        given: By claim, its devices; None where there is no way.
        chosen: By claim and request, the way it is met.
        problem: Why there is none, where that is more than that too little is free.
        is_error: Whether that fails the cycle.
    """

    given: tuple[tuple[Given, ...], ...] | None
    chosen: tuple[tuple[int, ...], ...] = ()
    problem: str = ""
    is_error: bool = False


NOTHING: Final = Found(None)
