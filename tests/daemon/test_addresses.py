"""Which addresses a daemon asks on behalf of somebody's Service, written out or resolved."""

import ipaddress
import socket

import aiohttp
import hypothesis
import pytest
from hypothesis import strategies as st

from daemon.stores import addresses

NODE = ipaddress.ip_address("192.168.7.20")
GUARD = addresses.Guard(refused=frozenset({NODE}))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.8.9.10", "::1", "[::1]", "127.1", "0x7f000001", "2130706433", "0.0.0.0",  # noqa: S104 - nothing is bound to it
        "0.1.2.3", "::",
        "169.254.169.254", "fe80::1", "fe80::1%eth0", "100.100.100.200", "192.0.0.192", "168.63.129.16",
        "fd00:ec2::254",
        "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1", "192.168.7.20", "::ffff:127.0.0.1",
        "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::ffff:192.168.7.20",
    ],
)  # fmt: skip
def test_addresses_that_a_tenants_service_may_not_name(host: str) -> None:
    assert "allowedEndpoints" in GUARD.fault(host)


@pytest.mark.parametrize(
    "host", ["10.1.2.3", "192.168.7.21", "203.0.113.9", "fd12::7", "2001:db8::1", "s3.example.org"]
)
def test_addresses_of_other_machines_and_names_may_be_asked(host: str) -> None:
    assert GUARD.fault(host) == ""


def test_what_the_configuration_allows_may_be_asked_and_nothing_beside_it() -> None:
    guard = addresses.Guard(
        (ipaddress.ip_network("127.0.0.16/28"), ipaddress.ip_network("192.168.7.20/32")), GUARD.refused
    )
    assert [bool(guard.fault(host)) for host in ("127.0.0.17", "127.0.0.1", "192.168.7.20", "169.254.169.254")] == [
        False,
        True,
        False,
        True,
    ]


@hypothesis.given(st.ip_addresses())
def test_an_address_is_judged_alike_in_every_spelling(address: addresses.Address) -> None:
    spellings = [str(address), address.exploded, f"[{address}]"]
    if isinstance(address, ipaddress.IPv4Address):
        spellings += [hex(int(address)), str(int(address)), f"::ffff:{address}"]
    assert len({bool(GUARD.fault(one)) for one in spellings}) == 1


async def test_a_name_that_leads_to_a_refused_address_is_refused_when_it_is_connected_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        for host in ("localhost", "127.0.0.1"):
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=GUARD.open)) as session:
                with pytest.raises(aiohttp.ClientConnectorError, match="loopback address"):
                    await session.get(f"http://{host}:{port}/")
        server.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            server.accept()
