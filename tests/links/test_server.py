"""The probe endpoint and its asker over the loopback: what they measure, and what nobody can make the endpoint do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import pytest

from daemon.links import prober, server, wire

TRANSFER_BYTES = 2**20


@contextlib.asynccontextmanager
async def serving(
    *, transfer_bytes: int = TRANSFER_BYTES, bytes_per_hour: int = 2**30, turn: asyncio.Lock | None = None
) -> AsyncIterator[int]:
    endpoint = server.Server(transfer_bytes=transfer_bytes, bytes_per_hour=bytes_per_hour, turn=turn or asyncio.Lock())
    port = await endpoint.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await endpoint.stop()


async def ask(port: int, question: bytes) -> bytes:
    """All that the endpoint says to a question."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(question)
        return await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_path_is_measured_in_both_directions() -> None:
    async with serving() as port:
        found = await prober.probe("127.0.0.1", port, transfer_bytes=TRANSFER_BYTES)
    assert found.refusal is None
    assert found.latency_s is not None
    assert 0 < found.latency_s < 0.1
    assert found.onward is not None
    assert found.back is not None
    assert found.spent_bytes <= 2 * TRANSFER_BYTES


@pytest.mark.parametrize("question", [b"PULL 999999999\n", b"PULL 1048576\n"])
async def test_no_transfer_is_larger_than_allowed(question: bytes) -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(question)
        assert await reader.readexactly(len(wire.OK)) == wire.OK
        assert len(await reader.readexactly(TRANSFER_BYTES)) == TRANSFER_BYTES
        with pytest.raises((TimeoutError, asyncio.IncompleteReadError)):  # silence, or the end after it
            await asyncio.wait_for(reader.readexactly(1), 0.2)
        writer.close()


async def test_whoever_sends_more_than_allowed_is_told_when_it_is_enough() -> None:
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"PUSH 1000\n" + bytes(5000))
        assert await reader.readexactly(len(wire.OK)) == wire.OK
        _, arrived = wire.REPORT.unpack(await reader.readexactly(wire.REPORT.size))
        assert arrived >= 1000
        writer.close()


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="a browser"),
        pytest.param(b"PULL\n", id="no number"),
        pytest.param(b"PULL -5\n", id="a negative number"),
        pytest.param(b"PUSH many\n", id="a word"),
        pytest.param(b"\n", id="nothing"),
    ],
)
async def test_other_questions_are_refused(question: bytes) -> None:
    async with serving() as port:
        assert await ask(port, question) in {wire.BAD, b""}
        assert (await prober.probe("127.0.0.1", port, transfer_bytes=1000)).refusal is None


async def test_a_line_without_an_end_is_dropped() -> None:
    async with serving() as port:
        assert await ask(port, b"x" * 1_000_000) == b""


async def test_one_transfer_at_a_time() -> None:
    turn = asyncio.Lock()
    async with serving(turn=turn) as port, turn:
        assert await ask(port, b"PULL 1000\n") == wire.BUSY
        found = await prober.probe("127.0.0.1", port, transfer_bytes=1000)
    assert found.refusal is not None
    assert found.refusal.busy
    assert found.latency_s is not None  # a ping disturbs nobody
    assert (found.onward, found.back, found.spent_bytes) == (None, None, 0)


async def test_an_hour_has_only_so_many_bytes() -> None:
    size_bytes = 100_000  # too few for a rate to settle, however slow the machine is: all of them pass
    async with serving(bytes_per_hour=size_bytes + 1000) as port:
        found = await prober.probe("127.0.0.1", port, transfer_bytes=size_bytes)
        assert found.refusal is not None  # the second of its two transfers
        assert found.refusal.busy
        assert found.spent_bytes == size_bytes
        assert await ask(port, b"PULL 2000\n") == wire.BUSY
        assert await ask(port, b"PUSH 2000\n") == wire.BUSY
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"PULL 500\n")
        assert await reader.readexactly(len(wire.OK) + 500) == wire.OK + bytes(500)
        writer.close()


async def test_connections_that_say_nothing_keep_nobody_out_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_LINE_S", 5.0)  # so that a pause of this machine does not end them before the probe
    async with serving() as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        found = await prober.probe("127.0.0.1", port, transfer_bytes=1000)
        assert found.refusal is not None  # full
        for reader, _ in idle:
            assert await asyncio.wait_for(reader.read(), 60) == b""
        assert (await prober.probe("127.0.0.1", port, transfer_bytes=1000)).refusal is None
        for _, writer in idle:
            writer.close()


async def test_every_address_has_the_same_port() -> None:
    endpoint = server.Server(transfer_bytes=1000, bytes_per_hour=10_000, turn=asyncio.Lock())
    port = await endpoint.start("", 0)
    try:
        for address in ("127.0.0.1", "::1") if socket.has_dualstack_ipv6() else ("127.0.0.1",):
            assert (await prober.probe(address, port, transfer_bytes=1000)).refusal is None
    finally:
        await endpoint.stop()


async def test_who_is_not_there_is_told_with_the_address() -> None:
    async with serving() as port:
        pass
    found = await prober.probe("127.0.0.1", port, transfer_bytes=1000)
    assert found.refusal is not None
    assert not found.refusal.busy
    assert f"127.0.0.1:{port}" in found.refusal.reason


async def test_who_speaks_another_language_is_told() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(greet, "127.0.0.1", 0)
    async with other:
        port = other.sockets[0].getsockname()[1]
        found = await prober.probe("127.0.0.1", port, transfer_bytes=1000)
    assert found.refusal is not None
    assert not found.refusal.busy


async def test_an_end_in_the_middle_of_a_transfer_frees_the_turn() -> None:
    turn = asyncio.Lock()
    async with serving(transfer_bytes=2**26, turn=turn) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"PULL 67108864\n")
        await reader.readexactly(100_000)
        assert turn.locked()
        writer.transport.abort()
        async with asyncio.timeout(60), turn:
            pass
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"PUSH 67108864\n" + bytes(100_000))
        await reader.readexactly(len(wire.OK) + wire.REPORT.size)
        writer.transport.abort()
        async with asyncio.timeout(60), turn:
            pass


@pytest.mark.parametrize("question", [b"PULL 1000000", b"PUSH 1000"])
async def test_who_never_stops_sending_fills_no_memory(question: bytes) -> None:
    """The endpoint takes what the buffers of the connection hold, and not all that a fast link brings in seconds."""
    total, sent = 256 * 2**20, 0
    async with serving() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(question + b"\n")
        assert await reader.readuntil(b"\n") == wire.OK
        try:
            while sent < total:
                writer.write(bytes(2**16))
                await asyncio.wait_for(writer.drain(), timeout=60)
                sent += 2**16
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()
    assert sent < total / 4
