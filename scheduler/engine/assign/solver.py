"""Pods that are placed together: as many as can be, then as cheaply as can be.

What each would get if they chose one after the other is where it begins, so that no plan is worse than that.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler.engine.assign import budget, exchange, greedy, prices, problem, rearranging, standing, table

_TIMES: Final = 3  # that a plan is made of prices
_ROUNDS: Final = 30  # of prices before each


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
    rng = np.random.default_rng(seed)
    prepared = table.made(given, rng)
    now = standing.Standing(prepared)
    greedy.in_turn(now)
    in_turn, in_turn_cost = np.array(now.nodes), now.cost
    best = (now.missing, now.cost, now.nodes.copy())
    if start is not None:
        now.set(start.tolist())
        greedy.in_turn(now)
        best = min(best, (now.missing, now.cost, now.nodes.copy()))
    exchange.improve(now, work)
    best = min(best, (now.missing, now.cost, now.nodes.copy()))
    priced = prices.none(prepared)
    for _ in range(_TIMES):
        upper = best[1] + best[0] * priced.left_out
        if work.left <= 0 or priced.bound >= upper - prepared.least:
            break
        priced = prices.raised(prepared, priced, upper, _ROUNDS, work)
        now.set([problem.NOWHERE] * pods)
        greedy.by_regret(now, priced.paid(prepared), large_first=best[0] > 0)
        exchange.improve(now, work)
        best = min(best, (now.missing, now.cost, now.nodes.copy()))
    now.set(best[2])
    if work.left > 0:
        rearranging.Rearranging(now, priced.paid(prepared), rng).run(priced.bounds(now.missing), work)
    now.set(now.nodes.copy())  # sums made anew, without the rounding of what was tried
    return problem.Plan(
        nodes=np.array(now.nodes),
        cost=now.cost,
        bound=min(now.cost, priced.bounds(now.missing)),
        in_turn=in_turn,
        in_turn_cost=in_turn_cost,
        steps=steps - work.left,
    )
