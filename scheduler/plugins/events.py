"""What happens in the cluster, as far as it may help a pod that was refused. Each plugin says which of these may.

An object that is new has no ``old``; one that is gone has no ``new``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scheduler.api import core, crd, devices, volumes


@dataclass(frozen=True, slots=True)
class NodeChanged:
    """A node is new, or is not what it was."""

    old: core.Node | None
    new: core.Node


@dataclass(frozen=True, slots=True)
class NodeGone:
    """A node is gone, and with it the pods that are still known to be there: they count in no domain any more."""

    old: core.Node
    pods: tuple[core.Pod, ...] = ()


@dataclass(frozen=True, slots=True)
class AssignedPodChanged:
    """A pod that has a node is new there, changed, or is gone from it (deleted, finished, or its binding failed)."""

    old: core.Pod | None
    new: core.Pod | None


@dataclass(frozen=True, slots=True)
class OwnPodChanged:
    """The refused pod itself changed."""

    old: core.Pod
    new: core.Pod


@dataclass(frozen=True, slots=True)
class NamespaceChanged:
    """A namespace is new, has other labels, or is gone; None stands for no namespace."""

    name: str
    old: Mapping[str, str] | None
    new: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class CapabilityChanged:
    """A NodeCapability is new or changed; ``came_back`` if a store of it counts again that had been silent."""

    old: crd.NodeCapability | None
    new: crd.NodeCapability
    came_back: bool = False


@dataclass(frozen=True, slots=True)
class DataObjectChanged:
    """A DataObject is new, changed, or gone."""

    old: crd.DataObject | None
    new: crd.DataObject | None


@dataclass(frozen=True, slots=True)
class StorageChanged:
    """A claim, a volume, or what says which can be had where, is new, changed, or gone."""

    old: volumes.Object | None
    new: volumes.Object | None


@dataclass(frozen=True, slots=True)
class DevicesChanged:
    """A claim of devices, devices, or a class or taint of some, are new, changed, or gone."""

    old: devices.Object | None
    new: devices.Object | None


Event = (
    NodeChanged
    | NodeGone
    | AssignedPodChanged
    | OwnPodChanged
    | NamespaceChanged
    | CapabilityChanged
    | DataObjectChanged
    | StorageChanged
    | DevicesChanged
)
