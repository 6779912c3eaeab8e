"""The condition PodScheduled: its time moves with its status, and with nothing else."""

import asyncio
import datetime
import pathlib
from typing import Any

import pytest

from scheduler.api import core
from scheduler.kernel import journal
from scheduler.kube import client, events
from scheduler.live import app, reports
from tests.fakeapi import objects, server
from tests.live import running

NOW = datetime.datetime(2026, 6, 1, 12, 0, 0, tzinfo=datetime.UTC)
BEFORE = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("standing", "expected"),
    [
        pytest.param(None, "2026-06-01T12:00:00Z", id="the first one"),
        pytest.param({"status": "False", "reason": "Unschedulable", "message": "other"}, BEFORE, id="other words"),
        pytest.param({"status": "False", "reason": "SchedulerError", "message": "new"}, BEFORE, id="another reason"),
        pytest.param({"status": "True"}, "2026-06-01T12:00:00Z", id="another status"),
        pytest.param({"status": "Unknown"}, "2026-06-01T12:00:00Z", id="it was not known"),
        pytest.param({"type": "Ready", "status": "False"}, "2026-06-01T12:00:00Z", id="another condition"),
    ],
)
async def test_the_time_of_the_condition_moves_with_its_status(
    tmp_path: pathlib.Path, standing: dict[str, Any] | None, expected: str
) -> None:
    async with server.running() as fake:
        made = objects.pod("p")
        if standing is not None:
            made["status"] = {"conditions": [{"type": "PodScheduled", "lastTransitionTime": BEFORE, **standing}]}
        pod = core.convert(fake.store.create("pods", made), core.Pod, "pod")
        api = await client.Api.connect(fake.kubeconfig(tmp_path))
        reporter = reports.Reporter(api=api, sink=events.EventSink(api, "t", "t"), now=lambda: NOW)
        writing = asyncio.create_task(reporter.run())
        reporter.unschedulable(pod, "new")
        await reporter.drain(60)
        writing.cancel()
        await asyncio.wait([writing])
        await api.close()
        conditions = fake.store.get("pods", "p", "default")["status"]["conditions"]
        [found] = [one for one in conditions if one["type"] == "PodScheduled"]
        assert (found["status"], found["reason"], found["message"]) == ("False", "Unschedulable", "new")
        assert found["lastTransitionTime"] == expected


async def test_a_pod_that_stays_unschedulable_for_other_reasons_keeps_the_time(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [NOW]
    monkeypatch.setattr(app, "_now", lambda: now[0])
    async with server.running() as fake:
        fake.store.create("nodes", objects.node("n1"))
        async with running.scheduler(fake, tmp_path) as world:
            world.create("big", cpu="100")
            await world.until(lambda: world.condition("big"))
            now[0] += datetime.timedelta(minutes=5)
            roomy = objects.node("n2", cpu="200")  # worth another try, and in vain
            roomy["spec"] = {"taints": [{"key": "dedicated", "effect": "NoSchedule"}]}
            fake.store.create("nodes", roomy)
            await world.until(lambda: "0/2" in world.condition("big")["message"])
            assert world.condition("big")["lastTransitionTime"] == "2026-06-01T12:00:00Z"


@pytest.mark.parametrize(
    ("alone", "forgone_s", "saved_s", "note"),
    [
        pytest.param("near", 0.0, 0.0, "", id="it went where it would have gone anyway"),
        pytest.param("near", 0.0, 171.0, ", which saves 171 s of transfers in all", id="others gained"),
        pytest.param(
            "far",
            19.0,
            171.0,
            ", which saves 171 s of transfers in all; by itself it would have gone to far, 19 s better for it",
            id="it gave way",
        ),
        pytest.param(
            "far",
            -190.0,
            171.0,
            ", which saves 171 s of transfers in all; by itself it would have gone to far, 190 s worse for it",
            id="others gave way",
        ),
        pytest.param("", 0.0, 0.0, "", id="by itself it would have gone nowhere"),
    ],
)
async def test_an_event_says_what_it_was_good_for_that_a_pod_was_placed_together_with_others(
    tmp_path: pathlib.Path, alone: str, forgone_s: float, saved_s: float, note: str
) -> None:
    jointly = journal.Jointly(3, "near", journal.KEPT, alone, forgone_s, saved_s, 0.0)
    async with server.running() as fake:
        pod = core.convert(fake.store.create("pods", objects.pod("p")), core.Pod, "pod")
        api = await client.Api.connect(fake.kubeconfig(tmp_path))
        sink = events.EventSink(api, "t", "t")
        writing = asyncio.create_task(sink.run())
        reports.Reporter(api=api, sink=sink, now=lambda: NOW).scheduled(pod, "near", jointly)
        await sink.drain(60)
        writing.cancel()
        await asyncio.wait([writing])
        await api.close()
        [event] = fake.store.all("events")
    assert event["note"] == f"Successfully assigned default/p to near, placed jointly with 3 others{note}"
