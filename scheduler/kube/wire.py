"""Short requests over kept connections: what a Binding and an Event need of HTTP/1.1, and no more.

A general client spends more CPU on one such request than the decision before it (docs/decisions/0007-own-wire.md). Here
a request is one piece of bytes, written at once, and an answer is its status, its headers and its body in full. One
request is under way on a connection at a time. Nothing is followed, unpacked or repeated. A connection whose answer was
not taken whole is cut; so is one that was idle for long, before the server closes it under a request.

Sockets and TLS are used without asyncio's transports, which cost a third of the request, and lie between a look at the
fence and the bytes. A request is encrypted before that look (scheduler.kube.sealing).

Lists, watches and whatever goes through a proxy are aiohttp's business (scheduler.kube.client).
"""

from __future__ import annotations

import asyncio
import collections
import functools
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable
from typing import Final, NamedTuple

from scheduler import errors
from scheduler.kube import answers, fencing, sealing

IDLE_S: Final = 30.0  # an API server ends an idle connection after 90 s (secure_serving.go), proxies often after 60

Socket = Callable[[fencing.Address], socket.socket]
Headers = tuple[tuple[str, str], ...]  # name and value


class Origin(NamedTuple):
    """Where a server is, and by which name its certificate is checked; ``path`` comes before that of each request."""

    host: str
    port: int
    path: str
    tls_name: str | None


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

    async def ask(self, origin: Origin, request: bytes, fence: fencing.Fence | None) -> answers.Answer:
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
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(made, address[4])
                seal = sealing.Sealing(self._tls, origin.tls_name or origin.host) if self._tls is not None else None
                if seal is not None:
                    await seal.shake_hands(made)
            except BaseException as error:
                made.close()
                if not isinstance(error, OSError) or isinstance(error, ssl.SSLError):
                    raise
                failure = error
                continue
            connection = _Connection(made, seal)
            self._all.add(connection)
            return connection
        raise failure or OSError(f"{origin.host} has no address")


class _Connection:
    """One connection, and the answer that is coming in on it."""

    def __init__(self, connected: socket.socket, seal: sealing.Sealing | None) -> None:
        self.used_s = 0.0
        self.is_reusable = True
        self._loop = asyncio.get_running_loop()
        self._socket: socket.socket | None = connected
        self._seal = seal
        self._unsent = b""
        self._is_full = False  # the kernel takes no more, so that the rest waits for it
        self._reading = answers.Reading()
        self._answer: asyncio.Future[answers.Answer] | None = None
        self._loop.add_reader(connected, self._receive, connected)

    async def ask(self, request: bytes, fence: fencing.Fence | None) -> answers.Answer:
        """Send a request, unless the fence is closed at that moment, and wait for the answer."""
        if self._socket is None:
            raise ConnectionResetError("the connection was closed")
        self._answer = self._loop.create_future()
        self._reading = answers.Reading()
        self.is_reusable = False  # until the answer is here
        self._unsent = request if self._seal is None else self._seal.seal(request)
        if fence is not None and fence() <= 0:
            raise errors.FencedError
        self._send(self._socket)
        return await self._answer

    def cut(self) -> None:
        """End it without another word, as a server that hangs would not answer that either."""
        self.is_reusable = False
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
            self._socket = None

    def _send(self, connected: socket.socket) -> None:
        try:
            sent = connected.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._fail(error)
            return
        self._unsent = self._unsent[sent:]
        if self._unsent and not self._is_full:
            self._loop.add_writer(connected, self._send, connected)
        elif self._is_full and not self._unsent:
            self._loop.remove_writer(connected)
        self._is_full = bool(self._unsent)

    def _receive(self, connected: socket.socket) -> None:
        try:
            data = connected.recv(sealing.READ_BYTES)
            is_end = not data
            if self._seal is not None:
                data, is_end = self._seal.open(data)
        except BlockingIOError:
            return
        except ssl.SSLEOFError:
            self._fail(ConnectionResetError("the server closed the connection without a word"))
            return
        except OSError as error:
            self._fail(error)
            return
        if not data and not is_end:  # half a record, or one that is TLS's own
            return
        if self._answer is None or self._answer.done():
            self.cut()  # bytes that nobody asked for, or the end
            return
        try:
            answer = self._reading.take(data) if data else None
            if answer is None and is_end:
                answer = self._reading.end()
        except answers.BrokenAnswerError as error:
            self._fail(answers.BrokenAnswerError(f"no answer in HTTP/1.1: {error}"))
            return
        if answer is not None:
            self.is_reusable = not is_end and answer.headers.get("connection", "").lower() != "close"
            self.used_s = time.monotonic()
            self._answer.set_result(answer)
        elif is_end:
            self._fail(ConnectionResetError("the server closed the connection without an answer"))

    def _fail(self, error: OSError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.cut()


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
