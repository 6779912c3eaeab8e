"""Whatever a store answers or announces: no crash, no growth, nothing in a status that could not stand there."""

import asyncio
import gc
import json
import pathlib
import re
import subprocess
import sys
import tracemalloc
from xml.sax import saxutils

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.stores import contents, model, notices
from daemon.stores.s3 import answers, client, faults
from scheduler.api import urns as grammar
from tests.daemon import asked, hostile, hostile_server

ROOT = pathlib.Path(__file__).parents[2]
STORE = model.Store("storage", "store", "uid", "http://store:9000", "reader")

texts = st.one_of(st.sampled_from(hostile_server.TEXTS), st.text(max_size=50))
tags = st.sampled_from(
    ["Error", "Code", "Message", "ListBucketResult", "Contents", "Size", "LastModified", "a:Key", "x"]
)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """XML of the words that S3 uses, in any order, and sometimes cut off, or with something in between."""
    words: list[str] = []
    opened: list[str] = []
    for _ in range(draw(st.integers(0, 25))):
        kind = draw(st.sampled_from("<>.."))
        if opened and kind == ">":
            words.append(f"</{opened.pop()}>")
        elif kind == "<":
            opened.append(draw(tags))
            words.append(f"<{opened[-1]}>")
        else:
            words.append(saxutils.escape(draw(texts)))
    words += [f"</{tag}>" for tag in reversed(opened)]
    text = "".join(words).encode("utf-8", "replace")
    cut = draw(st.integers(0, len(text)))
    return draw(st.sampled_from([text, text, text[:cut], text[:cut] + draw(st.binary(max_size=20)) + text[cut:]]))


def read(document: answers.Document, text: bytes, size: int) -> tuple[int, str]:
    """How much of ``text`` was read, in pieces of ``size``, and why it was refused, "" if it was not."""
    fed = 0
    try:
        for start in range(0, len(text), size):
            fed = start + size
            document.feed(text[start : start + size])
        document.close("ListBucketResult", "ListAllMyBucketsResult", "Error")
    except answers.MalformedError as error:
        return fed, str(error)
    return fed, ""


@given(st.one_of(documents(), st.binary(max_size=200), st.sampled_from(hostile_server.BOMBS)), st.integers(1, 9000))
def test_3_5_any_document_is_read_or_refused_in_words_of_our_own(text: bytes, size: int) -> None:
    for document in (answers.Page(), answers.Buckets(), answers.Document()):
        _, refused = read(document, text, size)
        assert refused.isprintable()
        assert len(refused) < 200
        assert document.error.code == "" or re.fullmatch(r"[A-Za-z0-9.]{1,64}", document.error.code)


@pytest.mark.parametrize("text", hostile_server.BOMBS)
def test_3_4_a_document_made_to_harm_is_refused_early(text: bytes) -> None:
    """Nested deeply, with entities, or with a tag or a text without end: none gets to be read whole."""
    page = answers.Page()
    fed, refused = read(page, text, 8192)
    is_harmless = len(page.sizes_bytes) == 20_000 or text.startswith((b"<a>xx", "<Lis".encode("utf-16"), b"<?xml"))
    assert is_harmless or (refused and fed <= 128 * 1024)


@given(st.fixed_dictionaries({}, optional={
    **{name: st.one_of(st.sampled_from(values), texts) for name, values in hostile_server.HEADERS.items()},
    "Content-Length": st.one_of(st.sampled_from(hostile_server.SIZES), texts),
}))  # fmt: skip
def test_3_5_any_headers_give_what_a_status_can_hold(headers: dict[str, str]) -> None:
    content = answers.content_of(headers)
    assert 0 <= answers.retry_after_s(headers.get("Retry-After", "")) <= 300
    if content is None:
        return
    hostile.check(contents.Listing(found={"bucket/key": content}))
    assert grammar.is_printable(content.etag + content.version_id)
    json.dumps(content.etag + content.version_id).encode()


refusals = st.builds(
    faults.Refusal,
    st.one_of(st.sampled_from(hostile_server.STATUSES), st.integers(0, 999)),
    code=st.one_of(st.sampled_from(hostile_server.CODES), texts).map(answers.clean_code),
    region=st.one_of(st.sampled_from(hostile_server.REGIONS), texts).map(answers.clean_region),
    ahead_s=st.one_of(st.none(), st.floats(-1e12, 1e12)),
    head=st.binary(max_size=20),
    is_deleted=st.booleans(),
    is_bare=st.booleans(),
)


