"""Counters that devices of a pool have in common: what a search takes of them, beside what is taken already.

Source: allocator_incubating.go, checkAvailableCounters.
"""

from __future__ import annotations

from scheduler.state.claims import pools, use


class Counters:
    """What is left of them, and what a search has taken.

    Args:
        taken: The devices that are in use.
    """

    def __init__(self, taken: use.Use) -> None:
        self._use = taken
        self._available: dict[use.PoolId, pools.Counters] = {}
        self._consumed: dict[use.PoolId, pools.Counters] = {}

    def take(self, pool: pools.NodePool, item: pools.Item) -> bool:
        """Whether enough is left for a device; it is taken then. A pool of which too much is taken gives nothing."""
        available = self._available.get(pool.id)
        if available is None:
            available = self._available[pool.id] = self._left_of(pool)
        consumed = self._consumed.setdefault(pool.id, {})
        for key, amount in item.consumes:
            consumed[key] = consumed.get(key, 0) + amount
        if any(left < consumed.get(key, 0) for key, left in available.items()):
            self.give_back(pool, item)
            return False
        return True

    def give_back(self, pool: pools.NodePool, item: pools.Item) -> None:
        """A device takes nothing of them any more."""
        consumed = self._consumed[pool.id]
        for key, amount in item.consumes:
            consumed[key] -= amount

    def _left_of(self, pool: pools.NodePool) -> pools.Counters:
        left = dict(pool.counters)
        for item in (*pool.items, *pool.others):
            if self._use.is_in_use(item.id):
                for key, amount in item.consumes:
                    left[key] -= amount
        return left
