"""Keeps a handler equal to what the API server holds of one kind: list, then watch, for ever.

The handler gets ``apply`` for every object that is there and ``remove`` for every one that no longer is, on the event
loop's thread and never concurrently. What the handler may rely on:

- A relist (410, an error in the stream, a 403 that ended) reports what vanished meanwhile: only the names and uids
  known so far can tell that, as no DELETED event will ever come for them.
- An object that was deleted and made anew under its name is removed (old uid) before the new one is applied.
- ``apply`` may repeat an object unchanged. ``replaced`` marks the end of every full list.
- With a field selector, an object that no longer matches is removed, though it still exists.

The loop ends by cancellation only: an API server that is away, throttles or refuses is asked again with growing,
jittered pauses. A watch that is silent for longer than the server's bookmarks are apart is taken for dead and opened
again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec
import structlog

from scheduler import errors
from scheduler.api import core
from scheduler.kube import client, failures, mishaps

log = structlog.get_logger(__name__)

CHUNK: Final = 500  # objects a list request; client-go's page size
TURN_EVERY: Final = 50  # objects of a list taken in between two turns of the loop: at 0.1 ms each, some milliseconds
SILENCE_S: Final = 70.0  # bookmarks come every 60 s (defaultBookmarkFrequency in apiserver's cacher.go), plus jitter
BACKOFF_MIN_S: Final = 0.2
BACKOFF_MAX_S: Final = 10.0
WATCH_S: Final = (300, 600)  # as client-go: a server that was restarted gets its share of the watches back
_METADATA: Final = f"{client.JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_METADATA_LIST: Final = f"{client.JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Key(msgspec.Struct, frozen=True, gc=False):
    """Which object is gone; ``namespace`` is "" for cluster-scoped kinds."""

    namespace: str
    name: str
    uid: str


class HasMetadata(Protocol):
    """Any typed API object."""

    @property
    def metadata(self) -> core.ObjectMeta: ...


T = TypeVar("T", bound=HasMetadata)
T_contra = TypeVar("T_contra", contravariant=True)


class Handler(Protocol[T_contra]):
    """What follows the objects. The methods must not await: they are the one writer of their state.

    One that raises costs that object, until it changes again: the informer goes on.
    """

    def apply(self, obj: T_contra) -> None:
        """The object exists, as given."""

    def remove(self, key: Key) -> None:
        """The object is gone, or no longer matches the selector."""

    def replaced(self, count: int) -> None:
        """A full list of ``count`` objects has just been applied, and what it lacked was removed."""


class _Metadata(msgspec.Struct, rename="camel"):
    """No more than is needed: a bookmark's other fields are null from older servers."""

    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = ""


class _Meta(msgspec.Struct):
    metadata: _Metadata


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str | None = msgspec.field(default=None, name="continue")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    """The envelope; what is in it depends on the type, so that it is decoded second."""

    type: str
    object: msgspec.Raw


_BROKEN: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_decode_list = msgspec.json.Decoder(_List).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_meta = msgspec.json.Decoder(_Meta).decode


