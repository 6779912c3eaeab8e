"""Dask: the node where the pod would start soonest.

    start(n) = occupancy(n) / threads(n) + bytes of the inputs that are not there / bandwidth

with the occupancy as the seconds of all pods that are on the node, the threads as its cores, and one bandwidth for the
whole cluster: the mean over its pairs of nodes, which is what Dask's average of observed transfers comes to. Of nodes
that tie, the one that stores the fewest bytes is taken. Where some nodes hold any of the inputs, only these are looked
at, as long as one of them takes the pod.

Source: distributed/scheduler.py, ``worker_objective`` and ``decide_worker`` (2026.7). It differs in that a full node is
none: Dask queues tasks at its workers, and steals them back where that was wrong. A pod cannot be bound so.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Final

import numpy as np

from scheduler.simulate.arms import base, seen
from scheduler.state import snapshot, usage

# distributed.yaml, distributed.scheduler.unknown-task-duration: of a task of which nothing is known.
_UNKNOWN_S: Final = 0.5


class Dask:
    """See the module."""

    def __init__(self) -> None:
        self._running: dict[str, tuple[str, float]] = {}  # by uid: the node, and how long it is taken to take there
        self._stored_bytes: dict[str, int] = {}  # by node: what its pods have fetched and written
        self._made_of: Hashable = None
        self._bandwidth_bytes_per_s = 0.0

    def place(self, see: seen.Seen, waiting: Sequence[seen.Waiting]) -> Iterator[base.To]:
        self._running = {uid: of for uid, of in self._running.items() if uid in see.view.placed}
        for one in waiting:
            slots = see.feasible(one)
            if not len(slots):
                continue
            view, missing = see.view, see.missing_bytes(one)
            slot = self._choose(view, slots, missing)
            written = sum([each.size_bytes for each in one.asked.transfers if each.is_output])
            node = view.names[slot]
            self._running[one.uid] = node, one.asked.intent.processing_s or _UNKNOWN_S
            self._stored_bytes[node] = self._stored_bytes.get(node, 0) + written + int(missing[slot])
            yield base.To(one, slot)

    def again_s(self) -> None:
        """Time changes nothing."""

    def _choose(self, view: snapshot.Snapshot, slots: seen.Ints, missing: seen.Floats) -> int:
        made_of = view.links.made_of(view.now_s)
        if made_of != self._made_of:
            self._made_of, self._bandwidth_bytes_per_s = made_of, seen.mean_link(view)[0]
        holders = slots[missing[slots] < missing.max()]
        candidates = holders if len(holders) else slots
        occupancy = np.zeros(view.size)
        for node, seconds in self._running.values():
            if node in view.index_of:
                occupancy[view.index_of[node]] += seconds
        stored = [self._stored_bytes.get(view.names[slot], 0) for slot in candidates.tolist()]
        threads = np.maximum(view.offered[usage.CPU, candidates] / 1000, 1)
        start = occupancy[candidates] / threads + missing[candidates] / self._bandwidth_bytes_per_s
        return int(candidates[np.lexsort((stored, start))[0]])
