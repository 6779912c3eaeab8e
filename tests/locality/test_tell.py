"""The words of explanations: what decided, what was planned together, what is told of a transfer, who waits where."""

from typing import Any

import click
import pytest

from scheduler.locality import tell

Json = dict[str, Any]

TERMS: Json = {
    "resources": {"weight": 0.5, "cost": 0.1, "u": 0.8},
    "data": {"weight": 0.5, "cost": 0.2, "seconds": 2.0},
}
OTHER: Json = {
    "node": "far",
    "cost": 0.9,
    "terms": {"resources": TERMS["resources"], "data": {"weight": 0.5, "cost": 0.8, "seconds": 8.0}},
}
RECORD: Json = {
    "pod": "ns/a",
    "time": "2026-01-02T03:04:05.678901+00:00",
    "attempt": 2,
    "outcome": "bound",
    "node": "near",
    "message": "",
    "decide_s": 0.0012,
    "profile": "default",
    "profile_why": "because",
    "deciding": "data",
    "cost": 0.3,
    "second_cost": 0.1,
    "terms": TERMS,
    "runner_up": OTHER,
    "ties": 1,
    "refused": {"TaintToleration": 3},
    "transfers": [],
    "pulls": [],
    "unknown": [],
    "unavailable": {},
    "problems": [],
    "jointly": None,
    "sequence": 7,
}
MOVE: Json = {
    "urn": "raw/x",
    "partner": "store-1",
    "size_bytes": 2**20,
    "seconds": 1.5,
    "is_output": False,
    "age_s": None,
    "bandwidth_bytes_per_s": 2**20,
    "source": "prior",
    "expected": False,
    "confidence": 1.0,
    "otherwise": "",
    "assumed": False,
    "queued_s": 0.0,
    "queued_on": "",
}
NOW: Json = {
    "sequence": 9,
    "time": "t",
    "outcome": "fits",
    "nodes": 4,
    "feasible": 2,
    "node": "near",
    "ties": 1,
    "second_cost": 0.1,
    "profile": "default",
    "profile_why": "because",
    "ranking": [{"node": "near", "cost": 0.3, "terms": TERMS, "transfers": []}, {**OTHER, "transfers": []}],
}


def decided(*, is_wide: bool = False, **changes: Any) -> str:
    return click.unstyle("\n".join(tell.decided("ns/a", RECORD | changes, is_wide=is_wide)))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({}, "ns/a is bound to near.", id="where"),
        pytest.param({}, "Decided 2026-01-02 03:04:05 UTC, attempt 2, in 1.20 ms.", id="when"),
        pytest.param({}, "Data decided, by 6.00 s against far, which costs 6.00 s more in all.", id="why"),
        pytest.param({}, "Weighed as default: because.", id="the profile"),
        pytest.param(
            {"deciding": "tie", "runner_up": None, "ties": 5},
            "Nothing decided between nodes: all nodes that fit cost the same; drawn among 5 that cost the same.",
            id="a tie",
        ),
        pytest.param({"deciding": "only node", "runner_up": None}, "it is the only node that fits.", id="one node"),
        pytest.param(
            {"cost": 1.0}, "Preemption had made room for it there, though far costs 1.00 s less.", id="nominated"
        ),
        pytest.param({"deciding": "joint"}, "left to it by pods that were placed together", id="for others' sake"),
        pytest.param(
            {"outcome": "waiting", "node": "", "message": "waiting up to 5 s for room on x"},
            "ns/a: waiting: waiting up to 5 s for room on x",
            id="a wait",
        ),
        pytest.param({"problems": ["input-1: bad"]}, "Ignored: input-1: bad", id="an annotation that cannot be used"),
        pytest.param({"unknown": ["raw/y"]}, "raw/y: no copy is known", id="data of which nobody knows"),
        pytest.param(
            {"unavailable": {"raw/y": "gone"}}, "raw/y: cannot be had now; it counts nowhere (gone", id="gone"
        ),
        pytest.param({"second_cost": 0.0}, "by 0.6000 against far, which costs 0.6000 more", id="no data"),
    ],
)
def test_a_decision_says(changes: Json, words: str) -> None:
    assert words in decided(**changes)


@pytest.mark.parametrize(
    ("outcome", "forgone_s", "words"),
    [
        (
            "kept",
            1.5,
            "with 2 other pods for near, and went there: it gave up 1.50 s against own; the plan saves",
        ),
        (
            "left",
            0.0,
            "went elsewhere, which was cheaper by then; the plan saves 4.00 s, within 1.0% of the least.",
        ),
        ("overruled", 0.0, "and that node took it no more; the plan saves"),
    ],
)
def test_a_plan_for_several_is_told_of(outcome: str, forgone_s: float, words: str) -> None:
    part = {"others": 2, "node": "near", "outcome": outcome, "alone": "own", "forgone_s": forgone_s}
    assert words in decided(jointly=part | {"saved_s": 4.0, "gap_ratio": 0.01})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "raw/x      1.0 MiB   from   store-1   1.50 s   1.0 MiB/s prior"),
        ({"is_output": True}, "to   store-1"),
        ({"source": "measured", "age_s": 600.0}, "1.0 MiB/s measured 10m ago"),
        ({"queued_s": 0.5, "queued_on": "the link"}, "500 ms of it behind others on the link"),
        ({"expected": True, "confidence": 0.9, "otherwise": "b"}, "expected there, 90% sure, else from b"),
        ({"assumed": True}, "size assumed, as nobody says it"),
    ],
)
def test_a_transfer_says(changes: Json, words: str) -> None:
    assert words in decided(transfers=[MOVE | changes])


def test_all_terms_are_shown_to_who_asks_for_more() -> None:
    idle = {"weight": 0.0, "cost": 0.0, "u": 1.0}
    terms = TERMS | {"capability": idle}
    assert "capability" not in decided(terms=terms, runner_up=None)
    assert "capability" in decided(terms=terms, runner_up=None, is_wide=True)
    assert "Nodes that did not fit then: TaintToleration 3." in decided(is_wide=True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "AS IT IS NOW (2 inputs later, the passing of time among them)"),
        ({"sequence": 7}, "AS IT IS NOW (nothing has changed since)"),
        ({}, "It would go to near; 2 of 4 nodes fit."),
        ({"node_now": "near"}, "It would go to near again; 2 of 4 nodes fit."),
        ({"node_now": "far"}, "It would go to near, rather than to far, where it is; 2 of 4 nodes fit."),
        ({"ties": 3}, "It would go to near, drawn among 3 that cost the same"),
        (
            {"place": "held", "waits_for": "near"},
            "room on a better node, or for others of its group (near).",
        ),
        ({"outcome": "refused", "message": "0/4 nodes"}, "It would not be placed: 0/4 nodes"),
        ({"other_scheduler": "default-scheduler"}, "Not ours: it names the scheduler default-scheduler."),
        ({}, "near   3.00 s   2.00 s      1.00 s"),
    ],
)
def test_what_would_be_decided_says(changes: Json, words: str) -> None:
    assert words in click.unstyle("\n".join(tell.as_it_is_now(NOW | changes, RECORD, is_wide=False)))


def test_a_node_against_which_nothing_speaks_is_told_apart_from_one_that_is_chosen() -> None:
    now = NOW | {"outcome": "refused", "message": "running PreScore", "singled": {"node": "n", "is_known": True}}
    assert "no node can be chosen: running PreScore" in click.unstyle("\n".join(tell.why_not("ns/a", now)))
