"""Node labels on a real API server, by a daemon that runs on the very machine of its Node: this one.

The list of labels is that of the earlier implementation; what each must say here is worked out from /proc and /sys by
the test itself, with other code than the daemon's.
"""

import json
import math
import os
import pathlib
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from scheduler import errors
from scheduler.api import names
from tests.clusterfixture import ClusterFactory
from tests.daemon import test_on_apiserver as processes

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PREFIX = names.NODE_CAPABILITY_PREFIX
BOOT_ID = pathlib.Path("/proc/sys/kernel/random/boot_id")
MEMORY_KIB = int(re.findall(r"MemTotal:\s+(\d+) kB", pathlib.Path("/proc/meminfo").read_text())[0])
THREADS = os.cpu_count() or 1

NODES = topology.Topology((
    topology.Node("here", type="edge", cpu=str(THREADS), memory=f"{MEMORY_KIB}Ki", minio=True,
                  accelerators={"nvidia.com/gpu": 1}),
    topology.Node("emulated", cpu="64", memory="1Ti"),
    topology.Node("leaving"),
    topology.Node("updated"),
))  # fmt: skip

# Every label of the earlier implementation, but for those that name a bucket or a peer.
ALL = frozenset(
    """
    node-type storage-service storage-type storage-technology storage-capacity-bytes compute-score memory-score
    cpu-cores cpu-threads cpu-model cpu-freq-mhz cpu-avx cpu-avx2 cpu-avx512 high-compute vector-optimized memory-bytes
    memory-gb memory-type high-memory storage-iops storage-size-gb fast-storage high-capacity network-score
    network-speed-mbps
    primary-interface active-interface high-bandwidth-network gpu-nvidia gpu-model gpu-accelerated gpu-amd gpu-intel
    tpu-accelerated fpga-accelerated infiniband os-type os-distro kernel-version is-container last-updated
    """.split()  # noqa: SIM905 (a list of words)
)


def node(running: cluster.Cluster, name: str) -> dict[str, Any]:
    return dict(running.api.request("GET", f"/api/v1/nodes/{name}"))


def labels(running: cluster.Cluster, name: str) -> dict[str, str]:
    found = node(running, name)["metadata"]["labels"]
    return {key.removeprefix(PREFIX): value for key, value in found.items() if key.startswith(PREFIX)}


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    """A cluster in which node "here" has this machine's boot id, as its kubelet would report it."""
    with cluster_factory(NODES, crds=True) as started:
        processes.install(started)
        here = node(started, "here")
        here["status"]["nodeInfo"]["bootID"] = BOOT_ID.read_text().strip()
        started.api.request("PUT", "/api/v1/nodes/here/status", here)
        yield started


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A file system to be mounted for a node: this machine's boot id, and a machine of our own."""
    root = tmp_path_factory.mktemp("host")
    boot_id = root / "proc/sys/kernel/random/boot_id"
    boot_id.parent.mkdir(parents=True)
    boot_id.write_text(BOOT_ID.read_text())
    block = root / "sys/block/nvme0n1"
    (block / "device").mkdir(parents=True)
    (block / "size").write_text("2000000000")
    return root


