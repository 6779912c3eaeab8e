"""Our pods without a node, which come through Kopf in calm times and else from the informer of all pods.

That none was bound, deleted or finished ever waits again is what lets both tell of one pod in any order
(scheduler.live.twodoors).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from scheduler.api import core
from scheduler.kube import client, informer, reading
from scheduler.live import driver, feed, metrics, twodoors

log = structlog.get_logger(__name__)

# Finished pods hold nothing and wait for nothing: they leave the selector, which the server reports as a deletion. As
# kube-scheduler selects them (pkg/scheduler/scheduler.go, NewInformerFactory).
UNFINISHED: Final = {"fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}


def selector(scheduler_names: Sequence[str]) -> str:
    """The field selector of the pods that wait for one of these schedulers.

    A selector cannot say "one of": with several names it is that of all pods that wait for any scheduler. They are few
    more, as whoever has several names usually has that of all pods that name none.
    """
    if len(scheduler_names) > 1:
        return "spec.nodeName="
    return f"spec.schedulerName={scheduler_names[0]},spec.nodeName="


class PendingPods:
    """Our pods without a node.

    Args:
        scheduler_names: What our pods name.
    """

    def __init__(
        self,
        api: client.Api,
        scheduler_names: Sequence[str],
        waiting: driver.Driver,
        counters: metrics.Metrics,
        switch: twodoors.Switch,
    ) -> None:
        self.on_seen: list[Callable[[core.Pod], None]] = []
        self._api = api
        self._params = {"fieldSelector": selector(scheduler_names)}
        self._scheduler_names = frozenset(scheduler_names)
        self._queue = waiting
        self._metrics = counters
        self._switch = switch
        self._heard = twodoors.Heard(switch, core.Pod, self._tell, counters)

    def event(self, kind: str | None, body: Mapping[str, Any]) -> None:
        """Kopf brings a watch event: DELETED, or anything else for a pod that is there."""
        with self._metrics.failures.contained("watch", pod=twodoors.name_of(body)):
            if kind == "DELETED":  # bound, deleted, or finished: it has left the selector, perhaps not the cluster
                self.gone(body["metadata"]["uid"])
            elif body["spec"]["schedulerName"] in self._scheduler_names:
                self._heard.by_kopf(body)

    def seen(self, pod: core.Pod) -> None:
        """The informer brings a pod without a node; anybody's."""
        if not self._is_ours(pod):
            return
        with self._metrics.failures.contained("watch", pod=pod.key):
            if not self._heard.knows(pod.metadata.uid):
                self._switch.surge.came()
            self._heard.by_informer(pod)

    def gone(self, uid: str) -> None:
        """A pod is no longer pending: bound, deleted or finished."""
        self._heard.gone(uid)
        self._queue.remove(uid)

    async def refresh(self, clock: Callable[[], float]) -> None:
        """List the pending pods once: drop what is absent, add what a full queue dropped.

        Raises:
            ApiError: the list could not be had.
        """
        asked = clock()
        pods = await reading.list_all(self._api, feed.PODS, core.Pod, self._params)
        pods = [pod for pod in pods if self._is_ours(pod)]
        if dropped := self._queue.reconcile(pods, asked=asked):
            log.info("pods dropped that are no longer pending", pods=dropped)
        for pod in pods:
            self._call_listeners(pod)

    def _is_ours(self, pod: core.Pod) -> bool:
        return pod.spec.scheduler_name in self._scheduler_names

    def _tell(self, pod: core.Pod) -> None:
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
