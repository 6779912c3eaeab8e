"""Asks one store, in lanes, so that what is urgent never waits for what takes long.

- The *listing* lane asks for everything: at the start, once in an interval, after a notice may have been missed, when
  another lane failed, and sooner again while the store is down. It alone decides whether the store is available, and
  which buckets it has.
- The *key* lane looks up keys that somebody has a DataObject for: first those that were just named or changed, then
  some of the others after a listing.
- The *count* lane counts single buckets and prefixes that changed; one that takes long to count is counted seldom.
- The *notice* lane hears of changes, where the store announces them, and tells the two lanes before.

The lanes share one view, and each writes a part of it that no other does; only a count that is newer than a listing
under way must not be overwritten by it.

While a store is being heard, a listing counts and looks up again only what has not been asked for in minutes (see
rechecks). After anything that may have been missed (the start, a gap between notices, one that was thrown away, a
failure) the next listing asks for everything. A store that is only busy is left alone, and keeps its view for a while.
A defect in one lane is logged, and that lane begins again.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import itertools
import random
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Final

import structlog

from daemon import metrics
from daemon.status import conditions, dataobject
from daemon.stores import contents, credentials, model, named, notices, rechecks, sources, views
from scheduler import errors
from scheduler.kube import client

log = structlog.get_logger(__name__)

_REREAD: Final = 10  # listings with credentials and CA that were good the last time
_GATHER_S: Final = 0.01  # several keys that are named together are looked up together
_BATCH: Final = 20  # keys looked up before the next urgent ones get their turn
_RETRY_S: Final = (0.5, 30.0)  # until a store that is down is asked again: doubled each time
_BACKOFF_S: Final = (1.0, 30.0)  # between two attempts to hear from a store
_REFUSED_S: Final = 300.0  # after it said that it announces nothing
_PASSING_S: Final = 120.0  # so long what was known of a store that is only busy stays; the age of a copy ends it, too
_DROPPED_S: Final = 10.0  # between two listings for notices that were thrown away
_DEFECT_S: Final = 5.0  # until a lane begins again after a defect
_MAX_NEW: Final = 100  # buckets that are announced and not known, counted one by one; more are found by a listing
_MAX_NAMED: Final = 1000  # urns to look for in a store that hides its buckets

Changed = Callable[[Collection[str] | None], None]


class Asker:
    """One store, asked as long as ``run`` runs.

    Attributes:
        view: The outcome so far, None before the first.
        born_s: Monotonic time at which it was first known.

    Args:
        wanted: What is looked up.
        changed: Called with the urns of which something else is known now, None for all of the store.
    """

    def __init__(
        self,
        api: client.Api,
        store: model.Store,
        *,
        limits: contents.Limits,
        wanted: named.Named,
        changed: Changed,
        figures: metrics.Metrics,
    ) -> None:
        self.store = store
        self.view: dataobject.View | None = None
        self.born_s = time.monotonic()
        self._api = api
        self._source = sources.open_source(store, limits)
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
        self._counts = rechecks.Counts()
        self._counted_s: dict[str, float] = {}  # bucket -> when its newest single count began
        self._announces = asyncio.Event()
        self._listings = 0
        self._is_heard = False
        self._missed_s = time.monotonic()  # when something was last missed, or may have been
        self._whole_s = -1.0  # when the last listing of everything began
        self._listed_s = 0.0
        self._dropped_s = 0.0  # when a listing was last asked for because of that
        self._rest = rechecks.Rest()
        self._bucket_checks = rechecks.Rechecks()
        self._key_checks = rechecks.Rechecks()
        self._hot = rechecks.Hot()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as lanes:
                for lane in (self._list_lane, self._key_lane, self._count_lane, self._notice_lane):
                    lanes.create_task(self._steady(lane), name=f"{lane.__name__.strip('_')} {self.store.name}")
        finally:
            await self._source.close()

    async def _steady(self, lane: Callable[[], Awaitable[None]]) -> None:
        """Run a lane for ever: nothing that a store says may end what serves the others."""
        while True:
            try:
                await lane()
            except Exception as error:
                self._figures.faults.labels(part="store").inc()
                log.exception("a defect while a store was asked", store=self.store.name, error=str(error))
            self._miss()
            await asyncio.sleep(_DEFECT_S)

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

    def _miss(self) -> None:
        """Something may have changed unseen: the next listing asks for everything."""
        self._missed_s = time.monotonic()

    # ---- the listing lane ----

    async def _list_lane(self) -> None:
        retry_s = _RETRY_S[0]
        while True:
            is_down = self.view is not None and isinstance(self.view.outcome, contents.Failure)
            rest_s = self._rest.left_s(time.monotonic())
            retry_s = min(2 * retry_s, _RETRY_S[1]) if is_down or rest_s > 0 else _RETRY_S[0]
            if rest_s > 0:
                await asyncio.sleep(max(rest_s, retry_s))
                self._list_wake.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(retry_s if is_down else None):
                    await self._list_wake.wait()
            self._list_wake.clear()
            began_s = time.monotonic()
            is_whole = not self._is_heard or self._missed_s >= self._whole_s
            outcome = await self._list(is_whole=is_whole)
            if outcome is not None:
                self._figures.asked(self.store.name, time.monotonic() - began_s)
                self._take(outcome, began_s, is_whole=is_whole)

    async def _list(self, *, is_whole: bool) -> contents.Listing | contents.Failure | None:
        """List with what was good the last time; what it takes is read anew now and then, and where it fails."""
        kept, outcome = self._found, None
        is_due = self._listings % _REREAD == 0
        self._listings += 1
        was_listed = self.view is not None and isinstance(self.view.outcome, contents.Listing)
        if kept is not None and was_listed and not is_due:
            outcome = await self._list_with_access(is_whole=is_whole)
            if isinstance(outcome, contents.Listing):
                return outcome
        try:
            found = await credentials.read(self._api, self.store)
        except errors.LocalityError as error:
            log.warning("store not asked: its Secret could not be read", store=self.store.name, error=str(error))
            return None
        if isinstance(found, contents.Failure):
            return found
        if outcome is not None and found == kept:
            return outcome
        self._found = found
        await self._source.use(found)
        return await self._list_with_access(is_whole=is_whole)

    async def _list_with_access(self, *, is_whole: bool) -> contents.Listing | contents.Failure | None:
        now_s = time.monotonic()
        known = self.view.outcome if self.view is not None else None
        skip: set[str] = set()
        if isinstance(known, contents.Listing) and not is_whole:
            counted = (name for name, content in known.buckets.items() if content is not None)
            skip = {name for name in counted if not self._bucket_checks.is_due(name, now_s)}
        return await self._source.list_store(skip=skip, named=lambda: itertools.islice(self._wanted.all(), _MAX_NAMED))

    def _take(self, outcome: contents.Listing | contents.Failure, began_s: float, *, is_whole: bool) -> None:
        """Keep what was listed; what other lanes found out meanwhile, or alone know, stays."""
        known = self.view.outcome if self.view is not None else None
        if isinstance(outcome, contents.Failure):
            self._miss()
            if outcome.passing:
                self._rest.begin(outcome.retry_after_s, time.monotonic())
                if isinstance(known, contents.Listing) and began_s - self._listed_s < _PASSING_S:
                    return
            self._announces.clear()
        else:
            self._listed_s = began_s
            self._bucket_checks.keep(outcome.buckets)
            self._bucket_checks.asked(outcome.buckets.keys() - outcome.uncounted, began_s)
            if isinstance(known, contents.Listing):
                newer = {bucket for bucket, counted_s in self._counted_s.items() if counted_s >= began_s}
                outcome = views.listed(known, outcome, newer, self._wanted)
            self._counted_s.clear()
            self._key_checks.keep({urn for bucket in outcome.buckets for urn in self._wanted.urns(bucket)})
            self._sweep(outcome.buckets, is_whole=is_whole)
            if is_whole:
                self._whole_s = began_s
            if outcome.technology == "minio":
                self._announces.set()
        self._see(outcome)
        self._figures.seen(self.store.name, outcome)
        self._changed(None)

    def _sweep(self, buckets: Iterable[str], *, is_whole: bool) -> None:
        """Have what somebody named looked up again: as much as is due, and as a round may cost."""
        now_s = time.monotonic()
        wanted = [urn for bucket in buckets for urn in self._wanted.urns(bucket)]
        limit = self._limits.max_lookups
        for urn in self._key_checks.choose(wanted, now_s, is_calm=not is_whole, limit=limit):
            if urn.endswith("/"):
                self._count_soon(urn)
            else:
                self._routine.add(urn)
        self._key_wake.set()

    def _see(self, outcome: contents.Listing | contents.Failure) -> None:
        now = conditions.rfc3339(datetime.datetime.now(datetime.UTC))
        self.view = dataobject.View(self.store, outcome, now)

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
        await asyncio.sleep(self._rest.left_s(time.monotonic()))
        began_s = time.monotonic()
        outcome = await self._source.look_up(urns)
        known = self.view.outcome if self.view is not None else None
        if not isinstance(outcome, contents.Listing) or not isinstance(known, contents.Listing):
            self._fail(outcome)
            return False
        self._key_checks.asked(urns, began_s)
        self._figures.looked_up(self.store.name, len(urns))
        self._see(views.looked_up(known, outcome))
        self._changed(urns)
        return True

    def _fail(self, outcome: contents.Listing | contents.Failure) -> None:
        """Have the listing lane find out how it stands with the store, and then ask for everything."""
        self._miss()
        if isinstance(outcome, contents.Failure) and outcome.passing:
            self._rest.begin(outcome.retry_after_s, time.monotonic())
        self.ask()

    # ---- the count lane ----

    def _count_soon(self, subject: str) -> None:
        self._counts.add(subject, time.monotonic())
        self._count_wake.set()

    async def _count_lane(self) -> None:
        while True:
            subject, wait_s = self._counts.next(time.monotonic())
            if wait_s != 0:
                self._count_wake.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await self._count_wake.wait()
                continue
            self._counts.take(subject)
            began_s = time.monotonic()
            done = await (self._look([subject]) if "/" in subject else self._count(subject))
            if not done:
                self._counts.clear()  # a listing comes, and with it a new sweep
            self._counts.done(subject, began_s, time.monotonic())

    async def _count(self, bucket: str) -> bool:
        """Count one bucket, as ``_look`` does; it may be new, or gone."""
        await asyncio.sleep(self._rest.left_s(time.monotonic()))
        began_s = time.monotonic()
        outcome = await self._source.count([bucket])
        known = self.view.outcome if self.view is not None else None
        if not isinstance(outcome, contents.Listing) or not isinstance(known, contents.Listing):
            self._fail(outcome)
            return False
        self._bucket_checks.asked([bucket], began_s)
        self._counted_s[bucket] = began_s
        was_there, is_there = bucket in known.buckets, bucket in outcome.buckets
        self._see(views.counted(known, bucket, outcome))
        if was_there == is_there:
            self._changed({bucket})
        else:
            self._sweep(outcome.buckets, is_whole=True)
            self._changed(None)
        return True

    # ---- the notice lane ----

    async def _notice_lane(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s, is_open, complained = _BACKOFF_S[0], False, False

        def opened() -> None:
            nonlocal is_open, pause_s
            is_open, pause_s = True, _BACKOFF_S[0]
            self._is_heard = True
            self._figures.announces(self.store.name, True)
            loop.call_later(notices.SETTLING_S, self._ask_for_all)

        while True:
            await self._announces.wait()
            if self._found is None:
                continue
            ending = await notices.listen(
                self.store,
                self._found,
                opened=opened,
                changed=self._hear,
                dropped=self._dropped,
                timeout_s=self._limits.timeout_s,
            )
            self._is_heard = False
            self._figures.announces(self.store.name, False)
            log.debug("no more notices", store=self.store.name, why=ending.message)
            if ending.refused and not complained:
                complained = True
                log.info("store announces no changes, so it is re-listed", store=self.store.name, why=ending.message)
            if is_open:
                self._ask_for_all()  # it may be down
            is_open = False
            await asyncio.sleep(_REFUSED_S if ending.refused else pause_s * random.uniform(0.7, 1.3))  # noqa: S311
            pause_s = min(2 * pause_s, _BACKOFF_S[1])

    def _ask_for_all(self) -> None:
        self._miss()
        self.ask()

    def _dropped(self) -> None:
        """Something was announced that could not be understood: a listing finds it, though not one for each."""
        self._figures.dropped(self.store.name)
        if self._missed_s >= self._whole_s:  # one is coming anyway
            return
        self._miss()
        now_s = time.monotonic()
        self._dropped_s = max(now_s, self._dropped_s + _DROPPED_S)
        asyncio.get_running_loop().call_later(self._dropped_s - now_s, self.ask)

    def _hear(self, bucket: str, key: str) -> None:
        """Something happened to ``key``, or to the bucket itself."""
        self._figures.heard(self.store.name)
        if not self.holds(bucket) and bucket not in self._counts and self._strangers() >= _MAX_NEW:
            self._dropped()
            return
        self._count_soon(bucket)
        if not key:
            return
        urn = f"{bucket}/{key}"
        if self._wanted.has(urn) and not urn.endswith("/"):
            self._look_up_hot(urn)
        for end, letter in enumerate(key, start=len(bucket) + 2):
            if letter == "/" and self._wanted.has(urn[:end]):
                self._count_soon(urn[:end])

    def _strangers(self) -> int:
        """How many buckets wait to be counted that are not known yet."""
        return sum("/" not in subject and not self.holds(subject) for subject in self._counts)

    def _look_up_hot(self, urn: str) -> None:
        """Look a key up at once, and then for all notices of a second together."""
        wait_s = self._hot.wait_s(urn, time.monotonic())
        if wait_s is not None:
            asyncio.get_running_loop().call_later(wait_s, self.look_up, urn)
