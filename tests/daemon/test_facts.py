"""What a machine tells of itself, read from trees like those that kernels make: what is not told is absent."""

import pathlib
from collections.abc import Mapping

import pytest

from daemon.facts import accelerators, cpu, machine, memory, network, storage, system
from scheduler.api import crd

Tree = Mapping[str, str | bytes]


def grow(root: pathlib.Path, tree: Tree) -> pathlib.Path:
    """Files by path; a path that ends with a slash is a folder, a text that begins with "-> " a link."""
    for name, content in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        elif content.startswith("-> "):
            path.symlink_to(content[3:])
        else:
            path.write_text(content)
    return root


def x86(processor: int, package: int, core: int) -> str:
    return (
        f"processor\t: {processor}\nmodel name\t: Example CPU @ 2.00GHz\ncpu MHz\t\t: 2596.134\n"
        f"physical id\t: {package}\ncore id\t\t: {core}\nflags\t\t: fpu sse2 smep avx avx2 avx512f avx512_vnni aes\n"
    )


X86 = "\n".join([x86(0, 0, 0), x86(1, 0, 0), x86(2, 1, 0)])
ARM = (
    "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd aes sve\n\n"
    "processor\t: 1\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd aes sve\n\nHardware\t: X\nModel\t\t: Example Board\n"
)
POLICY = "sys/devices/system/cpu/cpu{}/cpufreq/cpuinfo_max_freq"
TOPOLOGY = "sys/devices/system/cpu/cpu{}/topology/{}"
VECTORS = ("avx", "avx2", "avx512_vnni", "avx512f")


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        pytest.param({}, crd.Cpu(), id="nothing"),
        pytest.param({"proc/cpuinfo": "\n\ngarbage\n:\n"}, crd.Cpu(), id="garbage"),
        pytest.param(
            {"proc/cpuinfo": X86}, crd.Cpu("Example CPU @ 2.00GHz", 2, 3, 2596, VECTORS), id="two sockets, SMT"
        ),
        pytest.param(
            {"proc/cpuinfo": X86, POLICY.format(0): "2400000\n", POLICY.format(2): "4100000\n"},
            crd.Cpu("Example CPU @ 2.00GHz", 2, 3, 4100, VECTORS),
            id="frequency scaling: the highest of any core",
        ),
        pytest.param(
            {"proc/cpuinfo": ARM}, crd.Cpu("Example Board", 0, 2, 0, ("asimd", "sve")), id="ARM tells no cores"
        ),
        pytest.param(
            {
                "proc/cpuinfo": ARM,
                **{TOPOLOGY.format(n, "physical_package_id"): "0\n" for n in range(2)},
                **{TOPOLOGY.format(n, "core_id"): f"{n}\n" for n in range(2)},
            },
            crd.Cpu("Example Board", 2, 2, 0, ("asimd", "sve")),
            id="ARM's cores from sysfs",
        ),
    ],
)
def test_processor(tmp_path: pathlib.Path, tree: Tree, expected: crd.Cpu) -> None:
    assert cpu.read(grow(tmp_path, tree)) == expected


DIMM = "sys/devices/system/edac/mc/mc0/dimm{}/dimm_mem_type"
SMBIOS = "sys/firmware/dmi/entries/17-{}/raw"


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        pytest.param({}, "", id="nothing"),
        pytest.param({DIMM.format(0): "Registered-DDR4\n", DIMM.format(1): "Registered-DDR4\n"}, "DDR4", id="EDAC"),
        pytest.param({DIMM.format(0): "Unknown\n"}, "", id="EDAC does not know"),
        pytest.param({SMBIOS.format(0): bytes(18) + b"\x22", SMBIOS.format(1): bytes(18) + b"\x02"}, "DDR5", id="DMI"),
        pytest.param({SMBIOS.format(0): b"short"}, "", id="DMI cut off"),
        pytest.param({DIMM.format(0): "DDR3", SMBIOS.format(0): bytes(18) + b"\x1a"}, "", id="two opinions"),
    ],
)
def test_kind_of_memory(tmp_path: pathlib.Path, tree: Tree, expected: str) -> None:
    assert memory.kind(grow(tmp_path, tree)) == expected


