"""The kernel's one door in this process: events go in with the time of their arrival, and what follows is performed.

Everything here happens on the loop's thread and at once; who performs what takes long (a Binding, say) begins it and
hands the answer in as another event. Each input goes to the recorder, if there is one, with the commands that it gave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from scheduler.api import core
from scheduler.kernel import commands, events, kernel, queue
from scheduler.live import metrics

DECIDED_AT_ONCE = 1  # so that each decision can be timed


class Recorder(Protocol):
    """What keeps the inputs."""

    def write(self, sequence: int, event: events.Event, followed: Iterable[commands.Command] | None) -> None:
        """Keep an input with its number and the commands that followed, None where it met a defect."""


class Driver:
    """Hands events in and performs commands.

    Args:
        clock: Monotonic seconds.
        wall: The time of day in seconds since 1970.

    Attributes:
        changed: Set whenever there may be something to decide.
    """

    def __init__(
        self,
        scheduling: kernel.Kernel,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        counters: metrics.Metrics,
        recorder: Recorder | None = None,
    ) -> None:
        self.kernel = scheduling
        self.clock = clock
        self.changed = asyncio.Event()
        self._wall = wall
        self._metrics = counters
        self._recorder = recorder
        self._performers: dict[type[commands.Command], Callable[[Any], None]] = {}

    def on(self, kind: type[commands.Command], perform: Callable[[Any], None]) -> None:
        """From now on have commands of a kind performed so."""
        self._performers[kind] = perform

    def handle(self, event: events.Event) -> None:
        """Take in an event and perform what follows."""
        self._take(event, lambda: self.kernel.handle(event))
        self.changed.set()

    def step(self) -> None:
        """Decide what is ready, one pod, or plan for some together."""
        turn = events.Turn(self.clock(), self._wall(), DECIDED_AT_ONCE)
        decisions = self.kernel.journal

        def decide() -> list[commands.Command]:
            before = decisions.added
            followed = self.kernel.step(turn.now_s, turn.wall_s, turn.budget)
            if decisions.added > before and decisions.latest is not None:
                decisions.latest.decide_s = self.clock() - turn.now_s
                self._metrics.decided(decisions.latest.decide_s)
            for one in followed:
                if isinstance(one, commands.Planned):
                    self._metrics.planned(one.pods, one.gap_ratio, self.clock() - turn.now_s)
            return followed

        self._take(turn, decide)

    def wait_s(self) -> float | None:
        """Seconds until a step may have something to do; None if only an event can bring that."""
        wait_s = self.kernel.wait_s()
        return None if wait_s is None else max(0.0, wait_s - (self.clock() - self.kernel.now_s))

    def _take(self, event: events.Event, act: Callable[[], list[commands.Command]]) -> None:
        followed: list[commands.Command] | None = None
        try:
            followed = act()
        finally:
            if self._recorder is not None:
                self._recorder.write(self.kernel.sequence, event, followed)
        for command in followed:
            self._performers[type(command)](command)

    # ------------------------------------------------------------------------- the pods that wait, for their feeds

    def get(self, uid: str) -> queue.Entry | None:
        """What is known of a pod that waits."""
        return self.kernel.queue.get(uid)

    def observe(self, pod: core.Pod) -> None:
        """A pod of ours is as given."""
        self.handle(events.PendingSeen(self.clock(), pod))

    def remove(self, uid: str) -> None:
        """A pod of ours waits no longer."""
        self.handle(events.PendingGone(self.clock(), uid))

    def reconcile(self, pods: Iterable[core.Pod], *, asked: float) -> int:
        """Those were all that waited, by a list asked for at that time; returns how many others were dropped."""
        before = {entry.uid for entry in self.kernel.queue.entries()}
        self.handle(events.PendingListed(self.clock(), asked, tuple(pods)))
        return len(before - {entry.uid for entry in self.kernel.queue.entries()})

    def release(self, uid: str) -> None:
        """What a pod was held for has come."""
        self.handle(events.DataCame(self.clock(), uid))
