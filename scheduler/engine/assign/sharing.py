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

from scheduler.engine.assign import problem

K = TypeVar("K", bound=Hashable)


class Shared:
    """The transfers of the pods that have a node.

    Attributes:
        waits: [links + 1, sizes] what a transfer of that size would cost on the link, its own time apart, and cost the
            others there, in the unit of costs. The last link stands for none.
    """

    __slots__ = ("_fetched", "_fetches", "_links", "_of", "_per_byte", "_rows", "_sizes", "_together", "waits")

    def __init__(self, flows: problem.Flows, pods: int) -> None:
        sizes, places = np.unique(flows.sizes_bytes, return_inverse=True)
        rates = np.append(flows.rates_bytes_per_s, np.inf)
        self._per_byte: problem.Floats = 2 * flows.weight / rates  # [links + 1]
        self._rows = np.minimum(sizes[:, None], sizes)  # [sizes, sizes]
        self._sizes: list[int] = places.tolist()
        links = np.where(flows.links < 0, len(rates) - 1, flows.links)
        self._links = links[flows.routes]  # [transfers, nodes, most]
        self.waits = np.zeros((len(rates), len(sizes)))
        self._fetches = _fetches(flows)
        self._fetched: Counter[tuple[int, int]] = Counter()  # (fetch, node): pods there that wait for it
        self._together: Counter[tuple[int, int, int]] = Counter()  # (fetch, fetch, node): pods there that wait for both
        self._of: list[list[int]] = [[] for _ in range(pods)]
        for transfer, pod in enumerate(flows.pods.tolist()):
            fetch = self._fetches[transfer]
            if fetch < 0 or fetch not in (self._fetches[other] for other in self._of[pod]):
                self._of[pod].append(transfer)

    def adds(self, pod: int, nodes: problem.Ints) -> problem.Floats:
        """[nodes] what the transfers of a pod without a node would cost there beside its own time."""
        transfers = self._of[pod]
        added = np.zeros(len(nodes))
        for transfer in transfers:
            added += self.waits[self._links[transfer, nodes], self._sizes[transfer]].sum(1)
        if any(self._fetches[transfer] >= 0 for transfer in transfers):
            for index, node in enumerate(nodes.tolist()):
                if any((self._fetches[transfer], node) in self._fetched for transfer in transfers):
                    added[index] = self._cost(transfers, self._moved(transfers, node), node)
        return added

    def add(self, pod: int, node: int) -> float:
        """Count the transfers of a pod in; returns what they cost."""
        transfers = self._of[pod]
        moved = self._moved(transfers, node)
        cost = self._cost(transfers, moved, node)
        self._count(transfers, moved, node, 1)
        return cost

    def remove(self, pod: int, node: int) -> float:
        """Count them out; returns what that saves."""
        transfers = self._of[pod]
        moved = [
            transfer
            for transfer in transfers
            if self._fetches[transfer] < 0 or self._fetched[self._fetches[transfer], node] == 1
        ]
        self._count(transfers, moved, node, -1)
        return self._cost(transfers, moved, node)

    def _moved(self, transfers: list[int], node: int) -> list[int]:
        """Those that are not under way to the node anyway."""
        return [transfer for transfer in transfers if (self._fetches[transfer], node) not in self._fetched]

    def _cost(self, transfers: list[int], moved: list[int], node: int) -> float:
        """What it costs that a pod comes to wait for these, of which those that are moved were not under way."""
        cost = 0.0
        for transfer in moved:
            for link in self._links[transfer, node].tolist():
                cost += self.waits.item(link, self._sizes[transfer])
        for one, other in itertools.combinations(transfers, 2) if len(moved) < len(transfers) else ():
            if not (one in moved and other in moved) and self._pair(one, other, node) not in self._together:
                cost -= self._wait(one, other, node)
        return cost

    def _wait(self, one: int, other: int, node: int) -> float:
        """What a pair of transfers to one node costs."""
        links, its = self._links[one, node], self._links[other, node]
        per_byte = float((self._per_byte[links] * (links[:, None] == its).sum(1)).sum())
        smaller: float = self._rows.item(self._sizes[one], self._sizes[other])
        return per_byte * smaller

    def _pair(self, one: int, other: int, node: int) -> tuple[int, int, int]:
        first, second = sorted((self._fetches[one], self._fetches[other]))
        return first, second, node

    def _count(self, transfers: list[int], moved: list[int], node: int, sign: int) -> None:
        for transfer in moved:
            for link in self._links[transfer, node].tolist():
                self.waits[link] += (sign * self._per_byte[link]) * self._rows[self._sizes[transfer]]
        fetched = [transfer for transfer in transfers if self._fetches[transfer] >= 0]
        for transfer in fetched:
            _tally(self._fetched, (self._fetches[transfer], node), sign)
        for one, other in itertools.combinations(fetched, 2):
            _tally(self._together, self._pair(one, other, node), sign)


def _tally(counts: Counter[K], key: K, sign: int) -> None:
    counts[key] += sign
    if not counts[key]:
        del counts[key]


def _fetches(flows: problem.Flows) -> list[int]:
    """[transfers] the same number where one fetch serves several pods: the same thing of the same size the same way."""
    known: dict[tuple[int, int, float], int] = {}
    return [
        problem.NOWHERE if fetch < 0 else known.setdefault((fetch, route, size), len(known))
        for fetch, route, size in zip(
            flows.fetches.tolist(), flows.routes.tolist(), flows.sizes_bytes.tolist(), strict=True
        )
    ]
