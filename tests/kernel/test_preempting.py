"""A pod that fits nowhere is made room for: kept at once, and once for each; whoever waits goes on whatever happens."""

from typing import Any

import msgspec
import pytest

from scheduler.api import core
from scheduler.kernel import commands, events, places
from tests.kernel import running
from tests.kernel.running import node, pod

Place = places.Place
CONDITION = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}


def urgent(name: str = "urgent", *, cpu: str = "2", priority: int = 10, to: str = "", **changes: Any) -> core.Pod:
    return pod(name, cpu=cpu, priority=priority, status={"nominatedNodeName": to}, **changes)


def placed(name: str, **changes: Any) -> core.Pod:
    return pod(name, node="n1", **changes)


def dying(name: str) -> core.Pod:
    """A pod that was evicted, and takes its time."""
    one = placed(name, status={"phase": "Running", "conditions": [CONDITION]})
    meta = msgspec.structs.replace(one.metadata, deletion_timestamp="2026-06-01T12:00:00Z")
    return msgspec.structs.replace(one, metadata=meta)


def evictions(given: list[commands.Command]) -> list[tuple[str, str, list[str]]]:
    """For whom, where, and whom."""
    return [
        (one.pod.metadata.name, one.node, [victim.metadata.name for victim in one.victims])
        for one in running.only(commands.Evict, given)
    ]


def answer(bare: running.Bare, number: int = 1, problem: str = "", name: str = "urgent") -> list[commands.Command]:
    return bare.kernel.handle(events.EvictAnswered(bare.now_s, f"uid-{name}", number, problem))


def kept(bare: running.Bare) -> dict[str, str]:
    """For whom room is kept, and where."""
    pods = bare.kernel.state.freeze().nominated_pods.values()
    return {one.metadata.name: one.status.nominated_node_name for one in pods}


@pytest.fixture
def bare(bare: running.Bare) -> running.Bare:
    """A node that is full of two pods."""
    bare.nodes(node("n1", cpu="2"))
    bare.seen(placed("a"), placed("b"))
    return bare


def test_room_is_kept_at_once_and_its_victims_go(bare: running.Bare) -> None:
    bare.pending(urgent(), pod("meek"))
    told = bare.step()
    assert evictions(told) == [("urgent", "n1", ["a", "b"])]
    assert [(one.pod.metadata.name, one.nominated, one.victims) for one in running.only(commands.Unplaced, told)] == [
        ("urgent", "n1", 2),
        ("meek", None, 0),
    ]
    assert kept(bare) == {"urgent": "n1"}
    answer(bare)
    bare.gone("a")
    bare.gone("b")
    assert running.bound(bare.later(10)) == {"urgent": "n1"}, "and nobody less urgent takes it before"
    assert kept(bare) == {}


def test_it_sleeps_until_the_deletes_are_sent_and_then_hears_what_happened(bare: running.Bare) -> None:
    bare.pending(urgent())
    bare.step()
    bare.gone("a")
    bare.gone("b")
    bare.nodes(node("n2", cpu="4"))
    assert bare.later(60) == []
    assert bare.place("urgent") is Place.UNSCHEDULABLE
    answer(bare)
    assert running.bound(bare.step()) == {"urgent": "n1"}, "the node that is nominated, though another one is emptier"


def test_while_its_victims_take_their_time_it_evicts_nobody_else(bare: running.Bare) -> None:
    bare.nodes(node("n2", cpu="2"))
    bare.seen(pod("c", cpu="2", node="n2", priority=5))
    bare.pending(urgent())
    assert evictions(bare.step()) == [("urgent", "n1", ["a", "b"])]
    bare.seen(dying("a"), dying("b"))
    answer(bare)
    bare.gone("a")
    told = bare.later(400)
    assert evictions(told) == []
    [said] = running.only(commands.Unplaced, told)
    assert said.record.message.endswith("not eligible due to a terminating pod on the nominated node.")
    assert (said.nominated, kept(bare)) == (None, {"urgent": "n1"})
    bare.gone("b")
    assert running.bound(bare.later(10)) == {"urgent": "n1"}


def test_victims_that_are_going_already_are_left_alone(bare: running.Bare) -> None:
    bare.seen(dying("b"))
    bare.pending(urgent())
    assert evictions(bare.step()) == [("urgent", "n1", ["a"])]


def test_where_all_victims_are_going_already_they_are_only_waited_for(bare: running.Bare) -> None:
    bare.seen(dying("a"), dying("b"))
    bare.pending(urgent())
    assert evictions(bare.step()) == []
    assert kept(bare) == {"urgent": "n1"}
    bare.gone("a")
    bare.gone("b")
    assert running.bound(bare.step()) == {"urgent": "n1"}


