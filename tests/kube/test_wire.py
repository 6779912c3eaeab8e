"""Short requests over kept connections, against a server that sends whatever bytes it is told to."""

import asyncio
import contextlib
import dataclasses
import itertools
import pathlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler import errors
from scheduler.kube import answers, sealing, wire
from tests.fakeapi import certificates
from tests.fakeapi import server as fakeapi

HEAD = b"HTTP/1.1 201 Created\r\nDate: Mon, 30 Nov 2026 07:30:00 GMT\r\n"
LENGTH = HEAD + b"Content-Length: 5\r\n\r\nhello"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"
CONTINUED = b"HTTP/1.1 100 Continue\r\n\r\n" + LENGTH
UNDELIMITED = HEAD + b"\r\nhello"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclasses.dataclass
class Server:
    """Answers each request with the next script: pieces of bytes, and None to close."""

    scripts: list[Sequence[bytes | None]]
    port: int = 0
    connections: int = 0
    cut: int = 0
    open: int = 0
    requests: list[bytes] = dataclasses.field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            await self._answer(reader, writer)
        finally:
            writer.close()
            self.open -= 1

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while head := await _head(reader):
                self.requests.append(head)
                for piece in self.scripts.pop(0):
                    if piece is None:
                        return
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
        self.cut += 1

    def origin(self) -> wire.Origin:
        return wire.origin(f"http://127.0.0.1:{self.port}/base", None)


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(2)
    except asyncio.IncompleteReadError:
        return b""


@contextlib.asynccontextmanager
async def serving(
    *scripts: Sequence[bytes | None],
) -> AsyncIterator[tuple[Server, Callable[[], asyncio.Future[answers.Answer]]]]:
    """A server, and what asks it."""
    told = Server(list(scripts))
    listening = await asyncio.start_server(told.serve, "127.0.0.1", 0)
    told.port = listening.sockets[0].getsockname()[1]
    line = wire.Wire(None, None, limit=4)

    def ask() -> asyncio.Future[answers.Answer]:
        request = wire.request(told.origin(), "POST", "/path?a=b", (("Accept", "x"),), b"{}")
        return asyncio.ensure_future(line.ask(told.origin(), request, None))

    try:
        yield told, ask
    finally:
        line.close()
        listening.close()
        await fakeapi.until(lambda: not told.open)
        await listening.wait_closed()


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        pytest.param([LENGTH], 201, b"hello", id="length"),
        pytest.param([CHUNKED], 201, b"hello", id="chunks"),
        pytest.param([CONTINUED], 201, b"hello", id="continue first"),
        pytest.param([EMPTY], 204, b"", id="no content"),
        pytest.param([UNDELIMITED, None], 201, b"hello", id="up to the end of the connection"),
    ],
)
async def test_an_answer_is_taken_whole(answer: Sequence[bytes | None], status: int, body: bytes) -> None:
    async with serving(answer) as (told, ask):
        found = await ask()
    assert (found.status, found.body) == (status, body)
    lines = ["POST /base/path?a=b HTTP/1.1", f"Host: 127.0.0.1:{told.port}", "Accept: x", "Content-Length: 2", "", "{}"]
    assert told.requests == ["\r\n".join(lines).encode()]


@hypothesis.given(
    answer=st.sampled_from([LENGTH, CHUNKED, CONTINUED, EMPTY]), cuts=st.lists(st.integers(1, 140), max_size=8)
)
def test_however_an_answer_is_cut_into_pieces_it_is_the_same(answer: bytes, cuts: list[int]) -> None:
    bounds = sorted({0, *(cut for cut in cuts if cut < len(answer)), len(answer)})
    reading = answers.Reading()
    *early, found = [reading.take(answer[start:end]) for start, end in itertools.pairwise(bounds)]
    assert not any(early)
    assert found is not None
    assert found.body == (b"" if answer is EMPTY else b"hello")


async def test_a_connection_is_used_again_until_the_server_ends_it() -> None:
    closing = LENGTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with serving([LENGTH], [CHUNKED], [closing], [LENGTH]) as (told, ask):
        for count in (1, 1, 1, 2):
            assert (await ask()).status == 201
            assert told.connections == count


async def test_a_connection_that_was_idle_for_long_is_not_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "IDLE_S", 0.0)
    async with serving([LENGTH], [LENGTH]) as (told, ask):
        await ask()
        await ask()
        assert told.connections == 2


