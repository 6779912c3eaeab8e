"""What transfers of different pods take from each other on the links that they share.

Of each link is kept, by size, how long all that is planned there would make another transfer of that size wait. To plan
a transfer is to add a row; to ask what it would cost on many nodes is one look-up.

That counts pairs of transfers of one pod, too, which the pod's own cost has already. Where each moves what it needs by
itself they are simply counted after the look-up. Of what is fetched once for several pods, a pair is left out where one
pod waits for both.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable
from typing import TypeVar

import numpy as np

from scheduler.engine.assign import problem, transfers

K = TypeVar("K", bound=Hashable)


class Shared:
    """The transfers of the pods that have a node.

    Attributes:
        waits: [links + 1, sizes] what a transfer of that size would cost on the link, its own time apart, and cost the
            others there, in the unit of costs. The last link stands for none.
    """

    __slots__ = ("_fetched", "_moves", "_together", "waits")

    def __init__(self, moves: transfers.Transfers) -> None:
        self._moves = moves
        self.waits = np.zeros((len(moves.per_byte), len(moves.sizes_bytes)))
        self._fetched: Counter[tuple[int, int]] = Counter()  # (fetch, node): pods there that wait for it
        self._together: Counter[tuple[int, int, int]] = Counter()  # (fetch, fetch, node): pods there that wait for both

    def adds(self, pod: int, nodes: problem.Ints) -> problem.Floats:
        """[nodes] what the transfers of a pod without a node would cost there beside its own time."""
        mine = self._moves.of[pod]
        added = np.zeros(len(nodes))
        for transfer in mine:
            added += self.waits[self._moves.links[transfer, nodes], self._moves.size[transfer]].sum(1)
        if any(self._moves.fetches[transfer] >= 0 for transfer in mine):
            for index, node in enumerate(nodes.tolist()):
                if any((self._moves.fetches[transfer], node) in self._fetched for transfer in mine):
                    added[index] = self._cost(mine, self._moved(mine, node), node)
        return added

    def add(self, pod: int, node: int) -> float:
        """Count the transfers of a pod in; returns what they cost."""
        mine = self._moves.of[pod]
        moved = self._moved(mine, node)
        cost = self._cost(mine, moved, node)
        self._count(mine, moved, node, 1)
        return cost

    def remove(self, pod: int, node: int) -> float:
        """Count them out; returns what that saves."""
        mine = self._moves.of[pod]
        moved = [
            transfer
            for transfer in mine
            if self._moves.fetches[transfer] < 0 or self._fetched[self._moves.fetches[transfer], node] == 1
        ]
        self._count(mine, moved, node, -1)
        return self._cost(mine, moved, node)

    def _moved(self, mine: list[int], node: int) -> list[int]:
        """Those that are not under way to the node anyway."""
        return [transfer for transfer in mine if (self._moves.fetches[transfer], node) not in self._fetched]

    def _cost(self, mine: list[int], moved: list[int], node: int) -> float:
        """What it costs that a pod comes to wait for these, of which those that are moved were not under way."""
        cost = 0.0
        for transfer in moved:
            for link in self._moves.links[transfer, node].tolist():
                cost += self.waits.item(link, self._moves.size[transfer])
        for one, other in itertools.combinations(mine, 2) if len(moved) < len(mine) else ():
            if not (one in moved and other in moved) and self._pair(one, other, node) not in self._together:
                cost -= self._wait(one, other, node)
        return cost

    def _wait(self, one: int, other: int, node: int) -> float:
        """What a pair of transfers to one node costs."""
        links, its = self._moves.links[one, node], self._moves.links[other, node]
        per_byte = float((self._moves.per_byte[links] * (links[:, None] == its).sum(1)).sum())
        smaller: float = self._moves.smaller_bytes.item(self._moves.size[one], self._moves.size[other])
        return per_byte * smaller

    def _pair(self, one: int, other: int, node: int) -> tuple[int, int, int]:
        first, second = sorted((self._moves.fetches[one], self._moves.fetches[other]))
        return first, second, node

    def _count(self, mine: list[int], moved: list[int], node: int, sign: int) -> None:
        for transfer in moved:
            links = self._moves.links[transfer, node]
            waits = self._moves.smaller_bytes[self._moves.size[transfer]]
            self.waits[links] += (sign * self._moves.per_byte[links])[:, None] * waits
        fetched = [transfer for transfer in mine if self._moves.fetches[transfer] >= 0]
        for transfer in fetched:
            _tally(self._fetched, (self._moves.fetches[transfer], node), sign)
        for one, other in itertools.combinations(fetched, 2):
            _tally(self._together, self._pair(one, other, node), sign)


def _tally(counts: Counter[K], key: K, sign: int) -> None:
    counts[key] += sign
    if not counts[key]:
        del counts[key]
