"""A hardened Kopf operator against the fake server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import kopf
import pytest

from scheduler.kube import client, kopfsettings
from tests.fakeapi import faults, objects, server

SELECTOR = "spec.schedulerName=data-locality-scheduler,spec.nodeName="


@contextlib.asynccontextmanager
async def _operator(api: client.Api, seen: list[str]) -> AsyncIterator[asyncio.Task[None]]:
    registry = kopf.OperatorRegistry()
    settings = kopf.OperatorSettings()
    kopfsettings.harden(settings, reads_only=True)
    settings.watching.field_selectors["pods"] = SELECTOR
    kopf.on.login(registry=registry)(kopfsettings.login(api))

    @kopf.on.event("pods", registry=registry)
    def pod_event(event: Any, name: str | None, **_: Any) -> None:
        seen.append(f"{event['type']} {name}")

    stop = asyncio.Event()
    running = asyncio.create_task(
        kopf.operator(registry=registry, settings=settings, clusterwide=True, standalone=True, stop_flag=stop)
    )
    try:
        yield running
    finally:
        stop.set()
        await running


async def test_events_come_and_nothing_is_ever_written(fake: server.FakeApi, api: client.Api) -> None:
    fake.store.create("pods", objects.pod("ours"))
    fake.store.create("pods", objects.pod("placed", node="n1"))
    fake.store.create("pods", objects.pod("theirs", scheduler="default-scheduler"))
    seen: list[str] = []
    async with _operator(api, seen):
        await server.until(lambda: fake.watches)
        fake.store.create("pods", objects.pod("late"))
        await server.until(lambda: "ADDED late" in seen)
        fake.store.patch("pods", "ours", {"spec": {"nodeName": "n1"}}, "default")
        await server.until(lambda: "DELETED ours" in seen)  # it left the selector
    assert sorted(seen) == ["ADDED late", "DELETED ours", "None ours"]
    assert {method for method, _ in fake.requests} == {"GET"}


async def test_failures_of_any_number_do_not_end_it(tmp_path: pathlib.Path) -> None:
    async def survives(status: int) -> None:
        seen: list[str] = []
        async with server.running() as fake:
            fake.faults.append(faults.Fault(path="/api/v1/pods", times=4, status=status))
            (directory := tmp_path / str(status)).mkdir()
            api = await client.Api.connect(fake.kubeconfig(directory))
            async with _operator(api, seen) as running:
                await server.until(lambda: fake.watches)
                fake.store.create("pods", objects.pod("late"))
                await server.until(lambda: "ADDED late" in seen)
                assert not running.done()
            await api.close()

    async with asyncio.TaskGroup() as statuses:  # each waits between its attempts
        for status in (500, 503, 403):
            statuses.create_task(survives(status))


async def test_a_rotated_token_reaches_kopf(fake: server.FakeApi, tmp_path: Any) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    fake.tokens = {"first"}
    api = await client.Api.connect(fake.kubeconfig(tmp_path, user={"tokenFile": str(token)}))
    seen: list[str] = []
    async with _operator(api, seen):
        await server.until(lambda: fake.watches)
        token.write_text("second")
        fake.tokens = {"second"}
        fake.drop_watches()
        await server.until(lambda: not fake.watches)
        fake.store.create("pods", objects.pod("late"))
        await server.until(lambda: "ADDED late" in seen)
    await api.close()


def test_pauses_never_run_out() -> None:
    settings = kopf.OperatorSettings()
    kopfsettings.harden(settings, reads_only=False)
    pauses = settings.networking.error_backoffs
    assert not isinstance(pauses, (int, float))
    for _ in range(2):  # each request iterates anew
        assert len(list(itertools.islice(pauses, 100_000))) == 100_000


@pytest.mark.parametrize("reads_only", [True, False])
def test_only_operators_that_read_do_without_the_difference(reads_only: bool) -> None:
    settings = kopf.OperatorSettings()
    kopfsettings.harden(settings, reads_only=reads_only)
    assert isinstance(settings.persistence.diffbase_storage, kopfsettings.NoDiff) is reads_only