class Informer(Generic[T]):
    """Follows one resource.

    Args:
        path: The collection, such as ``/api/v1/pods``.
        kind: The struct that an object is decoded into.
        params: Query parameters for list and watch alike, such as a fieldSelector.
        metadata_only: Have the server send the metadata of objects alone; ``kind`` must need no more.
        watch_s: How long a watch is open before it is opened anew, at least and at most.
        first_from_cache: The first list may be some moments old, which saves the server a look into its database: for
            the many who begin at once. The watch brings what it lacks. Every further list is as new as can be, as it
            must not be older than what was seen (client-go's Reflector does the same).
        on_misfit: Told the name of the kind for each object that cannot be decoded, whenever it comes.

    Attributes:
        synced: Set from the first full list on.
        is_following: Whether a list was had and nothing is known to be wrong with the watch since.
        fault: Why the last list or watch failed, None once another one works.
        misfits: Namespace and name of what is there and cannot be decoded.
    """

    def __init__(
        self,
        api: client.Api,
        path: str,
        kind: type[T],
        handler: Handler[T],
        params: Mapping[str, str] | None = None,
        *,
        metadata_only: bool = False,
        silence_s: float = SILENCE_S,
        chunk: int = CHUNK,
        backoff_max_s: float = BACKOFF_MAX_S,
        failures: mishaps.Mishaps | None = None,
        watch_s: tuple[int, int] = WATCH_S,
        first_from_cache: bool = False,
        on_misfit: Callable[[str], None] | None = None,
    ) -> None:
        self.synced = asyncio.Event()
        self.is_following = False
        self.fault: errors.ApiError | None = None
        self.misfits: set[tuple[str, str]] = set()
        self.last_event_s = time.monotonic()  # when the server was last heard of, bookmarks included
        self.relists = 0
        self.undecodable = 0
        self._api = api
        self._path = path
        self._kind = kind
        self._decoder = msgspec.json.Decoder(kind)
        self._handler = handler
        self._params = dict(params or {})
        self._accept = (_METADATA_LIST, _METADATA) if metadata_only else (client.JSON, client.JSON)
        self._silence_s = silence_s
        self._chunk = chunk
        self._backoff_max_s = backoff_max_s
        self._failures = failures or mishaps.Mishaps()
        self._watch_s = watch_s
        self._may_be_old = first_from_cache
        self._on_misfit = on_misfit
        self._pause_s = BACKOFF_MIN_S
        self._known: dict[tuple[str, str], str] = {}  # (namespace, name) -> uid
        self._version = ""  # "" means: list first
        self._refused = False

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except errors.ApiError as error:
                await self._recover(error)
            except Exception as bug:  # noqa: BLE001 (whatever it was about, a new list may not meet it again)
                self._failures.caught("informer", bug, path=self._path)
                await self._recover(errors.ApiError(0, "InternalError", f"{self._path}: {type(bug).__name__}"))

    async def _list(self) -> None:
        """List everything in chunks, apply it, and remove what is known but was not listed."""
        seen: set[tuple[str, str]] = set()
        chunk = {"limit": str(self._chunk)} | ({"resourceVersion": "0"} if self._may_be_old else {})
        while True:
            try:
                data = await self._api.get(self._path, self._params | chunk, accept=self._accept[0])
            except errors.GoneError:
                if "continue" not in chunk:
                    raise
                # The server compacted the snapshot that we were paging through. In one piece the list cannot expire.
                seen.clear()
                chunk = {}
                continue
            try:
                page = _decode_list(data)
                for count, item in enumerate(page.items or (), 1):
                    self._apply(item, seen)
                    if not count % TURN_EVERY:
                        await asyncio.sleep(0)
            except _BROKEN as error:
                raise errors.ApiError(200, "Undecodable", f"{self._path}: the answer is no list: {error}") from error
            self.last_event_s = time.monotonic()
            if not page.metadata.continue_:
                break
            chunk = {"limit": str(self._chunk), "continue": page.metadata.continue_}
        for place in [place for place in self._known if place not in seen]:
            self._remove(place)
        self.misfits &= seen
        self.fault = None
        self._version = page.metadata.resource_version
        self._may_be_old = False
        self.relists += self.synced.is_set()
        with self._failures.contained("informer", path=self._path):
            self._handler.replaced(len(self._known))
        self.synced.set()

    async def _watch(self) -> None:
        """Follow one watch until it ends, which the server lets happen every few minutes."""
        params = self._params | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(random.randint(*self._watch_s)),  # noqa: S311 - spreads the reconnects of many clients
        }
        opened_s = time.monotonic()
        events = 0
        # Only a watch that works ends a row of failures: a list may succeed where the watch is refused or too old.
        stream = self._api.stream(self._path, params, silence_s=self._silence_s, accept=self._accept[1])
        self.is_following = True
        async with contextlib.aclosing(stream) as lines:
            async for line in lines:
                self._event(line)
                events += 1
        if not events and time.monotonic() - opened_s < 1.0:
            # A proxy that answers every watch with an empty 200 must not make this a busy loop.
            raise errors.UnreachableError(0, "EmptyWatch", f"{self._path}: the watch ended at once")

    def _event(self, line: bytes) -> None:
        try:
            event = _decode_event(line)
            if event.type == "BOOKMARK":
                self._version = _decode_meta(event.object).metadata.resource_version or self._version
            elif event.type in {"ADDED", "MODIFIED"}:
                self._version = self._apply(event.object, None)
            elif event.type == "DELETED":
                meta = _decode_meta(event.object).metadata
                self._version = meta.resource_version
                self.misfits.discard((meta.namespace, meta.name))
                self._remove((meta.namespace, meta.name))
            elif event.type == "ERROR":
                raise failures.in_stream(event.object)
            else:
                log.warning("watch event of an unknown type ignored", path=self._path, type=event.type)
        except _BROKEN as error:
            # Whatever this was about, only a new list can tell.
            raise errors.GoneError(0, "Undecodable", f"{self._path}: {error}") from error
        self.last_event_s = time.monotonic()
        self._healthy()

    def _apply(self, data: msgspec.Raw, seen: set[tuple[str, str]] | None) -> str:
        """Hand one object over; returns its resourceVersion."""
        obj: T | None
        try:
            obj = self._decoder.decode(data)
            meta: core.ObjectMeta | _Metadata = obj.metadata
        except _BROKEN:
            obj, meta = self._decode_slowly(data)
        place = (meta.namespace, meta.name)
        if seen is not None:
            seen.add(place)
        if obj is None:
            self.misfits.add(place)
            return meta.resource_version
        self.misfits.discard(place)
        if self._known.get(place, meta.uid) != meta.uid:
            self._remove(place)
        self._known[place] = meta.uid
        try:
            self._handler.apply(obj)
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            self._failures.caught("informer", bug, path=self._path, object=f"{meta.namespace}/{meta.name}")
        return meta.resource_version

    def _decode_slowly(self, data: msgspec.Raw) -> tuple[T | None, core.ObjectMeta | _Metadata]:
        """Decode an object with nulls in it; one that does not fit is reported, and its last good form stays."""
        try:
            obj = core.decode(data, self._kind, self._path)
        except errors.InputError as error:
            meta = _decode_meta(data).metadata
            self.undecodable += 1
            if self._on_misfit is not None:
                self._on_misfit(self._kind.__name__)
            name = f"{meta.namespace}/{meta.name}"
            log.warning("object ignored, as it does not fit", path=self._path, object=name, error=error.remedy)
            return None, meta
        return obj, obj.metadata

    def _remove(self, place: tuple[str, str]) -> None:
        uid = self._known.pop(place, None)
        if uid is not None:
            with self._failures.contained("informer", path=self._path, gone="/".join(place)):
                self._handler.remove(Key(*place, uid))

    def _healthy(self) -> None:
        self._pause_s = BACKOFF_MIN_S
        self.fault = None
        if self._refused:
            self._refused = False
            log.info("resource can be read again", path=self._path)

    async def _recover(self, error: errors.ApiError) -> None:
        """Say what happened, decide whether the watch can go on from where it was, and wait."""
        self.is_following = False
        self.fault = error
        pause_s = self._pause_s
        self._pause_s = min(pause_s * 2, self._backoff_max_s)
        if isinstance(error, errors.GoneError):
            log.info("watch is too old, listing again", path=self._path, error=str(error))
            self._version = ""
        elif isinstance(error, errors.DeniedError | errors.NotFoundError):
            self._report_refusal(error)
            self._version = ""
            pause_s = self._backoff_max_s
        elif isinstance(error, errors.UnreachableError | errors.ThrottledError):
            log.info("watch interrupted", path=self._path, error=str(error), retry_s=round(pause_s, 2))
        else:
            log.warning("list or watch failed, listing again", path=self._path, error=str(error))
            self._version = ""
        jittered_s = pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - only spreads the load
        await asyncio.sleep(max(jittered_s, error.retry_after_s))

    def _report_refusal(self, error: errors.ApiError) -> None:
        """Say once, not every ten seconds, why nothing comes."""
        if self._refused:
            return
        self._refused = True
        if isinstance(error, errors.NotFoundError):
            remedy = "this server does not know the resource; apply the manifests under crds/ first"
        elif error.status == 401:
            remedy = "the credentials are not accepted; check the kubeconfig or the service account's token"
        else:
            remedy = "RBAC does not allow it; grant get, list and watch on this resource to our service account"
        log.error("resource cannot be read, still trying", path=self._path, error=str(error), remedy=remedy)


async def run_all(informers: Collection[Informer[Any]], synced: asyncio.Event) -> None:
    """Run them until cancelled; the event is set once each has read its list, at once where there are none."""
    async with asyncio.TaskGroup() as watches:
        for one in informers:
            watches.create_task(one.run())
        await asyncio.gather(*(one.synced.wait() for one in informers))
        synced.set()
        await asyncio.Event().wait()
