"""What a daemon asks of the API server: little at rest, an object's write once a second, ever less where it fails."""

import asyncio
import contextlib
import dataclasses
import pathlib
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from daemon import metrics
from daemon.cluster import pace, watches
from daemon.status import dataobject
from daemon.stores import asker, contents, model, named, services
from scheduler.api import core, crd, names
from scheduler.kube import client, mishaps
from tests.daemon import agents
from tests.fakeapi import faults, server

NAMESPACES = [f"team-{number:02}" for number in range(15)]
FOREVER = 10**9


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with server.running() as running:
        running.store.create("namespaces", {"metadata": {"name": agents.HOME}})
        running.store.create("nodes", agents.node())
        yield running


@pytest.fixture
async def api(fake: server.FakeApi, tmp_path: pathlib.Path) -> AsyncIterator[client.Api]:
    connected = await client.Api.connect(fake.kubeconfig(tmp_path))
    yield connected
    await connected.close()


@dataclasses.dataclass
class Times(faults.Fault):
    """Does nothing to the requests that match but to note when they came."""

    at_s: list[float] = dataclasses.field(default_factory=list)

    def take(self, method: str, path: str) -> bool:
        if method == self.method and self.path in path:
            self.at_s.append(time.monotonic())
        return False


def asked(fake: server.FakeApi, since: int) -> list[str]:
    """The reads that were no watches."""
    return [path for method, path in fake.requests[since:] if method == "GET" and "watch=1" not in path]


async def written(fake: server.FakeApi, name: str) -> None:
    """Wait until the object has a copy that can be had."""

    def has_copy() -> bool:
        with contextlib.suppress(Exception):
            found = fake.store.get(names.DATA_OBJECTS, name, agents.HOME)["status"]["replicas"]
            return bool(found and found[0]["available"])
        return False

    await server.until(has_copy)


# ---- reads ----


