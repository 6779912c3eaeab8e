"""Volumes of old plugins that CSI drivers stand in for: which driver, under which handle, and where that reaches.

Only the plugins that kube-scheduler counts as migrated; it knows more, but never acts on them.

Source: csi-translation-lib of 1.37, volumebinding/binder.go and nodevolumelimits/utils.go.
"""

from __future__ import annotations

import re
import urllib.parse
from typing import Final, NamedTuple

import msgspec

from scheduler.api import core, names, sources, volumes

AWS: Final = "kubernetes.io/aws-ebs"
AZURE: Final = "kubernetes.io/azure-disk"
CINDER: Final = "kubernetes.io/cinder"
GCE: Final = "kubernetes.io/gce-pd"
PORTWORX: Final = "kubernetes.io/portworx-volume"
DRIVERS: Final = {
    AWS: "ebs.csi.aws.com",
    AZURE: "disk.csi.azure.com",
    CINDER: "cinder.csi.openstack.org",
    GCE: "pd.csi.storage.gke.io",
    PORTWORX: "pxd.portworx.com",
}
# Provisioners with a driver in their place whose volumes are not counted all the same.
UNCOUNTED: Final = frozenset({"kubernetes.io/azure-file", "kubernetes.io/vsphere-volume"})
BETA_ZONE: Final = "failure-domain.beta.kubernetes.io/zone"
BETA_REGION: Final = "failure-domain.beta.kubernetes.io/region"

_TOPOLOGY: Final = {
    AWS: "topology.ebs.csi.aws.com/zone",
    CINDER: "topology.cinder.csi.openstack.org/zone",
    GCE: "topology.gke.io/zone",
}
_SEPARATOR: Final = "__"
_EBS: Final = re.compile(r"vol-[^/]*")
_UNSPECIFIED: Final = "UNSPECIFIED"

Terms = tuple[core.NodeSelectorTerm, ...]


class Stand(NamedTuple):
    """What stands for a volume: the plugin that it is of, the driver, the handle; and why it cannot, if so."""

    plugin: str
    driver: str
    handle: str = ""
    problem: str = ""


def is_inline(volume: sources.Volume) -> bool:
    """Whether a pod's volume is one of an old plugin."""
    return plugin_of(volume) != "" or volume.azure_file is not None or volume.vsphere_volume is not None


def plugin_of(source: sources.Sources) -> str:
    """The old plugin of a volume; "" for none that is counted."""
    if source.gce_persistent_disk is not None:
        return GCE
    if source.aws_elastic_block_store is not None:
        return AWS
    if source.cinder is not None:
        return CINDER
    if source.azure_disk is not None:
        return AZURE
    return PORTWORX if source.portworx_volume is not None else ""


def of_inline(volume: sources.Volume) -> Stand | None:
    """What stands for a volume that a pod names itself."""
    plugin = plugin_of(volume)
    if not plugin:
        return None
    if volume.gce_persistent_disk is not None:
        return _stand(plugin, handle=_zonal(_UNSPECIFIED, volume.gce_persistent_disk.pd_name))
    return _of_source(plugin, volume)


def of_volume(volume: volumes.PersistentVolume) -> Stand | None:
    """What stands for a PersistentVolume."""
    plugin, disk = plugin_of(volume.spec), volume.spec.gce_persistent_disk
    if not plugin:
        return None
    if disk is None:
        return _of_source(plugin, volume.spec)
    labels = volume.metadata.labels
    zones = (labels.get(BETA_ZONE, "") or labels.get(names.ZONE_LABEL, "")).split(_SEPARATOR)
    if len(zones) == 1:
        return _stand(plugin, handle=_zonal(zones[0] or _UNSPECIFIED, disk.pd_name))
    regions = {zone.rpartition("-")[0] for zone in zones}
    odd = next((zone for zone in zones if zone.count("-") != 2), None)
    if odd is not None:
        rule = f"zone in unexpected format, expected: {{locale}}-{{region}}-{{zone}}, got: {odd}"
        return _stand(plugin, problem=f"failed to get region from zones: {rule}")
    if len(regions) != 1:
        found = " ".join(f"{region}:{{}}" for region in sorted(regions))
        rule = f"multiple or no regions gotten from zones, got: map[{found}]"
        return _stand(plugin, problem=f"failed to get region from zones: {rule}")
    return _stand(plugin, handle=f"projects/{_UNSPECIFIED}/regions/{regions.pop()}/disks/{disk.pd_name}")


