"""Pending pods by two doors: whichever speaks, in whatever order both tell, the queue hears each version once."""

import asyncio
import dataclasses
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler import config
from scheduler.api import core
from scheduler.kernel import kernel
from scheduler.kube import client, informer
from scheduler.live import driver, feed, metrics, podfeed, twodoors
from tests.fakeapi import faults, objects, server
from tests.live import builders, running

Json = dict[str, Any]

LAW = twodoors.Law(surge_per_s=3, quiet_s=10.0, late_s=1.0)
NAME = "data-locality-scheduler"


class Heard(driver.Driver):
    """A driver that remembers of which pods it heard."""

    def __init__(self, clock: builders.Clock, counters: metrics.Metrics) -> None:
        scheduling = kernel.Kernel(config.Settings(), "home", seed=0)
        super().__init__(scheduling, clock=clock, wall=lambda: 0.0, counters=counters)
        self.heard: list[tuple[str, str]] = []

    def observe(self, pod: core.Pod) -> None:
        self.heard.append((pod.metadata.uid, pod.metadata.resource_version))
        super().observe(pod)


class Feeds:
    """Both doors to one queue."""

    def __init__(self, api: client.Api | None = None, names: tuple[str, ...] = (NAME,)) -> None:
        self.clock = builders.Clock()
        counters = metrics.Metrics("test")
        self.queue = Heard(self.clock, counters)
        self.assigned = feed.AssignedPods(self.queue, counters)
        self.switch = twodoors.Switch(clock=self.clock, law=LAW)
        self.pending = podfeed.PendingPods(api, names, self.queue, counters, self.switch)  # type: ignore[arg-type]
        self.informer = podfeed.Pods(self.assigned, self.pending)
        self.clock.now += LAW.quiet_s  # the start counts as a surge

    def by_kopf(self, kind: str | None, pod: Json) -> None:
        self.pending.event(kind, pod)

    def by_informer(self, kind: str | None, pod: Json) -> None:
        meta = pod["metadata"]
        if kind == "DELETED":
            self.informer.remove(informer.Key(meta["namespace"], meta["name"], meta["uid"]))
        else:
            self.informer.apply(core.convert(pod, core.Pod, "pod"))

    def waiting(self) -> set[str]:
        return {uid for uid, _ in self.queue.heard if self.queue.get(uid) is not None}


def pod(name: str, version: int, *, node: str = "", scheduler: str = NAME) -> Json:
    body = objects.pod(name, node=node, scheduler=scheduler)
    body["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": str(version), "namespace": "default"}
    return body


@pytest.fixture
def feeds() -> Feeds:
    return Feeds()


def test_the_informer_tells_at_once_until_kopf_speaks(feeds: Feeds) -> None:
    feeds.by_informer("ADDED", pod("a", 1))
    feeds.by_kopf("ADDED", pod("b", 2))
    assert feeds.queue.heard == [("uid-a", "1")]


@pytest.mark.parametrize(
    ("schedulers", "selected"),
    [((NAME,), f"spec.schedulerName={NAME},spec.nodeName="), ((NAME, "default-scheduler"), "spec.nodeName=")],
)  # fmt: skip
def test_the_server_selects_as_far_as_a_field_selector_can(schedulers: tuple[str, ...], selected: str) -> None:
    assert podfeed.selector(schedulers) == selected


def test_of_several_names_the_pods_of_each_are_ours_and_no_others() -> None:
    feeds = Feeds(names=(NAME, "default-scheduler"))
    feeds.by_informer("ADDED", pod("a", 1))
    feeds.by_informer("ADDED", pod("b", 2, scheduler="default-scheduler"))
    feeds.by_informer("ADDED", pod("c", 3, scheduler="somebody-else"))
    feeds.switch.hand_over()
    feeds.by_kopf("ADDED", pod("d", 4, scheduler="default-scheduler"))
    feeds.by_kopf("ADDED", pod("e", 5, scheduler="somebody-else"))
    assert feeds.waiting() == {"uid-a", "uid-b", "uid-d"}


def test_in_calm_times_kopf_tells_and_the_informer_keeps_still(feeds: Feeds) -> None:
    feeds.switch.hand_over()
    feeds.by_informer("ADDED", pod("a", 1))
    assert feeds.queue.heard == []
    feeds.by_kopf("ADDED", pod("a", 1))
    feeds.by_kopf("MODIFIED", pod("a", 2))
    feeds.by_informer("MODIFIED", pod("a", 2))
    assert feeds.queue.heard == [("uid-a", "1"), ("uid-a", "2")]


