"""A process of its own that sends what ``bench_webhook`` measures: a job on standard input, figures on standard output.

A job is JSON: ``url``, ``body`` or ``bodies`` to be sent in turn, ``connections``, whom to trust (``ca`` or
``kubeconfig``), and either ``rate`` and ``seconds`` or a ``count`` to be sent as fast as it goes.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from scheduler.kube import credentials

Json = dict[str, Any]


async def _send(job: Json) -> Json:
    """Send what the job says; returns how long it took, and how long each request did."""
    bodies = job["bodies"] if "bodies" in job else [job["body"]]
    headers = {"Content-Type": "application/json"}
    context = ssl.create_default_context(cadata=job.get("ca"))
    if "kubeconfig" in job:
        found = await credentials.Login(job["kubeconfig"]).read(afresh=True)
        context, headers["Authorization"] = found.ssl_context(), found.authorization
    connector = aiohttp.TCPConnector(ssl=context, limit=job["connections"])
    latencies_ms: list[float] = []
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def post(number: int, due_s: float) -> None:
            async with session.post(job["url"], data=bodies[number % len(bodies)]) as answer:
                text = await answer.read()
                assert answer.status < 300, text[:300]
            latencies_ms.append((time.perf_counter() - due_s) * 1000)

        began_s = time.perf_counter()
        if "rate" in job:
            await _steadily(post, job["rate"], job["seconds"])
        else:
            await _at_once(post, job["count"], job["connections"])
        return {"seconds": time.perf_counter() - began_s, "latencies_ms": latencies_ms}


async def _steadily(post: Callable[[int, float], Any], rate: float, seconds: float) -> None:
    """Start each when it is due, however long the others take."""
    began_s = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(rate * seconds)):
            due_s = began_s + number / rate
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            group.create_task(post(number, due_s))


async def _at_once(post: Callable[[int, float], Any], count: int, lanes: int) -> None:
    numbers = iter(range(count))

    async def lane() -> None:
        for number in numbers:
            await post(number, time.perf_counter())

    await asyncio.gather(*(lane() for _ in range(lanes)))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_send(json.load(sys.stdin)))))
