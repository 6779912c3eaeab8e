"""The fixed physical disks, their size and what they are made of, from /sys/block.

A disk that the kernel calls non-rotational is one; "rotational" proves less, because it is what a virtual disk says by
default. Such a disk has no class here rather than a wrong one.
"""

from __future__ import annotations

import pathlib
from typing import Final

from daemon.facts import files
from scheduler.api import crd

_SECTOR_BYTES: Final = 512  # whatever the disk's own is
_MAX_DISKS: Final = 64  # the schema's bound
_NOT_FIXED: Final = ("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd", "rbd")
_VIRTUAL: Final = ("vd", "xvd")
_CARDS: Final = ("mmcblk",)  # without moving parts and yet no SSD


def disks(root: pathlib.Path) -> tuple[crd.Disk, ...]:
    found = []
    for block in files.entries(root / "sys/block"):
        size_bytes = (files.number(block / "size") or 0) * _SECTOR_BYTES
        is_fixed = not block.name.startswith(_NOT_FIXED) and files.text(block / "removable") != "1"
        if size_bytes > 0 and is_fixed and (block / "device").exists():
            found.append(crd.Disk(name=block.name[:64], class_=_class(block), size_bytes=size_bytes))
    return tuple(found[:_MAX_DISKS])


def _class(block: pathlib.Path) -> str:
    if block.name.startswith("nvme"):
        return "nvme"
    if block.name.startswith(_CARDS):
        return ""
    rotational = files.text(block / "queue/rotational")
    if rotational == "0":
        return "ssd"
    return "hdd" if rotational == "1" and not block.name.startswith(_VIRTUAL) else ""
