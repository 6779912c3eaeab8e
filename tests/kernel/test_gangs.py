"""Pods that name a gang by their annotations are placed all together or not at all, wherever there is a scheduler."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.api import core, names, verdicts
from scheduler.kernel import commands, events, places
from tests.kernel import running
from tests.kernel.running import node, pod
from tests.state import build

Place = places.Place


@pytest.fixture
def bare(bare: running.Bare) -> running.Bare:
    bare.nodes(node("n1", cpu="2"), node("n2", cpu="2"))
    return bare


def member(name: str, size: int | str = 2, *, timeout: str = "", gang: str = "g", **changes: Any) -> core.Pod:
    notes = {names.GANG: gang, names.GANG_SIZE: str(size)}
    if timeout:
        notes[names.GANG_TIMEOUT_SECONDS] = timeout
    return pod(name, annotations=notes | changes.pop("annotations", {}), **changes)


def told(given: list[commands.Command]) -> dict[str, str]:
    return {one.pod.metadata.name: one.record.message for one in running.only(commands.Unplaced, given)}


def test_a_gang_waits_silently_for_its_pods(bare: running.Bare) -> None:
    bare.pending(member("a"), member("other", gang="h"), member("stranger", namespace="elsewhere"))
    assert bare.step() == []
    bare.pending(member("b"))
    assert running.bound(bare.step()).keys() == {"a", "b"}


def test_without_room_for_all_none_is_bound_and_nothing_stays_taken(bare: running.Bare) -> None:
    bare.pending(*(member(name, 3, cpu="2") for name in "abc"))
    given = bare.step()
    assert running.bound(given) == {}
    assert told(given)["a"] == "minCount (3) cannot be satisfied: 2 scheduled, 0 remaining"
    assert not bare.kernel.state.freeze().placed
    bare.nodes(node("n3", cpu="2"))
    assert running.bound(bare.later(2)).keys() == set("abc")


def test_after_the_time_out_they_are_told_who_is_missing_and_sleep_until_it_comes(bare: running.Bare) -> None:
    bare.pending(member("a", 3, timeout="30"), member("b", 3, timeout="30"))
    assert [bare.step(), bare.later(29.0)] == [[], []]
    assert bare.kernel.wait_s() == pytest.approx(1.0)
    assert told(bare.later(1.0)) == dict.fromkeys("ab", "gang g: 2 of 3 pods are there, after 30 s")
    assert bare.place("a") is bare.place("b") is Place.UNSCHEDULABLE
    assert bare.later(60.0) == []
    bare.pending(member("c", 3, timeout="30"))
    assert running.bound(bare.step()).keys() == set("abc")


def test_with_data_they_wait_for_nobody_else(bare: running.Bare) -> None:
    reads = build.data(inputs=["photos/a,1000"])
    bare.pending(member("a", annotations=reads), member("b", annotations=reads))
    for asked in running.only(commands.AskData, bare.step()):
        bare.kernel.handle(events.DataAnswered(bare.now_s, asked.pod.metadata.uid, None))
    assert running.bound(bare.step()).keys() == {"a", "b"}


def test_who_leaves_the_gang_is_placed_by_itself(bare: running.Bare) -> None:
    bare.pending(member("a"))
    bare.step()
    bare.pending(pod("a"))
    assert running.bound(bare.step()).keys() == {"a"}
    bare.pending(member("b"))
    assert bare.step() == [], "a is of it no longer"


def test_a_smaller_gang_goes_on(bare: running.Bare) -> None:
    bare.pending(member("a", timeout="1"))
    bare.step()
    assert told(bare.later(1.0)) == {"a": "gang g: 1 of 2 pods are there, after 1 s"}
    bare.pending(member("a", 1, timeout="1"))
    assert running.bound(bare.later(10.0)).keys() == {"a"}


def test_a_binding_that_fails_is_tried_again_by_itself(bare: running.Bare) -> None:
    bare.pending(member("a"), member("b"))
    bare.step()
    bare.seen(member("b", node="n2"))
    bare.answer("b", verdicts.Verdict.BOUND)
    bare.answer("a", verdicts.Verdict.REFUSED)
    assert running.bound(bare.later(2)).keys() == {"a"}


@pytest.mark.parametrize(
    ("gang", "size", "named"),
    [
        pytest.param("g", "many", names.GANG_SIZE, id="size"),
        pytest.param("g", "0", names.GANG_SIZE, id="nobody"),
        pytest.param("no name!", "2", names.GANG, id="name"),
    ],
)
def test_what_cannot_be_read_is_named_and_the_pod_is_placed_by_itself(
    bare: running.Bare, gang: str, size: str, named: str
) -> None:
    bare.pending(member("a", size, gang=gang))
    given = bare.step()
    [problems] = running.only(commands.BadAnnotations, given)
    assert [one.where for one in problems.problems] == [named]
    assert running.bound(given).keys() == {"a"}


def test_of_pods_that_are_gone_nothing_is_kept(bare: running.Bare) -> None:
    bare.pending(member("a"), member("b", cpu="9"))
    bare.step()
    for name in "ab":
        bare.kernel.handle(events.PendingGone(bare.now_s, f"uid-{name}"))
    assert (bare.kernel.groups._pods, bare.kernel.groups._group_of) == ({}, {})
