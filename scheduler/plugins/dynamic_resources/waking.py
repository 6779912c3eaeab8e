"""What may help a pod that DynamicResources refused. Source: dynamicresources, EventsToRegister and its hints."""

from __future__ import annotations

from scheduler.api import core, devices
from scheduler.plugins import events
from scheduler.plugins.dynamic_resources import asking


def wakes(event: events.Event, asked: asking.Asked) -> bool:
    """Whether an event may help."""
    match event:
        case events.NodeChanged(old, new):
            return old is None or _offer(old) != _offer(new)
        case events.OwnPodChanged(old, new):
            return old.status.resource_claim_statuses != new.status.resource_claim_statuses
        case events.DevicesChanged(devices.ResourceClaim() | None as old, devices.ResourceClaim() | None as new):
            return _claim_wakes(old, new, asked)
        case events.DevicesChanged(_, devices.DeviceClass() | devices.ResourceSlice()):
            return True
        case events.DevicesChanged(devices.DeviceTaintRule(), _) | events.DevicesChanged(_, devices.DeviceTaintRule()):
            return True  # upstream sees the slices of which the taints are others
        case _:
            return False


def _offer(node: core.Node) -> tuple[object, object]:
    return node.metadata.labels, node.status.allocatable


def _claim_wakes(old: devices.ResourceClaim | None, new: devices.ResourceClaim | None, asked: asking.Asked) -> bool:
    if old is not None and old.status.allocation is not None and (new is None or new.status.allocation is None):
        return True
    if new is None or new.metadata.namespace != asked.namespace:
        return False
    if all(name != new.metadata.name for _, name, _ in asked.claims):
        return False
    return old is None or old.status != new.status
