"""Writes to DataObjects: one worker, one request at a time, at a bounded rate, behind everything else.

What no pod waits for (labels, conditions, what is to be deleted) is patient: it is done when nothing else is to be, and
while pods are being bound only now and then, for each write costs the API server as much as a Binding does.

Jobs are done in turns of groups, such as the namespaces for whose pods they are, so that one with thousands of them
keeps nobody else waiting; when the list is full, the longest group loses one.

A job is asked for by key and works out what to write when its turn comes, from what is known then. So a job that is
asked for again while it waits is still one job, and nothing has to be kept consistent between asking and writing.

None of these writes decides whether a pod can be placed. Hence a refusal is said once and the job dropped; a conflict
or an object that is gone is dropped in silence, as the watch is about to say what is true; only a server that does not
answer, or asks to wait, is tried again. A job that trips over a defect is dropped, too.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from scheduler import errors
from scheduler.live import metrics

log = structlog.get_logger(__name__)

Job = Callable[[], Awaitable[None]]
Key = tuple[str, ...]  # what is to be done, then to what

CAPACITY: Final = 20_000
RATE_PER_S: Final = 100.0  # an API server takes some hundreds of writes a second, and bindings come first
BURST: Final = 100.0
RETRY_S: Final = 1.0
PATIENT_EVERY_S: Final = 0.5  # while bindings are under way: a hundredth of what they cost at 200 a second, or less


class _Lines:
    """Jobs by group and key: the oldest of the group whose turn it is comes first."""

    def __init__(self) -> None:
        self.count = 0
        self._jobs: collections.OrderedDict[str, dict[Key, Job]] = collections.OrderedDict()  # by group, next first

    def has(self, group: str, key: Key) -> bool:
        return key in self._jobs.get(group, {})

    def put(self, group: str, key: Key, job: Job) -> bool:
        """Add or replace a job; returns whether one was lost for want of room."""
        line = self._jobs.get(group, {})
        is_full = False
        if key not in line:
            is_full = self.count >= CAPACITY
            if is_full:
                longest = max(self._jobs, key=lambda one: len(self._jobs[one]))
                if len(self._jobs[longest]) <= len(line) + 1:
                    return True
                self._jobs[longest].popitem()
                self.count -= 1
            self.count += 1
        self._jobs.setdefault(group, line)[key] = job
        return is_full

    def take(self) -> tuple[str, Key, Job]:
        """Take out the next."""
        group, line = self._jobs.popitem(last=False)
        key = next(iter(line))
        job = line.pop(key)
        self.count -= 1
        if line:
            self._jobs[group] = line  # behind the others
        return group, key, job


class Clerk:
    """Does jobs in turns of groups, within one in the order in which they were first asked for.

    Args:
        clock: Monotonic seconds.
        is_urgent: Whether bindings are under way.

    Attributes:
        dropped: Jobs that found the list full.
        rests: While set, nothing that is asked for is taken in.
    """

    def __init__(
        self, counters: metrics.Metrics, clock: Callable[[], float], is_urgent: Callable[[], bool] = lambda: False
    ) -> None:
        self.dropped = 0
        self.rests = False
        self._metrics = counters
        self._clock = clock
        self._is_urgent = is_urgent
        self._soon, self._patient = _Lines(), _Lines()
        self._asked = asyncio.Event()
        self._done = asyncio.Event()
        self._said: dict[str, str] = {}  # kind of job -> the refusal last told
        self._allowance, self._counted = BURST, clock()

    def ask(self, key: Key, job: Job, *, group: str = "", patient: bool = False) -> None:
        """Have a job done; one of the same key that still waits is replaced and keeps its turn."""
        if self.rests:
            return
        self.dropped += (self._patient if patient else self._soon).put(group, key, job)
        self._asked.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            lines = await self._next()
            await self._pace()
            group, key, job = lines.take()
            try:
                await job()
            except (errors.UnreachableError, errors.ThrottledError) as error:
                if not lines.has(group, key):
                    self.ask(key, job, group=group, patient=lines is self._patient)
                await asyncio.sleep(max(RETRY_S, error.retry_after_s))
            except errors.ConflictError:
                pass
            except errors.LocalityError as error:
                self._tell(key, error)
            except Exception as bug:  # noqa: BLE001 (costs this item alone)
                self._metrics.failures.caught("upkeep", bug, what=key[0], of=key[1:])
            else:
                self._said.pop(key[0], None)

    async def drain(self, deadline_s: float) -> None:
        """Let what waits be written, while ``run`` still runs."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while self._soon.count + self._patient.count:
                    await self._done.wait()

    async def _next(self) -> _Lines:
        """Wait for a job that may be done; returns where it stands."""
        while not self._soon.count:
            self._asked.clear()
            if not self._patient.count:
                self._done.set()
                await self._asked.wait()
                self._done.clear()
                continue
            if not self._is_urgent():
                return self._patient
            try:
                async with asyncio.timeout(PATIENT_EVERY_S):
                    await self._asked_for_soon()
            except TimeoutError:
                return self._patient
        return self._soon

    async def _asked_for_soon(self) -> None:
        while not self._soon.count:
            self._asked.clear()
            await self._asked.wait()

    async def _pace(self) -> None:
        now = self._clock()
        self._allowance = min(BURST, self._allowance + (now - self._counted) * RATE_PER_S)
        self._counted = now
        if self._allowance < 1:
            await asyncio.sleep((1 - self._allowance) / RATE_PER_S)
        self._allowance -= 1

    def _tell(self, key: Key, error: errors.LocalityError) -> None:
        self._metrics.upkeep("refused")
        kind = type(error).__name__
        if self._said.get(key[0]) != kind:
            self._said[key[0]] = kind
            log.warning("DataObject not written, placing goes on without", what=key[0], of=key[1:], error=str(error))
