"""What only the replica that leads does: decide, bind, evict, say what became of pods, look after DataObjects.

All that writes to the API server stands here. Whether it may is not asked here but where bytes go out: as long as this
process does not hold the Lease, the API client sends no write (scheduler.kube.fencing).
"""

from __future__ import annotations

import asyncio
import datetime
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from scheduler import config
from scheduler.kernel import places
from scheduler.kube import client, events
from scheduler.live import binder, cycle, evictor, following, metrics, reports, reserver, teller, upkeep

log = structlog.get_logger(__name__)

# Where pods are for whom something is to be done.
BUSY: Final = (places.Place.ACTIVE, places.Place.GATHERED, places.Place.CROWDED, places.Place.BINDING)


class Leading:
    """The decisions and the writers: ``parts`` are to run while this replica leads, then ``hand_over``.

    Args:
        home: The scheduler's namespace.
        clock: Monotonic seconds.
        now: The time of day.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        settings: config.Settings,
        home: str,
        followed: following.Following,
        counters: metrics.Metrics,
        clock: Callable[[], float],
        now: Callable[[], datetime.datetime],
    ) -> None:
        failures = counters.failures
        pods = followed.kernel.queue
        self.sink = events.EventSink(
            api,
            settings.scheduler_name,
            socket.gethostname(),
            failures=failures,
            backlog=lambda: pods.count(*BUSY),
            clock=clock,
        )
        self.reporter = reports.Reporter(api=api, sink=self.sink, now=now, failures=failures)
        self.upkeep = upkeep.Upkeep(
            api=api,
            settings=settings,
            home=home,
            state=followed.kernel.state,
            is_node=followed.is_node,
            assigned=followed.assigned,
            pending=followed.pending,
            resources=followed.resources,
            waiting=followed.driver,
            reporter=self.reporter,
            counters=counters,
            clock=clock,
            now=now,
        )
        self._reserver = reserver.Reserver(api=api, scheduling=followed.driver, counters=counters, now=now)
        self._evictor = evictor.Evictor(
            api=api, scheduling=followed.driver, reporter=self.reporter, counters=counters, now=now
        )
        self._binder = binder.Binder(api=api, scheduling=followed.driver, counters=counters)
        self._cycle = cycle.Cycle(followed.driver, self.upkeep.keys.hold_until, counters)
        teller.Teller(
            scheduling=followed.driver,
            reporter=self.reporter,
            counters=counters,
            on_bound=self.upkeep.outputs.bound,
        )

    def parts(self) -> dict[str, Coroutine[Any, Any, None]]:
        """What is to run while this replica leads, by name; ``decisions`` ends before ``hand_over``."""
        return {
            "look after data objects": self.upkeep.run(),  # which first asks for the keys of pods that wait already
            "decisions": self._cycle.run(),
            "writer of events": self.sink.run(),
            "writer of conditions": self.reporter.run(),
            "writer of data objects": self.upkeep.writer.run(),
        }

    async def hand_over(self, *, binds_within_s: float, reports_within_s: float) -> None:
        """Let what is under way end, and what waits be written, within the times given; with 0, give it up."""
        self._reserver.stop()
        self._evictor.stop()
        left = await self._binder.drain(binds_within_s)
        if left:
            log.warning("bindings given up, their outcome is unknown", bindings=left)
        await asyncio.gather(
            self.reporter.drain(reports_within_s),
            self.sink.drain(reports_within_s),
            self.upkeep.writer.drain(reports_within_s),
        )
