"""What filters say of a pod, and upstream's sentences for it. A refusal is a value, never an exception."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


def count_text(nodes: int, counts: Mapping[str, int]) -> str:
    """Upstream's sentence: each reason with the number of nodes that gave it, sorted as text."""
    listed = sorted(f"{count} {reason}" for reason, count in counts.items() if count)
    return f"0/{nodes} nodes are available: {', '.join(listed)}."


@dataclass(frozen=True, slots=True)
class PodVerdict:
    """The whole pod is refused, or narrowed to some nodes, before any node is looked at.

    Attributes:
        plugins: Who says so, sorted; several may narrow a pod, one refuses it.
        message: Why the pod is refused; "" when it is only narrowed.
        only: Names of the nodes that remain; None for all. Names may be of no known node.
    """

    plugins: tuple[str, ...]
    message: str = ""
    only: frozenset[str] | None = None

    @property
    def who(self) -> str:
        """Their names in one."""
        return " ".join(self.plugins)

    @property
    def narrowing(self) -> str:
        """What upstream says of the nodes that do not remain."""
        return f"node(s) didn't satisfy plugin(s) [{self.who}]"


def narrow(first: PodVerdict | None, second: PodVerdict | None) -> PodVerdict | None:
    """What remains of two that only narrow; no node at all is a refusal."""
    if first is None or second is None or first.only is None or second.only is None:
        return first or second
    plugins, only = tuple(sorted((*first.plugins, *second.plugins))), first.only & second.only
    if only:
        return PodVerdict(plugins, only=only)
    return PodVerdict(plugins, message=f"node(s) didn't satisfy plugin(s) [{' '.join(plugins)}] simultaneously")
