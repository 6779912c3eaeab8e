"""Accelerators that the machine itself shows: PCI devices with a driver, FPGA managers, InfiniBand ports.

What pods can request stands in the Node's capacity; this is for the earlier labels, which told of the hardware. A
device that is handed on to virtual machines is none of this node's, nor is the graphics of an Intel processor, which
has its place on the first bus.
"""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Final

from daemon.facts import files

_GPU_VENDORS: Final = {"0x10de": "gpu-nvidia", "0x1002": "gpu-amd", "0x8086": "gpu-intel"}
_DISPLAY: Final = "0x03"  # PCI class of graphics, with or without an output
_PROCESSING: Final = "0x12"  # PCI class of processing accelerators
_XILINX: Final = "0x10ee"
_TPUS: Final = {
    "0x1ae0": frozenset({"0x0027", "0x0056", "0x005e", "0x0062", "0x0063", "0x006f"}),
    "0x1ac1": frozenset({"0x089a"}),
}
_PASSED_ON: Final = frozenset({"", "vfio-pci", "pci-stub", "xen-pciback"})  # no driver, or one that gives it away


@dataclasses.dataclass(frozen=True)
class Hardware:
    """What was found, by the earlier labels' names, and the graphics processors' model where a driver tells it."""

    kinds: frozenset[str] = frozenset()
    gpu_model: str = ""


def read(root: pathlib.Path) -> Hardware:
    devices = files.entries(root / "sys/bus/pci/devices")
    devices += [card / "device" for card in files.entries(root / "sys/class/drm", "card[0-9]*") if "-" not in card.name]
    kinds = {_kind(device) for device in devices}
    if files.entries(root / "sys/class/fpga_manager"):
        kinds.add("fpga-accelerated")
    ports = files.entries(root / "sys/class/infiniband", "*/ports/*/link_layer")
    if any(files.text(port) == "InfiniBand" for port in ports):  # Ethernet cards that speak RDMA stand there too
        kinds.add("infiniband")
    return Hardware(frozenset(kinds - {""}), _gpu_model(root))


def _kind(device: pathlib.Path) -> str:
    """What a PCI device is, "" where it is none of ours."""
    if files.target(device / "driver") in _PASSED_ON:
        return ""
    vendor, kind = files.text(device / "vendor"), files.text(device / "class")
    if files.text(device / "device") in _TPUS.get(vendor, ()):
        return "tpu-accelerated"
    if vendor == _XILINX and kind.startswith(_PROCESSING):
        return "fpga-accelerated"
    if not kind.startswith((_DISPLAY, _PROCESSING)):
        return ""
    if vendor == "0x8086" and _bus(device) == "00":
        return ""
    return _GPU_VENDORS.get(vendor, "")


def _bus(device: pathlib.Path) -> str:
    """The PCI bus, from the address in the device's name (0000:00:02.0)."""
    address = device.name if ":" in device.name else files.target(device)
    return address.split(":")[1] if address.count(":") == 2 else ""


def _gpu_model(root: pathlib.Path) -> str:
    """The one model that the drivers name; "" where they name none or several."""
    told = {
        files.pairs(files.text(card).splitlines(), ":").get("Model", "")
        for card in files.entries(root / "proc/driver/nvidia/gpus", "*/information")
    }
    told |= {files.text(card) for card in files.entries(root / "sys/class/drm", "card[0-9]*/device/product_name")}
    told.discard("")
    return told.pop()[:256] if len(told) == 1 else ""
