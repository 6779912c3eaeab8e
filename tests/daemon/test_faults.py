"""Each way in which S3 servers refuse: with a code in XML, with a code in a header, with a bare status."""

import asyncio
import collections
import contextlib
import errno
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from daemon.stores import addresses, contents, credentials, model, trust
from daemon.stores.s3 import client, faults, listing

LIMITS = contents.Limits(timeout_s=10.0)
STORE = model.Store("storage", "store", "uid", "http://store:9000", "reader")


def told(refusal: faults.Refusal, subject: str, store: model.Store = STORE) -> tuple[str, str, str]:
    fault = faults.of_refusal(refusal, faults.Subject[subject], store)
    return fault.reason, fault.effect.name, fault.failure(store).message


@pytest.mark.parametrize(
    ("code", "subject", "reason", "effect", "words"),
    [
        ("InvalidAccessKeyId", "BUCKETS", "AccessDenied", "STORE", "does not know the access key"),
        ("SignatureDoesNotMatch", "KEY", "AccessDenied", "STORE", "the secret key is not the one of this access key"),
        ("InvalidToken", "BUCKET", "AccessDenied", "STORE", "session token"),
        ("ExpiredToken", "BUCKETS", "CredentialsExpired", "STORE", "they have expired, put new ones into it"),
        ("AccessDenied", "BUCKETS", "AccessDenied", "STORE", "allow them s3:ListAllMyBuckets"),
        ("AccessDenied", "BUCKET", "AccessDenied", "BUCKET", "may not be listed with these credentials"),
        ("AllAccessDisabled", "KEY", "AccessDenied", "BUCKET", "may not be listed with these credentials"),
        ("RequestTimeTooSkewed", "KEY", "ClockSkewed", "STORE", "too far from this node's"),
        ("PermanentRedirect", "BUCKET", "WrongRegion", "BUCKET", "storage-region"),
        ("AuthorizationHeaderMalformed", "BUCKETS", "WrongRegion", "STORE", "storage-region"),
        ("IllegalLocationConstraintException", "BUCKET", "WrongRegion", "BUCKET", "storage-region"),
        ("NoSuchKey", "KEY", "NotFound", "GONE", ""),
        ("NoSuchBucket", "BUCKET", "NotFound", "GONE", ""),
        ("KeyTooLongError", "KEY", "NotFound", "GONE", ""),
        ("XMinioInvalidObjectName", "KEY", "NotFound", "GONE", ""),
        ("InvalidBucketName", "BUCKET", "NotFound", "GONE", ""),
        ("SlowDown", "BUCKETS", "Busy", "LATER", "asks to be asked less often"),
        ("RequestTimeout", "KEY", "Busy", "LATER", "asks to be asked less often"),
        ("XMinioServerNotInitialized", "BUCKETS", "Starting", "STORE", "is still starting"),
        ("XMinioReadQuorum", "BUCKET", "Degraded", "BUCKET", "drives or servers"),
        ("NotImplemented", "BUCKETS", "NotImplemented", "STORE", "does not offer to list its buckets"),
        ("MethodNotAllowed", "BUCKET", "NotImplemented", "BUCKET", "does not offer to list a bucket"),
        ("InternalError", "BUCKETS", "StoreError", "STORE", "answered InternalError: its log says more"),
        ("SomethingNew", "KEY", "StoreError", "BUCKET", "answered SomethingNew: its log says more"),
    ],
)
def test_2_1_each_code_has_its_reason_remedy_and_reach(
    code: str, subject: str, reason: str, effect: str, words: str
) -> None:
    found = told(faults.Refusal(400, code), subject)
    assert found[:2] == (reason, effect)
    assert words in found[2]


