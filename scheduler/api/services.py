"""What selects pods, so that these are spread by default: Services and controllers, for their selectors alone."""

from __future__ import annotations

import msgspec

from scheduler.api import core


class ServiceSpec(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """Which pods it selects; without labels, none."""

    selector: dict[str, str] = {}


class Service(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """A Service, for what it selects; a ReplicationController is read alike."""

    metadata: core.ObjectMeta
    spec: ServiceSpec = ServiceSpec()


class ControllerSpec(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """Which pods it selects."""

    selector: core.LabelSelector = core.LabelSelector()


class Controller(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """A ReplicaSet or a StatefulSet, for what it selects."""

    metadata: core.ObjectMeta
    spec: ControllerSpec = ControllerSpec()


def selector_of(obj: Service | Controller) -> core.LabelSelector:
    """What one selects."""
    selector = obj.spec.selector
    return selector if isinstance(selector, core.LabelSelector) else core.LabelSelector(match_labels=selector)
