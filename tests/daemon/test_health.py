"""The daemon's HTTP door: it answers questions, and takes nothing in."""

from __future__ import annotations

import types
from typing import Any, cast

import pytest
from aiohttp import test_utils

from daemon import agent, health, metrics


@pytest.mark.parametrize("path", ["/transfers", "/metrics", "/readyz", "/livez", "/healthz"])
async def test_nothing_can_be_posted(path: str) -> None:
    worker: Any = types.SimpleNamespace(last_round_s=None)
    app = health.build(cast(agent.Agent, worker), metrics.Metrics(), 30.0)
    async with test_utils.TestClient(test_utils.TestServer(app)) as client:
        async with client.post(path, data=b"{}", headers={"Authorization": "Bearer x"}) as answer:
            assert answer.status in {404, 405}
        async with client.get("/metrics") as page:
            assert "transfer" not in await page.text()
