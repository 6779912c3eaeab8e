"""Our pods without a node, and the two doors through which they come.

The informer of all pods sees them anyway. Kopf watches them too, and in calm times it is the door: it tells the queue,
and the informer only sees to it that none is forgotten. A pod costs Kopf eight times what it costs the informer, so in
a surge, and whenever Kopf does not watch, the informer tells the queue at once. Either way the queue hears the same:
a pod as it is, or that a pod is gone.

Both doors may tell of one pod, in any order. A version that is older than one that was told is left out, and so is a
pod that is gone, as none that was bound, deleted or finished ever waits again. Hence the doors may change at any
moment: whatever the informer knows and the queue has not heard is told when it takes over, or when Kopf is late.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from scheduler import errors
from scheduler.api import core
from scheduler.kube import client, informer, reading
from scheduler.live import driver, feed, metrics

log = structlog.get_logger(__name__)

KOPF: Final = "kopf"
INFORMER: Final = "informer"

# Finished pods hold nothing and wait for nothing: they leave the selector, which the server reports as a deletion. As
# kube-scheduler selects them (pkg/scheduler/scheduler.go, NewInformerFactory).
UNFINISHED: Final = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}

REMEMBERED: Final = 10_000  # pods that are gone, of which Kopf may still have an event to tell: seconds of a surge


@dataclasses.dataclass(frozen=True)
class Law:
    """When which door speaks.

    Attributes:
        surge_pods_per_s: More new pods than that within a second are a surge. Kopf takes about 1.5 ms of CPU more for
            one than the informer does (docs/decisions/0006-pods-by-two-doors.md): up to here less than a tenth of the
            one core that decides.
        quiet_s: So long after the last such second it is calm again. To begin watching costs Kopf about as much as 200
            pods: what it could save by being away for shorter would be spent on coming back.
        late_s: What the informer saw and Kopf has not told of for so long, the informer tells.
    """

    surge_pods_per_s: int = 60
    quiet_s: float = 10.0
    late_s: float = 1.0


LAW: Final = Law()


def selector(scheduler_name: str) -> str:
    """The field selector of the pods that wait for a scheduler."""
    return f"spec.schedulerName={scheduler_name},spec.nodeName="


class Surge:
    """Notices that many pods come at once, and that they no longer do.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, law: Law, clock: Callable[[], float]) -> None:
        self._law = law
        self._clock = clock
        self._second_ends = 0.0
        self._count = 0
        self._calm_from = clock() + law.quiet_s

    def came(self) -> None:
        """One more pod is new."""
        now = self._clock()
        if now >= self._second_ends:
            self._second_ends, self._count = now + 1.0, 0
        self._count += 1
        if self._count > self._law.surge_pods_per_s:
            self._calm_from = now + self._law.quiet_s

    def left_s(self) -> float:
        """In how many seconds it will be calm at the earliest; 0 or less where it is."""
        return self._calm_from - self._clock()

    def suppose(self) -> None:
        """Count this moment as one of a surge, such as one at which Kopf failed."""
        self._calm_from = self._clock() + self._law.quiet_s