def test_what_kopf_is_late_with_the_informer_tells(feeds: Feeds) -> None:
    feeds.switch.hand_over()
    feeds.by_informer("ADDED", pod("a", 1))
    feeds.clock.now += 0.9
    feeds.by_informer("ADDED", pod("b", 2))
    feeds.clock.now += 0.2
    feeds.switch.remind()
    assert feeds.queue.heard == [("uid-a", "1")]


def test_in_a_surge_the_informer_takes_over_with_all_that_kopf_has_not_told(feeds: Feeds) -> None:
    feeds.switch.hand_over()
    for number in range(LAW.surge_per_s):
        feeds.by_informer("ADDED", pod(f"p{number}", number + 1))
    feeds.by_kopf("ADDED", pod("p0", 1))
    assert feeds.switch.source == twodoors.KOPF
    feeds.by_informer("ADDED", pod("last", 9))
    assert feeds.switch.source == twodoors.INFORMER
    assert feeds.queue.heard == [("uid-p0", "1"), ("uid-p1", "2"), ("uid-p2", "3"), ("uid-last", "9")]


@pytest.mark.parametrize(
    ("gaps_s", "is_surge"),
    [
        pytest.param([0.0, 0.0, 0.0], False, id="as many as may"),
        pytest.param([0.0, 0.0, 0.0, 0.0], True, id="one more"),
        pytest.param([0.4] * 20, False, id="steadily"),
        pytest.param([0.2] * 20, True, id="steadily and fast"),
    ],
)
def test_a_surge_is_many_new_pods_within_a_second(feeds: Feeds, gaps_s: list[float], is_surge: bool) -> None:
    for gap_s in gaps_s:
        feeds.clock.now += gap_s
        feeds.switch.surge.came()
    assert (feeds.switch.surge.left_s() > 0) is is_surge
    feeds.clock.now += LAW.quiet_s
    assert feeds.switch.surge.left_s() <= 0


def test_pods_of_others_are_no_surge(feeds: Feeds) -> None:
    for number in range(9):
        feeds.by_informer("ADDED", pod(f"p{number}", number + 1, scheduler="other"))
    assert feeds.switch.surge.left_s() <= 0
    assert feeds.queue.heard == []


def test_a_pod_that_is_gone_never_comes_back_by_the_slower_door(feeds: Feeds) -> None:
    feeds.switch.hand_over()
    feeds.by_kopf("ADDED", pod("a", 1))
    feeds.by_informer("ADDED", pod("a", 1))
    feeds.by_informer("MODIFIED", pod("a", 3, node="n1"))
    feeds.by_kopf("MODIFIED", pod("a", 2))
    feeds.by_kopf("ADDED", pod("b", 4))
    feeds.by_kopf("DELETED", pod("b", 5))
    feeds.by_informer("ADDED", pod("b", 4))
    feeds.switch.take_over()
    assert feeds.waiting() == set()
    assert feeds.assigned.has("uid-a")


def history(deeds: list[tuple[str, int]]) -> list[tuple[str, Json]]:
    """What happened to a few pods: made, changed, bound or deleted, in one order of versions."""
    happened: list[tuple[str, Json]] = []
    alive: list[str] = []
    for version, (what, which) in enumerate(deeds, 1):
        if what == "ADDED" or not alive:
            alive.append(f"p{version}")
            happened.append(("ADDED", pod(alive[-1], version)))
            continue
        name = alive[which % len(alive)]
        happened.append((what, pod(name, version)))
        if what != "MODIFIED":
            alive.remove(name)
    return happened


def as_seen(kind: str, body: Json, *, by_informer: bool) -> tuple[str, Json]:
    """A binding leaves Kopf's selector, and is a change for the informer of all pods."""
    if kind != "BOUND":
        return kind, body
    if not by_informer:
        return "DELETED", body
    return "MODIFIED", body | {"spec": body["spec"] | {"nodeName": "n1"}}


