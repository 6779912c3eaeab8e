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
    f"{'':>12} {'n':>5} {'proven':>6} | {'excess %':>9} {'p95':>7} {'max':>7} {'fewer':>6} | {'at most %':>9}"
    f" {'p95':>7} {'max':>7} | {'ms':>6} {'gap %':>6} | {'one by one':>10} {'p95':>7} {'max':>7} {'fewer':>6}"
)


class Trial(NamedTuple):
    """What came of it.

    Attributes:
        is_proven: Whether the exact solver proved that its plan is the best.
        excess_percent, in_turn_percent: Over the exact solver's plan; nan where fewer pods were placed.
        at_most_percent: Over what it proved of all plans with so few left out; nan where it proved nothing of these.
        fewer, in_turn_fewer: Whether fewer pods were placed.
        gap_percent: What the plan itself certifies; nan where it is of some pods only.
    """

    is_proven: bool
    excess_percent: float
    in_turn_percent: float
    at_most_percent: float
    fewer: bool
    in_turn_fewer: bool
    gap_percent: float
    took_s: float


def trial(given: problem.Problem, best: optimum.Optimum, steps: int, seed: int) -> Trial:
    """Both ways on a problem of which the exact solver knows something.

    Raises:
        AssertionError: the optimum is none, or the plan's bound is above it.
    """
    plan, took_s = timed(given, steps, seed)
    missing, in_turn_missing = int((plan.nodes < 0).sum()), int((plan.in_turn < 0).sum())
    slack = 1e-5 * max(1.0, plan.cost)
    assert missing >= best.fewest
    if missing == best.missing:
        assert best.bound - slack <= plan.cost, (plan, best)
        assert plan.bound - slack <= best.cost, (plan, best)
    return Trial(
        is_proven=best.is_proven,
        excess_percent=_excess_percent(plan.cost, best.cost) if missing == best.missing else _beside(missing, best),
        in_turn_percent=_excess_percent(plan.in_turn_cost, best.cost)
        if in_turn_missing == best.missing
        else _beside(in_turn_missing, best),
        at_most_percent=_excess_percent(plan.cost, best.bound) if missing == best.missing else math.nan,
        fewer=missing > best.missing,
        in_turn_fewer=in_turn_missing > best.missing,
        gap_percent=math.nan if missing else gap_percent(plan),
        took_s=took_s,
    )


def _beside(missing: int, best: optimum.Optimum) -> float:
    """Of a plan that places fewer pods, nothing; one that places more is no worse."""
    return math.nan if missing > best.missing else 0.0


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
    gaps = np.array([each.gap_percent for each in trials])
    return (
        f"{name:>12} {len(trials):>5} {sum(each.is_proven for each in trials):>6}"
        f" | {_spread([each.excess_percent for each in trials])} {sum(each.fewer for each in trials):>6}"
        f" | {_spread([each.at_most_percent for each in trials])}"
        f" | {1000 * np.mean([each.took_s for each in trials]):>6.1f} {_mean(gaps):>6.2f}"
        f" | {_spread([each.in_turn_percent for each in trials]):>26} {sum(each.in_turn_fewer for each in trials):>6}"
    )


def _excess_percent(cost: float, best: float) -> float:
    """Over the best, not below it; what costs nothing, as where no pod finds room, is as good as can be."""
    return max(0.0, 100 * (cost / best - 1)) if best > 0 else 0.0


def _mean(values: problem.Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _spread(percents: Sequence[float]) -> str:
    """Mean and greatest of what is known, and the 95th percentile of all, in which the rest is worse than anything."""
    values = np.array(percents)
    known = values[~np.isnan(values)]
    if not len(known):
        return f"{'-':>9} {'-':>7} {'-':>7}"
    ranked = np.sort(np.where(np.isnan(values), np.inf, values))
    return f"{known.mean():>9.2f} {ranked[math.ceil(0.95 * len(ranked)) - 1]:>7.2f} {known.max():>7.2f}"
