"""Writes Events (events.k8s.io/v1) without ever being in the way.

``emit`` puts a note on a list and returns. Repetitions of the same note about the same object become one Event whose
series counts them, as kubectl shows: "FailedScheduling ... (x12 over 3m)". They are written as fast as the API server
answers, but give way to Bindings, as an Event costs the server about as much (scheduler.kube.lanes). Warnings have a
list of their own and go first, so that a pod that cannot be placed does not hear of it after ten thousand that were;
the others rest while there is a backlog of pods. Everything is bounded: what finds its list full, or cannot be written,
is counted in ``dropped``. An Event is a courtesy, losing one is no error.

Names are chosen here, so that a post whose answer was lost can be repeated: the second one gets a 409 and is done.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import datetime as dt
import functools
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec
import structlog

from scheduler import errors
from scheduler.api import core
from scheduler.kube import client, lanes, mishaps, protobuf

log = structlog.get_logger(__name__)

NOTE_BYTES: Final = 1024  # NoteLengthLimit in pkg/apis/core/validation/events.go
FIELD_BYTES: Final = 128  # likewise, for reason, action and reportingInstance
NAME_LENGTH: Final = 253  # a DNS subdomain
CUT: Final = " ..."

CAPACITY: Final = 10_000  # waiting Events of either list, about 1 kB each
REMEMBERED: Final = 4096  # client-go's event cache has the same size
LANES: Final = 16  # more do not write faster to an API server on two cores
SERIES_S: Final = 60.0  # the least time between two updates of one series
ATTEMPTS: Final = 5
DEADLINE_S: Final = 10.0


class Reference(NamedTuple):
    """The object that an Event is about."""

    kind: str
    name: str
    namespace: str = ""
    uid: str = ""
    api_version: str = "v1"
    resource_version: str = ""


def pod_reference(pod: core.Pod) -> Reference:
    meta = pod.metadata
    return Reference(kind="Pod", name=meta.name, namespace=meta.namespace, uid=meta.uid)


_Identity = tuple[Reference, Reference | None, str, str, str, str, str]


@dataclasses.dataclass(slots=True)
class _Record:
    """One Event: what it says, how often it was said, and how much of that the server has heard."""

    identity: _Identity
    name: str
    first_us: int  # since 1970
    last_us: int
    count: int = 1
    written: int = 0
    busy: bool = True  # waiting, or under way
    since_s: float = 0.0  # by our clock
    timer: asyncio.TimerHandle | None = None  # the next update of the series is due then

    @property
    def collection(self) -> str:
        # Events about cluster-scoped objects live in "default", as client-go's do.
        return f"/apis/events.k8s.io/v1/namespaces/{self.identity[0].namespace or 'default'}/events"


class EventSink:
    """Collects Events and writes them.

    Args:
        reporting_controller: Who speaks where an Event does not say so, such as the scheduler's name.
        instance: Which replica of it, usually the pod's name.
        backlog: How many pods are to be bound, where the speaker binds pods.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        api: client.Api,
        reporting_controller: str,
        instance: str,
        *,
        capacity: int = CAPACITY,
        series_s: float = SERIES_S,
        failures: mishaps.Mishaps | None = None,
        backlog: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.dropped = 0  # Events that found no room, and writes that were given up
        self.written = 0  # writes that succeeded
        self._api = api
        self._controller = reporting_controller
        self._instance = cut(instance, FIELD_BYTES)
        self._series_s = series_s
        self._failures = failures or mishaps.Mishaps()
        self._capacity = capacity
        self._backlog = backlog
        self._clock = clock
        self._lanes = lanes.Lanes(most=LANES)
        self._is_draining = False
        self._last_name = 0
        self._warnings: collections.deque[_Record] = collections.deque()
        self._others: collections.deque[_Record] = collections.deque()
        self._asked = asyncio.Event()
        self._settled = asyncio.Event()
        self._records: collections.OrderedDict[_Identity, _Record] = collections.OrderedDict()
        self._reported = False

    def emit(
        self,
        regarding: Reference,
        *,
        type: str,  # noqa: A002 - the API's word
        reason: str,
        action: str,
        note: str,
        related: Reference | None = None,
        controller: str = "",
    ) -> None:
        """Say something about an object, as the controller given. Returns at once, and never raises.

        Args:
            type: Normal or Warning.
            controller: Who speaks; "" for whom the sink was made for.
        """
        note, controller = cut(note, NOTE_BYTES), controller or self._controller
        identity = (regarding, related, type, cut(reason, FIELD_BYTES), cut(action, FIELD_BYTES), note, controller)
        now_us = time.time_ns() // 1000
        record = self._records.get(identity)
        if record is None:
            record = _Record(identity, self._name(regarding.name), first_us=now_us, last_us=now_us)
            if self._put(record):
                self._records[identity] = record
                if len(self._records) > REMEMBERED:
                    self._records.popitem(last=False)  # still written if it waits, only no longer counted up
            else:
                self.dropped += 1
            return
        self._records.move_to_end(identity)
        record.count += 1
        record.last_us = now_us
        if not record.busy and not record.timer:
            self._put(record)

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as writers:
            while True:
                while not self._waiting():
                    self._asked.clear()
                    await self._asked.wait()
                await self._lanes.enter(self._room)
                record = (self._warnings or self._others).popleft()
                writers.create_task(self._work(record))

    async def drain(self, deadline_s: float) -> int:
        """Write what waits, while ``run`` still runs; returns how many are left over."""
        self._is_draining = True
        for record in self._records.values():
            if record.timer:
                self._update(record)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while self._waiting() or self._lanes.taken:
                    self._settled.clear()
                    await self._settled.wait()
        left = self._waiting()
        self.dropped += left
        return left

    def _waiting(self) -> int:
        return len(self._warnings) + len(self._others)

    def _room(self) -> int:
        """How many writes there may be at once, as far as the next one is concerned."""
        open_lanes: int | None = None
        if not self._warnings and not self._is_draining:
            open_lanes = lanes.after(
                backlog=self._backlog(),
                waiting=len(self._others),
                oldest_s=self._clock() - self._others[0].since_s,
                most=LANES,
                crowd=self._capacity,
            )
        if open_lanes is not None:
            return open_lanes
        return lanes.beside(is_urgent=self._api.is_urgent(), waiting=self._waiting(), most=LANES, crowd=self._capacity)

    def _put(self, record: _Record) -> bool:
        """Queue a record. A series that finds no room loses nothing: its next update carries the whole count."""
        line = self._warnings if record.identity[2] == "Warning" else self._others
        record.busy = len(line) < self._capacity
        if record.busy:
            record.since_s = self._clock()
            line.append(record)
            self._asked.set()
        return record.busy

    def _update(self, record: _Record) -> None:
        if record.timer:
            record.timer.cancel()
            record.timer = None
        if record.count > record.written and not record.busy:
            self._put(record)

    async def _work(self, record: _Record) -> None:
        try:
            if not await self._write(record):
                self.dropped += 1
                self._records.pop(record.identity, None)
                return
            # The first repetition is shown at once, as client-go does; those that follow, once in a while.
            record.busy = False
            if record.written > 1 and not self._is_draining:
                loop = asyncio.get_running_loop()
                record.timer = loop.call_later(self._series_s, self._update, record)
            else:
                self._update(record)
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            self._failures.caught("events", bug, regarding=record.identity[0].name, reason=record.identity[3])
            self.dropped += 1
            self._records.pop(record.identity, None)
        finally:
            self._lanes.leave()
            self._settled.set()

    async def _write(self, record: _Record) -> bool:
        """Create the Event or update its series; returns whether the server has it now."""
        pause_s = 0.5
        for _ in range(ATTEMPTS):
            count = record.count
            try:
                await self._send(record)
            except errors.ConflictError:
                pass  # the name is ours alone: an earlier attempt got through, and only its answer was lost
            except errors.NotFoundError as error:
                if not record.written:
                    return self._give_up("its namespace is gone", error)
                # Events expire after an hour: the series goes on in a new one.
                record.written = 0
                record.name = self._name(record.identity[0].name)
                continue
            except (errors.UnreachableError, errors.ThrottledError) as error:
                await asyncio.sleep(max(pause_s, error.retry_after_s))
                pause_s *= 2
                continue
            except errors.ApiError as error:
                return self._give_up(_remedy(error), error)
            record.written = count
            self.written += 1
            self._reported = False
            return True
        return self._give_up("the API server does not answer", None)

    async def _send(self, record: _Record) -> None:
        if record.written:
            series = {"count": record.count, "lastObservedTime": _as_text(record.last_us)}
            body = msgspec.json.encode({"series": series})
            await self._api.patch(f"{record.collection}/{record.name}", body, deadline_s=DEADLINE_S)
            return
        await self._api.post(
            record.collection, self._body(record), content_type=protobuf.MEDIA_TYPE, deadline_s=DEADLINE_S
        )

    def _body(self, record: _Record) -> bytes:
        regarding, related, kind, reason, action, note, controller = record.identity
        series = b""
        if record.count > 1:
            pieces = protobuf.whole(1, record.count), protobuf.micro_time(2, record.last_us)
            series = protobuf.message(3, *pieces)
        return protobuf.obj(
            "events.k8s.io/v1",
            "Event",
            protobuf.message(1, protobuf.text(1, record.name), _known(3, regarding.namespace or "default")),
            protobuf.micro_time(2, record.first_us),
            series,
            _known(4, controller),
            _known(5, self._instance),
            _known(6, action),
            _known(7, reason),
            protobuf.message(8, *_pieces(regarding)),
            protobuf.message(9, *_pieces(related)) if related else b"",
            protobuf.text(10, note),
            _known(11, kind),
        )

    def _give_up(self, why: str, error: errors.ApiError | None) -> bool:
        """Say once, until a write succeeds again, that Events are lost."""
        if not self._reported:
            self._reported = True
            log.error("events cannot be written", why=why, error=str(error or ""))
        return False

    def _name(self, about: str) -> str:
        """Make a name: the object's, and a time that is never used twice."""
        self._last_name = max(self._last_name + 1, time.time_ns())
        suffix = f".{self._last_name:x}"
        return about[: NAME_LENGTH - len(suffix)].rstrip("-.") + suffix