async def test_at_rest_daemons_read_once_a_round_at_most_however_many_namespaces_they_have(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    nodes = [f"n{number}" for number in range(1, 6)]
    for namespace in NAMESPACES:
        fake.store.create("namespaces", {"metadata": {"name": namespace}})
        fake.store.create("services", agents.store_service("web", namespace, app="elsewhere"))
        for node in nodes:
            fake.store.create("pods", agents.pod(f"web-{node}", namespace, node=node, app="web"))
    for node in nodes[1:]:
        fake.store.create("nodes", agents.node(node))
    async with contextlib.AsyncExitStack() as stack:
        daemons = [
            await stack.enter_async_context(agents.running(fake, api, tmp_path, node=node, interval_s=0.5))
            for node in nodes
        ]
        await asyncio.gather(*(daemon.rounds(8) for daemon in daemons))
        before = len(fake.requests)
        rounds = 6
        await asyncio.gather(*(daemon.rounds(rounds) for daemon in daemons))
        reads = asked(fake, before)
        # Before, each round made one of each namespace and three more.
        assert len(reads) <= 2 * rounds * len(nodes)
        assert [method for method, _ in fake.requests[before:] if method != "GET"] == []
        # Nobody gets an event when a Service changes that concerns nobody.
        assert {watch.plural for watch in fake.watches} == {"nodes", "pods", names.DATA_OBJECTS}


async def test_services_are_watched_where_the_node_has_a_store_and_a_new_one_is_seen(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    for namespace in ("team", "other"):
        fake.store.create("namespaces", {"metadata": {"name": namespace}})
        fake.store.create("pods", agents.pod("p", namespace, part="store"))
    fake.store.create("services", agents.store_service("s3", "team", part="store"))
    async with agents.running(fake, api, tmp_path) as daemon:

        def stores() -> set[str]:
            return {store["name"] for store in daemon.status().get("stores", ())}

        await server.until(lambda: stores() == {"team/s3"})
        await server.until(lambda: sum(watch.plural == "services" for watch in fake.watches) == 1)
        fake.store.create("services", agents.store_service("s3", "other", part="store"))
        await server.until(lambda: stores() == {"team/s3", "other/s3"})
        # By the label too: then the namespace is watched before there is any Service.
        fake.store.create("namespaces", {"metadata": {"name": "third"}})
        fake.store.create("pods", agents.pod("minio", "third", app="minio"))
        await server.until(lambda: sum(watch.plural == "services" for watch in fake.watches) == 3)
        fake.store.delete("pods", "p", "other")
        await server.until(lambda: stores() == {"team/s3"})
        await server.until(lambda: sum(watch.plural == "services" for watch in fake.watches) == 2)


async def test_an_annotation_that_is_edited_all_the_time_costs_the_api_server_nothing(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    fake.store.create("namespaces", {"metadata": {"name": "team"}})
    fake.store.create("pods", agents.pod("p", "team", part="store"))
    fake.store.create("services", agents.store_service("s3", "team", part="store"))
    settings = {"paths": [agents.bucket(tmp_path, "lake")]}
    async with agents.running(fake, api, tmp_path, interval_s=30.0, settings=settings) as daemon:
        await written(fake, "lake")
        await server.until(lambda: daemon.condition()[1] == "StoreUnavailable")
        before = -1
        while before < len(fake.requests):  # until what is written once a second at most has been written
            before = len(fake.requests)
            await asyncio.sleep(1.5)
        for number in range(60):
            patch = {"metadata": {"annotations": {"edited": str(number)}}}
            fake.store.patch("pods", "p", patch, "team")
            fake.store.patch("services", "s3", patch, "team")
            fake.store.patch(names.DATA_OBJECTS, "lake", patch, agents.HOME)
            fake.store.patch("nodes", "n1", patch)
            await asyncio.sleep(0.02)
        await asyncio.sleep(1.5)
        # A store whose Service changed may be asked anew, for which its Secret would be read.
        assert [one for one in fake.requests[before:] if "services?" not in one[1]] == []


# ---- writes ----


async def test_an_object_is_written_at_once_and_then_once_a_second_at_most(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    settings = {"paths": [agents.bucket(tmp_path, "lake")]}
    async with agents.running(fake, api, tmp_path, settings=settings):
        await written(fake, "lake")
        times = Times("PATCH", "/dataobjects/lake/status")
        fake.faults.append(times)
        for size_bytes in range(1, 100):
            fake.store.patch(names.DATA_OBJECTS, "lake", {"spec": {"sizeBytes": size_bytes}}, agents.HOME)
            await asyncio.sleep(0.02)

        def is_right() -> bool:
            return bool(fake.store.get(names.DATA_OBJECTS, "lake", agents.HOME)["status"]["sizeBytes"] == 99)

        await server.until(is_right)
        gaps_s = [later - earlier for earlier, later in zip(times.at_s, times.at_s[1:], strict=False)]
        assert gaps_s
        assert min(gaps_s) >= 0.99


async def test_one_object_that_is_refused_is_tried_ever_more_seldom_and_keeps_no_other_one_waiting(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    fault = faults.Fault("PATCH", r"/dataobjects/bad/status", FOREVER, status=422, reason="Invalid")
    fake.faults.append(fault)
    settings = {"paths": [agents.bucket(tmp_path, "bad"), agents.bucket(tmp_path, "good")]}
    async with agents.running(fake, api, tmp_path, settings=settings) as daemon:
        await written(fake, "good")
        await server.until(lambda: fault.times < FOREVER)
        began_s, before = time.monotonic(), fault.times
        await daemon.rounds(10)
        # Tries come after 2, 4, 8 s and so on, less a quarter: so many have come at most.
        assert before - fault.times <= 1 + int((time.monotonic() - began_s) / 1.5)
        assert daemon.figure("write_failures_total", kind="DataObject") >= 1
        # Somebody edits it: it is tried within a second or two.
        fault.times = 0
        fake.store.patch(names.DATA_OBJECTS, "bad", {"spec": {"sizeBytes": 7}}, agents.HOME)
        await written(fake, "bad")


async def test_where_every_write_fails_the_round_is_not_repeated_and_nothing_is_lost(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    fault = faults.Fault("PATCH", "", FOREVER, status=403, reason="Forbidden")
    fake.faults.append(fault)
    settings = {"paths": [agents.bucket(tmp_path, "lake")]}
    async with agents.running(fake, api, tmp_path, interval_s=30.0, settings=settings) as daemon:
        await server.until(lambda: daemon.figure("write_failures_total", kind="NodeCapability") >= 2)
        before = len(fake.requests)
        await server.until(lambda: daemon.figure("write_failures_total", kind="NodeCapability") >= 3)
        assert [path for path in asked(fake, before) if "persistentvolumes" not in path] == []
        fault.times = 0
        await written(fake, "lake")
        await server.until(lambda: daemon.condition()[0] == "True")


@hypothesis.given(st.lists(st.tuples(st.booleans(), st.floats(0, 100)), max_size=30), st.floats(0, 5))
def test_pauses_double_up_to_their_bound_and_start_anew_after_a_success(
    tries: list[tuple[bool, float]], gap_s: float
) -> None:
    kept = pace.Pace(gap_s=gap_s, first_s=2.0, most_s=60.0)
    now_s, failures = 0.0, 0
    for succeeds, later_s in tries:
        now_s = max(now_s, kept.free_s("key")) + later_s
        if succeeds:
            failures = 0
            kept.done("key", now_s)
            assert kept.free_s("key") == now_s + gap_s
        else:
            failures += 1
            kept.failed("key", now_s)
            most_s = min(2.0**failures, 60.0)
            assert 0.75 * most_s <= kept.free_s("key") - now_s + 1e-6
            assert kept.free_s("key") - now_s <= most_s + 1e-6
        assert kept.free_s("another") == 0.0


async def test_a_node_that_is_gone_is_not_described_again_until_it_comes_back(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    async with agents.running(fake, api, tmp_path) as daemon:
        await server.until(lambda: daemon.condition()[0] == "True")
        await daemon.rounds(2)
        held = fake.store.get(names.NODE_CAPABILITIES, "n1")
        fake.store.delete("nodes", "n1")
        fake.store.delete(names.NODE_CAPABILITIES, "n1")  # as the garbage collector does
        before = len(fake.requests)
        seen = core.convert(held, crd.NodeCapability, "test")
        daemon.worker.capability_seen(seen, gone=True)
        await server.until(lambda: any(names.NODE_CAPABILITIES in path for path in asked(fake, before)))
        await asyncio.sleep(1.5)
        assert [one for one in fake.requests[before:] if one[0] != "GET"] == []
        fake.store.create("nodes", agents.node())
        await server.until(lambda: daemon.condition()[0] == "True")


async def test_a_description_that_somebody_deleted_is_made_anew_without_kopf_as_well(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    async with agents.running(fake, api, tmp_path, interval_s=30.0) as daemon:
        await server.until(lambda: daemon.condition()[0] == "True")
        fake.store.delete(names.NODE_CAPABILITIES, "n1")
        fake.store.patch("nodes", "n1", {"metadata": {"labels": {names.NODE_TYPE_LABEL: "edge"}}})
        await server.until(lambda: daemon.status().get("nodeType") == "edge")


# ---- many buckets ----


async def test_a_node_with_12600_buckets_keeps_watching_them(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    buckets = [f"bucket-{number:05}" for number in range(12_600)]
    fake.store.create("pods", agents.pod("p", agents.HOME, part="store"))
    fake.store.create("services", agents.store_service("s3", agents.HOME, part="store"))
    store = f"{agents.HOME}/s3"
    fake.store.create(names.NODE_CAPABILITIES, agents.capability([agents.entry(store, *buckets)]))
    fake.store.create(names.DATA_OBJECTS, agents.data_object(buckets[-1], store=store))
    async with agents.running(fake, api, tmp_path) as daemon:

        def says_that_it_is_down() -> bool:
            found = fake.store.get(names.DATA_OBJECTS, buckets[-1], agents.HOME)["status"]["replicas"]
            return bool(found and found[0]["available"] is False)

        await server.until(says_that_it_is_down)
        assert daemon.figure("watches_all_buckets") == 1
        assert sum(watch.plural == names.DATA_OBJECTS for watch in fake.watches) <= 1 + watches.MOST_GROUPS + 1
        await daemon.rounds(2)


class Listener:
    """Keeps what it is told."""

    def object_seen(self, item: crd.DataObject, before: crd.DataObject | None) -> None:
        pass

    def object_gone(self, item: crd.DataObject) -> None:
        pass

    def objects_listed(self) -> None:
        pass


@pytest.mark.parametrize("seed", range(3))
async def test_however_buckets_come_and_go_their_objects_are_known_and_no_others(
    fake: server.FakeApi, api: client.Api, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(watches, "GROUP", 3)
    monkeypatch.setattr(watches, "MOST_GROUPS", 2)
    chance = random.Random(seed)
    buckets = [f"b{number}" for number in range(16)]
    for bucket in buckets:
        fake.store.create(names.DATA_OBJECTS, agents.data_object(bucket))
    objects = watches.Objects()
    following = watches.Following(api, objects, Listener(), mishaps.Mishaps(), watch_s=(60, 60))
    async with asyncio.TaskGroup() as tasks:
        following.start("location.scheduler.thesis/n1", tasks)
        for _ in range(12):
            wanted = set(chance.sample(buckets, chance.randrange(len(buckets) + 1)))

            def is_known(wanted: set[str] = wanted) -> bool:
                following.follow(wanted)
                known = {item.spec.urn for item in objects.by_place.values()}
                return known == wanted and all(following.is_listed(bucket) for bucket in wanted)

            await server.until(is_known)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if task.get_name().startswith("watch "):
                task.cancel()


# ---- what nobody foresaw ----


async def test_an_object_at_which_the_daemon_breaks_keeps_no_other_one_from_being_written(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = dataobject.status_to_apply

    def breaking(item: crd.DataObject, **rest: Any) -> Any:
        if item.spec.urn == "bad":
            raise ZeroDivisionError
        return sound(item, **rest)

    monkeypatch.setattr(dataobject, "status_to_apply", breaking)
    settings = {"paths": [agents.bucket(tmp_path, "bad"), agents.bucket(tmp_path, "good")]}
    async with agents.running(fake, api, tmp_path, settings=settings) as daemon:
        await written(fake, "good")
        await server.until(lambda: daemon.figure("faults_total", part="write") >= 1)
        await daemon.rounds(2)


async def test_a_service_at_which_the_daemon_breaks_is_unknown_and_the_others_are_found(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = services.serves

    def breaking(pod: Any, service: Any) -> bool:
        if service.metadata.name == "bad":
            raise ZeroDivisionError
        return sound(pod, service)

    monkeypatch.setattr(services, "serves", breaking)
    fake.store.create("pods", agents.pod("p", agents.HOME, part="store"))
    for name in ("bad", "good"):
        fake.store.create("services", agents.store_service(name, agents.HOME, part="store"))
    bad, gone = agents.entry(f"{agents.HOME}/bad", "b"), agents.entry(f"{agents.HOME}/gone", "b")
    fake.store.create(names.NODE_CAPABILITIES, agents.capability([bad, gone]))
    async with agents.running(fake, api, tmp_path) as daemon:

        def stores() -> dict[str, bool]:
            return {store["name"]: store["available"] for store in daemon.status()["stores"]}

        await server.until(lambda: stores() == {f"{agents.HOME}/bad": True, f"{agents.HOME}/good": False})
        assert daemon.figure("faults_total", part="stores") >= 1


async def test_credentials_that_were_good_are_read_anew_for_one_listing_in_ten(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    agents.bucket(tmp_path, "lake")
    secret = {
        "metadata": {"name": "keys", "namespace": agents.HOME},
        "data": {"accessKey": "YQ==", "secretKey": "YQ=="},
    }
    fake.store.create("secrets", secret)
    store = model.Store(
        agents.HOME,
        "",
        "",
        "",
        "keys",
        alias="lake",
        technology="local",
        directory=str(tmp_path / "lake"),
        bucket="lake",
    )
    listed: list[object] = []
    one = asker.Asker(
        api,
        store,
        limits=contents.Limits(),
        wanted=named.Named(watches.Objects(), store),
        changed=listed.append,
        figures=metrics.Metrics(),
    )
    task = asyncio.create_task(one.run())
    for number in range(1, 31):
        one.ask()
        await server.until(lambda number=number: listed.count(None) >= number)  # type: ignore[misc]
    assert len(fake.requests) <= 4
    (tmp_path / "lake/part").unlink()
    (tmp_path / "lake").rmdir()
    before = len(fake.requests)
    one.ask()
    await server.until(lambda: one.view is not None and isinstance(one.view.outcome, contents.Failure))
    assert len(fake.requests) > before, "where it fails, what it takes may have changed"
    task.cancel()
    await asyncio.wait([task])
