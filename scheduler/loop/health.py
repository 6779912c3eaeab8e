"""What the scheduler tells over HTTP: whether it lives, whether it is ready, its metrics, its stores, its decisions.

    /livez, /healthz   the loop turns and the watches run; never depends on the API server
    /readyz            the cluster has been read and its schemas are there; not "is idle", not "is leader"
    /metrics           Prometheus text format
    /storage-info      which node serves which stores and buckets, what is known of their data, the classes of links
    /explain?pod=ns/name   the decisions about a pod that are still remembered, newest last

The first three answer 200 or 503 with one line for what is wrong; `?verbose` lists every check. A check is a function
that returns "" or what is wrong.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import prometheus_client
from aiohttp import web

from scheduler.loop import journal, metrics

Check = Callable[[], str]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sources:
    """Where the answers come from."""

    live: Mapping[str, Check]
    ready: Mapping[str, Check]
    metrics: metrics.Metrics
    journal: journal.Journal
    storage: Callable[[], dict[str, Any]]


class Pulse:
    """Measures how late the event loop is: a late loop decides late, and a stuck one answers no probe."""

    INTERVAL_S = 0.5

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._expected = clock() + self.INTERVAL_S
        self._last_lag_s = 0.0

    def lag_s(self) -> float:
        """How late the last beat was, or the next one already is, whichever is more."""
        return max(self._last_lag_s, self._clock() - self._expected, 0.0)

    async def run(self) -> None:
        while True:
            self._expected = self._clock() + self.INTERVAL_S
            await asyncio.sleep(self.INTERVAL_S)
            self._last_lag_s = self._clock() - self._expected


class Server:
    """Serves the above on one port.

    Args:
        host: Address to listen on; "" for all.
        port: 0 takes a free one; ``port`` then tells which.
    """

    def __init__(self, sources: Sources, *, host: str, port: int) -> None:
        self._sources = sources
        self._host = host
        self.port = port
        app = web.Application()
        app.router.add_get("/healthz", self._live)
        app.router.add_get("/livez", self._live)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/storage-info", self._storage)
        app.router.add_get("/explain", self._explain)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken, or not ours to take.
        """
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host or None, self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _live(self, request: web.Request) -> web.Response:
        return _verdict(request, self._sources.live)

    async def _ready(self, request: web.Request) -> web.Response:
        return _verdict(request, self._sources.ready)

    async def _metrics(self, _request: web.Request) -> web.Response:
        # Not content_type=: aiohttp refuses one that carries a charset and a version.
        return web.Response(
            body=self._sources.metrics.render(), headers={"Content-Type": prometheus_client.CONTENT_TYPE_LATEST}
        )

    async def _storage(self, _request: web.Request) -> web.Response:
        return _json(self._sources.storage())

    async def _explain(self, request: web.Request) -> web.Response:
        pod = request.query.get("pod", "")
        if pod.count("/") != 1:
            return _json({"error": "name a pod: /explain?pod=namespace/name"}, status=400)
        records = self._sources.journal.of(pod)
        if not records:
            remembered = journal.CAPACITY
            message = f"no decision about {pod} is among the last {remembered}"
            return _json({"pod": pod, "error": message}, status=404)
        return _json({"pod": pod, "decisions": [dataclasses.asdict(record) for record in records]})


def _verdict(request: web.Request, checks: Mapping[str, Check]) -> web.Response:
    results = {name: check() for name, check in checks.items()}
    wrong = any(results.values())
    if "verbose" in request.query:
        lines = [f"[-]{name}: {problem}" if problem else f"[+]{name} ok" for name, problem in results.items()]
    elif wrong:
        lines = [f"{name}: {problem}" for name, problem in results.items() if problem]
    else:
        lines = ["ok"]
    return web.Response(text="\n".join(lines) + "\n", status=503 if wrong else 200)


def _json(data: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(data), content_type="application/json", status=status)
