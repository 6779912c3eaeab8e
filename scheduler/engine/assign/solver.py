"""Pods that are placed together: as many as can be, then as cheaply as can be.

What each would get if they chose one after the other is where it begins, so that no plan is worse than that.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from scheduler.engine.assign import (
    budget,
    exchange,
    greedy,
    loads,
    overfull,
    prices,
    problem,
    rearranging,
    standing,
    table,
)

# The order of pods by size while some find no room: large ones are hard to fit in last, small ones are the most.
_SCARCE: Final = (-1, 1, 0)
_WITH_FLOWS: Final = 4  # how much longer all takes where what pods cost depends on where the others are
# The part of what is left of the budget with which room is sought for those who found none: at first, and later on.
_FIRST: Final = 0.55
_LATER: Final = 0.25
_GROUPS: Final = 3  # the part of what is left in the end that is for groups put back
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
    work = budget.Budget(steps, 1 if given.flows is None else _WITH_FLOWS)
    rng = np.random.default_rng(seed)
    prepared = table.made(given, rng)
    now = standing.Standing(prepared)
    greedy.in_turn(now)
    in_turn = _found(now)
    best = in_turn
    if start is not None:
        now.set(start.tolist())
        greedy.in_turn(now)
        best = min(best, _found(now))
    # Where all are in each other's way there is no end of that, and nothing would be proven.
    exchange.improve(now, work, until=work.left // 2)
    best, priced = _by_prices(now, min(best, _found(now)), rng, work)
    now.set(best.nodes)
    is_best = False
    if work.left > 0:
        groups = rearranging.Rearranging(now, priced, rng)
        # Where domains limit, not all nodes that pods may need are candidates; what one fetch brings to several is less
        # than what each would wait for.
        is_best = groups.whole(work) and given.domains is None and given.flows is None
        if not is_best:
            bound = priced.bounds(now.missing)
            if given.flows is None:
                overfull.cheapen(now, rng, bound, until=work.left // _GROUPS, work=work)
                exchange.improve(now, work)
            groups.run(bound, work)
    now.set(now.nodes.copy())  # sums made anew, without the rounding of what was tried
    return problem.Plan(
        nodes=np.array(now.nodes),
        cost=now.cost,
        bound=now.cost if is_best else min(now.cost, priced.bounds(now.missing)),
        in_turn=np.array(in_turn.nodes),
        in_turn_cost=in_turn.cost,
        steps=steps - work.left,
    )


class _Found(NamedTuple):
    """A plan; the lesser one is the better."""

    missing: int
    cost: float
    nodes: list[int]


def _found(now: standing.Standing) -> _Found:
    return _Found(now.missing, now.cost, now.nodes.copy())


def _by_prices(
    now: standing.Standing, best: _Found, rng: np.random.Generator, work: budget.Budget
) -> tuple[_Found, prices.Priced]:
    """The best plan of those that prices lead to, and of the one that is given; and the prices that prove most."""
    prepared = now.table
    priced = prices.none(prepared)
    fewest = overfull.fewest_missing(now)
    for turn in range(len(_SCARCE)):
        upper = best.cost + best.missing * priced.left_out
        if work.left <= 0 or (best.missing <= fewest and priced.bound >= upper - prepared.least):
            break
        moves = prepared.transfers if turn else None  # first as if links cost nothing, which is surely no more
        load = None if moves is None else loads.Loads(prepared, moves, best.nodes)
        priced = prices.raised(prepared, priced, load, upper=upper, rounds=_ROUNDS, work=work)
        now.set([problem.NOWHERE] * len(now.nodes))
        work.take(2 * len(now.nodes))
        greedy.by_regret(
            now, prepared.at_candidates(priced.paid(prepared)), prepared.sizes * (_SCARCE[turn] if best.missing else 0)
        )
        part = int(work.left * (_LATER if turn else _FIRST))
        overfull.place_more(now, rng, fewest, until=work.left - part, work=work)
        exchange.improve(now, work)
        best = min(best, _found(now))
    return best, priced
