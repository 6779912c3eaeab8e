"""Hears from a MinIO server what changes in it: one request that stays open and brings a line for each change.

MinIO answers ``GET /?events=...`` with a stream of JSON lines about all buckets at once, with a line every second that
tells a quiet server from a dead one. So a store costs one connection and no thread, however many buckets it has. Other
servers take the same request for a listing of buckets; they are told from MinIO by the answer's content type, and are
re-listed instead. (The S3 client's own call is for one bucket, blocks a thread for ever, and reconnects where it
should tell.)

Servers built since the autumn of 2025 hold back what they write until their buffer is full or the answer ends (minio
#21651 wrapped the response without its Flush). To hear from those in time, listeners take turns: the next one is
opened, then the client's half of the older connection is closed, on which the server ends its answer and so hands out
what it held back. That costs a request every second, so it is done only where a healthy server would have spoken.

What is heard is only that something changed, never what it is now: notices may be lost, come twice or late, so whoever
wants to know asks. Notices of the first second after connecting may be missed, as the server spreads the word of the
new listener to its peers meanwhile. A line that is longer, deeper or fuller than any notice is thrown away, and that is
told, too (``dropped``): what it was about is found by listing.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import socket
import time
import urllib.parse
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import msgspec
import yarl

from daemon.stores import credentials, model, trust
from daemon.stores.s3 import client, resolver
from scheduler.api import urns as grammar

SETTLING_S: Final = 1.0  # what changed in the first second after connecting may go unheard

_EVENTS: Final = ("s3:BucketCreated:*", "s3:BucketRemoved:*", "s3:ObjectCreated:*", "s3:ObjectRemoved:*")
_PROMPT_S: Final = 2.5  # something comes every second: a server that says nothing for so long holds it back
_TURN_S: Final = 0.6  # how long a listener of such a server works alone
_OVERLAP_S: Final = 0.2  # and together with the next one, so that no change falls in between
_STREAM: Final = "text/event-stream"
_MAX_LINE: Final = 64 * 2**10  # a line tells of one change: a key of 1,024 bytes, escaped, and the object's metadata
_MAX_RECORDS: Final = 100
_MAX_KEY_BYTES: Final = 1024
_BUFFER: Final = 2**16
_TURN_OF_LINES_S: Final = 0.005  # a flood of notices must leave room for others

Changed = Callable[[str, str], None]
Dropped = Callable[[], None]


@dataclasses.dataclass(frozen=True)
class Ending:
    """Why there is nothing more to hear; ``refused`` where asking again soon is of no use."""

    refused: bool
    message: str


class _Bucket(msgspec.Struct, frozen=True):
    name: str = ""


class _Key(msgspec.Struct, frozen=True):
    key: str = ""


class _S3(msgspec.Struct, frozen=True):
    bucket: _Bucket = _Bucket()
    object: _Key = _Key()


class _Record(msgspec.Struct, frozen=True):
    s3: _S3 = _S3()


class _Notice(msgspec.Struct, frozen=True):
    records: tuple[_Record, ...] | None = msgspec.field(default=None, name="Records")


_decode = msgspec.json.Decoder(_Notice).decode


class _Listener:
    """One request, from sending it to the end of its answer.

    Attributes:
        accepted: Whether the store has begun to tell.
        heard_s: When something last came, or when the request was made.
        task: Its result is the ending, or None where ``finish`` brought about a proper end.
    """

    def __init__(
        self,
        store: model.Store,
        found: credentials.Access,
        names: resolver.Resolver,
        changed: Changed,
        dropped: Dropped,
        *,
        timeout_s: float,
    ) -> None:
        self.accepted = False
        self.heard_s = time.monotonic()
        self._store = store
        self._found = found
        self._names = names
        self._changed = changed
        self._dropped = dropped
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeout_s)
        self._socket: socket.socket | None = None
        self._finished = False
        self.task = asyncio.create_task(self._run(), name=f"notices {store.name}")

    def finish(self) -> None:
        """Close our half of the connection: the server notices, ends its answer, and so sends what it held back."""
        self._finished = True
        if self._socket is not None:
            with contextlib.suppress(OSError):  # closed already; the task knows why
                self._socket.shutdown(socket.SHUT_WR)

    async def _run(self) -> Ending | None:
        endpoint = self._store.endpoint
        wanted = [*(("events", event) for event in _EVENTS), ("ping", "1")]
        url = f"{client.base_of(self._store)}/?{urllib.parse.urlencode(wanted)}"
        headers = client.sign("GET", url, self._store, self._found, datetime.datetime.now(datetime.UTC))
        try:
            tls = await trust.context(self._found.ca_pem) if endpoint.startswith("https:") else True
            connector = aiohttp.TCPConnector(ssl=tls, socket_factory=self._make_socket, resolver=self._names)
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=self._timeout,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    read_bufsize=_BUFFER,
                ) as session,
                session.get(
                    yarl.URL(url, encoded=True),
                    headers=headers | {"Accept-Encoding": "identity"},
                    allow_redirects=False,
                    server_hostname=self._store.tls_name or None,
                ) as response,
            ):
                if response.status != 200 or response.content_type != _STREAM:
                    return Ending(response.status < 500, f"{endpoint} announces nothing (status {response.status})")
                self.accepted = True
                await self._read(response.content)
        except Exception as error:  # noqa: BLE001 - the client raises whatever an odd answer makes of its parsers
            error.__traceback__ = None  # the answer keeps the error, whose frames keep the answer
            return Ending(False, f"{endpoint}: the connection failed ({type(error).__name__})")
        return None if self._finished else Ending(False, f"{endpoint} ended its notices")

    async def _read(self, content: aiohttp.StreamReader) -> None:
        rest, is_skipping = b"", False
        began_s = time.monotonic()
        async for chunk in content.iter_any():
            self.heard_s = time.monotonic()
            *lines, rest = (rest.lstrip() + chunk).split(b"\n")
            if lines and is_skipping:  # the end of a line that was too long
                del lines[0]
                is_skipping = False
            for line in lines:
                self._tell(line)
                if time.monotonic() - began_s > _TURN_OF_LINES_S:
                    await asyncio.sleep(0)
                    began_s = time.monotonic()
            if len(rest) > _MAX_LINE or is_skipping:
                if not is_skipping:
                    self._dropped()
                rest, is_skipping = b"", True
            await asyncio.sleep(0)

    def _tell(self, line: bytes) -> None:
        heard = read_notice(line)
        if heard is None:
            self._dropped()
            return
        for bucket, key in heard:
            self._changed(bucket, key)

    def _make_socket(self, address: tuple[Any, ...]) -> socket.socket:
        made = client.open_socket(self._store)(address)
        made.setblocking(False)
        self._socket = made
        return made


async def listen(
    store: model.Store,
    found: credentials.Access,
    *,
    opened: Callable[[], None],
    changed: Changed,
    dropped: Dropped,
    timeout_s: float,
) -> Ending:
    """Hear until the store ends it, or fails.

    Args:
        opened: Called once it is sure that the store tells.
        changed: Called with the bucket and the key that something happened to; "" as the key for the bucket itself.
        dropped: Called when something came that is no notice, or that there is no room for.
        timeout_s: For connecting, and for the end of an answer that we brought about.
    """
    names = resolver.Resolver()
    try:
        return await _listen(
            lambda: _Listener(store, found, names, changed, dropped, timeout_s=timeout_s), opened, timeout_s
        )
    finally:
        await names.close()


async def _listen(successor: Callable[[], _Listener], opened: Callable[[], None], timeout_s: float) -> Ending:
    listener = successor()
    is_open = False
    try:
        while not listener.task.done() and time.monotonic() - listener.heard_s < _PROMPT_S:
            await asyncio.wait({listener.task}, timeout=_PROMPT_S / 10)
            if listener.accepted and not is_open:
                is_open = True
                opened()
        if listener.task.done():
            return listener.task.result() or Ending(False, "")
    except BaseException:
        listener.task.cancel()
        raise
    return await _take_turns(listener, successor, opened, timeout_s)


async def _take_turns(
    listener: _Listener, successor: Callable[[], _Listener], opened: Callable[[], None], timeout_s: float
) -> Ending:
    """Hear from a server that holds notices back until its answer ends."""
    is_open = False
    listening = [listener]
    try:
        while True:
            listening.append(successor())
            await asyncio.sleep(_OVERLAP_S)
            ending = await _finished(listening[0], timeout_s)
            if ending is not None:
                return ending
            del listening[0]
            if not is_open:
                is_open = True
                opened()
            await asyncio.wait({listening[0].task}, timeout=_TURN_S)
            if listening[0].task.done():
                return listening[0].task.result() or Ending(False, "")
    finally:
        for one in listening:
            one.task.cancel()


async def _finished(listener: _Listener, timeout_s: float) -> Ending | None:
    listener.finish()
    done, _ = await asyncio.wait({listener.task}, timeout=timeout_s)
    return listener.task.result() if done else Ending(False, "the store does not answer")


def read_notice(line: bytes) -> list[tuple[str, str]] | None:
    """The (bucket, key) pairs that a line tells of: none for a sign of life, None for what is no notice.

    Of a key that S3 cannot hold only the bucket is told; of a bucket that no urn can name, nothing.
    """
    if not line.strip():
        return []
    if len(line) > _MAX_LINE:
        return None
    try:
        records = _decode(line).records or ()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if len(records) > _MAX_RECORDS:
        return None
    # The keys are as they are: only notices to webhooks and queues escape them.
    return [
        (record.s3.bucket.name, record.s3.object.key if _can_be(record.s3.object.key) else "")
        for record in records
        if not grammar.bucket_fault(record.s3.bucket.name)
    ]


def _can_be(key: str) -> bool:
    return len(key) <= _MAX_KEY_BYTES and len(key.encode("utf-8", "surrogatepass")) <= _MAX_KEY_BYTES
