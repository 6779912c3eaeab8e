"""Nothing that one pod or object causes ends, or holds up, what the scheduler does for the others."""

import asyncio
import contextlib
import dataclasses
import pathlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from scheduler.api import names
from scheduler.engine import decide
from scheduler.kernel import queue
from scheduler.kube import binding
from scheduler.live import clerk, departed, expected, metrics, ondemand, podfeed, reports
from scheduler.plugins.pod_affinity import waking
from scheduler.state import cluster
from tests.fakeapi import objects, server
from tests.live import builders, running

HOME = names.HOME_NAMESPACE
SETTINGS = dataclasses.replace(running.QUICK, data_wait_s=0.0, data_retention_s=0.4)  # looked through every 0.1 s


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with server.running() as fake:
        fake.store.create("namespaces", {"metadata": {"name": HOME}})
        fake.store.create("nodes", objects.node("n1"))
        yield fake


def poisoned(wrapped: Callable[..., Any]) -> Callable[..., Any]:
    """The same, raising for what is named after poison."""

    def call(*args: Any, **kwargs: Any) -> Any:
        if "poison" in repr(args[1:]) or "poison" in repr(kwargs):
            raise ZeroDivisionError("poison")
        return wrapped(*args, **kwargs)

    return call


@pytest.mark.parametrize(
    ("owner", "method", "part"),
    [
        pytest.param(cluster.Cluster, "apply_pod", "informer", id="an assigned pod in the state"),
        pytest.param(cluster.Cluster, "apply_node", "informer", id="a node in the state"),
        pytest.param(cluster.Cluster, "apply_namespace", "informer", id="a namespace in the state"),
        pytest.param(cluster.Cluster, "apply_data_object", "watch", id="a DataObject in the state"),
        pytest.param(cluster.Cluster, "apply_capability", "watch", id="a NodeCapability in the state"),
        pytest.param(ondemand.Keys, "pod_seen", "listeners", id="a pod that names keys"),
        pytest.param(ondemand.Keys, "object_seen", "listeners", id="a DataObject for who looks after keys"),
        pytest.param(expected.Outputs, "object_seen", "listeners", id="a DataObject for who looks after outputs"),
        pytest.param(expected.Outputs, "bound", "listeners", id="a pod that was bound"),
        pytest.param(expected.Outputs, "pod_gone", "listeners", id="a pod that is gone"),
        pytest.param(ondemand.Keys, "hold_until", "cycle", id="a pod whose turn it is"),
        pytest.param(cluster.Cluster, "assume", "cycle", id="a pod that is assumed"),
        pytest.param(queue.Queue, "observe", "watch", id="a pod in the queue"),
        pytest.param(reports.Reporter, "scheduled", "listeners", id="a report of success"),
        pytest.param(reports.Reporter, "_body", "conditions", id="a condition"),
    ],
)
async def test_what_one_object_does_costs_that_object_alone(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, owner: type, method: str, part: str
) -> None:
    monkeypatch.setattr(owner, method, poisoned(getattr(owner, method)))
    populate(fake, "poison-early")
    async with serving(fake, tmp_path) as (world, counters):
        populate(fake, "poison-later")
        world.create("poison-greedy", cpu="100", metadata={"annotations": {f"{names.INPUT_PREFIX}1": "poison/k,1"}})
        world.create("poison-mine", metadata={"annotations": {f"{names.OUTPUT_PREFIX}1": "poison/o,1"}})
        world.create("fine")
        await world.placed("fine")
        fake.store.delete("pods", "poison-runs-later", "default")
        for number in range(3):
            world.create(f"fine-{number}", metadata={"annotations": {f"{names.INPUT_PREFIX}1": f"good/{number},1"}})
            await world.placed(f"fine-{number}")
        await world.until(lambda: any(obj["spec"]["urn"] == "good/2" for obj in fake.store.all("dataobjects")))
        await world.until(lambda: failures(counters, part))


def populate(fake: server.FakeApi, name: str) -> None:
    """One object of each kind that the scheduler follows."""
    suffix = name.removeprefix("poison-")
    fake.store.create("namespaces", {"metadata": {"name": name}})
    fake.store.create("nodes", objects.node(name) | {"spec": {"unschedulable": True}})
    fake.store.create("pods", objects.pod(f"poison-runs-{suffix}", node="n1", scheduler="other"))
    fake.store.create("nodecapabilities", {"metadata": {"name": name}})
    fake.store.create("dataobjects", objects.data_object(name, "poison", nodes=("n1",)))
    fake.store.create("dataobjects", objects.data_object(f"good-{suffix}", "good", nodes=("n1",)))