def _zonal(zone: str, disk: str) -> str:
    return f"projects/{_UNSPECIFIED}/zones/{zone}/disks/{disk}"


def _of_source(plugin: str, source: sources.Sources) -> Stand:
    if source.aws_elastic_block_store is not None:
        return _of_aws(source.aws_elastic_block_store.volume_id)
    if source.azure_disk is not None:
        kind = source.azure_disk.kind
        if kind is not None and kind.lower() != "managed":
            return _stand(plugin, problem=f"kind({kind}) is not supported in csi migration")
        return _stand(plugin, handle=source.azure_disk.disk_uri)
    if source.cinder is not None:
        return _stand(plugin, handle=source.cinder.volume_id)
    return _stand(plugin, handle=source.portworx_volume.volume_id if source.portworx_volume is not None else "")


def _of_aws(written: str) -> Stand:
    if not written.startswith("aws://"):
        return _stand(AWS, handle=written)
    handle = urllib.parse.unquote(urllib.parse.urlsplit(written).path).strip("/")
    if not _EBS.fullmatch(handle):
        rule = f"Invalid format for AWS volume ({written})"
        return _stand(AWS, problem=f"failed to translate Kubernetes ID to EBS Volume ID {rule}")
    return _stand(AWS, handle=handle)


def _stand(plugin: str, *, handle: str = "", problem: str = "") -> Stand:
    return Stand(plugin, DRIVERS[plugin], handle, problem)


def reach(volume: volumes.PersistentVolume) -> Terms | None:
    """From where the CSI driver in its place reaches a volume, by the driver's own labels; None for everywhere."""
    affinity = volume.spec.node_affinity
    terms = affinity.required.node_selector_terms if affinity is not None and affinity.required is not None else None
    topology = _TOPOLOGY.get(plugin_of(volume.spec))
    if topology is None:
        return terms
    zone, region = _labels(volume, terms or ())
    zones = {value for term in terms or () for one in term.match_expressions if one.key == zone for value in one.values}
    moved = {zone: topology} if zones else {}
    if region == BETA_REGION:
        moved[region] = names.REGION_LABEL
    if moved and terms:
        terms = tuple(_renamed(term, moved) for term in terms)
    if zones or zone not in volume.metadata.labels:
        return terms
    told = sorted({part.strip() for part in volume.metadata.labels[zone].split(_SEPARATOR)} - {""})
    if not told:
        return terms
    more = core.Requirement(key=topology, operator="In", values=tuple(told))
    return tuple(
        msgspec.structs.replace(term, match_expressions=(*term.match_expressions, more))
        for term in terms or (core.NodeSelectorTerm(),)
    )


def _labels(volume: volumes.PersistentVolume, terms: Terms) -> tuple[str, str]:
    """The labels of zone and region that a volume speaks of: the old ones only where it has no new ones."""
    keys = {one.key for term in terms for one in term.match_expressions}
    for known in (keys, volume.metadata.labels):
        if names.ZONE_LABEL in known:
            break
        if BETA_ZONE in known:
            return BETA_ZONE, BETA_REGION
    return names.ZONE_LABEL, names.REGION_LABEL


def _renamed(term: core.NodeSelectorTerm, moved: dict[str, str]) -> core.NodeSelectorTerm:
    return msgspec.structs.replace(
        term,
        match_expressions=tuple(
            msgspec.structs.replace(one, key=moved.get(one.key, one.key)) for one in term.match_expressions
        ),
    )
