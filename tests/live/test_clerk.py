"""What is written to DataObjects, and when: what no pod waits for gives way to bindings, but not for ever."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from scheduler.live import clerk, metrics
from tests.fakeapi import server
from tests.live import builders


class Desk:
    """A clerk at work, and what it has done."""

    def __init__(self) -> None:
        self.is_urgent = True
        self.done: list[str] = []
        self.writer = clerk.Clerk(metrics.Metrics("test"), builders.Clock(), lambda: self.is_urgent)

    def ask(self, name: str, *, patient: bool) -> None:
        async def job() -> None:
            self.done.append(name)

        self.writer.ask((name,), job, patient=patient)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.writer.run())
        yield
        task.cancel()
        await asyncio.wait([task])


async def test_what_no_pod_waits_for_is_written_when_no_pod_is_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clerk, "PATIENT_EVERY_S", 1e9)
    desk = Desk()
    for number in range(3):
        desk.ask(f"label-{number}", patient=True)
        desk.ask(f"key-{number}", patient=False)
    async with desk.working():
        await server.until(lambda: len(desk.done) == 3)
        assert desk.done == ["key-0", "key-1", "key-2"]
        desk.is_urgent = False
        desk.ask("key-3", patient=False)
        await server.until(lambda: len(desk.done) == 7)
        assert desk.done[3:] == ["key-3", "label-0", "label-1", "label-2"]


async def test_while_pods_are_bound_some_of_it_is_written_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clerk, "PATIENT_EVERY_S", 0.01)
    desk = Desk()
    for number in range(3):
        desk.ask(f"label-{number}", patient=True)
    async with desk.working():
        await server.until(lambda: len(desk.done) == 3)


async def test_what_waits_is_written_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clerk, "PATIENT_EVERY_S", 0.01)
    desk = Desk()
    desk.ask("label", patient=True)
    desk.ask("key", patient=False)
    async with desk.working():
        await desk.writer.drain(60.0)
        assert set(desk.done) == {"key", "label"}
