"""Reads what is not worth a watch: one thing at a time, in turn, at a rate that does not depend on how many there are.

A watch on Services or volumes would send every change to every daemon, most of whom it does not concern. So they are
read, and a daemon makes one such read in ``pace_s``, whatever it has to read: that which was not read for longest. A
thing that is new is read at once, and twice more soon after, because what is applied together does not arrive together.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from daemon.cluster import pace, sources
from scheduler import errors
from scheduler.kube import mishaps

log = structlog.get_logger(__name__)

# When a new thing is looked at again, in parts of the pace.
_SOON: Final = (0.25, 1.0)


class Thing(sources.Read):
    """Something to be read: ``read`` raises LocalityError where it cannot be, and returns what did not fit.

    Attributes:
        key: What it is, for people too.
        due_s: When it is read, whatever else is; infinite where it waits for its turn.
        is_watched: Whether a watch brings it, so that it is not read.
    """

    def __init__(self, key: str, read: Callable[[], Awaitable[frozenset[str]]]) -> None:
        super().__init__()
        self.key = key
        self.read = read
        self.due_s = 0.0
        self.begun_s = -1e9
        self.reads = 0
        self.is_watched = False


class Turns:
    """Takes turns among things.

    Args:
        changed: Called after each read, or attempt.
    """

    def __init__(self, failures: mishaps.Mishaps, *, pace_s: float, changed: Callable[[Thing], None]) -> None:
        self.things: dict[str, Thing] = {}
        self._failures = failures
        self._pace_s = pace_s
        self._changed = changed
        self._pace = pace.Pace()
        self._wake = asyncio.Event()
        self._turn_s = 0.0  # when the next one has its turn

    def add(self, thing: Thing) -> None:
        self.things[thing.key] = thing
        self._wake.set()

    def drop(self, key: str) -> None:
        self.things.pop(key, None)
        self._pace.forget(key)

    def hurry(self, thing: Thing) -> None:
        """Read it soon; one that was just read waits for a part of the pace, so that events cannot drive the reads."""
        thing.due_s = min(thing.due_s, thing.begun_s + self._pace_s / 2)
        self._wake.set()

    async def run(self) -> None:
        """Read until cancelled."""
        self._end_turn(time.monotonic())
        while True:
            self._wake.clear()
            waiting = [thing for thing in self.things.values() if not thing.is_watched]
            thing = min(waiting, key=self._from_s, default=None)
            wait_s = None if thing is None else self._from_s(thing)[0] - time.monotonic()
            if thing is None or (wait_s is not None and wait_s > 0):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._wake.wait()
                continue
            await self._take(thing)

    def _end_turn(self, now_s: float) -> None:
        self._turn_s = now_s + self._pace_s * random.uniform(0.8, 1.2)  # noqa: S311 - spreads many daemons

    def _from_s(self, thing: Thing) -> tuple[float, float]:
        """When it can be read, and since when it was not."""
        return max(min(thing.due_s, self._turn_s), self._pace.free_s(thing.key)), thing.begun_s

    async def _take(self, thing: Thing) -> None:
        now_s = thing.begun_s = time.monotonic()
        if thing.due_s > now_s:
            self._end_turn(now_s)
        try:
            misfits = await thing.read()
        except Exception as error:  # noqa: BLE001 - one that cannot be read must not keep the others from their turn
            before = thing.complaint
            thing.failed(error)
            self._pace.failed(thing.key, now_s, at_least_s=getattr(error, "retry_after_s", 0.0))
            if not isinstance(error, errors.LocalityError):
                self._failures.caught("cluster", error, of=thing.key)
            elif thing.complaint != before:
                log.warning("cannot be read, what was known of it stays", what=thing.key, error=str(error))
        else:
            thing.succeeded(misfits)
            self._pace.done(thing.key, now_s)
            is_new = thing.reads < len(_SOON)
            thing.due_s = now_s + _SOON[thing.reads] * self._pace_s if is_new else math.inf
            thing.reads += 1
        if self.things.get(thing.key) is thing:
            with self._failures.contained("cluster", of=thing.key):
                self._changed(thing)
