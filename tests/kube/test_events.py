"""Events: written in the end, counted when not, and never in the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import hypothesis
import pytest
import structlog.testing
from hypothesis import strategies

from scheduler.api import core
from scheduler.kube import client, events, lanes
from tests.fakeapi import faults, objects, server

POD = events.Reference(kind="Pod", name="p", namespace="default", uid="u1")


@contextlib.asynccontextmanager
async def _sink(api: client.Api, **options: Any) -> AsyncIterator[events.EventSink]:
    sink = events.EventSink(api, "data-locality-scheduler", "replica-0", **options)
    task = asyncio.create_task(sink.run())
    try:
        yield sink
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _say(sink: events.EventSink, note: str = "0/3 nodes are available", about: events.Reference = POD) -> None:
    sink.emit(about, type="Warning", reason="FailedScheduling", action="Scheduling", note=note)


def _written(fake: server.FakeApi) -> list[dict[str, Any]]:
    return fake.store.all("events")


def _counts(fake: server.FakeApi) -> list[int]:
    return [event.get("series", {"count": 1})["count"] for event in _written(fake)]


async def test_an_event_says_who_what_and_when(fake: server.FakeApi, api: client.Api) -> None:
    pod = core.Pod(core.ObjectMeta(name="p", namespace="default", uid="u1"))
    node = events.Reference(kind="Node", name="n1")
    async with _sink(api) as sink:
        sink.emit(
            events.pod_reference(pod), type="Normal", reason="Scheduled", action="Binding", note="to n1", related=node
        )
        assert await sink.drain(60) == 0
    (event,) = _written(fake)
    wanted = {"kind": "Pod", "namespace": "default", "name": "p", "uid": "u1", "apiVersion": "v1"}
    assert wanted.items() <= event["regarding"].items()
    assert event["related"]["name"] == "n1"
    assert (event["type"], event["reason"], event["action"], event["note"]) == (
        "Normal",
        "Scheduled",
        "Binding",
        "to n1",
    )
    assert (event["reportingController"], event["reportingInstance"]) == ("data-locality-scheduler", "replica-0")
    assert "series" not in event
    assert event["metadata"]["name"].startswith("p.")
    assert (sink.written, sink.dropped) == (1, 0)


async def test_an_event_about_a_node_lives_in_the_default_namespace(fake: server.FakeApi, api: client.Api) -> None:
    async with _sink(api) as sink:
        _say(sink, about=events.Reference(kind="Node", name="n1"))
        await sink.drain(60)
    assert [event["metadata"]["namespace"] for event in _written(fake)] == ["default"]


async def test_repetitions_become_one_series(fake: server.FakeApi, api: client.Api) -> None:
    async with _sink(api, series_s=60) as sink:
        _say(sink)
        await server.until(lambda: len(_written(fake)) == 1)
        _say(sink)
        await server.until(lambda: _counts(fake) == [2])  # the first one shows at once
        for _ in range(40):
            _say(sink)
        _say(sink, note="another note")
        await server.until(lambda: len(_written(fake)) == 2)
        assert _counts(fake) == [2, 1]  # the rest waits
        await sink.drain(60)
    assert _counts(fake) == [42, 1]
    assert sink.written == 4


async def test_repetitions_before_the_first_write_cost_nothing(fake: server.FakeApi, api: client.Api) -> None:
    async with _sink(api) as sink:
        for _ in range(1000):
            _say(sink)
        await sink.drain(60)
    assert [event["series"]["count"] for event in _written(fake)] == [1000]
    assert sink.written == 1


async def test_a_series_is_updated_once_in_a_while(fake: server.FakeApi, api: client.Api) -> None:
    async with _sink(api, series_s=0.2) as sink:
        for wanted in range(1, 5):
            _say(sink)
            # Heard of by the sink too: what the server has done is not answered yet.
            await server.until(lambda: sink.written == wanted)  # noqa: B023 - it is over before the next round
            assert _counts(fake) == [wanted]
    assert sink.written == 4


async def test_a_series_whose_event_expired_goes_on_in_a_new_one(fake: server.FakeApi, api: client.Api) -> None:
    async with _sink(api) as sink:
        _say(sink)
        await server.until(lambda: _written(fake))
        fake.store.delete("events", _written(fake)[0]["metadata"]["name"], "default")
        _say(sink)
        await sink.drain(60)
    assert [event["series"]["count"] for event in _written(fake)] == [2]


async def test_a_lost_answer_does_not_write_twice(fake: server.FakeApi, api: client.Api) -> None:
    fake.faults.append(faults.Fault(method="POST", drop="after"))
    async with _sink(api) as sink:
        _say(sink)
        assert await sink.drain(60) == 0
    assert (len(_written(fake)), sink.dropped) == (1, 0)


async def test_throttling_and_outages_are_waited_for(fake: server.FakeApi, api: client.Api) -> None:
    fake.faults.append(faults.Fault(status=429, headers={"Retry-After": "0"}))
    fake.faults.append(faults.Fault(status=503, headers={"Retry-After": "0"}))
    fake.faults.append(faults.Fault(drop="before"))
    async with _sink(api) as sink:
        _say(sink)
        assert await sink.drain(60) == 0
    assert (len(_written(fake)), sink.dropped) == (1, 0)


async def test_what_finds_no_room_is_counted(fake: server.FakeApi, api: client.Api) -> None:
    sink = events.EventSink(api, "c", "i", capacity=10)
    for n in range(25):
        _say(sink, note=f"note {n}")
    assert sink.dropped == 15
    for _ in range(5):
        _say(sink, note="note 0")  # takes no room: it is counted in the one that waits
    task = asyncio.create_task(sink.run())
    await sink.drain(60)
    task.cancel()
    await asyncio.wait([task])
    assert (len(_written(fake)), sink.dropped) == (10, 15)


async def test_drain_gives_up_at_its_deadline(fake: server.FakeApi, api: client.Api) -> None:
    fake.faults.append(faults.Fault(times=1000, delay_s=30))
    async with _sink(api) as sink:
        for n in range(50):
            _say(sink, note=f"note {n}")
        left = await sink.drain(0.2)
        assert left > 0
        assert sink.dropped == left


async def test_a_burst_gives_way_to_what_is_urgent_and_then_catches_up(fake: server.FakeApi, api: client.Api) -> None:
    fake.faults.append(faults.Fault(method="POST", path="/events", times=10**6, delay_s=3600.0))
    with api.urgently():
        async with _sink(api) as sink:
            for n in range(200):
                _say(sink, note=f"note {n}")
            await server.until(lambda: _posts(fake) == 1)
            for _ in range(20):
                await api.get("/api/v1/pods")  # so long nothing else begins
            assert _posts(fake) == 1
    fake.faults.clear()
    async with _sink(api) as sink:
        for n in range(200):
            _say(sink, note=f"note {n}")
        assert await sink.drain(60) == 0
    assert len(_written(fake)) == 200


async def test_the_more_wait_the_less_they_give_way(fake: server.FakeApi, api: client.Api) -> None:
    fake.faults.append(faults.Fault(method="POST", path="/events", times=10**6, delay_s=3600.0))
    with api.urgently():
        async with _sink(api, capacity=100) as sink:
            for n in range(60):
                _say(sink, note=f"note {n}")
            await server.until(lambda: 5 < _posts(fake) < events.LANES)
            for n in range(60, 120):
                _say(sink, note=f"note {n}")
            await server.until(lambda: _posts(fake) > 10)


async def test_a_warning_does_not_wait_behind_successes(fake: server.FakeApi, api: client.Api) -> None:
    sink = events.EventSink(api, "c", "i", capacity=50)
    for n in range(60):
        _succeed(sink, n)
    _say(sink, note="no node fits")
    assert sink.dropped == 10  # and not the warning
    with api.urgently():
        task = asyncio.create_task(sink.run())
        await sink.drain(60)
        task.cancel()
        await asyncio.wait([task])
    assert len(_written(fake)) == 51
    assert min(_written(fake), key=lambda event: int(event["metadata"]["resourceVersion"]))["note"] == "no node fits"


async def test_successes_rest_while_there_is_a_backlog_but_not_for_long(fake: server.FakeApi, api: client.Api) -> None:
    now_s, backlog = 1000.0, 500
    async with _sink(api, backlog=lambda: backlog, clock=lambda: now_s) as sink:
        for n in range(100):
            _succeed(sink, n)
        _say(sink, note="no node fits")
        await server.until(lambda: len(_written(fake)) == 1)
        for _ in range(20):
            await api.get("/api/v1/pods")  # so long nothing else begins
        assert [event["note"] for event in _written(fake)] == ["no node fits"]
        now_s += lanes.REST_S / 2
        _succeed(sink, 100)
        now_s += lanes.REST_S / 2
        await server.until(lambda: len(_written(fake)) == 101)  # all but the one that came later
        for _ in range(20):
            await api.get("/api/v1/pods")
        assert len(_written(fake)) == 101
        backlog = lanes.BACKLOG - 1
        await server.until(lambda: len(_written(fake)) == 102)
    assert sink.dropped == 0


async def test_only_so_many_rest(fake: server.FakeApi, api: client.Api) -> None:
    async with _sink(api, backlog=lambda: 500, clock=lambda: 0.0, capacity=100) as sink:
        for n in range(80):
            _succeed(sink, n)
        await server.until(lambda: len(_written(fake)) >= 31)
        for _ in range(20):
            await api.get("/api/v1/pods")
        assert len(_written(fake)) < 60


async def test_what_rests_is_written_at_the_end(fake: server.FakeApi, api: client.Api) -> None:
    async with _sink(api, backlog=lambda: 500, clock=lambda: 0.0) as sink:
        for n in range(40):
            _succeed(sink, n)
        assert await sink.drain(60) == 0
    assert len(_written(fake)) == 40


def _succeed(sink: events.EventSink, number: int) -> None:
    sink.emit(POD, type="Normal", reason="Scheduled", action="Binding", note=f"note {number}")


def _posts(fake: server.FakeApi) -> int:
    return sum(method == "POST" for method, _ in fake.requests)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(faults.Fault(status=403, message="forbidden"), "grant create and patch on events", id="rbac"),
        pytest.param(faults.Fault(status=401), "credentials are not accepted", id="credentials"),
        pytest.param(faults.Fault(status=404), "its namespace is gone", id="namespace-gone"),
        pytest.param(
            faults.Fault(status=403, message="because it is being terminated"), "is being deleted", id="terminating"
        ),
        pytest.param(faults.Fault(status=422, message="note: too long"), "refuses it", id="invalid"),
    ],
)
async def test_losses_are_said_once_and_counted(
    fake: server.FakeApi, api: client.Api, fault: faults.Fault, words: str
) -> None:
    fault.method = "POST"
    fake.faults.append(fault)
    with structlog.testing.capture_logs() as logs:
        async with _sink(api) as sink:
            for outage in range(2):
                fault.times = 20
                for n in range(20):
                    _say(sink, note=f"note {n}")
                await sink.drain(60)
                assert sink.dropped == 20 * (outage + 1)
                _say(sink, note=f"after outage {outage}")
                await sink.drain(60)
    assert [words in entry["why"] for entry in logs] == [True, True]  # once for each outage
    assert len(_written(fake)) == 2


async def test_only_so_many_are_remembered(
    fake: server.FakeApi, api: client.Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "REMEMBERED", 3)
    async with _sink(api) as sink:
        for n in (0, 1, 2, 3, 0, 3):  # the first 0 is forgotten by the time the second comes
            _say(sink, note=f"note {n}")
        assert await sink.drain(60) == 0
    assert sorted((event["note"], count) for event, count in zip(_written(fake), _counts(fake), strict=True)) == [
        ("note 0", 1),
        ("note 0", 1),
        ("note 1", 1),
        ("note 2", 1),
        ("note 3", 2),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("short", "short", id="short"),
        pytest.param("x" * 1024, "x" * 1024, id="exactly"),
        pytest.param("x" * 1025, "x" * 1020 + " ...", id="one-over"),
        pytest.param("ä" * 600, "ä" * 510 + " ...", id="two-bytes-each"),
        pytest.param("x" + "ä" * 600, "x" + "ä" * 509 + " ...", id="boundary-inside-a-character"),
        pytest.param("🦀" * 300, "🦀" * 255 + " ...", id="four-bytes-each"),
        pytest.param("\ud800", "?", id="half-a-character"),
    ],
)
def test_a_note_is_cut_between_characters(text: str, expected: str) -> None:
    assert events.cut(text, events.NOTE_BYTES) == expected


@hypothesis.given(text=strategies.text(), limit=strategies.integers(4, 60))
def test_a_cut_never_exceeds_its_limit(text: str, limit: int) -> None:
    shown = events.cut(text, limit)
    assert len(shown.encode()) <= limit
    assert shown == text or shown.endswith(" ...")
    assert text.startswith(shown.removesuffix(" ..."))


async def test_long_and_odd_texts_are_accepted_by_the_server(fake: server.FakeApi, api: client.Api) -> None:
    long_name = events.Reference(kind="Pod", name="a" * 236 + "-" + "b" * 16, namespace="default")
    async with _sink(api) as sink:
        sink.emit(long_name, type="Normal", reason="r" * 300, action="a" * 300, note="🦀" * 500)
        assert await sink.drain(60) == 0
    (event,) = _written(fake)
    assert len(event["metadata"]["name"]) <= 253
    assert "-." not in event["metadata"]["name"]
    assert (len(event["reason"]), len(event["action"]), len(event["note"].encode())) == (128, 128, 1024)


async def test_names_are_never_used_twice(fake: server.FakeApi, api: client.Api) -> None:
    fake.store.create("pods", objects.pod("p"))
    async with _sink(api) as sink:
        for n in range(500):
            _say(sink, note=f"note {n}")
        await sink.drain(60)
    assert len({event["metadata"]["name"] for event in _written(fake)}) == 500
