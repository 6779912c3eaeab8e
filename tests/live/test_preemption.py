"""A pod that fits nowhere gets the room of less urgent ones: what the API server is asked for, and in which order."""

import datetime
import pathlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog

from scheduler.api import core
from scheduler.kernel import commands, kernel, places
from scheduler.kernel import events as kernel_events
from scheduler.kube import client, events
from scheduler.live import driver, evictor, metrics, reports
from tests.fakeapi import faults, objects, server
from tests.live import running

URGENT: running.Json = {"spec": {"priority": 10}}


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with server.running() as fake:
        fake.store.create("nodes", objects.node("n1", cpu="2"))
        yield fake


def full(fake: server.FakeApi, *names: str) -> None:
    """The node is full of these."""
    for name in names:
        pod = objects.pod(name, node="n1")
        pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
        fake.store.create("pods", pod)


async def test_victims_are_told_why_and_deleted_and_the_pod_lands(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    full(fake, "a", "b")
    seen: list[Any] = []
    delete = fake.store.delete

    def watched(plural: str, name: str, namespace: str = "", *, uid: str = "") -> Any:
        seen.append((name, fake.store.get(plural, name, namespace), uid))
        return delete(plural, name, namespace, uid=uid)

    fake.store.delete = watched  # type: ignore[method-assign]
    async with running.scheduler(fake, tmp_path) as world:
        made = world.create("urgent", cpu="2", **URGENT)
        await world.placed("urgent")
        await world.until(lambda: len(world.events("a", "Preempted")) == len(world.events("b", "Preempted")) == 1)
    assert {name for name, _, _ in seen} == {"a", "b"}
    for _, pod, uid in seen:
        assert uid == pod["metadata"]["uid"]
        [condition] = [each for each in pod["status"]["conditions"] if each["type"] == "DisruptionTarget"]
        assert (condition["status"], condition["reason"]) == ("True", "PreemptionByScheduler")
        assert condition["message"] == ("data-locality-scheduler: preempting to accommodate a higher priority pod")
        assert condition["lastTransitionTime"]
    [event] = world.events("a", "Preempted")
    assert event["note"] == f"Preempted by pod {made['metadata']['uid']} on node n1"
    assert (event["type"], event["action"], event["related"]["name"]) == ("Normal", "Preempting", "urgent")


async def test_what_cannot_be_deleted_stays_and_the_pod_is_tried_again(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    full(fake, "a")
    path = "/api/v1/namespaces/default/pods/a"
    fake.faults.append(faults.Fault(method="DELETE", path=path, status=403, reason="Forbidden", times=2))
    with structlog.testing.capture_logs() as told:
        async with running.scheduler(fake, tmp_path) as world:
            world.create("urgent", cpu="2", **URGENT)
            await world.placed("urgent")
    assert len([each for each in told if each["event"] == "pod not evicted"]) == 2
    assert [each["pod"] for each in told if each["event"] == "pod evicted"] == ["default/a"]


async def test_whose_answer_is_lost_is_deleted_once_more(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    full(fake, "a")
    path = "/api/v1/namespaces/default/pods/a"
    fake.faults.append(faults.Fault(method="DELETE", path=path, status=503, reason="ServiceUnavailable", times=1))
    fake.faults.append(faults.Fault(method="PATCH", path=f"{path}/status", status=409, reason="Conflict", times=1))
    with structlog.testing.capture_logs() as told:
        async with running.scheduler(fake, tmp_path) as world:
            world.create("urgent", cpu="2", **URGENT)
            await world.placed("urgent")
    assert not [each for each in told if each["event"] == "pod not evicted"]


async def test_another_pod_of_the_name_is_spared(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    full(fake, "a")
    delete = fake.store.delete

    def replaced(plural: str, name: str, namespace: str = "", *, uid: str = "") -> Any:
        """Somebody else deletes the pod first, and makes it anew, elsewhere."""
        if fake.store.get(plural, name, namespace)["metadata"]["uid"] == uid:
            delete(plural, name, namespace)
            fake.store.create("pods", objects.pod(name, node="elsewhere"))
        return delete(plural, name, namespace, uid=uid)

    fake.store.delete = replaced  # type: ignore[method-assign]
    async with running.scheduler(fake, tmp_path) as world:
        world.create("urgent", cpu="2", **URGENT)
        await world.placed("urgent")
        assert world.node_of("a") == "elsewhere"
        assert world.events("a", "Preempted") == []


def budget(fake: server.FakeApi) -> None:
    """The first of two pods may not be disrupted."""
    full(fake, "a", "b")
    for name in ("a", "b"):
        fake.store.patch("pods", name, {"metadata": {"labels": {"app": name}}}, "default")
    selector = {"matchLabels": {"app": "b"}}
    body = {"metadata": {"name": "p", "namespace": "default"}, "spec": {"selector": selector}}
    fake.store.create("poddisruptionbudgets", body)


def left(fake: server.FakeApi) -> set[str]:
    return {pod["metadata"]["name"] for pod in fake.store.all("pods")}


async def test_a_budget_spares_its_pods(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    budget(fake)
    async with running.scheduler(fake, tmp_path) as world:
        world.create("urgent", cpu="1", **URGENT)
        await world.placed("urgent")
        assert left(fake) == {"b", "urgent"}


async def test_budgets_that_cannot_be_listed_are_missed_once(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    budget(fake)
    fake.faults.append(
        faults.Fault(method="GET", path="poddisruptionbudgets", status=403, reason="Forbidden", times=99)
    )
    with structlog.testing.capture_logs() as told:
        async with running.scheduler(fake, tmp_path) as world:
            world.create("urgent", cpu="1", **URGENT)
            await world.placed("urgent")
    assert left(fake) == {"a", "urgent"}
    assert len([each for each in told if each["event"].startswith("not followed: pods are evicted")]) == 1


async def test_who_does_not_lead_deletes_nothing(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    full(fake, "a")
    counters = metrics.Metrics("test")
    api = await client.Api.connect(fake.kubeconfig(tmp_path))
    api.fence = lambda: 0.0
    scheduling = driver.Driver(
        kernel.Kernel(running.QUICK, "home", seed=1), clock=time.monotonic, wall=time.time, counters=counters
    )
    scheduling.on(commands.Unplaced, lambda told: None)
    sink = events.EventSink(api, "us", "here")
    now = lambda: datetime.datetime.now(datetime.UTC)  # noqa: E731
    reporter = reports.Reporter(api=api, sink=sink, now=now)
    evictor.Evictor(api=api, scheduling=scheduling, reporter=reporter, counters=counters, now=now)
    try:
        now_s = time.monotonic()
        for each in fake.store.all("nodes"):
            scheduling.handle(kernel_events.NodeSeen(now_s, core.convert(each, core.Node, "n1")))
        for each in fake.store.all("pods"):
            scheduling.handle(kernel_events.PodSeen(now_s, core.convert(each, core.Pod, "a")))
        urgent = objects.pod("urgent")
        urgent["metadata"]["uid"] = "u"
        urgent["spec"]["priority"] = 10
        urgent["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "2"}}
        scheduling.observe(core.convert(urgent, core.Pod, "urgent"))
        scheduling.step()
        entry = scheduling.get("u")
        assert entry is not None
        await server.until(lambda: entry.place is places.Place.ERROR_BACKOFF)
    finally:
        await api.close()
    assert not [method for method, _ in fake.requests if method != "GET"]
