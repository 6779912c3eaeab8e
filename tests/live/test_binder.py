"""Bindings that the watch never confirms: what they hold is freed only if nobody holds it."""

import dataclasses
import datetime
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scheduler import config
from scheduler.api import core
from scheduler.kube import binding, client, events
from scheduler.live import binder, journal, metrics, queue, reports
from scheduler.state import cluster
from tests.fakeapi import objects, server
from tests.live import builders


@dataclasses.dataclass
class Parts:
    """A binder and what it works on; no watch runs, so that nothing is ever confirmed unless a test does it."""

    fake: server.FakeApi
    clock: builders.Clock
    cluster: cluster.Cluster
    queue: queue.Queue
    binder: binder.Binder

    async def bind(self, name: str) -> core.Pod:
        found = self.fake.store.create("pods", objects.pod(name))
        pod = core.convert(found, core.Pod, name)
        self.queue.observe(pod)
        entry = self.queue.pop()
        assert entry is not None
        self.cluster.assume(pod, "n1")
        self.queue.bind(entry)
        record = journal.Record(pod=pod.key, uid=entry.uid, time="", attempt=1, outcome="")
        self.binder.submit(binder.Job(entry=entry, pod=pod, node="n1", record=record, started=self.clock()))
        await self.binder.drain(60)
        assert record.outcome == "bound"
        return pod


@pytest.fixture
async def parts(tmp_path: pathlib.Path) -> AsyncIterator[Parts]:
    async with server.running() as fake:
        api = await client.Api.connect(fake.kubeconfig(tmp_path))
        clock = builders.Clock()
        state = cluster.Cluster(config.Network(), "home")
        state.apply_node(core.convert(objects.node("n1"), core.Node, "n1"))
        waiting = queue.Queue(clock=clock, limit=10, backoff_initial_s=1, backoff_max_s=10)
        sink = events.EventSink(api, "test", "test")
        reporter = reports.Reporter(api=api, sink=sink, now=lambda: datetime.datetime.now(datetime.UTC))
        subject = binder.Binder(
            api=api,
            state=state,
            waiting=waiting,
            reporter=reporter,
            counters=metrics.Metrics("test"),
            on_bound=lambda pod, transfers: None,
            clock=clock,
            in_flight=2,
        )
        yield Parts(fake, clock, state, waiting, subject)
        await api.close()


@pytest.mark.parametrize(
    ("change", "held"),
    [
        pytest.param({}, True, id="running"),
        pytest.param({"status": {"phase": "Succeeded"}}, False, id="finished"),
        pytest.param(None, False, id="deleted"),
        pytest.param({"spec": {"nodeName": "n2"}}, False, id="elsewhere"),
    ],
)
async def test_an_assumption_that_nobody_confirms_lasts_while_the_pod_is_there(
    parts: Parts,
    change: dict[str, Any] | None,
    held: bool,
) -> None:
    pod = await parts.bind("a")
    if change is None:
        parts.fake.store.delete("pods", "a", "default")
    else:
        parts.fake.store.patch("pods", "a", change, "default")
    await parts.binder.sweep()
    assert parts.cluster.is_assumed(pod.metadata.uid), "a watch may take a moment"
    parts.clock.now += 60
    await parts.binder.sweep()
    assert parts.cluster.is_assumed(pod.metadata.uid) is held


async def test_an_assumption_stays_while_the_pod_cannot_be_read(parts: Parts) -> None:
    pod = await parts.bind("a")
    parts.clock.now += 60
    await parts.fake.stop()
    await parts.binder.sweep()
    assert parts.cluster.is_assumed(pod.metadata.uid)
    await parts.fake.start()


async def test_freed_capacity_wakes_who_waits_for_it(parts: Parts) -> None:
    await parts.bind("a")
    parts.queue.observe(builders.pod("waits"))
    entry = parts.queue.pop()
    assert entry is not None
    parts.queue.put_back(entry)
    parts.fake.store.delete("pods", "a", "default")
    parts.clock.now += 60
    await parts.binder.sweep()
    assert parts.queue.count(queue.Place.UNSCHEDULABLE) == 0


async def test_what_a_binding_that_met_a_defect_holds_is_freed_in_the_end(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what became of it nor where the pod is could be found out, and the pod was never bound."""

    async def fail(*_args: Any, **_kwargs: Any) -> binding.Outcome:
        raise ZeroDivisionError

    for name in ("bind", "read_back"):
        monkeypatch.setattr(binding, name, fail)
    pod = core.convert(parts.fake.store.create("pods", objects.pod("p")), core.Pod, "p")
    parts.queue.observe(pod)
    entry = parts.queue.pop()
    assert entry is not None
    parts.cluster.assume(pod, "n1")
    parts.queue.bind(entry)
    record = journal.Record(pod=pod.key, uid=entry.uid, time="", attempt=1, outcome="")
    parts.binder.submit(binder.Job(entry=entry, pod=pod, node="n1", record=record, started=parts.clock()))
    await parts.binder.drain(60)
    await parts.binder.sweep()
    assert parts.cluster.is_assumed(entry.uid), "the watch may still show it"
    parts.clock.now += binder.CONFIRM_WITHIN_S
    await parts.binder.sweep()
    assert not parts.cluster.is_assumed(entry.uid)
    assert parts.queue.get(entry.uid) is None