def disk(name: str, rotational: str = "0", sectors: int = 2000, *, device: bool = True, **more: str) -> dict[str, str]:
    base = f"sys/block/{name}"
    found = {f"{base}/queue/rotational": rotational, f"{base}/size": str(sectors), f"{base}/removable": "0"}
    return {**found, **({f"{base}/device/": ""} if device else {}), **{f"{base}/{k}": v for k, v in more.items()}}


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param(disk("nvme0n1"), [("nvme0n1", "nvme")], id="nvme"),
        pytest.param(disk("sda"), [("sda", "ssd")], id="ssd"),
        pytest.param(disk("sda", "1"), [("sda", "hdd")], id="hdd"),
        pytest.param(disk("sda", ""), [("sda", "")], id="not told"),
        pytest.param(disk("vda", "1"), [("vda", "")], id="virtual disks call themselves rotational"),
        pytest.param(disk("vda"), [("vda", "ssd")], id="a virtual disk that says it is not"),
        pytest.param(disk("mmcblk0"), [("mmcblk0", "")], id="a memory card is no SSD"),
        pytest.param({**disk("loop0"), **disk("zram0"), **disk("dm-0"), **disk("sr0")}, [], id="no disks"),
        pytest.param(disk("sdb", removable="1"), [], id="removable"),
        pytest.param(disk("sdb", sectors=0), [], id="empty slot"),
        pytest.param(disk("sdb", device=False), [], id="no device behind it"),
        pytest.param({**disk("sdb"), **disk("sda", "1")}, [("sda", "hdd"), ("sdb", "ssd")], id="two"),
    ],
)
def test_disks(tmp_path: pathlib.Path, tree: Tree, expected: list[tuple[str, str]]) -> None:
    found = storage.disks(grow(tmp_path, tree))
    assert found == tuple(crd.Disk(name, kind, 2000 * 512) for name, kind in expected)


def card(name: str, speed: str = "1000", state: str = "up") -> dict[str, str]:
    base = f"sys/class/net/{name}"
    return {f"{base}/device/": "", f"{base}/speed": f"{speed}\n", f"{base}/operstate": f"{state}\n"}


def virtual(name: str, *lower: str) -> dict[str, str]:
    base = f"sys/class/net/{name}"
    return {f"{base}/speed": "10000", f"{base}/operstate": "up", **{f"{base}/lower_{one}/": "" for one in lower}}


def routes(*default: tuple[str, int], net: str = "proc/1/net") -> dict[str, str]:
    head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
    local = "lo0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    lines = [f"{name}\t00000000\t010200C0\t0003\t0\t0\t{metric}\t00000000\t0\t0\t0\n" for name, metric in default]
    return {f"{net}/route": head + local + "".join(lines)}


V6_NONE = f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 00000001 00000000 00200200       lo\n"
V6_DEFAULT = f"{'0' * 32} 00 {'0' * 32} 00 fe80{'0' * 27}1 00000400 00000001 00000000 00000003     eth1\n"


