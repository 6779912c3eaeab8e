"""The ceiling: binds all pods of a scheduler's name, as they come, to nodes in turn, and knows nothing else.

    python benchmarks/scheduling/binder.py KUBECONFIG SCHEDULER_NAME

It asks neither what a pod wants nor what a node has and writes no Events. What it reaches is what the API server and
this client together can do, so nobody who really schedules is expected above it.
"""

from __future__ import annotations

import asyncio
import itertools
import sys

from benchmarks.scheduling import api


async def bind_all(kubeconfig: str, scheduler_name: str) -> None:
    """Bind what is there and what comes, until ended."""
    async with await api.Api.connect(kubeconfig) as client:
        listed = await client.request("GET", "/api/v1/nodes", resourceVersion="0")
        nodes = itertools.cycle([node["metadata"]["name"] for node in listed["items"]])
        queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            for _ in range(api.LANES):
                group.create_task(_lane(client, queue, nodes))
            selector = f"spec.schedulerName={scheduler_name},spec.nodeName="
            pods = await client.request("GET", "/api/v1/pods", fieldSelector=selector)
            for pod in pods["items"]:
                queue.put_nowait((pod["metadata"]["namespace"], pod["metadata"]["name"]))
            watch = client.watch("/api/v1/pods", pods["metadata"]["resourceVersion"], selector)
            async for kind, (namespace, name), _ in watch:
                if kind == "ADDED":
                    queue.put_nowait((namespace, name))


async def _lane(client: api.Api, queue: asyncio.Queue[tuple[str, str]], nodes: itertools.cycle[str]) -> None:
    while True:
        namespace, name = await queue.get()
        target = {"apiVersion": "v1", "kind": "Node", "name": next(nodes)}
        await client.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/pods/{name}/binding",
            {"metadata": {"name": name}, "target": target},
        )


if __name__ == "__main__":
    asyncio.run(bind_all(sys.argv[1], sys.argv[2]))
