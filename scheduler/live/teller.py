"""Tells what became of pods: to their users by Events and conditions, to operators by metrics and the log."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import structlog

from scheduler.api import core, verdicts
from scheduler.engine import decision
from scheduler.kernel import commands, journal
from scheduler.live import driver, metrics, reports

log = structlog.get_logger(__name__)


class Teller:
    """Performs the commands that are told.

    Args:
        on_bound: Told of each pod that is bound, with its transfers.
    """

    def __init__(
        self,
        *,
        scheduling: driver.Driver,
        reporter: reports.Reporter,
        counters: metrics.Metrics,
        on_bound: Callable[[core.Pod, Sequence[decision.Transfer]], None],
    ) -> None:
        self._reporter = reporter
        self._metrics = counters
        self._on_bound = on_bound
        scheduling.on(commands.Planned, self._planned)
        scheduling.on(commands.Scheduled, self._scheduled)
        scheduling.on(commands.Delayed, self._delayed)
        scheduling.on(commands.DelayOver, self._delay_over)
        scheduling.on(commands.NotBound, self._not_bound)
        scheduling.on(commands.Unsettled, self._unsettled)
        scheduling.on(commands.Unplaced, self._unplaced)
        scheduling.on(commands.Nominate, self._nominate)
        scheduling.on(commands.Displaced, self._displaced)
        scheduling.on(commands.BadAnnotations, self._bad_annotations)
        scheduling.on(commands.Unreadable, self._unreadable)
        scheduling.on(commands.Freed, self._freed)
        scheduling.on(commands.Defect, self._defect)

    def _planned(self, told: commands.Planned) -> None:
        log.info(
            "pods planned for together",
            pods=told.pods,
            placed=told.placed,
            contested=told.is_contested,
            gap_ratio=round(told.gap_ratio, 6),
            saved_s=round(told.saved_s, 6),
        )

    def _scheduled(self, told: commands.Scheduled) -> None:
        self._metrics.attempted("scheduled", told.elapsed_s, told.pod.spec.scheduler_name)
        for tell in (
            functools.partial(self._reporter.scheduled, told.pod, told.record.node, told.record.jointly),
            functools.partial(self._count, told.pod, told.record),
            functools.partial(self._on_bound, told.pod, told.record.transfers),
        ):
            with self._metrics.failures.contained("listeners", of=told.pod.key):
                tell()

    def _count(self, pod: core.Pod, record: journal.Record) -> None:
        """Count and log a pod that is bound."""
        self._metrics.placed(node_type=record.node_type, workload_type=record.profile)
        if record.jointly is not None:
            self._metrics.placed_jointly(record.jointly.outcome)
        if record.transfers:
            remote = [transfer for transfer in record.transfers if transfer.remote]
            remote_bytes = sum(transfer.size_bytes for transfer in remote)
            self._metrics.moved(
                local_bytes=sum(transfer.size_bytes for transfer in record.transfers) - remote_bytes,
                remote_bytes=remote_bytes,
                seconds=record.data_s,
                remote_s=sum(transfer.seconds for transfer in remote),
            )
        log.info(
            "pod bound",
            pod=record.pod,
            uid=record.uid,
            scheduler=pod.spec.scheduler_name,
            node=record.node,
            profile=record.profile,
            deciding=record.deciding,
            cost_s=round(record.cost_s, 6),
            data_s=round(record.data_s, 6),
        )

    def _delayed(self, told: commands.Delayed) -> None:
        self._metrics.delayed()
        self._reporter.delayed(told.pod, told.record.message)
        log.info("pod waits for a better node", pod=told.pod.key, node=told.node, message=told.record.message)

    def _delay_over(self, told: commands.DelayOver) -> None:
        self._metrics.delay_over("met" if told.is_met else "elsewhere" if told.node else "nowhere", told.waited_s)
        log.info("pod waits no longer", pod=told.pod.key, node=told.node, waited_s=round(told.waited_s, 3))

    def _not_bound(self, told: commands.NotBound) -> None:
        self._metrics.attempted("error", told.elapsed_s, told.pod.spec.scheduler_name)
        if told.verdict is verdicts.Verdict.REFUSED:
            self._reporter.error(told.pod, f"binding to {told.node} was refused: {told.message}")
        log.info(
            "pod not bound",
            pod=told.pod.key,
            scheduler=told.pod.spec.scheduler_name,
            node=told.node,
            verdict=told.verdict.value,
            message=told.message,
        )

    def _unsettled(self, told: commands.Unsettled) -> None:
        log.info("binding unsettled", pod=told.pod.key, verdict=told.verdict.value, message=told.message)

    def _unplaced(self, told: commands.Unplaced) -> None:
        record, profile = told.record, told.pod.spec.scheduler_name
        if told.victims is not None:
            self._metrics.preempted(told.victims)
        if record.outcome == "unschedulable":
            self._reporter.unschedulable(told.pod, record.message, told.nominated)
            self._metrics.attempted("unschedulable", record.decide_s, profile)
        else:
            self._reporter.error(told.pod, record.message, told.nominated)
            self._metrics.attempted("error", record.decide_s, profile)
        log.info(
            "pod not placed",
            pod=record.pod,
            uid=record.uid,
            scheduler=profile,
            outcome=record.outcome,
            message=record.message,
        )

    def _nominate(self, told: commands.Nominate) -> None:
        self._reporter.nominate(told.pod, told.node)

    def _displaced(self, told: commands.Displaced) -> None:
        self._reporter.preempted(told.pod, told.by, told.node, is_deleted=False)
        log.info("pod not bound, to make room", pod=told.pod.key, node=told.node, preemptor=told.by.key)

    def _bad_annotations(self, told: commands.BadAnnotations) -> None:
        self._metrics.bad_input("annotation")
        self._reporter.bad_annotations(told.pod, told.problems)
        log.warning("annotations ignored", pod=told.pod.key, problems=[str(problem) for problem in told.problems])

    def _unreadable(self, told: commands.Unreadable) -> None:
        self._metrics.bad_input(told.kind)
        log.warning(
            "object ignored, as a value of it cannot be read", kind=told.kind, object=told.name, error=told.problem
        )

    def _freed(self, told: commands.Freed) -> None:
        log.info("assumption dropped, as the pod is gone, finished or not there", pod=told.pod.key, node=told.node)

    def _defect(self, told: commands.Defect) -> None:
        self._metrics.failures.caught(told.part, told.bug, pod=told.of)
