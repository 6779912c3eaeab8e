"""Stores of both kinds, plain and with TLS, announced and answering; servers that replicate."""

import os
import time
from collections.abc import Callable, Iterator

import pytest
import urllib3.exceptions
from minio import error as minio_errors

from localcluster import binaries, certificates, cluster, errors, keeping, names, stores, topology
from tests.clusterfixture import ClusterFactory

NODES = topology.Topology((
    topology.Node("secure", type="edge", store="minio", tls=True),
    topology.Node("gateway", store="versitygw"),
))  # fmt: skip


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(NODES) as started:
        yield started


@pytest.mark.e2e
@pytest.mark.parametrize(("node", "service"), [("secure", "minio-secure"), ("gateway", "versitygw-gateway")])
def test_a_store_answers_and_is_announced(running: cluster.Cluster, node: str, service: str) -> None:
    store = running.stores[node]
    store.upload("photos", "a/b", 100)
    assert [found.object_name for found in store.client().list_objects("photos", recursive=True)] == ["a/b"]
    announced = running.api.request("GET", f"/api/v1/namespaces/storage/services/{service}")
    annotations = announced["metadata"]["annotations"]
    assert annotations[names.STORAGE_ENDPOINT_ANNOTATION] == store.endpoint
    assert running.pids()[service]


@pytest.mark.e2e
def test_a_store_with_tls_is_trusted_by_its_authority_alone(running: cluster.Cluster) -> None:
    store = running.stores["secure"]
    path = f"/api/v1/namespaces/storage/configmaps/{store.ca}"
    assert running.api.request("GET", path)["data"] == {names.CA_KEY: running.authority.pem}
    assert store.endpoint.startswith("https://")
    store.ca_pem = certificates.Authority("another").pem
    try:
        with pytest.raises(urllib3.exceptions.MaxRetryError, match="certificate verify failed"):
            store.client().list_buckets()
    finally:
        store.ca_pem = running.authority.pem
    assert store.client().list_buckets() is not None


@pytest.fixture
def pair() -> Iterator[tuple[stores.Store, stores.Store]]:
    """Two MinIO servers that replicate."""
    try:
        program = binaries.resolve(["minio"], report=binaries.report_to_stderr)["minio"]
    except errors.BinariesError as error:
        pytest.skip(f"no MinIO on this machine: {error}")
    keeper = keeping.start_keeper(f"r{os.getpid()}-{os.urandom(3).hex()}")
    try:
        one, two = (stores.Store(topology.Node(name, store="minio"), keeper, program) for name in ("one", "two"))
        one.start()
        two.start()
        stores.replicate(one, two)
        yield one, two
    finally:
        keeper.shutdown()


def eventually(check: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + 60
    while not check():
        assert time.monotonic() < ends_s, "did not come to pass"
        time.sleep(0.05)


def keys(store: stores.Store) -> list[str | None]:
    try:
        return [found.object_name for found in store.client().list_objects("photos", recursive=True)]
    except minio_errors.S3Error:  # the bucket is still on its way
        return []


def test_replicated_servers_hold_the_same(pair: tuple[stores.Store, stores.Store]) -> None:
    one, two = pair
    one.upload("photos", "a", 10)
    eventually(lambda: keys(two) == ["a"])
    two.upload("photos", "b", 10)
    eventually(lambda: keys(one) == ["a", "b"])
    two.client().remove_object("photos", "a")
    eventually(lambda: keys(one) == ["b"])
