"""Prices for what is scarce, by subgradient; what they prove; and what they make pods prefer.

If a pod paid for what it takes of each limit, each would choose the node that is cheapest for it with the price. What
they would pay in all, less what all that is free is worth at these prices, is never more than the best plan costs
(Lagrangian duality), whatever the prices are. They rise where more is chosen than is free, and fall elsewhere, by
Polyak's step towards the best plan known: Fisher, The Lagrangian Relaxation Method, Management Science 27 (1981).

No sum is left to BLAS: what it rounds depends on how many threads it takes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from scheduler.engine.assign import budget, loads, problem, table

_PATIENCE: Final = 8  # rounds without a better bound after which steps become half as long
_KEPT: Final = 0.7  # of the direction before, which dampens swings between two nodes
_FOLLOWED: Final = 2  # rounds after which the load that is assumed follows


class Priced(NamedTuple):
    """What prices come to.

    Attributes:
        of: [slots] the price of one unit.
        bound: What they prove of the cost of all pods, of which each that is left out costs ``left_out``.
        left_out: See ``bound``.
    """

    of: problem.Floats
    bound: float
    left_out: float

    def paid(self, prepared: table.Table) -> problem.Floats:
        """[kinds, nodes] what a pod pays for what it takes there."""
        return _paid(prepared, self.of)

    def worth(self, prepared: table.Table) -> float:
        """What all that is free is worth."""
        return float((self.of * prepared.rules.free).sum())

    def bounds(self, missing: int) -> float:
        """What they prove of plans that leave so many pods out."""
        return self.bound - missing * self.left_out


def none(prepared: table.Table) -> Priced:
    """Everything for nothing, which proves only that no pod does better than alone."""
    finite = prepared.costs[np.isfinite(prepared.costs)]
    left_out = float(finite.max(initial=0) + np.ptp(finite)) if finite.size else 0.0
    alone = _least(prepared.at.min(axis=1, initial=np.inf), prepared.beyond, left_out)
    return Priced(np.zeros(len(prepared.rules.free)), float(alone.sum()), left_out)


def _least(known: problem.Floats, beyond: problem.Floats, left_out: float) -> problem.Floats:
    """[pods] what a pod costs at least, on the nodes that are looked at, on others, or left out."""
    return np.minimum(np.minimum(known, beyond), left_out)


def raised(
    prepared: table.Table, begin: Priced, load: loads.Loads | None, *, upper: float, rounds: int, work: budget.Budget
) -> Priced:
    """Prices that prove more, found from those.

    Args:
        prepared: The problem.
        begin: Prices to begin with.
        load: What is assumed of shared links, moved on; None where they are to cost nothing.
        upper: What the best plan known costs, with ``left_out`` for each pod that it leaves out.
        rounds: Steps at most.
        work: Ends it earlier when it is used up.
    """
    rules = prepared.rules
    asks, free, scale = rules.asks.T, rules.free, rules.units
    prices, best, best_prices = begin.of.copy(), begin.bound, begin.of
    direction = np.zeros(len(free))
    length, stuck = 1.0, 0
    pods = np.arange(len(prepared.at))
    beyond = prepared.beyond if load is None else prepared.beyond + load.least
    for turn in range(rounds):
        if work.left <= 0 or best >= upper - prepared.least:
            break
        work.spend(prepared.at.size * 3 + prepared.kinds.size * rules.slots.shape[1] // 8)
        costs = prepared.at + prepared.at_candidates(_paid(prepared, prices))
        if load is not None:
            costs += load.paid
        chosen = costs.argmin(1)
        least = _least(costs[pods, chosen], beyond, begin.left_out)
        bound = float(least.sum() - (prices * free).sum()) + (0.0 if load is None else load.constant)
        if bound > best + prepared.least:
            best, best_prices, stuck = bound, prices, 0
        else:
            stuck += 1
            if stuck >= _PATIENCE:
                length, stuck = length / 2, 0
        taken = -free
        goes = costs[pods, chosen] <= least
        there = rules.slots[:, prepared.candidates[pods, chosen][goes]]
        taken += np.bincount(there.ravel(), asks[:, goes].ravel(), len(free))
        slope = np.where((prices > 0) | (taken > 0), taken / scale, 0)
        direction = slope + _KEPT * direction
        if load is not None and turn % _FOLLOWED == 0:
            load.move(chosen)
            work.spend(8 * prepared.at.size)
        norm = float((direction * direction).sum())
        if norm < 1e-12:
            break
        prices = np.maximum(prices + length * (upper - bound) / norm * direction / scale, 0)
    return Priced(best_prices, best, begin.left_out)


def _paid(prepared: table.Table, prices: problem.Floats) -> problem.Floats:
    rules = prepared.rules
    paid = np.zeros((len(prepared.kinds), rules.slots.shape[1]))
    for ask, price in zip(prepared.kinds.T, prices[rules.slots], strict=True):
        if price.any():
            paid += ask[:, None] * price
    return paid
