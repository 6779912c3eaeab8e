"""What two daemons say to each other to measure the path between them, over TCP.

The asker sends one line, the other side answers one line, and if that is OK the measurement follows:

    ECHO        the asker sends ``PING_BYTES`` at a time and gets them back
    PULL <n>    the asker gets at most n bytes, and closes the connection when it knows enough
    PUSH <n>    the asker sends at most n bytes, and is told all the while how many had arrived when (``REPORT``): what
                has left the sender says little, for buffers on the way take megabytes
    BUSY        instead of OK: not now
    BAD         instead of OK: no such question
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Final

ECHO: Final = b"ECHO"
PULL: Final = b"PULL"
PUSH: Final = b"PUSH"
OK: Final = b"OK\n"
BUSY: Final = b"BUSY\n"
BAD: Final = b"BAD\n"

LINE_BYTES: Final = 64
PING_BYTES: Final = 16
PINGS: Final = 8
REPORT: Final = struct.Struct("!dQ")  # seconds since the first byte, bytes since then
TRANSFER_S: Final = 5.0  # a transfer is ended then

CHUNK: Final = bytes(65_536)
_UNSENT_BYTES: Final = 131_072


def prepare(writer: asyncio.StreamWriter) -> None:
    """Keep what waits to be sent small, so that ending a transfer ends it, and send pings at once."""
    writer.transport.set_write_buffer_limits(high=len(CHUNK))
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)


async def send(writer: asyncio.StreamWriter, size_bytes: int) -> int:
    """Send that many bytes of nothing until cancelled or cut off; returns how many were handed over."""
    sent = 0
    try:
        while sent < size_bytes:
            piece = CHUNK[: size_bytes - sent]
            writer.write(piece)
            sent += len(piece)
            await writer.drain()
    except (ConnectionError, asyncio.CancelledError):
        pass
    return sent


async def close(writer: asyncio.StreamWriter) -> None:
    """Drop the connection with whatever has not been sent."""
    writer.transport.abort()
    with contextlib.suppress(ConnectionError, TimeoutError):
        await writer.wait_closed()
