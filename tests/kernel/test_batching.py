"""Pods with data that come together are placed together, and nobody waits for that who need not."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from scheduler.api import core, crd, verdicts
from scheduler.kernel import commands, events, journal, kernel, places, validation
from tests.fakeapi import objects
from tests.kernel import running
from tests.kernel.running import bound, node, only, pod

Place = places.Place

GB = 1_000_000_000
PAUSE_S = 0.005  # who else is coming comes by then
WINDOW_S = 0.05
SETTINGS = dataclasses.replace(running.SETTINGS, binds_in_flight=1000)


class Bare(running.Bare):
    """A kernel whose driver has nothing to say about anybody's data."""

    def step(self, budget: int = 1) -> list[commands.Command]:
        """One step after the other, as a live driver takes them, for as long as there is something to do."""
        done: list[commands.Command] = []
        while True:
            given = self.kernel.step(self.now_s, self.now_s, budget)
            done += [one for one in given if not isinstance(one, commands.AskData)]
            for one in only(commands.AskData, given):
                self.kernel.handle(events.DataAnswered(self.now_s, one.pod.metadata.uid, None))
            if self.kernel.wait_s() != 0:
                return done

    def data(self, name: str, *nodes: str) -> None:
        obj = core.convert(objects.data_object(name, f"bucket/{name}", nodes=nodes), crd.DataObject, name)
        self.kernel.handle(events.ObjectSeen(self.now_s, obj))

    def records(self, name: str) -> list[journal.Record]:
        return [record for _, record in self.kernel.journal.of(f"default/{name}")]


@pytest.fixture
def bare() -> Any:
    """Two nodes with room for one pod each, far from each other; all data is on the first."""
    made = Bare(kernel.Kernel(SETTINGS, "home", seed=1))
    for name in ("near", "far"):
        made.nodes(node(name, cpu="1", labels={"topology.kubernetes.io/region": name}))
    made.data("small", "near")
    made.data("large", "near")
    yield made
    validation.check(made.kernel)


def reader(name: str, urn: str = "small", *, gb: int = 1, **changes: Any) -> core.Pod:
    return pod(name, annotations={"data.scheduler.thesis/input-1": f"bucket/{urn},{gb * GB}"}, **changes)


def test_one_alone_is_decided_at_once(bare: Bare) -> None:
    bare.pending(reader("p"))
    assert bound(bare.step()) == {"p": "near"}
    assert bare.records("p")[0].jointly is None


def test_two_that_come_together_are_placed_for_the_good_of_both(bare: Bare) -> None:
    bare.pending(reader("p", "small", gb=1), reader("q", "large", gb=10))
    assert bare.step() == [], "others may be coming"
    given = bare.later(PAUSE_S)
    assert bound(given) == {"p": "far", "q": "near"}
    (planned,) = only(commands.Planned, given)
    assert (planned.pods, planned.placed, planned.is_contested) == (2, 2, True)
    # One by one: 1 s and 200 s. Together: 20 s and 10 s. Criteria other than data are the same for both nodes.
    assert planned.saved_s == pytest.approx(201 - 30, abs=0.5)
    assert planned.bound <= planned.cost


def test_who_gave_way_is_told_what_for(bare: Bare) -> None:
    bare.pending(reader("p", "small", gb=1), reader("q", "large", gb=10))
    bare.step()
    bare.later(PAUSE_S)
    (gave,), (got,) = bare.records("p"), bare.records("q")
    assert gave.jointly is not None
    assert got.jointly is not None
    assert (gave.jointly.others, gave.jointly.node, gave.jointly.alone) == (1, "far", "near")
    assert (gave.jointly.outcome, gave.deciding) == (journal.KEPT, "joint")
    assert gave.jointly.forgone_s == pytest.approx(19, abs=0.1)
    assert (got.jointly.node, got.jointly.alone) == ("near", "far")
    assert got.jointly.forgone_s == pytest.approx(-190, abs=0.5)
    assert gave.jointly.saved_s == got.jointly.saved_s == pytest.approx(171, abs=0.5)


def stage(name: str, *, works_s: int) -> core.Pod:
    """What reads the same as all others of its kind, works for so long, and has its output awaited by ``end``."""
    return pod(
        name,
        annotations={
            "data.scheduler.thesis/input-1": f"bucket/small,{GB},{works_s}",
            "data.scheduler.thesis/output-1": f"bucket/{name},0",
        },
    )


