"""Lets the kernel decide while there is something to decide, in short goes, so that events and answers get their turns.

A pod whose keys are just being looked up is put aside for a moment (scheduler.live.ondemand): whether it is, is asked
when its turn comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from scheduler.api import core
from scheduler.kernel import commands, events
from scheduler.live import driver, metrics

SLICE_S = 0.005  # for how long pods are decided in one go; whoever waits for the loop hardly notices


class Cycle:
    """Has pods decided.

    Args:
        hold_until: Until when a pod that arrived at a time is to be put aside at most; None if it is to be decided now.
    """

    def __init__(
        self,
        scheduling: driver.Driver,
        hold_until: Callable[[core.Pod, float], float | None],
        counters: metrics.Metrics,
    ) -> None:
        self._driver = scheduling
        self._hold_until = hold_until
        self._metrics = counters
        scheduling.on(commands.AskData, self._answer)

    async def run(self) -> None:
        """Place pods until cancelled."""
        while True:
            self._driver.changed.clear()
            self._decide()
            wait_s = self._driver.wait_s()
            if wait_s == 0:
                await asyncio.sleep(0)
                continue
            try:
                async with asyncio.timeout(wait_s):
                    await self._driver.changed.wait()
            except TimeoutError:
                continue

    def _decide(self) -> None:
        """Decide for a short while, or until nothing is ready."""
        ends_s = self._driver.clock() + SLICE_S
        self._driver.step()
        while self._driver.wait_s() == 0 and self._driver.clock() < ends_s:
            self._driver.step()

    def _answer(self, asked: commands.AskData) -> None:
        until_s: float | None = None
        with self._metrics.failures.contained("cycle", pod=asked.pod.key):
            until_s = self._hold_until(asked.pod, asked.arrived_s)
        self._driver.handle(events.DataAnswered(self._driver.clock(), asked.pod.metadata.uid, until_s))
