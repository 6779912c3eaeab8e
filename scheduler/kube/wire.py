"""Short requests over kept connections: what a Binding and an Event need of HTTP/1.1, and no more.

A general client spends more CPU on one such request than the decision before it (docs/decisions/0007-own-wire.md). Here
a request is one piece of bytes, written at once, and an answer is its status, its headers and its body in full. One
request is under way on a connection at a time. Nothing is followed, unpacked or repeated. A connection whose answer was
not taken whole is cut; so is one that was idle for long, before the server closes it under a request.

Lists, watches and whatever goes through a proxy are aiohttp's business (scheduler.kube.client).
"""

from __future__ import annotations

import asyncio
import collections
import functools
import re
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, cast

from scheduler import errors
from scheduler.kube import fencing

IDLE_S: Final = 30.0  # an API server ends an idle connection after 90 s (secure_serving.go), proxies often after 60
HEAD_BYTES: Final = 2**16
BODY_BYTES: Final = 2**25  # an object is at most 1.5 MB (etcd's --max-request-bytes)
_HEXADECIMAL: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")

Socket = Callable[[fencing.Address], socket.socket]
Headers = tuple[tuple[str, str], ...]  # name and value


class Answer(NamedTuple):
    """What the server said; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Origin(NamedTuple):
    """Where a server is, and by which name its certificate is checked; ``path`` comes before that of each request."""

    host: str
    port: int
    path: str
    tls_name: str | None


class BrokenAnswerError(OSError):
    """What came is no answer in HTTP/1.1."""


class Wire:
    """The connections to one server.

    Args:
        tls: None for a server without.
        make_socket: Makes the sockets; None for the usual ones.
        limit: How many connections there may be.
    """

    def __init__(self, tls: ssl.SSLContext | None, make_socket: Socket | None, *, limit: int) -> None:
        self._tls = tls
        self._make_socket = make_socket or _plain_socket
        self._room = asyncio.Semaphore(limit)
        self._origin: Origin | None = None
        self._free: collections.deque[_Connection] = collections.deque()  # the last used last
        self._all: set[_Connection] = set()

    async def ask(self, origin: Origin, request: bytes, fence: fencing.Fence | None) -> Answer:
        """Send a request and take the answer.

        Raises:
            FencedError: the fence is closed; nothing was sent.
            OSError: no connection, or it broke, or what came is no answer.
        """
        async with self._room:
            if origin != self._origin:
                while self._free:
                    self._let_go(self._free.pop())
                self._origin = origin
            connection = self._idle() or await self._connect(origin)
            try:
                answer = await connection.ask(request, fence)
            finally:
                if connection.is_reusable and origin == self._origin:
                    self._free.append(connection)
                else:
                    self._let_go(connection)
            return answer

    def close(self) -> None:
        """Cut all connections."""
        for connection in self._all:
            connection.cut()
        self._all.clear()
        self._free.clear()

    def _idle(self) -> _Connection | None:
        while self._free:
            connection = self._free.pop()
            if connection.is_reusable and time.monotonic() - connection.used_s < IDLE_S:
                return connection
            self._let_go(connection)
        return None

    def _let_go(self, connection: _Connection) -> None:
        connection.cut()
        self._all.discard(connection)

    async def _connect(self, origin: Origin) -> _Connection:
        loop = asyncio.get_running_loop()
        failure: OSError | None = None
        for address in await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM):
            made = self._make_socket(address)
            try:
                made.setblocking(False)
                await loop.sock_connect(made, address[4])
                name = origin.tls_name or origin.host if self._tls is not None else None
                _, connection = await loop.create_connection(
                    _Connection, sock=made, ssl=self._tls, server_hostname=name
                )
            except BaseException as error:
                made.close()
                if not isinstance(error, OSError) or isinstance(error, ssl.SSLError):
                    raise
                failure = error
                continue
            self._all.add(connection)
            return connection
        raise failure or OSError(f"{origin.host} has no address")


class _Connection(asyncio.Protocol):
    """One connection, and the answer that is coming in on it."""

    def __init__(self) -> None:
        self.used_s = 0.0
        self.is_reusable = True
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._data = bytearray()
        self._status = 0  # 0: the head is not here yet
        self._headers: dict[str, str] = {}
        self._body: _Body | None = None

    async def ask(self, request: bytes, fence: fencing.Fence | None) -> Answer:
        """Send a request, unless the fence is closed at that moment, and wait for the answer."""
        if self._transport is None:
            raise ConnectionResetError("the connection was closed")
        self._answer = asyncio.get_running_loop().create_future()
        if fence is not None and fence() <= 0:
            raise errors.FencedError
        self.is_reusable = False  # until the answer is here
        self._transport.write(request)
        return await self._answer

    def cut(self) -> None:
        """End it without another word, as a server that hangs would not answer that either."""
        self.is_reusable = False
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    # ------------------------------------------------------------------------------------------ what the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        try:
            self._advance()
        except (ValueError, BrokenAnswerError) as error:
            self._fail(BrokenAnswerError(f"no answer in HTTP/1.1: {error}"))

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.is_reusable = False
        if self._body is not None and self._body.ends_with_connection and error is None:
            self._complete(bytes(self._data))
        self._fail(error or ConnectionResetError("the server closed the connection without an answer"))

    def _fail(self, error: Exception) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.cut()

    def _advance(self) -> None:
        if self._answer is None or self._answer.done():
            raise BrokenAnswerError("bytes that nobody asked for")
        while self._body is None:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                if len(self._data) > HEAD_BYTES:
                    raise BrokenAnswerError("a head without end")
                return
            self._status, self._headers = _head(bytes(self._data[:end]))
            del self._data[: end + 4]
            if self._status >= 200:  # what comes before is no answer yet
                self._body = _Body(self._status, self._headers)
        body = self._body.take(self._data)
        if body is not None:
            if self._data:
                raise BrokenAnswerError("bytes behind the answer")
            self._complete(body)

    def _complete(self, body: bytes) -> None:
        answer, headers, status = self._answer, self._headers, self._status
        if answer is None or answer.done():
            return
        self.is_reusable = self._transport is not None and headers.get("connection", "").lower() != "close"
        self.used_s = time.monotonic()
        self._body, self._headers, self._data = None, {}, bytearray()
        answer.set_result(Answer(status, headers, body))


class _Body:
    """How the body of an answer is delimited, and what of it has come."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        self._is_chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        length = headers.get("content-length", "")
        self.ends_with_connection = not self._is_chunked and not length and status not in {204, 304}
        if length and not length.isdecimal():
            raise BrokenAnswerError("a length that is no number")
        self._length = int(length) if length and not self._is_chunked and status not in {204, 304} else 0
        self._chunks: list[bytes] = []

    def take(self, data: bytearray) -> bytes | None:
        """Take from ``data`` what belongs to the body; returns the whole body once it is there."""
        if len(data) > BODY_BYTES or self._length > BODY_BYTES:
            raise BrokenAnswerError("an answer that is too long")
        if self.ends_with_connection:
            return None
        if not self._is_chunked:
            if len(data) < self._length:
                return None
            body = bytes(data[: self._length])
            del data[: self._length]
            return body
        return self._take_chunks(data)

    def _take_chunks(self, data: bytearray) -> bytes | None:
        while (end := data.find(b"\r\n")) >= 0:
            digits = bytes(data[:end]).partition(b";")[0].strip()
            if not _HEXADECIMAL.fullmatch(digits):
                raise BrokenAnswerError("a chunk without a size")
            size = int(digits, 16)
            past = end + 2 + size + 2
            if len(data) < past:
                return None
            if data[past - 2 : past] != b"\r\n":
                raise BrokenAnswerError("a chunk that does not end, or a trailer")
            self._chunks.append(bytes(data[end + 2 : past - 2]))
            del data[:past]
            if not size:
                return b"".join(self._chunks)
        return None