def test_who_of_a_pipeline_has_most_to_come_gets_what_is_best_and_others_give_way(bare: Bare) -> None:
    inputs = {f"data.scheduler.thesis/input-{number}": f"bucket/{name},1" for number, name in enumerate("pq", 1)}
    bare.pending(pod("end", annotations=inputs, schedulingGates=[{"name": "after"}]))
    bare.pending(stage("p", works_s=10), stage("q", works_s=1000))
    bare.step()
    assert bound(bare.later(PAUSE_S)) == {"p": "far", "q": "near"}


def test_where_nobody_is_in_anybodys_way_each_takes_what_is_best_for_it(bare: Bare) -> None:
    bare.nodes(node("near", cpu="2", labels={"topology.kubernetes.io/region": "near"}))
    bare.pending(reader("p"), reader("q"))
    bare.step()
    given = bare.later(PAUSE_S)
    assert bound(given) == {"p": "near", "q": "near"}
    assert not only(commands.Planned, given)[0].is_contested
    assert bare.records("p")[0].jointly is None


def test_a_window_of_nothing_places_each_by_itself() -> None:
    alone = Bare(kernel.Kernel(dataclasses.replace(SETTINGS, batch_window_s=0.0), "home", seed=1))
    alone.nodes(*(node(name, cpu="1", labels={"topology.kubernetes.io/region": name}) for name in ("near", "far")))
    alone.data("small", "near")
    alone.pending(reader("p"), reader("q", gb=10))
    assert bound(alone.step()) == {"p": "near", "q": "far"}


def test_a_pod_without_data_does_not_wait(bare: Bare) -> None:
    bare.nodes(node("third", cpu="1"))
    bare.pending(reader("p"), reader("q"), pod("plain"))
    assert list(bound(bare.step())) == ["plain"]
    assert (bare.place("p"), bare.place("q")) == (Place.GATHERED, Place.GATHERED)


def test_nobody_less_urgent_goes_before(bare: Bare) -> None:
    bare.pending(reader("p", priority=5), reader("q", gb=10, priority=5), pod("plain", priority=1))
    given = bare.step()
    assert bound(given) == {"p": "far", "q": "near"}, "without waiting for more"
    assert bare.place("plain") is Place.UNSCHEDULABLE


def test_the_more_urgent_go_first_and_by_themselves(bare: Bare) -> None:
    bare.pending(reader("p", gb=100), reader("q", gb=100))
    assert bare.step() == []
    bare.pending(reader("urgent", priority=9))
    assert bound(bare.step()) == {"urgent": "near"}, "however much the others lose by that"
    assert list(bound(bare.later(PAUSE_S)).values()) == ["far"]
    assert {bare.place("p"), bare.place("q")} == {Place.BINDING, Place.UNSCHEDULABLE}


def test_two_batches_of_different_priorities_do_not_mix(bare: Bare) -> None:
    bare.nodes(*(node(f"n{number}", cpu="2") for number in range(2)))
    bare.pending(reader("a"), reader("b"))
    bare.step()
    bare.pending(reader("c", priority=1), reader("d", priority=1))
    given = [*bare.step(), *bare.later(PAUSE_S)]
    assert [one.pods for one in only(commands.Planned, given)] == [2, 2]
    assert set(list(bound(given))[:2]) == {"c", "d"}


def test_nobody_waits_longer_than_the_window(bare: Bare) -> None:
    bare.nodes(node("large", cpu="1000"))
    began_s = bare.now_s
    bare.pending(reader("p0"), reader("p1"))
    given = bare.step()
    for number in range(2, 30):
        assert bare.now_s - began_s <= WINDOW_S
        bare.pending(reader(f"p{number}"))
        given += bare.later(0.004)
        if given:
            break
    assert bare.now_s - began_s == pytest.approx(WINDOW_S, abs=0.004)
    assert only(commands.Planned, given)[0].pods == 14


