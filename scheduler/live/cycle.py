"""Decides pods one after the other: pop, decide on the state as it is now, assume, hand to the binder.

Between freezing the state and assuming nothing is awaited, so no event can come in between and no two decisions can
share a node's last free cpu. Only the binding is concurrent. A pod whose keys are just being looked up is put aside for
a moment (scheduler.live.ondemand). When a pod cannot be placed, its Event and condition say why, and the queue decides
when it is tried again.

Nothing is asked before a decision, whoever may have lost an event about the pod: one that is gone is not bound, the
refusal says that it is gone, and what was taken for it is given back (scheduler.live.binder).
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable

import numpy as np
import structlog

from scheduler import config, errors
from scheduler.engine import decide, decision, request
from scheduler.live import binder, journal, metrics, ondemand, queue, reports
from scheduler.state import cluster, facts, snapshot

log = structlog.get_logger(__name__)

NODE_TYPES = {facts.EDGE: "edge", facts.CLOUD: "cloud"}


class Cycle:
    """The serial part of scheduling."""

    def __init__(
        self,
        *,
        settings: config.Settings,
        state: cluster.Cluster,
        waiting: queue.Queue,
        keys: ondemand.Keys,
        binding: binder.Binder,
        reporter: reports.Reporter,
        counters: metrics.Metrics,
        decisions: journal.Journal,
        clock: Callable[[], float],
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._settings = settings
        self._cluster = state
        self._queue = waiting
        self._keys = keys
        self._binder = binding
        self._reporter = reporter
        self._metrics = counters
        self._journal = decisions
        self._clock = clock
        self._now = now
        self._rng = np.random.default_rng(settings.seed)

    async def run(self) -> None:
        """Place pods until cancelled."""
        while True:
            await self._binder.room()
            entry = await self._next()
            try:
                self._attempt(entry)
            except Exception as bug:  # noqa: BLE001 (one pod that trips over a defect must not stop all others)
                self._metrics.failures.caught("cycle", bug, pod=entry.pod.key)
                self._abandon(entry)
            await asyncio.sleep(0)  # a burst of pods must not keep events, answers and probes waiting

    async def _next(self) -> queue.Entry:
        while True:
            self._queue.changed.clear()
            entry = self._queue.pop()
            if entry is not None:
                return entry
            try:
                async with asyncio.timeout(self._queue.wait_s()):
                    await self._queue.changed.wait()
            except TimeoutError:
                continue

    def _attempt(self, entry: queue.Entry) -> None:
        pod = entry.pod
        if self._cluster.is_placed(entry.uid) or self._binder.is_busy(entry.uid):
            # A late event brought back a pod that is bound or about to be. It is over when the watch says so.
            self._queue.bind(entry)
            return
        until = self._keys.hold_until(pod, entry.arrived)
        if until is not None:
            self._queue.hold(entry, until)
            return
        started = self._clock()
        record = journal.Record(
            pod=pod.key, uid=entry.uid, time=self._now().isoformat(), attempt=entry.attempts + 1, outcome="failed"
        )
        self._journal.add(record)
        try:
            asked = request.prepare(pod)
            self._report_problems(entry, asked, record)
            view = self._cluster.freeze(self._now().timestamp())
            found = decide.decide(view, asked, self._settings, self._rng)
            record.decide_s = self._clock() - started
            self._fill(record, found, view)
        except errors.InputError as error:
            self._give_up(entry, record, str(error), started)
            return
        except Exception as bug:  # noqa: BLE001 (likewise, and here it can be told to the pod's user)
            self._metrics.failures.caught("cycle", bug, pod=pod.key)
            self._give_up(entry, record, f"internal error, see the scheduler's log: {type(bug).__name__}", started)
            return
        self._metrics.decided(record.decide_s)
        if found.node:
            self._cluster.assume(pod, found.node)
            self._queue.bind(entry)
            self._binder.submit(binder.Job(entry=entry, pod=pod, node=found.node, record=record, started=started))
        else:
            self._refuse(entry, record, found, started)

    def _refuse(self, entry: queue.Entry, record: journal.Record, found: decision.Decision, started: float) -> None:
        """No node: say why, and wait for something to change."""
        if found.fault:
            record.outcome, record.message = "unsupported", found.fault
        elif found.score_error:
            record.outcome = "error"
        else:
            record.outcome = "unschedulable"
        if record.outcome == "unschedulable":
            self._reporter.unschedulable(entry.pod, record.message)
            self._metrics.attempted("unschedulable", self._clock() - started)
        else:
            self._reporter.error(entry.pod, record.message)
            self._metrics.attempted("error", self._clock() - started)
        log.info("pod not placed", pod=record.pod, uid=record.uid, outcome=record.outcome, message=record.message)
        self._queue.put_back(entry, found.unschedulable_plugins)

    def _abandon(self, entry: queue.Entry) -> None:
        """Whatever was begun for a pod is not: it is tried again after a backoff, unless it is being bound."""
        if self._binder.is_busy(entry.uid):
            return
        if self._cluster.is_assumed(entry.uid):
            self._cluster.forget(entry.uid)
        self._queue.fail(entry)

    def _give_up(self, entry: queue.Entry, record: journal.Record, message: str, started: float) -> None:
        """The attempt itself failed: say so, and try again later."""
        record.outcome, record.message = "error", message
        self._reporter.error(entry.pod, message)
        self._metrics.attempted("error", self._clock() - started)
        self._queue.fail(entry)

    def _report_problems(self, entry: queue.Entry, asked: request.PodRequest, record: journal.Record) -> None:
        if not asked.problems:
            return
        record.problems = tuple(str(problem) for problem in asked.problems)
        if not entry.annotations_reported:
            entry.annotations_reported = True
            self._metrics.bad_input("annotation")
            self._reporter.bad_annotations(entry.pod, asked.problems)
            log.warning("annotations ignored", pod=entry.pod.key, problems=record.problems)

    def _fill(self, record: journal.Record, found: decision.Decision, view: snapshot.Snapshot) -> None:
        record.node, record.message = found.node, found.full_message
        record.profile = found.profile.name if found.profile is not None else ""
        record.deciding, record.data_s = found.deciding, found.data_s
        record.cost, record.cost_s = found.chosen_cost, found.chosen_cost_s
        record.transfers = tuple(found.transfers(view))
        record.unknown = found.data.unknown if found.data is not None else ()
        record.unavailable = found.unavailable
        if found.node:
            record.node_type = NODE_TYPES.get(int(view.node_type[view.index_of[found.node]]), "unknown")