DEEDS = st.lists(st.tuples(st.sampled_from(["ADDED", "MODIFIED", "BOUND", "DELETED"]), st.integers(0, 3)), max_size=12)
STEPS = st.lists(st.sampled_from(["kopf", "informer", "hand over", "take over", "later"]), max_size=40)


@hypothesis.given(deeds=DEEDS, steps=STEPS)
def test_whatever_the_order_and_the_switches_the_queue_ends_up_with_what_is_there(
    deeds: list[tuple[str, int]], steps: list[str]
) -> None:
    feeds, happened = Feeds(), history(deeds)
    left = {"kopf": list(happened), "informer": list(happened)}
    for step in [*steps, *["kopf", "informer"] * len(happened)]:
        if step == "hand over":
            feeds.switch.hand_over()
        elif step == "take over":
            feeds.switch.take_over()
        elif step == "later":
            feeds.clock.now += 1.5
            feeds.switch.remind()
        elif left[step]:
            kind, body = as_seen(*left[step].pop(0), by_informer=step == "informer")
            (feeds.by_informer if step == "informer" else feeds.by_kopf)(kind, body)
    feeds.clock.now += LAW.late_s
    feeds.switch.remind()
    last = {body["metadata"]["uid"]: (kind, body["metadata"]["resourceVersion"]) for kind, body in happened}
    there = {uid: version for uid, (kind, version) in last.items() if kind in {"ADDED", "MODIFIED"}}
    assert feeds.waiting() == set(there)
    for uid, version in there.items():
        entry = feeds.queue.get(uid)
        assert entry is not None
        assert entry.pod.metadata.resource_version == version
    assert len(feeds.queue.heard) == len(set(feeds.queue.heard)), "a version was told twice"
    for uid in last:
        versions = [int(version) for told, version in feeds.queue.heard if told == uid]
        assert versions == sorted(versions), "an older version was told after a newer one"


# --------------------------------------------------------------------------------------------- a scheduler, both doors


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with server.running() as fake:
        fake.store.create("nodes", objects.node("n1"))
        yield fake


@pytest.mark.parametrize("door", running.DOORS)
async def test_each_pod_is_bound_once_by_either_door_and_while_they_change(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    running.through(door, monkeypatch)
    async with running.scheduler(fake, tmp_path) as world:
        for number in range(4):
            world.create(f"a{number}", cpu="10m")
            world.create(f"b{number}", cpu="10m")
            world.create(f"gated{number}", cpu="10m", spec={"schedulingGates": [{"name": "g"}]})
            world.create(f"gone{number}", cpu="100")
            await world.placed(f"a{number}", f"b{number}")
            fake.store.delete("pods", f"gone{number}", "default")
            fake.store.patch("pods", f"gated{number}", {"spec": {"schedulingGates": None}}, "default")
            await world.placed(f"gated{number}")
            await asyncio.sleep(0.1)
        bound = [name for _, name, _, _ in fake.bindings]
        assert len(bound) == len(set(bound)) == 12


async def test_kopf_rests_in_a_surge_and_comes_back(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twodoors, "LAW", twodoors.Law(surge_per_s=5, quiet_s=0.5, late_s=1.0))

    def kopf_watches() -> bool:
        return any(task.get_name().startswith("watcher for pods.") for task in asyncio.all_tasks() if not task.done())

    async with running.scheduler(fake, tmp_path) as world:
        await world.until(kopf_watches)
        for number in range(20):
            world.create(f"p{number}", cpu="10m")
        await world.until(lambda: not kopf_watches())
        await world.placed(*(f"p{number}" for number in range(20)))
        await world.until(kopf_watches)
        world.create("after", cpu="10m")
        await world.placed("after")


@pytest.mark.parametrize("watch", ["watch=true.*spec.schedulerName", "dataobjects.*watch=true"])
async def test_the_informer_goes_on_where_kopf_fails(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, watch: str
) -> None:
    monkeypatch.setattr(twodoors, "LAW", dataclasses.replace(twodoors.LAW, quiet_s=0.2))
    # What Kopf takes for fatal: a 410 as the answer to a watch.
    fault = faults.Fault(method="GET", path=watch, status=410, times=2)
    fake.faults.append(fault)
    async with running.scheduler(fake, tmp_path) as world:
        for number in range(5):
            world.create(f"p{number}", cpu="10m")
            await world.placed(f"p{number}")
            await asyncio.sleep(0.2)
        assert fault.times < 2
