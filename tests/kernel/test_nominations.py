"""Room that is kept for a pod, where eviction makes it: for as long as the pod waits for it, and no longer."""

from typing import Any

import pytest

from scheduler.api import core, verdicts
from scheduler.kernel import commands, events, places
from tests.kernel import running
from tests.kernel.running import node, pod


def nominated(name: str = "n", *, to: str = "n1", **changes: Any) -> core.Pod:
    """An urgent pod for which room is made on a node, and which cannot go there yet, nor make room anywhere."""
    spec: dict[str, Any] = {"priority": 10, "preemptionPolicy": "Never", "nodeSelector": {"not": "yet"}}
    return pod(name, cpu="3", status={"nominatedNodeName": to}, **spec, **changes)


@pytest.fixture
def bare(bare: running.Bare) -> running.Bare:
    bare.nodes(node("n1", cpu="4"))
    bare.pending(nominated(), pod("w", cpu="2"))
    assert running.bound(bare.step()) == {}, "what is kept for one is not given to another"
    return bare


def kept(bare: running.Bare) -> set[str]:
    return set(bare.kernel.state.freeze().nominated_pods)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(events.PendingGone(1000.0, "uid-n"), id="deleted"),
        pytest.param(events.PodSeen(1000.0, pod("n", cpu="1", node="elsewhere")), id="bound elsewhere"),
        pytest.param(events.PodGone(1000.0, "uid-n"), id="gone after it was bound"),
        pytest.param(events.PendingSeen(1000.0, nominated(to="")), id="no longer nominated"),
        pytest.param(
            events.PendingSeen(1000.0, pod("n", status={"phase": "Failed", "nominatedNodeName": "n1"})), id="finished"
        ),
        pytest.param(events.PendingListed(1000.0, 1001.0, (pod("w", cpu="2"),)), id="lost from the watch"),
    ],
)
def test_it_ends_with_its_pod_and_who_waits_for_the_room_gets_it(bare: running.Bare, end: events.Event) -> None:
    assert kept(bare) == {"uid-n"}
    bare.now_s = 1010.0  # past every backoff
    bare.kernel.handle(end)
    assert kept(bare) == set()
    if not isinstance(end, events.PodSeen):
        assert running.bound(bare.step()) == {"w": "n1"}


def test_its_end_wakes_nobody_more_urgent_for_whom_it_was_not_kept(bare: running.Bare) -> None:
    bare.pending(pod("big", cpu="8", priority=11), pod("equal", cpu="8", priority=10))
    bare.step()
    bare.pending(nominated(to=""))
    assert (bare.place("big"), bare.place("equal")) == (places.Place.UNSCHEDULABLE, places.Place.BACKOFF)


def test_it_ends_when_its_pod_goes_elsewhere(bare: running.Bare) -> None:
    bare.nodes(node("n2", cpu="4", labels={"not": "yet"}))
    assert running.bound(bare.later(10)) == {"n": "n2", "w": "n1"}
    assert kept(bare) == set()


def test_it_moves_with_its_pod(bare: running.Bare) -> None:
    bare.nodes(node("n2", cpu="1"))
    bare.pending(nominated(to="n2"))
    assert running.bound(bare.later(10)) == {"w": "n1"}
    assert kept(bare) == {"uid-n"}


def test_it_ends_when_its_pod_is_bound_there(bare: running.Bare) -> None:
    bare.nodes(node("n1", cpu="4", labels={"not": "yet"}))
    assert running.bound(bare.later(10)) == {"n": "n1"}
    assert kept(bare) == set()
    bare.answer("n", verdicts.Verdict.BOUND)
    bare.seen(pod("n", cpu="3", node="n1"))
    bare.gone("n")
    assert kept(bare) == set()


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(verdicts.Verdict.GONE, id="gone"),
        pytest.param(verdicts.Verdict.REFUSED, id="refused"),
    ],
)
def test_a_binding_that_fails_ends_it(bare: running.Bare, verdict: verdicts.Verdict) -> None:
    bare.nodes(node("n1", cpu="4", labels={"not": "yet"}))
    bare.later(10)
    told = bare.answer("n", verdict)
    assert kept(bare) == set()
    assert [one.node for one in running.only(commands.Nominate, told)] == [""] * (verdict is verdicts.Verdict.REFUSED)


def test_a_late_event_does_not_bring_it_back(bare: running.Bare) -> None:
    bare.seen(pod("n", cpu="1", node="n1"))
    bare.pending(nominated())
    assert kept(bare) == set()
    assert bare.kernel.state.is_placed("uid-n")
