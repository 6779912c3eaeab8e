"""Custom resources by two doors: whichever speaks, in whatever order both tell, what is known is what is there."""

import asyncio
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler import config
from scheduler.api import core, crd
from scheduler.kernel import kernel
from scheduler.kube import informer
from scheduler.live import driver, feed, following, metrics, twodoors
from tests.fakeapi import faults, objects, server
from tests.live import builders, running

Json = dict[str, Any]

LAW = twodoors.Law(surge_per_s=50, quiet_s=10.0, late_s=1.0)


class Doors:
    """Both doors to one kernel."""

    def __init__(self) -> None:
        self.clock = builders.Clock()
        counters = metrics.Metrics("test")
        scheduling = driver.Driver(
            kernel.Kernel(config.Settings(), "home", seed=0), clock=self.clock, wall=lambda: 0.0, counters=counters
        )
        self.switch = twodoors.Switch(clock=self.clock, law=LAW)
        self.resources = feed.CustomResources(scheduling, counters, self.switch)
        self.heard: list[tuple[str, str]] = []
        self.resources.on_object.append(self._hear)
        self.clock.now += LAW.quiet_s

    def by_kopf(self, kind: str, body: Json) -> None:
        self.resources.objects.event(kind, body)

    def by_informer(self, kind: str, body: Json) -> None:
        meta = body["metadata"]
        if kind == "DELETED":
            self.resources.objects.remove(informer.Key(meta["namespace"], meta["name"], meta["uid"]))
        else:
            self.resources.objects.apply(core.convert(body, crd.DataObject, "object"))

    def known(self) -> dict[str, str]:
        return {obj.metadata.uid: obj.metadata.resource_version for obj in self.resources.data_objects()}

    def _hear(self, _place: tuple[str, str], obj: crd.DataObject | None) -> None:
        if obj is not None:
            self.heard.append((obj.metadata.uid, obj.metadata.resource_version))


def data_object(name: str, uid: str, version: int) -> Json:
    body = objects.data_object(name, "bucket/key")
    body["metadata"] |= {"uid": uid, "resourceVersion": str(version), "namespace": "default"}
    return body


def history(deeds: list[tuple[str, int]]) -> list[tuple[str, Json]]:
    """What happened to two names: made, changed, deleted and made anew under another uid, in one order of versions."""
    happened: list[tuple[str, Json]] = []
    uids: dict[str, str] = {}
    for version, (what, which) in enumerate(deeds, 1):
        name = f"o{which}"
        if name not in uids:
            uids[name] = f"uid-{version}"
            happened.append(("ADDED", data_object(name, uids[name], version)))
        elif what == "DELETED":
            happened.append(("DELETED", data_object(name, uids.pop(name), version)))
        else:
            happened.append(("MODIFIED", data_object(name, uids[name], version)))
    return happened


DEEDS = st.lists(st.tuples(st.sampled_from(["MODIFIED", "DELETED"]), st.integers(0, 1)), max_size=12)
STEPS = st.lists(st.sampled_from(["kopf", "informer", "hand over", "take over", "later"]), max_size=40)


@hypothesis.given(deeds=DEEDS, steps=STEPS)
def test_whatever_the_order_and_the_switches_what_is_known_is_what_is_there(
    deeds: list[tuple[str, int]], steps: list[str]
) -> None:
    doors, happened = Doors(), history(deeds)
    left = {"kopf": list(happened), "informer": list(happened)}
    for step in [*steps, *["kopf", "informer"] * len(happened)]:
        if step == "hand over":
            doors.switch.hand_over()
        elif step == "take over":
            doors.switch.take_over()
        elif step == "later":
            doors.clock.now += 1.5
            doors.switch.remind()
        elif left[step]:
            (doors.by_informer if step == "informer" else doors.by_kopf)(*left[step].pop(0))
    doors.clock.now += LAW.late_s
    doors.switch.remind()
    last = {body["metadata"]["uid"]: (kind, body["metadata"]["resourceVersion"]) for kind, body in happened}
    assert doors.known() == {uid: version for uid, (kind, version) in last.items() if kind != "DELETED"}
    assert len(doors.heard) == len(set(doors.heard)), "a version was told twice"
    for uid in last:
        versions = [int(version) for told, version in doors.heard if told == uid]
        assert versions == sorted(versions), "an older version was told after a newer one"


def test_many_changes_at_once_are_a_surge() -> None:
    doors = Doors()
    doors.switch.hand_over()
    for number in range(LAW.surge_per_s + 1):
        doors.by_informer("ADDED", data_object(f"o{number}", f"uid-{number}", number + 1))
    assert doors.switch.source == twodoors.INFORMER
    assert len(doors.known()) == LAW.surge_per_s + 1


