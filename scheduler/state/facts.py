"""What a node's labels and its NodeCapability together say of it: place, kind, capabilities, stores, links.

Labels win where both speak, as an administrator sets them by hand; a capability whose value is "false" is not there.
Labels that repeat what the NodeCapability's stores say are the daemon's own: they outlive it, and have no age by which
that could be told, so that the stores, which have one, speak alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from scheduler.api import core, crd, names, units
from scheduler.state import links, network, served

EDGE: Final = 1
CLOUD: Final = 2
_TYPE_CODES: Final = {"edge": EDGE, "cloud": CLOUD}

# The earlier implementation's labels that tell of an accelerator for graphics or tensors.
_GPU_CAPABILITIES: Final = ("gpu-accelerated", "gpu-nvidia", "gpu-amd", "gpu-intel")
_GPU_RESOURCE_ENDINGS: Final = ("/gpu", "gpu.intel.com/i915", "gpu.intel.com/xe")
_GPU_SLICE: Final = "nvidia.com/mig-"
# Labels of the earlier implementation, below the common prefix.
_BUCKET: Final = names.STORAGE_BUCKET_PREFIX.removeprefix(names.NODE_CAPABILITY_PREFIX)
_STORAGE: Final = "storage-service"
_BANDWIDTH: Final = names.BANDWIDTH_PREFIX.removeprefix(names.NODE_CAPABILITY_PREFIX)
_LATENCY: Final = names.LATENCY_PREFIX.removeprefix(names.NODE_CAPABILITY_PREFIX)
_FALSE: Final = ("false", "False", "FALSE")
_BYTES_PER_MBIT: Final = 125_000.0
_NOTHING: Final = crd.NodeCapabilityStatus()


class Facts(msgspec.Struct, frozen=True):
    """One node's facts.

    Attributes:
        site: Region, zone and type.
        type_code: EDGE, CLOUD, or 0 when unknown.
        capabilities: Name to value, without those whose value is "false".
        has_gpu, has_fast_storage: The hardware that pods may require by annotation.
        stores: What it serves, by its labels and by its NodeCapability, whether that can be had now or not.
        links: What is known of the links to and from here.
        speed_bytes_per_s: What its fastest interface does, 0 where that is not known.
    """

    site: network.Site
    type_code: int
    capabilities: dict[str, str]
    has_gpu: bool
    has_fast_storage: bool
    stores: tuple[served.Store, ...]
    links: tuple[links.KnownLink, ...]
    speed_bytes_per_s: float


def of(node: core.Node, capability: crd.NodeCapability | None) -> Facts:
    """Read a node's facts; ``capability`` is its NodeCapability, if there is one."""
    labels = node.metadata.labels
    status = capability.status if capability else _NOTHING
    node_type = labels.get(names.NODE_TYPE_LABEL) or status.node_type
    capabilities = _capabilities(labels, capability)
    return Facts(
        site=network.Site(
            region=labels.get(names.REGION_LABEL) or status.region,
            zone=labels.get(names.ZONE_LABEL) or status.zone,
            node_type=node_type if node_type in _TYPE_CODES else "",
        ),
        type_code=_TYPE_CODES.get(node_type, 0),
        capabilities=capabilities,
        has_gpu=not capabilities.keys().isdisjoint(_GPU_CAPABILITIES) or _has_gpu_devices(node, status),
        has_fast_storage="fast-storage" in capabilities,
        stores=_stores(capabilities, capability),
        links=_links(capabilities, status),
        # A bond stands beside those that it is made of.
        speed_bytes_per_s=max((each.speed_mbps for each in status.interfaces), default=0) * _BYTES_PER_MBIT,
    )


def _capabilities(labels: Mapping[str, str], capability: crd.NodeCapability | None) -> dict[str, str]:
    prefix = names.NODE_CAPABILITY_PREFIX
    found = {key[len(prefix) :]: value for key, value in labels.items() if key.startswith(prefix)}
    if capability:
        found = {**capability.status.capabilities, **capability.spec.declared, **found}
    return {name: value for name, value in found.items() if value not in _FALSE}


def _stores(capabilities: Mapping[str, str], capability: crd.NodeCapability | None) -> tuple[served.Store, ...]:
    status = capability.status if capability else _NOTHING
    found = tuple(
        served.Store(store.name, store.namespace, store.available, store.buckets)
        for store in status.stores
        if store.is_served
    )
    told = {bucket for store in found if not store.namespace for bucket in store.buckets}
    buckets = {name[len(_BUCKET) :] for name in capabilities if name.startswith(_BUCKET)} - told
    is_storage = _STORAGE in capabilities and not _is_daemons(_STORAGE, capabilities[_STORAGE], capability)
    if not buckets and not is_storage:
        return found
    by_hand = served.Store(name="", namespace="", available=True, buckets=tuple(sorted(buckets)), is_storage=is_storage)
    return (by_hand, *found)


def _is_daemons(name: str, value: str, capability: crd.NodeCapability | None) -> bool:
    """Whether a node's daemon found this, and nobody else said it."""
    if capability is None or name in capability.spec.declared:
        return False
    return capability.status.capabilities.get(name) == value


def _has_gpu_devices(node: core.Node, status: crd.NodeCapabilityStatus) -> bool:
    for name, amount in node.status.allocatable.items():
        if _is_gpu(name) and str(amount) != "0":
            return True
    return any(each.count and _is_gpu(each.resource) for each in status.accelerators)


def _is_gpu(resource: str) -> bool:
    return resource.endswith(_GPU_RESOURCE_ENDINGS) or resource.startswith(_GPU_SLICE)


def _links(capabilities: Mapping[str, str], status: crd.NodeCapabilityStatus) -> tuple[links.KnownLink, ...]:
    known = [
        links.KnownLink(
            peer=link.peer,
            outward=link.direction != "From",
            bandwidth_bytes_per_s=link.bandwidth_low_bytes_per_second or link.bandwidth_bytes_per_second or None,
            latency_s=link.latency_seconds or None,
            confidence=1.0 if link.confidence is None else link.confidence,
            measured_at_s=units.time_s(link.last_probe_time),
        )
        for link in status.links
    ]
    for name, value in capabilities.items():
        if status.capabilities.get(name) == value:
            continue  # the daemon's own label, a coarse picture of what it has measured
        # Each half may be labelled alone: the other half is then what was measured.
        number = _positive(value) if name.startswith((_BANDWIDTH, _LATENCY)) else None
        if number is not None and name.startswith(_LATENCY):
            known.append(links.KnownLink(name[len(_LATENCY) :], latency_s=number / 1000, declared=True))
        elif number is not None:
            known.append(links.KnownLink(name[len(_BANDWIDTH) :], bandwidth_bytes_per_s=number, declared=True))
    return tuple(known)


def _positive(text: str) -> float | None:
    """A label's number, or None where it is not a positive one: labels are written by machines, and re-written.

    Far too small and far too large ones are no numbers either: what is reckoned with them would not stay finite.
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 1e-6 <= value <= 1e15 else None
