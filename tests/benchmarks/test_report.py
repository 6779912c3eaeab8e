"""What the report says of turns, and of the bounds."""

import json
import pathlib
import re
from xml.dom import minidom

import pytest

from benchmarks import bounds
from benchmarks.scheduling import plan, plot, report, turns, work

ABOUT = {
    "machine": "m", "cores": 2, "processor": "p", "python": "3",
    "versions": {"kopf": "1"}, "commit": "abc", "options": {"seed": 1},
}  # fmt: skip


def turn(contender: str, pods_per_s: float, number: int, fault: str = "", nodes: int = 10) -> turns.Turn:
    piece = plan.Piece("plain", "backlog", nodes, placed=0, pods=5, busy=False)
    made = turns.Turn(contender, piece, number, fault=fault)
    made.figures = {} if fault else {"pods_per_s": pods_per_s}
    return made


DONE = [
    turn("stock", 100, 0), turn("ours", 300, 0), turn("stock", 200, 1), turn("ours", 500, 1),
    turn("ours", 0, 2, "died"),
]  # fmt: skip


def test_the_table_has_medians_spreads_and_ratios_by_round() -> None:
    assert "| pods_per_s | 150 (100-200) | 400 (300-500) | 2.75 (2.5-3) |" in report.as_markdown(ABOUT, DONE)


def test_a_turn_that_failed_is_named_and_does_not_count() -> None:
    assert f"ours, {DONE[-1].piece}, round 3 fails: died" in report.as_markdown(ABOUT, DONE)
    summaries = report.as_json(ABOUT, DONE)["summaries"]
    assert {each["contender"]: each["figures"]["pods_per_s"]["runs"] for each in summaries} == {"stock": 2, "ours": 2}


def test_everything_measured_is_kept() -> None:
    kept = report.as_json(ABOUT, DONE)["turns"]
    assert {(each["kind"], each["mode"], each["nodes"]) for each in kept} == {("plain", "backlog", 10)}
    assert [each["figures"].get("pods_per_s") for each in kept] == [100, 300, 200, 500, None]


def test_a_round_without_a_rival_has_no_ratio() -> None:
    (contenders,) = report.pieces([*DONE, turn("ours", 900, 3)]).values()
    assert report.ratios(contenders, "pods_per_s", "stock") == [3.0, 2.5]


@pytest.mark.parametrize(
    ("ours", "said"), [pytest.param(160, "met (1 of 5 rounds)", id="met"), pytest.param(159, "NOT met", id="below")]
)
def test_a_bound_is_judged_by_the_ratio(ours: float, said: str) -> None:
    wanted = [bounds.Bound(kind="plain", mode="backlog", nodes=1000, figure="pods_per_s", at_least=1.6, because="b")]
    done = [turn("stock", 100, 0, nodes=1000), turn("ours", ours, 0, nodes=1000), turn("ours", 9, 0, nodes=5000)]
    judged = list(report.verdicts(done, wanted))
    assert len(judged) == 1
    assert said in "\n".join(bounds.table(judged, {}))


def test_an_absolute_bound_is_of_our_own_figure() -> None:
    wanted = [
        bounds.Bound(kind="plain", mode="backlog", is_absolute=True, figure="pods_per_s", at_most=450, because="b")
    ]
    assert [(each.value, each.is_met, each.values) for each in report.verdicts(DONE, wanted)] == [
        (400, True, (300, 500))
    ]


def test_a_run_that_is_kept_stands_beside_later_ones(tmp_path: pathlib.Path) -> None:
    bound = bounds.Bound(kind="plain", figure="x", because="b", at_least=2)
    verdict = bounds.Verdict("plain: x", (1.0, 2.0, 6.0), bound)
    assert verdict.as_json() == {
        "what": "plain: x", "value": 2.0, "wanted": ">= 2", "met": True,
        "mean": 3.0, "deviation": pytest.approx(2.6458, abs=1e-4), "runs": 3,
    }  # fmt: skip
    kept = {"conditions": ABOUT, "turns": [], "bounds": [verdict.as_json()]}
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "results.json").write_text(json.dumps(kept))
    table = "\n".join(bounds.table([verdict], bounds.measured(tmp_path)))
    assert "3 ± 2.6, 3 runs at abc" in table


def test_runs_that_are_kept_speak_of_bounds_and_tell_their_machine() -> None:
    for path in bounds.RESULTS.rglob("*.json"):
        assert json.loads(path.read_text())["conditions"]["machine"]
        assert bounds.measured(path.parent)


def test_every_bound_of_turns_is_of_work_and_figures_that_there_are() -> None:
    wanted = bounds.load()
    assert {each.kind for each in wanted.turns} <= set(work.KINDS)
    for each in (*wanted.turns, *wanted.decisions):
        assert (each.at_least is None) != (each.at_most is None)
        assert each.because


def test_the_picture_has_a_bar_for_each_contender_of_a_backlog() -> None:
    picture = plot.svg(report.pieces(DONE))
    assert len(re.findall("<line ", picture)) == 2
    assert "ours 400" in picture
    assert minidom.parseString(picture).getElementsByTagName("svg")  # noqa: S318 (our own text)
    assert "<line " not in plot.svg({})
