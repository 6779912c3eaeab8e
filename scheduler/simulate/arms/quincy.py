"""Quincy: the cheapest flow of all pods that wait to the nodes, where to wait on has a price, too.

A node costs what crosses a switch for it: 1 for each GB that comes from its own zone (Quincy's rack), 2 for each that
comes from farther. To wait costs half a unit for each second that the pod has waited, so that it is placed as soon as
no better place is worth the wait. Only nodes and zones that hold a tenth of the input are preferred to others; all
others cost as the worst of them.

Source: Isard et al., SOSP 2009, with the constants of Firmament's quincy_cost_model.cc. It differs in that nothing that
runs is moved (a pod cannot be), and in that pods of unlike requests share a network of unlike slots: a node has as
many as the pods that wait, in their order, would fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from scheduler.plugins.data import cost
from scheduler.simulate.arms import base, flow, seen
from scheduler.state import snapshot

_RACK_PER_GB: Final = 1.0  # quincy_tor_transfer_cost
_CORE_PER_GB: Final = 2.0  # quincy_core_transfer_cost
_WAIT_PER_S: Final = 0.5  # quincy_wait_time_factor
_PREFERRED: Final = 0.1  # quincy_prefered_machine_data_fraction and ..._rack_data_fraction
_GB: Final = 1e9
# Pods of one round; the others come with the next one. Firmament solves 12,500 machines at once; this is no C++.
_ROUND: Final = 256
# A flow that waits for just as long as the price says may miss it by rounding.
_TICK_S: Final = 1e-6


class Quincy:
    """See the module."""

    def __init__(self) -> None:
        self._again_s: float | None = None
        self._costs: dict[str, tuple[cost.DataCost, seen.Floats]] = {}  # by uid, and what they were found of

    def place(self, see: seen.Seen, waiting: Sequence[seen.Waiting]) -> Iterator[base.To]:
        left = list(waiting)
        self._costs = {one.uid: self._costs[one.uid] for one in waiting if one.uid in self._costs}
        while True:
            fitting = [(one, slots) for one in left if len(slots := see.feasible(one))][:_ROUND]
            if not fitting:
                self._again_s = None
                return
            costs = np.full((len(fitting), see.view.size), np.inf)
            for row, (one, slots) in enumerate(fitting):
                costs[row, slots] = self._costs_of(see, one)[slots]
            past = np.array([_WAIT_PER_S * (see.now_s - one.since_s) for one, _ in fitting])
            chosen = flow.assign(costs, _slots(see.view, [one for one, _ in fitting]), past)
            placed = set()
            for (one, _), slot in zip(fitting, chosen, strict=True):
                if slot >= 0 and slot in see.feasible(one):
                    placed.add(one.uid)
                    yield base.To(one, slot)
            left = [one for one in left if one.uid not in placed]
            if not placed:
                self._again_s = max(float((costs.min(axis=1) - past).min()) / _WAIT_PER_S, 0.0) + _TICK_S
                return

    def again_s(self) -> float | None:
        return self._again_s

    def _costs_of(self, see: seen.Seen, one: seen.Waiting) -> seen.Floats:
        found, kept = see.cost(one), self._costs.get(one.uid)
        if kept is None or kept[0] is not found or len(kept[1]) != see.view.size:
            kept = self._costs[one.uid] = found, transfer_costs(see, one)
        return kept[1]


def transfer_costs(see: seen.Seen, one: seen.Waiting) -> seen.Floats:
    """[slots] what a pod's inputs cost there, by the cheapest of three arcs: its own, its zone's, the cluster's."""
    found = see.cost(one)
    zone_of, zones = seen.zones(see.view)
    on_machine, in_zone = np.zeros(see.view.size), np.zeros(zones)
    whole = 0
    for move in found.moves:
        if not move.is_output:
            holders = seen.holders(move)
            whole += move.size_bytes
            on_machine[holders] += move.size_bytes
            in_zone[np.unique(zone_of[holders])] += move.size_bytes
    near = in_zone[zone_of]
    own = (_RACK_PER_GB * (near - on_machine) + _CORE_PER_GB * (whole - near)) / _GB
    worst = np.zeros(zones)
    np.maximum.at(worst, zone_of[see.view.alive], own[see.view.alive])
    costs = np.full(see.view.size, worst.max())
    if whole:
        by_zone = near >= _PREFERRED * whole
        costs[by_zone] = worst[zone_of[by_zone]]
        preferred = on_machine >= _PREFERRED * whole
        costs[preferred] = own[preferred]
    return costs


def _slots(view: snapshot.Snapshot, ones: Sequence[seen.Waiting]) -> seen.Ints:
    """[slots] how many of the pods, as many as fit in their order; one where the first is too big, but another fits."""
    asked = np.cumsum([one.asked.asked.vector[seen.ROWS] for one in ones], axis=0)
    free = (view.offered - view.taken)[seen.ROWS]
    slots: seen.Ints = np.maximum((asked[:, :, None] <= free[None]).all(axis=1).sum(axis=0), 1)
    return slots
