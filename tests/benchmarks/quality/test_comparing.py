"""Arms beside ours: who is sooner where, by how much, and why."""

import pytest

from benchmarks.quality import cases, comparing, results, tables
from tests.benchmarks.quality.making import result

FOUND = [
    result("a", "ours", 100, moved_gb=1, fetching_s=40),
    result("a", "wow", 50, moved_gb=3, fetching_s=10),
    result("a", "heft", 400, moved_gb=2),
    result("b", "ours", 100),
    result("b", "wow", 800),
    result("b", "heft", 100.01),
]


def test_ratios_are_geometric_means_and_rounding_is_nobodys_win() -> None:
    wow, heft = sorted(comparing.standings(comparing.table(FOUND)), key=lambda one: one.arm != "wow")
    assert (wow.arm, wow.compared, wow.wins, wow.losses) == ("wow", 2, 1, 1)
    assert wow.ratio == pytest.approx(2.0)
    assert wow.plain == pytest.approx(850 / 200)
    assert wow.turnaround == pytest.approx(2.0)
    assert wow.moved == pytest.approx(2.0)
    assert (heft.wins, heft.losses) == (0, 1)


def test_a_win_of_another_is_told_with_what_ours_takes_longer_for() -> None:
    (win,) = comparing.wins(comparing.table(FOUND))
    assert (win.place, win.arm, win.sooner) == (("a", "cluster", 1), "wow", 0.5)
    assert "fetches 30.0 s longer (2.00 GB less over the network in all)" in win.why


def test_what_is_not_done_in_full_or_failed_is_neither_a_win_nor_compared() -> None:
    failed = results.Result(case=cases.Case("a", "cluster", "dask", 1), fault="TooLongError: more than 1 s of CPU time")
    found = [*FOUND, failed, result("b", "random", 20, done=1)]
    assert {one.arm for one in comparing.standings(comparing.table(found))} == {"wow", "heft"}
    assert [win.arm for win in comparing.wins(comparing.table(found))] == ["wow"]
    told = "\n".join(tables.lines(found))
    assert "(1 of 2 done)" in told
    assert "- a on cluster by dask, seed 1: TooLongError: more than 1 s of CPU time" in told


def test_the_least_makespan_of_each_row_stands_out() -> None:
    told = "\n".join(tables.lines(FOUND))
    assert "| a | cluster | 100.0 | **50.0** | 400.0 |" in told
    assert "| b | cluster | **100.0** | 800.0 | 100.0 |" in told
