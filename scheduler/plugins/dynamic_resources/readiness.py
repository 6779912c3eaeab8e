"""Whether devices that a claim has been given are ready to be used, as their drivers say.

Source: dynamicresources, isClaimReadyForBinding and isClaimTimeout.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from scheduler.api import devices, units

_TRUE: Final = "True"


def is_awaited(claim: devices.ResourceClaim) -> bool:
    """Whether some device must be ready before the pod is bound."""
    return any(result.binding_conditions for result in _results(claim))


def is_ready(claim: devices.ResourceClaim) -> bool:
    """Whether all devices are."""
    if claim.status.allocation is None:
        return False
    for result in _results(claim):
        if result.binding_conditions:
            found = _conditions(claim, result)
            if not all(map(found.is_true, result.binding_conditions)):
                return False
    return True


def failure(claim: devices.ResourceClaim) -> str:
    """Why some device will not be, in upstream's words; "" where that is not said."""
    for result in _results(claim):
        if not result.binding_conditions:
            continue
        found = _conditions(claim, result)
        for name in result.binding_failure_conditions:
            failed = found.by_type.get(name)
            if failed is not None and failed.status == _TRUE:
                said = f'reason={failed.reason}, message="{failed.message}"'
                return f"device binding failed: claim={claim.metadata.name}, {said}"
        if not all(map(found.is_true, result.binding_conditions)):
            return ""
    return ""


def is_late(claim: devices.ResourceClaim, now_s: float, timeout_s: float) -> bool:
    """Whether they have been waited for for too long."""
    allocation = claim.status.allocation
    since_s = units.time_s(allocation.allocation_timestamp) if allocation is not None else None
    return since_s is not None and is_awaited(claim) and since_s + timeout_s < now_s


def is_of_use(claim: devices.ResourceClaim, now_s: float, timeout_s: float) -> bool:
    """Whether a claim that has its devices can be gone on with."""
    return not failure(claim) and (is_ready(claim) or not is_late(claim, now_s, timeout_s))


def _results(claim: devices.ResourceClaim) -> tuple[devices.Result, ...]:
    return claim.status.allocation.devices.results if claim.status.allocation is not None else ()


class _Conditions(NamedTuple):
    """What is said of a device, by type."""

    by_type: dict[str, devices.Condition]

    def is_true(self, name: str) -> bool:
        return name in self.by_type and self.by_type[name].status == _TRUE


def _conditions(claim: devices.ResourceClaim, result: devices.Result) -> _Conditions:
    """The first of a type counts."""
    of = (result.driver, result.pool, result.device)
    said = next((one for one in claim.status.devices if (one.driver, one.pool, one.device) == of), None)
    return _Conditions({one.type: one for one in reversed(said.conditions)} if said is not None else {})
