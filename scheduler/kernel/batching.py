"""Pods with data that are ready at about the same time are placed together: gathered for a moment, then planned for.

A pod with data whose turn comes waits if another one of its priority is ready, too, or was so just now. It waits for at
most the window of the settings, counted from the first of them; only while more keep coming, and the plan has room for
them; and not once somebody less urgent has a turn: before that, they have theirs. Then one step plans for all of them
(scheduler.engine.joint), and each has a turn of its own, in the order of the queue, at which it is decided with its
share in the plan. A pod that has nobody to wait for is decided at once, and so is every pod without data.

Batches are of one priority, and the most urgent one is planned for first, so that nobody gives way to the less urgent.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Final

from scheduler.engine import byname, joint, urgency
from scheduler.kernel import commands, queue, waiters, world
from scheduler.plugins import request
from scheduler.state import snapshot

MOST: Final = 128  # pods of one plan
MOST_CELLS: Final = 320_000  # pods times nodes: what is planned for in some 50 ms, for which a step may hold up others
# For how long after the last one others are thought to keep coming: the watch tells of pods that are created together
# some milliseconds apart.
PAUSE_S: Final = 0.005
STEPS: Final = 3000  # of the solver: some 10 us each
FEW: Final = 64  # pods
STEPS_OF_FEW: Final = 6000  # who are planned for as long as many: room is scarcer the less there is to choose among

_READY: Final = frozenset({queue.Place.ACTIVE, queue.Place.CROWDED})


@dataclasses.dataclass(slots=True)
class _Window:
    """Pods of one priority that are gathered, from when the first came to when the last did."""

    since_s: float
    last_s: float
    entries: dict[str, waiters.Entry]  # by uid; some have left
    is_full: bool = False  # whether more would only wait for a plan that is not theirs


class Batching:
    """Who waits for whom, and what is planned.

    Args:
        window_s: For how long a pod is to wait for others at most; 0: none does, and each is placed by itself.
        known: The cluster.
        waiting: Whose turn comes.
        engines: What nodes cost whom.
        draw: Seeds of all chance.
        clock: When the input was taken in that is being dealt with.
        out: Where commands go.
    """

    def __init__(
        self,
        *,
        window_s: float,
        known: world.World,
        waiting: queue.Queue,
        engines: byname.Engines,
        draw: Callable[[], int],
        clock: Callable[[], float],
        out: list[commands.Command],
    ) -> None:
        self.window_s = window_s
        self._world = known
        self._queue = waiting
        self._engines = engines
        self._draw = draw
        self._clock = clock
        self._out = out
        self._windows: dict[int, _Window] = {}  # by priority
        self._last = 0, -math.inf  # priority of the last pod with data whose turn came, and when
        self._planned: dict[int, list[waiters.Entry]] = {}  # by priority, those of the last plan; some had their turn

    def takes(self, entry: waiters.Entry) -> bool:
        """Whether a pod whose turn has come, of whose data all is known, waits for others."""
        if self.window_s <= 0 or not entry.joins:
            return False
        now_s, priority = self._clock(), entry.pod.spec.priority
        window = self._windows.get(priority)
        came, self._last = self._last, (priority, now_s)
        if window is None:
            is_alone = came[0] != priority or now_s - came[1] >= PAUSE_S
            if not self._is_under_way(priority):
                self._queue.recall(priority, self._most() - 1)
            if is_alone and not self._queue.company.is_ready(priority):
                return False
            window = self._windows[priority] = _Window(now_s, now_s, {})
        window.last_s = now_s
        window.entries[entry.uid] = entry
        if len(window.entries) == self._most():  # the most urgent of a pipeline may be still to come
            window.is_full = not self._world.state.pipelines.is_any_awaited()
        self._queue.gather(entry)
        return True

    def calls(self, entry: waiters.Entry) -> bool:
        """Whether a pod whose turn has come, and whose namespace may have no more bindings now, waits for others.

        They are planned for while the bindings of those before them are under way, once all of these are decided about.
        """
        if self.window_s <= 0 or not entry.joins:
            return False
        priority = entry.pod.spec.priority
        known = self._queue.company
        is_joined = priority in self._windows or known.is_ready(priority) or known.in_crowd(priority) is not None
        return is_joined and not self._is_under_way(priority)

    def _is_under_way(self, priority: int) -> bool:
        """Whether pods of the last batch of a priority still wait for their turns."""
        planned = self._planned.get(priority, [])
        while planned and not (planned[-1].is_gathered and planned[-1].place in _READY):
            planned.pop()
        return bool(planned)

    def is_due(self) -> bool:
        """Whether it is time to plan, rather than to decide about the next pod of the queue."""
        if not self._windows:
            return False
        first, ready = max(self._windows), self._queue.next()
        if ready is not None and ready.pod.spec.priority != first:
            return ready.pod.spec.priority < first
        return self._in_s() <= 0

    def wait_s(self) -> float | None:
        """Seconds until there may be something to plan by the mere passing of time; None if nobody waits for that."""
        return max(0.0, self._in_s()) if self._windows else None

    def _in_s(self) -> float:
        now_s = self._clock()
        return min(self._ends_s(priority, window) for priority, window in self._windows.items()) - now_s

    def _ends_s(self, priority: int, window: _Window) -> float:
        """When a window ends; whichever is the first one to end, more urgent ones end with it."""
        if window.is_full:
            return window.last_s
        latest_s = window.since_s + self.window_s
        if self._queue.company.is_ready(priority):
            return latest_s
        return window.last_s if len(window.entries) >= self._most() else min(latest_s, window.last_s + PAUSE_S)

    def _most(self) -> int:
        """How many pods are planned for at most."""
        return min(MOST, max(2, MOST_CELLS // max(1, len(self._world.nodes))))

    def plan(self) -> None:
        """Plan for the most urgent of those who are gathered; each then has its turn."""
        priority = max(self._windows)
        window = self._windows.pop(priority)
        entries = [entry for entry in window.entries.values() if entry.place is queue.Place.GATHERED]
        known = self._world.state.pipelines
        if known.is_any_awaited():
            entries = urgency.in_order(known, [(entry.pod, entry) for entry in entries])
        for entry in entries[self._most() :]:  # to be gathered again, after those have had their turns
            entry.is_gathered = False
            self._queue.disperse(entry)
        del entries[self._most() :]
        try:
            if len(entries) > 1:
                self._plan(entries)
        except Exception as bug:  # noqa: BLE001 (costs this plan alone: each is decided by itself)
            self._out.append(commands.Defect("cycle", entries[0].pod.key, bug))
        # Who has no part in the plan comes last: it may fit where there is room for others of the plan. Those for whom
        # there is no room where they would be best come after those who are there, so that they know whom to wait for.
        entries.sort(key=lambda entry: 2 if entry.share is None else int(entry.share.is_second_best))
        for entry in entries:
            self._queue.disperse(entry)
        self._planned = {priority: entries}  # of others, if any are left, none waits for long

    def _plan(self, entries: list[waiters.Entry]) -> None:
        view = self._world.view()
        # Most are in nobody's way, which costs without traffic and readers tell in half the time.
        wishes = self._wishes(view, entries, is_rough=True)
        if len(wishes) < 2:
            return
        plan = joint.uncontested(view, wishes)
        if plan is None:
            wishes = urgency.weigh(view.pipelines, self._wishes(view, entries))
            steps = STEPS_OF_FEW if len(wishes) <= FEW else STEPS
            plan = joint.plan(view, wishes, steps=steps, seed=self._draw())
        for entry in entries:
            entry.share = plan.shares.get(entry.uid)
        self._out.append(
            commands.Planned(
                pods=plan.size,
                placed=len(plan.shares) if plan.is_contested else plan.size,
                is_contested=plan.is_contested,
                cost=plan.cost,
                bound=plan.bound,
                gap_ratio=plan.gap_ratio,
                saved_s=plan.saved_s,
            )
        )

    def _wishes(
        self, view: snapshot.Snapshot, entries: list[waiters.Entry], *, is_rough: bool = False
    ) -> list[joint.Wish]:
        found: list[joint.Wish] = []
        for entry in entries:
            entry.asked = entry.asked or request.prepare(entry.pod)
            wish = self._engines.of(entry.pod).wish(view, entry.asked, is_rough=is_rough)
            if wish is not None:
                found.append(wish)
        return found
