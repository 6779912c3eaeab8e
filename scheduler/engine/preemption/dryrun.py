"""Which pods of a node would have to go so that a pod fits there: all of lower priority, less those that may stay.

All go first. If the pod fits then, they come back one by one, as long as it still does: those first that a
PodDisruptionBudget would not let go, then the others, each kind by importance. Filters are asked as for any decision,
with and without the pods of at least the same priority that are nominated to the node. One that is not concerned by
which pods are there is not asked again.

Source: pkg/scheduler/framework/plugins/defaultpreemption, SelectVictimsOnNode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from scheduler.api import core
from scheduler.engine import rows, sheet
from scheduler.engine.preemption import occupants
from scheduler.plugins import contract
from scheduler.state import snapshot

NO_VICTIMS: Final = "No preemption victims found for incoming pod"
_NO_VICTIMS: Final = contract.Refusal(contract.Code.UNRESOLVABLE, (NO_VICTIMS,))


class Cleared(NamedTuple):
    """A node that the pod fits on without some pods.

    Attributes:
        slot: The node.
        victims: Those pods, the most important first.
        violations: How many of them a budget would not let go.
    """

    slot: int
    victims: tuple[occupants.Occupant, ...]
    violations: int


class DryRun:
    """Tries one pod on one node after the other.

    Args:
        view: The cluster.
        pod: The pod.
        filters: What is asked of it, up to date.
        arriving: By slot the pods that are nominated there, of at least its priority.
    """

    def __init__(
        self,
        view: snapshot.Snapshot,
        pod: core.Pod,
        filters: Sequence[rows.FilterRow],
        arriving: Mapping[int, contract.Delta],
    ) -> None:
        self._view = view
        self._priority = pod.spec.priority
        self._filters = filters
        self._concerned = [row for row in filters if row.facets & rows.PODS]
        self._arriving = arriving
        self._found: dict[int, Cleared | contract.Refusal] = {}

    def at(self, slot: int) -> Cleared | contract.Refusal:
        """Who would have to go from a node, or why that would not help."""
        found = self._found.get(slot)
        if found is None:
            found = self._found[slot] = self._try(slot)
        return found

    def _try(self, slot: int) -> Cleared | contract.Refusal:
        lower = occupants.below(self._view, slot, self._priority)
        if not lower:
            return _NO_VICTIMS
        there = contract.Delta(removed=tuple([one.placed for one in lower]))
        refusal = self._refusal(self._filters, slot, there)
        if refusal is not None:
            return refusal
        violating = list(self._view.budgets.violating([one.placed.pod for one in lower]))
        gone: list[int] = []
        for number in sorted(range(len(lower)), key=lambda number: not violating[number]):
            with_it = there.plus(lower[number].placed)
            if self._refusal(self._concerned, slot, with_it) is None:
                there = with_it
            else:
                gone.append(number)
        if not gone:
            problem = f'expected at least one victim pod on node "{self._view.names[slot]}"'
            return contract.Refusal(contract.Code.ERROR, (problem,))
        return Cleared(slot, occupants.chosen(lower, gone), sum([violating[number] for number in gone]))

    def _refusal(self, filters: Sequence[rows.FilterRow], slot: int, delta: contract.Delta) -> contract.Refusal | None:
        coming = self._arriving.get(slot)
        if coming is not None and (refusal := self._first(filters, slot, delta.plus(*coming.added))) is not None:
            return refusal
        return self._first(filters, slot, delta)

    def _first(self, filters: Sequence[rows.FilterRow], slot: int, delta: contract.Delta) -> contract.Refusal | None:
        for row in filters:
            concerned = row.facets & rows.PODS
            refusal = row.plugin.cell(row.asked, self._view, slot, delta) if concerned else row.at(slot)
            if refusal is not None and refusal.code == contract.Code.ERROR:
                return contract.Refusal(refusal.code, (sheet.failed(row.plugin.name, ", ".join(refusal.reasons)),))
            if refusal is not None:
                return refusal
        return None