@pytest.mark.parametrize(
    ("tree", "interfaces", "primary", "active", "speed_mbps"),
    [
        pytest.param({}, {}, "", "", 0, id="nothing"),
        pytest.param({**card("eth0"), **routes(("eth0", 0))}, {"eth0": 1000}, "eth0", "eth0", 1000, id="one card"),
        pytest.param(
            {**virtual("eth0"), **virtual("lo"), **routes(("eth0", 0))}, {}, "", "", 0, id="a pod's virtual cable"
        ),
        pytest.param({**card("eth0", "-1"), **routes(("eth0", 0))}, {"eth0": 0}, "eth0", "eth0", 0, id="no speed"),
        pytest.param(
            {**card("eth0"), **card("eth1", "25000"), **routes(("eth0", 200), ("eth1", 100))},
            {"eth0": 1000, "eth1": 25000},
            "eth1",
            "eth1",
            25000,
            id="the lower metric",
        ),
        pytest.param(
            {**card("eth0"), **virtual("br0", "eth0"), **routes(("br0", 0))},
            {"eth0": 1000},
            "eth0",
            "eth0",
            1000,
            id="a bridge over a card",
        ),
        pytest.param(
            {**card("eth0", state="down"), **card("eth1", "100"), **routes(("eth0", 0))},
            {"eth0": 1000, "eth1": 100},
            "eth0",
            "eth1",
            1000,
            id="the primary one is down",
        ),
        pytest.param({**card("eth1", "100")}, {"eth1": 100}, "", "eth1", 100, id="no route"),
        pytest.param(
            {"sys/class/net/bond0/bonding/": "", "sys/class/net/bond0/speed": "2000", **routes(("bond0", 0))},
            {"bond0": 2000},
            "bond0",
            "",
            2000,
            id="a bond",
        ),
        pytest.param(
            {**card("eth1"), **routes(), "proc/1/net/ipv6_route": V6_NONE + V6_DEFAULT},
            {"eth1": 1000},
            "eth1",
            "eth1",
            1000,
            id="IPv6 only",
        ),
        pytest.param(
            {**card("eth0"), **routes(("eth0", 0), net="proc/net")},
            {"eth0": 1000},
            "",
            "eth0",
            1000,
            id="the first process is hidden: the route is another network's",
        ),
    ],
)
def test_network(
    tmp_path: pathlib.Path, tree: Tree, interfaces: dict[str, int], primary: str, active: str, speed_mbps: int
) -> None:
    found = network.read(grow(tmp_path, tree))
    assert {one.name: one.speed_mbps for one in found.interfaces} == interfaces
    assert (found.primary, found.active, found.speed_mbps) == (primary, active, speed_mbps)


def pci(
    vendor: str, kind: str, driver: str = "some", *, device: str = "0x0001", at: str = "0000:3b:00.0"
) -> dict[str, str]:
    base = f"sys/bus/pci/devices/{at}"
    found = {f"{base}/vendor": f"{vendor}\n", f"{base}/class": f"{kind}\n", f"{base}/device": f"{device}\n"}
    return {**found, **({f"{base}/driver": f"-> ../../../bus/pci/drivers/{driver}"} if driver else {})}


NVIDIA_SAYS = "Model: \t\t NVIDIA Example 100\nIRQ:   \t\t 40\n"


