"""Real S3 servers without a control plane, for the tests that only list: one MinIO, and one of each kind."""

import os
from collections.abc import Iterator

import pytest

from localcluster import binaries, certificates, errors, keeping, topology
from localcluster import stores as servers


def start(kind: str, *, tls: bool = False) -> Iterator[servers.Store]:
    """A server of this kind, for as long as the generator lives."""
    try:
        program = binaries.resolve([kind], report=binaries.report_to_stderr)[kind]
    except errors.BinariesError as error:
        pytest.skip(f"no {kind} on this machine: {error}")
    keeper = keeping.start_keeper(f"s{os.getpid()}-{os.urandom(3).hex()}")
    try:
        store = servers.Store(
            topology.Node("only", store=kind, tls=tls), keeper, program, certificates.Authority() if tls else None
        )
        store.start()
        yield store
    finally:
        keeper.shutdown()


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Store]:
    """A MinIO server."""
    yield from start("minio")


@pytest.fixture(scope="module", params=topology.STORES)
def any_server(request: pytest.FixtureRequest) -> Iterator[servers.Store]:
    """A server of each kind."""
    yield from start(request.param)


@pytest.fixture(scope="module", params=topology.STORES)
def secure_server(request: pytest.FixtureRequest) -> Iterator[servers.Store]:
    """A server of each kind that speaks TLS."""
    yield from start(request.param, tls=True)
