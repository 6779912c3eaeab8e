"""Keys that pods name get a DataObject; pods wait for it a moment at most; it goes when nobody names it any more."""

import asyncio
import dataclasses
import itertools
import pathlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scheduler.api import crd, names
from scheduler.kernel import journal
from scheduler.live import ondemand, room
from tests.fakeapi import faults, objects, server
from tests.live import running

Json = dict[str, Any]

HOME = names.HOME_NAMESPACE
KEY = "logs/a/key 1.bin"
AT_LENGTH = dataclasses.replace(running.QUICK, data_wait_s=60.0)
NEVER = dataclasses.replace(running.QUICK, data_wait_s=0.0)
SHORTLY = dataclasses.replace(running.QUICK, data_wait_s=0.2)


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    """Two nodes in two regions; the bucket lies on the second."""
    async with server.running() as fake:
        fake.store.create("namespaces", {"metadata": {"name": HOME}})
        for number in (1, 2):
            fake.store.create("nodes", objects.node(f"n{number}", labels={names.REGION_LABEL: f"r{number}"}))
        fake.store.create("dataobjects", labelled(objects.data_object("logs", "logs", namespace=HOME, nodes=("n2",))))
        yield fake
        running.never_patched(fake)


def labelled(obj: Json) -> Json:
    obj["metadata"]["labels"] = {names.BUCKET_LABEL: obj["spec"]["urn"].partition("/")[0]}
    return obj


def reads(*urns: str, **hints: str) -> Json:
    notes = {f"{names.INPUT_PREFIX}{number}": f"{urn},1000000000" for number, urn in enumerate(urns)}
    return {"annotations": notes | {f"{names.HINT_PREFIX}{key}": value for key, value in hints.items()}}


def made(world: running.Running, urn: str = KEY) -> Json | None:
    """The DataObject that was made for a key."""
    found = [obj for obj in world.fake.store.all("dataobjects", HOME) if obj["spec"]["urn"] == urn]
    return found[0] if found else None


def answer(world: running.Running, *nodes: str, urn: str = KEY) -> None:
    """Say what a daemon says: where the key lies, or that it lies nowhere."""
    ready = {"type": "Ready", "status": "True" if nodes else "False", "reason": "Looked"}
    ready["lastTransitionTime"] = "2026-01-01T00:00:00Z"
    replicas = [{"node": node, "store": "s", "available": True, "sizeBytes": 7} for node in nodes]
    patch = {"status": {"replicas": replicas, "conditions": [ready]}}
    world.fake.store.patch("dataobjects", ondemand.name_of(urn), patch, HOME)


