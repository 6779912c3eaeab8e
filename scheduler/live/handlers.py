"""The Kopf operator: our pending pods and the two custom resources, handed on as they come.

Only `on.event` handlers, which read and return nothing: any other kind makes Kopf write to the object that it
watches, and so does a handler that returns something. The server selects the pods: the cluster's others cost nothing.

In a surge all of it comes through other doors (scheduler.live.twodoors) and Kopf rests: its supported way to let a
watch rest is to end the operator and to start it anew. What is there when it starts the informers have told already, so
that Kopf is told only of what comes (scheduler.kube.kopfsettings).

Kopf's own way to run, `kopf.operator`, takes the process's signals and in the end cancels every task that it did not
find at its start, which would include bindings under way. So its tasks are spawned here and looked after by `Operator`.
"""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import Collection, Sequence
from typing import Any, Final

import kopf

from scheduler import errors
from scheduler.api import names
from scheduler.kube import client, kopfsettings
from scheduler.live import feed, podfeed

STOP_WITHIN_S = 5.0
STOP_ROUNDS = 10
LOOKED_AFTER_EVERY_S = 1.0

_PODS: Final = "pods"
_KINDS: Final = (_PODS, names.DATA_OBJECTS, names.NODE_CAPABILITIES)
# Kopf names the task of a watch so; a watch that ends quietly is noticed by its absence only.
_WATCHES: Final = tuple(f"watcher for {kind}." for kind in _KINDS)

_KOPF = pathlib.PurePath(kopf.__file__).parent


class Desk(kopf.Memo):
    """What the handlers hand on to; Kopf passes it as `memo`."""

    pods: podfeed.PendingPods
    resources: feed.CustomResources


async def pod_event(event: kopf.RawEvent, memo: Desk, **_: Any) -> None:
    memo.pods.event(event["type"], event["object"])


async def data_object_event(event: kopf.RawEvent, memo: Desk, **_: Any) -> None:
    memo.resources.objects.event(event["type"], event["object"])


async def capability_event(event: kopf.RawEvent, memo: Desk, **_: Any) -> None:
    memo.resources.nodes.event(event["type"], event["object"])


class Operator:
    """Kopf's tasks, from start to end."""

    def __init__(self, tasks: Collection[asyncio.Task[Any]], session: kopfsettings.FromNowOn) -> None:
        self._tasks = tasks
        self._session = session

    @property
    def watches(self) -> asyncio.Event:
        """Set once all of its watches have begun."""
        return self._session.watching

    @classmethod
    async def start(
        cls,
        api: client.Api,
        scheduler_names: Sequence[str],
        pods: podfeed.PendingPods,
        resources: feed.CustomResources,
    ) -> Operator:
        """Spawn the tasks. Kopf installs its signal handlers here: install others afterwards."""
        registry = kopf.OperatorRegistry()
        kopf.on.event("", "v1", _PODS, registry=registry)(pod_event)
        kopf.on.event(names.GROUP, names.VERSION, names.DATA_OBJECTS, registry=registry)(data_object_event)
        kopf.on.event(names.GROUP, names.VERSION, names.NODE_CAPABILITIES, registry=registry)(capability_event)
        session = kopfsettings.FromNowOn(api, (feed.PODS, feed.DATA_OBJECTS, feed.NODE_CAPABILITIES))
        kopf.on.login(registry=registry)(session.login)
        settings = kopf.OperatorSettings()
        settings.watching.field_selectors[_PODS] = podfeed.selector(scheduler_names)
        kopfsettings.harden(settings, reads_only=True)
        desk = Desk(pods=pods, resources=resources)
        tasks = await kopf.spawn_tasks(
            registry=registry, settings=settings, memo=desk, clusterwide=True, standalone=True
        )
        return cls(tasks, session)

    async def run(self) -> None:
        """Wait until a task ends, which none ever should; when cancelled, end them all.

        Raises:
            ApiError: a task ended; names it and why.
        """
        try:
            ended: set[asyncio.Task[Any]] = set()
            while not ended:
                ended, _ = await asyncio.wait(
                    self._tasks, timeout=LOOKED_AFTER_EVERY_S, return_when=asyncio.FIRST_COMPLETED
                )
                if self.watches.is_set() and len(self._watching()) < len(_KINDS):
                    raise errors.ApiError(0, "KopfEnded", "a watch ended and left the others")
            task = ended.pop()
            why = "cancelled" if task.cancelled() else repr(task.exception())
            raise errors.ApiError(0, "KopfEnded", f"{task.get_name()}: {why}")
        finally:
            await self._end()
            await self._session.close()

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

    def _watching(self) -> list[asyncio.Task[Any]]:
        return [task for task in asyncio.all_tasks() if task.get_name().startswith(_WATCHES) and _is_of_kopf(task)]


def _is_of_kopf(task: asyncio.Task[Any]) -> bool:
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and pathlib.PurePath(code.co_filename).is_relative_to(_KOPF)
