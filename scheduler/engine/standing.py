"""What a node costs a pod, criterion by criterion: terms that add up to the cost that ranked it, to the bit.

They are added in the order in which they stand, as the costs of all nodes are (scheduler.engine.sheet, then data, then
what the place costs others).
"""

from __future__ import annotations

import msgspec


class Term(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One criterion's part.

    Attributes:
        weight: What the criterion counts in the pod's profile.
        cost: What it adds to the node's cost.
        u: How well the node does by it, 0..1: the cost is weight * (1 - u).
        seconds: Instead, how long transfers take: the cost is weight * seconds / tau.
    """

    weight: float
    cost: float
    u: float | None = None
    seconds: float | None = None


class Standing(msgspec.Struct, frozen=True):
    """A node as a pod's place."""

    node: str
    cost: float
    terms: dict[str, Term]


class Compared(msgspec.Struct, frozen=True):
    """The chosen node beside the best that does not tie with it.

    Attributes:
        runner_up: None where there is none, or it makes no difference.
        deciding: The criterion that speaks most for the one against the other, or why none does.
    """

    chosen: Standing
    runner_up: Standing | None
    deciding: str
