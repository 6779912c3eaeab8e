"""DataObject and NodeCapability as typed structs: twins of the schemas under crds/, only of what the code uses.

A DataObject says where a urn (bucket, ``bucket/prefix/`` or ``bucket/key``) lies and how big it is; a NodeCapability
says what its node is, can do and serves. What a user wants stands in spec, what a daemon saw in status.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec

from scheduler.api import core, names


class Condition(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """metav1.Condition: ``status`` is "True", "False" or "Unknown"; times are RFC 3339 in UTC."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: str = ""
    observed_generation: int = 0


class Location(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """A place that a user declares for data which no discovered store holds."""

    node: str
    store: str = ""


def location_label(node: str) -> str:
    """The label of DataObjects with a declared location on ``node``, which lets that node's daemon watch them alone.

    The name in a label is at most 63 characters long, a node's 253.
    """
    if len(node) > 63:
        node = f"{node[:46]}-{hashlib.sha256(node.encode()).hexdigest()[:16]}"
    return f"{names.LOCATION_PREFIX}{node}"


def place_name(region: str, zone: str) -> str:
    """What a store outside the cluster is called where nodes are called by their names."""
    return f"{names.EXTERNAL}:{region}/{zone}"


class DataObjectSpec(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """What the user wants: the urn, a pinned size in bytes (None: as seen), declared locations."""

    urn: str = ""
    size_bytes: core.Count | None = None
    locations: tuple[Location, ...] = ()


class Replica(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """One copy as last seen: which store on which node serves it, how big, and whether it can be had now.

    ``node`` is names.EXTERNAL for a store outside the cluster; ``region`` and ``zone`` then say where. ``role`` is
    "Stores" or "Serves" (hands out what others hold); both are as near.
    """

    node: str
    store: str = ""
    role: str = "Stores"
    region: str = ""
    zone: str = ""
    endpoint: str = ""
    size_bytes: core.Count | None = None
    etag: str = ""
    version_id: str = ""
    last_modified: str = ""
    available: bool = False
    last_probe_time: str = ""


class Expected(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """An output that a pod (``producer``, namespace/name) is about to write; times are RFC 3339 in UTC."""

    node: str
    store: str = ""
    region: str = ""
    zone: str = ""
    producer: str = ""
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    size_bytes: core.Count | None = None
    since: str = ""


class DataObjectStatus(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """What was seen. ``size_human``, ``replica_count`` and ``nodes_text`` exist for the printer columns."""

    observed_generation: int = 0
    granularity: str = ""
    size_bytes: core.Count | None = None
    size_human: str = ""
    object_count: int | None = None
    replicas: tuple[Replica, ...] = ()
    expected: tuple[Expected, ...] = ()
    replica_count: int | None = None
    nodes_text: str = ""
    conditions: tuple[Condition, ...] = ()


class DataObject(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """A DataObject as read from the API server."""

    metadata: core.ObjectMeta
    spec: DataObjectSpec = DataObjectSpec()
    status: DataObjectStatus = DataObjectStatus()


class Store(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """An S3 or local store that this node's daemon looks after, with the buckets last listed.

    ``role`` is "Stores", "Serves" (hands out what lies elsewhere) or "Probes" (no node serves it, this one asks it);
    ``namespace`` whose pods count with it, "" for everybody's.
    """

    name: str
    namespace: str = ""
    endpoint: str = ""
    technology: str = ""
    available: bool = False
    buckets: tuple[str, ...] = ()
    last_probe_time: str = ""
    message: str = ""
    role: str = "Stores"

    @property
    def is_served(self) -> bool:
        """Whether the node itself hands out what the store holds."""
        return self.role != "Probes"


class Link(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """A path between this node and ``peer`` (a node, or ``zone:REGION/ZONE``), To it or From it.

    ``bandwidth_low_bytes_per_second`` is what the scheduler counts on. Without a ``confidence`` somebody vouches for
    the figures, and without a time they do not age.
    """

    peer: str
    direction: str = "To"
    bandwidth_bytes_per_second: core.Count = 0
    bandwidth_low_bytes_per_second: core.Count = 0
    latency_seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    samples: int = 0
    confidence: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    last_probe_time: str = ""


class Probe(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """Where others measure their paths to and from this node."""

    address: str
    port: int


class Accelerator(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """Devices of one kind, by their extended resource name."""

    resource: str
    count: int = 0
    model: str = ""


class Cpu(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """The node's processor; 0, "" and an empty tuple stand for what could not be read."""

    model: str = ""
    cores: int = 0
    threads: int = 0
    frequency_mhz: int = 0
    features: tuple[str, ...] = ()


class Disk(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """A physical disk; ``class_`` is nvme, ssd or hdd, "" where the kernel does not know."""

    name: str
    class_: str = msgspec.field(default="", name="class")
    size_bytes: core.Count = 0


class Interface(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """A physical network interface, or a bond of some; ``speed_mbps`` is 0 where the driver tells none."""

    name: str
    speed_mbps: int = 0


class OperatingSystem(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """The node's system; ``container`` says whether the node itself is one, None where that is not known."""

    type: str = ""
    distro: str = ""
    kernel_version: str = ""
    container: bool | None = None


class NodeCapabilitySpec(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """Capabilities that an administrator declares, in addition to those a daemon finds."""

    declared: dict[str, str] = {}


class NodeCapabilityStatus(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """What the node's daemon found. The ``..._text`` fields and ``store_count`` exist for the printer columns."""

    observed_generation: int = 0
    node_type: str = ""
    region: str = ""
    zone: str = ""
    cpu: Cpu = Cpu()
    memory_bytes: int = 0
    disks: tuple[Disk, ...] = ()
    interfaces: tuple[Interface, ...] = ()
    os: OperatingSystem = OperatingSystem()
    stores: tuple[Store, ...] = ()
    store_count: int | None = None
    stores_text: str = ""
    accelerators: tuple[Accelerator, ...] = ()
    accelerators_text: str = ""
    capabilities: dict[str, str] = {}
    probe: Probe | None = None
    links: tuple[Link, ...] = ()
    conditions: tuple[Condition, ...] = ()


class NodeCapability(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """A NodeCapability as read from the API server; its name is its Node's."""

    metadata: core.ObjectMeta
    spec: NodeCapabilitySpec = NodeCapabilitySpec()
    status: NodeCapabilityStatus = NodeCapabilityStatus()
