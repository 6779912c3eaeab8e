"""Has this node's stores asked, each by an asker of its own, for as long as they are this node's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from daemon import metrics, supervision
from daemon.cluster import knowledge
from daemon.status import dataobject
from daemon.stores import asker, contents, model, named
from scheduler.api import crd
from scheduler.kube import client, mishaps

PATIENCE_S: Final = 1.0  # how long others wait for a store's first answer


class Asking:
    """The askers.

    Args:
        changed: Called with the urns of which a store tells something else, None for all that it has.
    """

    def __init__(
        self,
        api: client.Api,
        cluster: knowledge.Cluster,
        failures: mishaps.Mishaps,
        figures: metrics.Metrics,
        *,
        limits: contents.Limits,
        changed: Callable[[Collection[str] | None], None],
    ) -> None:
        self._api = api
        self._cluster = cluster
        self._failures = failures
        self._figures = figures
        self._limits = limits
        self._changed = changed
        self._askers: dict[str, asker.Asker] = {}
        self._inherited: dict[str, set[str]] = {}  # store outside the cluster -> buckets that its last asker told of
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def views(self) -> dict[str, dataobject.View]:
        """What is known of each store that has answered, or failed."""
        return {name: one.view for name, one in self._askers.items() if one.view is not None}

    def asks(self, store: str) -> bool:
        return store in self._askers

    def buckets(self) -> set[str]:
        """What the stores hold, as far as they have told, and what those outside the cluster held for others."""
        found = set[str]().union(*self._inherited.values())
        for view in self.views().values():
            found.update(dataobject.listed_buckets(view))
        return found

    def is_early(self) -> bool:
        """Whether a store that was just found will probably answer in a moment."""
        young_s = time.monotonic() - PATIENCE_S
        return any(one.view is None and one.born_s > young_s for one in self._askers.values())

    def without(self, stores: Mapping[str, model.Store]) -> list[model.Store]:
        """Those that are asked and are none of ``stores``."""
        return [one.store for name, one in self._askers.items() if name not in stores]

    def ask(self) -> None:
        """Have every store listed."""
        for one in self._askers.values():
            one.ask()

    def look_up(self, item: crd.DataObject) -> None:
        """Have the object's key or prefix looked up where it may be."""
        for one in self._askers.values():
            if one.store.counts_in(item.metadata.namespace):
                one.look_up(item.spec.urn)

    async def set(self, stores: Mapping[str, model.Store], tasks: asyncio.TaskGroup) -> None:
        """Ask exactly these from now on; one that stands elsewhere now, or is asked otherwise, is begun anew.

        Raises:
            ApiError: what others wrote of a store outside the cluster cannot be read; that one is not asked yet.
        """
        for name, one in list(self._askers.items()):
            if stores.get(name) != one.store:
                self._tasks.pop(name).cancel()
                self._inherited.pop(name, None)
                del self._askers[name]
                if name not in stores:
                    self._figures.forget(name)
        for name in sorted(stores.keys() - self._askers.keys(), key=lambda name: stores[name].place is not None):
            if stores[name].place is not None:
                self._inherited[name] = await self._cluster.buckets_outside(name)
            self._askers[name] = one = asker.Asker(
                self._api,
                stores[name],
                limits=self._limits,
                wanted=named.Named(self._cluster.objects, stores[name]),
                changed=self._changed,
                figures=self._figures,
            )
            self._tasks[name] = tasks.create_task(
                supervision.run(one.run, self._failures, "store", name), name=f"ask {name}"
            )
