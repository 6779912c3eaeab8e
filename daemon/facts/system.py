"""The operating system: kind, distribution and kernel, and whether the node is itself a container."""

from __future__ import annotations

import pathlib
from typing import Final

from daemon.facts import files
from scheduler.api import crd

# Left by docker, by podman and CRI-O, and by a systemd that was started in a container.
_CONTAINER_MARKS: Final = (".dockerenv", "run/.containerenv", "run/systemd/container")


def read(root: pathlib.Path, *, has_files: bool) -> crd.OperatingSystem:
    """What is known of it.

    Args:
        has_files: Whether the files below ``root`` are the node's. In a pod without a mount of them they are the
            image's, and would tell of that.
    """
    release = files.text(root / "etc/os-release") or files.text(root / "usr/lib/os-release")
    distro = files.pairs(release.splitlines(), "=").get("ID", "").strip("\"'")
    return crd.OperatingSystem(
        type=files.text(root / "proc/sys/kernel/ostype").lower()[:64],
        distro=distro[:64] if has_files else "",
        kernel_version=files.text(root / "proc/sys/kernel/osrelease")[:256],
        container=any((root / mark).exists() for mark in _CONTAINER_MARKS) if has_files else None,
    )
