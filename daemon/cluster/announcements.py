"""The Services that may announce a store to this node: those of the namespaces in which it runs pods.

Which Service is a store stands in its annotations, by which the API server cannot select. So the Services of a
namespace are watched only where this node has a store, or a pod that looks like one: there, a change concerns the
node. In the others they are read in turn (daemon.cluster.turns), at once where the node's first pod of the namespace,
or another one, begins.
See docs/decisions/0004-daemons-watch-little.md.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Collection, Iterable
from typing import Final

from daemon.cluster import sources, turns
from daemon.stores import services
from scheduler.api import core, storage
from scheduler.kube import client, informer, mishaps, reading

_MOST_WATCHES: Final = 16  # the rest is read in turn


class Announcements:
    """Services by namespace.

    Args:
        order: Takes the turns of what is read.
        watch_s: How long a watch is open.
        changed: Called when a Service is new, changed or gone.
    """

    def __init__(
        self,
        api: client.Api,
        order: turns.Turns,
        failures: mishaps.Mishaps,
        *,
        watch_s: tuple[int, int],
        changed: Callable[[], None],
    ) -> None:
        self._api = api
        self._order = order
        self._failures = failures
        self._watch_s = watch_s
        self._changed = changed
        self._by_namespace: dict[str, dict[str, storage.Service]] = {}
        self._things: dict[str, turns.Thing] = {}
        self._watches: dict[str, _Watch] = {}

    def all(self) -> Iterable[storage.Service]:
        return [service for found in self._by_namespace.values() for service in found.values()]

    def source(self, namespace: str) -> sources.Source | None:
        """Where the namespace's Services come from; None for a namespace that does not matter to this node."""
        watch = self._watches.get(namespace)
        thing = self._things.get(namespace)
        # A watch that begins, or that is refused, knows less than what was read before.
        return watch.source if watch is not None and (thing is None or watch.source.is_known) else thing

    @property
    def sources(self) -> dict[str, sources.Source]:
        found = {namespace: self.source(namespace) for namespace in self._things}
        return {namespace: source for namespace, source in found.items() if source is not None}

    def hurry(self, namespace: str) -> None:
        """A pod began in ``namespace``: somebody may be setting a store up."""
        if namespace in self._things:
            self._order.hurry(self._things[namespace])

    def attend(self, pods: Iterable[core.Pod], stores_in: Collection[str], tasks: asyncio.TaskGroup) -> None:
        """Look after the namespaces of ``pods``, and watch those where this node has a store or may have one soon."""
        namespaces: set[str] = set()
        close = set(stores_in)
        for pod in pods:
            namespaces.add(pod.metadata.namespace)
            if pod.metadata.labels.get(services.APP_LABEL) in services.STORE_APPS:
                close.add(pod.metadata.namespace)
        for namespace in self._things.keys() - namespaces:
            self._unwatch(namespace)
            self._order.drop(self._things.pop(namespace).key)
            self._by_namespace.pop(namespace, None)
        for namespace in sorted(namespaces - self._things.keys()):
            self._things[namespace] = thing = turns.Thing(
                f"Services of {namespace}", functools.partial(self._read, namespace)
            )
            self._order.add(thing)
        watched = sorted(close & namespaces, key=lambda namespace: (namespace not in self._watches, namespace))
        for namespace in self._watches.keys() - set(watched[:_MOST_WATCHES]):
            self._unwatch(namespace)
        for namespace in watched[:_MOST_WATCHES]:
            if namespace not in self._watches:
                self._watches[namespace] = watch = _Watch(
                    self._api, namespace, self._failures, self._watch_s, self._took
                )
                watch.task = tasks.create_task(watch.informer.run(), name=f"watch services of {namespace}")

    def _unwatch(self, namespace: str) -> None:
        watch = self._watches.pop(namespace, None)
        if watch is not None and watch.task is not None:
            watch.task.cancel()
        self._things[namespace].is_watched = False
        self._order.hurry(self._things[namespace])

    def _took(self, namespace: str, found: dict[str, storage.Service]) -> None:
        """What the watch of ``namespace`` has, after a list or a change."""
        self._by_namespace[namespace] = found
        self._things[namespace].is_watched = True
        self._things[namespace].succeeded()
        self._changed()

    async def _read(self, namespace: str) -> frozenset[str]:
        # From the watch cache: which does not page, and costs etcd nothing.
        found = await reading.collect(
            self._api, f"/api/v1/namespaces/{namespace}/services", storage.Service, {"resourceVersion": "0"}
        )
        watch = self._watches.get(namespace)
        if namespace in self._things and not (watch is not None and watch.source.is_known):  # still ours to say
            before = self._by_namespace.get(namespace, {})
            # One that could be decoded before stays as it was then.
            kept = {name: old for name, old in before.items() if f"{namespace}/{name}" in found.misfits}
            self._by_namespace[namespace] = kept | {service.metadata.name: service for service in found.items}
        return found.misfits


class _Watch:
    """Follows the Services of one namespace."""

    def __init__(
        self,
        api: client.Api,
        namespace: str,
        failures: mishaps.Mishaps,
        watch_s: tuple[int, int],
        took: Callable[[str, dict[str, storage.Service]], None],
    ) -> None:
        self.task: asyncio.Task[None] | None = None
        self.informer = informer.Informer(
            api, f"/api/v1/namespaces/{namespace}/services", storage.Service, self, failures=failures, watch_s=watch_s
        )
        self.source = sources.Watched(self.informer)
        self._namespace = namespace
        self._took = took
        self._by_name: dict[str, storage.Service] = {}
        self._is_listed = False

    def apply(self, obj: storage.Service) -> None:
        self._by_name[obj.metadata.name] = obj
        self._tell()

    def remove(self, key: informer.Key) -> None:
        self._by_name.pop(key.name, None)
        self._tell()

    def replaced(self, count: int) -> None:  # noqa: ARG002 - the informer's signature
        self._is_listed = True
        self._tell()

    def _tell(self) -> None:
        if self._is_listed:
            self._took(self._namespace, dict(self._by_name))
