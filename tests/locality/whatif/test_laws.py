"""What-if holds to `decide`: each figure is its answer on the changed question, and nothing comes of no change."""

from __future__ import annotations

import contextlib
import random

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.locality.whatif import altering, changes, comparing, ground, judging
from scheduler.offline import question
from scheduler.offline import world as worlds
from tests.kernel import runs
from tests.locality.whatif import made

SEEDS = st.sampled_from([1, 2, 3, 4])
NODE = st.integers(0, runs.NODES - 1).map(lambda number: f"n{number}")
BUCKET = st.sampled_from(runs.BUCKETS)
URN = st.one_of(BUCKET, st.tuples(BUCKET, st.integers(0, 19)).map(lambda pair: f"{pair[0]}/{pair[1]}"))
# Each of all seeds' worlds can be changed so.
OPTION = st.one_of(
    NODE.map(lambda node: f"cordon {node}"),
    NODE.map(lambda node: f"uncordon {node}"),
    NODE.map(lambda node: f"drain {node}"),
    NODE.map(lambda node: f"add-node like:{node},name=new-{node}"),
    st.tuples(NODE, st.sampled_from(["zone=z3", "region=r1", "type=edge", "count=3"])).map(
        lambda pair: f"add-node like:{pair[0]},name=more-{pair[0]},{pair[1]}"
    ),
    NODE.map(lambda node: f"remove-node {node}"),
    st.tuples(URN, NODE).map(lambda pair: f"add-replica {pair[0]}={pair[1]}"),
    st.tuples(URN, NODE).map(lambda pair: f"remove-replica {pair[0]}={pair[1]}"),
    st.tuples(URN, st.sampled_from(["1k", "9Gi"])).map(lambda pair: f"size {pair[0]}={pair[1]}"),
    st.tuples(NODE, NODE).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: f"link {pair[0]}<>{pair[1]}=9MBps"),
    st.sampled_from(["resources", "affinity", "data", "nodeType", "data-intensive.data"]).map(
        lambda name: f"weight {name}=2"
    ),
    st.sampled_from(["tau=1s", "sameZoneBandwidth=1000000", "lookahead=0", "nodesKeepInputs=true"]).map(
        lambda said: f"set {said}"
    ),
)


def possible(world: worlds.World, options: list[str]) -> list[changes.Change]:
    """Without those that cannot be made, as they speak of what is not there, or is there already."""
    where = ground.Ground(world).view().where_is
    kept: list[changes.Change] = []
    for option in options:
        with contextlib.suppress(errors.InputError):
            altering.altered(world, more := [*kept, *made.wanted(option)], where)
            kept = more
    return kept


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(seed=SEEDS, options=st.lists(OPTION, min_size=1, max_size=3), chance=st.integers(0, 2**32))
def test_each_figure_is_what_decide_answers_on_the_changed_question(seed: int, options: list[str], chance: int) -> None:
    world = made.world(seed)
    wanted = possible(world, options)
    told = made.compared(world, wanted)
    changed = altering.altered(world, wanted, ground.Ground(world).view().where_is)
    evicted = {pod.metadata.uid for pod in changed.evicted}
    subjects = judging.subjects(changed.world, 100, lambda _: True)
    assert [row.pod for row in told.rows[: len(subjects)]] == [one.pod.key for one in subjects]
    nodes = {pod.key: pod.spec.node_name for pod in world.pods if pod.status.phase not in question.FINISHED}
    assert [row.node_now for row in told.rows] == [nodes.get(row.pod, "") for row in told.rows]
    assert {row.pod for row in told.rows if row.is_evicted} == {pod.key for pod in changed.evicted}
    for place in random.Random(chance).sample(range(len(subjects)), 4):
        subject, row = subjects[place], told.rows[place]
        assert row.is_evicted == (subject.uid in evicted)
        same(changed.world, subject, row.after, row.before.node)
        same(world, subject, row.before, row.node_now)


