"""Asks one store, in lanes, so that what is urgent never waits for what takes long.

- The *listing* lane asks for everything: at the start, once in an interval, after a notice may have been missed, when
  another lane failed, and sooner again while the store is down. It alone decides whether the store is available, and
  which buckets it has.
- The *key* lane looks up keys that somebody has a DataObject for: first those that were just named or changed, then
  all of them after a listing.
- The *count* lane counts single buckets and prefixes that changed; one that takes long to count is counted seldom.
- The *notice* lane hears of changes, where the store announces them, and tells the two lanes before.

The lanes share one view, and each writes a part of it that no other does; only a count that is newer than a listing
under way must not be overwritten by it. Everything that blocks runs in threads.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import datetime
import functools
import random
import time
from collections.abc import Callable, Collection, Iterable
from typing import Final

import structlog

from daemon import metrics
from daemon.cluster import watches
from daemon.status import conditions, dataobject
from daemon.stores import contents, credentials, listing, model, notices
from scheduler import errors
from scheduler.kube import client

log = structlog.get_logger(__name__)

_GATHER_S: Final = 0.01  # several keys that are named together are one thread's work
_BATCH: Final = 20  # keys looked up before the next urgent ones get their turn
_RECOUNT_S: Final = 0.1  # several changes, one count
_RECOUNT_SHARE: Final = 10.0  # a bucket is left alone for so many times as long as it took to count
_RETRY_S: Final = (0.5, 30.0)  # until a store that is down is asked again: doubled each time
_BACKOFF_S: Final = (1.0, 30.0)  # between two attempts to hear from a store
_REFUSED_S: Final = 300.0  # after it said that it announces nothing

Ask = Callable[..., "contents.Listing | contents.Failure"]
Changed = Callable[[Collection[str] | None], None]


class Asker:
    """One store, asked as long as ``run`` runs.

    Attributes:
        view: The outcome so far, None before the first.
        born_s: Monotonic time at which it was first known.

    Args:
        threads: The pool for what blocks; made when first called.
        wanted: The DataObjects that concern this node: what they name is looked up.
        changed: Called with the urns of which something else is known now, None for all of the store.
    """

    def __init__(
        self,
        api: client.Api,
        store: model.Store,
        *,
        threads: Callable[[], concurrent.futures.Executor],
        limits: contents.Limits,
        wanted: watches.Objects,
        changed: Changed,
        figures: metrics.Metrics,
    ) -> None:
        self.store = store
        self.view: dataobject.View | None = None
        self.born_s = time.monotonic()
        self._api = api
        self._threads = threads
        self._limits = limits
        self._wanted = wanted
        self._changed = changed
        self._figures = figures
        self._found: credentials.Access | None = None
        self._list_wake = asyncio.Event()
        self._list_wake.set()
        self._key_wake = asyncio.Event()
        self._urgent: set[str] = set()
        self._routine: set[str] = set()
        self._count_wake = asyncio.Event()
        self._due_s: dict[str, float] = {}  # bucket or prefix -> when to count it
        self._rests_s: dict[str, float] = {}  # until when it is left alone
        self._counted_s: dict[str, float] = {}  # bucket -> when its newest single count began
        self._announces = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(self._list_lane(), name=f"list {self.store.name}")
            lanes.create_task(self._key_lane(), name=f"keys {self.store.name}")
            lanes.create_task(self._count_lane(), name=f"count {self.store.name}")
            lanes.create_task(self._notice_lane(), name=f"hear {self.store.name}")

    def ask(self) -> None:
        """List the store, at once or after the listing that is under way."""
        self._list_wake.set()

    def holds(self, bucket: str) -> bool:
        return self.view is not None and bucket in dataobject.listed_buckets(self.view)

    def look_up(self, urn: str) -> None:
        """Look up a key or prefix at once, if the store has its bucket."""
        if not self.holds(contents.bucket_of(urn)):
            return
        if urn.endswith("/"):
            self._count_soon(urn)
        else:
            self._urgent.add(urn)
            self._key_wake.set()

    # ---- the listing lane ----

    async def _list_lane(self) -> None:
        retry_s = _RETRY_S[0]
        while True:
            is_down = self.view is not None and isinstance(self.view.outcome, contents.Failure)
            retry_s = min(2 * retry_s, _RETRY_S[1]) if is_down else _RETRY_S[0]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(retry_s if is_down else None):
                    await self._list_wake.wait()
            self._list_wake.clear()
            began_s = time.monotonic()
            outcome = await self._list()
            if outcome is not None:
                self._figures.asked(self.store.name, time.monotonic() - began_s)
                self._take(outcome, began_s)

    async def _list(self) -> contents.Listing | contents.Failure | None:
        try:
            found = await credentials.read(self._api, self.store)
        except errors.ApiError as error:
            log.warning("store not asked: its Secret could not be read", store=self.store.name, error=str(error))
            return None
        if isinstance(found, contents.Failure):
            return found
        self._found = found
        return await self._in_thread(listing.list_store, urns=())

    def _take(self, outcome: contents.Listing | contents.Failure, began_s: float) -> None:
        """Keep what was listed; what other lanes found out meanwhile, or alone know, stays."""
        if isinstance(outcome, contents.Failure):
            self._announces.clear()
        else:
            known = self.view.outcome if self.view is not None else None
            if isinstance(known, contents.Listing):
                newer = {bucket for bucket, counted_s in self._counted_s.items() if counted_s >= began_s}
                outcome = _merged(known, outcome, newer, self._wanted)
            self._counted_s.clear()
            self._sweep(outcome.buckets)
            if outcome.technology == "minio":
                self._announces.set()
        self._see(outcome)
        self._figures.seen(self.store.name, outcome)
        self._changed(None)

    def _sweep(self, buckets: Iterable[str]) -> None:
        """Have all that somebody named looked up again."""
        for bucket in buckets:
            for urn in self._wanted.urns(bucket):
                if urn.endswith("/"):
                    self._count_soon(urn)
                else:
                    self._routine.add(urn)
        self._key_wake.set()

    def _see(self, outcome: contents.Listing | contents.Failure) -> None:
        now = conditions.rfc3339(datetime.datetime.now(datetime.UTC))
        self.view = dataobject.View(self.store, outcome, now)

    async def _in_thread(self, ask: Ask, **what: object) -> contents.Listing | contents.Failure | None:
        """Ask in a thread; None where it did not end in time, which counts as a failure of the store."""
        found, limits = self._found, self._limits
        if found is None:
            return None
        call = functools.partial(ask, self.store, found.credentials, found.ca_pem, limits=limits, **what)
        answer = asyncio.get_running_loop().run_in_executor(self._threads(), call)
        # Timeouts bound every read; a server that trickles byte after byte is bounded only here.
        done, _ = await asyncio.wait([answer], timeout=limits.budget_s + 3 * limits.timeout_s)
        if not done:
            failure = contents.Failure("Timeout", f"{self.store.endpoint} did not finish its answer")
            self._take(failure, time.monotonic())
            await asyncio.wait([answer])  # a thread cannot be stopped, and one at a time is enough
            return None
        return answer.result()

    # ---- the key lane ----

    async def _key_lane(self) -> None:
        while True:
            await self._key_wake.wait()
            self._key_wake.clear()
            await asyncio.sleep(_GATHER_S)
            while self._urgent or self._routine:
                source = self._urgent or self._routine
                batch = [source.pop() for _ in range(min(_BATCH, len(source)))]
                self._routine.difference_update(batch)
                if not await self._look(batch):
                    self._urgent.clear()
                    self._routine.clear()

    async def _look(self, urns: Collection[str]) -> bool:
        """Look ``urns`` up; False where the store failed, and then the listing lane finds out how."""
        outcome = await self._in_thread(listing.look_up, urns=urns)
        known = self.view.outcome if self.view is not None else None
        if not isinstance(outcome, contents.Listing) or not isinstance(known, contents.Listing):
            self.ask()
            return False
        self._figures.looked_up(self.store.name, len(urns))
        found = {urn: content for urn, content in known.found.items() if urn not in outcome.missing}
        missing = (known.missing - outcome.found.keys()) | outcome.missing
        self._see(dataclasses.replace(known, found=found | outcome.found, missing=missing))
        self._changed(urns)
        return True

    # ---- the count lane ----

    def _count_soon(self, subject: str) -> None:
        due_s = max(time.monotonic() + _RECOUNT_S, self._rests_s.get(subject, 0.0))
        self._due_s.setdefault(subject, due_s)
        self._count_wake.set()

    async def _count_lane(self) -> None:
        while True:
            subject = min(self._due_s, key=self._due_s.__getitem__, default=None)
            wait_s = None if subject is None else self._due_s[subject] - time.monotonic()
            if subject is None or (wait_s is not None and wait_s > 0):
                self._count_wake.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._count_wake.wait()
                continue
            del self._due_s[subject]
            began_s = time.monotonic()
            done = await (self._look([subject]) if "/" in subject else self._count(subject))
            if not done:
                self._due_s.clear()  # a listing comes, and with it a new sweep
            ended_s = time.monotonic()
            self._rests_s = {name: until_s for name, until_s in self._rests_s.items() if until_s > ended_s}
            self._rests_s[subject] = ended_s + _RECOUNT_SHARE * (ended_s - began_s)

    async def _count(self, bucket: str) -> bool:
        """Count one bucket, as ``_look`` does; it may be new, or gone."""
        began_s = time.monotonic()
        outcome = await self._in_thread(listing.count, buckets=[bucket])
        known = self.view.outcome if self.view is not None else None
        if not isinstance(outcome, contents.Listing) or not isinstance(known, contents.Listing):
            self.ask()
            return False
        self._counted_s[bucket] = began_s
        was_there, is_there = bucket in known.buckets, bucket in outcome.buckets
        buckets = {name: content for name, content in known.buckets.items() if name != bucket} | outcome.buckets
        self._see(dataclasses.replace(known, buckets=buckets, uncounted=known.uncounted - {bucket} | outcome.uncounted))
        if was_there == is_there:
            self._changed({bucket})
        else:
            self._sweep(outcome.buckets)
            self._changed(None)
        return True

    # ---- the notice lane ----

    async def _notice_lane(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s, is_open, complained = _BACKOFF_S[0], False, False

        def opened() -> None:
            nonlocal is_open, pause_s
            is_open, pause_s = True, _BACKOFF_S[0]
            self._figures.announces(self.store.name, True)
            loop.call_later(notices.SETTLING_S, self.ask)

        while True:
            await self._announces.wait()
            if self._found is None:
                continue
            ending = await notices.listen(
                self.store, self._found, opened=opened, changed=self._hear, timeout_s=self._limits.timeout_s
            )
            self._figures.announces(self.store.name, False)
            log.debug("no more notices", store=self.store.name, why=ending.message)
            if ending.refused and not complained:
                complained = True
                log.info("store announces no changes, so it is re-listed", store=self.store.name, why=ending.message)
            if is_open:
                self.ask()  # it may be down
            is_open = False
            await asyncio.sleep(_REFUSED_S if ending.refused else pause_s * random.uniform(0.7, 1.3))  # noqa: S311
            pause_s = min(2 * pause_s, _BACKOFF_S[1])

    def _hear(self, bucket: str, key: str) -> None:
        """Something happened to ``key``, or to the bucket itself."""
        self._figures.heard(self.store.name)
        self._count_soon(bucket)
        if not key:
            return
        urn = f"{bucket}/{key}"
        if self._wanted.has(urn) and not urn.endswith("/"):
            self.look_up(urn)
        for end, letter in enumerate(key, start=len(bucket) + 2):
            if letter == "/" and self._wanted.has(urn[:end]):
                self._count_soon(urn[:end])


def _merged(
    known: contents.Listing, new: contents.Listing, newer: Collection[str], wanted: watches.Objects
) -> contents.Listing:
    """A new listing with what is known of keys and prefixes that count, and of the buckets ``newer`` than it."""
    buckets = {name: content for name, content in new.buckets.items() if name not in newer}
    buckets |= {name: known.buckets[name] for name in newer if name in known.buckets}

    def counts(urn: str) -> bool:
        return contents.bucket_of(urn) in buckets and wanted.has(urn)

    return dataclasses.replace(
        new,
        buckets=buckets,
        uncounted=new.uncounted.difference(newer),
        found={urn: content for urn, content in known.found.items() if counts(urn)},
        missing=frozenset(filter(counts, known.missing)),
    )