def test_what_fails_is_tried_again_after_a_pause(bare: running.Bare) -> None:
    bare.pending(urgent())
    bare.step()
    answer(bare, problem="403 Forbidden")
    assert bare.step() == []
    assert kept(bare) == {"urgent": "n1"}
    [again] = running.only(commands.Evict, bare.later(10))
    assert again.number == 2
    answer(bare, 1)
    assert bare.place("urgent") is Place.UNSCHEDULABLE
    bare.nodes(node("n2", cpu="4"))
    assert running.bound(bare.later(60)) == {}, "the answer was to another question"
    answer(bare, 2)
    assert running.bound(bare.step()) == {"urgent": "n2"}


@pytest.mark.parametrize("problem", ["", "500 Internal"])
def test_answers_to_nobody_change_nothing(bare: running.Bare, problem: str) -> None:
    assert answer(bare, 7, problem) == []
    bare.pending(urgent())
    bare.step()
    bare.kernel.handle(events.PendingGone(bare.now_s, "uid-urgent"))
    assert answer(bare, 1, problem) == []
    assert answer(bare, 1, problem) == []
    assert (kept(bare), len(bare.kernel.queue)) == ({}, 0)


def test_an_answer_that_never_comes_keeps_nobody_for_ever(bare: running.Bare) -> None:
    bare.pending(urgent())
    bare.step()
    bare.gone("a")
    bare.gone("b")
    assert running.bound(bare.later(331)) == {"urgent": "n1"}


def test_who_is_less_urgent_loses_the_room_to_who_is_more(bare: running.Bare) -> None:
    bare.pending(urgent("first", to="n1"))
    bare.step()
    answer(bare, name="first")
    bare.pending(urgent("second", priority=20))
    told = bare.step()
    assert evictions(told) == [("second", "n1", ["a", "b"])]
    assert [(one.pod.metadata.name, one.node) for one in running.only(commands.Nominate, told)] == [("first", "")]
    assert kept(bare) == {"second": "n1"}
    bare.pending(urgent("first", to="n1", labels={"seen": "again"}))
    assert kept(bare) == {"second": "n1"}, "the watch says what it said before"


def test_two_of_the_same_rank_get_room_of_their_own(bare: running.Bare) -> None:
    bare.nodes(node("n2", cpu="2"))
    bare.seen(pod("c", cpu="2", node="n2", priority=5))
    bare.pending(urgent("x"), urgent("y"))
    assert evictions(bare.step()) == [("x", "n1", ["a", "b"]), ("y", "n2", ["c"])]
    assert kept(bare) == {"x": "n1", "y": "n2"}


def test_what_was_decided_stands_until_the_watch_says_something_new(bare: running.Bare) -> None:
    bare.pending(urgent())
    bare.step()
    bare.pending(urgent(labels={"by": "its user"}))
    assert kept(bare) == {"urgent": "n1"}
    bare.pending(urgent(to="n1"))
    assert kept(bare) == {"urgent": "n1"}
    bare.pending(urgent())
    assert kept(bare) == {}, "somebody else took it away"


def test_where_nobody_can_be_made_to_go_the_nomination_ends(bare: running.Bare) -> None:
    bare.pending(urgent("big", cpu="3", to="n1"))
    [said] = running.only(commands.Unplaced, bare.step())
    assert (said.nominated, said.victims, kept(bare)) == ("", 0, {})


def test_one_that_may_not_preempt_keeps_the_room_that_it_has(bare: running.Bare) -> None:
    bare.pending(urgent("calm", to="n1", preemptionPolicy="Never"))
    [said] = running.only(commands.Unplaced, bare.step())
    assert (said.nominated, kept(bare)) == (None, {"calm": "n1"})


def test_one_that_upstream_does_not_ask_about_keeps_the_room_that_it_has(bare: running.Bare) -> None:
    missing = [{"name": "v", "persistentVolumeClaim": {"claimName": "missing"}}]
    bare.pending(urgent("early", to="n1", volumes=missing))
    [said] = running.only(commands.Unplaced, bare.step())
    assert said.record.message.endswith('persistentvolumeclaim "missing" not found. not found')
    assert (said.nominated, kept(bare)) == (None, {"early": "n1"})


def test_one_whose_binding_is_sent_is_deleted_like_any_other(bare: running.Bare) -> None:
    bare.gone("a")
    bare.pending(pod("sent"))
    assert running.bound(bare.step()) == {"sent": "n1"}
    bare.pending(urgent())
    assert evictions(bare.step()) == [("urgent", "n1", ["b", "sent"])]