def _remedy(error: errors.ApiError) -> str:
    if "being terminated" in error.message:
        return "the namespace is being deleted"
    if error.status == 403:
        return (
            "RBAC does not allow it; grant create and patch on events in the group events.k8s.io to our service account"
        )
    if error.status == 401:
        return "the credentials are not accepted; check the kubeconfig or the service account's token"
    return "the API server refuses it"


def cut(text: str, limit_bytes: int) -> str:
    """Cut a text to a number of bytes in UTF-8, between characters, and mark the cut."""
    if text.isascii() and len(text) <= limit_bytes:
        return text
    data = text.encode("utf-8", "replace")
    if len(data) > limit_bytes:
        data = data[: limit_bytes - len(CUT)]
        return data.decode("utf-8", "ignore") + CUT
    return data.decode("utf-8")


def _as_text(since_1970_us: int) -> str:
    moment = dt.datetime.fromtimestamp(since_1970_us // 1_000_000, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{since_1970_us % 1_000_000:06d}Z"


def _pieces(reference: Reference) -> tuple[bytes, ...]:
    return (
        _known(1, reference.kind),
        _known(2, reference.namespace),
        protobuf.text(3, reference.name),
        protobuf.text(4, reference.uid),
        _known(5, reference.api_version),
        protobuf.text(6, reference.resource_version),
    )


_known = functools.lru_cache(maxsize=256)(protobuf.text)  # for what many Events say