async def test_requests_at_once_take_a_connection_each_up_to_the_limit() -> None:
    async with serving(*[[LENGTH]] * 20) as (told, ask):
        answers = await asyncio.gather(*(ask() for _ in range(20)))
        assert [answer.status for answer in answers] == [201] * 20
        assert told.connections == 4


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([None], id="nothing"),
        pytest.param([LENGTH[:-1], None], id="less than announced"),
        pytest.param([CHUNKED[:-3], None], id="a chunk less"),
        pytest.param([HEAD, None], id="half a head"),
        pytest.param([b"HTTP/1.0 200 OK\r\n\r\n"], id="another version"),
        pytest.param([b"SSH-2.0-OpenSSH\r\n\r\n"], id="another protocol"),
        pytest.param([HEAD + b"no header\r\n\r\n"], id="no header"),
        pytest.param([HEAD + b"Content-Length: many\r\n\r\n"], id="no number"),
        pytest.param([HEAD + b"Content-Length: -5\r\n\r\nhello"], id="a negative number"),
        pytest.param([HEAD + b"Content-Length: 99999999999\r\n\r\n"], id="too long"),
        pytest.param([HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n"], id="no size of a chunk"),
        pytest.param([HEAD + b"Transfer-Encoding: chunked\r\n\r\n-3\r\nhel\r\n"], id="a negative size"),
        pytest.param([HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n"], id="a chunk that is longer"),
        pytest.param([LENGTH + b"more"], id="more than was asked for"),
        pytest.param([b"x" * (answers.HEAD_BYTES + 1)], id="a head without end"),
    ],
)
async def test_what_is_no_answer_is_an_error_and_ends_the_connection(answer: Sequence[bytes | None]) -> None:
    async with serving(answer, [LENGTH]) as (told, ask):
        with pytest.raises(OSError, match=r"."):
            await asyncio.wait_for(ask(), 60)
        assert (await ask()).body == b"hello"
        assert told.connections == 2


async def test_a_request_that_is_given_up_ends_its_connection() -> None:
    async with serving([LENGTH[:-1]], [LENGTH]) as (told, ask):
        asking = ask()
        await fakeapi.until(lambda: told.requests)
        asking.cancel()
        await asyncio.wait([asking])
        await fakeapi.until(lambda: told.cut == 1)
        assert (await ask()).body == b"hello"


async def test_behind_a_closed_fence_no_byte_is_sent() -> None:
    async with serving([LENGTH]) as (told, ask):
        await ask()
        line = wire.Wire(None, None, limit=1)
        with pytest.raises(errors.FencedError):
            await line.ask(told.origin(), b"request", lambda: 0.0)
        line.close()
        await fakeapi.until(lambda: told.connections == 2)
        assert len(told.requests) == 1


async def test_a_request_is_encrypted_before_the_fence_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    """Who is stopped right after the fence has little left to do before the bytes are out."""
    told: list[str] = []
    seal = sealing.Sealing.seal

    def note(sealed: sealing.Sealing, data: bytes) -> bytes:
        told.append("encrypted")
        return seal(sealed, data)

    def closed() -> float:
        told.append("asked")
        return 0.0

    monkeypatch.setattr(sealing.Sealing, "seal", note)
    made = certificates.make(tmp_path, "server")
    arrived = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read():
            arrived.set()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=made.server_context())
    origin = wire.origin(f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}", None)
    line = wire.Wire(ssl.create_default_context(cafile=str(made.cert)), None, limit=1)
    with pytest.raises(errors.FencedError):
        await line.ask(origin, b"request", closed)
    assert told == ["encrypted", "asked"]
    listening.close()
    await listening.wait_closed()
    assert not arrived.is_set()


async def test_a_server_that_is_not_there() -> None:
    async with serving() as (told, _):
        gone = told.origin()
    with pytest.raises(ConnectionRefusedError):
        await wire.Wire(None, None, limit=1).ask(gone, b"request", None)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        pytest.param("/a\r\nHost: evil", (), id="a line in the path"),
        pytest.param("/a HTTP/1.1", (), id="a space in the path"),
        pytest.param("/ä", (), id="not encoded"),
        pytest.param("/a", (("Authorization", "Bearer x\r\nHost: evil"),), id="a line in a header"),
    ],
)
def test_what_would_end_its_line_is_not_sent(path: str, headers: wire.Headers) -> None:
    with pytest.raises(ValueError, match="does not fit into a line"):
        wire.request(wire.origin("https://h", None), "POST", path, headers, b"")


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        pytest.param("https://h", wire.Origin("h", 443, "", None), id="https"),
        pytest.param("http://h/", wire.Origin("h", 80, "", None), id="http"),
        pytest.param("https://[::1]:6443/k8s/c", wire.Origin("::1", 6443, "/k8s/c", None), id="address and path"),
    ],
)
def test_where_a_server_is(server: str, expected: wire.Origin) -> None:
    assert wire.origin(server, None) == expected
    host = "[::1]" if ":" in expected.host else expected.host
    assert f"Host: {host}:{expected.port}\r\n".encode() in wire.request(expected, "POST", "/a", (), b"")


@pytest.mark.parametrize("is_secure", [False, True])
async def test_a_body_that_is_too_long_to_be_sent_at_once_arrives_whole(
    is_secure: bool, tmp_path: pathlib.Path
) -> None:
    made = certificates.make(tmp_path, "server") if is_secure else None
    arrived: list[bytes] = []
    body = bytes(range(256)) * 2**14  # 4 MB

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            await reader.readuntil(b"\r\n\r\n")
            arrived.append(await reader.readexactly(len(body)))
            writer.write(LENGTH)
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=made.server_context() if made else None)
    port = listening.sockets[0].getsockname()[1]
    origin = wire.origin(f"{'https' if made else 'http'}://127.0.0.1:{port}", None)
    line = wire.Wire(ssl.create_default_context(cafile=str(made.cert)) if made else None, None, limit=1)
    for _ in range(2):
        answer = await line.ask(origin, wire.request(origin, "POST", "/", (), body), None)
        assert answer.body == b"hello"
    assert arrived == [body, body]
    line.close()
    listening.close()
    await listening.wait_closed()