class PendingPods:
    """Our pods without a node, as both doors tell of them.

    Attributes:
        taken_over: Set while the informer speaks.
        surge: Whether many come.
    """

    def __init__(
        self,
        api: client.Api,
        scheduler_name: str,
        waiting: driver.Driver,
        counters: metrics.Metrics,
        *,
        clock: Callable[[], float],
        law: Law | None = None,
    ) -> None:
        self.on_seen: list[Callable[[core.Pod], None]] = []
        self.taken_over = asyncio.Event()
        self.taken_over.set()
        self._law = law or LAW
        self.surge = Surge(self._law, clock)
        self._api = api
        self._params = {"fieldSelector": selector(scheduler_name)}
        self._scheduler_name = scheduler_name
        self._queue = waiting
        self._metrics = counters
        self._clock = clock
        self._known: dict[str, core.Pod] = {}  # by uid, the newest version that either door brought
        self._untold: dict[str, float] = {}  # of those the uids that the queue has not heard of, since when
        self._gone: collections.OrderedDict[str, None] = collections.OrderedDict()  # uids, the latest last

    @property
    def source(self) -> str:
        """Which door speaks, KOPF or INFORMER."""
        return INFORMER if self.taken_over.is_set() else KOPF

    # ------------------------------------------------------------------------------------------------ what Kopf says

    def event(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """Take in one watch event: DELETED, or anything else for a pod that is there."""
        with self._metrics.failures.contained("watch", pod=feed.name_of(body)):
            if kind == "DELETED":  # bound, deleted, or finished: it has left the selector, perhaps not the cluster
                self.gone(body["metadata"]["uid"])
            elif self.source == KOPF:
                self._event(body)

    def _event(self, body: Mapping[str, Any]) -> None:
        try:
            pod = core.convert(body, core.Pod, "pod")
        except errors.InputError as error:
            self._metrics.bad_input("Pod")
            log.warning("pending pod ignored, as it cannot be read", pod=feed.name_of(body), error=str(error))
            return
        if self._is_news(pod, told=KOPF):
            self._tell(pod)

    # ---------------------------------------------------------------------------------------- what the informer says

    def seen(self, pod: core.Pod) -> None:
        """A pod without a node is there, as given; anybody's."""
        with self._metrics.failures.contained("watch", pod=pod.key):
            if pod.metadata.uid not in self._known and pod.spec.scheduler_name == self._scheduler_name:
                self.surge.came()
            if not self._is_news(pod, told=INFORMER):
                return
            if self.source == INFORMER:
                self._tell(pod)
                return
            self._untold.setdefault(pod.metadata.uid, self._clock())
            if self.surge.left_s() > 0:
                self.take_over()

    def gone(self, uid: str) -> None:
        """A pod is no longer pending: bound, deleted or finished."""
        self._known.pop(uid, None)
        self._untold.pop(uid, None)
        self._gone[uid] = None
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)
        self._queue.remove(uid)

    # --------------------------------------------------------------------------------------------- who of them speaks

    def take_over(self) -> None:
        """From now on the informer tells, beginning with what Kopf has not told yet."""
        self.taken_over.set()
        self._tell_since(self._clock())

    def hand_over(self) -> None:
        """From now on Kopf tells."""
        self.taken_over.clear()

    def remind(self) -> None:
        """Tell what Kopf is late with."""
        self._tell_since(self._clock() - self._law.late_s)

    async def refresh(self, clock: Callable[[], float]) -> None:
        """List the pending pods once: drop what is absent, add what was missed.

        Raises:
            ApiError: the list could not be had.
        """
        asked = clock()
        pods = await reading.list_all(self._api, feed.PODS, core.Pod, self._params)
        if dropped := self._queue.reconcile(pods, asked=asked):
            log.info("pods dropped that are no longer pending", pods=dropped)
        for pod in pods:
            self._call_listeners(pod)

    def _is_news(self, pod: core.Pod, *, told: str) -> bool:
        """Whether a pod is one of ours and newer than what was told of it; then it is known from now on."""
        uid = pod.metadata.uid
        if pod.spec.scheduler_name != self._scheduler_name or uid in self._gone:
            return False
        known = self._known.get(uid)
        if known is not None and _version(pod):
            ahead = _version(known) - _version(pod)
            if ahead > 0 or (ahead == 0 and (told == INFORMER or uid not in self._untold)):
                return False
        self._known[uid] = pod
        return True

    def _tell_since(self, moment: float) -> None:
        for uid in [uid for uid, since in self._untold.items() if since <= moment]:
            pod = self._known[uid]
            with self._metrics.failures.contained("watch", pod=pod.key):
                self._tell(pod)

    def _tell(self, pod: core.Pod) -> None:
        self._untold.pop(pod.metadata.uid, None)
        self._queue.observe(pod)
        self._call_listeners(pod)

    def _call_listeners(self, pod: core.Pod) -> None:
        if self._queue.get(pod.metadata.uid) is not None:  # not bound, deleted or finished, and not too many
            feed.tell_all(self.on_seen, self._metrics, pod.key, pod)


class Pods:
    """An informer's handler of all pods that are not finished: those with a node, and those that wait for one."""

    def __init__(self, assigned: feed.AssignedPods, pending: PendingPods) -> None:
        self._assigned = assigned
        self._pending = pending

    def apply(self, pod: core.Pod) -> None:
        if not pod.spec.node_name:
            self._pending.seen(pod)
            return
        if not self._assigned.has(pod.metadata.uid):
            self._pending.gone(pod.metadata.uid)
        self._assigned.apply(pod)

    def remove(self, key: informer.Key) -> None:
        self._pending.gone(key.uid)
        if self._assigned.has(key.uid):
            self._assigned.remove(key)

    def replaced(self, count: int) -> None:
        self._assigned.replaced(count)


def _version(pod: core.Pod) -> int:
    """Where in the order of a pod's versions this one is; the API server counts them upwards."""
    text = pod.metadata.resource_version
    return int(text) if text.isdecimal() else 0
