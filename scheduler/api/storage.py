"""What the node daemon reads to find stores and to ask them, as typed structs like those of core."""

from __future__ import annotations

import msgspec

from scheduler.api import core


class _Object(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True, gc=False):
    """Base of the structs here, with the habits of core's."""


class ServicePort(_Object, frozen=True):
    """One port of a Service; ``app_protocol`` may say https where the name does not.

    ``target_port`` is a number or the name of a container's port; "" for the same number as ``port``.
    """

    name: str = ""
    port: int = 0
    app_protocol: str = ""
    target_port: int | str = ""
    protocol: str = ""


class ServiceSpec(_Object, frozen=True):
    """Which pods a Service selects and where it can be reached; ``cluster_ip`` is "None" for a headless one."""

    selector: dict[str, str] = {}
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    ports: tuple[ServicePort, ...] = ()


class Service(_Object, frozen=True):
    """A Service."""

    metadata: core.ObjectMeta
    spec: ServiceSpec = ServiceSpec()


class Secret(_Object, frozen=True):
    """A Secret; values are base64 text, as on the wire."""

    metadata: core.ObjectMeta
    data: dict[str, str] = {}


class DirectorySource(_Object, frozen=True):
    """A directory of a node."""

    path: str = ""


class VolumeNodeAffinity(_Object, frozen=True):
    """From which nodes a volume can be had."""

    required: core.NodeSelector | None = None


class PersistentVolumeSpec(_Object, frozen=True):
    """What the daemon reads of a volume: the directory of a node that it is, and of which node."""

    local: DirectorySource | None = None
    host_path: DirectorySource | None = None
    node_affinity: VolumeNodeAffinity | None = None


class PersistentVolume(_Object, frozen=True):
    """A PersistentVolume."""

    metadata: core.ObjectMeta
    spec: PersistentVolumeSpec = PersistentVolumeSpec()


class ConfigMap(_Object, frozen=True):
    """A ConfigMap."""

    metadata: core.ObjectMeta
    data: dict[str, str] = {}
