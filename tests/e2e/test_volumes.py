"""Claims are bound on a real API server, by the real volume controller; who makes volumes is played by the test."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from scheduler.api import volumes
from tests import clusterfixture
from tests.e2e import process

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

NODES = tuple(topology.Node(name=f"n{number}", cpu="4", memory="8Gi", zone=f"z{number}") for number in range(2))
SPACE = "/api/v1/namespaces/default"
VOLUMES = "/api/v1/persistentvolumes"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"


class World:
    """A cluster with a class of local volumes and one whose volumes are made on demand."""

    def __init__(self, running: cluster.Cluster) -> None:
        self.cluster = running
        for name, provisioner in (("local", volumes.NO_PROVISIONER), ("made", "csi.example.com")):
            body = {"metadata": {"name": name}, "provisioner": provisioner}
            running.api.request("POST", CLASSES, body | {"volumeBindingMode": "WaitForFirstConsumer"})

    def claim(self, name: str, kind: str, size: str = "1Gi") -> None:
        spec = {
            "storageClassName": kind,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
        }
        body = {"metadata": {"name": name}, "spec": spec}
        self.cluster.api.request("POST", f"{SPACE}/persistentvolumeclaims", body)

    def volume(self, name: str, kind: str, node: str, *, size: str = "1Gi", of: Json | None = None) -> None:
        term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
        spec: Json = {"storageClassName": kind, "accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}}
        spec |= {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}, "local": {"path": "/data"}}
        if of is not None:
            spec["claimRef"] = {"kind": "PersistentVolumeClaim", "apiVersion": "v1", **of}
        self.cluster.api.request("POST", VOLUMES, {"metadata": {"name": name}, "spec": spec})
        process.until(lambda: self.get(f"{VOLUMES}/{name}")["status"].get("phase") in ("Available", "Bound"), name)

    def pod(self, name: str, *claims: str) -> None:
        listed = [{"name": f"v{at}", "persistentVolumeClaim": {"claimName": each}} for at, each in enumerate(claims)]
        container = {"name": "main", "image": "example/main:1"}
        spec = {"schedulerName": "data-locality-scheduler", "containers": [container], "volumes": listed}
        self.cluster.api.request("POST", f"{SPACE}/pods", {"metadata": {"name": name}, "spec": spec})

    def get(self, path: str) -> Json:
        return dict(self.cluster.api.request("GET", path))

    def claimed(self, name: str) -> Json:
        return self.get(f"{SPACE}/persistentvolumeclaims/{name}")

    def node_of(self, name: str) -> str:
        return str(self.get(f"{SPACE}/pods/{name}")["spec"].get("nodeName", ""))

    def placed(self, *names: str) -> None:
        process.until(lambda: all(map(self.node_of, names)), f"{names} are placed")

    def refused(self, name: str, why: str) -> None:
        """Wait until a pod is told why it waits; at first, its claim may not be known."""

        def message() -> str:
            conditions = self.get(f"{SPACE}/pods/{name}")["status"].get("conditions", [])
            return next((one.get("message", "") for one in conditions if one["type"] == "PodScheduled"), "")

        process.until(lambda: why in message(), f"{name} is told {why}")


@pytest.fixture(scope="module")
def world(cluster_factory: clusterfixture.ClusterFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory: pathlib.Path = tmp_path_factory.mktemp("volumes")
    with cluster_factory(topology.Topology(NODES), crds=True) as running:
        made = World(running)
        with process.Scheduler(process.account(running), directory):
            yield made


def test_pods_get_the_local_volumes_of_their_nodes_and_no_two_the_same(world: World) -> None:
    for node in ("n0", "n1"):
        world.volume(f"disk-{node}", "local", node)
    for name in ("a", "b", "c"):
        world.claim(name, "local")
        world.pod(name, name)
    process.until(
        lambda: sum(bool(world.node_of(name)) for name in "abc") == 2, "as many are placed as there are volumes"
    )
    [left] = [name for name in "abc" if not world.node_of(name)]
    world.refused(left, "2 node(s) didn't find available persistent volumes to bind")
    for name in {"a", "b", "c"} - {left}:
        claim = world.claimed(name)
        assert claim["spec"]["volumeName"] == f"disk-{world.node_of(name)}"
        assert volumes.BIND_COMPLETED in claim["metadata"]["annotations"]
        notes = world.get(f"{VOLUMES}/{claim['spec']['volumeName']}")["metadata"]["annotations"]
        assert notes[volumes.BOUND_BY_CONTROLLER] == "yes"
    world.volume("disk-more", "local", "n1")
    world.placed(left)
    assert world.node_of(left) == "n1"


def test_a_claim_is_told_its_node_and_the_pod_waits_for_the_volume_that_is_made(world: World) -> None:
    world.claim("made", "made")
    world.pod("waits", "made")
    process.until(
        lambda: volumes.SELECTED_NODE in world.claimed("made")["metadata"].get("annotations", {}), "a node is selected"
    )
    claim = world.claimed("made")
    node = claim["metadata"]["annotations"][volumes.SELECTED_NODE]
    assert claim["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"] == "csi.example.com"
    assert world.node_of("waits") == ""
    world.volume("fresh", "made", node, of={"namespace": "default", "name": "made", "uid": claim["metadata"]["uid"]})
    world.placed("waits")
    assert world.node_of("waits") == node
    assert world.claimed("made")["spec"]["volumeName"] == "fresh"


def test_a_pod_whose_claim_is_missing_is_told_and_comes_when_the_claim_does(world: World) -> None:
    world.pod("early", "late")
    world.refused("early", 'persistentvolumeclaim "late" not found')
    world.volume("disk-late", "local", "n0", size="2Gi")
    world.claim("late", "local", size="2Gi")
    world.placed("early")
    assert world.node_of("early") == "n0"
