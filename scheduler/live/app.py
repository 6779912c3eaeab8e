"""The life of the scheduler's process: check, read the cluster, wait to lead, place pods, stop in order.

Start: access is checked, the health port opens, the cluster is read in full (scheduler.live.following), and only then
is the Lease asked for: no decision is taken on half a cluster. Whoever holds it decides and writes
(scheduler.live.leading), the others keep up. Stop (SIGTERM, SIGINT): no more pods are popped, bindings under way are
waited for, Events and conditions are written, the Lease is given back, so that another replica takes over at once, then
the watches end.

If a part that should run for ever ends by itself, the process ends with exit code 1, as a restart repairs more than
half a scheduler does. It ends likewise, as kube-scheduler does, when it loses the Lease (scheduler.kube.election says
why); what was not sent by then is not sent any more.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import gc
import os
import pathlib
import signal
import socket
import time
import uuid
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import structlog

from scheduler import config, errors, watchedfile
from scheduler.api import names
from scheduler.kernel import asking, events, places, question
from scheduler.kube import client, election, lease
from scheduler.live import access, doors, following, health, leading, metrics, reloading, storage

log = structlog.get_logger(__name__)

OK: Final = 0
FAILED: Final = 1
CANNOT_START: Final = 2

BINDS_WITHIN_S: Final = 5.0
REPORTS_WITHIN_S: Final = 5.0
HANDOVER_WITHIN_S: Final = 1.0  # likewise where another replica waits to lead: Events are a courtesy, placing is not
MAX_LAG_S: Final = 10.0

_START: Final = "start"  # the one task that is meant to end
_ELECTION: Final = "lease"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says.

    Attributes:
        kubeconfig: A file, or None for the pod's service account.
        health_host: "" for every address.
        health_port: None for the configuration's; 0 takes a free one.
        record: A file for a recording of the run.
        source: Where the settings come from; None for settings that never change.
    """

    kubeconfig: str | None = None
    health_host: str = ""
    health_port: int | None = None
    record: pathlib.Path | None = None
    source: watchedfile.Source[config.Settings] | None = None


async def run(settings: config.Settings, options: Options, stop: asyncio.Event | None = None) -> int:
    """Run the scheduler until a signal, ``stop`` or a failure; returns the exit code.

    Raises:
        InputError: the kubeconfig cannot be used, or the file for the recording not be made.
    """
    if settings.ignored:
        log.info("configuration keys without an effect here", keys=dict(settings.ignored))
    terms = settings.leader_election
    api = await client.Api.connect(
        options.kubeconfig, unacknowledged_s=terms.duration_s - terms.renew_within_s if terms.is_on else None
    )
    home = os.environ.get("POD_NAMESPACE") or names.HOME_NAMESPACE
    try:
        problems = await access.check(api, access.needed(terms, home))
        for problem in problems:
            log.error("cannot start", problem=problem)
        if problems:
            return CANNOT_START
        return await _Process(api, settings, options, home, stop or asyncio.Event()).run()
    finally:
        await api.close()


