"""Waiting for a better node: whether a pod that could be placed now had better wait for room where its data is.

A pod that moves data waits only where that is expected to pay: for a node that refuses it for nothing but room, where
its transfers would take so much less that it is done earlier though it waits,

    saves = t(chosen) - t(better)    waits = until so many of the pods there are gone that it fits
    saves > a * waits + margin

with t the seconds of its transfers and of those who read what it writes, and a = 2, or 1.5 where nobody else waits who
reads the same. How long others still run is what they
declare, or what was learned of their kind (scheduler.state.durations); one of which neither is known is never expected
to go. Whoever waits for the same node already has its room first, and leaves it when its own work is done. A pod waits
no longer in all than its longest wait, which is settled the first time that it does: after that it takes what is best
at once. It is woken when a pod leaves the node, or else when the expected wait is over, and asks itself the same again.
Where neither the pod nor the settings say how long that is, it is some seconds for whoever may save that much, and for
others what they may save, divided by a: who would be fetching for ten minutes may wait for five or nearly seven.

A pod without data never waits, nor does one for which room was made by preemption, or one of a group.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from scheduler import config
from scheduler.engine import decision, rows
from scheduler.kernel import commands, queue, tried, waiters, world
from scheduler.plugins import contract
from scheduler.plugins.resources import room
from scheduler.state import snapshot

# A second of waiting is sure, and one that is saved is not: while a pod waits, others may bring its data nearer to
# nodes that stand idle. At 1, pods that all read one file are done later than if none had waited (docs/decisions/0012).
_A_SECOND: Final = 2.0
# The same where nobody else reads what it does, so that nobody brings that nearer.
_ALONE: Final = 1.5
# Expected waits are rough, and a pod that waits keeps nobody's room.
_MARGIN_S: Final = 1.0
# The longest wait, where nobody says one: so long whatever it saves, or as long as may pay by what is saved at first.
_USUAL_S: Final = 15.0
_MOST_S: Final = 600.0
# Nodes that are looked at, those that save most first; and pods that are woken by one that leaves.
_LOOKED_AT: Final = 8
_WOKEN: Final = 8


# Who waits for a node before others, at most: beyond that nobody knows when there will be room.
_BEFORE: Final = 24


class _Waits(NamedTuple):
    """A pod that waits for a node.

    Attributes:
        number: Who began to wait before it has a smaller one.
        there: The pod as it would be there.
        fits: What says whether there is room for it.
        stays_s: How long it would be there; infinite where that is not known.
    """

    number: int
    there: snapshot.Placed
    fits: rows.FilterRow
    stays_s: float


class Better(NamedTuple):
    """A node that is worth waiting for."""

    slot: int
    saves_s: float
    waits_s: float
    fits: rows.FilterRow


class Delaying:
    """Knows who waits for which node.

    Args:
        known: The cluster.
        waiting: Where they wait.
        clock: When the input was taken in that is being dealt with.
        out: Where commands go.
    """

    def __init__(
        self,
        *,
        settings: config.Settings,
        known: world.World,
        waiting: queue.Queue,
        clock: Callable[[], float],
        out: list[commands.Command],
    ) -> None:
        self.configure(settings)
        self._world = known
        self._queue = waiting
        self._clock = clock
        self._out = out
        self._for: dict[str, dict[str, _Waits]] = {}  # node -> uid -> who waits for it
        self._begun = 0  # how many did
        self._node_of: dict[str, str] = {}  # the same by uid

    def configure(self, settings: config.Settings) -> None:
        """From now on wait otherwise; whoever waits already is not touched."""
        self._most_s = settings.max_delay_s

    def holds(self, one: tried.Tried) -> bool:
        """Whether a pod that has a node is to wait for a better one all the same; if so it is held."""
        entry, now_s = one.entry, self._clock()
        self.over(entry.uid)
        view = self._world.view()
        found = self._better(one, view)
        if found is None:
            return False
        if entry.delayed_s is None:
            entry.delay_ends_s = now_s + self._most(one, found.saves_s)
            entry.delay_number = self._begun = self._begun + 1
        node = view.names[found.slot]
        holds_s = min(entry.delay_ends_s - now_s, found.waits_s + _MARGIN_S)
        one.record.message = (
            f"waiting up to {holds_s:.3g} s for room on {node}, "
            f"which saves {found.saves_s:.3g} s of transfers against {one.found.node}"
        )
        one.record.outcome, one.record.node = "waiting", ""
        if entry.delayed_s is None:
            self._out.append(commands.Delayed(entry.pod, one.record, node))
            entry.delayed_s = now_s
        entry.awaited = node
        asked = one.asked
        there = snapshot.Placed(entry.pod, node, found.slot, asked.asked, asked.ports, assumed=True)
        stays_s = self._stays_s(one, found.slot)
        self._for.setdefault(node, {})[entry.uid] = _Waits(entry.delay_number, there, found.fits, stays_s)
        self._node_of[entry.uid] = node
        self._queue.hold(entry, now_s + holds_s)
        return True

    def came_to(self, entry: waiters.Entry, node: str) -> None:
        """A pod is placed now, or (with "") fits nowhere any more; one that waited is told of as such."""
        if entry.delayed_s is not None:
            waited_s, is_met = self._clock() - entry.delayed_s, node == entry.awaited
            self._out.append(commands.DelayOver(entry.pod, node, waited_s, is_met))
            entry.delayed_s = None

    def left(self, node: str) -> None:
        """A pod is gone from a node: who waits for room there looks again, the first ones."""
        known = self._for.get(node, {})
        for uid in sorted(known, key=lambda uid: known[uid].number)[:_WOKEN]:
            self.over(uid)
            self._queue.release(uid)

    def over(self, uid: str) -> None:
        """A pod does not wait for a node, or no longer."""
        node = self._node_of.pop(uid, None)
        if node is not None:
            there = self._for[node]
            del there[uid]
            if not there:
                del self._for[node]

    def waiting(self) -> dict[str, str]:
        """Who waits for which node, by uid."""
        return self._node_of

    # ------------------------------------------------------------------------------------------------------- inside

    def _most(self, one: tried.Tried, saves_s: float) -> float:
        """For how long a pod may wait in all that begins to, to save so much."""
        said_s = self._most_s if one.asked.max_delay_s is None else one.asked.max_delay_s
        return max(_USUAL_S, min(saves_s / self._a_second(one), _MOST_S)) if said_s is None else said_s

    def _a_second(self, one: tried.Tried) -> float:
        return _ALONE if self._world.state.pipelines.reads_alone(one.entry.pod) else _A_SECOND

    def _better(self, one: tried.Tried, view: snapshot.Snapshot) -> Better | None:
        """The node that is most worth waiting for; None if none is."""
        entry, choice = one.entry, one.found.choice
        if choice is None or not choice.data.moves or one.asked.pod.status.nominated_node_name:
            return None
        found = _full(one.found)
        if found is None:
            return None
        fits, full = found
        seconds = choice.data.seconds
        if choice.ahead is not None:
            seconds = seconds + choice.ahead.seconds
        saves = seconds.item(choice.slot) - seconds
        slots = np.flatnonzero(full & (saves > _MARGIN_S))
        best: Better | None = None
        a_second = self._a_second(one)
        for slot in slots[np.argsort(-saves[slots], kind="stable")][:_LOOKED_AT].tolist():
            saves_s = saves.item(slot)
            waits_s = self._room_in_s(entry, fits, view, slot)
            left_s = self._most(one, saves_s) if entry.delayed_s is None else entry.delay_ends_s - self._clock()
            if waits_s is None or waits_s > left_s or saves_s <= a_second * waits_s + _MARGIN_S:
                continue
            if best is None or saves_s - waits_s > best.saves_s - best.waits_s:
                best = Better(slot, saves_s, waits_s, fits)
        return best

    def _room_in_s(
        self, entry: waiters.Entry, fits: rows.FilterRow, view: snapshot.Snapshot, slot: int
    ) -> float | None:
        """When a pod is expected to fit on a node, in seconds from now; None if never, as far as is known."""
        node, now_s = view.names[slot], self._clock()
        durations = self._world.state.durations
        known = self._for.get(node, {}).values()
        before = sorted(
            [one for one in known if entry.delayed_s is None or one.number < entry.delay_number],
            key=lambda one: one.number,
        )
        if len(before) > _BEFORE:
            return None
        leaving: list[tuple[float, int, snapshot.Placed]] = []
        for placed in view.placed_on.get(node, {}).values():
            left_s = durations.left_s(placed.pod, now_s)
            if left_s is not None:
                heapq.heappush(leaving, (left_s, len(leaving), placed))
        number = len(leaving)
        there: dict[str, snapshot.Placed] = {}  # of those who wait, by uid
        gone: list[snapshot.Placed] = []
        while leaving:
            ends_s, _, placed = heapq.heappop(leaving)
            if there.pop(placed.pod.metadata.uid, None) is None:
                gone.append(placed)
            while True:
                following = before[0] if before else None
                its = fits if following is None else following.fits
                delta = contract.Delta(added=tuple(there.values()), removed=tuple(gone))
                if its.plugin.cell(its.asked, view, slot, delta) is not None:
                    break
                if following is None:
                    return ends_s
                del before[0]
                there[following.there.pod.metadata.uid] = following.there
                if math.isfinite(following.stays_s):
                    number += 1
                    heapq.heappush(leaving, (ends_s + following.stays_s, number, following.there))
        return None

    def _stays_s(self, one: tried.Tried, slot: int) -> float:
        """How long a pod would be on a node."""
        work_s, choice = self._world.state.durations.work_s(one.entry.pod), one.found.choice
        return math.inf if work_s is None or choice is None else work_s + choice.data.seconds_at(slot)


def _full(found: decision.Decision) -> tuple[rows.FilterRow, contract.Mask] | None:
    """What says whether there is room, and [slots] the nodes that refuse a pod for nothing but that others have it."""
    made_of = found.made_of
    number = next((n for n, row in enumerate(made_of.filters) if row.plugin.name == room.NAME), -1) if made_of else -1
    if made_of is None or number < 0 or (code := made_of.filters[number].code) is None:
        return None
    full: contract.Mask = (made_of.refuser == number) & (code == contract.Code.UNSCHEDULABLE)
    for row in made_of.filters[number + 1 :]:
        if row.code is not None:
            full &= row.code == contract.Code.SUCCESS
    return made_of.filters[number], full