@pytest.mark.parametrize(
    ("tree", "kinds", "model"),
    [
        pytest.param({}, set(), "", id="nothing"),
        pytest.param(pci("0x10de", "0x030200", "nvidia"), {"gpu-nvidia"}, "", id="nvidia"),
        pytest.param(
            {**pci("0x10de", "0x030200", "nvidia"), "proc/driver/nvidia/gpus/0/information": NVIDIA_SAYS},
            {"gpu-nvidia"},
            "NVIDIA Example 100",
            id="nvidia with its model",
        ),
        pytest.param(pci("0x10de", "0x020000", "mlx"), set(), "", id="nvidia's network card"),
        pytest.param(pci("0x1002", "0x038000", "amdgpu"), {"gpu-amd"}, "", id="amd"),
        pytest.param(pci("0x8086", "0x030000", "xe"), {"gpu-intel"}, "", id="intel card"),
        pytest.param(pci("0x8086", "0x030000", "i915", at="0000:00:02.0"), set(), "", id="graphics of a processor"),
        pytest.param(pci("0x1a03", "0x030000", "ast"), set(), "", id="a server's console"),
        pytest.param(pci("0x10de", "0x030200", "vfio-pci"), set(), "", id="passed on to a virtual machine"),
        pytest.param(pci("0x10de", "0x030200", ""), set(), "", id="without a driver"),
        pytest.param(pci("0x1ae0", "0x120000", device="0x0063"), {"tpu-accelerated"}, "", id="tpu"),
        pytest.param(pci("0x1ae0", "0x020000", "gve", device="0x0042"), set(), "", id="a cloud's network card"),
        pytest.param(pci("0x10ee", "0x120000", "xocl"), {"fpga-accelerated"}, "", id="fpga card"),
        pytest.param({"sys/class/fpga_manager/fpga0/name": "x"}, {"fpga-accelerated"}, "", id="fpga of a board"),
        pytest.param(
            {"sys/class/infiniband/mlx5_0/ports/1/link_layer": "InfiniBand\n"}, {"infiniband"}, "", id="infiniband"
        ),
        pytest.param({"sys/class/infiniband/mlx5_0/ports/1/link_layer": "Ethernet\n"}, set(), "", id="RoCE"),
        pytest.param(
            {
                "sys/class/drm/card0/device/vendor": "0x1002",
                "sys/class/drm/card0/device/class": "0x030000",
                "sys/class/drm/card0/device/driver": "-> ../drivers/amdgpu",
                "sys/class/drm/card0/device/product_name": "Example Radeon\n",
                "sys/class/drm/card0-DP-1/device/vendor": "0x10de",
            },
            {"gpu-amd"},
            "Example Radeon",
            id="through drm",
        ),
    ],
)
def test_accelerators(tmp_path: pathlib.Path, tree: Tree, kinds: set[str], model: str) -> None:
    assert accelerators.read(grow(tmp_path, tree)) == accelerators.Hardware(frozenset(kinds), model)


KERNEL = {"proc/sys/kernel/ostype": "Linux\n", "proc/sys/kernel/osrelease": "6.1.0-18-amd64\n"}


@pytest.mark.parametrize(
    ("tree", "has_files", "expected"),
    [
        pytest.param({}, True, crd.OperatingSystem(container=False), id="nothing"),
        pytest.param(
            {**KERNEL, "etc/os-release": 'NAME="Example"\nVERSION_ID=12\nID="example-os"\n'},
            True,
            crd.OperatingSystem("linux", "example-os", "6.1.0-18-amd64", False),
            id="a machine",
        ),
        pytest.param(
            {**KERNEL, "usr/lib/os-release": "ID=example\n", ".dockerenv": ""},
            True,
            crd.OperatingSystem("linux", "example", "6.1.0-18-amd64", True),
            id="a container as a node",
        ),
        pytest.param(
            {**KERNEL, "etc/os-release": "ID=image\n", ".dockerenv": ""},
            False,
            crd.OperatingSystem("linux", "", "6.1.0-18-amd64", None),
            id="a pod: its files tell of its image",
        ),
    ],
)
def test_operating_system(tmp_path: pathlib.Path, tree: Tree, has_files: bool, expected: crd.OperatingSystem) -> None:
    assert system.read(grow(tmp_path, tree), has_files=has_files) == expected


def test_a_machine_that_tells_nothing_is_no_error(tmp_path: pathlib.Path) -> None:
    assert machine.read(tmp_path, has_files=False) == machine.NOTHING


def test_the_clock_rate_does_not_flicker_and_the_rest_is_read_anew(tmp_path: pathlib.Path) -> None:
    grow(tmp_path, {"proc/cpuinfo": X86, "proc/sys/kernel/random/boot_id": "boot-7\n", **card("eth0")})
    first = machine.read(tmp_path, has_files=True)
    assert (first.boot_id, first.cpu.frequency_mhz, first.network.speed_mbps) == ("boot-7", 2596, 1000)
    (tmp_path / "proc/cpuinfo").write_text(X86.replace("2596", "1200"))
    (tmp_path / "sys/class/net/eth0/speed").write_text("100")
    second = machine.read(tmp_path, has_files=True, before=first)
    assert (second.cpu.frequency_mhz, second.network.speed_mbps) == (2596, 100)