class _Process:
    """The parts, wired together."""

    def __init__(
        self, api: client.Api, settings: config.Settings, options: Options, home: str, stop: asyncio.Event
    ) -> None:
        clock = time.monotonic
        self._settings = settings
        self._stop = stop
        self._code = OK
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._metrics = metrics.Metrics(*settings.scheduler_names)
        self._following = following.Following(
            api=api, settings=settings, home=home, counters=self._metrics, clock=clock, now=_now, record=options.record
        )
        self._leading = leading.Leading(
            api=api,
            settings=settings,
            home=home,
            followed=self._following,
            counters=self._metrics,
            clock=clock,
            now=_now,
        )
        self._election: election.Election | None = None
        if settings.leader_election.is_on:
            self._election = _election(api, settings.leader_election, home)
            api.fence = self._election.remaining_s
        self._pulse = health.Pulse(clock)
        port = settings.health_port if options.health_port is None else options.health_port
        self._server = health.Server(
            self._sources(),
            host=options.health_host,
            port=port,
            guard=doors.Doors(api),
            open_storage_info=settings.open_storage_info,
        )
        self._reloading: reloading.Reloading | None = None
        if options.source is not None:
            self._reloading = reloading.Reloading(options.source, self._configure, self._metrics.registry)
        self._watch_counters()

    async def run(self) -> int:
        self._catch_signals()
        try:
            await self._server.start()
        except OSError as error:
            problem = f"port {self._server.port} cannot be opened: {error.strerror or error}; choose --health-port"
            log.error("cannot start", problem=problem)  # noqa: TRY400 (the problem is the message)
            return CANNOT_START
        log.info("health server listens", port=self._server.port)
        try:
            self._spawn({"event loop pulse": self._pulse.run(), **self._following.watches(), _START: self._start()})
            if self._reloading is not None:
                self._spawn({"watch of the configuration": self._reloading.run()})
            await self._stop.wait()
            await self._wind_down()
        finally:
            await _cancel(*self._tasks.values())
            await self._server.stop()
            self._release_signals()
            self._following.close()
        return self._code

    async def _start(self) -> None:
        """Read the cluster, wait to lead, then begin to place pods."""
        self._spawn(await self._following.sync(kopf_started=self._catch_signals))
        gc.freeze()  # what was read stays: looking for cycles in 50,000 pods stops everything for 0.15 s, in vain
        if self._election is not None:
            self._spawn({_ELECTION: self._election.run(), "watch of the lease": self._election.watch()})
            log.info("following", schedulers=self._settings.scheduler_names)
            await self._election.won.wait()
        self._spawn(self._leading.parts())
        log.info("scheduling", schedulers=self._settings.scheduler_names)

    def _configure(self, settings: config.Settings) -> None:
        """Have other settings count from now on."""
        self._following.driver.handle(events.SettingsSeen(self._following.driver.clock(), settings))
        self._leading.upkeep.configure(settings)
        self._server.open_storage_info = settings.open_storage_info

    def _leads(self) -> bool:
        return self._election is None or self._election.remaining_s() > 0

    async def _wind_down(self) -> None:
        log.info("stopping")
        await _cancel(self._tasks.get("decisions"), self._tasks.get(_START))
        if self._election is None:
            await self._leading.hand_over(binds_within_s=BINDS_WITHIN_S, reports_within_s=REPORTS_WITHIN_S)
        elif self._leads():
            await self._leading.hand_over(binds_within_s=BINDS_WITHIN_S, reports_within_s=HANDOVER_WITHIN_S)
        else:
            await self._leading.hand_over(binds_within_s=0, reports_within_s=0)
        if self._election is not None:
            await _cancel(self._tasks.get(_ELECTION))
            await self._election.release()
        log.info("stopped placing pods")

    def _spawn(self, parts: Mapping[str, Coroutine[Any, Any, None]]) -> None:
        for name, work in parts.items():
            task = self._tasks[name] = asyncio.create_task(work, name=name)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A part ended. Only the start may, unless everything is to."""
        name = task.get_name()
        if name == _START:
            del self._tasks[name]
        error = None if task.cancelled() else task.exception()
        if self._stop.is_set() or (name == _START and error is None):
            return
        if isinstance(error, errors.LostError):
            log.error("no longer leading, so that the process ends, to be started anew", why=str(error))
        else:
            log.error("a part of the scheduler ended, so all of it does", part=name, error=repr(error), exc_info=error)
        self._code = FAILED
        self._stop.set()

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        if self._election is not None:
            # Not the loop's way, which comes after what is ready: this comes before the next instruction of Python.
            signal.signal(signal.SIGCONT, self._go_on)

    def _go_on(self, *_: object) -> None:
        """The process was stopped and goes on. If that took its lead, it ends here, whatever it was about to send.

        Nothing is logged: what was interrupted may hold the log.
        """
        if self._election is not None and self._election.won.is_set() and not self._leads():
            os.write(2, b'{"event": "stopped for too long to lead, so that the process ends", "level": "error"}\n')
            os._exit(FAILED)

    def _release_signals(self) -> None:
        signal.signal(signal.SIGCONT, signal.SIG_DFL)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().remove_signal_handler(number)

    def _sources(self) -> health.Sources:
        subject = self._following.kernel
        asks = asking.Asking(subject)
        return health.Sources(
            live={
                "event loop": lambda: _over(self._pulse.lag_s(), MAX_LAG_S),
                "parts": lambda: ", ".join(name for name, task in self._tasks.items() if task.done()),
            },
            ready=self._following.ready(),
            metrics=self._metrics,
            journal=subject.journal,
            leader=lambda: "" if self._election is None or self._leads() else _replica(self._election.holder),
            question=lambda record: question.line(subject, record, _now().timestamp()),
            now=lambda pod, what: asks.of(pod, what, _now().timestamp()),
            about=lambda pod, what: asks.about(pod, what, _now().timestamp()),
            world=lambda: question.whole(subject, _now().timestamp()),
            storage=lambda: storage.Inventory.take(
                self._following.resources.capabilities(),
                self._following.resources.data_objects(),
                subject.settings.network,
                now_s=_now().timestamp(),
                witness_max_age_s=self._settings.witness_max_age_s,
            ),
        )

    def _watch_counters(self) -> None:
        counted = {
            "active": (places.Place.ACTIVE, places.Place.ASKED, places.Place.GATHERED, places.Place.CROWDED),
            "backoff": (places.Place.BACKOFF, places.Place.ERROR_BACKOFF, places.Place.HELD),
            "unschedulable": (places.Place.UNSCHEDULABLE,),
            "gated": (places.Place.GATED,),
        }
        self._metrics.watch_pending(lambda name: self._following.kernel.queue.count(*counted[name]))
        self._metrics.watch_cache("nodes", lambda: self._following.kernel.state.counts().nodes)
        self._metrics.watch_cache("pods", lambda: self._following.kernel.state.counts().pods)
        self._metrics.watch_cache("assumed_pods", lambda: self._following.kernel.state.counts().assumed)
        self._metrics.watch_dropped("pods", lambda: self._following.kernel.queue.dropped)
        self._metrics.watch_dropped("events", lambda: self._leading.sink.dropped)
        self._metrics.watch_dropped("conditions", lambda: self._leading.reporter.dropped)
        self._metrics.watch_dropped("data_objects", lambda: self._leading.upkeep.writer.dropped)
        self._metrics.watch_data_objects("bucket", lambda: self._leading.upkeep.buckets.count)
        self._metrics.watch_data_objects("on_demand", self._leading.upkeep.keys.count)
        self._metrics.watch_data_objects("with_doubtful_copies", lambda: self._leading.upkeep.availability.count)
        self._metrics.watch_source(lambda source: self._following.switch.source == source)
        self._metrics.watch_lag(self._pulse.lag_s)
        self._metrics.watch_leading(self._settings.leader_election.name, self._leads)
        self._metrics.watch_traffic(self._following.kernel.world.under_way_bytes)
        self._metrics.watch_efficiency(self._efficiency)

    def _efficiency(self) -> float:
        """Requested share of allocatable cpu and memory, averaged over the two."""
        view = self._following.kernel.state.freeze(_now().timestamp())
        rows = [view.resource_row[name] for name in ("cpu", "memory") if name in view.resource_row]
        capacity = [float(view.offered[row][view.alive].sum()) for row in rows]
        if not capacity or min(capacity) <= 0:
            return 0.0
        used = [float(view.taken[row][view.alive].sum()) for row in rows]
        return sum(part / whole for part, whole in zip(used, capacity, strict=True)) / len(rows)


def _election(api: client.Api, settings: config.LeaderElection, home: str) -> election.Election:
    return election.Election(
        api=api,
        namespace=settings.namespace or home,
        name=settings.name,
        terms=lease.Terms(
            identity=f"{socket.gethostname()}_{uuid.uuid4()}",  # as kube-scheduler's
            duration_s=settings.duration_s,
            renew_within_s=settings.renew_within_s,
        ),
        retry_s=settings.retry_s,
        now=_now,
    )


def _replica(holder: str) -> str:
    """The pod of whoever holds the Lease."""
    return holder.rpartition("_")[0]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _over(value_s: float, limit_s: float) -> str:
    return f"{value_s:.1f} s late" if value_s > limit_s else ""


async def _cancel(*tasks: asyncio.Task[None] | None) -> None:
    running = [task for task in tasks if task is not None and not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)
