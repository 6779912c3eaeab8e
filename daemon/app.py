"""The daemon as a process: connects, starts its parts, and ends them in order.

Parts are the agent (the work), the measuring of links, the Kopf operator (what wakes the agent), the Event sink and
the HTTP server. Kopf takes SIGTERM and SIGINT over when it starts, and before it ends it waits seconds for every other
task of the loop, so a stop is noticed in its clean-up.
"""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import pathlib
import socket
import urllib.parse
from collections.abc import Collection
from typing import Any

import kopf
import structlog
from aiohttp import web

from daemon import agent, config, handlers, health, metrics, supervision
from daemon.links import measurer as links
from daemon.stores import addresses, contents
from scheduler.api import names
from scheduler.kube import client, events, mishaps, startup

log = structlog.get_logger(__name__)

_DRAIN_S = 2.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says; ``health_port`` 0 takes a free one and logs it.

    ``host_root`` is where the node's file system is mounted, None where it is not.
    """

    node: str
    kubeconfig: str | None = None
    namespace: str = "data-locality-scheduler"
    interval_s: float = 30.0
    store_timeout_s: float = 5.0
    max_keys: int = 10_000
    health_host: str = ""
    health_port: int = 8081
    probe_port: int = 0
    probe_bytes_per_hour: int = links.BYTES_PER_HOUR
    host_root: pathlib.Path | None = None
    config: str | None = None


async def run(options: Options) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code.

    Raises:
        InputError: it cannot start as set up; the message says what to change.
    """
    settle()
    configuration = config.Source(options.config)
    stop = startup.stop_at_signal()
    required = [f"/apis/{names.API_VERSION}/{plural}" for plural in (names.DATA_OBJECTS, names.NODE_CAPABILITIES)]
    api = await client.Api.connect(options.kubeconfig)
    try:
        await startup.wait_until_listable(api, required, role="manifests/base/rbac-daemon.yaml", stop=stop)
        return 0 if stop.is_set() else await _serve(api, options, configuration, stop)
    finally:
        await api.close()


def settle() -> None:
    """Keep the collector of garbage from what was imported, which never is any: that takes it 60 ms each time."""
    gc.collect()
    gc.freeze()


async def _serve(api: client.Api, options: Options, configuration: config.Source, stop: asyncio.Event) -> int:
    figures = metrics.Metrics()
    failures = mishaps.Mishaps(lambda part: figures.faults.labels(part=part).inc())
    speaker = f"{options.node}/{socket.gethostname()}"
    sink = events.EventSink(api, names.DAEMON_FIELD_MANAGER, speaker, failures=failures)
    limits = contents.Limits(timeout_s=options.store_timeout_s, max_keys=options.max_keys)
    settings = agent.Settings(
        node=options.node,
        namespace=options.namespace,
        interval_s=options.interval_s,
        limits=limits,
        host_root=options.host_root or pathlib.Path("/"),
        # In a pod without a mount, what lies beside /proc and /sys is the image's.
        has_host_files=options.host_root is not None or "KUBERNETES_SERVICE_HOST" not in os.environ,
        configuration=configuration,
        api_addresses=await addresses.of_hosts(_api_hosts(api)),
    )
    worker = agent.Agent(api, settings, sink, figures)
    links_settings = links.Settings(
        node=options.node, port=options.probe_port, bytes_per_hour=options.probe_bytes_per_hour
    )
    measurer = links.Links(api, links_settings, figures)
    registry, kopf_settings = handlers.build(api, worker, options.node, on_stop=stop.set)
    runner = web.AppRunner(health.build(worker, figures, options.interval_s), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, options.health_host or None, options.health_port)
    await site.start()
    log.info("daemon started", node=options.node, namespace=options.namespace, health=_addresses(runner))
    parts = {
        asyncio.create_task(stop.wait(), name="stop"),
        asyncio.create_task(sink.run(), name="events"),
        asyncio.create_task(worker.run(), name="agent"),
        asyncio.create_task(supervision.run(measurer.run, failures, "links"), name="links"),
        asyncio.create_task(
            kopf.operator(registry=registry, settings=kopf_settings, clusterwide=True, standalone=True, stop_flag=stop),
            name="operator",
        ),
    }
    code = await startup.until_one_ends(parts)
    stop.set()
    await _end(parts, sink)
    await runner.cleanup()
    log.info("daemon stopped", node=options.node)
    return code


async def _end(parts: Collection[asyncio.Task[Any]], sink: events.EventSink) -> None:
    """Stop the work first, then write the Events that wait, then the rest."""
    by_name = {part.get_name(): part for part in parts}
    working = [by_name["agent"], by_name["links"]]
    for part in working:
        part.cancel()
    await asyncio.wait(working)
    await sink.drain(_DRAIN_S)
    by_name["events"].cancel()
    await asyncio.wait(parts, timeout=10.0)


def _api_hosts(api: client.Api) -> list[str]:
    return [urllib.parse.urlsplit(api.credentials.server).hostname or "", os.environ.get("KUBERNETES_SERVICE_HOST", "")]


def _addresses(runner: web.AppRunner) -> list[str]:
    return [f"{address[0]}:{address[1]}" for address in runner.addresses]
