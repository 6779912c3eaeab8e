"""A handler for informers that keeps what it is told, to compare with the server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from scheduler.api import core
from scheduler.kube import informer
from tests.fakeapi import server, watches


class Mirror:
    """A handler that keeps what it is told by uid, as the pod cache does, and checks what it may rely on."""

    def __init__(self) -> None:
        self.held: dict[str, core.Pod] = {}
        self.removed: list[str] = []
        self.replacements: list[int] = []

    def apply(self, obj: core.Pod) -> None:
        same_name = [uid for uid, pod in self.held.items() if pod.key == obj.key]
        assert same_name in ([], [obj.metadata.uid]), "the older pod of this name was not removed first"
        self.held[obj.metadata.uid] = obj

    def remove(self, key: informer.Key) -> None:
        gone = self.held.pop(key.uid)
        assert (gone.metadata.namespace, gone.metadata.name) == (key.namespace, key.name)
        self.removed.append(key.name)

    def replaced(self, count: int) -> None:
        assert count == len(self.held)
        self.replacements.append(count)

    def view(self) -> dict[str, str]:
        return {uid: pod.metadata.resource_version for uid, pod in self.held.items()}


def on_server(fake: server.FakeApi, matches: Callable[[watches.Json], bool] = lambda _: True) -> dict[str, str]:
    pods = [pod["metadata"] for pod in fake.store.all("pods") if matches(pod)]
    return {meta["uid"]: meta["resourceVersion"] for meta in pods}


@contextlib.asynccontextmanager
async def running(following: informer.Informer[Any]) -> AsyncIterator[None]:
    task = asyncio.create_task(following.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
