"""Keeps the ledger in ConfigMaps: for a restart, and for the other replicas.

Each consumer has one ConfigMap in the webhook's own namespace. All replicas follow them by a watch and merge what they
find into their ledgers. A change is written at once; what comes while that is done, or shortly after, goes into one
further write, the later the more there is to write for all. A write names the version that it replaces, so of two
replicas that write at the same time one is refused, reads what the other wrote, merges and writes again: as merging is
the same in every order, nothing is lost and both come to hold the same. ``keep`` returns when the write that holds the
change has succeeded, so that whoever sent an event is told only then.

What nobody needs any more is deleted by whichever replica notices first, again for a certain version only: an event
that comes to another replica meanwhile makes the deletion fail, not the event get lost.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import random
from collections.abc import Sequence
from typing import Final

import msgspec
import structlog

from scheduler import errors
from scheduler.api import core, names
from scheduler.kube import client, informer, mishaps
from webhook import facts
from webhook.events import ledger, messages, metrics, statements

log = structlog.get_logger(__name__)

# Between two writes for the same consumer. Some senders wait for an answer before they send the next event (a store
# with a queue does), so this bounds how fast they can tell.
PAUSE_S: Final = 0.05
SPACING_S: Final = 0.01  # between writes for any, in the long run: 100 a second, however many are active
# Likewise in bytes: etcd keeps every version for five minutes or more, so this is 75 MiB of its space at most.
BYTES_PER_S: Final = 2**18
LANES: Final = 4  # writes at once
ATTEMPTS: Final = 8
DEADLINE_S: Final = 5.0
SWEEP_S: Final = 30.0

_KEY: Final = "events"
_READABLE: Final = 200  # of a ConfigMap's name; the rest is a digest


class _ConfigMap(msgspec.Struct):
    metadata: core.ObjectMeta
    data: dict[str, str] = {}


class _Written(msgspec.Struct, frozen=True):
    """What stands in a ConfigMap. The consumer too, as a name that is cut cannot be read back."""

    consumer: facts.Consumer
    kept: statements.Kept


@dataclasses.dataclass(frozen=True)
class _Known:
    """A ConfigMap as it was last seen; ``consumer`` is None where it holds nothing usable."""

    consumer: facts.Consumer | None
    uid: str
    version: str


@dataclasses.dataclass
class _Slot:
    """The writing for one consumer: how often it changed, up to where that is written, and who waits for it."""

    changes: int = 0
    written: int = 0
    next_s: float = 0.0
    waiting: list[tuple[int, asyncio.Future[None]]] = dataclasses.field(default_factory=list)
    task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return self.task is not None and not self.task.done()


class Keeper:
    """Writes a ledger down and fills it from what is written. Run one, and only one, for a ledger.

    Attributes:
        synced: Set once everything that was written before has been read.
    """

    def __init__(
        self,
        api: client.Api,
        book: ledger.Ledger,
        namespace: str,
        figures: metrics.Metrics,
        *,
        pause_s: float = PAUSE_S,
        sweep_s: float = SWEEP_S,
        failures: mishaps.Mishaps | None = None,
    ) -> None:
        self._api = api
        self._book = book
        self._namespace = namespace
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"
        self._figures = figures
        self._pause_s = pause_s
        self._sweep_s = sweep_s
        self._known: dict[str, _Known] = {}
        self._slots: dict[facts.Consumer, _Slot] = {}
        self._lanes = asyncio.Semaphore(LANES)
        self._crowded = asyncio.Event()
        self._counted = 0  # of the ledger's dropped, what the metric has
        selector = {"labelSelector": f"{names.EVENTS_LABEL}=true"}
        self._informer = informer.Informer(api, self._path, _ConfigMap, _Follower(self), selector, failures=failures)
        self.synced = self._informer.synced
        figures.consumers.set_function(lambda: len(book))

    async def run(self) -> None:
        """Follow, and delete what is no longer needed, until cancelled; writes that are under way end with it."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._informer.run(), name="events read")
                group.create_task(self._sweep(), name="events swept")
        finally:
            writing = [slot.task for slot in self._slots.values() if slot.task is not None and slot.busy]
            for task in writing:
                task.cancel()
            if writing:
                await asyncio.wait(writing)

    async def keep(self, consumer: facts.Consumer, said: Sequence[messages.Message]) -> bool:
        """Take in what events say and write it down; returns False if all of it was known.

        What was known is waited for as well, should it not be written yet: a sender that asks again wants to know that
        it is safe.

        Raises:
            ApiError: it could not be written. It counts here, but may be lost; it should be sent again.
        """
        slot = self._slots.setdefault(consumer, _Slot())
        changed = self._book.add(consumer, said)
        self._count_dropped()
        slot.changes += changed
        if slot.written < slot.changes:
            future = asyncio.get_running_loop().create_future()
            slot.waiting.append((slot.changes, future))
            self._start(consumer, slot)
            await future
        return changed

    # ------------------------------------------------------------------------------------------------------- writing

    def _start(self, consumer: facts.Consumer, slot: _Slot) -> None:
        if not slot.busy:
            slot.task = asyncio.create_task(self._write(consumer, slot), name="events written")

    async def _write(self, consumer: facts.Consumer, slot: _Slot) -> None:
        loop = asyncio.get_running_loop()
        failure: errors.ApiError = errors.UnreachableError(0, "Stopped", "the process ends")
        try:
            while slot.written < slot.changes:
                await asyncio.sleep(slot.next_s - loop.time())
                async with self._lanes:
                    target = slot.changes
                    size_bytes = await self._put(consumer)
                active = sum(other.busy for other in self._slots.values())
                share_s = active * max(SPACING_S, size_bytes / BYTES_PER_S)
                slot.next_s = loop.time() + max(self._pause_s, share_s)
                slot.written = target
                for _, future in [one for one in slot.waiting if one[0] <= target]:
                    if not future.done():  # as it is when its request was given up
                        future.set_result(None)
                slot.waiting = [one for one in slot.waiting if one[0] > target]
        except errors.ApiError as error:
            self._figures.writes.labels(outcome="failed").inc()
            log.warning("what events said could not be written", consumer=_title(consumer), error=str(error))
            failure = error
        finally:
            waiting, slot.waiting = slot.waiting, []
            for _, future in waiting:
                if not future.done():
                    future.set_exception(failure)

    async def _put(self, consumer: facts.Consumer) -> int:
        """Write what is kept; returns how many bytes that took."""
        name = name_of(consumer)
        for _ in range(ATTEMPTS):
            kept = self._book.kept(consumer)
            if not kept.seen:
                return 0  # dropped meanwhile, as there are too many, or expired while the API server was away
            known = self._known.get(name)
            body = self._body(name, _Written(consumer, kept), known)
            try:
                if known is None:
                    answer = await self._api.post(self._path, body, deadline_s=DEADLINE_S)
                else:
                    answer = await self._api.put(f"{self._path}/{name}", body, deadline_s=DEADLINE_S)
            except errors.ConflictError:
                self._figures.writes.labels(outcome="conflict").inc()
                await self._reread(name)
            except errors.NotFoundError:
                if known is None:
                    raise  # the namespace
                self._known.pop(name, None)
            else:
                self._figures.writes.labels(outcome="written").inc()
                meta = core.decode(answer, _ConfigMap, self._path).metadata
                self._known[name] = _Known(consumer, meta.uid, meta.resource_version)
                return len(body)
        raise errors.ConflictError(409, "Conflict", f"{name} changed {ATTEMPTS} times while it was written")

    def _body(self, name: str, written: _Written, known: _Known | None) -> bytes:
        metadata = {"name": name, "namespace": self._namespace, "labels": {names.EVENTS_LABEL: "true"}}
        if known is not None:
            metadata["resourceVersion"] = known.version
        data = {_KEY: msgspec.json.encode(written).decode()}
        return msgspec.json.encode({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})

    async def _reread(self, name: str) -> None:
        try:
            answer = await self._api.get(f"{self._path}/{name}", deadline_s=DEADLINE_S)
        except errors.NotFoundError:
            self._known.pop(name, None)
            return
        self.apply(core.decode(answer, _ConfigMap, self._path))

    # ----------------------------------------------------------------------------------------------------- following

    def apply(self, found: _ConfigMap) -> None:
        """Take in a ConfigMap as it is now."""
        meta = found.metadata
        before = self._known.get(meta.name)
        if before is not None and (before.uid, before.version) == (meta.uid, meta.resource_version):
            return  # our own write
        written = _read(found)
        consumer = written.consumer if written else before.consumer if before else None
        self._known[meta.name] = _Known(consumer, meta.uid, meta.resource_version)
        if written:
            self._book.merge(written.consumer, written.kept)
            self._count_dropped()
        elif consumer is not None and consumer in self._book:
            slot = self._slots.setdefault(consumer, _Slot())
            slot.changes += 1
            self._start(consumer, slot)

    def remove(self, name: str, uid: str) -> None:
        """Take in that a ConfigMap is gone; ``uid`` tells it from one that was made since under its name."""
        known = self._known.get(name)
        if known is None or known.uid != uid:
            return
        del self._known[name]
        if known.consumer is None:
            return
        slot = self._slots.get(known.consumer)
        if slot is None or not slot.busy:  # else what is kept is about to be written again
            self._book.forget(known.consumer)

    def _count_dropped(self) -> None:
        if new := self._book.dropped - self._counted:
            self._counted = self._book.dropped
            self._figures.dropped.inc(new)
            self._crowded.set()

    # ------------------------------------------------------------------------------------------------------ sweeping

    async def _sweep(self) -> None:
        await self.synced.wait()
        while True:
            self._crowded.clear()
            self._book.expire()
            for name, known in list(self._known.items()):
                if known.consumer is not None and known.consumer not in self._book:
                    await self._delete(name, known)
            idle_s = asyncio.get_running_loop().time()
            for consumer, slot in list(self._slots.items()):
                if not slot.busy and slot.written == slot.changes and slot.next_s < idle_s:
                    del self._slots[consumer]
            pause_s = self._sweep_s * random.uniform(0.5, 1.0)  # noqa: S311 - so that replicas do not sweep together
            try:
                async with asyncio.timeout(pause_s):
                    await self._crowded.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(self._pause_s)

    async def _delete(self, name: str, known: _Known) -> None:
        preconditions = {"uid": known.uid, "resourceVersion": known.version}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        try:
            await self._api.delete(f"{self._path}/{name}", msgspec.json.encode(body), deadline_s=DEADLINE_S)
        except (errors.ConflictError, errors.NotFoundError):
            return  # the watch tells what it is now
        except errors.ApiError as error:
            log.warning("what is expired could not be deleted, trying again later", name=name, error=str(error))
            return
        self._figures.writes.labels(outcome="deleted").inc()
        if self._known.get(name) == known:
            del self._known[name]


