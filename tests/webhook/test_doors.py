"""What strangers on the network can do to the ports: open connections, begin requests, and send bodies without end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import io
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import prometheus_client
import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import eventloop, exploring
from webhook import doors, facts
from webhook import metrics as webhook_metrics
from webhook.admission import server
from webhook.events import ledger, messages, metrics, receiver, senders

MIB = 2**20
TOKEN = "a-token-of-the-test"
REVIEW = json.dumps({"request": {"uid": "u", "resource": {"resource": "pods"}, "object": {}}}).encode()
JSON = {"Content-Type": "application/json"}


class Keeper:
    """Writes nowhere."""

    def __init__(self) -> None:
        self.book = ledger.Ledger()

    async def keep(self, consumer: facts.Consumer, said: list[messages.Message]) -> bool:
        return self.book.add(consumer, said)


@contextlib.asynccontextmanager
async def receiving(tmp_path: Any) -> AsyncIterator[str]:
    (tmp_path / "store").write_text(TOKEN)
    figures = metrics.Metrics(prometheus_client.CollectorRegistry())
    known = senders.Senders(None, figures, tokens=tmp_path)  # type: ignore[arg-type]
    reader = facts.Consumer("default", "reader")
    app = receiver.build(Keeper(), known, lambda _: [reader], figures)  # type: ignore[arg-type]
    door = await doors.serve(app, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{door.addresses[0][1]}"
    finally:
        await door.close()


class Plain:
    """A certificate for a server without TLS."""

    context = None

    def authority_pem(self) -> bytes:
        return b""


@contextlib.asynccontextmanager
async def admitting() -> AsyncIterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serving = server.Server(Plain(), {}, webhook_metrics.Metrics(), port=port)  # type: ignore[arg-type]

    async def answer(request: Any, *, webhook: str | None = None) -> dict[str, Any]:
        return {"response": {"uid": request["request"]["uid"], "allowed": True}}

    configs = serving(answer)
    await anext(configs)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await configs.aclose()  # type: ignore[attr-defined]


async def begin(url: str, path: str, length: int, sent: bytes, *headers: str) -> socket.socket:
    """Begin a post and send as much of its body as is taken within a moment."""
    host, port = url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    connection.setblocking(False)
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        *headers,
    ]
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connection, ("\r\n".join(lines) + "\r\n\r\n").encode())
    with contextlib.suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(0.3):
            await loop.sock_sendall(connection, memoryview(sent))
    return connection


async def heard(connection: socket.socket) -> bytes:
    """All that the server says until it closes the connection."""
    loop, answer = asyncio.get_running_loop(), b""
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            while chunk := await loop.sock_recv(connection, 65536):
                answer += chunk
    return answer


async def post(url: str, body: bytes, **headers: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, data=io.BytesIO(body), headers=JSON | headers) as answer,
    ):
        return answer.status, await answer.text()


@pytest.fixture
def traced() -> Any:
    tracemalloc.start()
    yield
    tracemalloc.stop()


async def test_a_stranger_is_sent_away_before_any_of_the_body_is_read(tmp_path: Any) -> None:
    async with receiving(tmp_path) as url:
        connection = await begin(url, "/events", 1000, b"")
        answer = await heard(connection)  # which ends, although the body never comes
        connection.close()
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    ("token", "first"), [("wrong-token-of-some-length", b"HTTP/1.1 401 "), (TOKEN, b"HTTP/1.1 100 Continue\r\n\r\n")]
)
async def test_who_asks_before_sending_a_body_is_told_who_may(tmp_path: Any, token: str, first: bytes) -> None:
    async with receiving(tmp_path) as url:
        asks = ("Expect: 100-continue", f"Authorization: Bearer {token}", "Connection: close")
        connection = await begin(url, "/events", 2, b"", *asks)
        loop = asyncio.get_running_loop()
        answer = await loop.sock_recv(connection, 65536)
        assert answer.startswith(first)
        if token == TOKEN:
            await loop.sock_sendall(connection, b"{}")
            assert (await heard(connection)).startswith(b"HTTP/1.1 202 ")
        connection.close()


@pytest.mark.parametrize("headers", [(), ("Authorization: Bearer wrong-token-of-some-length",)])
async def test_unfinished_posts_of_strangers_take_no_memory(
    tmp_path: Any, traced: None, headers: tuple[str, ...]
) -> None:
    body = b"x" * (8 * MIB - 1)
    async with receiving(tmp_path) as url:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        begun = await asyncio.gather(*(begin(url, "/events", 8 * MIB, body, *headers) for _ in range(50)))
        _, peak = tracemalloc.get_traced_memory()
        assert (await post(f"{url}/events", b"{}", Authorization=f"Bearer {TOKEN}"))[0] == 202
        for connection in begun:
            connection.close()
    assert peak - before < 16 * MIB


async def test_unfinished_bodies_are_bounded_together_and_make_room_in_time(
    tmp_path: Any, traced: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "READ_S", 2.0)
    body = b"x" * (MIB - 1)
    async with receiving(tmp_path) as url:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        begun = await asyncio.gather(
            *(begin(url, "/events", MIB, body, f"Authorization: Bearer {TOKEN}") for _ in range(60))
        )
        small = await post(f"{url}/events", b"{}", Authorization=f"Bearer {TOKEN}")
        answers = await asyncio.gather(*(heard(connection) for connection in begun))
        _, peak = tracemalloc.get_traced_memory()
        large = await post(f"{url}/events", b'{"dataInputs": []}'.ljust(MIB), Authorization=f"Bearer {TOKEN}")
        for connection in begun:
            connection.close()
    assert small[0] == large[0] == 202
    assert {answer.split()[1] for answer in answers} <= {b"408", b"503"}
    assert peak - before < 24 * MIB


async def test_one_address_does_not_take_all_the_room(tmp_path: Any) -> None:
    async with receiving(tmp_path) as url:
        token = f"Bearer {TOKEN}"
        sent = b"x" * (MIB - 1)
        begun = await asyncio.gather(*(begin(url, "/events", MIB, sent, f"Authorization: {token}") for _ in range(40)))
        connector = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
        headers = JSON | {"Authorization": token}
        body = io.BytesIO(b'{"dataInputs": []}'.ljust(MIB))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.post(f"{url}/events", data=body, headers=headers) as answer,
        ):
            assert answer.status == 202
        for connection in begun:
            connection.close()


async def test_unfinished_reviews_are_bounded_and_a_usual_one_is_answered_beside_them(traced: None) -> None:
    body = b"x" * (8 * MIB - 1)
    async with admitting() as url:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        begun = await asyncio.gather(*(begin(url, "/enrich", 8 * MIB, body) for _ in range(50)))
        status, text = await post(f"{url}/enrich", REVIEW)
        _, peak = tracemalloc.get_traced_memory()
        for connection in begun:
            connection.close()
    assert status == 200
    assert json.loads(text)["response"]["uid"] == "u"
    assert peak - before < 24 * MIB


async def test_bodies_that_break_off_leave_nothing_behind(traced: None) -> None:
    gc.disable()  # which would come, but when it likes
    body = b"x" * (8 * MIB - 1)
    try:
        async with admitting() as url:
            before, _ = tracemalloc.get_traced_memory()
            for _ in range(12):
                connection = await begin(url, "/enrich", 8 * MIB, body)
                connection.close()
            status, _ = await post(f"{url}/enrich", REVIEW)
            after, _ = tracemalloc.get_traced_memory()
    finally:
        gc.enable()
    assert status == 200
    assert after - before < 12 * MIB


async def test_a_review_of_nothing_but_brackets_is_not_taken_apart(traced: None) -> None:
    body = REVIEW[:-2] + b', "x": [' + b"[]," * (2 * MIB) + b"0]}}"
    async with admitting() as url:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        status, text = await post(f"{url}/enrich", body)
        _, peak = tracemalloc.get_traced_memory()
        assert (await post(f"{url}/enrich", REVIEW))[0] == 200
    assert (status, "parts" in text) == (413, True)
    assert peak - before < 24 * MIB


async def test_a_review_of_the_largest_size_is_read_and_one_byte_more_is_not() -> None:
    review = {"request": {"uid": "u", "resource": {"resource": "pods"}, "object": {}, "pad": ""}}
    room = server.MAX_BODY_BYTES - len(json.dumps(review).encode())
    review["request"]["pad"] = "x" * room
    async with admitting() as url:
        assert (await post(f"{url}/check", json.dumps(review).encode()))[0] == 200
        status, text = await post(f"{url}/check", json.dumps(review).encode() + b" ")
    assert status == 413
    assert str(server.MAX_BODY_BYTES) in text


@pytest.mark.parametrize(("more", "status"), [(50, b"401"), (70, b"400")])
async def test_headers_are_bounded(tmp_path: Any, more: int, status: bytes) -> None:
    async with receiving(tmp_path) as url:
        connection = await begin(url, "/events", 0, b"", *(f"X-{n}: {'x' * 5000}" for n in range(more)))
        assert (await heard(connection)).split()[1] == status
        connection.close()


async def test_connections_are_bounded_and_those_that_say_nothing_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "CONNECTIONS", 5)
    door = await doors.serve(web.Application(), "127.0.0.1", 0, keep_alive_s=1.0)
    try:
        opened = [await asyncio.open_connection(*door.addresses[0][:2]) for _ in range(9)]
        ends = await asyncio.gather(
            *(asyncio.wait_for(reader.read(), 30) for reader, _ in opened), return_exceptions=True
        )
        assert all(end == b"" or isinstance(end, ConnectionError) for end in ends)
        for _, writer in opened:
            writer.close()
        reader, writer = await asyncio.open_connection(*door.addresses[0][:2])
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readline()).split()[1] == b"404"
        writer.close()
    finally:
        await door.close()


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("POST", "/events/", 202, ""),
        ("POST", "/events/default/reader/", 202, ""),
        ("POST", "/", 404, "post to /events or /events/NAMESPACE/NAME"),
        ("POST", "/events/reader", 404, "post to /events or /events/NAMESPACE/NAME"),
        ("POST", "/event", 404, "post to /events or /events/NAMESPACE/NAME"),
        ("POST", "/events/default/Reader/", 404, "post to /events/NAMESPACE/NAME"),
        ("GET", "/events", 405, "send POST"),
        ("HEAD", "/events/", 405, ""),
        ("PUT", "/events/default/reader", 405, "send POST"),
    ],
)
async def test_where_to_post_is_said(tmp_path: Any, method: str, path: str, status: int, words: str) -> None:
    headers = JSON | {"Authorization": f"Bearer {TOKEN}"}
    async with (
        receiving(tmp_path) as url,
        aiohttp.ClientSession() as session,
        session.request(method, url + path, data=b'{"dataInputs": []}', headers=headers) as answer,
    ):
        assert answer.status == status
        assert words in await answer.text()
        assert status != 405 or answer.headers["Allow"] == "POST"


async def test_a_port_that_is_taken_is_said_and_leaves_nothing_open() -> None:
    door = await doors.serve(web.Application(), "127.0.0.1", 0)
    with pytest.raises(OSError, match="address already in use"):
        await doors.serve(web.Application(), "127.0.0.1", door.addresses[0][1])
    await door.close()


NAMES = st.sampled_from([
    "Authorization", "Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Ce-Specversion",
    "Ce-Id", "Ce-Source", "Ce-Type", "Ce-Time", "Expect", "Connection", "Upgrade", "X", "x" * 9000,
])  # fmt: skip
TEXTS = st.sampled_from([
    f"Bearer {TOKEN}", "Bearer ", "Bearer x", "Basic x", "application/json", "application/cloudevents+json", "1.0", "0",
    "5", "-1", "99999999999", "chunked", "gzip", "identity", "100-continue", "close", "websocket", "\u00ff\u00fe",
    "x" * 9000, "a\tb",
]) | st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30)  # fmt: skip


@settings(max_examples=exploring.examples(150), deadline=None)
@given(
    method=st.sampled_from(["POST", "GET", "HEAD", "OPTIONS", "PUT", "post", "\u00ff", "POST /x HTTP/1.1\r\n"]),
    path=st.sampled_from(
        ["/events", "/events/", "/events/a/b", "/events/%00/b", "/events/../b/c", "*", "//", "/" + "e" * 9000]
    ),
    headers=st.lists(st.tuples(NAMES, TEXTS), max_size=8),
    body=st.binary(max_size=50),
)
def test_whatever_headers_are_sent_they_are_answered_and_never_by_a_fault_of_ours(
    tmp_path_factory: pytest.TempPathFactory, method: str, path: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    async def ask() -> bytes:
        async with receiving(tmp_path_factory.mktemp("tokens")) as url:
            host, port = url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{name}: {text}" for name, text in headers), "", ""]
            with contextlib.suppress(ConnectionError):
                writer.write("\r\n".join(lines).encode("latin-1") + body)
                writer.write_eof()
                async with asyncio.timeout(30):
                    answer = await reader.read()
            writer.close()
        return answer

    answer = eventloop.run(ask())
    status = answer.split(b" ", 2)[1:2]
    assert status == [] or status[0].startswith((b"1", b"2", b"4")), answer
