"""Those who look after DataObjects, wired together: what the feeds tell them, and what they look for now and then.

All write through one writer, so that however much there is to write, it costs the API server no more than that does.

They listen on every replica and write on the one that leads: until then the writer rests, for what is asked of it would
pile up and be long done by the time that it came to it. When it begins, everything is looked at once more.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable
from typing import Final

from scheduler import config
from scheduler.kube import client
from scheduler.live import (
    availability,
    clerk,
    clocks,
    departed,
    driver,
    expected,
    feed,
    forsaken,
    labelled,
    mentions,
    metrics,
    ondemand,
    podfeed,
    reports,
)
from scheduler.state import cluster

SWEEP_INTERVAL_S: Final = 10.0


class Upkeep:
    """Each of them begins to listen at once; ``run`` and ``writer.run`` are for the caller to start.

    Args:
        home: The scheduler's namespace.
        is_node: Whether there is a node of that name, even one that cannot be read.
        now: The time of day.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        settings: config.Settings,
        home: str,
        state: cluster.Cluster,
        is_node: Callable[[str], bool],
        assigned: feed.AssignedPods,
        pending: podfeed.PendingPods,
        resources: feed.CustomResources,
        waiting: driver.Driver,
        reporter: reports.Reporter,
        counters: metrics.Metrics,
        clock: Callable[[], float],
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._metrics = counters
        self._resources = resources
        self.writer = clerk.Clerk(counters, clock, api.is_urgent)
        self.writer.rests = True
        named = mentions.Mentions(home)
        labels = labelled.Labels(api=api, resources=resources, writer=self.writer, counters=counters)
        self.keys = ondemand.Keys(
            api=api,
            settings=settings,
            home=home,
            table=state.replicas,
            named=named,
            resources=resources,
            waiting=waiting,
            writer=self.writer,
            reporter=reporter,
            counters=counters,
            clock=clock,
            is_there=lambda uid: waiting.get(uid) is not None or assigned.has(uid),
        )
        self.outputs = expected.Outputs(
            api=api,
            settings=settings,
            keys=self.keys,
            resources=resources,
            assigned=assigned,
            writer=self.writer,
            counters=counters,
            clock=clock,
            now=now,
        )
        self._departed = departed.Departed(
            api=api,
            resources=resources,
            is_node=is_node,
            writer=self.writer,
            counters=counters,
            clock=clock,
            now=now,
        )
        self.buckets = forsaken.Buckets(
            api=api,
            resources=resources,
            table=state.replicas,
            named=named,
            writer=self.writer,
            counters=counters,
            clock=clock,
            after_s=settings.data_retention_s,
        )
        self.availability = availability.Availability(
            api=api, resources=resources, state=state, writer=self.writer, counters=counters, now=now
        )
        self._clocks = clocks.Clocks(api=api, seen=state.witnesses, counters=counters, clock=clock, now=now)
        pending.on_seen.append(self.keys.pod_seen)
        assigned.on_seen.append(self.keys.pod_seen)
        assigned.on_gone.append(self.outputs.pod_gone)
        resources.on_object += [self.outputs.object_seen, self.keys.object_seen, labels.object_seen]

        self.configure(settings)

    def configure(self, settings: config.Settings) -> None:
        """From now on go by other settings."""
        self.keys.settings = self.outputs.settings = settings
        self.buckets.after_s = settings.data_retention_s
        self._interval_s = min(SWEEP_INTERVAL_S, settings.data_retention_s / 4)

    async def run(self) -> None:
        """Begin to write; now and then, look through what is known of data for what no event tells."""
        self.writer.rests = False
        with self._metrics.failures.contained("sweep", at=type(self.keys).__name__):
            self.keys.sweep()  # before the first decision: pods were seen before the buckets that they name
        await self._resources.tell_again()
        while True:
            for quick in (self.keys, self.outputs, self._clocks):
                with self._metrics.failures.contained("sweep", at=type(quick).__name__):
                    quick.sweep()
            for part in (self._departed, self.buckets, self.availability):
                with self._metrics.failures.contained("sweep", at=type(part).__name__):
                    await part.sweep()
            await asyncio.sleep(self._interval_s)
