"""What preemption could do for one pod, as values."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Final, NamedTuple


class Victim(NamedTuple):
    """A pod that would have to go."""

    uid: str
    namespace: str
    name: str


class Candidate(NamedTuple):
    """A node on which the pod would fit if some pods were gone.

    Attributes:
        node: Its name.
        victims: Those pods, the most important first.
        pdb_violations: How many of them a PodDisruptionBudget would not let go.
    """

    node: str
    victims: tuple[Victim, ...]
    pdb_violations: int


_NONE: Final[Mapping[str, Candidate]] = types.MappingProxyType({})


class Outlook(NamedTuple):
    """What preemption could do for a pod that fits nowhere.

    Attributes:
        eligible: Whether the pod may preempt at all.
        text: Why it comes to nothing, or ""; appended to the FailedScheduling text.
        candidates: By node; of more than a hundred, only the chosen one.
        selected: The nodes that tie for the best of them, sorted.
        chosen: The candidate at one of these, by the decision's own draw; None where there is none.
        instead: What is appended in place of ``text``, where upstream fails before it asks for preemption.
    """

    eligible: bool
    text: str
    candidates: Mapping[str, Candidate] = _NONE
    selected: tuple[str, ...] = ()
    chosen: Candidate | None = None
    instead: str = ""

    def said(self) -> str:
        """The sentence that is appended to the FailedScheduling text."""
        if self.chosen is None:
            return self.instead or self.text
        node, count = self.chosen.node, len(self.chosen.victims)
        return f"preemption: found a potential placement for pod on node {node}, preempting {count} victims"
