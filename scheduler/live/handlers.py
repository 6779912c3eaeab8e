"""The Kopf operators: our pending pods, and the two custom resources, handed on as they come.

Only `on.event` handlers, which read and return nothing: any other kind makes Kopf write to the object that it
watches, and so does a handler that returns something. The server selects the pods: the cluster's others cost nothing.

Pods have an operator of their own, as in a surge they come through another door (scheduler.live.podfeed) and Kopf's
watch of them rests: Kopf's supported way to let a watch rest is to end the operator and to start it anew.

Kopf's own way to run, `kopf.operator`, takes the process's signals and in the end cancels every task that it did not
find at its start, which would include bindings under way. So its tasks are spawned here and looked after by `Operator`.
"""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import Callable, Collection
from typing import Any, Final

import kopf
import structlog

from scheduler import errors
from scheduler.api import names
from scheduler.kube import client, kopfsettings
from scheduler.live import feed, podfeed

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 5.0
STOP_ROUNDS = 10
STARTS_WITHIN_S = 1.0  # from Kopf's start to its watch; where it takes longer, the informer reminds
REMIND_EVERY_S = 0.5

# Kopf names the task of a watch so; a watch that ends quietly is noticed by its absence only.
_WATCH_TASK = "watcher for {}."
_PODS: Final = "pods"

_KOPF = pathlib.PurePath(kopf.__file__).parent


class Desk(kopf.Memo):
    """What the handlers hand on to; Kopf passes it as `memo`."""

    pods: podfeed.PendingPods
    resources: feed.CustomResources


async def pod_event(event: kopf.RawEvent, memo: Desk, **_: Any) -> None:
    memo.pods.event(event["type"], event["object"])


async def data_object_event(event: kopf.RawEvent, memo: Desk, **_: Any) -> None:
    memo.resources.data_object_event(event["type"], event["object"])


async def capability_event(event: kopf.RawEvent, memo: Desk, **_: Any) -> None:
    memo.resources.capability_event(event["type"], event["object"])


class Operator:
    """Kopf's tasks, from start to end.

    Args:
        kinds: The plural names of what it watches.
    """

    def __init__(self, tasks: Collection[asyncio.Task[Any]], kinds: Collection[str]) -> None:
        self._tasks = tasks
        self._watches = tuple(_WATCH_TASK.format(kind) for kind in kinds)
        self._all_ran = False

    @classmethod
    async def for_pods(cls, api: client.Api, scheduler_name: str, pods: podfeed.PendingPods) -> Operator:
        """Watch the pods that wait for a scheduler. Takes the process's signals, as `_start` does."""
        registry = kopf.OperatorRegistry()
        kopf.on.event("", "v1", _PODS, registry=registry)(pod_event)
        settings = kopf.OperatorSettings()
        settings.watching.field_selectors[_PODS] = podfeed.selector(scheduler_name)
        return await cls._start(api, registry, settings, Desk(pods=pods), (_PODS,))

    @classmethod
    async def for_resources(cls, api: client.Api, resources: feed.CustomResources) -> Operator:
        """Watch both custom resources. Takes the process's signals, as `_start` does."""
        registry = kopf.OperatorRegistry()
        kopf.on.event(names.GROUP, names.VERSION, names.DATA_OBJECTS, registry=registry)(data_object_event)
        kopf.on.event(names.GROUP, names.VERSION, names.NODE_CAPABILITIES, registry=registry)(capability_event)
        kinds = (names.DATA_OBJECTS, names.NODE_CAPABILITIES)
        return await cls._start(api, registry, kopf.OperatorSettings(), Desk(resources=resources), kinds)

    @classmethod
    async def _start(
        cls,
        api: client.Api,
        registry: kopf.OperatorRegistry,
        settings: kopf.OperatorSettings,
        desk: Desk,
        kinds: Collection[str],
    ) -> Operator:
        """Spawn the tasks. Kopf installs its signal handlers here: install others afterwards."""
        kopf.on.login(registry=registry)(kopfsettings.login(api))
        kopfsettings.harden(settings, reads_only=True)
        tasks = await kopf.spawn_tasks(
            registry=registry, settings=settings, memo=desk, clusterwide=True, standalone=True
        )
        return cls(tasks, kinds)

    async def run(self) -> None:
        """Wait until a task ends, which none ever should; when cancelled, end them all.

        Raises:
            ApiError: a task ended; names it and why.
        """
        try:
            ended, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            task = ended.pop()
            why = "cancelled" if task.cancelled() else repr(task.exception())
            raise errors.ApiError(0, "KopfEnded", f"{task.get_name()}: {why}")
        finally:
            await self._end()

    async def _end(self) -> None:
        """Cancel all of Kopf's tasks, and those that it left behind.

        When one watch fails, Kopf abandons the others, and they outlive a cancellation that meets them in a request:
        they take it for a failed request and repeat that for ever.
        """
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=STOP_WITHIN_S)
        for _ in range(STOP_ROUNDS):
            left = self._watching()
            if not left:
                return
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=STOP_WITHIN_S / STOP_ROUNDS)

    def not_ready(self) -> str:
        """Which watches do not run, or an empty text."""
        running, wanted = len(self._watching()), len(self._watches)
        self._all_ran = self._all_ran or running >= wanted
        return f"{wanted - running} of {wanted} watches do not run" if running < wanted else ""

    def not_live(self) -> str:
        """Which watches have ended, or an empty text; that they have not begun yet is the API server's business."""
        problem = self.not_ready()
        return problem if self._all_ran else ""

    def _watching(self) -> list[asyncio.Task[Any]]:
        return [task for task in asyncio.all_tasks() if task.get_name().startswith(self._watches) and _is_of_kopf(task)]


class PodWatch:
    """Has Kopf watch our pending pods in calm times, and rest in a surge.

    Args:
        started: Called right after Kopf was started, which has just taken the process's signals.
    """

    def __init__(
        self, api: client.Api, scheduler_name: str, pods: podfeed.PendingPods, started: Callable[[], None]
    ) -> None:
        self._api = api
        self._scheduler_name = scheduler_name
        self._pods = pods
        self._started = started

    async def run(self) -> None:
        """Go on until cancelled. When Kopf fails, the informer goes on alone, and Kopf comes back when it is calm."""
        while True:
            while (left_s := self._pods.surge.left_s()) > 0:  # noqa: ASYNC110 (it may have grown meanwhile)
                await asyncio.sleep(left_s)
            operator = await Operator.for_pods(self._api, self._scheduler_name, self._pods)
            self._started()
            watching = asyncio.create_task(operator.run(), name="kopf's watch of pods")
            try:
                await self._calm(watching)
            finally:
                self._pods.take_over()
                watching.cancel()
                await asyncio.wait([watching])
            if not watching.cancelled():
                log.warning("kopf's watch of pods ended, the informer goes on alone", error=str(watching.exception()))
                self._pods.surge.suppose()

    async def _calm(self, watching: asyncio.Task[None]) -> None:
        """Let Kopf speak, from when it is likely to watch to when the informer takes over or Kopf ends."""
        await asyncio.wait([watching], timeout=STARTS_WITHIN_S)
        if self._pods.surge.left_s() > 0:
            return
        self._pods.hand_over()
        while self._pods.source == podfeed.KOPF and not watching.done():
            surge = asyncio.create_task(self._pods.taken_over.wait())
            await asyncio.wait([watching, surge], timeout=REMIND_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            surge.cancel()
            self._pods.remind()


def _is_of_kopf(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and pathlib.PurePath(code.co_filename).is_relative_to(_KOPF)
