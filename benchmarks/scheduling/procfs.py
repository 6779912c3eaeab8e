"""CPU time and memory of processes, from /proc."""

from __future__ import annotations

import os
import pathlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_NOT_BUSY = (3, 4)  # idle and iowait, in the order of /proc/stat


@dataclass(frozen=True)
class Sample:
    """What processes, and the machine as a whole, have used of CPU until a moment."""

    at_s: float
    """time.monotonic()"""
    cpu_s: Mapping[str, float]
    """By name of process."""
    machine_s: float
    """All cores together, whoever used them."""
    own_s: float
    """This process, which measures."""

    def since(self, earlier: Sample) -> dict[str, float]:
        """Seconds of CPU by name of process; one that was not there before began with nothing."""
        return {name: spent_s - earlier.cpu_s.get(name, 0.0) for name, spent_s in self.cpu_s.items()}

    def others_cores(self, earlier: Sample) -> float:
        """How many cores everything else on the machine used meanwhile."""
        took_s = self.at_s - earlier.at_s
        ours_s = sum(self.since(earlier).values()) + self.own_s - earlier.own_s
        return max(0.0, (self.machine_s - earlier.machine_s - ours_s) / took_s) if took_s else 0.0


def sample(pids: Mapping[str, int]) -> Sample:
    """Look at processes now."""
    return Sample(
        at_s=time.monotonic(),
        cpu_s={name: cpu_s(pid) for name, pid in pids.items()},
        machine_s=_machine_s(pathlib.Path("/proc/stat").read_text()),
        own_s=time.process_time(),
    )


def cpu_s(pid: int) -> float:
    """User and system time of a process, all its threads; 0 where it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def peak_memory_mb(pid: int) -> float:
    """The most that a process ever had resident; 0 where it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"^VmHWM:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def _machine_s(text: str) -> float:
    ticks = [int(field) for field in text.partition("\n")[0].split()[1:9]]
    return sum(spent for place, spent in enumerate(ticks) if place not in _NOT_BUSY) / _TICKS_PER_S
