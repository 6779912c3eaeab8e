"""What pods move is under way from when they are assumed on a node until it is over, or they are."""

from __future__ import annotations

import dataclasses

import pytest

from scheduler.api import core, crd, verdicts
from scheduler.kernel import commands, events, kernel
from tests.kernel import running
from tests.kernel.running import node, pod

READS = {"data.scheduler.thesis/input-1": "logs/k,1000000000"}
KEEPS = {"node-capability/keeps-inputs": "true"}


def data(etag: str = "") -> crd.DataObject:
    """It lies on a node without room."""
    copy = {"node": "full", "available": True, "etag": etag}
    body = {
        "metadata": {"name": "o", "namespace": "default"},
        "spec": {"urn": "logs/k"},
        "status": {"replicas": [copy]},
    }
    return core.convert(body, crd.DataObject, "o")


def place(bare: running.Bare, name: str) -> str:
    """Have a pod that reads it decided about; returns its node."""
    given = bare.pending(pod(name, cpu="500m", annotations=READS)) + bare.step()
    for ask in running.only(commands.AskData, given):
        given += bare.kernel.handle(events.DataAnswered(bare.now_s, ask.pod.metadata.uid, None))
    return running.bound(given + bare.later(0.2))[name]


@pytest.fixture
def bare(bare: running.Bare) -> running.Bare:
    bare.nodes(node("full", cpu="0"), node("a", cpu="1", labels=KEEPS), node("b", cpu="1"))
    bare.kernel.handle(events.ObjectSeen(bare.now_s, data()))
    bare.step()
    return bare


def record_of(bare: running.Bare, name: str) -> tuple[float, str]:
    [(_, record)] = bare.kernel.journal.of(f"default/{name}")
    return record.transfers[0].queued_s, record.transfers[0].queued_on


def test_who_comes_second_waits_for_the_first_and_says_so(bare: running.Bare) -> None:
    place(bare, "first")
    assert record_of(bare, "first") == (0, "")
    assert bare.kernel.state.traffic.movers() == {"uid-first"}
    assert bare.kernel.world.under_way_bytes() == pytest.approx(10**9, rel=0.05)
    place(bare, "second")
    queued_s, on = record_of(bare, "second")
    # Either it shares the way out of the node that has the data, or it waits for what the first fetches.
    assert (queued_s > 10 and on == "the way out of full") or running_on(bare, "first") == running_on(bare, "second")


def running_on(bare: running.Bare, name: str) -> str:
    [(_, record)] = bare.kernel.journal.of(f"default/{name}")
    return record.node


@pytest.mark.parametrize("verdict", [verdicts.Verdict.REFUSED, verdicts.Verdict.GONE])
def test_a_pod_that_is_not_bound_moves_nothing(bare: running.Bare, verdict: verdicts.Verdict) -> None:
    place(bare, "first")
    bare.answer("first", verdict)
    assert bare.kernel.state.traffic.is_calm


def test_a_pod_that_is_gone_moves_nothing(bare: running.Bare) -> None:
    on = place(bare, "first")
    bare.answer("first", verdicts.Verdict.BOUND)
    bare.seen(pod("first", cpu="500m", node=on, annotations=READS))
    assert bare.kernel.state.traffic.movers() == {"uid-first"}
    bare.gone("first")
    assert bare.kernel.state.traffic.is_calm


def test_what_is_over_is_let_go_of_as_time_passes(bare: running.Bare) -> None:
    place(bare, "first")
    bare.later(1000.0)
    assert len(bare.kernel.state.traffic) == 0


def test_other_content_is_to_be_fetched_anew(bare: running.Bare) -> None:
    bare.kernel.handle(events.NodeGone(bare.now_s, "b"))
    assert place(bare, "first") == "a"
    bare.later(1000.0)
    fetched = bare.kernel.state.traffic.fetched
    bare.kernel.handle(events.ObjectSeen(bare.now_s, data()))
    assert len(fetched) == 1, "it is the same"
    bare.kernel.handle(events.ObjectSeen(bare.now_s, data(etag="new")))
    assert len(fetched) == 0


@pytest.mark.parametrize("off", [{"contention": False}, {"counts_bytes": True}])
def test_nothing_is_kept_where_it_does_not_count(off: dict[str, bool]) -> None:
    settings = dataclasses.replace(running.SETTINGS, **off)  # type: ignore[arg-type]
    bare = running.Bare(kernel.Kernel(settings, "home", seed=1))
    bare.nodes(node("full", cpu="0"), node("a", labels=KEEPS))
    bare.kernel.handle(events.ObjectSeen(bare.now_s, data()))
    assert place(bare, "first") == "a"
    assert bare.kernel.state.traffic.is_calm
