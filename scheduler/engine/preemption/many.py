"""Preemption where it may help many nodes: all are weighed, but only those that may win are tried one by one.

What room decides is worked out for all nodes at once (scheduler.engine.preemption.crowds). Where the pod passes all
that else depends on pods, whoever is there, that is the answer. Otherwise it tells the lowest priority that a node can
get by with: nodes are tried in the order of it, by chance among equals, until about as many as upstream looks for have
been. As budgets change the order in which pods come back, nodes with pods of their namespaces are weighed anew, as many
at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from scheduler.api import core
from scheduler.engine import rows
from scheduler.engine.preemption import crowds, dryrun, occupants, residents
from scheduler.plugins import contract
from scheduler.state import changes, demand, snapshot

# Up to so many are all tried one by one.
FEW: Final = 100
# How many are tried at a time: DefaultPreemptionArgs, minCandidateNodesAbsolute and minCandidateNodesPercentage.
TRIED: Final = 100
_PERCENT: Final = 10
_LEAST_PRIORITY: Final = -(2**31)

Victims = tuple[occupants.Occupant, ...]


class Best(NamedTuple):
    """The nodes that tie for the best: how they rank, which they are, and what tells by slot who goes."""

    rank: occupants.Rank
    slots: tuple[int, ...]
    victims: Callable[[int], Victims]


class Search:
    """One search for one pod.

    Args:
        view: The cluster.
        pod: The pod.
        filters: What is asked of it, up to date.
        arriving: By slot the pods that are nominated there, of at least its priority.
        known: The pods of the nodes, up to date.
        trial: What tries it on one node.
    """

    def __init__(
        self,
        view: snapshot.Snapshot,
        pod: core.Pod,
        filters: Sequence[rows.FilterRow],
        *,
        arriving: Mapping[int, contract.Delta],
        known: residents.Residents,
        trial: dryrun.DryRun,
    ) -> None:
        self._view = view
        self._pod = pod
        self._filters = filters
        self._arriving = arriving
        self._trial = trial
        self._known = known
        self._others = [row for row in filters if row.facets & rows.PODS not in {0, changes.USE}]
        self._room = [row for row in filters if row.facets & rows.PODS == changes.USE]

    def best(self, slots: contract.Ints, chance: int) -> Best | Counter[str] | None:
        """The best of some nodes, each with a pod of lower priority.

        Args:
            slots: The nodes, in order.
            chance: Decides which are tried first.

        Returns:
            Where none helps, how many nodes say what; None where that is to be asked of them one by one.
        """
        view = self._view
        crowd = self._known.below(view, slots, self._pod.spec.priority)
        taken = self._emptied(crowd)
        reasons, hopeful = self._sift(crowd.slots, crowds.taking(view, taken))
        if not hopeful.any():
            return None if self._others else reasons
        gone = crowds.gone(view, crowd, taken, self._room)
        ranks = crowds.ranks(crowd, gone)
        is_told, is_heeded = self._is_told(slots), self._is_heeded(slots)
        best = self._best(crowd, gone, ranks, hopeful & is_told & ~is_heeded)
        left = np.flatnonzero(hopeful & ~(is_told & ~is_heeded))
        if not len(left):
            return best
        bound = np.full(len(slots), _LEAST_PRIORITY)
        bound[ranks.nodes] = ranks.top
        if best is not None:
            left = left[bound[left] <= best.rank.top]
        left = np.roll(left, -(chance % max(len(left), 1)))
        left = left[np.argsort(bound[left], kind="stable")]
        enough = max(len(slots) * _PERCENT // 100, TRIED)
        for start in range(0, len(left), enough):
            some = left[start : start + enough]
            best = _better(best, self._weighed(np.sort(slots[some[is_told[some]]])))
            best = _better(best, self._tried(slots[some[~is_told[some]]].tolist()))
            if best is not None and not best.rank.violations:
                break
        return best

    def _is_told(self, slots: contract.Ints) -> contract.Mask:
        """[slots] where room decides: the pod passes all else even with everybody there."""
        told = np.ones(len(slots), np.bool_)
        if not self._others:
            return told
        for row in self._others:
            if row.plugin.eases is None or not row.plugin.eases(row.asked):
                return np.zeros(len(slots), np.bool_)
            if row.code is not None:
                told &= row.code[slots] == contract.Code.SUCCESS
        return told & ~np.isin(slots, list(self._arriving))

    def _is_heeded(self, slots: contract.Ints) -> contract.Mask:
        """[slots] where there may be pods that a budget does not let go."""
        spaces = self._view.budgets.namespaces
        if not spaces:
            return np.zeros(len(slots), np.bool_)
        return np.array([not self._known.namespaces(self._view, slot).isdisjoint(spaces) for slot in slots.tolist()])

    def _emptied(self, crowd: crowds.Crowd) -> contract.Ints:
        """What is taken without a crowd, and with those who come."""
        taken = crowds.emptied(crowd, self._view.taken)
        for slot, delta in self._arriving.items():
            for one in delta.added:
                column = taken[: demand.FIXED, slot]
                column += one.asked.vector
                for name, amount in one.asked.scalars.items():
                    if name in self._view.resource_row:
                        taken[self._view.resource_row[name], slot] += amount
        return taken

    def _sift(self, slots: contract.Ints, view: snapshot.Snapshot) -> tuple[Counter[str], contract.Mask]:
        """Why nodes refuse the pod though pods are gone, and [slots] which do not, as far as that is told for all."""
        reasons: Counter[str] = Counter()
        hopeful = np.ones(len(slots), np.bool_)
        for row in self._filters:
            if row.facets & rows.PODS not in {0, changes.USE}:
                continue
            said = row.plugin.rows(row.asked, view) if row.facets & rows.PODS else row.said()
            if said is None:
                continue
            hit = hopeful & (said.code[slots] != contract.Code.SUCCESS)
            for number, nodes in enumerate(np.bincount(said.reason[slots[hit]], minlength=1).tolist()):
                for reason in said.reasons[number] if nodes else ():
                    reasons[reason] += nodes
            hopeful &= ~hit
        return reasons, hopeful

    def _best(self, crowd: crowds.Crowd, gone: contract.Mask, ranks: crowds.Ranks, among: contract.Mask) -> Best | None:
        """The best of some nodes by what room comes to."""
        here = among[ranks.nodes]
        if not here.any():
            return None
        ranks = ranks.among(here)
        ties = np.flatnonzero(ranks.best())

        def victims(slot: int) -> Victims:
            return self._known.victims(crowd, gone, int(np.searchsorted(crowd.slots, slot)))

        return Best(ranks.at(ties.item(0)), tuple(crowd.slots[ranks.nodes[ties]].tolist()), victims)

    def _weighed(self, slots: contract.Ints) -> Best | None:
        """The best of some nodes by what room comes to where budgets are heeded."""
        if not len(slots):
            return None
        crowd = self._known.below(self._view, slots, self._pod.spec.priority, heeds_budgets=True)
        gone = crowds.gone(self._view, crowd, self._emptied(crowd), self._room)
        return self._best(crowd, gone, crowds.ranks(crowd, gone), np.ones(len(slots), np.bool_))

    def _tried(self, slots: Sequence[int]) -> Best | None:
        """The best of some nodes, tried one by one."""
        best: Best | None = None
        for slot in slots:
            said = self._trial.at(slot)
            if isinstance(said, dryrun.Cleared):
                best = _better(best, Best(occupants.rank(said.victims, said.violations), (slot,), self._tried_victims))
        return best

    def _tried_victims(self, slot: int) -> Victims:
        said = self._trial.at(slot)
        return said.victims if isinstance(said, dryrun.Cleared) else ()


def _better(one: Best | None, other: Best | None) -> Best | None:
    if one is None or other is None:
        return one or other
    if one.rank != other.rank:
        return min(one, other, key=lambda best: best.rank)

    def victims(slot: int) -> Victims:
        return one.victims(slot) if slot in one.slots else other.victims(slot)

    return Best(one.rank, one.slots + other.slots, victims)
