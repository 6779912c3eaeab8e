"""The volumes that a pod names, as typed structs like those of core: what scheduling must tell apart, and no more.

The sources that bind a pod to places or count against limits are kept; config maps, secrets, projected, emptyDir,
hostPath and the like are not, as they run anywhere.
"""

from __future__ import annotations

import msgspec


class _Object(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, gc=False):
    """Base of the structs here, with the habits of core's."""


class ClaimSource(_Object, frozen=True):
    """The claim that a volume names."""

    claim_name: str = ""


class Ephemeral(_Object, frozen=True):
    """A claim that is made for the pod and named after it; its template is the API server's affair."""


class ImageVolume(_Object, frozen=True):
    """An image that is mounted as a volume."""

    reference: str = ""


class Csi(_Object, frozen=True):
    """A volume of a CSI driver; the handle is that of a PersistentVolume's."""

    driver: str = ""
    volume_handle: str = ""


class GceDisk(_Object, frozen=True):
    """A GCE persistent disk."""

    pd_name: str = ""
    read_only: bool = False


class AwsDisk(_Object, frozen=True):
    """An AWS EBS volume."""

    volume_id: str = msgspec.field(default="", name="volumeID")


class AzureDisk(_Object, frozen=True):
    """An Azure data disk; ``kind`` None stands for a shared one."""

    disk_uri: str = msgspec.field(default="", name="diskURI")
    kind: str | None = None


class AzureFile(_Object, frozen=True):
    """An Azure file share."""


class CinderDisk(_Object, frozen=True):
    """An OpenStack Cinder volume."""

    volume_id: str = msgspec.field(default="", name="volumeID")


class VsphereDisk(_Object, frozen=True):
    """A vSphere volume."""


class PortworxVolume(_Object, frozen=True):
    """A Portworx volume."""

    volume_id: str = msgspec.field(default="", name="volumeID")


class Iscsi(_Object, frozen=True):
    """An iSCSI disk."""

    iqn: str = ""
    read_only: bool = False


class Rbd(_Object, frozen=True):
    """A Ceph block device; the API server writes the pool ``rbd`` where none is given."""

    monitors: tuple[str, ...] = ()
    pool: str = ""
    image: str = ""
    read_only: bool = False


class Sources(_Object, frozen=True):
    """What a volume may be a name for, of pods and PersistentVolumes alike."""

    csi: Csi | None = None
    gce_persistent_disk: GceDisk | None = None
    aws_elastic_block_store: AwsDisk | None = None
    azure_disk: AzureDisk | None = None
    azure_file: AzureFile | None = None
    cinder: CinderDisk | None = None
    vsphere_volume: VsphereDisk | None = None
    portworx_volume: PortworxVolume | None = None


class Volume(Sources, frozen=True):
    """A volume of a pod."""

    name: str = ""
    persistent_volume_claim: ClaimSource | None = None
    ephemeral: Ephemeral | None = None
    iscsi: Iscsi | None = None
    rbd: Rbd | None = None
    image: ImageVolume | None = None
