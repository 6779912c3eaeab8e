"""What a node can do, by the names that node labels of the earlier implementation carry after "node-capability/".

Only what is true stands here; what is not known is left out and never guessed. The thresholds and the scores are ours,
and depend on nothing but the node itself, so that the same hardware has the same score in every cluster. A score is
100 * log(1 + x) / log(1 + full), rounded, from 0 to 100: logarithmic, because the second processor helps more than the
hundredth. docs/node-facts.md has the table for users.

What is said of stores is said to everybody, so that those which speak for one namespace alone are none here. Figures of
links stand in ``status.links``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final

from daemon.facts import machine, network
from scheduler import errors
from scheduler.api import core, crd, names, units

_HIGH_COMPUTE_THREADS: Final = 16
_HIGH_MEMORY_BYTES: Final = 64 * 2**30
_HIGH_CAPACITY_BYTES: Final = 10**12
_HIGH_BANDWIDTH_MBPS: Final = 10_000
_FULL_THREADS: Final = 128
_FULL_MEMORY_GIB: Final = 1024
_FULL_SPEED_MBPS: Final = 100_000
_VECTOR_FEATURES: Final = frozenset({"avx2", "avx512f", "sve"})

# Extended resources that are accelerators, by what their name says, and the earlier label each stands for.
_ACCELERATORS: Final = {"nvidia.com/": "gpu-nvidia", "amd.com/gpu": "gpu-amd", "gpu.intel.com/": "gpu-intel"}
_OTHER_ACCELERATORS: Final = {"google.com/tpu": "tpu-accelerated", "fpga": "fpga-accelerated"}
_MAX_ACCELERATORS: Final = 32  # the schema's bound


def of(status: crd.NodeCapabilityStatus, seen: machine.Machine) -> dict[str, str]:
    """The capabilities, from what the status says otherwise and what the machine itself adds."""
    texts = {
        **_compute(status.cpu),
        **_memory(status.memory_bytes, seen.memory_kind),
        **_disks(status.disks),
        **_network(seen.network),
        **_stores([entry for entry in status.stores if entry.is_served and not entry.namespace]),
        **_devices(status.accelerators, seen),
        "os-type": status.os.type,
        "os-distro": status.os.distro,
        "kernel-version": status.os.kernel_version,
        "is-container": _flag(status.os.container),
    }
    return {name: text[:256] for name, text in texts.items() if text}


def accelerators(node: core.Node) -> tuple[crd.Accelerator, ...]:
    """The accelerators that pods can request, by the node's extended resources."""
    found = []
    for resource in sorted(node.status.allocatable):
        count = amount(node, resource)
        if count and _kind_of(resource):
            model = node.metadata.labels.get(f"{resource}.product") or node.metadata.labels.get(
                f"{names.NODE_CAPABILITY_PREFIX}gpu-model", ""
            )
            found.append(crd.Accelerator(resource=resource, count=min(count, 2**31 - 1), model=model))
    return tuple(found[:_MAX_ACCELERATORS])


def amount(node: core.Node, resource: str) -> int:
    """A capacity (allocatable where none is given) in whole units; what cannot be read counts as none."""
    written = node.status.capacity.get(resource, node.status.allocatable.get(resource, 0))
    try:
        return units.quantity(written)
    except errors.InputError:
        return 0


def score(value: float, full: float) -> str:
    """A score from 0 to 100, "" for nothing."""
    return str(min(100, round(100 * math.log1p(value) / math.log1p(full)))) if value > 0 else ""


def _compute(cpu: crd.Cpu) -> dict[str, str]:
    features = frozenset(cpu.features)
    return {
        "cpu-model": cpu.model,
        "cpu-cores": _number(cpu.cores),
        "cpu-threads": _number(cpu.threads),
        "cpu-freq-mhz": _number(cpu.frequency_mhz),
        "cpu-avx": _flag("avx" in features),
        "cpu-avx2": _flag("avx2" in features),
        "cpu-avx512": _flag("avx512f" in features),  # the part that every processor with some of it has
        "vector-optimized": _flag(features & _VECTOR_FEATURES),
        "high-compute": _flag(cpu.threads >= _HIGH_COMPUTE_THREADS),
        "compute-score": score(cpu.threads, _FULL_THREADS),
    }


def _memory(size_bytes: int, kind: str) -> dict[str, str]:
    return {
        "memory-bytes": _number(size_bytes),
        "memory-gb": _number(round(size_bytes / 2**30)),
        "memory-type": kind,
        "high-memory": _flag(size_bytes >= _HIGH_MEMORY_BYTES),
        "memory-score": score(size_bytes / 2**30, _FULL_MEMORY_GIB),
    }


def _disks(disks: Sequence[crd.Disk]) -> dict[str, str]:
    total_bytes = sum(disk.size_bytes for disk in disks)
    return {
        "storage-size-gb": _number(total_bytes // 10**9),
        "fast-storage": _flag(any(disk.class_ in {"nvme", "ssd"} for disk in disks)),
        "high-capacity": _flag(total_bytes >= _HIGH_CAPACITY_BYTES),
    }


def _network(seen: network.Network) -> dict[str, str]:
    return {
        "primary-interface": seen.primary,
        "active-interface": seen.active,
        "network-speed-mbps": _number(seen.speed_mbps),
        "high-bandwidth-network": _flag(seen.speed_mbps >= _HIGH_BANDWIDTH_MBPS),
        "network-score": score(seen.speed_mbps, _FULL_SPEED_MBPS),
    }


def _stores(entries: Iterable[crd.Store]) -> dict[str, str]:
    """What the stores that can be had now are; of several technologies the first, in the order of the alphabet."""
    technologies = sorted({entry.technology for entry in entries if entry.available and entry.technology})
    if not technologies:
        return {}
    speaks_s3 = technologies != ["local"]
    return {
        "storage-service": "true",
        "storage-type": "object" if speaks_s3 else "file",
        "storage-technology": next(one for one in technologies if one != "local") if speaks_s3 else "local",
    }


def _devices(found: Iterable[crd.Accelerator], seen: machine.Machine) -> dict[str, str]:
    kinds = {_kind_of(one.resource) for one in found} | seen.hardware.kinds
    has_gpu = any(kind.startswith("gpu-") for kind in kinds)
    models = [one.model for one in found if one.model and _kind_of(one.resource).startswith("gpu-")]
    return {
        **dict.fromkeys(kinds, "true"),
        "gpu-accelerated": _flag(has_gpu),
        "gpu-model": next(iter(models), seen.hardware.gpu_model) if has_gpu else "",
    }


def _kind_of(resource: str) -> str:
    """The earlier label for an extended resource, "" where it is no accelerator."""
    for prefix, label in _ACCELERATORS.items():
        if resource.startswith(prefix):
            return label
    for part, label in _OTHER_ACCELERATORS.items():
        if part in resource:
            return label
    return ""


def _number(value: int) -> str:
    return str(value) if value > 0 else ""


def _flag(value: object) -> str:
    return "true" if value else ""
