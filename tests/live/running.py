"""The whole scheduler in the test's process, against the fake API server."""

import asyncio
import contextlib
import dataclasses
import pathlib
import time
import types
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scheduler import config, watchedfile
from scheduler.live import app, kopfwatch, twodoors
from tests.fakeapi import objects, server

Json = dict[str, Any]

# Nothing in a test needs the pauses that spare a real server.
QUICK = config.Settings(
    backoff_initial_s=0.02,
    backoff_max_s=0.1,
    refresh_interval_s=0.3,
    health_port=0,
    seed=1,
    leader_election=config.LeaderElection(is_on=False),
)

DOORS = ("kopf", "informer", "switching")
"""By which watches the kernel hears of pods and custom resources."""


def through(door: str, patch: pytest.MonkeyPatch) -> None:
    """Silence the other door (the informers as soon as Kopf watches), or have them change places all the time."""
    patch.setattr(kopfwatch, "REMIND_EVERY_S", 0.05)
    if door == "informer":
        patch.setattr(twodoors, "LAW", dataclasses.replace(twodoors.LAW, quiet_s=1e9))
    elif door == "kopf":
        patch.setattr(twodoors, "LAW", twodoors.Law(surge_per_s=10**9, quiet_s=0.0, late_s=1e9))
    else:
        patch.setattr(twodoors, "LAW", twodoors.Law(surge_per_s=1, quiet_s=0.1, late_s=0.2))


class Clock:
    """The clock of a scheduler, which can be set forward: who waits for a deadline on a real one races with it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead_s = 0.0
        monkeypatch.setattr(app, "time", types.SimpleNamespace(monotonic=self))

    def __call__(self) -> float:
        return time.monotonic() + self._ahead_s

    def pass_s(self, seconds: float) -> None:
        """Let so much time pass at once; who sleeps until then learns of it when something else happens."""
        self._ahead_s += seconds


@dataclasses.dataclass
class Running:
    """A scheduler and the API server that it talks to."""

    fake: server.FakeApi
    stop: asyncio.Event
    task: asyncio.Task[int]

    def create(self, name: str, *, cpu: str = "", **changes: Any) -> Json:
        """Create a pod of ours; ``changes`` are those of its annotations, gates and the like."""
        pod = objects.pod(name)
        if cpu:
            pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
        pod["metadata"].update(changes.get("metadata", {}))
        pod["spec"].update(changes.get("spec", {}))
        return self.fake.store.create("pods", pod)

    def pod(self, name: str) -> Json:
        return self.fake.store.get("pods", name, "default")

    def node_of(self, name: str) -> str:
        return str(self.pod(name)["spec"].get("nodeName", ""))

    def condition(self, name: str) -> Json:
        conditions = self.pod(name).get("status", {}).get("conditions", [])
        return next((each for each in conditions if each["type"] == "PodScheduled"), {})

    def events(self, name: str, reason: str) -> list[Json]:
        return [
            event
            for event in self.fake.store.all("events")
            if event["regarding"]["name"] == name and event["reason"] == reason
        ]

    async def placed(self, *names: str) -> None:
        """Wait until pods are bound; fail at once if the scheduler ends."""
        await self.until(lambda: all(self.node_of(name) for name in names))

    async def until(self, condition: Any) -> None:
        await server.until(lambda: condition() or self.task.done())
        assert not self.task.done(), f"the scheduler ended: {self.task}"


@contextlib.asynccontextmanager
async def scheduler(
    fake: server.FakeApi,
    directory: pathlib.Path,
    settings: config.Settings = QUICK,
    *,
    record: pathlib.Path | None = None,
    source: watchedfile.Source[config.Settings] | None = None,
) -> AsyncIterator[Running]:
    """Run until the block ends; a scheduler that did not end well fails the test."""
    stop = asyncio.Event()
    options = app.Options(kubeconfig=fake.kubeconfig(directory), health_host="127.0.0.1", record=record, source=source)
    running = Running(fake, stop, asyncio.create_task(app.run(settings, options, stop)))
    try:
        yield running
    finally:
        stop.set()
        code = await running.task
    assert code == app.OK


def never_patched(fake: server.FakeApi) -> None:
    """No request wrote to a pod but bindings and status."""
    writes = [(method, path) for method, path in fake.requests if method != "GET" and "/pods" in path]
    others = [
        (method, path)
        for method, path in writes
        if not (method == "POST" and path.endswith("/binding")) and not (method == "PATCH" and path.endswith("/status"))
    ]
    if others:
        pytest.fail(f"pods were written to: {others}")
