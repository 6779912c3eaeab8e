"""Three MinIO servers behind one headless Service: each node's daemon tells what its own node's server holds."""

from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from localcluster import stores as servers
from scheduler.api import names
from tests.clusterfixture import ClusterFactory
from tests.daemon import pods
from tests.daemon import test_on_apiserver as processes

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

eventually = processes.eventually

NAMESPACE = "data"
ADDRESSES = {"one": "127.0.0.21", "two": "127.0.0.22", "three": "127.0.0.23"}
SIZES = {"one": 100, "two": 2000, "three": 30}
NODES = topology.Topology(tuple(topology.Node(name) for name in ADDRESSES))


@pytest.fixture(scope="module")
def minio() -> Iterator[dict[str, servers.Store]]:
    with pods.minio(ADDRESSES) as found:
        for node, store in found.items():
            store.upload("photos", "a.raw", SIZES[node])
            store.upload(f"only-on-{node}", "b", 1)
        yield found


@pytest.fixture(scope="module")
def running(
    cluster_factory: ClusterFactory, minio: dict[str, servers.Store], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[cluster.Cluster]:
    """The cluster with the three pods, their Service, a second one of the same servers, and a daemon for each node."""
    with cluster_factory(NODES, crds=True) as started:
        pods.apply_rights(started)
        pods.open_to_daemons(started, NAMESPACE, minio["one"])
        pods.announce(started, NAMESPACE, "minio-svc", cluster_ip="None")
        pods.announce(started, NAMESPACE, "minio-lb", cluster_ip="")
        for node, store in minio.items():
            pods.run(started, NAMESPACE, f"minio-{node}", node, store)
        with pods.daemons(started, tmp_path_factory.mktemp("daemons")):
            yield started


def copies(running: cluster.Cluster, name: str) -> list[tuple[str, str, Any, bool]]:
    found = processes.data_object(running, name, NAMESPACE).get("status", {}).get("replicas", ())
    return sorted((one["node"], one["store"], one.get("sizeBytes"), one["available"]) for one in found)


def expected(**available: bool) -> list[tuple[str, str, Any, bool]]:
    return sorted((node, "data/minio-lb", size, available.get(node, True)) for node, size in SIZES.items())


def test_each_server_tells_of_its_own_contents_on_its_own_node(running: cluster.Cluster) -> None:
    eventually(lambda: copies(running, "photos") == expected())
    alone = {node: [(node, "data/minio-lb", 1, True)] for node in ADDRESSES}
    eventually(lambda: {node: copies(running, f"only-on-{node}") for node in ADDRESSES} == alone)
    held = {node: [f"only-on-{node}", "photos"] for node in ADDRESSES}
    eventually(lambda: {node: described(running, node).get("buckets") for node in ADDRESSES} == held)
    assert described(running, "one")["endpoint"].startswith("http://10."), "people are shown where the Service is"


def described(running: cluster.Cluster, node: str) -> dict[str, Any]:
    return processes.store_of(running, node, "data/minio-lb") or {}


def test_a_key_has_the_size_that_each_nodes_server_has(running: cluster.Cluster) -> None:
    metadata = {"name": "key", "labels": {names.BUCKET_LABEL: "photos"}}
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "DataObject",
        "metadata": metadata,
        "spec": {"urn": "photos/a.raw"},
    }
    path = f"/apis/{names.API_VERSION}/namespaces/{NAMESPACE}/{names.DATA_OBJECTS}"
    running.api.request("POST", path, body)
    eventually(lambda: copies(running, "key") == expected())
    eventually(lambda: stale(running, "key") == ("False", "StaleCopies"))


def stale(running: cluster.Cluster, name: str) -> tuple[str, str] | None:
    found = processes.data_object(running, name, NAMESPACE)["status"].get("conditions", ())
    return next(((c["status"], c["reason"]) for c in found if c["type"] == "Consistent"), None)


def test_a_pod_that_is_not_ready_does_not_count_and_comes_back(
    running: cluster.Cluster, minio: dict[str, servers.Store]
) -> None:
    eventually(lambda: copies(running, "photos") == expected())
    pods.patch_status(running, NAMESPACE, "minio-two", {"conditions": [{"type": "Ready", "status": "False"}]})
    eventually(lambda: copies(running, "photos") == expected(two=False))
    eventually(lambda: described(running, "two").get("available") is False)
    store = described(running, "two")
    assert "pod data/minio-two on this node is not ready" in store["message"]
    assert store["buckets"] == ["only-on-two", "photos"], "what it held is unknown, not gone"
    pods.patch_status(running, NAMESPACE, "minio-two", {"conditions": [{"type": "Ready", "status": "True"}]})
    eventually(lambda: copies(running, "photos") == expected())
