"""Claims, volumes, and what says which can be had where, as typed structs like those of core.

Each says its kind where it is written, as the API server's objects do, so that one event can carry any of them.
"""

from __future__ import annotations

from typing import Final

import msgspec

from scheduler.api import core, sources

# component-helpers/storage/volume/pv_helpers.go
BIND_COMPLETED: Final = "pv.kubernetes.io/bind-completed"
BOUND_BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"
NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"
MIGRATED_PLUGINS: Final = "storage.alpha.kubernetes.io/migrated-plugins"
WAIT_FOR_FIRST_CONSUMER: Final = "WaitForFirstConsumer"
READ_WRITE_ONCE_POD: Final = "ReadWriteOncePod"
AVAILABLE: Final = "Available"
LOST: Final = "Lost"

_CLASS: Final = "volume.beta.kubernetes.io/storage-class"
_STORAGE: Final = "storage"


class _Object(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, gc=False):
    """Base of the parts here, with the habits of core's."""


class _Kind(_Object, frozen=True, tag_field="kind", tag=True):
    """Base of the objects here."""


class Phase(_Object, frozen=True):
    """How far a claim or volume is."""

    phase: str = ""


class ClaimSpec(_Object, frozen=True):
    """What is claimed; no class (None) is not the class without name ("")."""

    access_modes: tuple[str, ...] = ()
    selector: core.LabelSelector | None = None
    resources: core.Resources = core.Resources()
    volume_name: str = ""
    storage_class_name: str | None = None
    volume_mode: str = "Filesystem"
    volume_attributes_class_name: str = ""


class PersistentVolumeClaim(_Kind, frozen=True):
    """A claim to a volume."""

    metadata: core.ObjectMeta
    spec: ClaimSpec = ClaimSpec()
    status: Phase = Phase()

    @property
    def class_name(self) -> str:
        """The class that it asks for; "" for none."""
        return self.metadata.annotations.get(_CLASS, self.spec.storage_class_name or "")

    @property
    def requested(self) -> core.Quantity | None:
        """The size that it asks for."""
        return self.spec.resources.requests.get(_STORAGE)

    @property
    def is_bound(self) -> bool:
        """Whether it is bound and that is complete."""
        return bool(self.spec.volume_name) and BIND_COMPLETED in self.metadata.annotations

    def is_for(self, pod: core.Pod) -> bool:
        """Whether it was made for a pod."""
        return any(owner.controller and owner.uid == pod.metadata.uid for owner in self.metadata.owner_references)


class ClaimRef(_Object, frozen=True):
    """The claim that a volume is bound to, or kept for."""

    namespace: str = ""
    name: str = ""
    uid: str = ""


class VolumeNodeAffinity(_Object, frozen=True):
    """From which nodes a volume can be reached."""

    required: core.NodeSelector | None = None


class VolumeSpec(sources.Sources, frozen=True):
    """What a volume is."""

    capacity: core.ResourceList = msgspec.field(default_factory=dict)
    access_modes: tuple[str, ...] = ()
    claim_ref: ClaimRef | None = None
    storage_class_name: str = ""
    volume_mode: str = "Filesystem"
    volume_attributes_class_name: str = ""
    node_affinity: VolumeNodeAffinity | None = None


class PersistentVolume(_Kind, frozen=True):
    """A volume."""

    metadata: core.ObjectMeta
    spec: VolumeSpec = VolumeSpec()
    status: Phase = Phase()

    @property
    def class_name(self) -> str:
        """Its class; "" for none."""
        return self.metadata.annotations.get(_CLASS, self.spec.storage_class_name)

    @property
    def capacity(self) -> core.Quantity | None:
        """Its size."""
        return self.spec.capacity.get(_STORAGE)

    def is_kept_for(self, claim: PersistentVolumeClaim) -> bool:
        """Whether it is bound to a claim, or kept for it."""
        ref, meta = self.spec.claim_ref, claim.metadata
        return ref is not None and (ref.namespace, ref.name, ref.uid or meta.uid) == (
            meta.namespace,
            meta.name,
            meta.uid,
        )


class TopologyRequirement(_Object, frozen=True):
    """A label that must have one of some values."""

    key: str = ""
    values: tuple[str, ...] = ()


class TopologyTerm(_Object, frozen=True):
    """Labels that must all be so; none match no node."""

    match_label_expressions: tuple[TopologyRequirement, ...] = ()


class StorageClass(_Kind, frozen=True):
    """A kind of volume, and who provides it; a mode of None is one that nobody set."""

    metadata: core.ObjectMeta
    provisioner: str = ""
    volume_binding_mode: str | None = None
    allowed_topologies: tuple[TopologyTerm, ...] = ()


class Allocatable(_Object, frozen=True):
    """How many volumes fit; None for no limit."""

    count: core.Int32 | None = None


class NodeDriver(_Object, frozen=True):
    """A CSI driver that runs on a node."""

    name: str = ""
    allocatable: Allocatable = Allocatable()


class CSINodeSpec(_Object, frozen=True):
    """The drivers that run on a node."""

    drivers: tuple[NodeDriver, ...] = ()


class CSINode(_Kind, frozen=True):
    """What CSI drivers say of the node of the same name."""

    metadata: core.ObjectMeta
    spec: CSINodeSpec = CSINodeSpec()

    @property
    def migrated(self) -> frozenset[str]:
        """The in-tree plugins that drivers stand in for on this node."""
        listed = self.metadata.annotations.get(MIGRATED_PLUGINS, "")
        return frozenset(listed.split(",")) if listed else frozenset()


class CSIDriverSpec(_Object, frozen=True):
    """What scheduling is to look at for a driver's volumes."""

    storage_capacity: bool = False
    prevent_pod_scheduling_if_missing: bool = False


class CSIDriver(_Kind, frozen=True):
    """A CSI driver."""

    metadata: core.ObjectMeta
    spec: CSIDriverSpec = CSIDriverSpec()


class CSIStorageCapacity(_Kind, frozen=True):
    """How much of a class can be had on some nodes; no topology (None) reaches none."""

    metadata: core.ObjectMeta
    node_topology: core.LabelSelector | None = None
    storage_class_name: str = ""
    capacity: core.Quantity | None = None
    maximum_volume_size: core.Quantity | None = None

    @property
    def limit(self) -> core.Quantity | None:
        """The largest volume that can be had, as far as that is known."""
        return self.maximum_volume_size if self.maximum_volume_size is not None else self.capacity


class AttachmentSource(_Object, frozen=True):
    """What is attached."""

    persistent_volume_name: str = ""


class AttachmentSpec(_Object, frozen=True):
    """What is attached where, and by which driver."""

    attacher: str = ""
    node_name: str = ""
    source: AttachmentSource = AttachmentSource()


class VolumeAttachment(_Kind, frozen=True):
    """A volume that is attached to a node, or about to be."""

    metadata: core.ObjectMeta
    spec: AttachmentSpec = AttachmentSpec()


Object = (
    PersistentVolumeClaim
    | PersistentVolume
    | StorageClass
    | CSINode
    | CSIDriver
    | CSIStorageCapacity
    | VolumeAttachment
)
KINDS: Final[tuple[type[Object], ...]] = (
    PersistentVolumeClaim,
    PersistentVolume,
    StorageClass,
    CSINode,
    CSIDriver,
    CSIStorageCapacity,
    VolumeAttachment,
)
