"""A real MinIO server without a control plane, for the tests that only list."""

import os
from collections.abc import Iterator

import pytest

from localcluster import binaries, errors, keeping, topology
from localcluster import stores as servers


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Store]:
    try:
        program = binaries.resolve(["minio"], report=binaries.report_to_stderr)["minio"]
    except errors.BinariesError as error:
        pytest.skip(f"no MinIO on this machine: {error}")
    keeper = keeping.start_keeper(f"s{os.getpid()}-{os.urandom(3).hex()}")
    try:
        store = servers.Store(topology.Node("only", minio=True), keeper, program)
        store.start()
        yield store
    finally:
        keeper.shutdown()
