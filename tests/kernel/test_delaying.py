"""A pod waits for room where its data is if that is expected to pay, never beyond its cap, and never without data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler.api import core, names, verdicts
from scheduler.kernel import commands, events, kernel, places, validation
from tests.kernel import running
from tests.state import build

GB = 1_000_000_000
ON_N1 = build.data(inputs=[f"photos/a,{GB}"])  # 20 s from another region, 1 s on the node itself

TWICE = build.data(inputs=[f"photos/a,{2 * GB}"])  # saves 38 s


def node(name: str, *, cpu: str = "1", **changes: Any) -> core.Node:
    return running.node(name, cpu=cpu, labels={names.REGION_LABEL: f"region-{name}"}, **changes)


def resident(seconds: float, *, name: str = "resident", on: str = "n1", cpu: str = "1") -> core.Pod:
    """A pod on a node that declares to work so long."""
    return running.pod(name, cpu=cpu, node=on, annotations=build.data(inputs=[f"other/x,0,{seconds}"]))


def wanting(name: str = "new", **changes: Any) -> core.Pod:
    """A pod whose data is on n1."""
    return running.pod(name, annotations=ON_N1 | changes.pop("annotations", {}), **changes)


def made(**settings: Any) -> running.Bare:
    alone = dataclasses.replace(running.SETTINGS, batch_window_s=0.0)  # nobody waits for others, too
    bare = running.Bare(kernel.Kernel(dataclasses.replace(alone, **settings), "home", seed=1))
    bare.nodes(node("n1"), node("n2", cpu="4"))
    obj = build.as_data_object(build.data_object("photos/a", at=["n1"], size=GB))
    bare.kernel.handle(events.ObjectSeen(bare.now_s, obj))
    return bare


@pytest.fixture
def bare() -> Iterator[running.Bare]:
    bare = made()
    yield bare
    validation.check(bare.kernel)


def step(bare: running.Bare) -> list[commands.Command]:
    """What follows, with each question about data answered by: now."""
    given = bare.step()
    for asked in running.only(commands.AskData, given):
        given += bare.kernel.handle(events.DataAnswered(bare.now_s, asked.pod.metadata.uid, None))
    return given + bare.step()


def came(bare: running.Bare, *pods: core.Pod) -> list[commands.Command]:
    bare.pending(*pods)
    return step(bare)


def later(bare: running.Bare, seconds: float) -> list[commands.Command]:
    bare.now_s += seconds
    return step(bare)


def test_it_waits_for_room_that_comes_soon_and_is_told_once(bare: running.Bare) -> None:
    bare.seen(resident(5))
    given = came(bare, wanting())
    assert running.bound(given) == {}
    [told] = running.only(commands.Delayed, given)
    assert (told.node, told.record.outcome, told.record.node) == ("n1", "waiting", "")
    assert told.record.message == "waiting up to 6 s for room on n1, which saves 19 s of transfers against n2"
    assert bare.place("new") is places.Place.HELD
    assert bare.kernel.wait_s() == pytest.approx(6.0)
    bare.now_s += 4
    bare.gone("resident")
    given = step(bare)
    assert running.bound(given) == {"new": "n1"}
    [over] = running.only(commands.DelayOver, given)
    assert (over.node, over.waited_s, over.is_met) == ("n1", 4.0, True)
    assert not running.only(commands.Delayed, given)


def test_when_the_room_does_not_come_it_takes_what_there_is(bare: running.Bare) -> None:
    bare.seen(resident(5))
    came(bare, wanting())
    given = [command for _ in range(20) for command in later(bare, 1.0)]
    assert running.bound(given) == {"new": "n2"}
    [over] = running.only(commands.DelayOver, given)
    assert (over.node, over.is_met) == ("n2", False)
    assert over.waited_s <= 15.0 + 1.0


@pytest.mark.parametrize(
    ("others", "changes"),
    [
        pytest.param([resident(12.5)], {}, id="that takes about as long"),
        pytest.param([resident(25)], {"annotations": TWICE}, id="that takes two thirds of what is saved"),
        pytest.param([running.pod("resident", node="n1")], {}, id="nobody knows how long"),
        pytest.param([resident(5)], {"annotations": {names.MAX_DELAY_SECONDS: "0"}}, id="it says so itself"),
        pytest.param([resident(5)], {"annotations": {names.MAX_DELAY_SECONDS: "4"}}, id="it says not so long"),
        pytest.param([resident(5)], {"cpu": "2"}, id="it would never fit"),
        pytest.param([resident(5)], {"nodeSelector": {"not": "there"}}, id="it may not go there"),
    ],
)
def test_it_does_not_wait_where_that_would_not_pay_or_cannot_be(others: list[core.Pod], changes: Any) -> None:
    bare = made()
    bare.nodes(node("n2", cpu="4", spec={}, metadata={"labels": {"not": "there", names.REGION_LABEL: "region-n2"}}))
    bare.seen(*others)
    assert running.bound(came(bare, wanting(**changes))) == {"new": "n2"}


def test_it_does_not_wait_for_a_node_that_is_cordoned(bare: running.Bare) -> None:
    bare.nodes(node("n1", spec={"unschedulable": True}))
    bare.seen(resident(5))
    assert running.bound(came(bare, wanting())) == {"new": "n2"}


def test_who_saves_much_waits_for_longer_but_no_longer_than_two_thirds_of_that(bare: running.Bare) -> None:
    bare.seen(resident(17))
    assert running.bound(came(bare, wanting(annotations=TWICE))) == {}
    given = [command for _ in range(30) for command in later(bare, 1.0)]
    assert running.bound(given) == {"new": "n2"}
    [over] = running.only(commands.DelayOver, given)
    assert 18.0 <= over.waited_s <= 38 / 1.5 + 1


def test_a_pod_may_ask_for_a_longer_wait_than_is_usual() -> None:
    bare = made(max_delay_s=15.0)
    bare.seen(resident(15.5))
    assert running.bound(came(bare, wanting("other", annotations=TWICE))) == {"other": "n2"}
    assert running.bound(came(bare, wanting(annotations=TWICE | {names.MAX_DELAY_SECONDS: "30"}))) == {}
    bare.gone("resident")
    step(bare)


def test_a_wait_that_cannot_be_read_is_named_and_the_usual_one_holds(bare: running.Bare) -> None:
    bare.seen(resident(5))
    given = came(bare, wanting(annotations={names.MAX_DELAY_SECONDS: "soon"}))
    [told] = running.only(commands.BadAnnotations, given)
    assert told.problems[0].where == names.MAX_DELAY_SECONDS
    assert bare.place("new") is places.Place.HELD


def test_a_pod_without_data_never_waits(bare: running.Bare) -> None:
    bare.seen(resident(5))
    assert running.bound(came(bare, running.pod("plain"))) == {"plain": "n2"}


def test_switched_off_nobody_waits() -> None:
    bare = made(max_delay_s=0.0)
    bare.seen(resident(5))
    assert running.bound(came(bare, wanting())) == {"new": "n2"}


def test_who_waits_already_has_the_room_first(bare: running.Bare) -> None:
    bare.seen(resident(5))
    assert running.bound(came(bare, wanting("first"))) == {}
    bare.now_s += 0.1  # not so soon that both are planned for together
    assert running.bound(came(bare, wanting("second"))) == {"second": "n2"}


def test_who_reads_what_others_read_waits_only_for_what_takes_half_of_what_it_saves(bare: running.Bare) -> None:
    bare.seen(resident(11))
    bare.pending(wanting("gated", schedulingGates=[{"name": "later"}]))
    assert running.bound(came(bare, wanting())) == {"new": "n2"}


def test_who_reads_alone_waits_for_what_takes_more(bare: running.Bare) -> None:
    bare.seen(resident(11))
    assert running.bound(came(bare, wanting())) == {}


def test_several_wait_for_one_node_as_long_as_those_before_them_are_soon_done(bare: running.Bare) -> None:
    works = build.data(inputs=[f"photos/a,{2 * GB},2"])  # and 2 s to read there
    bare.seen(resident(3))
    for name in ("first", "second", "third"):
        assert running.bound(came(bare, wanting(name, annotations=works))) == {}
        bare.now_s += 0.1
    before = "resident"
    for name in ("first", "second", "third"):
        bare.now_s += 3
        bare.gone(before)
        given = step(bare)
        assert running.bound(given) == {name: "n1"}
        bare.answer(name, verdicts.Verdict.BOUND)
        bare.seen(running.pod(name, annotations=works, node="n1"))
        before = name


def test_how_long_others_run_is_learned(bare: running.Bare) -> None:
    for number in range(2):
        bare.seen(running.pod(f"resident-{number}", node="n1"))
        bare.now_s += 5
        bare.gone(f"resident-{number}")
    bare.seen(running.pod("resident-3", node="n1"))
    assert running.bound(came(bare, wanting())) == {}
    [told] = [record for _, record in bare.kernel.journal.of("default/new")]
    assert told.outcome == "waiting"


def test_of_pods_planned_for_together_one_waits_for_what_another_gets_before_it() -> None:
    bare = made(batch_window_s=0.05)
    works = build.data(inputs=[f"photos/a,{4 * GB},4"])
    given = came(bare, wanting("first"), wanting("second", annotations=works))
    bare.now_s += 0.05
    given += step(bare)
    assert running.bound(given) == {"second": "n1"}
    assert [told.node for told in running.only(commands.Delayed, given)] == ["n1"]


def test_of_a_pod_that_is_gone_nothing_is_kept(bare: running.Bare) -> None:
    bare.seen(resident(5))
    came(bare, wanting())
    assert bare.kernel.delaying.waiting() == {"uid-new": "n1"}
    bare.kernel.handle(events.PendingGone(bare.now_s, "uid-new"))
    assert bare.kernel.delaying.waiting() == {}


Arrival = tuple[float, float, bool, int, float | None]


@hypothesis.given(
    st.lists(
        st.tuples(
            st.floats(0, 5),
            st.floats(0.5, 30),
            st.booleans(),
            st.sampled_from([1, 2, 8, 80]),
            st.none() | st.sampled_from([0.0, 2.0, 7.5, 40.0]),
        ),
        min_size=1,
        max_size=14,
    ),
    st.none() | st.floats(0.5, 20),
)
def test_whoever_comes_when_nobody_who_could_be_placed_waits_longer_than_its_cap(
    arrivals: list[Arrival], usual_s: float | None
) -> None:
    """Each pod works as long as it says, or not; n2 has room for all, so that each could be placed at once."""
    bare = made(max_delay_s=usual_s, contention=False)
    bare.nodes(node("n2", cpu="100"))
    cap_s: dict[str, float] = {}
    came_s: dict[str, float] = {}
    over_s: dict[str, float] = {}
    ends: list[tuple[float, str]] = []
    coming = []
    time_s = bare.now_s
    for number, (gap_s, works_s, is_honest, size_gb, own_s) in enumerate(arrivals):
        time_s += gap_s
        notes = build.data(inputs=[f"photos/a,{size_gb * GB},{works_s}"])
        if own_s is not None:
            notes[names.MAX_DELAY_SECONDS] = str(own_s)
            cap_s[f"p{number}"] = own_s
        elif usual_s is not None:
            cap_s[f"p{number}"] = usual_s
        else:
            cap_s[f"p{number}"] = min(max(15.0, 20.0 * size_gb / 1.5), 600.0)  # of the seconds from n1 to n2
        coming.append((time_s, f"p{number}", notes, works_s if is_honest else 3 * works_s))
    works_of = {name: works_s for _, name, _, works_s in coming}
    notes_of = {name: notes for _, name, notes, _ in coming}

    def take(given: list[commands.Command]) -> None:
        for name, where in running.bound(given).items():
            over_s[name] = bare.now_s - came_s[name]
            bare.answer(name, verdicts.Verdict.BOUND)
            bare.seen(running.pod(name, annotations=notes_of[name], node=where))
            bare.kernel.handle(events.PendingGone(bare.now_s, f"uid-{name}"))
            ends.append((bare.now_s + works_of[name], name))

    while coming or ends or len(over_s) < len(cap_s):
        wait_s = bare.kernel.wait_s()
        due = [bare.now_s + wait_s] if wait_s is not None else []
        due += [coming[0][0]] if coming else []
        due += [min(ends)[0]] if ends else []
        bare.now_s = max(bare.now_s, min(due))
        while coming and coming[0][0] <= bare.now_s:
            _, name, notes, _ = coming.pop(0)
            came_s[name] = bare.now_s
            bare.pending(running.pod(name, annotations=notes))
        for end_s, name in sorted(ends):
            if end_s <= bare.now_s:
                ends.remove((end_s, name))
                bare.gone(name)
        take(step(bare))
        validation.check(bare.kernel)
    for name, waited_s in over_s.items():
        assert waited_s <= cap_s[name] + 2 * running.SETTINGS.batch_window_s + 1e-6
    assert bare.kernel.delaying.waiting() == {}
