"""What a node can do, by name: from what was read of it, with its thresholds and scores."""

import dataclasses
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from daemon.facts import accelerators, machine, network
from daemon.status import capabilities
from scheduler.api import crd

NOTHING = crd.NodeCapabilityStatus()
GIB = 2**30


def found(status: crd.NodeCapabilityStatus = NOTHING, **seen: Any) -> dict[str, str]:
    return capabilities.of(status, dataclasses.replace(machine.NOTHING, **seen))


def net(speed_mbps: int) -> network.Network:
    return network.Network((crd.Interface("eth0", speed_mbps),), "eth0", "eth0")


def test_of_a_node_that_tells_nothing_nothing_is_said() -> None:
    assert found() == {}


FACTS = [
    pytest.param({"cpu": crd.Cpu(threads=15)}, {}, {"cpu-threads": "15", "compute-score": "57"}, id="15 threads"),
    pytest.param(
        {"cpu": crd.Cpu("Fast", 8, 16, 3000, ("avx", "avx2"))},
        {},
        {
            "cpu-model": "Fast", "cpu-cores": "8", "cpu-threads": "16", "cpu-freq-mhz": "3000", "cpu-avx": "true",
            "cpu-avx2": "true", "vector-optimized": "true", "high-compute": "true", "compute-score": "58",
        },
        id="a processor",
    ),
    pytest.param({"cpu": crd.Cpu(features=("avx",))}, {}, {"cpu-avx": "true"}, id="old vectors"),
    pytest.param({"cpu": crd.Cpu(features=("asimd", "sve"))}, {}, {"vector-optimized": "true"}, id="vectors of ARM"),
    pytest.param(
        {"cpu": crd.Cpu(features=("avx512f",))}, {}, {"cpu-avx512": "true", "vector-optimized": "true"}, id="avx512"
    ),
    pytest.param(
        {"memory_bytes": 64 * GIB},
        {"memory_kind": "DDR5"},
        {"memory-bytes": str(64 * GIB), "memory-gb": "64", "memory-type": "DDR5", "high-memory": "true",
         "memory-score": "60"},
        id="memory",
    ),
    pytest.param(
        {"memory_bytes": 63 * GIB},
        {},
        {"memory-bytes": str(63 * GIB), "memory-gb": "63", "memory-score": "60"},
        id="not quite high memory",
    ),
    pytest.param(
        {"disks": (crd.Disk("a", "ssd", 6 * 10**11), crd.Disk("b", "hdd", 4 * 10**11))},
        {},
        {"storage-size-gb": "1000", "fast-storage": "true", "high-capacity": "true"},
        id="disks",
    ),
    pytest.param({"disks": (crd.Disk("a", "", 5 * 10**9),)}, {}, {"storage-size-gb": "5"}, id="a disk of no class"),
    pytest.param(
        {},
        {"network": net(10_000)},
        {"primary-interface": "eth0", "active-interface": "eth0", "network-speed-mbps": "10000",
         "high-bandwidth-network": "true", "network-score": "80"},
        id="fast network",
    ),
    pytest.param({}, {"network": net(0)}, {"primary-interface": "eth0", "active-interface": "eth0"}, id="no speed"),
    pytest.param(
        {"accelerators": (crd.Accelerator("nvidia.com/gpu", 2, "A100"),)},
        {"hardware": accelerators.Hardware(frozenset({"gpu-nvidia", "infiniband"}), "other")},
        {"gpu-nvidia": "true", "gpu-accelerated": "true", "gpu-model": "A100", "infiniband": "true"},
        id="a graphics processor that pods can have",
    ),
    pytest.param(
        {},
        {"hardware": accelerators.Hardware(frozenset({"gpu-amd"}), "Radeon")},
        {"gpu-amd": "true", "gpu-accelerated": "true", "gpu-model": "Radeon"},
        id="a graphics processor of the machine",
    ),
    pytest.param(
        {"accelerators": (crd.Accelerator("google.com/tpu", 4, "v5e"),)}, {}, {"tpu-accelerated": "true"}, id="no GPU"
    ),
    pytest.param(
        {"os": crd.OperatingSystem("linux", "debian", "6.1", True)},
        {},
        {"os-type": "linux", "os-distro": "debian", "kernel-version": "6.1", "is-container": "true"},
        id="system",
    ),
    pytest.param({"os": crd.OperatingSystem(container=False)}, {}, {}, id="no container"),
    pytest.param({"stores": (crd.Store("a", technology="minio"),)}, {}, {}, id="a store that is down"),
    pytest.param(
        {"stores": (crd.Store("a", technology="minio", available=True),
                    crd.Store("b", technology="local", available=True))},
        {},
        {"storage-service": "true", "storage-type": "object", "storage-technology": "minio"},
        id="two stores",
    ),
    pytest.param(
        {"stores": (crd.Store("b", technology="local", available=True),)},
        {},
        {"storage-service": "true", "storage-type": "file", "storage-technology": "local"},
        id="a directory",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("status", "seen", "expected"), FACTS)
def test_what_is_true_is_said_and_nothing_else(
    status: dict[str, Any], seen: dict[str, Any], expected: dict[str, str]
) -> None:
    assert found(crd.NodeCapabilityStatus(**status), **seen) == expected


@hypothesis.given(st.floats(1e-3, 1e15), st.floats(1e-3, 1e15))
def test_a_score_grows_with_what_it_tells_of_and_stays_in_bounds(one: float, other: float) -> None:
    less, more = (int(capabilities.score(value, 1024)) for value in sorted((one, other)))
    assert 0 <= less <= more <= 100
    assert capabilities.score(1024, 1024) == "100"


def test_figures_of_links_are_no_capabilities() -> None:
    """They would pass for what an administrator declares, and beat every measurement (status.links has them)."""
    assert found(crd.NodeCapabilityStatus(links=(crd.Link("b", bandwidth_bytes_per_second=1000),))) == {}


def test_a_store_of_one_namespace_is_nothing_that_the_node_can_do_for_everybody() -> None:
    private = crd.Store("tenant/s", namespace="tenant", technology="minio", available=True)
    assert found(crd.NodeCapabilityStatus(stores=(private,))) == {}
    local = crd.Store("b", technology="local", available=True)
    assert found(crd.NodeCapabilityStatus(stores=(private, local)))["storage-technology"] == "local"


def test_everything_at_once_fits_the_schema() -> None:
    """The schema allows 128 capabilities of 256 characters."""
    everything = machine.Machine(
        boot_id="b",
        cpu=crd.Cpu("m" * 256, 1, 1, 1, ("avx", "avx2", "avx512f")),
        memory_kind="DDR4",
        network=net(100_000),
        hardware=accelerators.Hardware(
            frozenset({"gpu-nvidia", "gpu-amd", "gpu-intel", "tpu-accelerated", "fpga-accelerated", "infiniband"}),
            "g" * 256,
        ),
    )
    status = crd.NodeCapabilityStatus(
        cpu=msgspec.structs.replace(everything.cpu, threads=1000),
        memory_bytes=2**50,
        disks=(crd.Disk("a", "nvme", 2**60),),
        os=crd.OperatingSystem("linux", "d" * 64, "k" * 256, True),
        stores=(crd.Store("a", technology="minio", available=True),),
    )
    said = capabilities.of(status, everything)
    assert len(said) <= 128
    assert max(map(len, said.values())) <= 256
