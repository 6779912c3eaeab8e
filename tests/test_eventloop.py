"""What the tests' event loop leaves behind: nothing that was closed, whatever the other side does."""

import asyncio
import gc
import pathlib
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator

import pytest

from tests import eventloop
from tests.fakeapi import certificates


@pytest.fixture
def certificate(tmp_path: pathlib.Path) -> certificates.Certificate:
    return certificates.make(tmp_path, "server")


@pytest.fixture
def port(certificate: certificates.Certificate) -> Iterator[int]:
    """A server that shakes hands and never looks at the connection again."""
    done = threading.Event()

    def serve() -> None:
        connection, _ = listening.accept()
        with certificate.server_context().wrap_socket(connection, server_side=True):
            done.wait()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = threading.Thread(target=serve)
        serving.start()
        yield listening.getsockname()[1]
        done.set()
        serving.join()


@pytest.mark.parametrize(("closes", "warned"), [pytest.param(True, 0, id="closed"), pytest.param(False, 1, id="open")])
def test_what_was_closed_is_closed_with_the_loop_and_what_was_not_is_told(
    certificate: certificates.Certificate, port: int, closes: bool, warned: int
) -> None:
    async def connect() -> None:
        trusts = ssl.create_default_context(cafile=certificate.cert)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", port, ssl=trusts)
        if closes:
            transport.close()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with asyncio.Runner(loop_factory=eventloop.Loop) as runner:
            runner.run(connect())
        gc.collect()
    told = [warning for warning in caught if "_SelectorSocketTransport" in str(warning.message)]
    assert len(told) == warned
