"""Has Kopf watch our pending pods and both custom resources in calm times, and rest in a surge.

Nothing of Kopf is imported before the first calm: neither the first decisions nor a surge need it, and its import takes
half a second of CPU, most of it for what Kopf looks into in case it is there.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from scheduler.kube import client
from scheduler.live import feed, podfeed, twodoors

if TYPE_CHECKING:
    from scheduler.live import handlers

log = structlog.get_logger(__name__)

REMIND_EVERY_S: Final = 0.5
# How long the loop's thread waits for its turn beside one that imports. Python's 5 ms would be 20 ms for each pod.
SHARED_EVERY_S: Final = 0.0005


class KopfWatch:
    """Starts and ends Kopf.

    Args:
        started: Called right after Kopf was started, which has just taken the process's signals.
    """

    def __init__(
        self,
        *,
        api: client.Api,
        scheduler_names: Sequence[str],
        pods: podfeed.PendingPods,
        resources: feed.CustomResources,
        switch: twodoors.Switch,
        started: Callable[[], None],
    ) -> None:
        self._api = api
        self._scheduler_names = scheduler_names
        self._pods = pods
        self._resources = resources
        self._switch = switch
        self._started = started

    async def run(self) -> None:
        """Go on until cancelled. When Kopf fails, the informers go on alone, and Kopf comes back when it is calm."""
        while True:
            await self._until_calm()
            found = await _imported()
            operator: handlers.Operator = await found.Operator.start(
                self._api, self._scheduler_names, self._pods, self._resources
            )
            self._started()
            watching = asyncio.create_task(operator.run(), name="kopf operator")
            try:
                await self._calm(operator, watching)
            finally:
                self._switch.take_over()
                watching.cancel()
                await asyncio.wait([watching])
            if not watching.cancelled():
                log.warning("kopf's watches ended, the informers go on alone", error=str(watching.exception()))
                self._switch.surge.suppose()

    async def _until_calm(self) -> None:
        while (left_s := self._switch.surge.left_s()) > 0:  # noqa: ASYNC110 (it may have grown meanwhile)
            await asyncio.sleep(left_s)

    async def _calm(self, operator: handlers.Operator, watching: asyncio.Task[None]) -> None:
        """Let Kopf speak, from when it watches to when the informers take over or Kopf ends."""
        ready = asyncio.create_task(operator.watches.wait())
        try:
            while not ready.done() and not watching.done() and self._switch.surge.left_s() <= 0:
                await asyncio.wait([watching, ready], timeout=REMIND_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if watching.done() or self._switch.surge.left_s() > 0:
            return
        self._switch.hand_over()
        while self._switch.source == twodoors.KOPF and not watching.done():
            surge = asyncio.create_task(self._switch.taken_over.wait())
            await asyncio.wait([watching, surge], timeout=REMIND_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
            surge.cancel()
            self._switch.remind()


async def _imported() -> types.ModuleType:
    """The handlers, imported beside the loop."""
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(SHARED_EVERY_S)
    try:
        return await asyncio.to_thread(importlib.import_module, "scheduler.live.handlers")
    finally:
        sys.setswitchinterval(usual_s)
