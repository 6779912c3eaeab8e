"""What Services and controllers select: by that, pods which ask for no spreading themselves are spread by default.

Source: pkg/scheduler/framework/plugins/helper/spread.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from scheduler.api import core, requirements

SERVICE: Final = "Service"
# Their collections in a question (scheduler.offline.question), and those that select by labels alone.
COLLECTIONS: Final[Mapping[str, str]] = {
    SERVICE: "services",
    "ReplicationController": "replicationControllers",
    "ReplicaSet": "replicaSets",
    "StatefulSet": "statefulSets",
}
BY_LABELS: Final = (SERVICE, "ReplicationController")
# The controllers that are looked at, by the group and version that owner references name them with.
_CONTROLLERS: Final[Mapping[str, str]] = {
    "ReplicationController": "v1",
    "ReplicaSet": "apps/v1",
    "StatefulSet": "apps/v1",
}
# Pods of which it is remembered what is made of their selectors; all are forgotten when a selector changes.
_KEPT: Final = 4096

Owner = tuple[str, str]  # kind and name
V = TypeVar("V")


class Selecting(NamedTuple):
    """A Service's selector, or that of a controller; of a name in a namespace."""

    kind: str
    namespace: str
    name: str


def owner_of(meta: core.ObjectMeta) -> Owner | None:
    """The controller of a pod, if it is one of those that are looked at."""
    for owner in meta.owner_references:
        if owner.controller:
            return (owner.kind, owner.name) if _CONTROLLERS.get(owner.kind) == owner.api_version else None
    return None


class SelectorTable:
    """Selectors as last applied."""

    def __init__(self) -> None:
        self._services: dict[str, dict[str, Mapping[str, str]]] = {}  # by namespace and name
        self._controllers: dict[Selecting, core.LabelSelector] = {}
        self._found: dict[bytes, Any] = {}

    def apply(self, of: Selecting, selector: core.LabelSelector) -> bool:
        """Add a selector or take in its new version; returns whether it is another.

        One that cannot be read adds nothing to the others, as upstream has it.
        """
        if of.kind == SERVICE:
            services = self._services.setdefault(of.namespace, {})
            if services.get(of.name) == selector.match_labels:
                return False
            services[of.name] = selector.match_labels
        else:
            if of.kind not in BY_LABELS and requirements.selector_problem(selector):
                selector = core.LabelSelector()
            if self._controllers.get(of) == selector:
                return False
            self._controllers[of] = selector
        self._found.clear()
        return True

    def remove(self, of: Selecting) -> bool:
        """Forget a selector; returns whether it was known."""
        if of.kind != SERVICE:
            known = self._controllers.pop(of, None) is not None
        else:
            services = self._services.get(of.namespace, {})
            known = services.pop(of.name, None) is not None
            if known and not services:
                del self._services[of.namespace]
        if known:
            self._found.clear()
        return known

    def held(self) -> dict[Selecting, core.LabelSelector]:
        """All selectors."""
        services = {
            Selecting(SERVICE, namespace, name): core.LabelSelector(match_labels=dict(selector))
            for namespace, of_namespace in self._services.items()
            for name, selector in of_namespace.items()
        }
        return services | self._controllers

    def found(self, key: bytes, meta: core.ObjectMeta, make: Callable[[core.LabelSelector], V]) -> V | None:
        """What is made of that, as long as no selector changes.

        Args:
            key: Tells what is asked for, by all that it depends on but for the selectors.
            make: Asked where it is not known.
        """
        if key not in self._found:
            if len(self._found) >= _KEPT:
                self._found.clear()
            selector = self.of(meta)
            self._found[key] = make(selector) if selector is not None else None
        known: V | None = self._found[key]
        return known

    def of(self, meta: core.ObjectMeta) -> core.LabelSelector | None:
        """What the Services that select a pod select, and what its controller does; None where that is nothing."""
        owner = owner_of(meta)
        labels: dict[str, str] = {}
        for selector in self._services.get(meta.namespace, {}).values():
            if selector.items() <= meta.labels.items():
                labels.update(selector)
        held: list[core.Requirement] = []
        controller = self._controllers.get(Selecting(owner[0], meta.namespace, owner[1])) if owner is not None else None
        if controller is not None and owner is not None and owner[0] == "ReplicationController":
            labels.update(controller.match_labels)
        elif controller is not None:
            # Beside the Services', whatever these say of the same label.
            held = [core.Requirement(key, "In", (value,)) for key, value in controller.match_labels.items()]
            held += controller.match_expressions
        if not labels and not held:
            return None
        return core.LabelSelector(match_labels=dict(sorted(labels.items())), match_expressions=tuple(held))
