"""The part of the daemon that measures links: answers probes, makes its own when they are due, publishes what it finds.

One probe at a time, and none while another node's is being answered. Whatever fails here leaves figures to age, which
the scheduler can see; nothing of it stops the daemon. On a node whose label switches probes off nothing listens, and
its NodeCapability names no address, so that nobody else probes it; until its label is known, it counts as switched off.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import pathlib
import random
import socket
import time
import urllib.parse
from typing import Final

import msgspec
import structlog

from daemon import metrics
from daemon.links import directory, load, paths, prober, schedule, server
from daemon.links import status as publishing
from scheduler import errors
from scheduler.api import crd, names
from scheduler.kube import client

log = structlog.get_logger(__name__)

OFF: Final = -1
# Of a daemon that is told nothing else: with as much again that others may cause, less than a gigabyte a month, headers
# included, which the smallest plans for a metered link hold. See docs/decisions/0005-what-probes-may-cost.md.
BYTES_PER_HOUR: Final = 600 * 2**10
_TICK_S: Final = 2.0
_LOOKS_S: Final = (5.0, 20.0, 60.0)  # at first, when the other daemons start as well, more often
_LOOK_S: Final = 600.0
_RETRY_S: Final = 20.0
_TRANSFER_BYTES: Final = 8 * 2**20
_PARTS: Final = 16  # a probe takes at most such a part of the hour's bytes,
# but so many where they are few: up to 200 Mbit/s, that is enough for a rate to settle.
_LEAST_BYTES: Final = 2 * 2**20


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What the command line says: ``port`` 0 takes a free one, -1 (OFF) neither answers nor probes.

    ``bytes_per_hour`` is here what a link takes that costs nothing; see BYTES_PER_HOUR.
    """

    node: str
    port: int = 0
    bytes_per_hour: int = 128 * 2**20
    period_s: float = 1800.0

    @property
    def transfer_bytes(self) -> int:
        return min(_TRANSFER_BYTES, max(_LEAST_BYTES, self.bytes_per_hour // _PARTS)) if self.bytes_per_hour else 0

    @property
    def hours(self) -> int:
        """Over how many hours the bytes are counted, so that a probe of both directions fits in."""
        return math.ceil(max(1.0, 2 * self.transfer_bytes / self.bytes_per_hour)) if self.bytes_per_hour else 1

    @property
    def is_on(self) -> bool:
        return self.port != OFF and self.transfer_bytes > 0


class Links:
    """Measures this node's links; ``proc`` is where it sees how busy the node is."""

    def __init__(
        self, api: client.Api, settings: Settings, figures: metrics.Metrics, proc: pathlib.Path = pathlib.Path("/proc")
    ) -> None:
        self._paths = paths.Paths()
        self._server_url = api.credentials.server
        self._settings = settings
        self._figures = figures
        self._directory = directory.Directory(api, settings.node)
        self._turn = asyncio.Lock()
        self._load = load.Load(proc)
        self._rng = random.Random()  # noqa: S311 - spreads many daemons
        self._planner = schedule.Planner(
            period_s=settings.period_s,
            bytes_per_hour=settings.bytes_per_hour,
            hours=settings.hours,
            transfer_bytes=settings.transfer_bytes,
            rng=self._rng,
        )
        self._looks = 0
        self._look_s = 0.0
        self._own: crd.NodeCapability | None = None
        self._endpoint: server.Server | None = None
        self._probe_at: crd.Probe | None = None  # where others find it
        self._complaint = ""

    async def run(self) -> None:
        """Work until cancelled."""
        if not self._settings.is_on:
            log.info("links are not measured")
            await asyncio.Event().wait()
        try:
            while True:
                try:
                    await self._step()
                    self._complaint = ""
                except (errors.LocalityError, OSError) as error:
                    self._complain(str(error))
                    self._look_s = min(self._look_s, time.monotonic() + _RETRY_S)  # the object may have been made anew
                await asyncio.sleep(_TICK_S * self._rng.uniform(0.9, 1.1))
        finally:
            await self._close()

    async def _open(self) -> None:
        if self._endpoint is None:
            # Others may cause as many bytes as this node: each probe is made by one and answered by another.
            endpoint = server.Server(
                transfer_bytes=self._settings.transfer_bytes,
                bytes_per_hour=self._settings.bytes_per_hour,
                hours=self._settings.hours,
                turn=self._turn,
            )
            port = await endpoint.start("", self._settings.port)
            self._endpoint = endpoint
            self._probe_at = crd.Probe(_address_towards(self._server_url), port)
            log.info("links are measured", port=port, bytes_per_hour=self._settings.bytes_per_hour)
        elif self._probe_at is not None:
            self._probe_at = crd.Probe(_address_towards(self._server_url), self._probe_at.port)

    async def _close(self) -> None:
        endpoint, self._endpoint, self._probe_at = self._endpoint, None, None
        if endpoint is not None:
            await endpoint.stop()

    def _complain(self, complaint: str) -> None:
        """Say what is wrong once, and try again when the next look is due."""
        if complaint != self._complaint:
            self._complaint = complaint
            log.warning("links cannot be published, still trying", error=complaint)

    async def _step(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._look_s:
            pause_s = _LOOKS_S[self._looks] if self._looks < len(_LOOKS_S) else _LOOK_S
            self._looks, self._look_s = self._looks + 1, now_s + pause_s * self._rng.uniform(0.9, 1.1)
            await self._look()
        task = self._due()
        if task is not None:
            await self._probe(task)
            if self._own is not None:
                await self._publish(self._own)

    async def _look(self) -> None:
        own = await self._directory.own()
        if own is None:  # not written yet, or deleted: the agent makes it
            self._looks, self._look_s = 0, 0.0
            return
        self._paths.restore(own.status.links)
        if await self._directory.is_off():
            if self._endpoint is not None or self._own is None:
                log.info("links are not measured: a label of the node says so", label=names.LINK_PROBES_LABEL)
            await self._close()
            self._planner.assign([], time.time())
            await self._directory.stand_down(await self._publish(own))
        else:
            await self._open()
            own = await self._publish(own)
            self._planner.assign(await self._directory.look(own), time.time())

    async def _publish(self, own: crd.NodeCapability) -> crd.NodeCapability:
        """Write if there is something to say; ``own`` is what stands there as far as is known."""
        probe, links = self._probe_at, self._paths.entries(time.time())
        if own.status.probe != probe or publishing.is_worth_writing(own.status.links, links):
            await self._directory.publish(own, probe, links)
            self._figures.writes.labels(kind="NodeCapability").inc()
            status = msgspec.structs.replace(own.status, probe=probe, links=links)
            own = msgspec.structs.replace(own, status=status)
        self._own = own
        return own

    def _due(self) -> schedule.Task | None:
        if self._turn.locked():  # somebody measures us at this moment
            return None
        high = False
        now_s, next_s = time.time(), self._planner.next_s()
        if next_s is not None and next_s <= now_s:
            high = self._load.is_high(time.monotonic(), self._paths.fastest_bytes_per_s())
        return self._planner.take(now_s, loaded=high)

    async def _probe(self, task: schedule.Task) -> None:
        target = task.target
        async with self._turn:
            outcome = await prober.probe(target.address, target.port, transfer_bytes=self._settings.transfer_bytes)
        self._load.spent(outcome.spent_bytes)
        now_s, peer, spent = time.time(), schedule.peer_of(target), outcome.spent_bytes
        self._paths.measured(peer, outcome, now_s)
        if outcome.refusal is None:
            self._planner.done(task, now_s, spent_bytes=spent, settled=self._paths.is_settled(peer))
            log.debug("link measured", peer=target.node, stands_for=peer, spent_bytes=spent)
        elif outcome.refusal.busy:
            self._planner.busy(task, now_s, spent_bytes=spent)
        else:
            self._planner.failed(task, now_s, spent_bytes=spent)
            log.info("link not measured", peer=target.node, reason=outcome.refusal.reason)
        self._figures.link_probed(_word(outcome), spent)


def _word(outcome: prober.Outcome) -> str:
    if outcome.refusal is None:
        return "measured"
    return "busy" if outcome.refusal.busy else "failed"


def _address_towards(url: str) -> str:
    """The address of this machine (in a pod: the pod's) from which it reaches the API server, and so other nodes.

    Connecting a datagram socket sends nothing; it only asks the kernel for the route.
    """
    parts = urllib.parse.urlsplit(url)
    family, kind, number, _, where = socket.getaddrinfo(parts.hostname, parts.port or 443, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, number) as probe:
        probe.connect(where)
        return str(probe.getsockname()[0])
