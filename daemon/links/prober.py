"""Measures the path to another node's daemon: how late, how fast there, how fast back.

Latency is half the shortest of a few small round trips: what is longer waited for something. Each direction then gets a
transfer of its own, which ends as soon as its rate is steady (daemon.links.meter) or its bytes are used up. Both are
measured where the bytes arrive.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator
from typing import Final

from daemon.links import meter, wire

_CONNECT_S: Final = 3.0
_TRIES, _PAUSE_S = 4, 0.25  # the other side may not have noticed yet that the transfer before is over


@dataclasses.dataclass(frozen=True)
class Refusal:
    """Why a path was not measured; ``busy`` where a later attempt may be welcome."""

    reason: str
    busy: bool = False


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What was measured, towards the peer and back; None where it did not come to that.

    ``spent_bytes`` is what passed, in both directions together.
    """

    latency_s: float | None = None
    onward: meter.Rate | None = None
    back: meter.Rate | None = None
    spent_bytes: int = 0
    refusal: Refusal | None = None


async def probe(address: str, port: int, *, transfer_bytes: int) -> Outcome:
    """Measure the path to the daemon at an address, with at most so many bytes each way."""
    found = Outcome()
    try:
        async with _asked(address, port, wire.ECHO) as (reader, writer):
            found = dataclasses.replace(found, latency_s=await _latency(reader, writer))
        async with _asked(address, port, b"%b %d" % (wire.PULL, transfer_bytes)) as (reader, _):
            back, moved = await _pull(reader, transfer_bytes)
            found = dataclasses.replace(found, back=back, spent_bytes=moved)
        question = b"%b %d" % (wire.PUSH, transfer_bytes)
        async with _asked(address, port, question, tries=_TRIES) as (reader, writer):
            onward, moved = await _push(reader, writer, transfer_bytes)
            found = dataclasses.replace(found, onward=onward, spent_bytes=found.spent_bytes + moved)
    except _RefusedError as refused:
        return dataclasses.replace(found, refusal=refused.refusal)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        reason = str(error) or "it did not answer in time"
        return dataclasses.replace(found, refusal=Refusal(f"{address}:{port}: {reason}"))
    return found


class _RefusedError(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.reason)
        self.refusal = refusal


@contextlib.asynccontextmanager
async def _asked(
    address: str, port: int, question: bytes, tries: int = 1
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which the question was answered with OK; it is closed at the end."""
    while True:
        async with asyncio.timeout(_CONNECT_S):
            reader, writer = await asyncio.open_connection(address, port, limit=2 * len(wire.CHUNK))
        try:
            wire.prepare(writer)
            writer.write(question + b"\n")
            async with asyncio.timeout(_CONNECT_S):
                answer = await reader.readuntil(b"\n")
            if answer == wire.OK:
                yield reader, writer
                return
        finally:
            await wire.close(writer)
        tries -= 1
        if answer != wire.BUSY:
            raise _RefusedError(Refusal(f"{address}:{port} does not know the question"))
        if not tries:
            raise _RefusedError(Refusal(f"{address}:{port} has no time", busy=True))
        await asyncio.sleep(_PAUSE_S)


async def _latency(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
    trips = []
    async with asyncio.timeout(wire.TRANSFER_S):
        for _ in range(wire.PINGS):
            began_s = time.monotonic()
            writer.write(bytes(wire.PING_BYTES))
            await reader.readexactly(wire.PING_BYTES)
            trips.append(time.monotonic() - began_s)
    return min(trips) / 2


async def _pull(reader: asyncio.StreamReader, size_bytes: int) -> tuple[meter.Rate | None, int]:
    gauge, total = meter.Meter(), 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wire.TRANSFER_S):
            while total < size_bytes and (piece := await reader.read(len(wire.CHUNK))):
                total += len(piece)
                if gauge.add(time.monotonic(), total):
                    break
    return gauge.rate(), total


async def _push(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size_bytes: int
) -> tuple[meter.Rate | None, int]:
    gauge, arrived = meter.Meter(), 0
    sending = asyncio.create_task(wire.send(writer, size_bytes))
    try:
        with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            async with asyncio.timeout(wire.TRANSFER_S):
                while arrived < size_bytes:
                    at_s, arrived = wire.REPORT.unpack(await reader.readexactly(wire.REPORT.size))
                    if gauge.add(at_s, arrived):
                        break
    finally:
        sending.cancel()
        await asyncio.wait([sending])
    # Of what was handed over, some may still wait in a buffer and be dropped: counted, as it may as well have left.
    return gauge.rate(), size_bytes if sending.cancelled() else sending.result()
