"""What joint placement is measured against is the best there is, and a run of it prints all its tables."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.assign import contended, instances, optimum
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


def test_a_run_prints_all_tables() -> None:
    few = ["--instances", "3", "--contended", "2", "--large", "0", "--steps", "200", "--limit", "1"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.assign", *few], capture_output=True, text=True, check=True
    ).stdout
    assert "each pod by itself: 3 problems" in done
    assert "links shared: 2 problems" in done
