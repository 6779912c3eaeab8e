"""What the plugins here read of a pod: the claims that it names, and those that are made for it.

The pod itself goes along; what is read tells it from others.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from scheduler.api import core, volumes
from scheduler.plugins import events, request
from scheduler.state.volumes import mounts


class Listed(NamedTuple):
    """A claim; ``is_own``: made for the pod, so that it must be the pod's."""

    name: str
    is_own: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """A pod's claims.

    Attributes:
        namespace: Of the claims.
        listed: The claims in order.
        uid: The pod's where claims are made for it, "" otherwise.
        drivers: The CSI drivers of volumes that are no claims.
    """

    namespace: str
    listed: tuple[Listed, ...]
    uid: str
    drivers: tuple[str, ...]
    pod: core.Pod = field(compare=False)

    @property
    def named(self) -> tuple[str, ...]:
        """The claims that the pod names itself."""
        return tuple(one.name for one in self.listed if not one.is_own)

    def has(self, claim: volumes.PersistentVolumeClaim) -> bool:
        """Whether a claim is one of the pod's."""
        meta = claim.metadata
        return meta.namespace == self.namespace and any(one.name == meta.name for one in self.listed)

    def names(self, claim: volumes.PersistentVolumeClaim) -> bool:
        """Whether the pod names a claim itself."""
        return claim.metadata.namespace == self.namespace and claim.metadata.name in self.named


def claims(pod: request.PodRequest) -> Asked | None:
    """The pod's claims; None where it has none."""
    meta, spec = pod.pod.metadata, pod.pod.spec
    listed = []
    for volume in spec.volumes:
        name = mounts.claim_name(pod.pod, volume)
        if name is not None:
            listed.append(Listed(name, volume.persistent_volume_claim is None))
    if not listed:
        return None
    uid = meta.uid if any(one.is_own for one in listed) else ""
    drivers = tuple(volume.csi.driver for volume in spec.volumes if volume.csi is not None)
    return Asked(meta.namespace, tuple(listed), uid, drivers, pod.pod)


def not_found(claim: str) -> str:
    """Upstream's words for a claim that is not there."""
    return f'persistentvolumeclaim "{claim}" not found'


def came(event: events.Event) -> volumes.Object | None:
    """The object that is new."""
    return event.new if isinstance(event, events.StorageChanged) and event.old is None else None
