"""Who is simulated: the kernel itself, or another scheduler that is talked to in the same words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from scheduler.kernel import commands, events


class Copy(commands.Command, frozen=True):
    """Copy data to a node ahead of the pod that will read it there; the kernel gives none.

    Nothing waits for it: who does it shows the DataObject with one copy more, and who cannot leaves it undone.
    """

    namespace: str
    urn: str
    node: str


class Scheduling(Protocol):
    """Takes the kernel's events and answers with its commands; `scheduler.kernel.kernel.Kernel` is one."""

    def handle(self, event: events.Event) -> Sequence[commands.Command]:
        """Take in one event; returns what follows at once."""

    def step(self, now_s: float, wall_s: float, budget: int) -> Sequence[commands.Command]:
        """Time has passed: decide up to ``budget`` pods."""

    def wait_s(self) -> float | None:
        """Seconds from the last input until a step may have something to do; None if only an event can bring that."""
