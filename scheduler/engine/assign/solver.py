"""Pods that are placed together: as many as can be, then as cheaply as can be.

What each would get if they chose one after the other is where it begins, so that no plan is worse than that.
"""

from __future__ import annotations

import numpy as np

from scheduler.engine.assign import budget, exchange, greedy, problem, standing, table


def solve(given: problem.Problem, *, steps: int, seed: int, start: problem.Ints | None = None) -> problem.Plan:
    """The best plan that was found.

    Args:
        given: What is to be placed.
        steps: How much work may be done; a step is of the order of 10 us. What one pod at a time needs is always done.
        seed: Draws the order of what is equal, and where the search looks. The same seed gives the same plan.
        start: [pods] a plan to begin with, as far as there is room for it.
    """
    pods = len(given.costs)
    if not given.costs.size:
        nowhere = np.full(pods, problem.NOWHERE, np.int64)
        return problem.Plan(nowhere, 0.0, 0.0, nowhere, 0.0, 0)
    work = budget.Budget(steps)
    prepared = table.made(given, np.random.default_rng(seed))
    now = standing.Standing(prepared)
    greedy.in_turn(now)
    in_turn, in_turn_cost, missing = np.array(now.nodes), now.cost, now.missing
    if start is not None:
        now.set(start.tolist())
        greedy.in_turn(now)
        if (now.missing, now.cost) > (missing, in_turn_cost):
            now.set(in_turn.tolist())
    exchange.improve(now, work)
    now.set(now.nodes.copy())  # sums made anew, without the rounding of what was tried
    return problem.Plan(np.array(now.nodes), now.cost, -np.inf, in_turn, in_turn_cost, steps - work.left)