@pytest.fixture(scope="module")
def daemon(running: cluster.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[processes.Daemon]:
    log = tmp_path_factory.mktemp("daemon") / "here.log"
    running.stores["here"].upload("photos", "k", 10)
    started = processes.Daemon(processes.kubeconfig(running, "here"), "here", log)
    try:
        processes.eventually(started.ready)
        processes.eventually(lambda: "storage-bucket-photos" in labels(running, "here"))
        yield started
    finally:
        assert started.stop() == 0


def score(value: float, full: float) -> str:
    return str(min(100, round(100 * math.log(1 + value) / math.log(1 + full))))


def text(path: str) -> str:
    """A file's text, "" where it cannot be read."""
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return ""


def value(written: str) -> str:
    return "-".join(re.findall(r"[\w.-]+", written, re.ASCII)).strip("-_.")


def of_processor() -> dict[str, str]:
    info = text("/proc/cpuinfo")
    flags = set(re.findall(r"[\w]+", (re.findall(r"^(?:flags|Features)\s*:(.*)$", info, re.MULTILINE) or [""])[0]))
    model = (re.findall(r"^(?:model name|Model)\s*:\s*(.+)$", info, re.MULTILINE) or [""])[0]
    siblings = {text(str(path)) for path in pathlib.Path("/sys/devices/system/cpu").glob("cpu*/topology/core_cpus")}
    siblings = siblings or set(re.findall(r"^core id\s*:\s*(\d+)$", info, re.MULTILINE))
    found = {
        "cpu-threads": str(THREADS),
        "compute-score": score(THREADS, 128),
        "cpu-model": value(model),
        "cpu-cores": str(len(siblings)) if siblings else "",
        "high-compute": "true" if THREADS >= 16 else "",
        "vector-optimized": "true" if flags & {"avx2", "avx512f", "sve"} else "",
    }
    for feature, flag in (("avx", "avx"), ("avx2", "avx2"), ("avx512", "avx512f")):
        found[f"cpu-{feature}"] = "true" if flag in flags else ""
    return found


def of_disks() -> dict[str, str]:
    """Disks with a device, but no removable ones; a virtual disk may call itself rotational without being so."""
    blocks = [path for path in pathlib.Path("/sys/block").iterdir() if (path / "device").exists()]
    blocks = [path for path in blocks if text(f"{path}/removable") != "1" and not path.name.startswith(("sr", "nbd"))]
    size_bytes = sum(512 * int(text(f"{path}/size")) for path in blocks)
    has_fast = any(text(f"{path}/queue/rotational") == "0" for path in blocks if not path.name.startswith("mmc"))
    return {
        "storage-size-gb": str(size_bytes // 10**9) if size_bytes else "",
        "fast-storage": "true" if has_fast else "",
        "high-capacity": "true" if size_bytes >= 10**12 else "",
    }


def of_network() -> dict[str, str]:
    cards = sorted(path.parent.name for path in pathlib.Path("/sys/class/net").glob("*/device"))
    up = [card for card in cards if text(f"/sys/class/net/{card}/operstate") == "up"]
    routes = re.findall(r"^(\w+)\t00000000\t.*\t00000000\t", text("/proc/net/route"), re.MULTILINE)
    primary = next((name for name in routes if name in cards), "")
    carrier = primary or (up or [""])[0]
    speed_mbps = int(text(f"/sys/class/net/{carrier}/speed") or 0) if carrier else 0
    return {
        "primary-interface": primary,
        "active-interface": primary if primary in up else (up or [""])[0],
        "network-speed-mbps": str(speed_mbps) if speed_mbps > 0 else "",
        "high-bandwidth-network": "true" if speed_mbps >= 10_000 else "",
        "network-score": score(speed_mbps, 100_000) if speed_mbps > 0 else "",
    }


def of_system() -> dict[str, str]:
    marks = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
    return {
        "os-type": "linux",
        "os-distro": value((re.findall(r'^ID="?([^"\n]*)', text("/etc/os-release"), re.MULTILINE) or [""])[0]),
        "kernel-version": value(os.uname().release),
        "is-container": "true" if any(pathlib.Path(mark).exists() for mark in marks) else "",
    }


def of_kubernetes() -> dict[str, str]:
    """What this cluster and its store add; the device plugin's resource is declared by the topology."""
    size_bytes = MEMORY_KIB * 1024
    return {
        "node-type": "edge",
        "storage-service": "true",
        "storage-type": "object",
        "storage-technology": "minio",
        "gpu-nvidia": "true",
        "gpu-accelerated": "true",
        "memory-bytes": str(size_bytes),
        "memory-gb": str(round(size_bytes / 2**30)),
        "memory-score": score(size_bytes / 2**30, 1024),
        "high-memory": "true" if size_bytes >= 64 * 2**30 else "",
    }


def has_own_accelerators() -> bool:
    """Whether this machine has devices whose labels would have to be worked out too."""
    vendors = {"0x10de", "0x1002", "0x8086", "0x1ae0", "0x1ac1", "0x10ee"}
    devices = pathlib.Path("/sys/bus/pci/devices").glob("*")
    return any(
        text(f"{path}/class")[:4] in {"0x03", "0x12"} and text(f"{path}/vendor") in vendors for path in devices
    ) or any(pathlib.Path("/sys/class", name).exists() for name in ("infiniband", "fpga_manager"))


@pytest.mark.skipif(has_own_accelerators(), reason="this machine has accelerators that the test does not work out")
@pytest.mark.usefixtures("daemon")
def test_every_label_says_what_is_true_of_this_machine_or_is_absent(running: cluster.Cluster) -> None:
    expected = {**of_processor(), **of_disks(), **of_network(), **of_system(), **of_kubernetes()}
    found = labels(running, "here")
    updated = found.pop("last-updated")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ", updated)
    assert found.pop("storage-bucket-photos") == "true"
    if any(pathlib.Path(told).exists() for told in ("/sys/devices/system/edac/mc/mc0", "/sys/firmware/dmi")):
        found.pop("memory-type", None)  # not worked out here
    rate_mhz = int(found.pop("cpu-freq-mhz", 0))
    maximum_khz = text("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
    now_mhz = re.findall(r"^cpu MHz\s*:\s*([\d.]+)$", text("/proc/cpuinfo"), re.MULTILINE)
    if maximum_khz:
        assert rate_mhz >= int(maximum_khz) // 1000
    else:  # what the kernel tells flickers
        assert (rate_mhz > 0) is bool(now_mhz)
        assert not now_mhz or rate_mhz == pytest.approx(max(map(float, now_mhz)), rel=0.5)
    assert found == {name: said for name, said in expected.items() if said}
    absent = ALL - found.keys() - {"last-updated", "cpu-freq-mhz"}
    assert {"storage-iops", "storage-capacity-bytes", "gpu-model", "gpu-amd", "tpu-accelerated", "infiniband"} <= absent
    assert found.keys() <= ALL, "a label that the earlier implementation did not have"


@pytest.mark.usefixtures("daemon")
def test_status_says_it_too(running: cluster.Cluster) -> None:
    status = processes.capability(running, "here")["status"]
    assert (status["os"]["type"], status["os"]["kernelVersion"]) == ("linux", os.uname().release)
    assert status["cpu"]["threads"] == THREADS

    def is_labelled() -> bool:  # which the daemon does after it has said so
        said: set[str] = set(processes.capability(running, "here")["status"]["capabilities"])
        return said <= labels(running, "here").keys()

    processes.eventually(is_labelled)
    (owner,) = processes.capability(running, "here")["metadata"]["ownerReferences"]
    assert owner["uid"] == node(running, "here")["metadata"]["uid"]


@pytest.mark.usefixtures("daemon")
def test_labels_of_others_stay_and_return_to_the_daemon_when_they_are_removed(running: cluster.Cluster) -> None:
    running.kubectl("label", "node", "here", f"{PREFIX}os-type=plan9", f"{PREFIX}licence=x", "--overwrite")
    before = labels(running, "here")
    running.stores["here"].upload("later", "k", 10)
    processes.eventually(lambda: "storage-bucket-later" in labels(running, "here"))
    after = labels(running, "here")
    assert (after["os-type"], after["licence"]) == ("plan9", "x")
    assert after.keys() - before.keys() == {"storage-bucket-later"}
    running.kubectl("label", "node", "here", f"{PREFIX}os-type-", f"{PREFIX}licence-")
    processes.eventually(lambda: labels(running, "here").get("os-type") == "linux")
    assert labels(running, "here")["node-type"] == "edge", "the administrator's own"


@pytest.mark.usefixtures("daemon")
def test_a_declared_capability_is_the_label(running: cluster.Cluster) -> None:
    declare = ("patch", "nodecapability", "here", "--type=merge", "-p")
    running.kubectl(*declare, '{"spec": {"declared": {"gpu-model": "A100 80GB", "gpu-accelerated": "false"}}}')
    processes.eventually(lambda: labels(running, "here").get("gpu-model") == "A100-80GB")
    assert "gpu-accelerated" not in labels(running, "here")
    running.kubectl(*declare, '{"spec": {"declared": null}}')
    processes.eventually(lambda: "gpu-accelerated" in labels(running, "here"))
    assert "gpu-model" not in labels(running, "here")


def test_nothing_is_written_while_nothing_changes(running: cluster.Cluster, daemon: processes.Daemon) -> None:
    def metric(name: str) -> float:
        return float(re.findall(rf"^data_locality_daemon_{name} ([\d.]+)$", daemon.get("/metrics"), re.MULTILINE)[0])

    def standing() -> tuple[float, dict[str, str]]:
        return metric(r'writes_total{kind="Node"}'), labels(running, "here")

    def came_to_rest() -> bool:
        before = standing()
        processes.after_rounds([daemon], 3)
        return standing() == before

    processes.eventually(came_to_rest)


@pytest.mark.usefixtures("daemon")
def test_a_store_that_is_gone_takes_its_labels_along(running: cluster.Cluster) -> None:
    running.stores["here"].stop()
    try:
        processes.eventually(lambda: not [name for name in labels(running, "here") if name.startswith("storage-b")])
        assert labels(running, "here").keys().isdisjoint({"storage-service", "storage-type", "storage-technology"})
        assert "storage-size-gb" in labels(running, "here"), "of the disks, not of the store"
    finally:
        running.stores["here"].start()
    processes.eventually(lambda: "storage-bucket-photos" in labels(running, "here"))


def test_an_emulated_node_has_nothing_of_this_machine(running: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    daemon = processes.Daemon(processes.kubeconfig(running, "emulated"), "emulated", tmp_path / "log")
    try:
        processes.eventually(daemon.ready)
        processes.eventually(lambda: "last-updated" in labels(running, "emulated"))
    finally:
        assert daemon.stop() == 0
    found = labels(running, "emulated")
    del found["last-updated"]
    assert found == {
        "node-type": "cloud",
        "os-type": "linux",
        "cpu-threads": "64",
        "compute-score": "86",
        "high-compute": "true",
        "memory-bytes": str(2**40),
        "memory-gb": "1024",
        "memory-score": "100",
        "high-memory": "true",
    }


def test_figures_of_links_that_an_earlier_daemon_left_go_and_declared_ones_stay(
    running: cluster.Cluster, tmp_path: pathlib.Path
) -> None:
    """An earlier daemon labelled the node with what it measured, and crashed; an administrator declared two figures."""
    left = {f"{PREFIX}bandwidth-to-here": "1000", f"{PREFIX}latency-to-here": "3.000", f"{PREFIX}bandwidth-to-x": "5"}
    body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "updated", "labels": left}}
    running.kubectl(
        "apply", "--server-side", "--field-manager=data-locality-daemon-updated", "-f", "-", stdin=json.dumps(body)
    )
    running.kubectl("label", "node", "updated", f"{PREFIX}latency-to-y=7")
    running.kubectl("label", "node", "updated", f"{PREFIX}bandwidth-to-x=6", "--overwrite")
    daemon = processes.Daemon(processes.kubeconfig(running, "updated"), "updated", tmp_path / "log")
    try:
        processes.eventually(lambda: "last-updated" in labels(running, "updated"))
    finally:
        assert daemon.stop() == 0
    found = {name: text for name, text in labels(running, "updated").items() if "-to-" in name}
    assert found == {"latency-to-y": "7", "bandwidth-to-x": "6"}


def test_a_mounted_file_system_and_a_node_that_leaves(
    running: cluster.Cluster, tree: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    leaving = node(running, "leaving")
    leaving["status"]["nodeInfo"]["bootID"] = BOOT_ID.read_text().strip()
    running.api.request("PUT", "/api/v1/nodes/leaving/status", leaving)
    daemon = processes.Daemon(
        processes.kubeconfig(running, "leaving"), "leaving", tmp_path / "log", f"--host-root={tree}"
    )
    try:
        processes.eventually(lambda: labels(running, "leaving").get("fast-storage") == "true")
        assert labels(running, "leaving")["high-capacity"] == "true"
        assert "os-distro" not in labels(running, "leaving")
        smaller = tree / "size"
        smaller.write_text("2000000")
        smaller.replace(tree / "sys/block/nvme0n1/size")  # at once, as the kernel does: never an empty file
        processes.eventually(lambda: "high-capacity" not in labels(running, "leaving"))
        assert labels(running, "leaving")["storage-size-gb"] == "1"
        shutil.rmtree(tree / "sys")
        processes.eventually(lambda: "fast-storage" not in labels(running, "leaving"))
    finally:
        assert daemon.stop() == 0
    assert processes.capability(running, "leaving")
    running.delete_node("leaving")

    def is_gone() -> bool:
        try:
            processes.capability(running, "leaving")
        except errors.NotFoundError:
            return True
        return False

    # The garbage collector learns of our kinds within half a minute of their making.
    running.wait_until(is_gone, what="the NodeCapability to go", timeout_s=90, program="kube-controller-manager")
