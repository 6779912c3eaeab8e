"""Pods of a gang are bound all together, or none is; until enough of them are there, they wait and are told nothing."""

from typing import Any

import pytest

from scheduler.api import core, podgroups, verdicts
from scheduler.kernel import commands, events, kernel, places
from tests.kernel import running
from tests.kernel.running import node, pod

Place = places.Place


@pytest.fixture
def bare(bare: running.Bare) -> running.Bare:
    bare.nodes(node("n1", cpu="2"), node("n2", cpu="2"))
    bare.kernel.handle(events.GroupsKnown(bare.now_s))
    return bare


def group(bare: running.Bare, least: int | None, **more: Any) -> None:
    """A group named g is there, or is another: a gang of so many at least, or of pods by themselves."""
    policy: dict[str, Any] = {"basic": {}} if least is None else {"gang": {"minCount": least}}
    body = {"metadata": {"name": "g", "namespace": "default"}, "spec": {"schedulingPolicy": policy, **more}}
    bare.kernel.handle(events.GroupSeen(bare.now_s, core.convert(body, podgroups.PodGroup, "g")))


def member(name: str, **changes: Any) -> core.Pod:
    return pod(name, schedulingGroup={"podGroupName": "g"}, **changes)


def told(given: list[commands.Command]) -> dict[str, str]:
    return {one.pod.metadata.name: one.record.message for one in running.only(commands.Unplaced, given)}


def test_a_gang_waits_for_its_group_and_for_enough_of_its_pods_and_is_told_nothing(bare: running.Bare) -> None:
    bare.pending(member("a"))
    assert bare.step() == []
    group(bare, 2)
    assert bare.step() == []
    bare.pending(member("other", namespace="elsewhere"))
    assert bare.step() == []
    bare.pending(member("b"))
    assert running.bound(bare.step()).keys() == {"a", "b"}


def test_without_room_for_enough_none_is_bound_and_nothing_stays_taken(bare: running.Bare) -> None:
    group(bare, 3)
    bare.pending(member("a", cpu="2"), member("b", cpu="2"), member("c", cpu="2"))
    given = bare.step()
    assert running.bound(given) == {}
    assert told(given)["a"] == told(given)["b"] == "minCount (3) cannot be satisfied: 2 scheduled, 0 remaining"
    assert told(given)["c"].startswith("0/2 nodes are available: 2 Insufficient cpu")
    assert bare.place("a") is bare.place("b") is bare.place("c") is Place.UNSCHEDULABLE
    assert not bare.kernel.state.freeze().placed
    bare.pending(pod("alone", cpu="2"))
    assert running.bound(bare.step()).keys() == {"alone"}


def test_whatever_helps_one_has_all_tried(bare: running.Bare) -> None:
    group(bare, 3)
    bare.pending(*(member(name, cpu="2") for name in "abc"))
    bare.step()
    bare.nodes(node("n3", cpu="2"))
    assert running.bound(bare.step()).keys() == set("abc")


def test_nobody_more_is_tried_once_so_few_are_left_that_it_cannot_be(bare: running.Bare) -> None:
    group(bare, 3)
    bare.pending(member("a", cpu="8"), member("b"), member("c"))
    given = told(bare.step())
    assert given["b"] == given["c"] == "minCount (3) cannot be satisfied: 0 scheduled, 2 remaining"


def test_those_beyond_what_is_wanted_are_bound_if_there_is_room_and_wait_else(bare: running.Bare) -> None:
    group(bare, 2)
    bare.pending(*(member(name, cpu="2") for name in "abc"))
    given = bare.step()
    assert running.bound(given).keys() == {"a", "b"}
    assert bare.place("c") is Place.UNSCHEDULABLE
    bare.nodes(node("n3", cpu="2"))
    assert running.bound(bare.step()).keys() == {"c"}, "its gang has enough by now"


def test_who_is_placed_counts_and_who_is_gone_does_not(bare: running.Bare) -> None:
    group(bare, 3)
    bare.seen(member("there", node="n1"))
    bare.pending(member("a"), member("gone"))
    bare.kernel.handle(events.PendingGone(bare.now_s, "uid-gone"))
    assert bare.step() == []
    bare.pending(member("b"))
    assert running.bound(bare.step()).keys() == {"a", "b"}


