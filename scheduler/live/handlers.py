"""The Kopf operator: our pending pods and the two custom resources, handed on as they come.

Only `on.event` handlers, which read and return nothing: any other kind makes Kopf write to the object that it
watches, and so does a handler that returns something. The server selects the pods: the cluster's others cost nothing.

Kopf's own way to run, `kopf.operator`, takes the process's signals and in the end cancels every task that it did not
find at its start, which would include bindings under way. So its tasks are spawned here and looked after by `Operator`.
"""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import Collection
from typing import Any

import kopf

from scheduler import errors
from scheduler.api import names
from scheduler.kube import client, kopfsettings
from scheduler.live import feed

STOP_WITHIN_S = 5.0
STOP_ROUNDS = 10

# Kopf names the task of a watch so; a watch that ends quietly is noticed by its absence only.
_WATCH_TASK = "watcher for "
_WATCHES = 3

_KOPF = pathlib.PurePath(kopf.__file__).parent


class Desk(kopf.Memo):
    """What the handlers hand on to; Kopf passes it as `memo`."""

    pods: feed.PendingPods
    resources: feed.CustomResources


async def pod_event(event: kopf.RawEvent, memo: Desk, **_: Any) -> None:
    memo.pods.event(event["type"], event["object"])


async def data_object_event(event: kopf.RawEvent, memo: Desk, **_: Any) -> None:
    memo.resources.data_object_event(event["type"], event["object"])


async def capability_event(event: kopf.RawEvent, memo: Desk, **_: Any) -> None:
    memo.resources.capability_event(event["type"], event["object"])


class Operator:
    """Kopf's tasks, from start to end."""

    def __init__(self, tasks: Collection[asyncio.Task[Any]]) -> None:
        self._tasks = tasks
        self._all_ran = False

    @classmethod
    async def start(
        cls, api: client.Api, scheduler_name: str, pods: feed.PendingPods, resources: feed.CustomResources
    ) -> Operator:
        """Spawn the tasks. Kopf installs its signal handlers here: install others afterwards."""
        settings = kopf.OperatorSettings()
        kopfsettings.harden(settings, reads_only=True)
        settings.watching.field_selectors["pods"] = feed.pending_selector(scheduler_name)
        return cls(
            await kopf.spawn_tasks(
                registry=_registry(api),
                settings=settings,
                memo=Desk(pods=pods, resources=resources),
                clusterwide=True,
                standalone=True,
            )
        )

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
            left = [task for task in asyncio.all_tasks() if _is_of_kopf(task)]
            if not left:
                return
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=STOP_WITHIN_S / STOP_ROUNDS)

    def not_ready(self) -> str:
        """Which watches do not run, or an empty text."""
        running = sum(task.get_name().startswith(_WATCH_TASK) for task in asyncio.all_tasks())
        self._all_ran = self._all_ran or running >= _WATCHES
        return f"{_WATCHES - running} of {_WATCHES} watches do not run" if running < _WATCHES else ""

    def not_live(self) -> str:
        """Which watches have ended, or an empty text; that they have not begun yet is the API server's business."""
        problem = self.not_ready()
        return problem if self._all_ran else ""


def _is_of_kopf(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and pathlib.PurePath(code.co_filename).is_relative_to(_KOPF)


def _registry(api: client.Api) -> kopf.OperatorRegistry:
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopfsettings.login(api))
    kopf.on.event("", "v1", "pods", registry=registry)(pod_event)
    kopf.on.event(names.GROUP, names.VERSION, names.DATA_OBJECTS, registry=registry)(data_object_event)
    kopf.on.event(names.GROUP, names.VERSION, names.NODE_CAPABILITIES, registry=registry)(capability_event)
    return registry
