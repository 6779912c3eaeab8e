"""Sends bindings and reads pods, many at once, and tells the kernel how that went. What follows is the kernel's affair.

There is one task per request. What cannot be known, as it met a defect, counts as unknown: the kernel has it read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from scheduler.api import verdicts
from scheduler.kernel import commands, events
from scheduler.kube import binding, client
from scheduler.live import driver, metrics


class Binder:
    """Performs Bind and LookUp."""

    def __init__(self, *, api: client.Api, scheduling: driver.Driver, counters: metrics.Metrics) -> None:
        self._api = api
        self._driver = scheduling
        self._metrics = counters
        self._tasks: set[asyncio.Task[None]] = set()
        scheduling.on(commands.Bind, lambda command: self._spawn(self._bind(command), f"bind {command.name}"))
        scheduling.on(commands.LookUp, lambda command: self._spawn(self._look_up(command), f"look up {command.name}"))

    async def drain(self, deadline_s: float) -> int:
        """Let what is under way end; returns how many did not within the deadline (those are cancelled)."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + deadline_s
        while self._tasks and (left_s := ends - loop.time()) > 0:  # an answer may have the pod read
            await asyncio.wait(self._tasks, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        late = list(self._tasks)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return len(late)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bind(self, command: commands.Bind) -> None:
        try:
            outcome = await binding.bind(
                self._api, namespace=command.namespace, pod=command.name, uid=command.uid, node=command.node
            )
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            outcome = self._unknown(bug, command)
        self._metrics.answered(outcome.verdict.value)
        self._tell(events.BindAnswered, command, outcome)

    async def _look_up(self, command: commands.LookUp) -> None:
        await asyncio.sleep(command.after_s)
        try:
            outcome = await binding.read_back(
                self._api, namespace=command.namespace, pod=command.name, uid=command.uid, node=command.node
            )
        except Exception as bug:  # noqa: BLE001 (likewise)
            outcome = self._unknown(bug, command)
        self._tell(events.LookedUp, command, outcome)

    def _tell(
        self,
        kind: type[events.BindAnswered | events.LookedUp],
        command: commands.Bind | commands.LookUp,
        outcome: binding.Outcome,
    ) -> None:
        with self._metrics.failures.contained("binder", pod=command.name):
            now_s = self._driver.clock()
            self._driver.handle(kind(now_s, command.uid, outcome.verdict, outcome.message, outcome.after_s))

    def _unknown(self, bug: Exception, command: commands.Bind | commands.LookUp) -> binding.Outcome:
        self._metrics.failures.caught("binder", bug, pod=f"{command.namespace}/{command.name}")
        return binding.Outcome(verdicts.Verdict.UNKNOWN, f"internal error: {type(bug).__name__}")
