"""Sends bindings, many at once, and makes sure that each assumption ends exactly once.

A pod comes here assumed: its capacity is taken. What happens next is read off the answer:

    bound       nothing: the assumption stands until the watch shows the pod on its node
    conflict    not bound by this request. The pod is read: on our node after all (an earlier request got through), the
                assumption stands; on another or gone, it is taken back; still without a node, taken back and retried
    gone        taken back, and the pod is forgotten
    refused     taken back, reported, retried after a backoff
    throttled,  the pod is read until its state is known, however long that takes; then as for a conflict. Meanwhile
    unknown     the capacity stays taken, and the slot too, so that an API server in trouble gets fewer requests

One task per pod runs from the first request to the end, so there are never two requests for one uid. A pod is never
bound twice even so: the server accepts the first binding only.

A bound pod that the watch never shows was deleted or finished while the watch was broken; `run` reads those that have
been waiting for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
from collections.abc import Callable, Sequence

import structlog

from scheduler import errors
from scheduler.api import core
from scheduler.engine import decision
from scheduler.kube import binding, client
from scheduler.live import journal, metrics, queue, reports
from scheduler.state import cluster

log = structlog.get_logger(__name__)

Verdict = binding.Verdict

READ_BACK_MIN_S = 0.1  # before the first look at a pod whose fate is unknown
READ_BACK_MAX_S = 5.0
CONFIRM_WITHIN_S = 30.0  # a watch shows a binding within milliseconds; longer means that it may have missed the pod
SWEEP_INTERVAL_S = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class Job:
    """A pod that is assumed on a node.

    Attributes:
        record: The attempt's record, whose outcome is written here.
        started: When its attempt began, on the loop's clock.
    """

    entry: queue.Entry
    pod: core.Pod
    node: str
    record: journal.Record
    started: float


class Binder:
    """Binds pods and settles what was assumed for them.

    Args:
        in_flight: How many jobs may be under way.
        on_bound: Told of each pod that is bound, with its transfers.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        state: cluster.Cluster,
        waiting: queue.Queue,
        reporter: reports.Reporter,
        counters: metrics.Metrics,
        clock: Callable[[], float],
        in_flight: int,
        on_bound: Callable[[core.Pod, Sequence[decision.Transfer]], None],
    ) -> None:
        self._api = api
        self._cluster = state
        self._queue = waiting
        self._reporter = reporter
        self._metrics = counters
        self._clock = clock
        self._in_flight = in_flight
        self._on_bound = on_bound
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._freed = asyncio.Event()
        self._unconfirmed: dict[str, tuple[core.Pod, str, float]] = {}

    async def room(self) -> None:
        """Wait until another job may be submitted."""
        while len(self._tasks) >= self._in_flight:
            self._freed.clear()
            await self._freed.wait()

    def is_busy(self, uid: str) -> bool:
        """Whether a job for the pod is under way."""
        return uid in self._tasks

    def submit(self, job: Job) -> None:
        """Start binding. The pod must be assumed on the node, and not be busy."""
        uid = job.entry.uid
        task = self._tasks[uid] = asyncio.create_task(self._work(job), name=f"bind {job.pod.key}")
        task.add_done_callback(functools.partial(self._finished, uid, job.pod, job.node))

    async def run(self) -> None:
        """Look after bindings that the watch does not confirm, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            await self.sweep()

    async def sweep(self) -> None:
        """Read the pods whose binding should have been confirmed by now, and free what is held for nobody."""
        overdue = self._clock() - CONFIRM_WITHIN_S
        for uid, (pod, node, since) in list(self._unconfirmed.items()):
            if not self._cluster.is_assumed(uid):
                del self._unconfirmed[uid]
            elif since <= overdue:
                with self._metrics.failures.contained("binder", pod=pod.key):
                    await self._free(pod, node)

    async def _free(self, pod: core.Pod, node: str) -> None:
        """Free what is held for a pod, if it turns out to be for nobody."""
        if await self._holds_nothing(pod, node):
            uid = pod.metadata.uid
            self._unconfirmed.pop(uid, None)
            log.info("assumption dropped, as the pod is gone, finished or not there", pod=pod.key, node=node)
            self._forget(uid)
            self._queue.remove(uid)  # one that is pending all the same is found again by the next refresh

    async def drain(self, deadline_s: float) -> int:
        """Let the jobs under way end; returns how many did not within the deadline (those are cancelled)."""
        if not self._tasks:
            return 0
        _, late = await asyncio.wait(list(self._tasks.values()), timeout=deadline_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        return len(late)

    def _finished(self, uid: str, pod: core.Pod, node: str, task: asyncio.Task[None]) -> None:
        del self._tasks[uid]
        self._freed.set()
        if not task.cancelled() and isinstance(bug := task.exception(), Exception):
            # Whether it is bound is not known. The sweep reads it, and frees what is held for nobody.
            self._metrics.failures.caught("binder", bug, pod=pod.key)
            self._unconfirmed.setdefault(uid, (pod, node, self._clock()))

    async def _work(self, job: Job) -> None:
        meta = job.pod.metadata
        try:
            outcome = await binding.bind(
                self._api, namespace=meta.namespace, pod=meta.name, uid=meta.uid, node=job.node
            )
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            self._metrics.failures.caught("binder", bug, pod=job.pod.key)
            outcome = binding.Outcome(Verdict.UNKNOWN, f"internal error: {type(bug).__name__}")
        self._metrics.answered(outcome.verdict.value)
        if outcome.verdict in (Verdict.CONFLICT, Verdict.THROTTLED, Verdict.UNKNOWN):
            log.info("binding unsettled", pod=job.pod.key, verdict=outcome.verdict.value, message=outcome.message)
            outcome = await self._find_out(job, outcome)
        self._settle(job, outcome)

    async def _find_out(self, job: Job, outcome: binding.Outcome) -> binding.Outcome:
        """Read the pod until it is known where it is."""
        meta = job.pod.metadata
        pause_s = 0.0 if outcome.verdict is Verdict.CONFLICT else READ_BACK_MIN_S
        while True:
            await asyncio.sleep(max(outcome.after_s, pause_s))
            outcome = await binding.read_back(
                self._api, namespace=meta.namespace, pod=meta.name, uid=meta.uid, node=job.node
            )
            if outcome.verdict is not Verdict.UNKNOWN:
                return outcome
            pause_s = min(READ_BACK_MAX_S, max(READ_BACK_MIN_S, 2 * pause_s))

    def _settle(self, job: Job, outcome: binding.Outcome) -> None:
        uid, verdict = job.entry.uid, outcome.verdict
        job.record.outcome = verdict.value
        elapsed_s = self._clock() - job.started
        if verdict is Verdict.BOUND:
            self._unconfirmed[uid] = (job.pod, job.node, self._clock())
            self._metrics.attempted("scheduled", elapsed_s)
            for tell in (
                functools.partial(self._reporter.scheduled, job.pod, job.node),
                functools.partial(self._tell, job.record),
                functools.partial(self._on_bound, job.pod, job.record.transfers),
            ):
                with self._metrics.failures.contained("listeners", of=job.pod.key):
                    tell()
            return
        job.record.message = outcome.message
        self._forget(uid)
        self._metrics.attempted("error", elapsed_s)
        if verdict in (Verdict.CONFLICT, Verdict.GONE):
            self._queue.remove(uid)
        else:
            self._queue.fail(job.entry)
        if verdict is Verdict.REFUSED:
            self._reporter.error(job.pod, f"binding to {job.node} was refused: {outcome.message}")
        log.info("pod not bound", pod=job.pod.key, node=job.node, verdict=verdict.value, message=outcome.message)

    def _tell(self, record: journal.Record) -> None:
        """Count and log a pod that is bound."""
        self._metrics.placed(node_type=record.node_type, workload_type=record.profile)
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
            node=record.node,
            profile=record.profile,
            deciding=record.deciding,
            cost_s=round(record.cost_s, 6),
            data_s=round(record.data_s, 6),
        )

    def _forget(self, uid: str) -> None:
        """Take an assumption back; what it held may be what another pod waits for."""
        if self._cluster.is_assumed(uid):
            self._cluster.forget(uid)
            self._queue.wake()

    async def _holds_nothing(self, pod: core.Pod, node: str) -> bool:
        meta = pod.metadata
        path = f"/api/v1/namespaces/{meta.namespace}/pods/{meta.name}"
        with contextlib.suppress(errors.InputError):
            try:
                now = core.decode(await self._api.get(path), core.Pod, path)
            except errors.NotFoundError:
                return True
            except errors.ApiError:
                return False  # asked again at the next sweep
            there = now.metadata.uid == meta.uid and now.spec.node_name == node
            return not there or now.status.phase in queue.FINISHED_PHASES
        return False
