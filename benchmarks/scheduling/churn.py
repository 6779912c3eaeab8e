"""Nodes and pods that come and go while a contender works, as scheduler_perf's `churn` has them."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
from collections.abc import AsyncIterator

from benchmarks.scheduling import work, world

EVERY_S = 0.1
LIVE = 20  # nodes, and pods on them, at a time
NAMESPACE = "churn"


@contextlib.asynccontextmanager
async def churning(scene: world.World, *, wanted: bool) -> AsyncIterator[None]:
    """Meanwhile ten nodes a second, each with a pod, appear and two seconds later disappear."""
    if not wanted:
        yield
        return
    # Told to end, not cancelled: what a request that is cut off has made would meet the next turn under the same name.
    over = asyncio.Event()
    task = asyncio.create_task(_churn(scene, over))
    try:
        yield
    finally:
        over.set()
        await task
        await scene.empty(NAMESPACE)


async def _churn(scene: world.World, over: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # an earlier turn made it
        await scene.make_namespace(NAMESPACE)
    pods = world.pods_of(NAMESPACE)
    alive: collections.deque[tuple[str, str]] = collections.deque()
    try:
        for number in itertools.count():
            node = work.node(scene.nodes + number)
            name, pod = str(node["metadata"]["name"]), f"passing-{number}"
            # No turn's pod may be bound there: it would be lost with the node.
            node["spec"] = {"taints": [{"key": "benchmark/passing", "effect": "NoSchedule"}]}
            alive.append((name, pod))
            await scene.client.request("POST", "/api/v1/nodes", node)
            await scene.client.request("POST", pods, work.pod({"name": pod}, {"nodeName": name}))
            if len(alive) > LIVE:
                await _remove(scene, *alive.popleft())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), EVERY_S)
                return
    finally:
        for name, pod in alive:
            await _remove(scene, name, pod)


async def _remove(scene: world.World, node: str, pod: str) -> None:
    for path in (f"{world.pods_of(NAMESPACE)}/{pod}", f"/api/v1/nodes/{node}"):
        with contextlib.suppress(RuntimeError):  # it was not made any more
            await scene.client.request("DELETE", path, gracePeriodSeconds="0")
