"""Writes to DataObjects: one worker, one request at a time, at a bounded rate, behind everything else.

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


class Clerk:
    """Does jobs in turns of groups, within one in the order in which they were first asked for.

    Args:
        clock: Monotonic seconds.

    Attributes:
        dropped: Jobs that found the list full.
        rests: While set, nothing that is asked for is taken in.
    """

    def __init__(self, counters: metrics.Metrics, clock: Callable[[], float]) -> None:
        self.dropped = 0
        self.rests = False
        self._metrics = counters
        self._clock = clock
        self._jobs: collections.OrderedDict[str, dict[Key, Job]] = collections.OrderedDict()  # by group, next first
        self._count = 0
        self._asked = asyncio.Event()
        self._done = asyncio.Event()
        self._said: dict[str, str] = {}  # kind of job -> the refusal last told
        self._allowance, self._counted = BURST, clock()

    def ask(self, key: Key, job: Job, *, group: str = "") -> None:
        """Have a job done; one of the same key that still waits is replaced and keeps its turn."""
        if self.rests:
            return
        line = self._jobs.get(group, {})
        if key not in line:
            if self._count >= CAPACITY:
                self.dropped += 1
                longest = max(self._jobs, key=lambda one: len(self._jobs[one]))
                if len(self._jobs[longest]) <= len(line) + 1:
                    return
                self._jobs[longest].popitem()
                self._count -= 1
            self._count += 1
        self._jobs.setdefault(group, line)[key] = job
        self._asked.set()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            while not self._count:
                self._done.set()
                self._asked.clear()
                await self._asked.wait()
            self._done.clear()
            await self._pace()
            group, key, job = self._next()
            try:
                await job()
            except (errors.UnreachableError, errors.ThrottledError) as error:
                if key not in self._jobs.get(group, {}):
                    self.ask(key, job, group=group)
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
                while self._count:
                    await self._done.wait()

    def _next(self) -> tuple[str, Key, Job]:
        """Take the oldest job of the group whose turn it is."""
        group, line = self._jobs.popitem(last=False)
        key = next(iter(line))
        job = line.pop(key)
        self._count -= 1
        if line:
            self._jobs[group] = line  # behind the others
        return group, key, job

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
