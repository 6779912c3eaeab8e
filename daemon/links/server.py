"""The endpoint at which other nodes' daemons measure their path to this one.

Whom it trusts: nobody. Whoever reaches the port can make the node send and receive, but no more than
``bytes_per_hour`` in any hour (or ``hours``) all together, one transfer at a time, each within a number of bytes and
seconds; a connection that says nothing is dropped. A transfer needs a TCP connection, so bytes go only to who asked
for them: nobody else can be flooded through this port. It serves zeros and keeps nothing, so there is nothing to read
or to change, and no secret to lose. What an attacker can do is use the hour's bytes up; the measurements then rest,
figures fade to the prior, and the scheduler is as well off as without them. A peer that lies about what arrived spoils
the figures of links to itself; so may who sits on the path. A NetworkPolicy that lets in only the daemons' pods closes
the port to all others.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import Final

import structlog

from daemon.links import budget, wire

log = structlog.get_logger(__name__)

_CONNECTIONS: Final = 16
_LINE_S: Final = 2.0
_REPORT_S: Final = 0.005


class Server:
    """Answers probes.

    Args:
        transfer_bytes: What one transfer may take at most.
        bytes_per_hour: What all of them may, on the mean of any ``hours``.
        turn: Held during a transfer, by this server or by this daemon's own prober, so that the two never disturb
            each other's measurement.
    """

    def __init__(self, *, transfer_bytes: int, bytes_per_hour: int, turn: asyncio.Lock, hours: int = 1) -> None:
        self._transfer_bytes = transfer_bytes
        self._budget = budget.Budget(bytes_per_hour, hours)
        self._turn = turn
        self._open = 0
        self._server: asyncio.Server | None = None
        self._handlers: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen, on every address for ""; returns the port, which is a free one for 0."""
        sock = _listen(host, port)
        self._server = await asyncio.start_server(self._accept, sock=sock, limit=2 * len(wire.CHUNK))
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for handler in self._handlers:
            handler.cancel()
        if self._handlers:
            await asyncio.wait(self._handlers)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = asyncio.get_running_loop().create_task(self._handle(reader, writer))
        self._handlers.add(handler)
        handler.add_done_callback(self._handlers.discard)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            wire.prepare(writer)
            if self._open <= _CONNECTIONS:
                await self._answer(reader, writer)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # whoever it was went away, or spoke another language
        finally:
            self._open -= 1
            await wire.close(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_LINE_S):
            line = await reader.readuntil(b"\n")
        word, _, number = line[: wire.LINE_BYTES].strip().partition(b" ")
        if word == wire.ECHO:
            writer.write(wire.OK)
            async with asyncio.timeout(wire.TRANSFER_S):
                for _ in range(wire.PINGS):
                    writer.write(await reader.readexactly(wire.PING_BYTES))
        elif word in {wire.PULL, wire.PUSH} and number.isdigit():
            await self._transfer(reader, writer, min(int(number), self._transfer_bytes), is_push=word == wire.PUSH)
        else:
            writer.write(wire.BAD)
            await writer.drain()

    async def _transfer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size_bytes: int, *, is_push: bool
    ) -> None:
        if self._turn.locked() or not self._budget.reserve(size_bytes, time.monotonic()):
            writer.write(wire.BUSY)
            await writer.drain()
            return
        moved = 0
        try:
            async with self._turn:
                writer.write(wire.OK)
                await writer.drain()
                if is_push:
                    moved = await _receive(reader, writer, size_bytes)
                else:
                    moved = await _send(reader, writer, size_bytes)
        finally:
            self._budget.spend(size_bytes, moved, time.monotonic())


def _listen(host: str, port: int) -> socket.socket:
    """One socket for both kinds of address where there are both: two would be given two free ports."""
    if not host and socket.has_dualstack_ipv6():
        with contextlib.suppress(OSError):  # no IPv6 on this machine after all
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


async def _send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size_bytes: int) -> int:
    """Send until the other side has enough, which it says by closing; who says anything else has enough as well."""
    sending = asyncio.create_task(wire.send(writer, size_bytes))
    enough = asyncio.create_task(reader.read(1))  # not all of it: somebody may never come to an end
    try:
        await asyncio.wait([sending, enough], timeout=wire.TRANSFER_S, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():  # all is handed over, not yet arrived
            await asyncio.wait([enough], timeout=wire.TRANSFER_S)
    finally:
        for task in (sending, enough):
            task.cancel()
        await asyncio.wait([sending, enough])
        if not enough.cancelled():
            enough.exception()  # a connection that was reset is one that is closed
    return sending.result() if not sending.cancelled() else size_bytes


async def _receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size_bytes: int) -> int:
    """Receive until the other side has enough, and report what arrived when."""
    total, reported_s, began_s = 0, 0.0, None
    try:
        async with asyncio.timeout(wire.TRANSFER_S):
            while total < size_bytes and (piece := await reader.read(len(wire.CHUNK))):
                now_s = time.monotonic()
                began_s = began_s if began_s is not None else now_s
                total += len(piece)
                if now_s - reported_s >= _REPORT_S or total >= size_bytes:
                    writer.write(wire.REPORT.pack(now_s - began_s, total))
                    reported_s = now_s
            await writer.drain()
            await reader.read(1)  # nothing comes but the end, and of anything else no more is taken
    except (TimeoutError, ConnectionError):
        pass
    return total
