"""Local search: pods that move, that change places, and chains in which one makes room for the next.

All of one kind are judged at once, as matrices of what they would save, each as if nothing else changed. The best are
then tried one by one, for real, but for those that have to do with what one of them changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from scheduler.engine.assign import budget, problem, standing, table

_DEPTH: Final = 4  # pods that make room, in a chain
_TRIED: Final = 24  # changes of each kind, the most promising ones


class _Change(NamedTuple):
    saves: float
    pods: list[int]
    nodes: list[int]


def improve(pods: standing.Standing, work: budget.Budget, until: int = 0) -> None:
    """Change what can be changed for the better, until nothing can or only so much of the budget is left."""
    while work.left > until:
        changes = sorted(_changes(pods, work), key=lambda change: -change.saves)
        pods_changed: set[int] = set()
        nodes_changed: set[int] = set()
        for change in changes:
            if pods_changed.isdisjoint(change.pods) and nodes_changed.isdisjoint(change.nodes):
                work.take(1 + len(change.pods))
                left = [pods.nodes[pod] for pod in change.pods]
                if pods.try_placing(change.pods, change.nodes, pods.table.least):
                    pods_changed.update(change.pods)
                    nodes_changed.update(left, change.nodes)
                    nodes_changed.discard(problem.NOWHERE)
        if not pods_changed:
            return


def _changes(pods: standing.Standing, work: budget.Budget) -> Iterator[_Change]:
    """The most promising of each kind."""
    least = pods.table.least
    free, taken = _by_moving(pods, work)
    move = free.min(1)
    goes = np.append(pods.table.candidates, np.full((len(free), 1), problem.NOWHERE), 1)
    target: list[int] = goes[np.arange(len(free)), free.argmin(1)].tolist()
    for pod in _lowest(move, least):
        yield _Change(-move.item(pod), [pod], [target[pod]])
    nodes = pods.nodes
    both = np.triu(taken + taken.T, 1)
    for pair in _lowest(both.ravel(), least):
        pod, other = divmod(pair, len(both))
        yield _Change(-both.item(pod, other), [pod, other], [nodes[other], nodes[pod]])
    # costs[q]: of the cheapest chain, of each length, that ends with q losing its place, in which came[...][q] took it.
    costs = np.zeros(len(free))
    came: list[problem.Ints] = []
    for _ in range(_DEPTH):
        reach = costs[:, None] + taken
        came.append(reach.argmin(0))
        costs = reach.min(0)
        ends = costs + move
        for last in _lowest(ends, least):
            chain = _chain(came, last)
            if len(set(chain)) == len(chain):
                there = [nodes[pod] for pod in chain[1:]]
                there.append(target[last])
                yield _Change(-ends.item(last), chain, there)


def _chain(came: list[problem.Ints], last: int) -> list[int]:
    """The pods of a chain, each of which takes the place of the next."""
    chain = [last]
    for step in reversed(came):
        chain.append(step.item(chain[-1]))
    return chain[::-1]


def _lowest(saves: problem.Floats, least: float) -> list[int]:
    """Indices of the most negative, those that are worth trying."""
    found = (saves < -least).nonzero()[0]
    if len(found) > _TRIED:
        found = found[np.argpartition(saves[found], _TRIED)[:_TRIED]]
    return [int(index) for index in found]


def _by_moving(pods: standing.Standing, work: budget.Budget) -> tuple[problem.Floats, problem.Floats]:
    """What each pod would cost more elsewhere, infinite where it finds no room.

    Returns:
        [pods, candidates + 1] where there is room, and last to stand nowhere; and [pods, pods] in the place of another,
        which goes, without what that one then costs elsewhere.
    """
    prepared, now = pods.table, np.array(pods.nodes)
    work.spend(8 * (prepared.at.size + len(now) ** 2))
    here = np.where(now < 0, prepared.penalty, 0.0)
    if pods.shared is None:
        stands = (now >= 0).nonzero()[0]
        here[stands] = prepared.costs[stands, now[stands]]
        at, others = prepared.at, prepared.costs[:, now]
    else:
        at, others = _with_sharing(pods, now, here)
    fits, instead = _room(pods, now)
    free = np.where(fits & (prepared.candidates != now[:, None]), at - here[:, None], np.inf)
    taken = np.where(instead & (now >= 0) & (now != now[:, None]), others - here[:, None], np.inf)
    return np.append(free, (prepared.penalty - here)[:, None], 1), taken


def _with_sharing(
    pods: standing.Standing, now: problem.Ints, here: problem.Floats
) -> tuple[problem.Floats, problem.Floats]:
    """What pods cost at their candidates and in the places of others, and, written to ``here``, where they stand."""
    prepared = pods.table
    width = prepared.at.shape[1]
    rows = []
    for pod, node in enumerate(now.tolist()):
        if node >= 0:
            before = pods.cost
            pods.take(pod)
            here[pod] = before - pods.cost
        rows.append(pods.costs(pod, np.concatenate((prepared.candidates[pod], now))))
        if node >= 0:
            pods.put(pod, node)
    costs = np.stack(rows)
    return costs[:, :width], costs[:, width:]


def _room(pods: standing.Standing, now: problem.Ints) -> tuple[table.Mask, table.Mask]:
    """[pods, candidates] where there is room, and [pods, pods] whether the place of the other is enough room."""
    prepared = pods.table
    fits = np.isfinite(prepared.at)
    instead = np.ones((len(now), len(now)), bool)
    for ask, slots, at in zip(prepared.limits.asks.T, prepared.limits.slots, prepared.slots, strict=True):
        own = np.where(now < 0, -1, slots[now])
        asked = ask[:, None]
        fits &= (asked <= pods.free[at] + np.where(at == own[:, None], asked, 0)) | (asked == 0)
        given = pods.free[own] + ask + np.where(own == own[:, None], asked, 0)
        instead &= (asked <= given) | (asked == 0)
    return fits, instead