def _head(data: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = data.decode("latin-1").split("\r\n")
    version, status, *_ = first.split(" ", 2)
    if version != "HTTP/1.1":
        raise BrokenAnswerError(f"{version[:20]!r} is not its version")
    return int(status), dict(map(_header, lines))


@functools.lru_cache(maxsize=64)
def _header(line: str) -> tuple[str, str]:
    """The name and the value in a line; most of them are the same in all answers."""
    name, colon, value = line.partition(":")
    if not colon:
        raise BrokenAnswerError("a header without a name")
    return name.lower(), value.strip()


@functools.lru_cache(maxsize=4)
def origin(server: str, tls_name: str | None) -> Origin:
    """Where a server's URL points."""
    parts = urllib.parse.urlsplit(server)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Origin(parts.hostname or "", port, parts.path.rstrip("/"), tls_name)


def request(origin: Origin, method: str, path: str, headers: Headers, body: bytes) -> bytes:
    """One request as bytes; ``path`` is encoded, query included.

    Raises:
        ValueError: the path or a header holds what would end its line.
    """
    if not path.isascii() or not path.isprintable() or " " in path:
        raise ValueError("a path that does not fit into a line")
    first = f"{method} {origin.path}{path} HTTP/1.1\r\n".encode()
    return b"%b%bContent-Length: %d\r\n\r\n%b" % (first, _lines(origin, headers), len(body), body)


@functools.lru_cache(maxsize=16)
def _lines(origin: Origin, headers: Headers) -> bytes:
    """The lines that requests to a server share."""
    host = f"[{origin.host}]" if ":" in origin.host else origin.host
    lines = [f"Host: {host}:{origin.port}", *(f"{name}: {value}" for name, value in headers)]
    if not all(line.isascii() and line.isprintable() for line in lines):
        raise ValueError("a header that does not fit into a line")
    return "".join(f"{line}\r\n" for line in lines).encode()


def _plain_socket(address: fencing.Address) -> socket.socket:
    return socket.socket(*address[:3])
