"""Which devices are taken, and how much of those that are shared out.

A device that is given as a whole is taken; of one that is given in shares, each share is known with what it consumes.
Who has a device with admin access takes nothing. Source: dynamicresources/allocateddevices.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeVar

from scheduler.api import devices, quantities


class DeviceId(NamedTuple):
    """What a device is known by."""

    driver: str
    pool: str
    device: str


K = TypeVar("K")

PoolId = tuple[str, str]  # driver and name
Amounts = dict[str, int]  # capacity -> billionths


class Share(NamedTuple):
    """One share of a device."""

    device: DeviceId
    share: str
    consumed: tuple[tuple[str, int], ...]


class Use:
    """See the module. The same device or share may be known twice for a while, from what was decided and what is seen.

    Attributes:
        taken: How often each device that is given as a whole was given.
        shares: By device, each share and how often it is known.
    """

    def __init__(self) -> None:
        self.taken: dict[DeviceId, int] = {}
        self.shares: dict[DeviceId, dict[Share, int]] = {}

    def is_in_use(self, device: DeviceId) -> bool:
        """Whether a device or a share of it is taken."""
        return device in self.taken or device in self.shares

    def consumed(self, device: DeviceId) -> Amounts | None:
        """How much of a device's capacities its shares consume; None where none says so."""
        shares = self.shares.get(device)
        if shares is None or not any(share.consumed for share in shares):
            return None
        total: Amounts = {}
        for share in shares:
            for name, amount in share.consumed:
                total[name] = total.get(name, 0) + amount
        return total

    def step(self, allocation: devices.Allocation, sign: int) -> set[PoolId]:
        """Count an allocation in or out; returns the pools of which devices are taken or free now."""
        pools: set[PoolId] = set()
        for given in _given(allocation):
            if isinstance(given, Share):
                device, counts = given.device, self.shares.setdefault(given.device, {})
                _step(counts, given, sign)
                if not counts:
                    del self.shares[device]
            else:
                device = given
                _step(self.taken, given, sign)
            pools.add((device.driver, device.pool))
        return pools


def _given(allocation: devices.Allocation) -> Iterator[DeviceId | Share]:
    for result in allocation.devices.results:
        if result.admin_access:
            continue
        device = DeviceId(result.driver, result.pool, result.device)
        if result.share_id is None:
            yield device
        else:
            amounts = {name: quantities.nano(amount) for name, amount in result.consumed_capacity.items()}
            yield Share(device, result.share_id, tuple(sorted(amounts.items())))


def _step(counts: dict[K, int], key: K, sign: int) -> None:
    left = counts.get(key, 0) + sign
    if left:
        counts[key] = left
    else:
        counts.pop(key, None)