def test_a_gang_that_wants_fewer_now_goes_on(bare: running.Bare) -> None:
    group(bare, 3)
    bare.pending(*(member(name, cpu="2") for name in "abc"))
    bare.step()
    group(bare, 2)
    assert len(running.bound(bare.step())) == 2


def test_a_group_of_pods_by_themselves_holds_nobody_back(bare: running.Bare) -> None:
    group(bare, None)
    bare.pending(member("a", cpu="2"), member("b", cpu="9"))
    assert running.bound(bare.step()).keys() == {"a"}


def test_what_else_a_group_asks_for_is_refused_by_name(bare: running.Bare) -> None:
    group(bare, 1, schedulingConstraints={"topology": [{"key": "rack"}]})
    bare.pending(member("a"))
    [refused] = running.only(commands.Unplaced, bare.step())
    assert refused.record.outcome == "unsupported"
    assert refused.record.message == "GangScheduling: cannot honour spec.schedulingConstraints of PodGroup g"


def test_a_group_that_asks_for_less_has_its_pods_tried_again(bare: running.Bare) -> None:
    group(bare, 1, schedulingConstraints={"topology": [{"key": "rack"}]})
    bare.pending(member("a"))
    bare.step()
    group(bare, 1)
    assert running.bound(bare.step()).keys() == {"a"}


def test_nobody_is_evicted_for_a_gang_that_does_not_fit(bare: running.Bare) -> None:
    group(bare, 3)
    bare.seen(pod("victim", cpu="2", node="n1", priority=-1))
    bare.pending(*(member(name, cpu="2", priority=1) for name in "abc"))
    given = bare.step()
    assert not running.only(commands.Evict, given)
    assert told(given).keys() == set("abc")


def test_a_binding_that_fails_is_tried_again_by_itself(bare: running.Bare) -> None:
    group(bare, 2)
    bare.pending(member("a"), member("b"))
    bare.step()
    bare.seen(member("b", node="n2"))
    bare.answer("b", verdicts.Verdict.BOUND)
    bare.answer("a", verdicts.Verdict.REFUSED)
    assert running.bound(bare.later(2)).keys() == {"a"}


def test_where_there_are_no_groups_a_pod_that_names_one_is_told_so_until_there_are() -> None:
    bare = running.Bare(kernel.Kernel(running.SETTINGS, "home", seed=1))
    bare.nodes(node("n1"))
    bare.pending(member("a"))
    [refused] = running.only(commands.Unplaced, bare.step())
    assert "spec.schedulingGroup" in refused.record.message
    group(bare, 1)
    bare.kernel.handle(events.GroupsKnown(bare.now_s))
    assert running.bound(bare.step()).keys() == {"a"}


def test_of_pods_that_are_gone_nothing_is_kept(bare: running.Bare) -> None:
    group(bare, 2)
    bare.pending(member("a"), member("b"), member("c", cpu="9"))
    bare.step()
    for name in "ab":
        bare.answer(name, verdicts.Verdict.BOUND)
        bare.seen(member(name, node="n1"))
        bare.kernel.handle(events.PendingGone(bare.now_s, f"uid-{name}"))
    assert bare.kernel.groups._pods == {("default", "g"): dict.fromkeys(["uid-a", "uid-b", "uid-c"])}
    for name in "ab":
        bare.gone(name)
    bare.kernel.handle(events.PendingGone(bare.now_s, "uid-c"))
    assert (bare.kernel.groups._pods, bare.kernel.groups._group_of) == ({}, {})


def test_for_a_gang_that_does_not_fit_nobody_goes_and_no_room_is_kept(bare: running.Bare) -> None:
    bare.seen(pod("runs", cpu="2", node="n2"))
    group(bare, 3)
    bare.pending(*(member(name, cpu="2", priority=10) for name in "abc"))
    given = bare.step()
    assert running.only(commands.Evict, given) == []
    assert not bare.kernel.state.freeze().nominated_pods