def test_one_that_follows_within_moments_of_another_is_waited_with(bare: Bare) -> None:
    bare.nodes(node("large", cpu="1000"))
    bare.pending(reader("first"))
    assert list(bound(bare.step())) == ["first"]
    bare.now_s += 0.002
    bare.pending(reader("second"))
    assert bare.step() == []
    bare.now_s += 0.002
    bare.pending(reader("third"))
    assert set(bound([*bare.step(), *bare.later(PAUSE_S)])) == {"second", "third"}


def test_a_plan_is_of_so_many_pods_at_most(bare: Bare) -> None:
    bare.nodes(node("large", cpu="1000", status={"allocatable": {"cpu": "1000", "memory": "64Gi", "pods": "500"}}))
    bare.pending(*(reader(f"p{number}") for number in range(300)))
    given = [*bare.step(), *(one for _ in range(3) for one in bare.later(PAUSE_S))]
    assert [one.pods for one in only(commands.Planned, given)] == [128, 128, 44]
    assert len(bound(given)) == 300


def test_the_most_urgent_of_a_pipeline_are_planned_for_first_however_many_came_before(bare: Bare) -> None:
    bare.nodes(node("large", cpu="1000", status={"allocatable": {"cpu": "1000", "memory": "64Gi", "pods": "500"}}))
    reads = {"data.scheduler.thesis/input-1": "bucket/p000,1", "data.scheduler.thesis/input-2": "bucket/p199,1"}
    bare.pending(pod("end", annotations=reads, schedulingGates=[{"name": "after"}]))
    bare.pending(*(stage(f"p{number:03}", works_s=1000 if number == 199 else 10) for number in range(200)))
    assert "p199" in list(bound([*bare.step(), *bare.later(PAUSE_S)]))[:128]


def test_one_plan_is_carried_out_before_the_next_is_made(bare: Bare) -> None:
    bare.nodes(node("large", cpu="1000", status={"allocatable": {"cpu": "1000", "memory": "64Gi", "pods": "500"}}))
    bare.pending(*(reader(f"p{number:03}") for number in range(200)))
    given = [*bare.step(), *bare.later(PAUSE_S), *bare.later(PAUSE_S)]
    order = [type(one) for one in given if isinstance(one, commands.Planned | commands.Bind)]
    assert order == [commands.Planned, *[commands.Bind] * 128, commands.Planned, *[commands.Bind] * 72]


def test_while_some_are_gathered_nobody_is_tried_before_its_backoff_ends(bare: Bare) -> None:
    bare.pending(pod("huge", cpu="2"))
    bare.step()
    bare.pending(reader("p"), reader("q"))
    bare.nodes(node("larger", cpu="1"))
    bare.seen(pod("other", node="larger"))
    bare.step()
    bare.nodes(node("larger", cpu="3"))
    assert bare.place("huge") is Place.BACKOFF
    assert bare.step() == []
    assert bare.place("huge") is Place.BACKOFF


def test_who_changes_or_goes_is_out_of_the_batch(bare: Bare) -> None:
    bare.nodes(node("large", cpu="1000"))
    bare.pending(reader("p"), reader("q"), reader("r"))
    bare.step()
    bare.pending(pod("p", annotations={}))
    bare.kernel.handle(events.PendingGone(bare.now_s, "uid-q"))
    assert list(bound(bare.step())) == ["p"]
    given = bare.later(PAUSE_S)
    assert list(bound(given)) == ["r"]
    assert only(commands.Planned, given) == [], "there is nobody left to plan with"


def test_a_node_that_is_gone_when_the_turn_comes_is_not_taken(bare: Bare) -> None:
    bare.nodes(node("third", cpu="1", labels={"topology.kubernetes.io/region": "far"}))
    bare.pending(reader("p"), reader("q", gb=10))
    bare.step()
    bare.now_s += PAUSE_S
    assert only(commands.Planned, bare.kernel.step(bare.now_s, bare.now_s, 1))
    bare.kernel.handle(events.NodeGone(bare.now_s, "near"))
    assert set(bound(bare.step()).values()) == {"far", "third"}
    (record,) = bare.records("q")
    assert record.jointly is not None
    assert record.jointly.outcome == journal.OVERRULED


