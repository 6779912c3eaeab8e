"""How much of a device's capacities a request consumes, and whether so much is left; all amounts in billionths.

Source: dynamic-resource-allocation/structured/internal/incubating/consumable_capacity.go.
"""

from __future__ import annotations

from typing import Final

from scheduler.api import core, devices, quantities
from scheduler.state.claims import use

_INT64_MAX: Final = 2**63 - 1
_NOT_REPRESENTABLE: Final = "capacity request cannot be represented in the device's range arithmetic"


class Unreadable(Exception):  # noqa: N818 (what it says is why)
    """An amount that nobody can reckon with, which ends the search; never leaves this package."""


def fits(asked: use.Amounts | None, device: devices.Device, taken: use.Amounts, about_to_be_taken: use.Amounts) -> bool:
    """Whether what is asked of a device's capacities is left of them, and as its policy wants it.

    Raises:
        Unreadable: an amount cannot be reckoned with.
    """
    if asked is not None and not asked.keys() <= device.capacity.keys():
        return False
    wanted = consumed(asked, device)
    for name, amount in wanted.items():
        capacity = device.capacity[name]
        if _violates(amount, capacity.request_policy):
            return False
        total = taken.get(name, 0) + amount + about_to_be_taken.get(name, 0)
        if total > quantities.nano(capacity.value):
            return False
    return True


def consumed(asked: use.Amounts | None, device: devices.Device) -> use.Amounts:
    """What a share of a device consumes of each of its capacities.

    Raises:
        Unreadable: as above.
    """
    found = {}
    for name, capacity in device.capacity.items():
        amount = _consumed(asked.get(name) if asked is not None else None, capacity, name)
        if amount < 0:
            raise Unreadable(f'capacity "{name}": capacity value is negative')
        found[name] = amount
    return found


def _consumed(amount: int | None, capacity: devices.Capacity, name: str) -> int:
    policy = capacity.request_policy
    if amount is None:
        given = policy.default if policy is not None and policy.default is not None else capacity.value
        return quantities.nano(given)
    if policy is None:
        return amount
    if policy.valid_range is not None and policy.valid_range.min is not None:
        return _round_up(amount, policy.valid_range, name)
    values = [quantities.nano(one) for one in policy.valid_values]
    return next((one for one in values if amount <= one), amount)


def _round_up(amount: int, limits: devices.ValidRange, name: str) -> int:
    """To the next step from the least on."""
    least = _nano(limits.min)
    if amount < least:
        return least
    if limits.step is None:
        return amount
    if amount > _INT64_MAX * quantities.NANO:
        raise _unreadable(name, f"request {quantities.text(amount)} exceeds MaxInt64")
    step, start = _units(_nano(limits.step)), _units(least)
    steps = -((start - _units(amount)) // step)
    if steps > (_INT64_MAX - start) // step:
        raise _unreadable(name, f"rounding request {quantities.text(amount)} up to the next step passes MaxInt64")
    return (start + step * steps) * quantities.NANO


def _unreadable(name: str, why: str) -> Unreadable:
    return Unreadable(f'capacity "{name}": {_NOT_REPRESENTABLE}: {why}')


def _violates(amount: int, policy: devices.RequestPolicy | None) -> bool:
    if policy is None or (policy.default is not None and amount == quantities.nano(policy.default)):
        return False
    if policy.valid_range is not None:
        return _is_out_of(amount, policy.valid_range)
    return bool(policy.valid_values) and amount not in [quantities.nano(one) for one in policy.valid_values]


def _is_out_of(amount: int, limits: devices.ValidRange) -> bool:
    if limits.max is not None and amount > _nano(limits.max):
        return True
    if limits.step is None:
        return False
    return (_units(amount) - _units(_nano(limits.min))) % _units(_nano(limits.step)) != 0


def _nano(quantity: core.Quantity | None) -> int:
    return quantities.nano(quantity) if quantity is not None else 0


def _units(amount: int) -> int:
    """In whole units, rounded up: so are steps, as long as DRAFractionalCapacityRange is off, as it is by default."""
    return -(-amount // quantities.NANO)
