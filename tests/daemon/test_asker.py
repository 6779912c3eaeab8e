"""One store asked over time: what is asked again, how often, and what becomes of what was missed. No API server."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from daemon import metrics
from daemon.cluster import watches
from daemon.stores import asker, contents, model, named, rechecks
from scheduler.api import core, crd

LIMITS = contents.Limits(timeout_s=10.0)
DEADLINE_S = 30.0


class Store:
    """An S3 server that announces changes, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.buckets = ["bucket"]
        self.streams: list[web.StreamResponse] = []
        self.refusal: tuple[int, str] | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if "events" in request.query:
            return await self._announce(request)
        self.asked.append(f"{request.method} {request.path}")
        if self.refusal is not None and request.path == "/":
            status, code = self.refusal
            return web.Response(status=status, text=f"<Error><Code>{code}</Code></Error>")
        if request.path.startswith("/minio/"):
            return web.Response()
        if request.path == "/":
            names = "".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in self.buckets)
            return web.Response(text=f"<ListAllMyBucketsResult><Buckets>{names}</Buckets></ListAllMyBucketsResult>")
        if request.method == "HEAD":
            return web.Response(body=b"1234567", headers={"ETag": '"e"'})
        return web.Response(text="<ListBucketResult><Contents><Size>7</Size></Contents></ListBucketResult>")

    async def _announce(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.streams.append(response)
        with contextlib.suppress(ConnectionResetError, asyncio.CancelledError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.2)
        return response

    async def announce(self, line: bytes) -> None:
        await self.streams[-1].write(line + b"\n")

    async def happened(self, key: str) -> None:
        record = {"s3": {"bucket": {"name": "bucket"}, "object": {"key": key}}}
        await self.announce(json.dumps({"Records": [record]}).encode())

    def count(self, what: str) -> int:
        return self.asked.count(what)


def wanted(*urns: str) -> watches.Objects:
    objects = watches.Objects()
    for number, urn in enumerate(urns):
        metadata = core.ObjectMeta(namespace="default", name=f"o{number}")
        objects.put(crd.DataObject(metadata=metadata, spec=crd.DataObjectSpec(urn=urn)), "test")
    return objects


@contextlib.asynccontextmanager
async def running(
    objects: watches.Objects, *, refusal: tuple[int, str] | None = None, figures: metrics.Metrics | None = None
) -> AsyncIterator[tuple[Store, asker.Asker]]:
    store = Store()
    store.refusal = refusal
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", store.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    address = model.Store("storage", "store", "uid", endpoint, "")
    one = asker.Asker(
        None,  # type: ignore[arg-type] # it reads no Secret, as the store has none
        address,
        limits=LIMITS,
        wanted=named.Named(objects, address),
        changed=lambda _: None,
        figures=figures or metrics.Metrics(),
    )
    task = asyncio.create_task(one.run())
    try:
        yield store, one
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await runner.cleanup()


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not check():  # noqa: ASYNC110 - it looks at what others change
            await asyncio.sleep(0.01)


def is_known(one: asker.Asker, *urns: str) -> bool:
    return (
        one.view is not None
        and isinstance(one.view.outcome, contents.Listing)
        and set(urns) <= set(one.view.outcome.found)
    )


async def heard(store: Store, one: asker.Asker, *urns: str) -> None:
    """Until the store is heard, and all is looked up that may have been missed before."""
    await until(lambda: bool(store.streams) and is_known(one, *urns))
    listed = store.count("GET /")
    await until(lambda: store.count("GET /") > listed)
    asked = -1
    while asked < len(store.asked):  # until it has nothing more to ask
        asked = len(store.asked)
        await asyncio.sleep(0.5)


async def test_3_3_a_store_that_is_heard_is_not_asked_for_everything_with_each_listing() -> None:
    urns = [f"bucket/k{number}" for number in range(30)]
    async with running(wanted(*urns)) as (store, one):
        await heard(store, one, *urns)
        before = [line for line in store.asked if line not in {"GET /", "GET /minio/health/live"}]
        for _ in range(3):
            listed = store.count("GET /")
            one.ask()
            await until(lambda seen=listed: store.count("GET /") > seen)  # type: ignore[misc]
            await asyncio.sleep(0.1)
        after = [line for line in store.asked if line not in {"GET /", "GET /minio/health/live"}]
        assert after == before  # neither buckets nor keys
        assert is_known(one, *urns)
        assert one.view is not None
        assert isinstance(one.view.outcome, contents.Listing)
        assert one.view.outcome.buckets == {"bucket": contents.Content(7, 1)}


async def test_3_3_a_key_that_changes_all_the_time_is_looked_up_once_a_second() -> None:
    async with running(wanted("bucket/hot")) as (store, one):
        await heard(store, one, "bucket/hot")
        before, began_s = store.count("HEAD /bucket/hot"), time.monotonic()
        for _ in range(150):
            await store.happened("hot")
            await asyncio.sleep(0.02)
        took_s = time.monotonic() - began_s
        await asyncio.sleep(1.5)
        looked = store.count("HEAD /bucket/hot") - before
        assert 4 <= looked <= took_s + 4
        await store.happened("hot")  # after a while of silence it is seen at once, and the last one is never lost
        await until(lambda: store.count("HEAD /bucket/hot") > before + looked)


async def test_3_4_what_is_announced_and_thrown_away_is_found_by_listing() -> None:
    async def is_found(line: bytes) -> None:
        async with running(wanted("bucket/key")) as (store, one):
            await heard(store, one, "bucket/key")
            counted, looked = store.count("GET /bucket"), store.count("HEAD /bucket/key")
            await store.announce(line)
            await until(lambda: store.count("GET /bucket") > counted and store.count("HEAD /bucket/key") > looked)

    async with asyncio.TaskGroup() as lines:
        for line in (b'{"x":' * 10_000, b"x" * 300_000, b"nonsense"):
            lines.create_task(is_found(line))


async def test_3_4_a_key_of_slashes_and_a_flood_of_unknown_buckets_cost_little() -> None:
    async with running(wanted("bucket/a/b/", "bucket/key")) as (store, one):
        await heard(store, one, "bucket/key")
        before = len(store.asked)
        await store.happened("/" * 60_000)
        for start in range(20):
            records = [
                {"s3": {"bucket": {"name": f"stranger-{start}-{number}"}, "object": {"key": "k"}}}
                for number in range(90)
            ]
            await store.announce(json.dumps({"Records": records}).encode())
        await store.happened("key")
        looked = store.count("HEAD /bucket/key")
        await until(lambda: store.count("HEAD /bucket/key") > looked)
        await asyncio.sleep(1.0)
        assert len(store.asked) - before < 300  # 1,800 were announced


async def test_3_4_a_notice_of_a_nested_prefix_counts_each_that_somebody_named() -> None:
    async with running(wanted("bucket/a/", "bucket/a/b/")) as (store, one):
        await heard(store, one, "bucket/a/", "bucket/a/b/")
        counted = store.count("GET /bucket")
        await store.happened("a/b/c")
        await until(lambda: store.count("GET /bucket") >= counted + 3)  # the bucket and both prefixes


async def test_2_1_a_store_that_is_busy_keeps_what_is_known_of_it() -> None:
    async with running(wanted("bucket/key")) as (store, one):
        await heard(store, one, "bucket/key")
        store.refusal = (503, "SlowDown")
        listed = store.count("GET /")
        one.ask()
        await until(lambda: store.count("GET /") > listed)
        await asyncio.sleep(0.3)
        assert is_known(one, "bucket/key")
        assert store.count("GET /") == listed + 1  # and is left alone
        store.refusal = (500, "InternalError")
        one.ask()
        await until(lambda: one.view is not None and isinstance(one.view.outcome, contents.Failure))


async def test_2_2_a_store_that_hides_its_buckets_is_asked_for_those_that_somebody_names() -> None:
    objects = wanted("bucket/key", "bucket/a/")
    async with running(objects, refusal=(403, "AccessDenied")) as (_, one):
        await until(lambda: is_known(one, "bucket/key", "bucket/a/"))
        assert one.holds("bucket")
        assert one.view is not None
        assert isinstance(one.view.outcome, contents.Listing)
        assert one.view.outcome.buckets == {"bucket": contents.Content(7, 1)}


async def test_2_1_wrong_credentials_are_not_tried_on_each_bucket_that_somebody_names() -> None:
    async with running(wanted("bucket/key"), refusal=(403, "InvalidAccessKeyId")) as (store, one):
        await until(lambda: one.view is not None)
        assert one.view is not None
        assert isinstance(one.view.outcome, contents.Failure)
        assert set(store.asked) == {"GET /"}


async def test_a_defect_costs_one_lane_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asker, "_DEFECT_S", 0.1)
    real, calls = rechecks.Rechecks.choose, 0

    def defective(self: rechecks.Rechecks, *args: object, **kwargs: object) -> list[str]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("a defect")
        return real(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(rechecks.Rechecks, "choose", defective)
    figures = metrics.Metrics()
    async with running(wanted("bucket/key"), figures=figures) as (_, one):
        await until(lambda: calls > 0)
        one.ask()
        await until(lambda: is_known(one, "bucket/key"))
    assert figures.registry.get_sample_value("data_locality_daemon_faults_total", {"part": "store"}) == 1


def test_3_3_a_few_changes_are_seen_at_once_and_many_once_a_second() -> None:
    hot = rechecks.Hot()
    assert [hot.wait_s("key", now_s) for now_s in (10.0, 10.1, 10.2)] == [0.0, 0.0, 0.0]
    waits = [(now_s, hot.wait_s("key", now_s)) for now_s in (step / 10 for step in range(103, 200))]
    looked = [now_s + wait_s for now_s, wait_s in waits if wait_s is not None]
    assert 9 <= len(looked) <= 11
    assert all(later - sooner > 0.99 for sooner, later in itertools.pairwise(looked))
    assert hot.wait_s("other", 19.9) == 0.0
    assert [hot.wait_s("key", now_s) for now_s in (30.0, 30.1, 30.2)] == [0.0, 0.0, 0.0]


def test_3_3_rechecks_are_spread_and_bounded() -> None:
    checks, names = rechecks.Rechecks(), [f"k{number}" for number in range(1000)]
    checks.asked(names, 0.0)
    assert checks.choose(names, 1.0, is_calm=True, limit=1000) == []
    assert len(checks.choose(names, 1.0, is_calm=False, limit=100)) == 100
    per_round = []
    for now_s in range(30, 900, 30):
        chosen = checks.choose(names, float(now_s), is_calm=True, limit=1000)
        checks.asked(chosen, float(now_s))
        per_round.append(len(chosen))
    assert max(per_round) < 400  # of 1,000, in half a minute
    assert sum(per_round[:13]) >= 1000  # all of them within the longest time, 375 s
    checks.keep(["k1"])
    assert checks.choose(["k1", "new"], 0.0, is_calm=True, limit=9) == ["new"]