async def test_a_pod_waits_for_its_key_to_be_looked_up_and_nobody_waits_for_it(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    async with running.scheduler(fake, tmp_path, AT_LENGTH) as world:
        world.create("reader", metadata=reads(KEY), spec={"priority": 1000})
        await world.until(lambda: made(world))
        world.create("other")
        world.create("another", metadata=reads("logs", "logs/prefix/", "nobody-knows/this"))
        await world.placed("other", "another")
        assert world.node_of("reader") == ""
        answer(world, "n1")
        await world.placed("reader")
        assert world.node_of("reader") == "n1", "its bucket would say n2"
    found = made(world)
    assert found is not None
    assert found["metadata"]["name"] == ondemand.name_of(KEY)
    assert found["metadata"]["labels"] == {names.BUCKET_LABEL: "logs", names.ON_DEMAND_LABEL: "true"}
    assert [obj["spec"]["urn"] for obj in fake.store.all("dataobjects")] == [KEY, "logs"]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> running.Clock:
    """The scheduler's; without it, whoever waits ``AT_LENGTH`` waits longer than a test lasts."""
    return running.Clock(monkeypatch)


def nowhere(urn: str) -> Json:
    """A DataObject that says from the start that nobody has its key."""
    ready = {"type": "Ready", "status": "False", "reason": "Looked"}
    return labelled(objects.data_object("lost", urn)) | {"status": {"conditions": [ready]}}


async def test_that_nobody_has_the_key_is_no_answer_until_it_has_stood(
    fake: server.FakeApi, tmp_path: pathlib.Path, clock: running.Clock
) -> None:
    """The daemon that says so may be quicker than the one that has it."""
    fake.store.create("dataobjects", nowhere("logs/lost"))
    async with running.scheduler(fake, tmp_path, AT_LENGTH) as world:
        for name in ("reader", "lucky"):
            world.create(name, metadata=reads(f"logs/{name}"))
            await world.until(lambda name=name: made(world, f"logs/{name}"))
            answer(world, urn=f"logs/{name}")
        answer(world, "n1", urn="logs/lucky")
        await world.placed("lucky")
        assert (world.node_of("lucky"), world.node_of("reader")) == ("n1", "")
        clock.pass_s(AT_LENGTH.data_wait_s)
        world.create("patient", metadata=reads("logs/new"))
        world.create("again", metadata=reads("logs/lost"))  # what nobody has, as is known by now
        await world.placed("reader", "again")
        assert world.node_of("patient") == ""


async def test_a_copy_that_cannot_be_had_now_is_not_waited_for_and_is_named(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records: list[journal.Record] = []
    monkeypatch.setattr(journal.Journal, "add", lambda _, record, __: records.append(record))
    down = labelled(objects.data_object("mine", KEY))
    ready = {"type": "Ready", "status": "False", "reason": "Unavailable"}
    down["status"] = {"replicas": [{"node": "n1", "store": "s"}], "conditions": [ready]}
    fake.store.create("dataobjects", down)
    async with running.scheduler(fake, tmp_path, AT_LENGTH) as world:
        world.create("reader", metadata=reads(KEY))
        await world.placed("reader")
    assert [record.unavailable for record in records] == [{KEY: "s on n1: its store cannot be read now"}]


async def test_where_a_pod_is_to_write_the_key_that_nobody_has_it_is_no_answer_at_all(
    fake: server.FakeApi, tmp_path: pathlib.Path, clock: running.Clock
) -> None:
    fake.store.create("dataobjects", nowhere(KEY))
    async with running.scheduler(fake, tmp_path, AT_LENGTH) as world:
        world.create("any")
        await world.placed("any")
        clock.pass_s(AT_LENGTH.data_wait_s)
        world.create("first", metadata=reads(KEY))
        await world.placed("first")
        notes = reads("logs/writers")["annotations"] | {f"{names.OUTPUT_PREFIX}1": f"{KEY},1000000000"}
        gates = [{"name": "example.com/wait"}]
        world.create("writer", metadata={"annotations": notes}, spec={"schedulingGates": gates})
        await world.until(lambda: made(world, "logs/writers"))  # so the writer has been seen
        world.create("reader", metadata=reads(KEY))
        world.create("other", metadata=reads("logs"))
        await world.placed("other")
        assert world.node_of("reader") == ""
        answer(world, "n1", urn="logs/writers")
        fake.store.patch("pods", "writer", {"spec": {"schedulingGates": []}}, "default")
        await world.placed("writer", "reader")


async def test_a_pod_waits_for_all_of_its_keys(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with running.scheduler(fake, tmp_path, AT_LENGTH) as world:
        world.create("reader", metadata=reads(KEY, "logs/second"))
        await world.until(lambda: made(world) and made(world, "logs/second"))
        answer(world, "n1")
        world.create("later")
        await world.placed("later")
        assert world.node_of("reader") == ""
        answer(world, "n1", urn="logs/second")
        await world.placed("reader")


async def test_without_an_answer_the_bucket_decides_when_the_time_is_over(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    async with running.scheduler(fake, tmp_path, SHORTLY) as world:
        began_s = time.monotonic()
        world.create("reader", metadata=reads(KEY))
        await world.placed("reader")
        assert time.monotonic() - began_s >= 0.2
        assert world.node_of("reader") == "n2"
        await world.until(lambda: made(world))


async def test_who_need_not_wait_gets_the_object_all_the_same(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with running.scheduler(fake, tmp_path, NEVER) as world:
        world.create("reader", metadata=reads(KEY))
        await world.placed("reader")
        await world.until(lambda: made(world))


async def test_a_gated_pod_has_its_keys_looked_up_meanwhile(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with running.scheduler(fake, tmp_path, AT_LENGTH) as world:
        world.create("gated", metadata=reads(KEY), spec={"schedulingGates": [{"name": "example.com/wait"}]})
        await world.until(lambda: made(world))
        answer(world, "n1")
        fake.store.patch("pods", "gated", {"spec": {"schedulingGates": []}}, "default")
        await world.placed("gated")
        assert world.node_of("gated") == "n1"


@pytest.mark.parametrize("namespace", ["default", HOME])
async def test_an_object_of_exactly_that_key_is_enough(
    fake: server.FakeApi, tmp_path: pathlib.Path, namespace: str
) -> None:
    fake.store.create("dataobjects", labelled(objects.data_object("mine", KEY, namespace=namespace, nodes=("n1",))))
    async with running.scheduler(fake, tmp_path, AT_LENGTH) as world:
        world.create("reader", metadata=reads(KEY))
        await world.placed("reader")
        assert world.node_of("reader") == "n1"
    assert not any(method == "POST" and path.split("?")[0].endswith("dataobjects") for method, path in fake.requests)


async def test_another_namespaces_object_is_not(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    fake.store.create("namespaces", {"metadata": {"name": "other"}})
    fake.store.create("dataobjects", labelled(objects.data_object("theirs", KEY, namespace="other", nodes=("n1",))))
    async with running.scheduler(fake, tmp_path, SHORTLY) as world:
        world.create("reader", metadata=reads(KEY))
        await world.placed("reader")
        assert world.node_of("reader") == "n2"
        await world.until(lambda: made(world))


@pytest.mark.parametrize(
    ("status", "reason", "requests"),
    [
        pytest.param(403, "Forbidden", 1, id="forbidden: one try for all keys"),
        pytest.param(422, "Invalid", 3, id="invalid: one for each key"),
        pytest.param(404, "NotFound", 3, id="no such namespace: one for each key"),
    ],
)
async def test_a_refusal_is_said_once_and_harms_nothing(
    fake: server.FakeApi,
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    status: int,
    reason: str,
    requests: int,
) -> None:
    fake.faults.append(faults.Fault(method="POST", path="dataobjects", status=status, reason=reason, times=99))
    async with running.scheduler(fake, tmp_path, AT_LENGTH) as world:
        for number in range(3):
            world.create(f"reader-{number}", metadata=reads(f"logs/{number}"))
            await world.placed(f"reader-{number}")
            assert world.node_of(f"reader-{number}") == "n2"
        tried = [path for method, path in fake.requests if method == "POST" and "dataobjects" in path]
        assert len(tried) >= requests
    said = capsys.readouterr()
    assert (said.out + said.err).count("DataObject not written") == 1


async def test_what_nobody_names_any_more_goes_and_what_somebody_names_stays(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    settings = dataclasses.replace(NEVER, data_retention_s=0.2)
    ours = labelled(objects.data_object(ondemand.name_of("logs/stale"), "logs/stale", namespace=HOME))
    ours["metadata"]["labels"][names.ON_DEMAND_LABEL] = "true"
    fake.store.create("dataobjects", ours)  # from before a restart
    fake.store.create("dataobjects", labelled(objects.data_object("users", "logs/users", namespace=HOME)))
    theirs = objects.pod("theirs", scheduler="default-scheduler", node="n1")
    theirs["metadata"] |= reads("logs/theirs")
    fake.store.create("pods", theirs)
    async with running.scheduler(fake, tmp_path, settings) as world:
        for name in ("brief", "finished", "lasting"):
            world.create(name, metadata=reads(f"logs/{name}"))
        world.create("also-theirs", metadata=reads("logs/theirs"))
        await world.placed("brief", "finished", "lasting", "also-theirs")
        await world.until(lambda: len(fake.store.all("dataobjects")) == 6 and not made(world, "logs/stale"))
        fake.store.delete("pods", "brief", "default")
        fake.store.delete("pods", "also-theirs", "default")
        fake.store.patch("pods", "finished", {"status": {"phase": "Succeeded"}}, "default")
        await world.until(lambda: len(fake.store.all("dataobjects")) == 4)
        urns = {obj["spec"]["urn"] for obj in fake.store.all("dataobjects")}
        assert urns == {"logs", "logs/users", "logs/lasting", "logs/theirs"}


async def test_an_object_that_somebody_deleted_is_made_again_while_a_pod_waits_for_it(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    settings = dataclasses.replace(SHORTLY, data_retention_s=1.0)
    async with running.scheduler(fake, tmp_path, settings) as world:
        world.create("reader", cpu="100", metadata=reads(KEY))  # fits nowhere
        await world.until(lambda: made(world))
        fake.store.delete("dataobjects", ondemand.name_of(KEY), HOME)
        await world.until(lambda: made(world))


async def test_a_bucket_that_becomes_known_later_has_its_keys_looked_up(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    settings = dataclasses.replace(SHORTLY, data_retention_s=1.0)
    async with running.scheduler(fake, tmp_path, settings) as world:
        world.create("reader", cpu="100", metadata=reads("late/key"))
        await world.until(lambda: world.condition("reader"))
        assert made(world, "late/key") is None
        fake.store.create("dataobjects", labelled(objects.data_object("late", "late", namespace=HOME, nodes=("n1",))))
        await world.until(lambda: made(world, "late/key"))


async def test_there_is_a_bound_and_the_oldest_goes_first(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LIMIT", 2)
    async with running.scheduler(fake, tmp_path, dataclasses.replace(NEVER, data_retention_s=4.0)) as world:
        for name in ("a", "b", "c"):
            world.create(name, metadata=reads(f"logs/{name}"))
            await world.placed(name)
        await world.until(lambda: made(world, "logs/b"))
        world.create("no-matter")
        await world.placed("no-matter")
        assert made(world, "logs/c") is None
        fake.store.delete("pods", "a", "default")
        # Which pods are gone is looked at now and then; from then on a new key takes the place, long before its time.
        for number in itertools.count():
            world.create(f"d-{number}", metadata=reads("logs/d"))
            await world.placed(f"d-{number}")
            if made(world, "logs/d"):
                break
            await asyncio.sleep(0.05)
        assert {obj["spec"]["urn"] for obj in fake.store.all("dataobjects")} == {"logs", "logs/b", "logs/d"}


async def test_the_labels_of_a_users_object_follow_its_spec_and_are_set_once(
    fake: server.FakeApi, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def labels() -> Json:
        return dict(fake.store.get("dataobjects", "mine", "default")["metadata"].get("labels", {}))

    def patches() -> int:
        return sum(method == "PATCH" and "/dataobjects/mine" in path for method, path in fake.requests)

    said: list[str] = []

    def is_told() -> bool:
        said.extend(capsys.readouterr())
        return "labels changed back" in "".join(said)

    mine = objects.data_object("mine", KEY)
    mine["metadata"]["labels"] = {"team": "a", names.BUCKET_LABEL: "other"}
    async with running.scheduler(fake, tmp_path) as world:
        fake.store.create("dataobjects", mine)
        await world.until(lambda: labels() == {"team": "a", names.BUCKET_LABEL: "logs"})
        assert patches() == 1
        for nodes in (("n1", "n2"), ("n2",)):
            spec = {"urn": KEY, "locations": [{"node": node} for node in nodes]}
            fake.store.patch("dataobjects", "mine", {"spec": spec}, "default")
            wanted = {"team": "a", names.BUCKET_LABEL: "logs"} | {crd.location_label(node): "true" for node in nodes}
            await world.until(lambda wanted=wanted: labels() == wanted)
        fake.store.patch("dataobjects", "mine", {"metadata": {"labels": {names.BUCKET_LABEL: None}}}, "default")
        await world.until(is_told)
        fake.store.patch("dataobjects", "mine", {"status": {"sizeBytes": 5}}, "default")
        fake.store.create("dataobjects", objects.data_object("later", "logs/later"))
        await world.until(lambda: fake.store.get("dataobjects", "later", "default")["metadata"].get("labels"))
        assert labels() == {"team": "a", crd.location_label("n2"): "true"}
        assert patches() == 3
    is_told()
    assert "".join(said).count("labels changed back") == 1
