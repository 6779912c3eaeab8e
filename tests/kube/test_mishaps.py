"""What one object, Event or job does costs that one alone: it is counted each time, and logged now and then."""

import asyncio
import collections
from typing import Any

import pytest
import structlog

from scheduler.api import core
from scheduler.kube import client, events, informer, mishaps
from tests.fakeapi import objects, server
from tests.kube import mirrors


class Fragile(mirrors.Mirror):
    """Raises whenever it hears of a pod named after poison."""

    def apply(self, obj: core.Pod) -> None:
        if "poison" in obj.metadata.name:
            raise KeyError(obj.metadata.name)
        super().apply(obj)

    def remove(self, key: informer.Key) -> None:
        super().remove(key)
        if "poison" in key.name:
            raise ValueError(key.name)

    def replaced(self, count: int) -> None:
        super().replaced(count)
        raise RuntimeError("a list is too much")


async def test_an_object_that_its_handler_cannot_take_costs_that_object_alone(
    fake: server.FakeApi, api: client.Api
) -> None:
    counted: collections.Counter[str] = collections.Counter()
    for name in ("a-poison", "b"):
        fake.store.create("pods", objects.pod(name))
    handler = Fragile()
    failures = mishaps.Mishaps(lambda part: counted.update([part]))
    following: informer.Informer[Any] = informer.Informer(
        api, "/api/v1/pods", core.Pod, handler, backoff_max_s=0.1, failures=failures
    )
    async with mirrors.running(following):
        fake.store.create("pods", objects.pod("c-poison"))
        fake.store.create("pods", objects.pod("d"))
        await server.until(lambda: len(handler.view()) == 2)
        fake.store.delete("pods", "a-poison", "default")
        fake.store.delete("pods", "b", "default")
        await server.until(lambda: len(handler.view()) == 1)
        assert following.relists == 0, "nothing was listed again, over and over, for it"
    assert counted == {"informer": 4}, "two that were applied, one that was removed, and the end of the list"


async def test_an_informer_goes_on_after_what_nobody_thought_of(
    fake: server.FakeApi, api: client.Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: collections.Counter[str] = collections.Counter()
    get = api.get

    async def once(*args: Any, **kwargs: Any) -> bytes:
        monkeypatch.setattr(api, "get", get)
        raise ZeroDivisionError

    monkeypatch.setattr(api, "get", once)
    fake.store.create("pods", objects.pod("a"))
    handler = mirrors.Mirror()
    following: informer.Informer[Any] = informer.Informer(
        api, "/api/v1/pods", core.Pod, handler, failures=mishaps.Mishaps(lambda part: counted.update([part]))
    )
    async with mirrors.running(following):
        await server.until(lambda: len(handler.view()) == 1)
    assert counted == {"informer": 1}


async def test_an_event_that_cannot_be_written_down_costs_that_event_alone(
    fake: server.FakeApi, api: client.Api
) -> None:
    counted: collections.Counter[str] = collections.Counter()
    sink = events.EventSink(api, "test", "test", failures=mishaps.Mishaps(lambda part: counted.update([part])))
    writing = asyncio.create_task(sink.run())
    odd = events.Reference(kind="Pod", name="odd", namespace="default", uid="\ud800")  # no JSON holds this
    fine = events.Reference(kind="Pod", name="fine", namespace="default")
    for number in range(2 * events.LANES):
        sink.emit(odd, type="Normal", reason="R", action="A", note=f"{number}")
    sink.emit(fine, type="Normal", reason="R", action="A", note="n")
    await server.until(lambda: fake.store.all("events") or writing.done())
    assert not writing.done()
    await server.until(lambda: counted["events"] == 2 * events.LANES)
    assert sink.dropped == 2 * events.LANES
    writing.cancel()
    await asyncio.wait([writing])


def test_a_defect_that_many_meet_is_a_line_a_minute_for_each_part() -> None:
    now = [1000.0]
    counted: collections.Counter[str] = collections.Counter()
    failures = mishaps.Mishaps(lambda part: counted.update([part]), lambda: now[0])
    with structlog.testing.capture_logs() as said:
        for number in range(500):
            with failures.contained("queue", pod=f"p{number}"):
                raise LookupError
        failures.caught("watch", ValueError("x"))
        now[0] += mishaps.SAID_EVERY_S
        failures.caught("queue", LookupError())
    assert [(one["part"], one["unsaid_before"]) for one in said] == [("queue", 0), ("watch", 0), ("queue", 499)]
    assert counted == {"queue": 501, "watch": 1}


def test_what_ends_a_process_is_not_kept_from_it() -> None:
    with pytest.raises(KeyboardInterrupt), mishaps.Mishaps().contained("queue"):
        raise KeyboardInterrupt
