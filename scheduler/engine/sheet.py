"""What all plugins together say of every slot to one shape of pod: who refuses it first, and what it would cost there.

A sheet adds up rows. When one slot changes it looks at that slot again, in plain numbers, as long as the least and
greatest of each normalised score stay as they are among the feasible nodes, and else with it at those whose scores they
move, if these are few; otherwise it adds up anew, as vectors. Either way the sums are the same to the bit. It holds
everything but data, whose seconds come with each decision.
"""

from __future__ import annotations

import functools
import math
import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.engine import profiles, ranking, rows, scored, scoring, standing
from scheduler.plugins import contract, criteria, registry
from scheduler.state import changes, snapshot

PASSED: Final = -1
NARROWED: Final = -2
NO_NODE: Final = -3
_TOLD: Final = 10  # nodes that a filter cannot tell of

Deltas = Mapping[int, contract.Delta]  # slot -> the pods that are thought to be there


def failed(plugin: str, reason: str) -> str:
    """Why upstream fails a cycle over a filter that cannot tell, in its words."""
    return f'running "{plugin}" filter plugin: {reason}'


class Sheet:
    """See the module. Whoever uses it calls ``catch_up`` first.

    Args:
        filters, scores, wishes: Rows that nobody else need keep up to date.
        only: The names to which the pod is narrowed; None for all.
        plugins: The weights of the scores.

    Attributes:
        seq: The state of the log that it is up to date with.
        count: Feasible nodes.
        refuser: [slots] the number of the filter that refuses it first, or one of the constants above.
        error: Why the scores are not valid; they count nothing then.
        group: The scores that make up the resources.
    """

    def __init__(
        self,
        filters: Sequence[rows.FilterRow],
        scores: Sequence[rows.ScoreRow],
        wishes: Sequence[rows.WishRow],
        *,
        only: frozenset[str] | None,
        plugins: config.Plugins,
    ) -> None:
        self.seq = -1
        self.count = 0
        self.refuser: NDArray[np.int8] = np.zeros(0, np.int8)
        self.error = ""
        self.filters = filters
        self.wishes = wishes
        self._only = only
        self._plugins = plugins
        self._scored = [scored.Scored(row, plugins.score_weights[row.plugin.name]) for row in scores]
        self._scaled = [one for one in self._scored if one.normalise is not None]
        self._is_mixed = any(one.mix is not None for one in self._scored)
        alike: dict[object, list[rows.Row]] = {}
        for row in (*filters, *scores, *wishes):
            alike.setdefault(row.touched_like, []).append(row)
        self._alike = list(alike.values())  # the rows that change together
        self._facets = functools.reduce(operator.or_, [alike[0].facets for alike in self._alike], changes.ALIVE)
        self._resources = self._affinity = np.zeros(0, np.int64)  # [slots] the groups' weighted scores
        asked = {one.row.plugin.name for one in self._scored}
        resources = registry.RESOURCES if not asked or registry.IMAGES in asked else registry.WITHOUT_IMAGES
        further = (*registry.OF_CLAIMS, *plugins.extensions)
        self.group = (*resources, *(name for name in further if name in asked))
        self._most = scoring.most(plugins, self.group), scoring.most(plugins, registry.AFFINITY)
        self._ranked: dict[str, tuple[config.Weights, ranking.Ranking]] = {}  # by profile
        self._overrides: dict[int, tuple[int, contract.Refusal]] = {}
        self._counts: list[int] | None = None  # slots by ``refuser``; None until asked for
        self._refusals: dict[str, int] | None = None  # likewise, by name

    @property
    def size_bytes(self) -> int:
        """What it takes in memory beside its rows, about."""
        return len(self.refuser) * (17 + 8 * len(self._scaled) + 8 * len(self._ranked))

    def catch_up(self, view: snapshot.Snapshot) -> None:
        """Bring the sheet and its rows up to date."""
        log = view.changes
        if self.seq == log.seq:
            return
        fits = self.seq >= 0 and len(self.refuser) == view.size
        changed = rows.recent(log, self.seq, view.size) if fits else None
        if changed is not None:
            self._follow(view, changed)
        elif not fits or log.concerns(self._facets, self.seq):
            for alike in self._alike:
                for row in alike:
                    row.catch_up(view)
            self._add_up(view)
        self.seq = log.seq

    def _follow(self, view: snapshot.Snapshot, changed: contract.Changes) -> None:
        """Catch up with a few changes, of which all are known."""
        noted = 0
        for facets in changed.values():
            noted |= facets
        few = rows.few(view.size)
        dirty: set[int] = set()
        if noted & changes.ALIVE:
            dirty.update([slot for slot, facets in changed.items() if facets & changes.ALIVE])
        is_known, are_filtered = True, True
        for alike in self._alike:
            if not noted & alike[0].facets:
                continue
            slots = alike[0].touched(view, changed, self.seq)
            if slots is None or len(slots) > few:
                for row in alike:
                    row.catch_up(view)
                    if isinstance(row, rows.FilterRow):
                        are_filtered = False
                    else:
                        is_known = False
            else:
                dirty.update(slots)
                for row in alike:
                    row.follow(view, slots, self.seq)
        if is_known and not are_filtered:  # many may have been refused otherwise, of which few or none were
            dirty.update((self._refusers(view) != self.refuser).nonzero()[0].tolist())
        if not is_known or len(dirty) > few or self.error or not self._look_again(view, dirty):
            self._add_up(view)

    def with_deltas(self, view: snapshot.Snapshot, deltas: Deltas) -> Sheet:
        """A sheet of the moment, in which nodes must pass with more pods on them, too.

        Only nodes are filtered so: scores are those of the pods that are there.
        """
        other = Sheet(
            self.filters, [one.row for one in self._scored], self.wishes, only=self._only, plugins=self._plugins
        )
        for slot, delta in deltas.items():
            for number, row in enumerate(self.filters):
                refusal = row.plugin.cell(row.asked, view, slot, delta) if row.facets & rows.PODS else row.at(slot)
                if refusal is not None:
                    other._overrides[slot] = (number, refusal)
                    break
        other._add_up(view)
        other.seq = view.changes.seq
        return other

    def ranked(self, profile: profiles.Profile) -> ranking.Ranking:
        """What a node costs without its data; profiles of one name have the same weights."""
        found = self._ranked.get(profile.name)
        if found is None:
            found = self._ranked[profile.name] = profile.weights, ranking.Ranking(self._cost(profile.weights))
        return found[1]

    def utilities(self, slots: contract.Ints) -> dict[str, contract.Floats]:
        """Each criterion but data, 0..1, on some slots."""
        found = {
            criteria.RESOURCES: self._resources[slots] / self._most[0],
            criteria.AFFINITY: self._affinity[slots] / self._most[1],
        }
        granted = {row.plugin.name: row.values[slots] for row in self.wishes}
        for wish in registry.WISHES:
            found[wish.name] = granted.get(wish.name, np.ones(len(slots)))
        return found

    def terms(self, weights: config.Weights, slot: int) -> dict[str, standing.Term]:
        """What each criterion but data adds to the cost of one slot, in plain numbers."""
        resources, affinity = self._resources.item(slot) / self._most[0], self._affinity.item(slot) / self._most[1]
        found = {
            criteria.RESOURCES: standing.Term(weights.resources, weights.resources * (1.0 - resources), resources),
            criteria.AFFINITY: standing.Term(weights.affinity, weights.affinity * (1.0 - affinity), affinity),
            criteria.NODE_TYPE: standing.Term(weights.node_type, 0.0, 1.0),
            criteria.CAPABILITY: standing.Term(weights.capability, 0.0, 1.0),
        }
        for row in self.wishes:
            weight, share = found[row.plugin.name].weight, row.values.item(slot)
            found[row.plugin.name] = standing.Term(weight, weight * (1.0 - share), share)
        return found

    def scores(self, slots: contract.Ints) -> scoring.Scores:
        """Upstream's scores of some feasible slots."""
        if self.error:
            return scoring.Scores(raw={}, weighted={}, error=self.error)
        raw = {one.row.plugin.name: one.raw[slots] for one in self._scored}
        return scoring.Scores(
            raw={name: np.where(values == contract.UNRANKED, 0, values) for name, values in raw.items()},
            weighted={one.row.plugin.name: one.weight * one.normal[slots] for one in self._scored},
        )

    def refusals(self, narrowing: str) -> dict[str, int]:
        """How many nodes each filter refuses first; kept up to date, as every decision tells of it.

        Args:
            narrowing: Under which name those are counted to which the pod is not narrowed.
        """
        if self._counts is None:
            numbers = self.refuser.astype(np.int64) - NO_NODE
            counts = np.bincount(numbers, minlength=len(self.filters) - NO_NODE).tolist()
            self._counts = [*counts[-NO_NODE:], *counts[:-NO_NODE]]  # by number, also below 0
            self._refusals = None
        if self._refusals is None:
            names = {number: row.plugin.name for number, row in enumerate(self.filters)} | {NARROWED: narrowing}
            self._refusals = {name: self._counts[number] for number, name in names.items() if self._counts[number]}
        return self._refusals

    def refusal(self, slot: int) -> tuple[str, contract.Refusal] | None:
        """Which filter refuses a slot first, and why."""
        number = self.refuser.item(slot)
        if number < 0:
            return None
        if slot in self._overrides:
            return self.filters[number].plugin.name, self._overrides[slot][1]
        refusal = self.filters[number].at(slot)
        return (self.filters[number].plugin.name, refusal) if refusal is not None else None

    def failure(self) -> str:
        """Why upstream fails the cycle, as filters cannot tell of some nodes; "" if it does not."""
        told: list[str] = []
        for number, row in enumerate(self.filters):
            if row.may_fail and row.code is not None:
                here = (self.refuser == number) & (row.code == contract.Code.ERROR)
                here[list(self._overrides)] = False
                refusals = (row.at(slot) for slot in np.flatnonzero(here)[:_TOLD].tolist())
                told += [failed(row.plugin.name, ", ".join(one.reasons)) for one in refusals if one is not None]
        for slot, (number, refusal) in self._overrides.items():
            if refusal.code == contract.Code.ERROR and self.refuser.item(slot) == number:
                told.append(failed(self.filters[number].plugin.name, ", ".join(refusal.reasons)))
        return "\n".join(told[:_TOLD])

    def refused(self) -> tuple[Counter[str], contract.Mask, frozenset[str]]:
        """How many nodes give each reason, [slots] where removing pods may help, and the filters that refuse some."""
        reasons: Counter[str] = Counter()
        resolvable = np.zeros(len(self.refuser), np.bool_)
        plugins = set()
        for number, row in enumerate(self.filters):
            here = self.refuser == number
            here[list(self._overrides)] = False
            if row.code is None or not here.any():
                continue
            plugins.add(row.plugin.name)
            resolvable |= here & (row.code == contract.Code.UNSCHEDULABLE)
            counts = np.bincount(row.reason[here], minlength=len(row.reasons))
            for told, nodes in zip(row.reasons, counts.tolist(), strict=True):
                for reason in told:
                    reasons[reason] += nodes
        for slot, (number, refusal) in self._overrides.items():
            if self.refuser.item(slot) >= 0:
                plugins.add(self.filters[number].plugin.name)
                reasons.update(refusal.reasons)
                resolvable[slot] = refusal.code == contract.Code.UNSCHEDULABLE
        return reasons, resolvable, frozenset(plugins)

    def may_pass(self) -> contract.Mask:
        """[slots] what takes the pod, or may take it when other pods are gone."""
        mask: contract.Mask = (self.refuser != NO_NODE) & (self.refuser != NARROWED)
        for row in self.filters:
            if row.code is not None:
                mask &= (row.code == contract.Code.SUCCESS) | (row.code == contract.Code.UNSCHEDULABLE)
        return mask

    def _refusers(self, view: snapshot.Snapshot) -> NDArray[np.int8]:
        """[slots] what refuses each first, by the rows as they are."""
        refuser = np.where(view.alive, np.int8(PASSED), np.int8(NO_NODE))
        if self._only is not None:
            kept = np.zeros(view.size, np.bool_)
            kept[[view.index_of[name] for name in self._only if name in view.index_of]] = True
            refuser[view.alive & ~kept] = NARROWED
        for number, row in enumerate(self.filters):
            if row.code is not None:
                refuser[(refuser == PASSED) & (row.code != 0)] = number
        for slot, (number, _) in self._overrides.items():
            if refuser[slot] not in (NARROWED, NO_NODE):
                refuser[slot] = number
        return refuser

    def _add_up(self, view: snapshot.Snapshot) -> None:
        self.refuser = self._refusers(view)
        self._counts = None
        mask = self.refuser == PASSED
        self.count = int(np.count_nonzero(mask))
        self.error = ""
        self._resources, self._affinity = np.zeros(view.size, np.int64), np.zeros(view.size, np.int64)
        for one in self._scored:
            normal = one.all(view, mask)
            invalid = _invalid(normal, mask)
            if invalid is not None:
                self.error = scoring.invalid(one.row.plugin.name, invalid)
                self._resources, self._affinity = np.zeros(view.size, np.int64), np.zeros(view.size, np.int64)
                break
            total = self._resources if one.is_resources else self._affinity
            total += normal * one.weight
        self._ranked = {
            name: (weights, ranking.Ranking(self._cost(weights))) for name, (weights, _) in self._ranked.items()
        }

    def _cost(self, weights: config.Weights) -> contract.Floats:
        cost = _term(weights.resources, self._resources / self._most[0])
        cost += _term(weights.affinity, self._affinity / self._most[1])
        for row in self.wishes:
            cost += _term(scoring.weight_of(weights, row.plugin.name), row.values.copy())
        if self.count < len(cost):
            cost[self.refuser != PASSED] = np.inf
        return cost

    def _look_again(self, view: snapshot.Snapshot, dirty: set[int]) -> bool:
        """Add up some slots, and those whose scores they move by the range; returns False where that is not enough."""
        ranges = [(one.least, one.most) for one in self._scaled]
        moved = set()
        for slot in dirty:
            before = self.refuser.item(slot)
            refuser = self._refuser_of(view, slot)
            self.refuser[slot] = refuser
            if self._counts is not None and before != refuser:
                self._refusals = None
                self._counts[before] -= 1
                self._counts[refuser] += 1
            passed, passes = before == PASSED, refuser == PASSED
            if passes != passed and self._is_mixed:
                return False
            self.count += passes - passed
            for number, one in enumerate(self._scaled):
                if not one.moves(slot, passed=passed, passes=passes):
                    moved.add(number)
        if moved:
            dirty = dirty.copy()
            for number in moved:
                least, most = ranges[number]
                dirty.update(self._scaled[number].spread(least, most, self.refuser == PASSED).tolist())
                if len(dirty) > rows.few(view.size):
                    return False
        return all(self._sum(slot) for slot in dirty)

    def _sum(self, slot: int) -> bool:
        """Add up one slot; returns False where that is not enough."""
        if self.refuser.item(slot) != PASSED:
            for _, ranked in self._ranked.values():
                ranked.set(slot, math.inf)
            return True
        resources = affinity = 0
        for one in self._scored:
            value = one.raw.item(slot)
            normal = value if one.normalise is None else one.normalise.one(value, one.least, one.most)
            if not 0 <= normal <= contract.MAX_SCORE:
                return False
            if one.is_resources:
                resources += normal * one.weight
            else:
                affinity += normal * one.weight
        self._resources[slot], self._affinity[slot] = resources, affinity
        for weights, ranked in self._ranked.values():
            cost = weights.resources * (1.0 - resources / self._most[0])
            cost = cost + weights.affinity * (1.0 - affinity / self._most[1])
            for row in self.wishes:
                cost = cost + scoring.weight_of(weights, row.plugin.name) * (1.0 - row.values.item(slot))
            ranked.set(slot, cost)
        return True

    def _refuser_of(self, view: snapshot.Snapshot, slot: int) -> int:
        if not view.alive.item(slot):
            return NO_NODE
        if self._only is not None and view.names[slot] not in self._only:
            return NARROWED
        for number, row in enumerate(self.filters):
            if row.code is not None and row.code.item(slot):
                return number
        return PASSED


def _invalid(normal: contract.Ints, mask: contract.Mask) -> int | None:
    """The first score of a feasible slot that is out of range."""
    # One look for both ends: below 0 is far above as an unsigned number.
    if not len(normal) or normal.view(np.uint64).max() <= contract.MAX_SCORE:
        return None
    invalid = normal[mask & ((normal < 0) | (normal > contract.MAX_SCORE))]
    return invalid.item(0) if len(invalid) else None


def _term(weight: float, granted: contract.Floats) -> contract.Floats:
    """[slots] what a criterion costs; takes the place of what is granted, 0..1."""
    np.subtract(1.0, granted, out=granted)
    granted *= weight
    return granted
