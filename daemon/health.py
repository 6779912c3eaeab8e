"""/healthz, /livez, /readyz and /metrics of the daemon.

Alive means that the process works, whatever the API server and the stores do: a restart would not mend them. Ready
means that the node's state was written down at least once and lately.
"""

from __future__ import annotations

import time

from aiohttp import web

from daemon import agent, metrics

_GRACE_S = 60.0  # for a slow round on top of three missed ones


def build(worker: agent.Agent, figures: metrics.Metrics, interval_s: float) -> web.Application:
    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        if worker.last_round_s is None:
            return web.Response(status=503, text="no round has succeeded yet\n")
        age_s = time.monotonic() - worker.last_round_s
        if age_s > 3 * interval_s + _GRACE_S:
            return web.Response(status=503, text=f"the last round that succeeded was {age_s:.0f} s ago\n")
        return web.Response(text="ok\n")

    async def metrics_page(_: web.Request) -> web.Response:
        return web.Response(
            body=figures.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    app = web.Application()
    app.router.add_get("/healthz", alive)
    app.router.add_get("/livez", alive)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics_page)
    return app