@pytest.mark.parametrize(
    ("refusal", "subject", "reason", "effect"),
    [
        pytest.param(faults.Refusal(301, region="eu-west-1", is_bare=True), "KEY", "WrongRegion", "BUCKET", id="301"),
        pytest.param(faults.Refusal(307, region="eu-west-1"), "BUCKET", "WrongRegion", "BUCKET", id="307"),
        pytest.param(faults.Refusal(403, is_bare=True), "KEY", "AccessDenied", "BUCKET", id="403"),
        pytest.param(faults.Refusal(404, is_bare=True), "KEY", "NotFound", "GONE", id="404"),
        pytest.param(faults.Refusal(404, is_bare=True), "BUCKET", "NotFound", "GONE", id="404 for a bucket"),
        pytest.param(faults.Refusal(404), "BUCKET", "NotS3", "BUCKET", id="404 of another web server"),
        pytest.param(faults.Refusal(405, is_bare=True), "KEY", "NotImplemented", "BUCKET", id="405"),
        pytest.param(faults.Refusal(405, is_bare=True, is_deleted=True), "KEY", "NotFound", "GONE", id="deleted"),
        pytest.param(faults.Refusal(416, is_bare=True), "KEY", "NotS3", "BUCKET", id="416"),
        pytest.param(faults.Refusal(429, is_bare=True), "KEY", "Busy", "LATER", id="429"),
        pytest.param(faults.Refusal(503, is_bare=True), "KEY", "Busy", "LATER", id="503"),
        pytest.param(faults.Refusal(503), "BUCKET", "NotS3", "BUCKET", id="503 of another web server"),
        pytest.param(faults.Refusal(500, is_bare=True), "KEY", "NotS3", "BUCKET", id="500"),
        pytest.param(faults.Refusal(501, is_bare=True), "KEY", "NotImplemented", "BUCKET", id="501"),
        pytest.param(faults.Refusal(403), "BUCKETS", "NotS3", "STORE", id="403 of another web server"),
        pytest.param(
            faults.Refusal(400, head=b"Client sent an HTTP request to an HTTPS server."),
            "BUCKETS", "TlsFailed", "STORE", id="TLS expected",
        ),
    ],
)  # fmt: skip
def test_2_1_a_bare_status_says_what_it_can(refusal: faults.Refusal, subject: str, reason: str, effect: str) -> None:
    assert told(refusal, subject)[:2] == (reason, effect)


def test_2_1_remedies_name_what_the_server_named() -> None:
    region = faults.Refusal(400, "AuthorizationHeaderMalformed", region="eu-west-1")
    assert told(region, "BUCKETS")[2] == (
        'http://store:9000 serves the region "eu-west-1" (AuthorizationHeaderMalformed): write that as the annotation '
        "scheduler.thesis/storage-region"
    )
    configured = model.Store("", "", "", "http://store:9000", "", alias="lake")
    assert told(region, "BUCKETS", configured)[2].endswith("write that as region in the configuration")
    clock = faults.Refusal(403, "RequestTimeTooSkewed", ahead_s=-7200.0)
    assert "has a clock that is 120 minutes behind this node's" in told(clock, "KEY")[2]