def same(world: worlds.World, subject: judging.Subject, placing: judging.Placing, stays_on: str) -> None:
    answer = made.decided(world, subject.pod, subject.draw)
    if stays_on in answer.get("best", ()):
        assert placing.node == stays_on
    else:
        assert placing.node == answer.get("chosen", "")
    if not placing.node:
        assert placing.message == answer["message"]
        return
    terms = answer["criteria"][placing.node]
    assert placing.cost == pytest.approx(terms["cost"], abs=1e-12)
    assert placing.data_s == pytest.approx(terms["data"]["seconds"], abs=1e-12)
    for one, other in zip(placing.transfers, terms["data"]["transfers"], strict=True):
        assert (one.urn, one.size_bytes) == (other["urn"], other["bytes"])
        assert one.partner == other["to" if one.is_output else "from"]
        assert one.seconds == pytest.approx(other["seconds"], abs=1e-12)


def some_urn(world: worlds.World) -> str:
    """One that a recent pod reads."""
    for one in world.recent:
        for read in intents.parse(one.pod.metadata.annotations)[0].inputs:
            return read.urn
    raise AssertionError("nobody reads anything")


@pytest.mark.parametrize("is_replayed", [False, True], ids=["each alone", "one after another"])
@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_comes_of_no_change_nor_of_one_that_is_taken_back(seed: int, *, is_replayed: bool) -> None:
    world = made.world(seed)
    urn = some_urn(world)
    for options in (
        [],
        ["cordon n3", "uncordon n3"],
        ["add-node like:n1,name=new,count=2", "remove-node new-1", "remove-node new-2"],
        [f"add-replica {urn}=n9", f"remove-replica {urn}=n9"],
        ["weight data=2", "set dataLocalityWeight=0.5", "set dataIntensiveDataLocalityWeight=0.75",
         "set computeIntensiveDataLocalityWeight=0.2"],
        ["set sameZoneBandwidth=1000", "set sameZoneBandwidth=500000000"],
    ):  # fmt: skip
        told = made.compared(world, made.wanted(*options), is_replayed=is_replayed)
        assert len(told.rows) == 100
        assert {row.outcome for row in told.rows} <= {comparing.STAYS, comparing.NOWHERE}, options
        if "replica" not in " ".join(options):  # it is told by another DataObject then, of the same copies
            for row in told.rows:
                alike(row.before, row.after)


@pytest.mark.parametrize("is_replayed", [False, True], ids=["each alone", "one after another"])
def test_who_is_evicted_from_several_nodes_is_told_as_who_it_is(*, is_replayed: bool) -> None:
    world = made.world(1)
    there = {pod.key: pod.spec.node_name for pod in world.pods if pod.spec.node_name}
    nodes = list(dict.fromkeys(reversed(there.values())))[:3]  # not in the order in which the pods came
    wanted = made.wanted(*(f"drain {node}" for node in nodes))
    rows = made.compared(world, wanted, last=3, is_replayed=is_replayed).rows
    evicted = {row.pod: row.node_now for row in rows if row.is_evicted}
    assert evicted == {pod: node for pod, node in there.items() if node in nodes}
    assert set(evicted.values()) == set(nodes)
    assert not {row.after.node for row in rows} & set(nodes)
    assert [row.is_recent for row in rows] == [True] * 3 + [False] * (len(rows) - 3)


@pytest.mark.parametrize("seed", [1, 2])
def test_judging_leaves_the_state_as_it_was(seed: int) -> None:
    """So that the order in which pods are looked at makes no difference."""
    world = made.world(seed)
    on = ground.Ground(world)
    subjects = judging.subjects(world, 50, lambda _: True)
    first = judging.alone(on, subjects, lambda _done, _of: None)
    again = judging.alone(on, list(reversed(subjects)), lambda _done, _of: None)
    for one, other in zip(reversed(again), first, strict=True):
        alike(one, other)


def alike(one: judging.Placing, other: judging.Placing) -> None:
    """But for the last bits of sums over what others have under way, which are in no order."""
    assert (one.node, one.message) == (other.node, other.message)
    assert (one.cost, one.data_s) == pytest.approx((other.cost, other.data_s), abs=1e-9)
    assert [(*each[:3], *each[4:]) for each in one.transfers] == [(*each[:3], *each[4:]) for each in other.transfers]