# --------------------------------------------------------------------------------------------- a scheduler, both doors


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with server.running() as fake:
        fake.store.create("nodes", objects.node("n1"))
        yield fake


class Followed(following.Following):
    """What a scheduler follows, and what it counts."""

    made: list["Followed"]

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.counters: metrics.Metrics = given["counters"]
        self.made.append(self)


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[Followed]:
    """What the schedulers of the test follow."""
    made: list[Followed] = []
    monkeypatch.setattr(Followed, "made", made, raising=False)
    monkeypatch.setattr(following, "Following", Followed)
    return made


@pytest.mark.parametrize("door", running.DOORS)
async def test_what_is_known_is_what_is_there_by_either_door_and_while_they_change(
    fake: server.FakeApi,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    followed: list[Followed],
    door: str,
) -> None:
    running.through(door, monkeypatch)
    fake.store.create("dataobjects", objects.data_object("first", "bucket/first"))
    async with running.scheduler(fake, tmp_path) as world:
        world.create("first", cpu="10m")
        await world.placed("first")
        if door == "kopf":
            await world.until(lambda: followed[0].switch.source == twodoors.KOPF)

        def there() -> set[str]:
            return {obj.metadata.name for obj in followed[0].resources.data_objects()}

        for number in range(4):
            fake.store.create("dataobjects", objects.data_object(f"o{number}", f"bucket/{number}"))
            await world.until(lambda number=number: f"o{number}" in there())
            if number % 2:
                fake.store.delete("dataobjects", f"o{number}", "default")
                await world.until(lambda number=number: f"o{number}" not in there())
            await asyncio.sleep(0.05)
        assert there() == {"first", "o0", "o2"}
        assert followed[0].switch.source == twodoors.KOPF or door != "kopf"


async def test_kopf_is_told_of_nothing_that_was_there_before_it(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, followed: list[Followed]
) -> None:
    told: list[tuple[str | None, str]] = []
    event = feed.Resources.event

    def tell(resources: Any, kind: str | None, body: Json) -> None:
        told.append((kind, body["metadata"]["name"]))
        event(resources, kind, body)

    monkeypatch.setattr(feed.Resources, "event", tell)
    running.through("kopf", monkeypatch)
    for number in range(20):
        fake.store.create("dataobjects", objects.data_object(f"old{number}", f"bucket/{number}"))
    async with running.scheduler(fake, tmp_path) as world:
        await world.until(lambda: followed and followed[0].switch.source == twodoors.KOPF)
        fake.store.create("dataobjects", objects.data_object("new", "bucket/new"))
        await world.until(lambda: ("ADDED", "new") in told)
        assert len(followed[0].resources.data_objects()) == 21
    assert all(kind == "MODIFIED" for kind, name in told if name != "new")  # labels that the scheduler set itself


async def test_what_was_deleted_while_no_watch_saw_it_is_gone(
    fake: server.FakeApi, tmp_path: pathlib.Path, followed: list[Followed]
) -> None:
    for name in ("stays", "goes"):
        fake.store.create("dataobjects", objects.data_object(name, f"bucket/{name}"))
    async with running.scheduler(fake, tmp_path) as world:
        await world.until(lambda: followed and len(followed[0].resources.data_objects()) == 2)
        fake.faults.append(faults.Fault(method="GET", path="dataobjects.*watch=1", status=410, times=1))
        fake.drop_watches()
        fake.store.delete("dataobjects", "goes", "default")
        await world.until(lambda: [obj.metadata.name for obj in followed[0].resources.data_objects()] == ["stays"])


async def test_an_object_that_cannot_be_read_is_counted_and_costs_itself_alone(
    fake: server.FakeApi, tmp_path: pathlib.Path, followed: list[Followed]
) -> None:
    bad = objects.data_object("bad", "bucket/bad")
    bad["spec"]["sizeBytes"] = "much"
    fake.store.create("dataobjects", bad)
    fake.store.create("dataobjects", objects.data_object("good", "bucket/good"))
    async with running.scheduler(fake, tmp_path) as world:
        await world.until(lambda: followed and followed[0].resources.data_objects())
        assert [obj.metadata.name for obj in followed[0].resources.data_objects()] == ["good"]
        counted = followed[0].counters.render()
        assert b'data_locality_scheduler_bad_inputs_total{kind="DataObject"} 1.0' in counted
