"""What an S3 server holds: its buckets, how much is in each, and the keys that somebody named.

A bucket is paged through up to ``max_keys``; a bucket with 10^8 keys costs no more than one with ten thousand. A
listing has a budget of time, requests and bytes, past which the counts are lower bounds and buckets uncounted; what is
left out is another part each time.

A server that does not say which buckets it has, as public ones do not, is asked for those that somebody named: one is
there that can be counted, or of which a key can be seen. A bucket that may be read and not listed is there without a
content, and its keys are looked up one by one all the same.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import itertools
import random
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from daemon.stores import contents, credentials
from daemon.stores.s3 import answers, client, faults
from scheduler.api import urns as grammar

_AT_ONCE: Final = 4  # requests of a lane in flight: a store that is far away answers in a tenth of a second
_PAGE_KEYS: Final = 1000  # S3's
_MAX_KEY_BYTES: Final = 1024  # S3's
_MAX_REMEMBERED: Final = 2_000  # names that the server cannot hold
_MAX_HIDDEN: Final = 50  # buckets that are looked for where none are told
_MAX_BUCKETS: Final = 50_000
_MAX_UNNAMEABLE: Final = 100
_SHOWABLE: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")
_HEALTH_PATH: Final = "/minio/health/live"  # what no other server answers

Effect = faults.Effect
Found = contents.Content | faults.Fault


# These say nothing about the store where they concern a single answer: the next bucket may have better ones.
_OF_ONE_ANSWER: Final = frozenset({"Timeout", "NotS3", "Busy"})
_CLOSING: Final = frozenset({"AccessDenied", "WrongRegion", "NotImplemented"})
_IMPOSSIBLE: Final = faults.Fault(Effect.GONE, "NotFound", "cannot hold a key of this name")
_NOTHING: Final = faults.Fault(Effect.GONE, "NotFound", "has nothing below this prefix")
_UNREADABLE: Final = faults.Fault(Effect.BUCKET, "NotS3", "does not say how large it is")


class Server:
    """An S3 server as a ``sources.Source``."""

    def __init__(self, s3: client.Client) -> None:
        self._s3 = s3
        self._impossible: set[str] = set()

    async def use(self, access: credentials.Access) -> None:
        await self._s3.use(access)

    async def close(self) -> None:
        await self._s3.close()

    async def list_store(
        self, *, urns: Iterable[str] = (), skip: Collection[str] = (), named: Callable[[], Iterable[str]] = tuple
    ) -> contents.Listing | contents.Failure:
        budget = client.Budget(self._s3.limits)
        listed = await self._buckets(budget)
        if isinstance(listed, faults.Fault):
            hidden = await self._hidden([*urns, *named()], budget) if listed.hides_buckets else None
            return hidden or listed.failure(self._s3.store)
        buckets = {name for name in listed if not grammar.bucket_fault(name)}
        found = await self._looked_up([urn for urn in urns if contents.bucket_of(urn) in buckets], budget)
        if isinstance(found, contents.Failure):
            return found
        counted = await self._counted(buckets, skip, budget)
        if isinstance(counted, contents.Failure):
            return counted
        return dataclasses.replace(
            counted,
            technology=await self._technology(budget),
            found=found.found,
            missing=found.missing,
            unnameable=frozenset(itertools.islice(filter(_SHOWABLE.fullmatch, listed - buckets), _MAX_UNNAMEABLE)),
            note=self._note(),
        )

    async def look_up(self, urns: Iterable[str]) -> contents.Listing | contents.Failure:
        return await self._looked_up(list(urns), client.Budget(self._s3.limits))

    async def count(self, buckets: Iterable[str]) -> contents.Listing | contents.Failure:
        return await self._counted(set(buckets), (), client.Budget(self._s3.limits))

    async def _buckets(self, budget: client.Budget) -> set[str] | faults.Fault:
        listed: set[str] = set()
        query: dict[str, str] = {}
        while True:
            document = answers.Buckets()
            fault = await self._s3.read("", query, document, "ListAllMyBucketsResult", budget=budget)
            if fault is not None:
                return fault
            listed.update(document.names)
            token = document.token
            if not token or query.get("continuation-token") == token or budget.is_spent() or len(listed) > _MAX_BUCKETS:
                return listed
            query = {"continuation-token": token}

    async def _hidden(self, urns: Sequence[str], budget: client.Budget) -> contents.Listing | None:
        """What is there of the buckets of ``urns``, None where nothing is."""
        candidates = set(itertools.islice(dict.fromkeys(map(contents.bucket_of, urns)), _MAX_HIDDEN))
        counted = await self._counted(candidates, (), budget)
        if isinstance(counted, contents.Failure):
            return None
        keys = [urn for urn in urns if "/" in urn and contents.bucket_of(urn) in counted.buckets]
        found = await self._looked_up(keys, budget)
        if isinstance(found, contents.Failure):
            return None
        seen = {contents.bucket_of(urn) for urn in found.found}
        # A server may say of a bucket that is not there, too, that it is closed.
        buckets = {name: content for name, content in counted.buckets.items() if content is not None or name in seen}
        if not buckets:
            return None
        return dataclasses.replace(
            counted,
            technology=await self._technology(budget),
            buckets=buckets,
            uncounted=counted.uncounted & buckets.keys(),
            closed={name: words for name, words in counted.closed.items() if name in buckets},
            found=found.found,
            missing=frozenset(urn for urn in found.missing if contents.bucket_of(urn) in buckets),
            note=self._note(),
        )

    # ---- how much is in buckets and prefixes ----

    async def _counted(
        self, buckets: Collection[str], skip: Collection[str], budget: client.Budget
    ) -> contents.Listing | contents.Failure:
        counted: dict[str, contents.Content | None] = dict.fromkeys(buckets)
        uncounted = set(buckets)
        closed: dict[str, faults.Fault] = {}
        is_busy = False
        for some in _in_groups(set(buckets).difference(skip)):
            if is_busy or budget.is_spent():
                break
            answers_to_some = await asyncio.gather(*(self._bucket(name, budget) for name in some))
            for name, content in zip(some, answers_to_some, strict=True):
                if not isinstance(content, faults.Fault):
                    counted[name] = content
                    uncounted.discard(name)
                elif content.effect is Effect.GONE:  # deleted since it was listed
                    del counted[name]
                    uncounted.discard(name)
                elif content.effect is Effect.BUCKET or content.reason in _OF_ONE_ANSWER:
                    # The store answered: the other buckets may well be readable. Of this one nothing new is known,
                    # unless it was said that nothing will be.
                    closed[name] = content
                    is_busy = is_busy or content.effect is Effect.LATER
                    if content.reason in _CLOSING:
                        uncounted.discard(name)
                else:
                    return content.failure(self._s3.store)
        elsewhere = [fault for fault in closed.values() if fault.reason == "WrongRegion"]
        if elsewhere and len(elsewhere) == len(counted):  # MinIO lists its buckets whatever region is asked for
            return elsewhere[0].failure(self._s3.store)
        words = {name: fault.words.lstrip(": ") for name, fault in closed.items()}
        return contents.Listing(buckets=counted, uncounted=frozenset(uncounted), closed=words)

    async def _bucket(self, bucket: str, budget: client.Budget) -> Found:
        content = await self._sum(bucket, "", budget)
        if isinstance(content, contents.Content) and content.object_count >= _PAGE_KEYS:
            # MinIO ends the listing of a bucket that was deleted between two pages as if that were all.
            there = await self._s3.head(bucket, budget=budget)
            if isinstance(there, faults.Fault) and there.effect is Effect.GONE:
                return there
        return content

    async def _sum(self, bucket: str, prefix: str, budget: client.Budget) -> Found:
        max_keys = self._s3.limits.max_keys
        size_bytes = count = 0
        newest: datetime.datetime | None = None
        query = {"list-type": "2", "max-keys": str(_PAGE_KEYS), "encoding-type": "url", "prefix": prefix}
        for number in itertools.count(1):
            page = answers.Page()
            fault = await self._s3.read(bucket, query, page, "ListBucketResult", budget=budget)
            if fault is not None:
                return fault
            kept = page.sizes_bytes[: max_keys - count]
            count += len(kept)
            size_bytes = min(size_bytes + sum(kept), answers.MAX_TOTAL_BYTES)
            newest = max(filter(None, (newest, page.newest)), default=None)
            is_cut = len(kept) < len(page.sizes_bytes)
            # Pages may be short, as deleted objects make them, but a server could go on so for ever.
            is_stuck = page.token == query.get("continuation-token", "") or number * _PAGE_KEYS > 4 * max_keys
            if is_cut or (page.is_truncated and (count >= max_keys or is_stuck or budget.is_spent())):
                return contents.Content(size_bytes, count, complete=False, last_modified=answers.rfc3339(newest))
            if not page.is_truncated:
                return contents.Content(size_bytes, count, last_modified=answers.rfc3339(newest))
            query["continuation-token"] = page.token
        raise AssertionError("unreachable")

    # ---- keys ----

    async def _looked_up(self, urns: Sequence[str], budget: client.Budget) -> contents.Listing | contents.Failure:
        """What the urns hold, and which of them are not there; a urn in neither is unknown."""
        found: dict[str, contents.Content] = {}
        missing: set[str] = set()
        for some in _in_groups(urns, self._s3.limits.max_lookups):
            if budget.is_spent():
                break
            for urn, content in zip(some, await asyncio.gather(*(self._urn(u, budget) for u in some)), strict=True):
                if not isinstance(content, faults.Fault):
                    found[urn] = content
                elif content.effect is Effect.GONE:
                    missing.add(urn)
                elif content.effect is not Effect.BUCKET:
                    return content.failure(self._s3.store)
        return contents.Listing(found=found, missing=frozenset(missing))

    async def _urn(self, urn: str, budget: client.Budget) -> Found:
        bucket, _, key = urn.partition("/")
        if urn in self._impossible or not _can_be(key):
            return _IMPOSSIBLE
        if not key or key.endswith("/"):
            content = await self._sum(bucket, key, budget)
            is_nothing = key and isinstance(content, contents.Content) and not content.object_count
            return _NOTHING if is_nothing else content
        headers = await self._s3.head(bucket, key, budget=budget)
        if not isinstance(headers, faults.Fault):
            return answers.content_of(headers) or _UNREADABLE
        if headers.is_lasting and len(self._impossible) < _MAX_REMEMBERED:
            self._impossible.add(urn)
        return headers

    # ---- the server itself ----

    async def _technology(self, budget: client.Budget) -> str:
        """``minio`` for a store that can announce changes."""
        if self._s3.store.technology:
            return self._s3.store.technology
        return "minio" if await self._s3.answers_at(_HEALTH_PATH, budget=budget) else "s3"

    def _note(self) -> str:
        ahead_s = self._s3.ahead_s
        if abs(ahead_s) < faults.SKEW_S:
            return ""
        # Without the figure, which would change, and be written, again and again.
        return f"its clock is minutes {'ahead of' if ahead_s > 0 else 'behind'} this node's"


def _in_groups(subjects: Iterable[str], limit: int | None = None) -> Iterable[list[str]]:
    """In another order each time, so that what a limit leaves out is not always the same."""
    mixed = list(subjects)
    random.shuffle(mixed)
    mixed = mixed[:limit]
    return (mixed[start : start + _AT_ONCE] for start in range(0, len(mixed), _AT_ONCE))


def _can_be(key: str) -> bool:
    """Whether S3 can hold a key of this name: some ways to a server do away with dots between slashes."""
    return (
        len(key) <= _MAX_KEY_BYTES
        and len(key.encode("utf-8", "surrogatepass")) <= _MAX_KEY_BYTES
        and not any(part in {".", ".."} for part in key.split("/"))
    )