@contextlib.asynccontextmanager
async def serving(
    fake: server.FakeApi, directory: pathlib.Path
) -> AsyncIterator[tuple[running.Running, metrics.Metrics]]:
    """A scheduler with its counters within reach."""
    made: list[metrics.Metrics] = []
    init = metrics.Metrics.__init__

    def keep(counters: metrics.Metrics, *profiles: str) -> None:
        init(counters, *profiles)
        made.append(counters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics.Metrics, "__init__", keep)
        async with running.scheduler(fake, directory, SETTINGS) as world:
            await server.until(lambda: made)
            yield world, made[0]


def failures(counters: metrics.Metrics, part: str) -> float:
    return counters.registry.get_sample_value("data_locality_scheduler_internal_errors_total", {"part": part}) or 0.0


@pytest.mark.parametrize(
    ("owner", "args"),
    [
        pytest.param(ondemand.Keys, (), id="keys"),
        pytest.param(expected.Outputs, (), id="outputs"),
        pytest.param(departed.Departed, (), id="departed"),
        pytest.param(podfeed.PendingPods, (lambda: 0.0,), id="refresh"),
    ],
)
async def test_a_look_through_all_that_fails_is_done_again(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, owner: type, args: tuple[Any, ...]
) -> None:
    method = "refresh" if owner is podfeed.PendingPods else "sweep"
    looked: list[int] = []

    def fail(*_args: Any) -> None:
        looked.append(1)
        raise ZeroDivisionError

    monkeypatch.setattr(owner, method, fail)
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        await world.until(lambda: len(looked) >= 2)
        world.create("fine")
        await world.placed("fine")


async def test_a_job_that_fails_costs_that_job_alone() -> None:
    counters = metrics.Metrics("test")
    writer = clerk.Clerk(counters, builders.Clock())
    done: list[str] = []

    async def bad() -> None:
        raise KeyError("x")

    async def good() -> None:
        done.append("good")

    for number in range(3):
        writer.ask(("bad", f"{number}"), bad)
    writer.ask(("good",), good)
    working = asyncio.create_task(writer.run())
    await server.until(lambda: done or working.done())
    assert not working.done()
    assert failures(counters, "upkeep") == 3
    working.cancel()
    await asyncio.wait([working])


async def test_a_binding_of_which_nobody_knows_what_became_is_read(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request got through, and then its answer was more than the program could take."""
    bind = binding.bind

    async def fail(*args: Any, **kwargs: Any) -> binding.Outcome:
        await bind(*args, **kwargs)
        raise ZeroDivisionError

    monkeypatch.setattr(binding, "bind", fail)
    async with running.scheduler(fake, tmp_path) as world:
        world.create("one")
        await world.placed("one")
        await world.until(lambda: world.events("one", "Scheduled"))
        world.create("two")
        await world.placed("two")


async def test_a_waiting_pod_that_cannot_be_compared_is_tried_again_and_the_others_too(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = waking._company_helps

    def fail(asked: Any, *rest: Any) -> bool:
        if asked.pod.metadata.name == "poison":
            raise ZeroDivisionError
        return real(asked, *rest)

    monkeypatch.setattr(waking, "_company_helps", fail)
    term = {"labelSelector": {"matchLabels": {"app": "db"}}, "topologyKey": "kubernetes.io/hostname"}
    affinity = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    fake.store.create("nodes", objects.node("n2", labels={names.HOSTNAME_LABEL: "n2"}))
    async with running.scheduler(fake, tmp_path) as world:
        world.create("poison", spec={"affinity": affinity})
        world.create("other", spec={"affinity": affinity})
        await world.until(lambda: world.condition("poison") and world.condition("other"))
        db = objects.pod("db", node="n2", scheduler="other")
        db["metadata"]["labels"] = {"app": "db"}
        fake.store.create("pods", db)
        await world.placed("other", "poison")


async def test_a_decision_that_fails_is_told_to_that_pod(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = decide.Engine.decide

    def fail(engine: decide.Engine, view: Any, asked: Any, *rest: Any, **more: Any) -> Any:
        if asked.pod.metadata.name == "poison":
            raise ZeroDivisionError
        return real(engine, view, asked, *rest, **more)

    monkeypatch.setattr(decide.Engine, "decide", fail)
    async with running.scheduler(fake, tmp_path) as world:
        world.create("poison")
        world.create("fine")
        await world.placed("fine")
        await world.until(lambda: "internal error" in world.condition("poison").get("message", ""))