def test_what_is_cheaper_by_then_and_needed_by_nobody_is_taken_instead(bare: Bare) -> None:
    bare.pending(reader("p"), reader("q", gb=10))
    bare.step()
    bare.now_s += PAUSE_S
    bare.kernel.step(bare.now_s, bare.now_s, 1)
    bare.nodes(node("beside", cpu="1", labels={"topology.kubernetes.io/region": "near"}))
    assert bound(bare.step()) == {"p": "beside", "q": "near"}
    (record,) = bare.records("p")
    assert record.jointly is not None
    assert record.jointly.outcome == journal.LEFT


def test_room_is_not_kept_for_who_is_gone(bare: Bare) -> None:
    bare.pending(reader("p"), reader("q", gb=10))
    bare.step()
    bare.now_s += PAUSE_S
    assert only(commands.Planned, bare.kernel.step(bare.now_s, bare.now_s, 1))
    bare.kernel.handle(events.PendingGone(bare.now_s, "uid-q"))
    assert bound(bare.step()) == {"p": "near"}


def test_who_fits_nowhere_is_told_so_and_takes_nothing_from_the_others(bare: Bare) -> None:
    bare.pending(reader("huge", gb=100, cpu="5"), reader("p"), reader("q", gb=10))
    bare.step()
    given = bare.later(PAUSE_S)
    assert bound(given) == {"p": "far", "q": "near"}
    assert [one.pod.metadata.name for one in only(commands.Unplaced, given)] == ["huge"]


def test_pods_that_shun_each_other_do_not_meet(bare: Bare) -> None:
    for number in range(3):
        bare.nodes(node(f"n{number}", cpu="8", labels={"zone": f"z{number % 2}"}))
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}}
    shy = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    bare.data("there", "n0")
    bare.pending(*(reader(f"p{number}", "there", cpu="3", labels={"app": "x"}, affinity=shy) for number in range(4)))
    given = [*bare.step(), *bare.later(PAUSE_S)]
    where = [name for name in bound(given).values() if name.startswith("n") and name != "near"]
    assert sorted({"n0": "z0", "n1": "z1", "n2": "z0"}[name] for name in where) == ["z0", "z1"]


def test_of_two_that_shun_each_other_who_needs_it_more_is_where_its_data_is(bare: Bare) -> None:
    for number in range(2):
        name = f"n{number}"
        bare.nodes(node(name, cpu="8", labels={"topology.kubernetes.io/region": name, "zone": name}))
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}}
    shy = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    bare.data("there", "n0")
    less, more = (
        reader(name, "there", gb=gb, labels={"app": "x"}, affinity=shy, cpu="2") for name, gb in (("p", 1), ("q", 10))
    )
    bare.pending(less, more)
    assert bound([*bare.step(), *bare.later(PAUSE_S)]) == {"p": "n1", "q": "n0"}


def test_room_that_is_kept_for_a_nominated_pod_is_not_planned_with(bare: Bare) -> None:
    bare.pending(pod("urgent", priority=9, status={"nominatedNodeName": "near"}, schedulingGates=[{"name": "g"}]))
    bare.nodes(node("third", cpu="1", labels={"topology.kubernetes.io/region": "far"}))
    bare.pending(reader("p"), reader("q", gb=10))
    bare.step()
    assert set(bound(bare.later(PAUSE_S)).values()) == {"far", "third"}


def test_who_is_crowded_out_is_planned_for_while_the_bindings_before_it_are_under_way() -> None:
    slow = Bare(kernel.Kernel(dataclasses.replace(SETTINGS, binds_in_flight=4), "home", seed=1))
    slow.nodes(node("n", cpu="1000", status={"allocatable": {"cpu": "1000", "memory": "64Gi", "pods": "900"}}))
    slow.data("small", "n")
    slow.pending(*(reader(f"p{number:03}") for number in range(300)))
    given = [*slow.step(), *slow.later(PAUSE_S)]
    plans = only(commands.Planned, given)
    binds = list(only(commands.Bind, given))
    for one in binds:  # grows as answers come
        more = [*slow.answer(one.name, verdicts.Verdict.BOUND), *slow.later(0.01)]
        plans += only(commands.Planned, more)
        binds += only(commands.Bind, more)
    assert [one.name for one in binds] == [f"p{number:03}" for number in range(300)]
    assert [one.pods for one in plans] == [128, 128, 44]
    validation.check(slow.kernel)
