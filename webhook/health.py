"""/healthz, /livez, /readyz and /metrics of the webhook.

Alive means that the process works, whatever the API server does: a restart would not mend that. Ready means that
everything there is to know was listed once, and that admission requests are being answered; a watch that breaks later
makes the answers older, not the process unready.
"""

from __future__ import annotations

from aiohttp import web

from webhook import metrics
from webhook.admission import server
from webhook.certificates import tls
from webhook.cluster import known
from webhook.events import keeping


def build(
    facts: known.Known,
    keeper: keeping.Keeper,
    admission: server.Server,
    certificate: tls.Certificate,
    figures: metrics.Metrics,
) -> web.Application:
    async def alive(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_: web.Request) -> web.Response:
        if missing := facts.missing():
            return web.Response(status=503, text=f"not listed yet: {', '.join(missing)}\n")
        if not keeper.synced.is_set():
            return web.Response(status=503, text="what events said is not read yet\n")
        if not admission.is_listening:
            return web.Response(status=503, text="the admission server does not listen yet\n")
        return web.Response(text="ok\n")

    async def metrics_page(_: web.Request) -> web.Response:
        page = figures.exposition(facts.counts(), certificate.expires.timestamp())
        return web.Response(body=page, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app = web.Application()
    app.router.add_get("/healthz", alive)
    app.router.add_get("/livez", alive)
    app.router.add_get("/readyz", ready)
    app.router.add_get("/metrics", metrics_page)
    return app
