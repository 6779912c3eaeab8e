"""What users see of a pod's scheduling in kube-scheduler's words: Events, condition PodScheduled, nominated node.

Reporting never holds up a decision. Events go to the sink, which trails behind; so do conditions, which likewise give
way to Bindings (scheduler.kube.lanes). They go to a bounded list, one place per pod, where a newer one replaces an
older one that was not written yet. A condition is written only if it says something else than the last one written,
which the watch may not have shown yet, or else than the pod's present one. For which node a pod waits goes with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
import structlog

from scheduler import errors
from scheduler.api import core
from scheduler.kernel import journal
from scheduler.kube import client, events, lanes, mishaps

log = structlog.get_logger(__name__)

UNSCHEDULABLE: Final = "Unschedulable"  # autoscalers act on this one, so it says only that no node fits
SCHEDULER_ERROR: Final = "SchedulerError"
IN_MEMORY: Final = " (in kube-scheduler memory)."  # upstream's words, whoever says them

CONDITION_CAPACITY: Final = 10_000
CONDITION_LANES: Final = 8
CONDITION_ATTEMPTS: Final = 5


class _Status(NamedTuple):
    """What is to be written of a pod; None: leave that as it is.

    Attributes:
        node: For which node it waits, "" for none.
    """

    pod: core.Pod
    condition: core.PodCondition | None
    node: str | None


class Reporter:
    """Says what became of pods.

    Args:
        now: The time of day, for conditions.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        sink: events.EventSink,
        now: Callable[[], datetime.datetime],
        failures: mishaps.Mishaps | None = None,
    ) -> None:
        self.dropped = 0  # conditions that could not be written
        self._api = api
        self._sink = sink
        self._now = now
        self._failures = failures or mishaps.Mishaps()
        self._statuses: dict[str, _Status] = {}
        self._written: dict[str, core.PodCondition] = {}  # by pod uid, the latest last
        self._lanes = lanes.Lanes(most=CONDITION_LANES)
        self._turns: asyncio.Queue[str] = asyncio.Queue()

    def scheduled(self, pod: core.Pod, node: str, jointly: journal.Jointly | None = None) -> None:
        """A pod is bound; ``jointly``: it was planned for together with others."""
        note = f"Successfully assigned {pod.key} to {node}"
        if jointly is not None:
            note += f", placed jointly with {jointly.others} others{_bargain(jointly)}"
        self._emit(pod, type="Normal", reason="Scheduled", action="Binding", note=note)

    def unschedulable(self, pod: core.Pod, message: str, node: str | None = None) -> None:
        """No node fits; ``node``: for which one it waits, if that is news."""
        self._failed(pod, UNSCHEDULABLE, message, node)

    def error(self, pod: core.Pod, message: str, node: str | None = None) -> None:
        """Not placed for another reason than that no node fits: more nodes would not help."""
        self._failed(pod, SCHEDULER_ERROR, message, node)

    def nominate(self, pod: core.Pod, node: str) -> None:
        """For which node a pod waits, or with "" that it waits for none."""
        self._put(pod, None, node)

    def preempted(self, victim: core.Pod, by: core.Pod, node: str, *, is_deleted: bool) -> None:
        """A pod made room for another one; ``is_deleted``: not one that was not there yet."""
        note = f"Preempted by pod {by.metadata.uid} on node {node}" + ("" if is_deleted else IN_MEMORY)
        self._sink.emit(
            events.pod_reference(victim),
            type="Normal",
            reason="Preempted",
            action="Preempting",
            note=note,
            related=events.pod_reference(by),
            controller=by.spec.scheduler_name,
        )

    def delayed(self, pod: core.Pod, message: str) -> None:
        """A pod waits for a better node than it could have."""
        self._emit(pod, type="Normal", reason="WaitingForNode", action="Scheduling", note=message)

    def bad_annotations(self, pod: core.Pod, problems: Sequence[errors.InputError]) -> None:
        """Annotations that were ignored: one Event that names them all."""
        note = "ignored: " + "; ".join(str(problem) for problem in problems)
        self._emit(pod, type="Warning", reason="BadAnnotation", action="Scheduling", note=note)

    def keys_not_looked_up(self, namespace: str, pod: str, uid: str, note: str) -> None:
        """What a pod reads gets no DataObject: one Event for all of its namespace's."""
        ref = events.Reference(kind="Pod", name=pod, namespace=namespace, uid=uid)
        self._sink.emit(ref, type="Warning", reason="KeysNotLookedUp", action="Scheduling", note=note)

    async def run(self) -> None:
        """Write conditions until cancelled."""
        async with asyncio.TaskGroup() as writers:
            while True:
                uid = await self._turns.get()
                await self._lanes.enter(self._room)
                writers.create_task(self._write_next(uid))

    async def drain(self, deadline_s: float) -> None:
        """Let what is waiting be written, while ``run`` still runs."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                await self._turns.join()

    def _emit(self, pod: core.Pod, *, type: str, reason: str, action: str, note: str) -> None:  # noqa: A002 (the API's)
        """Say something about a pod, as the scheduler that it names."""
        ref, name = events.pod_reference(pod), pod.spec.scheduler_name
        self._sink.emit(ref, type=type, reason=reason, action=action, note=note, controller=name)

    def _failed(self, pod: core.Pod, reason: str, message: str, node: str | None) -> None:
        self._emit(pod, type="Warning", reason="FailedScheduling", action="Scheduling", note=message)
        condition = core.PodCondition(type="PodScheduled", status="False", reason=reason, message=message)
        self._put(pod, condition, node)

    def _put(self, pod: core.Pod, condition: core.PodCondition | None, node: str | None) -> None:
        uid = pod.metadata.uid
        waits = self._statuses.get(uid)
        if waits is not None:
            condition, node = condition or waits.condition, waits.node if node is None else node
        else:
            written = self._written.get(uid)
            if condition == written or (written is None and condition in pod.status.conditions):
                condition = None
            if condition is None and node is None:
                return
            if len(self._statuses) >= CONDITION_CAPACITY:
                self.dropped += 1
                return
            self._turns.put_nowait(uid)
        self._statuses[uid] = _Status(pod, condition, node)

    def _room(self) -> int:
        return lanes.beside(
            is_urgent=self._api.is_urgent(),
            waiting=self._turns.qsize(),
            most=CONDITION_LANES,
            crowd=CONDITION_CAPACITY,
        )

    async def _write_next(self, uid: str) -> None:
        status = self._statuses.pop(uid)
        if status.condition is not None:
            self._remember(uid, status.condition)
        is_written = False
        try:
            is_written = await self._write(status)
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            self._failures.caught("conditions", bug, pod=status.pod.key)
            self.dropped += 1
        finally:
            if not is_written:
                self._written.pop(uid, None)
            self._lanes.leave()
            self._turns.task_done()

    async def _write(self, status: _Status) -> bool:
        """Whether it stands there now."""
        pod, meta = status.pod, status.pod.metadata
        path = f"/api/v1/namespaces/{meta.namespace}/pods/{meta.name}"
        for attempt in range(CONDITION_ATTEMPTS):
            try:
                body = msgspec.json.encode(self._body(pod, status))
                await self._api.patch(f"{path}/status", body, client.STRATEGIC_PATCH)
                return True
            except errors.ConflictError:
                again = await self._reread(path, pod)
                if again is None:
                    return False
                pod = again
            except errors.NotFoundError:
                return False
            except (errors.UnreachableError, errors.ThrottledError) as error:
                await asyncio.sleep(max(error.retry_after_s, 0.2 * 2**attempt))
            except errors.ApiError as error:
                log.warning("condition not written", pod=pod.key, error=str(error))
                break
        self.dropped += 1
        return False

    def _remember(self, uid: str, condition: core.PodCondition) -> None:
        self._written.pop(uid, None)
        self._written[uid] = condition
        if len(self._written) > CONDITION_CAPACITY:
            del self._written[next(iter(self._written))]

    async def _reread(self, path: str, pod: core.Pod) -> core.Pod | None:
        """The pod as it is now, or None if nobody needs its condition any more."""
        try:
            now = core.decode(await self._api.get(path), core.Pod, path)
        except errors.NotFoundError:
            return None
        except (errors.ApiError, errors.InputError):
            return pod
        return now if now.metadata.uid == pod.metadata.uid and not now.spec.node_name else None

    def _body(self, pod: core.Pod, status: _Status) -> dict[str, object]:
        written: dict[str, object] = {}
        if status.condition is not None:
            written["conditions"] = [condition_on(pod, status.condition, self._now())]
        if status.node is not None:
            written["nominatedNodeName"] = status.node or None
        # The version makes the server refuse what would undo a binding made meanwhile, or hit another pod of the name.
        meta = {"uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version}
        return {"metadata": meta, "status": written}


def _bargain(jointly: journal.Jointly) -> str:
    """What came of it that a pod was planned for together with others."""
    saved = f", which saves {jointly.saved_s:.3g} s of transfers in all" if jointly.saved_s > 0 else ""
    if jointly.alone in {"", jointly.node}:
        return saved
    how = f"{abs(jointly.forgone_s):.3g} s {'better' if jointly.forgone_s >= 0 else 'worse'} for it"
    return f"{saved}; by itself it would have gone to {jointly.alone}, {how}"


def condition_on(pod: core.Pod, condition: core.PodCondition, now: datetime.datetime) -> dict[str, object]:
    """A condition of a pod as it is to be written: since when it is so is kept where it is so already."""
    written: dict[str, object] = {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
    }
    if not any(old.type == condition.type and old.status == condition.status for old in pod.status.conditions):
        written["lastTransitionTime"] = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    if pod.metadata.generation:
        written["observedGeneration"] = pod.metadata.generation
    return written
