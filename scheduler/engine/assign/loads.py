"""Prices per byte on links that many use, and what they prove.

What transfers cost each other on a link is convex in how much of each goes over it, for min(s, s') is a kernel:
whatever load is assumed, its tangent there is never above it. The tangent is linear, a price for each size of transfer,
so that each pod can be asked by itself again. The nearer the load that is assumed to that of the best plan, the more is
proven.

What a pod's own transfers cost each other is in its cost already and taken off again; of a fetch that serves several
pods each pays its part, which together is never more than the whole.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Final

import numpy as np

from scheduler.engine.assign import problem, table, transfers

_PART: Final = 0.15  # of the load that is assumed, what each look at where pods would go replaces


class Loads:
    """A load that is assumed for all links, moved towards what pods choose.

    Attributes:
        paid: [pods, candidates] what a pod pays there for what it moves; may be less than nothing.
        constant: What is added to what all pods pay.
        least: [pods] none pays less than this anywhere.
    """

    __slots__ = ("_links", "_loads", "_moves", "_pairs", "_part", "_pods", "_size", "constant", "least", "paid")

    def __init__(self, prepared: table.Table, moves: transfers.Transfers, nodes: list[int]) -> None:
        """Assume the load of a plan.

        Args:
            prepared: The problem.
            moves: Its transfers.
            nodes: [pods] the plan.
        """
        self._moves = moves
        mine = [(pod, transfer) for pod, moved in enumerate(moves.of) for transfer in moved]
        which = np.array([transfer for _, transfer in mine], np.int64)
        self._pods = np.array([pod for pod, _ in mine], np.int64)
        self._size = np.array(moves.size, np.int64)[which]
        serves = Counter(moves.fetches[transfer] for _, transfer in mine)
        parts = [1 / serves[fetch] if fetch >= 0 else 1.0 for fetch in (moves.fetches[each] for _, each in mine)]
        self._part = np.array(parts)
        everywhere = moves.links[which]  # [moved, nodes, most]
        self._links = np.take_along_axis(everywhere, prepared.candidates[self._pods][:, :, None], 1)
        self._pairs = _Pairs(mine, self._links, self._size, moves.smaller_bytes)
        alone = moves.per_byte[everywhere].sum(2).max(1, initial=0) * moves.sizes_bytes[self._size]
        count = np.bincount(self._pods, minlength=len(prepared.costs))
        # Half for the transfer itself and half for its part in each pair of its pod's.
        self.least = -np.bincount(self._pods, alone, len(prepared.costs)) * count / 2
        self.paid = np.zeros(prepared.at.shape)
        self.constant = 0.0
        now = np.array(nodes, np.int64)[self._pods]
        there = everywhere[np.arange(len(which)), now]
        there[now < 0] = len(moves.per_byte) - 1
        self._loads = self._counted(there)
        self._price()

    def move(self, chosen: problem.Ints) -> None:
        """Assume a load nearer to that of every pod at the candidate that is given for it."""
        there = self._links[np.arange(len(self._pods)), chosen[self._pods]]
        self._loads = (1 - _PART) * self._loads + _PART * self._counted(there)
        self._price()

    def _counted(self, links: problem.Ints) -> problem.Floats:
        """[links, sizes] how many transfers of each size go over each link, where [moved, most] links are gone over."""
        shape = (len(self._moves.per_byte), len(self._moves.sizes_bytes))
        flat = links * shape[1] + self._size[:, None]
        weights = np.broadcast_to(self._part[:, None], flat.shape).ravel()
        counted: problem.Floats = np.bincount(flat.ravel(), weights, shape[0] * shape[1]).astype(np.float64)
        return counted.reshape(shape)

    def _price(self) -> None:
        per_byte = self._moves.per_byte[:, None]
        # The sum over all loads of the smaller size: of smaller ones theirs, of the others the size itself.
        sizes = self._moves.sizes_bytes
        up_to = self._loads.cumsum(1)
        waits = per_byte * ((self._loads * sizes).cumsum(1) + sizes * (up_to[:, -1:] - up_to))
        alone = per_byte * sizes / 2
        is_priced = (self._loads * (waits / 2 - alone)).sum(1) > 0  # elsewhere no price at all proves more
        self.constant = -float((self._loads * waits).sum(1)[is_priced].sum() / 2)
        prices = np.where(is_priced[:, None], waits - alone, 0)
        pays = prices[self._links, self._size[:, None, None]].sum(2)
        pays = np.where(pays > 0, pays * self._part[:, None], pays)
        self.paid[:] = 0
        np.add.at(self.paid, self._pods, pays)
        np.subtract.at(self.paid, self._pairs.pods, self._pairs.costs(self._moves.per_byte * is_priced))


class _Pairs:
    """Pairs of transfers of one pod.

    Attributes:
        pods: [pairs] whose they are.
    """

    __slots__ = ("_common", "_smaller_bytes", "pods")

    def __init__(
        self, mine: list[tuple[int, int]], links: problem.Ints, size: problem.Ints, smaller_bytes: problem.Floats
    ) -> None:
        couples = [
            (one, other)
            for _, group in itertools.groupby(range(len(mine)), key=lambda index: mine[index][0])
            for one, other in itertools.combinations(list(group), 2)
        ]
        one, other = np.array(couples, np.int64).reshape(-1, 2).T
        self.pods = np.array([mine[index][0] for index, _ in couples], np.int64)
        self._smaller_bytes = smaller_bytes[size[one], size[other]]
        is_common = (links[one][:, :, :, None] == links[other][:, :, None, :]).any(3)
        self._common = np.where(is_common, links[one], -1)  # -1 is the link that stands for none

    def costs(self, per_byte: problem.Floats) -> problem.Floats:
        """[pairs, candidates] what they cost each other."""
        costs: problem.Floats = per_byte[self._common].sum(2) * self._smaller_bytes[:, None]
        return costs
