"""A problem made ready: only the limits that may bind, and of each pod only the nodes that it may need.

A pod needs no more of its cheapest nodes than the batch has pods: wherever it goes beyond them, one of them holds
nobody of the batch, and the pod fits there by itself. Limits of domains that hold many nodes break that argument, so
that the cheapest of each domain are kept as well. What is left out is remembered by the least that it costs
(``beyond``), so that bounds hold for all nodes; and a pod that finds no room among its candidates is tried everywhere.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.engine.assign import limits, problem, transfers

Mask = NDArray[np.bool_]

_FEW_DOMAINS: Final = 32  # of a row whose domains each keep candidates of their own; more are nearly nodes
_TIE: Final = 1e-9  # of the greatest cost: candidates nearer than this are in an order drawn by chance


class Table(NamedTuple):
    """The problem as the search reads it.

    Attributes:
        costs: [pods, nodes] infinite where the pod does not fit even by itself.
        limits: What there is room for.
        rules: The same in whole units, too, for prices.
        kinds: [kinds, rules] what pods ask for that ask for the same.
        kind: [pods] which of these each is.
        candidates: [pods, candidates] nodes, cheapest first, ties by chance; where a pod may go to fewer, the last ones
            cost infinitely much.
        at: [pods, candidates] what they cost.
        slots: [limits, pods, candidates] what they draw on.
        sizes: [pods] how much each asks for, of all limits, each by the most that any pod asks for.
        beyond: [pods] the least cost of a node that is no candidate.
        penalty: More than what any plan can save by leaving a pod out.
        least: What saves less saves nothing: the rounding of sums.
        transfers: What pods move over shared links; None where nothing is shared.
    """

    costs: problem.Floats
    limits: limits.Limits
    rules: limits.Limits
    kinds: problem.Floats
    kind: problem.Ints
    candidates: problem.Ints
    at: problem.Floats
    slots: problem.Ints
    sizes: problem.Floats
    beyond: problem.Floats
    penalty: float
    least: float
    transfers: transfers.Transfers | None

    def at_candidates(self, values: problem.Floats) -> problem.Floats:
        """[pods, candidates] of what is given as [kinds, nodes]."""
        found: problem.Floats = values[self.kind[:, None], self.candidates]
        return found


def made(given: problem.Problem, rng: np.random.Generator) -> Table:
    """The table of a problem that has pods and nodes."""
    limited = limits.binding(given)
    costs = _where_fits(given.costs, limited)
    candidates, beyond = _candidates(costs, given.domains, rng)
    rules = limits.in_whole_units(given)
    kinds, kind = np.unique(rules.asks, axis=0, return_inverse=True)
    penalty = _penalty(costs, given.flows)
    return Table(
        costs=costs,
        limits=limited,
        rules=rules,
        kinds=kinds,
        kind=kind,
        candidates=candidates,
        at=np.take_along_axis(costs, candidates, 1),
        slots=limited.slots[:, candidates],
        sizes=(limited.asks / np.maximum(limited.asks.max(0, initial=0), 1e-12)).sum(1),
        beyond=beyond,
        penalty=penalty,
        least=_TIE * (float(np.abs(costs[np.isfinite(costs)]).max(initial=0)) + 1e-9),
        transfers=None if given.flows is None else transfers.made(given.flows, len(costs)),
    )


def _where_fits(costs: problem.Floats, limited: limits.Limits) -> problem.Floats:
    for ask, slots in zip(limited.asks.T, limited.slots, strict=True):
        free = limited.free[slots]
        if ask.max() > free.min():
            costs = np.where(ask[:, None] > free, np.inf, costs)
    return costs


def _candidates(
    costs: problem.Floats, domains: problem.Domains | None, rng: np.random.Generator
) -> tuple[problem.Ints, problem.Floats]:
    pods, nodes = costs.shape
    most = max(costs.max(initial=0.0, where=np.isfinite(costs)), 1e-12)
    chosen, beyond = _cheapest(costs, rng.random(nodes) * most * _TIE, pods)
    for row in () if domains is None else domains.of:
        if row.max(initial=0) < _FEW_DOMAINS and chosen.shape[1] < nodes:
            chosen, beyond = _with_each_domain(costs, row, chosen)
    at = np.take_along_axis(costs, chosen, 1)
    order = np.argsort(at + rng.random(at.shape) * most * _TIE, axis=1)
    return np.take_along_axis(chosen, order, 1), beyond


def _cheapest(costs: problem.Floats, chance: problem.Floats, count: int) -> tuple[problem.Ints, problem.Floats]:
    """[pods, count] the cheapest nodes, and [pods] what the next one costs."""
    pods, nodes = costs.shape
    if count >= nodes:
        return np.tile(np.arange(nodes), (pods, 1)), np.full(pods, np.inf)
    order = np.argpartition(costs + chance, count, axis=1)
    return order[:, :count], costs[np.arange(pods), order[:, count]]


def _with_each_domain(
    costs: problem.Floats, row: problem.Ints, chosen: problem.Ints
) -> tuple[problem.Ints, problem.Floats]:
    """The candidates and, of each domain, as many of its cheapest nodes as a pod's share of all candidates."""
    pods, nodes = costs.shape
    kinds = np.unique(row)
    share = max(4, -(-pods // len(kinds)))
    is_chosen = np.zeros((pods, nodes), bool)
    np.put_along_axis(is_chosen, chosen, values=True, axis=1)
    for kind in kinds:
        members = (row == kind).nonzero()[0]
        nearest = costs[:, members].argsort(axis=1)[:, :share]
        np.put_along_axis(is_chosen, members[nearest], values=True, axis=1)
    width = int(is_chosen.sum(1).max())
    # Others fill up the rows of pods whose domains overlap more: those that were not chosen, in their order.
    chosen = np.argsort(~is_chosen, axis=1, kind="stable")[:, :width]
    np.put_along_axis(is_chosen, chosen, values=True, axis=1)
    return chosen, costs.min(axis=1, initial=np.inf, where=~is_chosen)


def _penalty(costs: problem.Floats, flows: problem.Flows | None) -> float:
    finite = np.isfinite(costs)
    spread = costs.max(1, initial=-np.inf, where=finite) - costs.min(1, initial=np.inf, where=finite)
    most = float(spread[finite.any(1)].sum() + np.abs(costs).max(initial=0.0, where=finite))
    if flows is not None and len(flows.pods) and len(flows.rates_bytes_per_s):
        waiting_s = 2 * flows.sizes_bytes.sum() * len(flows.pods) * flows.links.shape[2] / flows.rates_bytes_per_s.min()
        most += float(flows.weight * waiting_s)
    return 2 * most + 1
