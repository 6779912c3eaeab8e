"""What one object does to the webhook that it should not have costs that object, and is counted."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import kopf
import pytest

from scheduler.api import names
from scheduler.kube import client
from tests.fakeapi import server
from webhook import handlers, metrics
from webhook.admission import validate
from webhook.cluster import kept, known
from webhook.events import keeping, ledger
from webhook.events import metrics as event_metrics

HOME = names.HOME_NAMESPACE


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with server.running() as running:
        running.store.create("namespaces", {"metadata": {"name": HOME}})
        yield running


@pytest.fixture
async def api(fake: server.FakeApi, tmp_path: pathlib.Path) -> AsyncIterator[client.Api]:
    connected = await client.Api.connect(fake.kubeconfig(tmp_path))
    yield connected
    await connected.close()


@contextlib.asynccontextmanager
async def at_work(task: asyncio.Task[None]) -> AsyncIterator[None]:
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


def poisoned(wrapped: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        if "poison" in repr(args[1:]):
            raise ZeroDivisionError
        return wrapped(*args)

    return call


def counted(figures: metrics.Metrics, part: str) -> float:
    found = figures.registry.get_sample_value("data_locality_webhook_internal_errors_total", {"part": part})
    assert found is not None, "alerts want it from the start"
    return found


async def test_an_object_that_trips_what_follows_it_is_counted(
    fake: server.FakeApi, api: client.Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept.Workloads, "apply", poisoned(kept.Workloads.apply))
    monkeypatch.setattr(kept.Sizes, "apply", poisoned(kept.Sizes.apply))
    figures = metrics.Metrics()
    assert counted(figures, "informer") == 0
    for name in ("poison", "sound"):
        fake.store.create("namespaces", {"metadata": {"name": name}})
        data = {"metadata": {"name": name, "namespace": HOME}, "spec": {"urn": name, "sizeBytes": 5}}
        fake.store.create(names.DATA_OBJECTS, data)
    following = known.Known(api, HOME, failures=figures.failures)
    async with at_work(asyncio.create_task(following.run())):
        await server.until(lambda: following.size_of(HOME)("sound") == 5 and following.counts()["namespace"][0] > 1)
        await server.until(lambda: counted(figures, "informer") == 2)


async def test_a_record_of_events_that_trips_its_keeper_is_counted(
    fake: server.FakeApi, api: client.Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping.Keeper, "apply", poisoned(keeping.Keeper.apply))
    figures = metrics.Metrics()
    labels = {names.EVENTS_LABEL: "true"}
    fake.store.create("configmaps", {"metadata": {"name": "poison", "namespace": HOME, "labels": labels}})
    keeper = keeping.Keeper(
        api, ledger.Ledger(), HOME, event_metrics.Metrics(figures.registry), failures=figures.failures
    )
    async with at_work(asyncio.create_task(keeper.run())):
        await keeper.synced.wait()
        assert counted(figures, "informer") == 1


async def test_an_object_that_cannot_be_checked_is_admitted_and_counted(
    api: client.Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validate, "warnings", lambda _: 1 / 0)
    figures = metrics.Metrics()
    answers = handlers.Answers(known.Known(api, HOME), ledger.Ledger(), figures)
    told: list[str] = []
    await answers.check(kopf.Body({"kind": "Job", "metadata": {}}), told)
    assert told == []
    assert counted(figures, "check") == 1
