"""A process that may not write sends no write, however far the request had come."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from scheduler import errors
from scheduler.kube import client
from tests.fakeapi import faults, objects, server

Write = Callable[[client.Api], Awaitable[bytes]]
PODS = "/api/v1/namespaces/default/pods"

WRITES = [
    pytest.param(lambda api: api.post(PODS, b"{}"), id="post"),
    pytest.param(lambda api: api.put(f"{PODS}/p", b"{}"), id="put"),
    pytest.param(lambda api: api.patch(f"{PODS}/p", b"{}"), id="patch"),
    pytest.param(lambda api: api.delete(f"{PODS}/p"), id="delete"),
]


@pytest.mark.parametrize("write", WRITES)
async def test_behind_a_closed_fence_nothing_is_written(fake: server.FakeApi, api: client.Api, write: Write) -> None:
    api.fence = lambda: 0.0
    with pytest.raises(errors.FencedError):
        await write(api)
    assert fake.requests == []


@pytest.mark.parametrize("write", WRITES)
async def test_a_fence_that_closes_before_the_bytes_go_out(fake: server.FakeApi, api: client.Api, write: Write) -> None:
    left_s = iter([5.0, 0.0])
    api.fence = lambda: next(left_s)
    with pytest.raises(errors.FencedError):
        await write(api)
    assert fake.requests == []
    api.fence = None
    assert await api.get("/version")  # the connection that nothing was sent on does no harm


async def test_a_second_attempt_is_checked_like_the_first(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    token = tmp_path / "token"
    token.write_text("old")
    fake.tokens = {"new"}
    api = await client.Api.connect(fake.kubeconfig(tmp_path, user={"tokenFile": str(token)}))
    left_s = iter([5.0, 5.0, 0.0])

    def fence() -> float:
        token.write_text("new")
        return next(left_s)

    api.fence = fence
    with pytest.raises(errors.FencedError):
        await api.post(PODS, b"{}")
    await api.close()
    assert fake.requests == [("POST", PODS)], "the one with the old token"


async def test_reads_and_what_changes_nothing_go_through(fake: server.FakeApi, api: client.Api) -> None:
    api.fence = lambda: 0.0
    fake.store.create("pods", objects.pod("p"))
    assert await api.get(f"{PODS}/p")
    made = objects.pod("q")
    assert await api.post(PODS, msgspec.json.encode(made), fenced=False)
    assert await api.patch(f"{PODS}/p", b'{"metadata": {"labels": {"a": "b"}}}', fenced=False)


async def test_a_write_is_not_waited_for_longer_than_it_may_be_under_way(fake: server.FakeApi, api: client.Api) -> None:
    fake.faults.append(faults.Fault(method="POST", path="/pods", delay_s=3600.0))
    api.fence = lambda: 0.2
    async with asyncio.timeout(60):
        with pytest.raises(errors.UnreachableError):
            await api.post(PODS, b"{}", deadline_s=3600.0)


async def test_an_open_fence_changes_nothing(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    api = await client.Api.connect(fake.kubeconfig(tmp_path), unacknowledged_s=5.0)
    api.fence = lambda: 10.0
    pod = msgspec.json.encode(objects.pod("p"))
    assert await api.post(PODS, pod)
    with pytest.raises(errors.ConflictError):
        await api.post(PODS, pod)
    assert await api.delete(f"{PODS}/p")
    await api.close()
