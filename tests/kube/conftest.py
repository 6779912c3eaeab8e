"""A fake API server and a client for it."""

from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator

import pytest

from scheduler.kube import client
from tests.fakeapi import server


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with server.running() as running:
        yield running


@pytest.fixture
async def api(fake: server.FakeApi, tmp_path: pathlib.Path) -> AsyncIterator[client.Api]:
    connected = await client.Api.connect(fake.kubeconfig(tmp_path))
    yield connected
    await connected.close()
