"""The kind of the memory modules. How much there is stands in the Node's capacity already."""

from __future__ import annotations

import pathlib
import re
from typing import Final

from daemon.facts import files

# SMBIOS structure 17, "memory device": the byte at which its type stands, and what the values mean.
_TYPE_OFFSET: Final = 0x12
_TYPES: Final = {
    0x13: "DDR2",
    0x18: "DDR3",
    0x1A: "DDR4",
    0x1B: "LPDDR",
    0x1C: "LPDDR2",
    0x1D: "LPDDR3",
    0x1E: "LPDDR4",
    0x20: "HBM",
    0x21: "HBM2",
    0x22: "DDR5",
    0x23: "LPDDR5",
}


def kind(root: pathlib.Path) -> str:
    """The type of the modules, such as DDR4; "" where nothing tells, or where there are several."""
    modules = files.entries(root / "sys/devices/system/edac/mc", "mc*/dimm*/dimm_mem_type")
    told = {match[0] for module in modules if (match := re.search(r"(LP)?DDR\d", files.text(module)))}
    for entry in files.entries(root / "sys/firmware/dmi/entries", "17-*/raw"):
        told |= _from_firmware(entry)
    return told.pop() if len(told) == 1 else ""


def _from_firmware(entry: pathlib.Path) -> set[str]:
    """One memory device's type; only root may read it, and an empty slot has the type "unknown"."""
    try:
        raw = entry.read_bytes()
    except OSError:
        return set()
    known = _TYPES.get(raw[_TYPE_OFFSET]) if len(raw) > _TYPE_OFFSET else None
    return {known} if known else set()
