"""The physical network interfaces, their speed, and which of them carries the node's traffic.

Only an interface with a device behind it counts, and a bond of such. So a daemon in a pod with a network of its own,
which sees one end of a virtual cable, says nothing of the node's network instead of something wrong; with the node's
file system mounted it sees the node's, because a sysfs mount belongs to the network in which it was mounted.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator
from typing import Final

from daemon.facts import files
from scheduler.api import crd

_MAX_INTERFACES: Final = 64  # the schema's bound
_MAX_STACK: Final = 4  # bridge over VLAN over bond over card
_RTF_UP: Final = 0x1
_RTF_REJECT: Final = 0x200


@dataclasses.dataclass(frozen=True)
class Network:
    """What there is, which interface the default route leads to, and which works; "" where that is not known."""

    interfaces: tuple[crd.Interface, ...] = ()
    primary: str = ""
    active: str = ""

    @property
    def speed_mbps(self) -> int:
        """The speed of the interface that carries the traffic, 0 where it is not known."""
        carrier = self.primary or self.active
        return next((one.speed_mbps for one in self.interfaces if one.name == carrier), 0)


def read(root: pathlib.Path) -> Network:
    folder = root / "sys/class/net"
    found = [entry for entry in files.entries(folder) if _is_physical(entry)][:_MAX_INTERFACES]
    interfaces = tuple(crd.Interface(name=entry.name, speed_mbps=_speed_mbps(entry)) for entry in found)
    known = {entry.name for entry in found}
    primary = _below(folder, _default_route(root), known)
    working = [entry.name for entry in found if files.text(entry / "operstate") == "up"]
    active = primary if primary in working else next(iter(working), "")
    return Network(interfaces, primary, active)


def _is_physical(entry: pathlib.Path) -> bool:
    return (entry / "device").exists() or (entry / "bonding").is_dir()


def _speed_mbps(entry: pathlib.Path) -> int:
    speed_mbps = files.number(entry / "speed")
    return speed_mbps if speed_mbps is not None and 0 < speed_mbps < 2**31 else 0  # -1: the driver does not know


def _default_route(root: pathlib.Path) -> str:
    """The interface of the default route with the lowest metric.

    That of the first process, which is in the node's network; ``/proc/net`` would be that of this one.
    """
    net = root / "proc/1/net"
    routes = [*_routes(files.text(net / "route")), *_routes_of_ipv6(files.text(net / "ipv6_route"))]
    return min(routes)[1] if routes else ""


def _routes(text: str) -> Iterator[tuple[int, str]]:
    """Metric and interface of each default route; the first line is a heading."""
    for line in text.splitlines()[1:]:
        name, target, _, flags, _, _, metric, mask = line.split()[:8]
        if target == mask == "00000000" and int(flags, 16) & _RTF_UP:
            yield int(metric), name


def _routes_of_ipv6(text: str) -> Iterator[tuple[int, str]]:
    """Likewise, after every route of IPv4; one that refuses everything is on every machine without IPv6."""
    for line in text.splitlines():
        target, length, _, _, _, metric, _, _, flags, name = line.split()[:10]
        if target == "0" * 32 and length == "00" and int(flags, 16) & _RTF_UP and not int(flags, 16) & _RTF_REJECT:
            yield 2**32 + int(metric, 16), name


def _below(folder: pathlib.Path, name: str, known: set[str]) -> str:
    """The interface of ours that ``name`` is, or that lies under it where it is a bridge or a VLAN."""
    for _ in range(_MAX_STACK):
        if name in known or not name:
            return name
        lower = files.entries(folder / name, "lower_*")
        name = next((one.name.removeprefix("lower_") for one in lower), "")
    return ""
