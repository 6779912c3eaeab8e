"""Where the pods stand while a plan is sought, and what that leaves free."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scheduler.engine.assign import problem, sharing, table


class Standing:
    """The nodes of pods, changed one pod at a time.

    Attributes:
        nodes: [pods] ``problem.NOWHERE`` for a pod without one.
        free: [slots] what is left of ``table.Limits.free``.
        missing: Pods without a node.
        cost: Of those that have one.
    """

    __slots__ = ("_asks", "_slots", "cost", "free", "missing", "nodes", "shared", "table")

    def __init__(self, prepared: table.Table) -> None:
        limits = prepared.limits
        self.table = prepared
        self.shared = None if prepared.transfers is None else sharing.Shared(prepared.transfers)
        self.nodes: list[int] = [problem.NOWHERE] * len(prepared.costs)
        self.free = limits.free.copy()
        self.missing = len(self.nodes)
        self.cost = 0.0
        self._asks: list[list[float]] = limits.asks.tolist()
        self._slots: list[list[int]] = limits.slots.tolist()

    def fits(self, pod: int, nodes: problem.Ints) -> table.Mask:
        """[nodes] whether there is room for a pod that stands nowhere."""
        fit: table.Mask = np.isfinite(self.table.costs[pod, nodes])
        for ask, slots in zip(self._asks[pod], self.table.limits.slots, strict=True):
            if ask:
                fit &= self.free[slots[nodes]] >= ask
        return fit

    def fits_on(self, pod: int, node: int) -> bool:
        """Whether there is room on one node, which need not be one that the pod may go to."""
        free = self.free
        return all(not ask or free[slots[node]] >= ask for ask, slots in zip(self._asks[pod], self._slots, strict=True))

    def costs(self, pod: int, nodes: problem.Ints) -> problem.Floats:
        """[nodes] what a pod that stands nowhere would add to the cost there, room or not."""
        alone: problem.Floats = self.table.costs[pod, nodes]
        return alone if self.shared is None else alone + self.shared.adds(pod, nodes)

    def put(self, pod: int, node: int) -> None:
        """Place a pod that stands nowhere where there is room for it."""
        self.cost += self.table.costs.item(pod, node)
        if self.shared is not None:
            self.cost += self.shared.add(pod, node)
        for ask, slots in zip(self._asks[pod], self._slots, strict=True):
            self.free[slots[node]] -= ask
        self.nodes[pod] = node
        self.missing -= 1

    def take(self, pod: int) -> None:
        """Take a pod off its node."""
        node = self.nodes[pod]
        self.cost -= self.table.costs.item(pod, node)
        if self.shared is not None:
            self.cost -= self.shared.remove(pod, node)
        for ask, slots in zip(self._asks[pod], self._slots, strict=True):
            self.free[slots[node]] += ask
        self.nodes[pod] = problem.NOWHERE
        self.missing += 1

    def try_placing(self, pods: Sequence[int], nodes: Sequence[int], least: float) -> bool:
        """Place these pods there if that leaves fewer without a node, or saves at least ``least``; else all stays.

        ``nodes`` may say ``problem.NOWHERE``.
        """
        before, missing, cost = [self.nodes[pod] for pod in pods], self.missing, self.cost
        self._lift(pods)
        done = self._placed(pods, nodes)
        if done and (self.missing < missing or (self.missing == missing and self.cost <= cost - least)):
            return True
        self._lift(pods)
        self._placed(pods, before)
        self.cost = cost  # to the bit
        return False

    def _lift(self, pods: Sequence[int]) -> None:
        for pod in pods:
            if self.nodes[pod] >= 0:
                self.take(pod)

    def _placed(self, pods: Sequence[int], nodes: Sequence[int]) -> bool:
        for pod, node in zip(pods, nodes, strict=True):
            if node >= 0:
                if not (np.isfinite(self.table.costs.item(pod, node)) and self.fits_on(pod, node)):
                    return False
                self.put(pod, node)
        return True

    def set(self, nodes: Sequence[int]) -> None:
        """Place all pods as a plan says, each where there is room for it."""
        pods = range(len(self.nodes))
        self._lift(pods)
        self.cost = 0.0
        for pod, node in zip(pods, nodes, strict=True):
            if node >= 0 and np.isfinite(self.table.costs.item(pod, node)) and self.fits_on(pod, node):
                self.put(pod, node)