class _Follower:
    """What the informer calls."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def apply(self, obj: _ConfigMap) -> None:
        self._keeper.apply(obj)

    def remove(self, key: informer.Key) -> None:
        self._keeper.remove(key.name, key.uid)

    def replaced(self, count: int) -> None:
        """Nothing waits for it but ``synced``, which the informer sets."""


def name_of(consumer: facts.Consumer) -> str:
    """The name of a consumer's ConfigMap: readable as far as there is room."""
    title = f"{consumer.namespace}.{consumer.name}"
    digest = hashlib.blake2b(title.encode(), digest_size=8).hexdigest()
    return f"events.{title[:_READABLE].rstrip('.-')}-{digest}"


def _read(found: _ConfigMap) -> _Written | None:
    """What is written in a ConfigMap; None, with a line in the log, where it cannot be ours."""
    name = found.metadata.name
    try:
        written = msgspec.json.decode(found.data.get(_KEY, ""), type=_Written)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        log.warning("ConfigMap ignored, as it is not what was written", name=name, error=str(error))
        return None
    if name_of(written.consumer) != name:
        log.warning("ConfigMap ignored, as it is a copy of another one", name=name, other=name_of(written.consumer))
        return None
    return written


def _title(consumer: facts.Consumer) -> str:
    return f"{consumer.namespace}/{consumer.name}"
