"""What a node's labels and its NodeCapability together say of it: place, kind, capabilities, stores, links.

Labels win where both speak, as an administrator sets them by hand; a capability whose value is "false" is not there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scheduler.api import core, crd, names
from scheduler.state import network

EDGE: Final = 1
CLOUD: Final = 2
_TYPE_CODES: Final = {"edge": EDGE, "cloud": CLOUD}

# The earlier implementation's labels that tell of an accelerator for graphics or tensors.
_GPU_CAPABILITIES: Final = ("gpu-accelerated", "gpu-nvidia", "gpu-amd", "gpu-intel")
_GPU_RESOURCE_ENDINGS: Final = ("/gpu", ".com/gpu", "/mig", "gpu.intel.com/i915", "gpu.intel.com/xe")


@dataclass(frozen=True, slots=True)
class Facts:
    """One node's facts.

    Attributes:
        site: Region, zone and type.
        type_code: EDGE, CLOUD, or 0 when unknown.
        capabilities: Name to value, without those whose value is "false".
        has_gpu, has_fast_storage, has_local_storage: The hardware that pods may require by annotation.
        label_buckets, capability_buckets: Buckets served, according to labels and to the NodeCapability's live stores.
        links: Known links that start here, by peer node.
    """

    site: network.Site
    type_code: int
    capabilities: dict[str, str]
    has_gpu: bool
    has_fast_storage: bool
    has_local_storage: bool
    label_buckets: frozenset[str]
    capability_buckets: frozenset[str]
    links: dict[str, network.KnownLink]


def of(node: core.Node, capability: crd.NodeCapability | None) -> Facts:
    """Read a node's facts; ``capability`` is its NodeCapability, if there is one."""
    labels = node.metadata.labels
    status = capability.status if capability else crd.NodeCapabilityStatus()
    node_type = labels.get(names.NODE_TYPE_LABEL) or status.node_type
    capabilities = _capabilities(labels, capability)
    stores = [store for store in status.stores if store.available]
    return Facts(
        site=network.Site(
            region=labels.get(names.REGION_LABEL) or status.region,
            zone=labels.get(names.ZONE_LABEL) or status.zone,
            node_type=node_type if node_type in _TYPE_CODES else "",
        ),
        type_code=_TYPE_CODES.get(node_type, 0),
        capabilities=capabilities,
        has_gpu=any(name in capabilities for name in _GPU_CAPABILITIES) or _has_gpu_devices(node, status),
        has_fast_storage="fast-storage" in capabilities,
        has_local_storage="storage-service" in capabilities or bool(stores),
        label_buckets=frozenset(
            name.removeprefix("storage-bucket-") for name in capabilities if name.startswith("storage-bucket-")
        ),
        capability_buckets=frozenset(bucket for store in stores for bucket in store.buckets),
        links=_links(labels, status),
    )


def _capabilities(labels: Mapping[str, str], capability: crd.NodeCapability | None) -> dict[str, str]:
    found = {**capability.status.capabilities, **capability.spec.declared} if capability else {}
    prefix = names.NODE_CAPABILITY_PREFIX
    found.update({key[len(prefix) :]: value for key, value in labels.items() if key.startswith(prefix)})
    return {name: value for name, value in found.items() if value.lower() != "false"}


def _has_gpu_devices(node: core.Node, status: crd.NodeCapabilityStatus) -> bool:
    resources = {name for name, amount in node.status.allocatable.items() if str(amount) != "0"}
    resources.update(accelerator.resource for accelerator in status.accelerators if accelerator.count)
    return any(name.endswith(_GPU_RESOURCE_ENDINGS) for name in resources)


def _links(labels: Mapping[str, str], status: crd.NodeCapabilityStatus) -> dict[str, network.KnownLink]:
    links = {
        link.peer: network.KnownLink(
            bandwidth_bytes_per_s=link.bandwidth_bytes_per_second or None, latency_s=link.latency_seconds or None
        )
        for link in status.links
    }
    for key, value in labels.items():
        if key.startswith(names.BANDWIDTH_PREFIX):
            peer = key.removeprefix(names.BANDWIDTH_PREFIX)
            latency_ms = _positive(labels.get(f"{names.LATENCY_PREFIX}{peer}", ""))
            links[peer] = network.KnownLink(
                bandwidth_bytes_per_s=_positive(value), latency_s=latency_ms / 1000 if latency_ms else None
            )
    return links


def _positive(text: str) -> float | None:
    """A label's number, or None where it is not a positive one: labels are written by machines, and re-written."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < float("inf") else None
