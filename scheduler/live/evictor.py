"""Deletes pods to make room for a more urgent one, and tells the kernel when that is under way.

Each victim first gets the condition DisruptionTarget, by which its owner sees that nothing is wrong with it. Many go at
once, but the last one only when all others have: by its end, at the latest, the pod that waits is roused. Who is gone
by then is done; whether the pod of that name is still the one that was decided on, the API server says, which is asked
to delete a uid. Whoever does not lead deletes nothing (scheduler.kube.fencing). The watches show how the pods end.

Source: preemption/executor.go (PreemptPod, prepareCandidateAsync).
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from scheduler import errors
from scheduler.api import core
from scheduler.kernel import commands, events
from scheduler.kube import client
from scheduler.live import driver, metrics, reports

log = structlog.get_logger(__name__)

AT_ONCE: Final = 16  # kube-scheduler's default parallelism
PAUSES_S: Final = (0.01, 0.05, 0.25)  # retry.DefaultBackoff in client-go
REASON: Final = "PreemptionByScheduler"


class Evictor:
    """Performs Evict.

    Args:
        now: The time of day, for conditions.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        scheduling: driver.Driver,
        reporter: reports.Reporter,
        counters: metrics.Metrics,
        now: Callable[[], datetime.datetime],
    ) -> None:
        self._api = api
        self._driver = scheduling
        self._reporter = reporter
        self._metrics = counters
        self._now = now
        self._room = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        scheduling.on(commands.Evict, self._spawn)

    def stop(self) -> None:
        """Give up what is under way: whoever leads next finds the room made, or makes it."""
        for task in self._tasks:
            task.cancel()

    def _spawn(self, command: commands.Evict) -> None:
        task = asyncio.create_task(self._evict(command), name=f"evict for {command.pod.metadata.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _evict(self, command: commands.Evict) -> None:
        problems: list[str] = []
        *others, last = command.victims
        await asyncio.gather(*(self._one(command, victim, problems) for victim in others))
        await self._one(command, last, problems)
        with self._metrics.failures.contained("evictor", pod=command.pod.key):
            problem = problems[0] if problems else ""
            uid = command.pod.metadata.uid
            self._driver.handle(events.EvictAnswered(self._driver.clock(), uid, command.number, problem))

    async def _one(self, command: commands.Evict, victim: core.Pod, problems: list[str]) -> None:
        """Evict one, unless another one could not be; what went wrong is added to the problems."""
        async with self._room:
            if problems:
                return
            try:
                with self._api.urgently():
                    is_deleted = await self._mark(command, victim) and await self._delete(victim)
            except errors.ApiError as error:
                problems.append(str(error))
                outcome = "failed"
            except Exception as bug:  # noqa: BLE001 (costs this item alone)
                self._metrics.failures.caught("evictor", bug, pod=victim.key)
                problems.append(f"internal error: {type(bug).__name__}")
                outcome = "failed"
            else:
                outcome = "deleted" if is_deleted else "gone"
        self._metrics.evicted(outcome)
        if outcome == "deleted":
            self._reporter.preempted(victim, command.pod, command.node, is_deleted=True)
            log.info("pod evicted", pod=victim.key, node=command.node, preemptor=command.pod.key)
        elif outcome == "failed":
            log.warning("pod not evicted", pod=victim.key, preemptor=command.pod.key, problem=problems[-1])

    async def _mark(self, command: commands.Evict, victim: core.Pod) -> bool:
        """Say why a pod is disrupted; returns whether it is still there."""
        condition = core.PodCondition(
            type="DisruptionTarget",
            status="True",
            reason=REASON,
            message=f"{command.pod.spec.scheduler_name}: preempting to accommodate a higher priority pod",
        )
        if condition in victim.status.conditions:
            return True
        path, uid = _path(victim), victim.metadata.uid
        written = {"conditions": [reports.condition_on(victim, condition, self._now())]}
        body = msgspec.json.encode({"metadata": {"uid": uid}, "status": written})
        for pause_s in (*PAUSES_S, None):
            try:
                await self._api.patch(f"{path}/status", body, client.STRATEGIC_PATCH)
                return True
            except errors.NotFoundError:
                return False
            except errors.ConflictError:
                if pause_s is None:
                    raise
                if await self._is_other(path, uid):
                    return False
                await asyncio.sleep(pause_s)
            except errors.ApiError as error:
                if pause_s is None or not _is_passing(error):
                    raise
                await asyncio.sleep(max(pause_s, error.retry_after_s))
        raise AssertionError("unreachable")  # the last round returns or raises

    async def _delete(self, victim: core.Pod) -> bool:
        """Delete a pod; returns whether it was still there."""
        meta = victim.metadata
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": meta.uid}}
        for pause_s in (*PAUSES_S, None):
            try:
                await self._api.delete(_path(victim), msgspec.json.encode(options))
                return True
            except (errors.NotFoundError, errors.ConflictError):
                return False
            except errors.ApiError as error:
                if pause_s is None or not _is_passing(error):
                    raise
                await asyncio.sleep(max(pause_s, error.retry_after_s))
        raise AssertionError("unreachable")  # the last round returns or raises

    async def _is_other(self, path: str, uid: str) -> bool:
        """Whether the pod of this uid is gone."""
        try:
            return core.decode(await self._api.get(path), core.Pod, path).metadata.uid != uid
        except errors.NotFoundError:
            return True
        except errors.InputError:
            return False


def _path(pod: core.Pod) -> str:
    return f"/api/v1/namespaces/{pod.metadata.namespace}/pods/{pod.metadata.name}"


def _is_passing(error: errors.ApiError) -> bool:
    """Whether a repetition may help."""
    is_known = isinstance(error, errors.UnreachableError | errors.ThrottledError)
    return is_known or error.status in {500, 503}
