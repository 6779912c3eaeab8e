"""Whether the node has other work, so that a probe would disturb it, or be disturbed and measure the wrong thing.

Read from /proc: processes that want to run, against the processors there are, and bytes that crossed the network
interfaces since the last look. In a pod the interfaces are the pod's own, unless it shares the host's network; the
processes are the host's either way.
"""

from __future__ import annotations

import os
import pathlib
from typing import Final

_PROCESSES_PER_CPU: Final = 2.0
_SHARE: Final = 0.2  # of the fastest link known
_AT_LEAST_BYTES_PER_S: Final = 1_000_000.0
_SHORTEST_S: Final = 0.5  # between two looks; in less, a few packets look like a flood


class Load:
    """What was seen at the last look."""

    def __init__(self, proc: pathlib.Path = pathlib.Path("/proc"), cpus: int | None = None) -> None:
        self._proc = proc
        self._cpus = cpus or os.cpu_count() or 1
        self._at_s: float | None = None
        self._bytes = 0
        self._own = 0

    def spent(self, size_bytes: int) -> None:
        """Bytes that probing itself caused; they do not count."""
        self._own += size_bytes

    def is_high(self, now_s: float, fastest_bytes_per_s: float) -> bool:
        """Whether there is other work now; at the first look the network counts as quiet."""
        try:
            waiting = float((self._proc / "loadavg").read_text().split()[0])
            total = _interface_bytes((self._proc / "net/dev").read_text())
        except (OSError, ValueError, IndexError):
            return False  # a system that does not tell
        rate = 0.0
        if self._at_s is None or now_s - self._at_s >= _SHORTEST_S:
            if self._at_s is not None:
                rate = (total - self._bytes - self._own) / (now_s - self._at_s)
            self._at_s, self._bytes, self._own = now_s, total, 0
        return waiting > _PROCESSES_PER_CPU * self._cpus or rate > max(
            _SHARE * fastest_bytes_per_s, _AT_LEAST_BYTES_PER_S
        )


def _interface_bytes(text: str) -> int:
    """Received and sent bytes of all interfaces but the loopback."""
    total = 0
    for line in text.splitlines()[2:]:
        name, _, figures = line.partition(":")
        columns = figures.split()
        if name.strip() != "lo":
            total += int(columns[0]) + int(columns[8])
    return total
