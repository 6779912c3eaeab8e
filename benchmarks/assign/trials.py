"""One problem: the plan that is found, and what one pod at a time comes to, beside the best."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from benchmarks.assign import optimum
from scheduler.engine.assign import problem, solver

HEADER: Final = (
    f"{'':>12} {'n':>5} | {'excess %':>9} {'p95':>7} {'max':>7} {'fewer':>6} {'ms':>7} {'gap %':>7}"
    f" | {'one by one':>10} {'p95':>7} {'max':>7} {'fewer':>6}"
)


class Trial(NamedTuple):
    """What came of it.

    Attributes:
        excess_percent, in_turn_percent: Over the best; nan where fewer pods were placed than can be.
        fewer, in_turn_fewer: How many fewer.
        gap_percent: What the plan itself certifies; nan where no bound is known.
    """

    excess_percent: float
    in_turn_percent: float
    fewer: int
    in_turn_fewer: int
    gap_percent: float
    took_s: float


def trial(given: problem.Problem, best: optimum.Optimum, steps: int, seed: int) -> Trial:
    """Both ways on a problem whose optimum is known.

    Raises:
        AssertionError: the optimum is none, or the plan's bound is above it.
    """
    plan, took_s = timed(given, steps, seed)
    fewer = int((plan.nodes < 0).sum()) - best.missing
    in_turn_fewer = int((plan.in_turn < 0).sum()) - best.missing
    slack = 1e-5 * max(1.0, best.cost)
    assert fewer >= 0
    assert fewer or plan.bound - slack <= best.cost <= plan.cost + slack, (plan, best)
    return Trial(
        excess_percent=math.nan if fewer else _excess_percent(plan.cost, best.cost),
        in_turn_percent=math.nan if in_turn_fewer else _excess_percent(plan.in_turn_cost, best.cost),
        fewer=fewer,
        in_turn_fewer=in_turn_fewer,
        gap_percent=math.nan if best.missing else gap_percent(plan),
        took_s=took_s,
    )


def timed(given: problem.Problem, steps: int, seed: int) -> tuple[problem.Plan, float]:
    """The plan, and the CPU time that it took."""
    began = time.process_time()
    plan = solver.solve(given, steps=steps, seed=seed)
    return plan, time.process_time() - began


def gap_percent(plan: problem.Plan) -> float:
    """By how much the plan may cost more than the best, for all that it knows."""
    return 100 * (plan.cost - plan.bound) / plan.cost if plan.cost > 0 else 0.0


def row(name: str, trials: Sequence[Trial]) -> str:
    """What they come to, as a row under ``HEADER``."""
    excess = np.array([each.excess_percent for each in trials])
    in_turn = np.array([each.in_turn_percent for each in trials])
    gaps = [each.gap_percent for each in trials if each.fewer == 0 and not math.isnan(each.gap_percent)]
    return (
        f"{name:>12} {len(trials):>5} | {_spread(excess)} {sum(each.fewer > 0 for each in trials):>6}"
        f" {1000 * np.mean([each.took_s for each in trials]):>7.1f} {np.mean(gaps) if gaps else math.nan:>7.2f}"
        f" | {_spread(in_turn):>26} {sum(each.in_turn_fewer > 0 for each in trials):>6}"
    )


def _excess_percent(cost: float, best: float) -> float:
    """Over the best; what costs nothing, as where no pod finds room, is as good as can be."""
    return 100 * (cost / best - 1) if best > 0 else 0.0


def _spread(values: problem.Floats) -> str:
    known = values[~np.isnan(values)].clip(0)  # what is less is rounding
    if not len(known):
        return f"{'-':>9} {'-':>7} {'-':>7}"
    return f"{known.mean():>9.2f} {np.percentile(known, 95):>7.2f} {known.max():>7.2f}"
