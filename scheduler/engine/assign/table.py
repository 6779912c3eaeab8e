"""A problem made ready: only the limits that may bind, and of each pod only the nodes that it may need.

A pod needs no more of its cheapest nodes than the batch has pods: wherever it goes beyond them, one of them holds
nobody of the batch, and the pod fits there by itself. Limits of domains that hold many nodes break that argument, so
that the cheapest of each domain are kept as well. What is left out is remembered by the least that it costs
(``beyond``), so that bounds hold for all nodes; and a pod that finds no room among its candidates is tried everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.engine.assign import problem, transfers

Mask = NDArray[np.bool_]

_FEW_DOMAINS: Final = 32  # of a row whose domains each keep candidates of their own; more are nearly nodes
_TIE: Final = 1e-9  # of the greatest cost: candidates nearer than this are in an order drawn by chance


class Limits(NamedTuple):
    """Resources of nodes and of domains alike.

    Attributes:
        asks: [pods, limits]
        slots: [limits, nodes] index of ``free`` that a pod on the node draws on.
        free: [slots] never negative; more than all pods ask for where nothing limits.
        units: [slots] the most that any pod asks for there.
    """

    asks: problem.Floats
    slots: problem.Ints
    free: problem.Floats
    units: problem.Floats


class Table(NamedTuple):
    """The problem as the search reads it.

    Attributes:
        costs: [pods, nodes] infinite where the pod does not fit even by itself.
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
    limits: Limits
    candidates: problem.Ints
    at: problem.Floats
    slots: problem.Ints
    sizes: problem.Floats
    beyond: problem.Floats
    penalty: float
    least: float
    transfers: transfers.Transfers | None


def made(given: problem.Problem, rng: np.random.Generator) -> Table:
    """The table of a problem that has pods and nodes."""
    limits = _limits(given)
    costs = _where_fits(given.costs, limits)
    candidates, beyond = _candidates(costs, given.domains, rng)
    penalty = _penalty(costs, given.flows)
    return Table(
        costs=costs,
        limits=limits,
        candidates=candidates,
        at=np.take_along_axis(costs, candidates, 1),
        slots=limits.slots[:, candidates],
        sizes=(limits.asks / np.maximum(limits.asks.max(0, initial=0), 1e-12)).sum(1),
        beyond=beyond,
        penalty=penalty,
        least=_TIE * (float(np.abs(costs[np.isfinite(costs)]).max(initial=0)) + 1e-9),
        transfers=None if given.flows is None else transfers.made(given.flows, len(costs)),
    )


def _limits(given: problem.Problem) -> Limits:
    """Those under which some node or domain cannot take all pods at once."""
    pods, nodes = given.costs.shape
    asks, slots, free, units = [], [], [], []
    offset = 0
    for ask, room, of in _rows(given):
        total = float(ask.sum())
        room = np.clip(room.astype(np.float64), 0, total + 1)  # noqa: PLW2901 (the same, limited)
        if total <= room.min(initial=np.inf):
            continue
        asks.append(ask.astype(np.float64))
        free.append(np.append(room, total + 1))  # the last one for nodes that are in no domain
        slots.append(np.where(of < 0, len(room), of) + offset)
        units.append(np.full(len(room) + 1, float(ask.max())))
        offset += len(room) + 1
    return Limits(
        asks=np.stack(asks, 1) if asks else np.zeros((pods, 0)),
        slots=np.stack(slots) if slots else np.zeros((0, nodes), np.int64),
        free=np.concatenate(free) if free else np.zeros(0),
        units=np.concatenate(units) if units else np.zeros(0),
    )


def _rows(given: problem.Problem) -> Iterator[tuple[problem.Amounts, problem.Amounts, problem.Ints]]:
    """Of each limit: what pods ask for, what is free, and what of it a node draws on."""
    nodes = np.arange(given.costs.shape[1])
    for ask, room in zip(given.asks.T, given.room.T, strict=True):
        yield ask, room, nodes
    if given.domains is not None:
        yield from zip(given.domains.asks.T, given.domains.room, given.domains.of, strict=True)


def _where_fits(costs: problem.Floats, limits: Limits) -> problem.Floats:
    for ask, slots in zip(limits.asks.T, limits.slots, strict=True):
        free = limits.free[slots]
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