@pytest.mark.parametrize(
    ("error", "reason", "words"),
    [
        (OSError(errno.ECONNREFUSED, "[x] words"), "Unreachable", "cannot be reached: Connection refused"),
        (ConnectionResetError(errno.ECONNRESET, ""), "Unreachable", "broke off the connection; if it speaks TLS"),
        (TimeoutError(), "Timeout", "did not answer within 10 s"),
        (addresses.RefusedError("leads to a loopback address"), "EndpointRefused", "leads to a loopback address"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong"), "TlsFailed", "TLS"),
        (ValueError("anything"), "NotS3", "does not answer as an S3 store does (ValueError)"),
    ],
)  # fmt: skip
def test_what_the_connection_raises_has_its_reason(error: Exception, reason: str, words: str) -> None:
    failure = faults.of_exception(error, STORE, LIMITS).failure(STORE)
    assert failure.reason == reason
    assert words in failure.message


# ---- over HTTP ----

Handler = Callable[[web.Request], web.StreamResponse]


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[tuple[listing.Server, list[str]]]:
    """A server that answers by ``handler``, and what it was asked for."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(f"{request.method} {request.path_qs}")
        return handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    store = model.Store("storage", "store", "uid", f"http://127.0.0.1:{runner.addresses[0][1]}", "reader")
    access = credentials.Access(contents.Credentials("key", "hush", "lent"))
    source = listing.Server(client.Client(store, LIMITS, access))
    try:
        yield source, asked
    finally:
        await source.close()
        await runner.cleanup()


def error(status: int, code: str, **headers: str) -> web.Response:
    text = f"<Error><Code>{code}</Code><Message>words of a store</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml", headers=headers)


async def test_2_1_a_bare_400_is_explained_by_one_more_question() -> None:
    """A HEAD has no body: whether the key is at fault or the region is said to a GET of its first byte."""
    answers = {"HEAD": web.Response(status=400), "GET": error(400, "XMinioInvalidObjectName")}
    async with serving(lambda request: answers[request.method]) as (source, asked):
        for _ in range(3):
            outcome = await source.look_up(["bucket/odd"])
            assert outcome == contents.Listing(missing=frozenset({"bucket/odd"}))
    assert asked == ["HEAD /bucket/odd", "GET /bucket/odd"]  # once, and not again


async def test_2_1_a_bare_400_for_expired_credentials_is_no_missing_key() -> None:
    answers = {"HEAD": web.Response(status=400), "GET": error(400, "ExpiredToken")}
    async with serving(lambda request: answers[request.method]) as (source, _):
        outcome = await source.look_up(["bucket/key"])
    assert isinstance(outcome, contents.Failure)
    assert outcome.reason == "CredentialsExpired"


async def test_2_1_a_code_in_a_header_needs_no_second_question() -> None:
    refusal = web.Response(status=400, headers={"x-minio-error-code": "XMinioInvalidObjectName"})
    async with serving(lambda _: refusal) as (source, asked):
        assert await source.look_up(["bucket/odd"]) == contents.Listing(missing=frozenset({"bucket/odd"}))
    assert asked == ["HEAD /bucket/odd"]


async def test_2_1_one_bucket_in_another_region_does_not_hide_the_others() -> None:
    def handler(request: web.Request) -> web.Response:
        if request.path == "/":
            names = "".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in ("near", "far-away"))
            return web.Response(text=f"<ListAllMyBucketsResult><Buckets>{names}</Buckets></ListAllMyBucketsResult>")
        if request.path == "/far-away":
            return error(301, "PermanentRedirect", **{"x-amz-bucket-region": "eu-west-1"})
        return web.Response(text="<ListBucketResult><Contents><Size>7</Size></Contents></ListBucketResult>")

    async with serving(handler) as (source, _):
        outcome = await source.list_store()
    assert isinstance(outcome, contents.Listing)
    assert outcome.buckets == {"near": contents.Content(7, 1), "far-away": None}
    assert outcome.closed["far-away"].startswith('serves the region "eu-west-1"')


async def test_2_1_a_busy_store_is_no_failing_one() -> None:
    async with serving(lambda _: error(503, "SlowDown", **{"Retry-After": "7"})) as (source, asked):
        outcome = await source.look_up([f"bucket/k{number}" for number in range(100)])
    assert isinstance(outcome, contents.Failure)
    assert len(asked) <= 8  # it stopped asking

    async with serving(lambda _: error(503, "SlowDown", **{"Retry-After": "7"})) as (source, _):
        outcome = await source.list_store()
    assert isinstance(outcome, contents.Failure)
    assert (outcome.reason, outcome.passing, outcome.retry_after_s) == ("Busy", True, 7.0)


async def test_2_5_a_session_token_is_signed_and_sent() -> None:
    seen: list[web.Request] = []

    def handler(request: web.Request) -> web.Response:
        seen.append(request)
        return web.Response(text="<ListAllMyBucketsResult/>")

    async with serving(handler) as (source, _):
        await source.list_store()
    assert seen[0].headers["x-amz-security-token"] == "lent"
    assert "x-amz-security-token" in seen[0].headers["Authorization"]


async def test_3_4_an_answer_without_end_is_cut_off() -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionResetError):
            await response.write(b"<ListAllMyBucketsResult>")
            while sent < 2**28:
                await response.write(b"<x>" + b"y" * 2**16 + b"</x>")
                sent += 2**16
        return response

    app = web.Application()
    app.router.add_get("/", endless)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    store = model.Store("storage", "store", "uid", f"http://127.0.0.1:{runner.addresses[0][1]}", "")
    async with client.Client(store, LIMITS) as s3:
        outcome = await listing.Server(s3).list_store()
    await runner.cleanup()
    assert isinstance(outcome, contents.Failure)
    assert "has more than 8388608 bytes" in outcome.message
    assert sent < 2 * client.MAX_ANSWER_BYTES


async def test_3_4_a_server_that_trickles_costs_a_bounded_time_and_no_thread() -> None:
    async def trickle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        ended.set()

    ended = asyncio.Event()
    server = await asyncio.start_server(trickle, "127.0.0.1", 0)
    store = model.Store("s", "s", "u", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "")
    limits = contents.Limits(timeout_s=0.2)
    async with client.Client(store, limits) as s3:
        outcome = await listing.Server(s3).list_store()
    await ended.wait()  # it noticed that nobody listens any more
    server.close()
    assert isinstance(outcome, contents.Failure)
    assert outcome.reason == "Timeout"


async def test_3_4_a_store_has_one_tls_context_as_long_as_its_ca_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    real = ssl.create_default_context

    def counting(*, cadata: str | None = None) -> ssl.SSLContext:
        made.append(cadata or "")
        return real()

    monkeypatch.setattr(ssl, "create_default_context", counting)
    monkeypatch.setattr(trust, "_known", collections.OrderedDict())
    store = model.Store("s", "s", "u", "https://127.0.0.1:9", "")
    async with client.Client(store, LIMITS) as s3:
        for number in range(10):
            await s3.use(credentials.Access(contents.Credentials("key", str(number))))
            await listing.Server(s3).look_up([f"bucket/{n}" for n in range(50)])
    assert made == [""]


async def test_3_4_a_listing_has_a_budget_of_requests_and_bytes() -> None:
    """What is left out is uncounted, not empty."""

    def handler(request: web.Request) -> web.Response:
        if request.path == "/":
            names = "".join(f"<Bucket><Name>bucket-{number}</Name></Bucket>" for number in range(40))
            return web.Response(text=f"<ListAllMyBucketsResult><Buckets>{names}</Buckets></ListAllMyBucketsResult>")
        return web.Response(
            text="<ListBucketResult>" + "<Contents><Size>7</Size></Contents>" * 100 + "</ListBucketResult>"
        )

    for limits in (contents.Limits(max_requests=12), contents.Limits(max_bytes=40_000)):
        async with serving(handler) as (source, asked):
            source._s3.limits = limits
            outcome = await source.list_store()
        assert isinstance(outcome, contents.Listing)
        assert len(outcome.buckets) == 40
        assert 20 < len(outcome.uncounted) < 40
        assert len(asked) < 20


async def test_3_4_a_name_server_that_hangs_holds_up_one_store_and_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go, real = threading.Event(), socket.getaddrinfo

    def hanging(host: str, *args: object, **kwargs: object) -> object:
        if host == "stuck.test":
            let_go.wait()
        return real("127.0.0.1", *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    stuck = model.Store("s", "s", "u", "http://stuck.test:9", "")
    before = threading.active_count()
    try:
        async with client.Client(stuck, contents.Limits(timeout_s=0.1)) as s3:
            for _ in range(20):
                outcome = await listing.Server(s3).list_store()
                assert isinstance(outcome, contents.Failure)
                assert outcome.reason == "Timeout"
            assert threading.active_count() == before + 1
            async with serving(lambda _: web.Response(text="<ListAllMyBucketsResult/>")) as (source, _):
                endpoint = source._s3.store.endpoint.replace("127.0.0.1", "good.test")
                async with client.Client(model.Store("s", "s", "u", endpoint, ""), LIMITS) as other:
                    assert isinstance(await listing.Server(other).list_store(), contents.Listing)
    finally:
        let_go.set()
