"""Those that are given the workflow beforehand, on tiny ones by hand, and whole runs of all arms in virtual time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from scheduler.simulate import arms, running, scenario
from scheduler.simulate.arms import graph
from tests.simulate import worlds
from tests.simulate.arms import feeding
from tests.simulate.arms.feeding import pod
from tests.state.build import data_object, node

GB = 1_000_000_000
TWO = [node("a", region="r", zone="z", cpu="1"), node("b", region="r", zone="z", cpu="1")]


def fed(name: str, nodes: list[feeding.Object], works: list[scenario.Work], **parts: Any) -> feeding.Fed:
    scene = feeding.world(nodes, works=works, **parts)
    return feeding.Fed(arms.make(name, scene, 1), scene)


def work(name: str, works_s: float = 0.0, *, after: tuple[str, ...] = (), **told: Any) -> scenario.Work:
    return scenario.Work(pod=pod(name, **told), works_s=works_s, after=tuple(f"default/{each}" for each in after))


def released(works: list[scenario.Work], *names: str) -> list[Any]:
    """The pods of some works, as they come when nothing holds them any more."""
    return [one.pod for name in names for one in works if one.pod.metadata.name == name]


def test_who_reads_what_another_writes_comes_after_it() -> None:
    works = [work("reads", inputs=["data/k,5"]), work("late", after=("reads",)), work("writes", outputs=["data/k,5"])]
    found = graph.of(feeding.world(TWO, works=works))
    assert [each.pod.metadata.name for each in found.works] == ["writes", "reads", "late"]
    assert found.before == ((), (0,), (1,))
    assert found.after == ((1,), (2,), ())
    assert found.upward(lambda _: 1.0, lambda _, __: 0.5) == [4.0, 2.5, 1.0]


def test_who_waits_for_each_other_is_named() -> None:
    works = [work("one", after=("two",)), work("two", after=("one",))]
    with pytest.raises(ValueError, match=r"default/one.*default/two"):
        graph.of(feeding.world(TWO, works=works))


def test_who_can_only_read_what_was_there_before_waits_for_nobody() -> None:
    works = [
        work("first", inputs=["data/k,5"], outputs=["data/k,5"]),
        work("next", after=("first",), inputs=["data/k,5"], outputs=["data/k,5"]),
        work("here", inputs=["data/there,5"], outputs=["data/here,5"]),
        work("there", inputs=["data/here,5"], outputs=["data/there,5"]),
    ]
    found = graph.of(feeding.world(TWO, works=works))
    named = [each.pod.metadata.name for each in found.works]
    assert [[named[each] for each in found.before[named.index(one.pod.metadata.name)]] for one in works] == [
        [],
        ["first"],
        [],
        ["here"],
    ]


# ------------------------------------------------------------------------------------------------------------- heft


def test_heft_plans_the_longest_first_and_keeps_to_the_plan() -> None:
    # 10 goes to a, 6 to b, and 5 after that to b, where it ends at 11; after 10 it would end at 15.
    works = [work("five", 5), work("six", 6), work("ten", 10)]
    arm = fed("heft", TWO, works)
    assert arm.arrive(*released(works, "five", "six", "ten")) == {"ten": "a", "six": "b"}
    assert arm.done("ten") == {"six": "b"}  # the plan has it on b, however it went
    assert arm.done("six") == {"five": "b"}


def test_heft_counts_what_comes_after() -> None:
    # Of one node: two has the longer way to the end, by the 9 s of its successor.
    works = [work("one", 5), work("two", 1), work("three", 9, after=("two",))]
    arm = fed("heft", TWO[:1], works)
    assert arm.arrive(*released(works, "one", "two")) == {"two": "a"}


HOST = "kubernetes.io/hostname"
NAMED = [node(name, region="r", zone="z", cpu="1", labels={HOST: name}) for name in "ab"]


@pytest.mark.parametrize(("other_s", "expected"), [(20.0, "b"), (0.5, "a")])
def test_heft_weighs_the_way_of_the_data_against_the_wait_for_its_node(other_s: float, expected: str) -> None:
    # To read 1 GB that lies on a takes 1 s there, and 2 s on b. The other pod has a first.
    works = [work("other", other_s, spec={"nodeSelector": {HOST: "a"}}), work("reads", 0.1, inputs=[f"data/k,{GB}"])]
    arm = fed("heft", NAMED, works, objects=[data_object("data/k", at=["a"], size=GB)])
    on = dict(arm.arrive(*released(works, "other", "reads")))
    assert ("reads" in on) == (expected == "b")
    assert (on | arm.done("other"))["reads"] == expected


def test_heft_knows_where_the_data_will_lie_before_it_is_written() -> None:
    # Both have the bucket; the writer has to be on b, and so it writes there.
    stores = {"storage-bucket-data": "true"}
    nodes = [node(name, region="r", zone="z", cpu="1", can=stores, labels={HOST: name}) for name in "ab"]
    works = [work("writes", 1, outputs=[f"data/k,{GB}"], spec={"nodeSelector": {HOST: "b"}})]
    works.append(work("reads", 1, inputs=[f"data/k,{GB}"]))
    arm = fed("heft", nodes, works)
    assert arm.arrive(*released(works, "writes")) == {"writes": "b"}
    arm.done("writes")
    assert arm.arrive(*released(works, "reads")) == {"reads": "b"}


def test_heft_goes_elsewhere_where_the_planned_node_is_gone() -> None:
    works = [work("one", 5)]
    scene = feeding.world(TWO, works=works)
    arm = feeding.Fed(arms.make("heft", scene, 1), scene)
    on = dict(arm.arrive(*released(works, "one")))
    arm.lost(on["one"])
    assert arm.arrive(pod("one")) == {"one": "b" if on["one"] == "a" else "a"}


# -------------------------------------------------------------------------------------------------------------- wow


DATA = [data_object("logs/k", at=["a"], size=GB)]
READS = [f"logs/k,{GB}"]
WRITES = work("writes", outputs=[f"logs/k,{GB}", "more/k,1000"])  # long ago, so that DATA is of the workflow
WIDE = [node(name, region="r", zone="z", cpu="2") for name in "abc"]


def test_wow_starts_whoever_is_on_the_longest_way_first_where_its_data_is() -> None:
    works = [WRITES, work("short", inputs=READS), work("long", inputs=READS), work("next", after=("long",))]
    arm = fed("wow", TWO[:1], works, objects=DATA)
    assert arm.arrive(*released(works, "short", "long")) == {"long": "a"}
    assert arm.done("long") == {"short": "a"}
    assert not arm.copies


def test_wow_copies_to_the_node_that_misses_least_and_starts_there_then() -> None:
    objects = [*DATA, data_object("more/k", at=["b"], size=1000)]
    works = [WRITES, work("both", inputs=[*READS, "more/k,1000"])]
    arm = fed("wow", WIDE, works, objects=objects)
    assert arm.arrive(*released(works, "both")) == {}
    assert [(each.urn, each.node) for each in arm.copies] == [("more/k", "a")]
    assert arm.copied() == {"both": "a"}


def test_wow_prepares_a_free_node_where_the_prepared_one_is_full_one_at_a_time() -> None:
    works = [WRITES, *(work(name, inputs=READS, cpu="2") for name in ("one", "two", "three", "four"))]
    arm = fed("wow", WIDE, works, objects=DATA)
    assert arm.arrive(*released(works, "one", "two", "three", "four")) == {"one": "a"}
    assert sorted(each.node for each in arm.copies) == ["b", "c"]  # for two, and for three
    assert set(arm.copied()) == {"one", "two", "three"}


def test_wow_copies_ahead_for_who_fits_nowhere_just_now() -> None:
    works = [WRITES, work("first", cpu="1"), work("second", cpu="1"), work("later", inputs=READS)]
    arm = fed("wow", TWO, works, objects=DATA)
    arm.arrive(*released(works, "first", "second"))
    arm.arrive(*released(works, "later"))
    assert [(each.urn, each.node) for each in arm.copies] == [("logs/k", "b")]
    arm.copied()
    assert arm.done("second" if arm.on["second"] == "b" else "first")["later"] == "b"


def test_wow_reads_from_everywhere_what_no_pod_of_the_workflow_has_written() -> None:
    works = [work(name, inputs=READS, cpu="2") for name in ("one", "two")]
    arm = fed("wow", WIDE, works, objects=DATA)
    assert arm.arrive(*released(works, "one", "two")) == {"one": "a", "two": "b"}  # where it lies first
    assert not arm.copies


# ------------------------------------------------------------------------------------------------------- whole runs


def workflow() -> scenario.Scenario:
    """Two zones; a fan of readers whose results are joined, and a chain beside it."""
    nodes = [worlds.node(f"n{number}", zone=f"r{number % 2}/a", cpu="2") for number in range(4)]
    works = [worlds.work(f"fan{n}", reads={"raw/k": 10**8}, writes={f"mid/{n}": 10**7}, works_s=5) for n in range(6)]
    works.append(
        worlds.work(
            "join",
            reads={f"mid/{n}": 10**7 for n in range(6)},
            writes={"out/k": 10**6},
            after=tuple(f"fan{n}" for n in range(6)),
            works_s=3,
        )
    )
    works.append(worlds.work("chain0", works_s=4, cpu="2"))
    works += [worlds.work(f"chain{n}", works_s=4, cpu="2", after=(f"chain{n - 1}",)) for n in range(1, 4)]
    return worlds.world(
        *nodes,
        capabilities=(worlds.store("n0", "raw", "mid"), worlds.store("n1", "out")),
        objects=(worlds.data("raw/k", "n0"),),
        works=tuple(works),
    )


@pytest.mark.parametrize("name", arms.NAMES)
def test_all_come_to_the_end_of_a_workflow_and_alike_each_time(name: str) -> None:
    given = workflow()
    first, second = (running.run(given, arms.make(name, given, 3), arm=name, seed=3) for _ in range(2))
    assert all(one.done_s is not None and one.attempts == 1 for one in first.pods)
    assert first.makespan_s >= 16  # the chain
    assert msgspec.json.encode(first) == msgspec.json.encode(second)


@pytest.mark.parametrize("name", arms.NAMES)
def test_all_come_to_the_end_though_a_node_is_lost(name: str) -> None:
    given = msgspec.structs.replace(workflow(), outages=(scenario.Outage(node="n2", begins_s=3.0, ends_s=20.0),))
    found = running.run(given, arms.make(name, given, 3), arm=name, seed=3)
    assert all(one.done_s is not None for one in found.pods)
