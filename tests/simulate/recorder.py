"""A scheduler whose inputs and answers are written down as a live run's are."""

from __future__ import annotations

from collections.abc import Sequence

from scheduler.api import names
from scheduler.kernel import commands, events, kernel, recording
from scheduler.simulate import scenario


class Recorded:
    """A kernel; ``lines`` is the recording."""

    def __init__(self, subject: kernel.Kernel, given: scenario.Scenario, seed: int) -> None:
        self._kernel = subject
        header = recording.Header(version="test", settings=given.settings, home=names.HOME_NAMESPACE, seed=seed)
        self.lines = [recording.first_line(header)]

    def handle(self, event: events.Event) -> Sequence[commands.Command]:
        return self._take(event)

    def step(self, now_s: float, wall_s: float, budget: int) -> Sequence[commands.Command]:
        return self._take(events.Turn(now_s, wall_s, budget))

    def wait_s(self) -> float | None:
        return self._kernel.wait_s()

    def _take(self, event: events.Event) -> Sequence[commands.Command]:
        followed = recording.perform(self._kernel, event)
        self.lines.append(recording.line(self._kernel.sequence, event, followed))
        return followed
