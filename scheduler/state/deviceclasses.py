"""Which extended resources stand for devices of a class, and are then had by claims rather than from the node."""

from __future__ import annotations

from scheduler.api import core


class DeviceClasses:
    """The classes that claim an extended resource."""

    def __init__(self) -> None:
        self._claimed: dict[str, str] = {}  # name -> extended resource

    def apply(self, device_class: core.DeviceClass) -> bool:
        """Add a class or take in what it claims; returns whether that changes anything."""
        name, resource = device_class.metadata.name, device_class.spec.extended_resource_name
        if not resource:
            return self.remove(name)
        changes = self._claimed.get(name) != resource
        self._claimed[name] = resource
        return changes

    def remove(self, name: str) -> bool:
        """Forget a class; returns whether it claimed one."""
        return self._claimed.pop(name, None) is not None

    def resources(self) -> frozenset[str]:
        """The extended resources that are claimed."""
        return frozenset(self._claimed.values())
