"""What must hold of the devices of some requests together, and what a device's taints say.

Source: dynamic-resource-allocation/structured/internal/incubating/constraint.go, resourceclaim/devicetoleration.go.
"""

from __future__ import annotations

from scheduler.api import core, devices
from scheduler.plugins.common import tolerations
from scheduler.plugins.dynamic_resources import wanted
from scheduler.state.claims import pools


def is_kept_off(taints: tuple[core.Taint, ...], tolerated: tuple[core.Toleration, ...]) -> bool:
    """Whether some taint is not put up with."""
    return not all(tolerations.tolerates(tolerated, taint) for taint in taints)


class Rule:
    """A constraint: what the devices so far have in common, or do not."""

    def __init__(self, constraint: devices.Constraint) -> None:
        self._requests = frozenset(constraint.requests)
        self._attribute = constraint.match_attribute or constraint.distinct_attribute or ""
        self._is_distinct = constraint.match_attribute is None
        self._values: list[object] = []

    def add(self, way: wanted.Option, item: pools.Item) -> bool:
        """Whether a device may join; it has then."""
        if not self._concerns(way):
            return True
        value = _attribute(item, self._attribute)
        if value is None or (self._values and self._value_of(value) is None):
            return False
        plain = self._value_of(value)
        if self._is_distinct and plain is not None and plain in self._values:
            return False
        if not self._is_distinct and self._values and plain != self._values[0]:
            return False
        self._values.append(plain)
        return True

    def remove(self, way: wanted.Option) -> None:
        """The last that joined has not."""
        if self._concerns(way):
            self._values.pop()

    def _concerns(self, way: wanted.Option) -> bool:
        parent = way.parent or way.name
        return not self._requests or parent in self._requests or (bool(way.parent) and way.full_name in self._requests)

    @staticmethod
    def _value_of(attribute: devices.Attribute) -> tuple[str, object] | None:
        for kind in ("string", "number", "truth", "version"):
            value = getattr(attribute, kind)
            if value is not None:
                return kind, value
        return None


def _attribute(item: pools.Item, name: str) -> devices.Attribute | None:
    found = item.device.attributes.get(name)
    if found is not None:
        return found
    domain, slash, own = name.partition("/")
    return item.device.attributes.get(own) if slash and domain == item.id.driver else None
