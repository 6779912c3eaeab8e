"""The webhook as a process: connects, starts its parts, and ends them in order.

Parts are the informers, the Kopf operator with the admission server, the certificate's renewal, the receiver of events,
their keeper, and the health server. Kopf takes SIGTERM and SIGINT over when it starts, so a stop is noticed in its
clean-up.
"""

from __future__ import annotations

import asyncio
import dataclasses
import pathlib
from collections.abc import Collection
from typing import Any, Final

import kopf
import structlog

from scheduler.kube import client, startup
from webhook import doors, handlers, health, metrics
from webhook.admission import server
from webhook.certificates import tls
from webhook.cluster import known
from webhook.events import keeping, ledger, receiver, senders
from webhook.events import metrics as event_metrics

log = structlog.get_logger(__name__)

# At which the Service is reached, whatever port the process listens on.
_SERVICE_PORT: Final = 443


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says; a port of 0 takes a free one and logs it."""

    kubeconfig: str | None = None
    namespace: str = "data-locality-scheduler"
    tls_dir: pathlib.Path = pathlib.Path("/etc/data-locality/tls")
    host: str = "data-locality-webhook"
    port: int = 9443
    events_port: int = 9444
    events_tokens_dir: pathlib.Path | None = None
    events_retention_s: float = 600.0
    events_allow_anonymous: bool = False
    managed: bool = False
    refuse_malformed: bool = False
    health_host: str = ""
    health_port: int = 8082


async def run(options: Options) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code.

    Raises:
        InputError: it cannot start as set up; the message says what to change.
    """
    certificate = tls.Certificate(options.tls_dir)
    stop = startup.stop_at_signal()
    required = [path for kind, path in known.PATHS.items() if kind not in known.OPTIONAL]
    api = await client.Api.connect(options.kubeconfig)
    try:
        await startup.wait_until_listable(api, required, role="manifests/base/rbac-webhook.yaml", stop=stop)
        return 0 if stop.is_set() else await _serve(api, options, certificate, stop)
    finally:
        await api.close()


async def _serve(api: client.Api, options: Options, certificate: tls.Certificate, stop: asyncio.Event) -> int:
    figures = metrics.Metrics()
    event_figures = event_metrics.Metrics(figures.registry)
    facts = known.Known(api, options.namespace, failures=figures.failures)
    said = ledger.Ledger(retention_s=options.events_retention_s)
    keeper = keeping.Keeper(api, said, options.namespace, event_figures, failures=figures.failures)
    allowed = senders.Senders(
        api, event_figures, tokens=options.events_tokens_dir, allow_anonymous=options.events_allow_anonymous
    )
    admission = server.Server(certificate, _client_config(options), figures, port=options.port)
    answers = handlers.Answers(facts, said, figures, refuses=options.refuse_malformed)
    registry, settings = handlers.build(api, answers, admission, managed=options.managed, on_stop=stop.set)
    health_app = health.build(facts, keeper, admission, certificate, figures)
    health_door = await doors.serve(health_app, options.health_host or None, options.health_port)
    events_app = receiver.build(keeper, allowed, facts.readers_of, event_figures)
    events_door = await doors.serve(events_app, None, options.events_port, context=certificate.context)
    log.info("webhook started", health=_addresses(health_door), events=_addresses(events_door))
    operator = kopf.operator(registry=registry, settings=settings, clusterwide=True, standalone=True, stop_flag=stop)
    parts = {
        asyncio.create_task(stop.wait(), name="stop"),
        asyncio.create_task(facts.run(), name="informers"),
        asyncio.create_task(keeper.run(), name="keeper"),
        asyncio.create_task(certificate.follow(), name="certificate"),
        asyncio.create_task(operator, name="operator"),
    }
    code = await startup.until_one_ends(parts)
    stop.set()
    await _end(parts, events_door)
    await health_door.close()
    log.info("webhook stopped")
    return code


async def _end(parts: Collection[asyncio.Task[Any]], events: doors.Door) -> None:
    """Answer what is under way, admission and events, and only then end what that hangs on."""
    by_name = {part.get_name(): part for part in parts}
    await asyncio.wait([by_name["operator"], asyncio.create_task(events.close())], timeout=10.0)
    for part in parts:
        part.cancel()
    await asyncio.wait(parts, timeout=10.0)


def _client_config(options: Options) -> dict[str, Any]:
    """How the API server reaches us: at our Service, or, where the host has a dot and so is none, at that address."""
    if "." in options.host:
        return {"url": f"https://{options.host}:{options.port}"}
    return {"service": {"namespace": options.namespace, "name": options.host, "port": _SERVICE_PORT}}


def _addresses(door: doors.Door) -> list[str]:
    return [f"{address[0]}:{address[1]}" for address in door.addresses]
