"""What is heard from servers that announce changes, each in its own way, and from those that do not.

A real MinIO of the kind that holds notices back is heard in test_keys_on_stores; here are the others.
"""

import asyncio
import contextlib
import dataclasses
import gc
import json
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent import futures

import pytest
from aiohttp import web

from daemon.stores import contents, credentials, model, notices

STREAM = {"Content-Type": "text/event-stream"}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def notice(bucket: str, key: str) -> bytes:
    return json.dumps({"Records": [{"s3": {"bucket": {"name": bucket}, "object": {"key": key}}}]}).encode() + b"\n"


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[model.Store]:
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield model.Store("storage", "store", "uid", f"http://127.0.0.1:{runner.addresses[0][1]}", "")
    finally:
        await runner.cleanup()


async def hear(store: model.Store) -> tuple[notices.Ending, list[str], list[tuple[str, str]]]:
    """Listen to the end: why it ended, what happened in which order, and what was heard."""
    events: list[str] = []
    heard: list[tuple[str, str]] = []
    found = credentials.Access(contents.Credentials("someone", "hush-hush"))
    ending = await notices.listen(
        store,
        found,
        opened=lambda: events.append("opened"),
        changed=lambda bucket, key: heard.append((bucket, key)),
        dropped=lambda: None,
        timeout_s=2.0,
    )
    return ending, events, heard


async def test_notices_come_as_they_are_written_cut_wherever_the_network_cuts_them() -> None:
    asked: list[web.Request] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=someone/")
        response = web.StreamResponse(headers=STREAM)
        await response.prepare(request)
        text = (
            b'{"Records":null}\n' + notice("photos", "a b/größe+%2F.tif") + b"   " + notice("raw", "") + b"nonsense\n"
        )
        for start in range(0, len(text), 7):
            await response.write(text[start : start + 7])
        await asyncio.sleep(0.5)
        return response

    async with serving(handler) as store:
        ending, events, heard = await hear(store)
    wanted = [("photos", "a b/größe+%2F.tif"), ("raw", "")]
    # Who stands still for seconds takes the server for one that holds notices back, and asks it again.
    assert (heard[:2], len(heard) <= 2 * len(asked)) == (wanted, True)
    assert (set(events), len(events) <= len(asked)) == ({"opened"}, True)
    assert not ending.refused


@pytest.mark.parametrize(
    ("status", "content_type", "refused"),
    [
        pytest.param(200, "application/xml", True, id="a listing of buckets, as other servers answer"),
        pytest.param(403, "application/xml", True, id="the account may not listen"),
        pytest.param(503, "application/xml", False, id="a server that is not ready yet"),
    ],
)
async def test_what_announces_nothing_is_told_apart(status: int, content_type: str, refused: bool) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="<x/>", content_type=content_type)

    async with serving(handler) as store:
        ending, events, heard = await hear(store)
    assert (ending.refused, events, heard) == (refused, [], [])


async def test_a_server_that_is_not_there_may_be_asked_again() -> None:
    ending, events, _ = await hear(model.Store("storage", "store", "uid", "http://127.0.0.1:9", ""))
    assert (ending.refused, events) == (False, [])


async def test_a_server_that_hangs_is_given_up() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        raise AssertionError("unreachable")

    async with serving(handler) as store:
        ending, events, _ = await hear(store)
    assert (ending.refused, events) == (False, [])


async def test_3_4_a_name_server_that_hangs_for_others_keeps_nobody_from_hearing() -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=404)

    released = threading.Event()
    loop = asyncio.get_running_loop()
    with futures.ThreadPoolExecutor(1) as everybodys:
        loop.set_default_executor(everybodys)
        stuck = loop.run_in_executor(None, released.wait)
        try:
            async with serving(handler) as store:
                named = dataclasses.replace(store, endpoint=store.endpoint.replace("127.0.0.1", "localhost"))
                ending, _, _ = await hear(named)
        finally:
            released.set()
            await stuck
    assert ending.refused


async def test_3_4_a_stream_that_breaks_off_leaves_nothing_behind() -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1000000\r\n\r\n"
        writer.write(head + b"x" * 60_000)
        await writer.drain()
        await asyncio.sleep(0.1)  # so that it is read
        writer.close()

    server = await asyncio.start_server(break_off, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    store = model.Store("storage", "store", "uid", f"http://127.0.0.1:{port}", "")
    async with server:
        await hear(store)
        gc.collect()
        gc.disable()  # which would come, but when it likes
        tracemalloc.start()
        try:
            for _ in range(4):
                ending, _, _ = await hear(store)
                assert "the connection failed" in ending.message
            left_bytes, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            gc.enable()
    assert left_bytes < 120_000
