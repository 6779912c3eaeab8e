"""Where others connect, and how much of what they send may be in memory at once.

Anybody on the cluster's network can open a connection and begin a request that never ends. So connections are counted,
an unfinished handshake or an idle connection ends by itself, and a body is read only into room that was set aside for
it: what is under way together has a bound, whoever sends it, and a body that does not arrive in time gives its room
back. Small bodies have room of their own, as one that announces megabytes must not keep a usual one waiting; and no
address gets more than half of the room while it has some of it, so that there is some for others.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from aiohttp import web

# To one port; the API server opens one for each request that is under way. With TLS, asyncio reads up to half a
# megabyte of each before anybody asks for it.
CONNECTIONS: Final = 256
HANDSHAKE_S: Final = 5.0
# The answer to whoever still sends is read by most before the connection goes; what they send meanwhile is dropped.
LINGER_S: Final = 1.0
# Of a request, with at most 8 KiB each; brokers, proxies and traces put some thirty.
MAX_HEADERS: Final = 64
READ_BUFFER_BYTES: Final = 2**14  # of each connection, for what nobody reads yet
SMALL_BYTES: Final = 2**16  # most pods have a tenth of it
# What is under way when the process is told to stop is finished; the API server gives up after 3 s anyway.
DRAIN_S: Final = 3.0


class Unread(msgspec.Struct, frozen=True):
    """Why a body was not read: an HTTP status and what to do."""

    status: int
    message: str


_BROKEN_OFF: Final = Unread(400, "the body ended early")
_CROWDED: Final = Unread(503, "too many bodies are being read; send it again later")


class Bodies:
    """Reads bodies within bounds, for one port.

    Args:
        largest_bytes: Of one body.
        at_once_bytes: Of all that are being read or answered; a quarter as much besides for small ones.
        read_s: How long one may wait for room, and again how long it may take to arrive.
    """

    def __init__(self, *, largest_bytes: int, at_once_bytes: int, read_s: float) -> None:
        self._largest_bytes = largest_bytes
        self._read_s = read_s
        self._large = _Room(at_once_bytes)
        self._small = _Room(at_once_bytes // 4)
        self._too_long = Unread(413, f"a body has at most {largest_bytes} bytes; send less at once")
        self._slow = Unread(408, f"the body did not arrive within {read_s:g} s")

    @contextlib.asynccontextmanager
    async def reading(self, request: web.Request) -> AsyncIterator[bytes | Unread]:
        """The body; its room is held until the context ends, as what is made of it is larger than itself."""
        length = request.content_length
        size_bytes = self._largest_bytes if length is None else length
        if size_bytes > self._largest_bytes:
            yield self._too_long
            return
        room, peer = self._small if size_bytes <= SMALL_BYTES else self._large, request.remote or ""
        try:
            async with asyncio.timeout(self._read_s):
                await room.take(peer, size_bytes)
        except TimeoutError:
            yield _CROWDED
            return
        try:
            yield await self._read(request)
        finally:
            room.give(peer, size_bytes)

    async def _read(self, request: web.Request) -> bytes | Unread:
        body = bytearray()
        try:
            async with asyncio.timeout(self._read_s):
                while chunk := await request.content.readany():
                    body += chunk
                    if len(body) > self._largest_bytes:
                        return self._too_long
            return bytes(body)
        except TimeoutError:
            return self._slow
        except (web.RequestPayloadError, OSError):
            return _BROKEN_OFF
        finally:
            # The request keeps the error by which its body ended, that the frames of its traceback, and these the body.
            body.clear()


class _Room:
    """Bytes to be shared; one address has at most half of them, or one body."""

    def __init__(self, total_bytes: int) -> None:
        self._total_bytes = total_bytes
        self._taken: collections.Counter[str] = collections.Counter()
        self._changed = asyncio.Event()

    async def take(self, peer: str, size_bytes: int) -> None:
        while not self._fits(peer, size_bytes):
            await self._changed.wait()
        self._taken[peer] += size_bytes

    def give(self, peer: str, size_bytes: int) -> None:
        self._taken[peer] -= size_bytes
        if not self._taken[peer]:
            del self._taken[peer]
        self._changed.set()
        self._changed = asyncio.Event()

    def _fits(self, peer: str, size_bytes: int) -> bool:
        if self._taken.total() + size_bytes > self._total_bytes:
            return False
        return peer not in self._taken or self._taken[peer] + size_bytes <= self._total_bytes // 2


class Door:
    """An application that is being served.

    Attributes:
        addresses: Host and port of each socket.
    """

    def __init__(self, runner: web.AppRunner, listening: asyncio.Server) -> None:
        self._runner = runner
        self._listening = listening
        self.addresses: list[tuple[Any, ...]] = [socket.getsockname() for socket in listening.sockets]

    async def close(self) -> None:
        """Let nobody in any more, and end when what is under way is answered."""
        self._listening.close()
        await self._runner.cleanup()


async def serve(
    app: web.Application,
    host: str | None,
    port: int,
    *,
    context: ssl.SSLContext | None = None,
    keep_alive_s: float = 75.0,
) -> Door:
    """Serve an application; a port of 0 takes a free one.

    Args:
        keep_alive_s: How long a connection may be without a request, from its first moment on.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        keepalive_timeout=keep_alive_s,
        shutdown_timeout=DRAIN_S,
        lingering_time=LINGER_S,
        read_bufsize=READ_BUFFER_BYTES,
        max_headers=MAX_HEADERS,
    )
    await runner.setup()
    server = runner.server
    assert server is not None  # noqa: S101 - it was set up

    def accept() -> asyncio.Protocol:
        return server() if len(server.connections) < CONNECTIONS else _Full()

    try:
        listening = await asyncio.get_running_loop().create_server(
            accept, host, port, ssl=context, ssl_handshake_timeout=HANDSHAKE_S if context else None
        )
    except OSError:
        await runner.cleanup()
        raise
    return Door(runner, listening)


class _Full(asyncio.Protocol):
    """What a connection too many gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)  # noqa: S101 - of a stream
        transport.abort()
