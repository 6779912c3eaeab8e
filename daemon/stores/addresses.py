"""Which addresses a daemon asks for a store that somebody of a namespace announced, and which it does not.

A daemon stands in the cluster's network and, on many nodes, in the node's own. Who may write a Service could otherwise
have it ask what that person cannot reach: the node itself, the cloud's metadata, the API server. So an endpoint that
such a Service names is held to a ``Guard``: link-local, loopback, unspecified, multicast and reserved addresses, the
metadata services of clouds, the node's own addresses and the API server's are refused, unless the daemons'
configuration file allows them (``allowedEndpoints``). What counts is the address that is connected to, so a name that
leads there, today or only at the second look-up, is refused like the address itself: ``Guard.open`` is where a client
gets its sockets. The address of a pod needs no guard: the kubelet reports it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any, Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Where clouds answer their machines, as far as that is not link-local: Alibaba, Oracle, Azure, AWS, GCP.
_METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in ("100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254")
)
_EMBEDDING: Final = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address that NAT64 leads to


class RefusedError(OSError):
    """An address that may not be asked; ``strerror`` says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Guard:
    """What is refused, and what the configuration allows nevertheless.

    Attributes:
        allowed: ``allowedEndpoints`` of the configuration file.
        refused: The node's own addresses, and the API server's.
    """

    allowed: tuple[Network, ...] = ()
    refused: frozenset[Address] = frozenset()

    def fault(self, host: str) -> str:
        """Why ``host`` may not be asked, "" where it may; of a name only the addresses that it leads to tell."""
        address = literal(host)
        if address is None or any(address in network for network in self.allowed):
            return ""
        kind = _kind(address, self.refused)
        return f"{kind}; an administrator may allow it: allowedEndpoints in the daemons' configuration" if kind else ""

    def open(self, info: tuple[Any, ...]) -> socket.socket:
        """A socket for one of getaddrinfo's answers; a ``socket_factory`` of aiohttp.

        Raises:
            RefusedError: its address may not be asked.
        """
        family, kind, protocol, _, where = info
        if fault := self.fault(str(where[0])):
            raise RefusedError(errno.EPERM, f"leads to {fault}")
        return socket.socket(family, kind, protocol)


def literal(host: str) -> Address | None:
    """The address that ``host`` is, in any of the forms that the system takes; None for a name."""
    text = host.strip("[]").partition("%")[0]
    try:
        return _embedded(ipaddress.ip_address(text))
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))  # 127.1, 0x7f000001 and 2130706433
    except (OSError, ValueError):
        return None


async def of_hosts(hosts: Iterable[str]) -> frozenset[Address]:
    """The addresses that ``hosts`` are or lead to now; what cannot be resolved has none."""
    found: set[Address] = set()
    for host in filter(None, hosts):
        address = literal(host)
        if address is not None:
            found.add(address)
            continue
        with contextlib.suppress(OSError):
            answers = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found.update(filter(None, (literal(str(answer[4][0])) for answer in answers)))
    return frozenset(found)


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _EMBEDDING:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _kind(address: Address, refused: frozenset[Address]) -> str:
    """What is wrong with an address, "" where nothing is."""
    if address in refused:
        return "an address of the node or of the API server"
    if address in _METADATA or address.is_link_local:
        return "a link-local or metadata address"
    if address.is_loopback:
        return "a loopback address"
    if address.is_unspecified or (address.version == 4 and int(address) >> 24 == 0):
        return "an unspecified address"
    if address.is_multicast or address.is_reserved:
        return "a multicast or reserved address"
    return ""
