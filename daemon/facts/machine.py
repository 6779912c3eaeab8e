"""All that a machine tells of itself, read from the kernel's files below a root.

The root is a parameter so that a node's file system can be mounted anywhere, and so that a test can give a tree of its
own. psutil is not used: it keeps its path of /proc in a module variable and that of /sys nowhere, and what is left of
it for these facts would be less code than it takes to install.
"""

from __future__ import annotations

import dataclasses
import pathlib

from daemon.facts import accelerators, cpu, files, memory, network, storage, system
from scheduler.api import crd


@dataclasses.dataclass(frozen=True)
class Machine:
    """What was read. What could not be has its empty value, and is not published."""

    boot_id: str = ""
    cpu: crd.Cpu = dataclasses.field(default_factory=crd.Cpu)
    memory_kind: str = ""
    disks: tuple[crd.Disk, ...] = ()
    network: network.Network = dataclasses.field(default_factory=network.Network)
    hardware: accelerators.Hardware = dataclasses.field(default_factory=accelerators.Hardware)
    os: crd.OperatingSystem = dataclasses.field(default_factory=crd.OperatingSystem)


NOTHING = Machine()


def read(root: pathlib.Path, *, has_files: bool, before: Machine = NOTHING) -> Machine:
    """Read everything anew, but for the processor.

    Args:
        root: Where the machine's file system is.
        has_files: Whether what lies there besides /proc and /sys is the machine's, see system.read.
        before: An earlier reading. The processor is kept from it, because the clock rate that a kernel without
            frequency scaling tells flickers, and nothing else of it can change.
    """
    return Machine(
        boot_id=files.text(root / "proc/sys/kernel/random/boot_id"),
        cpu=before.cpu if before.cpu.threads else cpu.read(root),
        memory_kind=memory.kind(root),
        disks=storage.disks(root),
        network=network.read(root),
        hardware=accelerators.read(root),
        os=system.read(root, has_files=has_files),
    )
