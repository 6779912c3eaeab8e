"""What joint placement is measured against is the best there is, and a run of it prints all its tables."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from benchmarks.assign import contended, instances, optimum, trials
from tests.engine.assign import problems


@pytest.mark.parametrize("room", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_optimum_is_the_best_of_all_plans(room: float, seed: int) -> None:
    given = instances.made(instances.Sizes(5, 4, room), seed)
    found = optimum.found(given, 10)
    missing, best = problems.best(given)
    assert found.missing == missing
    assert found.cost == pytest.approx(best)
    assert found.bound == pytest.approx(found.cost)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_so_it_is_where_transfers_take_from_each_other(seed: int) -> None:
    given = instances.made(instances.Sizes(5, 4, 1.5), seed, shared=True)
    found = contended.found(given, 10)
    missing, best = problems.best(given)
    assert found.missing == missing
    assert found.cost == pytest.approx(best)
    assert found.bound == pytest.approx(found.cost)


def test_where_nothing_is_proven_a_plan_is_beside_the_exact_solvers_plan_and_its_bound() -> None:
    given = instances.made(instances.Sizes(8, 10, 2.0), 1)
    cost = optimum.found(given, 10).cost
    unproven = trials.trial(given, optimum.Optimum(0, cost * 2, cost / 2, 0), 2000, 1)
    assert not unproven.is_proven
    assert unproven.excess_percent == 0
    assert unproven.at_most_percent == pytest.approx(100)
    more = trials.trial(given, optimum.Optimum(1, 0.0, 0.0, 0), 2000, 1)
    assert (more.fewer, more.excess_percent) == (False, 0)


def test_a_run_prints_all_tables_and_goes_on_where_another_stopped(tmp_path: pathlib.Path) -> None:
    few = ["--instances", "5", "--contended", "2", "--large", "0", "--steps", "200", "--limit", "1"]
    command = [sys.executable, "-m", "benchmarks.assign", *few, "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "seed 1," in done
    assert "each pod by itself: 5 problems" in done
    assert "links shared: 2 problems" in done
    assert done in (tmp_path / "results.md").read_text()
    optima = (tmp_path / "optima.jsonl").read_text()
    assert len(optima.splitlines()) == 7
    subprocess.run(command, capture_output=True, text=True, check=True)
    assert (tmp_path / "optima.jsonl").read_text() == optima
