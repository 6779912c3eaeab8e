"""What would be decided now: as the offline door answers the same question, and nothing is otherwise afterwards."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from scheduler.kernel import asking, events, journal, question
from scheduler.offline import door
from tests.kernel import running, runs
from tests.kernel.running import node, pod

ALL = 1000


def about(bare: running.Bare, name: str, **asked: Any) -> asking.Now:
    found = asking.Asking(bare.kernel).of(f"default/{name}", asking.Asked(best=ALL, **asked), bare.now_s)
    assert found is not None
    return found


def offline(bare: running.Bare, record: journal.Record) -> Any:
    line = question.line(bare.kernel, record, bare.now_s)
    assert line is not None
    return msgspec.json.decode(door.answer_line(b"".join(line), running.SETTINGS, record.draw))


def test_it_is_what_the_offline_door_answers() -> None:
    """Of placed and unplaced pods, a while after they were decided; but for what was learned, which no question has."""
    run = runs.Run(3, dataclasses.replace(running.SETTINGS, learning=False))
    outcomes = set()
    for count, _ in enumerate(run.decisions(200)):
        if count % 20:
            continue
        for _, record in run.bare.kernel.journal.recent()[-40::13]:
            if question.line(run.bare.kernel, record, run.bare.now_s) is None:
                continue
            name = record.pod.partition("/")[2]
            told, expected = about(run.bare, name, draw=record.draw, node="n7"), offline(run.bare, record)
            outcomes.add((told.outcome, bool(told.node_now)))
            assert told.feasible == len(expected["feasible"]), record
            assert {one.node for one in told.ranking} == set(expected["feasible"])
            for one in told.ranking:
                assert "ahead" in one.terms or one.cost == pytest.approx(expected["criteria"][one.node]["cost"])
                assert one.cost == sum(term.cost for term in one.terms.values())
                moves = expected["criteria"][one.node]["data"]["transfers"]
                assert [move.seconds for move in one.transfers] == pytest.approx([move["seconds"] for move in moves])
            assert [one.cost for one in told.ranking[1:]] == sorted(one.cost for one in told.ranking[1:])
            assert told.ranking[:1] == [] or told.ranking[0].node == told.node
            refused = [(said["plugin"], reason) for said in expected["nodes"].values() if said["code"] != "Success"
                       for reason in said["reasons"]]  # fmt: skip
            assert {(one.plugin, one.reason): one.nodes for one in told.refused} == {
                each: refused.count(each) for each in refused
            }
            assert told.singled is not None
            each = {said.plugin: list(said.reasons) for said in told.singled.refused}
            assert each == {name: said["reasons"] for name, said in expected["plugins"]["n7"].items()}
            assert told.message == expected.get("message", "")
    assert {("fits", True), ("refused", False)} <= outcomes


def records(run: runs.Run, *, asks: bool) -> Iterator[dict[str, Any]]:
    for record in run.decisions(150):
        if asks:
            for one in run.bare.kernel.journal.recent()[-30::11]:
                asking.Asking(run.bare.kernel).of(one[1].pod, asking.Asked(best=5, node="n3"), run.bare.now_s)
        yield dataclasses.asdict(record)


def test_nothing_is_decided_otherwise_because_somebody_asked() -> None:
    assert list(records(runs.Run(5), asks=True)) == list(records(runs.Run(5), asks=False))


def test_pods_stay_in_the_order_in_which_they_came(bare: running.Bare) -> None:
    bare.nodes(node("n0"), node("n1"))
    bare.seen(*(pod(name, node="n0") for name in "abc"))
    view = bare.kernel.state.freeze(bare.now_s)
    before = list(view.placed), list(view.placed_on["n0"]), view.taken.tolist()
    assert about(bare, "b").node == "n1", "n0 has two others, n1 none"
    view = bare.kernel.state.freeze(bare.now_s)
    assert (list(view.placed), list(view.placed_on["n0"]), view.taken.tolist()) == before


def test_where_a_pod_waits_is_said(bare: running.Bare) -> None:
    bare.nodes(node("n0"))
    bare.pending(pod("big", cpu="9", preemptionPolicy="Never"))
    bare.step()
    told = about(bare, "big", node="n0")
    assert (told.outcome, told.place, told.node_now) == ("refused", "unschedulable", "")
    assert told.message == "0/1 nodes are available: 1 Insufficient cpu."
    assert (
        told.singled
        == asking.Singled(
            "n0", is_known=True, refused=[asking.Said("NodeResourcesFit", "Unschedulable", ("Insufficient cpu",))]
        )
        or told.singled is not None
    )


def test_a_pod_that_is_not_there_is_asked_about_alike(bare: running.Bare) -> None:
    bare.nodes(node("n0"), node("n1", cpu="1"))
    asks = asking.Asking(bare.kernel)
    assert asks.of("default/new", asking.Asked(best=5), bare.now_s) is None
    told = asks.about(pod("new", cpu="2"), asking.Asked(best=5, node="nowhere"), bare.now_s)
    assert not told.other_scheduler
    assert (told.node, told.feasible, told.nodes) == ("n0", 1, 2)
    assert told.singled == asking.Singled("nowhere", is_known=False)
    assert [(one.plugin, one.nodes, one.example) for one in told.refused] == [("NodeResourcesFit", 1, "n1")]


def test_whose_a_pod_is_that_is_not_ours_is_said(bare: running.Bare) -> None:
    bare.nodes(node("n0"))
    bare.seen(pod("theirs", node="n0", schedulerName="default-scheduler"))
    assert about(bare, "theirs").other_scheduler == "default-scheduler"


def test_a_pod_that_cannot_be_read_is_refused_in_words(bare: running.Bare) -> None:
    bare.nodes(node("n0"))
    asks = asking.Asking(bare.kernel)
    told = asks.about(pod("new", cpu="x"), asking.Asked(best=5), bare.now_s)
    assert (told.outcome, "not a quantity" in told.message) == ("refused", True)


def test_a_pod_that_is_gone_is_not_known(bare: running.Bare) -> None:
    bare.nodes(node("n0"))
    bare.seen(pod("a", node="n0"))
    bare.kernel.handle(events.PodGone(bare.now_s, "uid-a"))
    assert asking.Asking(bare.kernel).of("default/a", asking.Asked(best=1), bare.now_s) is None
