"""Two tenants with the same bucket names on their own stores: neither sees the other's sizes or nodes."""

import json
from collections.abc import Iterator

import pytest
import yaml

from localcluster import cluster, topology
from localcluster import stores as servers
from scheduler.api import names
from tests.clusterfixture import ClusterFactory
from tests.daemon import pods
from tests.daemon import test_on_apiserver as processes

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

eventually = processes.eventually

NODES = topology.Topology((topology.Node("left"), topology.Node("right")))
ADDRESSES = {"left": "127.0.0.31", "right": "127.0.0.32"}
TENANTS = {"left": "tenant-left", "right": "tenant-right"}
SIZES = {"left": 3000, "right": 7}
OWN = {tenant: {node: SIZES[node]} for node, tenant in TENANTS.items()}


@pytest.fixture(scope="module")
def minio() -> Iterator[dict[str, servers.Store]]:
    with pods.minio(ADDRESSES) as found:
        for node, store in found.items():
            store.upload("photos", "a.raw", SIZES[node])
        yield found


@pytest.fixture(scope="module")
def running(
    cluster_factory: ClusterFactory, minio: dict[str, servers.Store], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[cluster.Cluster]:
    """A tenant on each node: one is asked by its pod's address, the other by an endpoint that he wrote."""
    logs = tmp_path_factory.mktemp("daemons")
    configuration = logs / "daemon.yaml"
    configuration.write_text(yaml.safe_dump({"allowedEndpoints": [f"{ADDRESSES['right']}/32"]}))
    with cluster_factory(NODES, crds=True) as started:
        pods.apply_rights(started)
        for node, tenant in TENANTS.items():
            pods.open_to_daemons(started, tenant, minio[node])
            pods.run(started, tenant, "minio", node, minio[node])
        pods.announce(started, TENANTS["left"], "minio")
        pods.announce(
            started, TENANTS["right"], "minio", storage_service="true", storage_endpoint=minio["right"].endpoint
        )
        with pods.daemons(started, logs, f"--config={configuration}"):
            yield started


def copies(running: cluster.Cluster, namespace: str, name: str = "photos") -> dict[str, int]:
    found = processes.data_object(running, name, namespace).get("status", {}).get("replicas", ())
    return {one["node"]: one["sizeBytes"] for one in found if one["available"]}


def size(running: cluster.Cluster, namespace: str, name: str = "photos") -> int | None:
    found = processes.data_object(running, name, namespace).get("status", {}).get("sizeBytes")
    return None if found is None else int(found)


def bucket_labels(running: cluster.Cluster, node: str) -> list[str]:
    labels = running.api.request("GET", f"/api/v1/nodes/{node}")["metadata"]["labels"]
    return [
        name.removeprefix(names.STORAGE_BUCKET_PREFIX)
        for name in labels
        if name.startswith(names.STORAGE_BUCKET_PREFIX)
    ]


def test_neither_sees_the_others_sizes_or_nodes(running: cluster.Cluster) -> None:
    eventually(lambda: {tenant: copies(running, tenant) for tenant in TENANTS.values()} == OWN)
    eventually(lambda: {node: size(running, tenant) for node, tenant in TENANTS.items()} == SIZES)
    described: dict[str, tuple[dict[str, object], list[str]]] = {
        node: ({"name": f"{tenant}/minio", "namespace": tenant, "buckets": ["photos"]}, [])
        for node, tenant in TENANTS.items()
    }
    eventually(lambda: {node: (said(running, node), bucket_labels(running, node)) for node in TENANTS} == described)
    assert processes.data_object(running, "photos") == {}, "nothing of them is told to everybody"


def said(running: cluster.Cluster, node: str) -> dict[str, object]:
    store = processes.store_of(running, node, f"{TENANTS[node]}/minio") or {}
    return {key: store[key] for key in ("name", "namespace", "buckets") if key in store}


def test_a_key_that_both_name_is_each_ones_own(running: cluster.Cluster) -> None:
    for tenant in (*TENANTS.values(), "default"):
        metadata = {"name": "key", "labels": {names.BUCKET_LABEL: "photos"}}
        body = {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": metadata}
        path = f"/apis/{names.API_VERSION}/namespaces/{tenant}/{names.DATA_OBJECTS}"
        running.api.request("POST", path, {**body, "spec": {"urn": "photos/a.raw"}})
    eventually(lambda: {tenant: copies(running, tenant, "key") for tenant in TENANTS.values()} == OWN)
    assert copies(running, "default", "key") == {}, "who has no store sees nobody's"


def test_a_namespace_that_is_labelled_speaks_for_everybody_as_long_as_it_is(running: cluster.Cluster) -> None:
    tenant = TENANTS["left"]
    running.kubectl("label", "namespace", tenant, f"{names.STORES_LABEL}={names.SHARED}")
    try:
        eventually(lambda: copies(running, processes.HOME) == {"left": SIZES["left"]})
        eventually(lambda: copies(running, TENANTS["right"]) == SIZES)
        eventually(lambda: bucket_labels(running, "left") == ["photos"])
        assert bucket_labels(running, "right") == []
    finally:
        running.kubectl("label", "namespace", tenant, f"{names.STORES_LABEL}-")
    eventually(lambda: copies(running, processes.HOME) == {})
    eventually(
        lambda: size(running, processes.HOME) == 0,
    )
    eventually(lambda: copies(running, TENANTS["right"]) == {"right": SIZES["right"]})
    eventually(lambda: size(running, TENANTS["right"]) == SIZES["right"])
    eventually(lambda: bucket_labels(running, "left") == [])
    assert copies(running, tenant) == {"left": SIZES["left"]}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254"])
def test_a_tenant_cannot_have_the_node_or_the_api_server_asked(running: cluster.Cluster, host: str) -> None:
    """The API server listens on a loopback address here; a name that leads to one is refused like it."""
    port = running.server.rsplit(":", 1)[1]
    name = f"spy-{host.replace('.', '-')}"
    pods.announce(running, TENANTS["right"], name, storage_service="true", storage_endpoint=f"https://{host}:{port}")
    try:
        store = eventually(lambda: processes.store_of(running, "right", f"{TENANTS['right']}/{name}"))
        assert "allowedEndpoints" in store["message"]
        assert not store["available"]
        assert "Status" not in json.dumps(store), "nothing of an answer is shown"
    finally:
        running.kubectl("delete", "service", name, "-n", TENANTS["right"])
