"""What is measured, in what order, and how long it is thought to take."""

import itertools

import pytest

from benchmarks import bounds
from benchmarks.scheduling import contenders, plan, report, turns, work


def bound(kind: str, mode: str = "backlog", nodes: int | None = None, *, busy: bool = False) -> bounds.Bound:
    return bounds.Bound(kind=kind, mode=mode, nodes=nodes, busy=busy, figure="pods_per_s", at_least=1, because="b")


def sizes(wanted: list[bounds.Bound]) -> list[tuple[str, int, bool]]:
    return [(piece.kind, piece.nodes, piece.busy) for piece in plan.of_bounds(wanted)]


def test_each_kind_has_one_cluster_at_each_size() -> None:
    pieces = plan.pieces(list(work.KINDS), plan.MODES, plan.SIZES)
    places = [place for place, _ in itertools.groupby(pieces, lambda piece: piece.place)]
    assert len(places) == len(set(places)) == len(work.KINDS) * len(plan.SIZES)
    assert {place.kind for place in places} == set(work.KINDS)


def test_who_starts_first_has_nothing_to_do_with_kinds() -> None:
    pieces = plan.pieces(["data", "shapes"], ["start", "takeover"], [10])
    assert [(piece.kind, piece.mode, piece.pods) for piece in pieces] == [
        ("plain", "start", 1),
        ("plain", "takeover", 1),
    ]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        pytest.param([bound("data", nodes=7)], [("data", 7, False)], id="a size of its own"),
        pytest.param([bound("data")], [("data", 1000, False), ("data", 5000, False)], id="no size: all"),
        pytest.param([bound("data"), bound("data", nodes=7)], [("data", 7, False)], id="no size: where others are"),
        pytest.param([bound("data", nodes=7), bound("data", nodes=7)], [("data", 7, False)], id="the same piece once"),
        pytest.param(
            [bound("plain", nodes=7), bound("plain", nodes=7, busy=True), bound("plain", "steady", 7)],
            [("plain", 7, False), ("plain", 7, False), ("plain", 7, True)],
            id="quiet work before busy work",
        ),
    ],
)
def test_bounds_say_what_is_measured(wanted: list[bounds.Bound], found: list[tuple[str, int, bool]]) -> None:
    assert sizes(wanted) == found


def test_every_bound_of_the_file_gets_its_figure() -> None:
    wanted = bounds.load().turns
    figures = {each.figure: 1.0 for each in wanted}
    done = [
        turns.Turn(contender.name, piece, 0, figures)
        for piece in plan.of_bounds(wanted)
        for contender in contenders.chosen(["stock", "ours"], None)
    ]
    assert {id(verdict.bound) for verdict in report.verdicts(done, wanted)} == set(map(id, wanted))


def test_what_is_left_is_as_much_slower_as_what_is_done_was() -> None:
    pieces = plan.pieces(["plain", "data"], ["backlog"], [10], pods=300)
    ahead = plan.Ahead([piece for piece in pieces for _ in range(2)])
    whole_s = ahead.left_s
    first_s = pieces[0].world_s + pieces[0].turn_s
    ahead.turn(3 * first_s)
    assert ahead.left_s == pytest.approx(3 * (whole_s - first_s))
    for _ in range(3):
        ahead.turn(100.0)
    assert ahead.left_s == pytest.approx(0)
    assert str(ahead).startswith("[4/4 turns")