@given(refusals, st.sampled_from(faults.Subject))
def test_3_5_any_refusal_is_one_sentence_of_ours(refusal: faults.Refusal, subject: faults.Subject) -> None:
    hostile.check(faults.of_refusal(refusal, subject, STORE).failure(STORE))


@given(texts, texts, texts)
def test_3_5_any_values_of_a_secret_are_sent_or_refused_and_never_shown(access: str, secret: str, token: str) -> None:
    store = model.Store("storage", "store", "uid", "http://127.0.0.1:9", "reader")
    given_ = contents.Credentials(access, secret, token)
    outcome = asked.list_store(store, given_, "", urns=["bucket/key"], limits=contents.Limits())
    assert isinstance(outcome, contents.Failure)
    is_sendable = bool(access and secret) and all(grammar.is_printable(text) for text in (access, secret, token))
    assert outcome.reason == ("Unreachable" if is_sendable else "SecretUnusable")
    hostile.check(outcome)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)
records = st.one_of(
    json_values,
    st.builds(
        lambda bucket, key: {"s3": {"bucket": {"name": bucket}, "object": {"key": key}}}, json_values, json_values
    ),
)
lines = st.one_of(
    st.binary(max_size=100),
    json_values.map(json.dumps).map(str.encode),
    st.lists(records, max_size=4).map(lambda found: json.dumps({"Records": found}).encode()),
    st.randoms(use_true_random=False).map(hostile_server.notice),
)


@given(lines)
def test_3_5_any_line_is_a_notice_or_none(line: bytes) -> None:
    for bucket, key in notices.read_notice(line) or []:
        assert not grammar.bucket_fault(bucket)
        assert len(key.encode("utf-8", "surrogatepass")) <= 1024


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b'{"x":' * 100_000, id="nested and cut off"),
        pytest.param(b'{"x":' * 10_000 + b"1" + b"}" * 10_000, id="nested"),
        pytest.param(b"nonsense", id="no JSON"),
        pytest.param(json.dumps({"Records": [{}] * 101}).encode(), id="too many records"),
        pytest.param(b" " * 70_000 + b"{}", id="too long"),
    ],
)
def test_3_4_a_line_that_is_no_notice_is_told_apart_from_silence(line: bytes) -> None:
    assert notices.read_notice(line) is None
    assert notices.read_notice(b'{"Records":null}') == notices.read_notice(b"  ") == []


def test_the_memory_that_hostile_stores_are_held_to_is_what_the_manifest_requests() -> None:
    text = (ROOT / "manifests/base/daemon.yaml").read_text()
    assert re.findall(r"requests: .*memory: (\d+)Mi", text) == [str(hostile.REQUEST_MIB)]


@pytest.mark.slow
def test_3_4_a_hostile_store_neither_crashes_nor_fills_the_daemon(capsys: pytest.CaptureFixture[str]) -> None:
    """The same at length, and with the loop's stalls printed, is ``make hostile``; it fails for defects and memory."""
    command = [sys.executable, "-m", "tests.daemon.hostile", "--answers", "200", "--notices", "400", "--seed", "7"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    with capsys.disabled():
        print(f"\n{done.stdout}")  # noqa: T201 - the figures are the point
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("cut", [pytest.param(0, id="whole"), pytest.param(100, id="broken off")])
async def test_3_4_an_answer_leaves_nothing_behind_whether_it_ends_well_or_not(cut: int) -> None:
    names = "".join(f"<Bucket><Name>bucket-{number}</Name></Bucket>" for number in range(4_000))
    body = f"<ListAllMyBucketsResult><Buckets>{names}</Buckets></ListAllMyBucketsResult>".encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body[: len(body) - cut])
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    store = model.Store("storage", "s", "u", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "")
    limits = contents.Limits(timeout_s=10.0)
    async with server, client.Client(store, limits) as asking:

        async def ask() -> faults.Fault | None:
            document = answers.Buckets()
            return await asking.read("", {}, document, "ListAllMyBucketsResult", budget=client.Budget(limits))

        assert (await ask() is None) is (cut == 0)
        gc.collect()
        gc.disable()  # which would come, but when it likes
        tracemalloc.start()
        try:
            for _ in range(4):
                await ask()
            left_bytes, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            gc.enable()
    assert left_bytes < 300_000
