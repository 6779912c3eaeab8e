"""What a filter says of every node: a code and the reasons, as arrays. A refusal is a value, never an exception."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


class Code(enum.IntEnum):
    """kube-scheduler's status codes that a filter can give, in its numbering (staging kube-scheduler/framework)."""

    SUCCESS = 0
    ERROR = 1
    UNSCHEDULABLE = 2  # removing other pods may help
    UNRESOLVABLE = 3  # UnschedulableAndUnresolvable: removing other pods cannot help

    @property
    def title(self) -> str:
        """The name that upstream prints."""
        return _TITLES[self]


_TITLES = {
    Code.SUCCESS: "Success",
    Code.ERROR: "Error",
    Code.UNSCHEDULABLE: "Unschedulable",
    Code.UNRESOLVABLE: "UnschedulableAndUnresolvable",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One filter's answer for all nodes.

    Attributes:
        plugin: The filter's name, upstream's where there is one.
        code: [nodes] Code values.
        reason: [nodes] index into ``reasons``; meaningless where the code is SUCCESS.
        reasons: Each a list of messages, shared by all nodes refused alike.
    """

    plugin: str
    code: NDArray[np.int8]
    reason: NDArray[np.int32]
    reasons: Sequence[tuple[str, ...]]


def refuse(plugin: str, refused: Mask, code: Code, reason: str) -> Verdict | None:
    """A filter that refuses some nodes for one reason; None when it refuses none."""
    if not refused.any():
        return None
    return Verdict(
        plugin=plugin,
        code=np.where(refused, np.int8(code), np.int8(Code.SUCCESS)),
        reason=np.zeros(len(refused), np.int32),
        reasons=((reason,),),
    )


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
    def narrowing(self) -> str:
        """What upstream says of the nodes that do not remain."""
        return f"node(s) didn't satisfy plugin(s) [{' '.join(self.plugins)}]"


def narrow(first: PodVerdict | None, second: PodVerdict | None) -> PodVerdict | None:
    """What remains of two that only narrow; no node at all is a refusal."""
    if first is None or second is None or first.only is None or second.only is None:
        return first or second
    plugins, only = tuple(sorted((*first.plugins, *second.plugins))), first.only & second.only
    if only:
        return PodVerdict(plugins, only=only)
    return PodVerdict(plugins, message=f"node(s) didn't satisfy plugin(s) [{' '.join(plugins)}] simultaneously")
