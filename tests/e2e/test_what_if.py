"""`kubectl locality what-if` on a real API server: where it says that a pod would go, the pod goes once it is so."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from tests import clusterfixture
from tests.e2e import process

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

PROGRAM = pathlib.Path(sys.executable).parent / "kubectl-locality"
DATA = "/apis/scheduler.thesis/v1alpha1/namespaces/default/dataobjects"
PODS = "/api/v1/namespaces/default/pods"
BYTES = 1_000_000_000
# No daemon runs that would look anything up, and what was learned of pods is in no world.
CONFIGURATION: Json = {**process.ALONE, "dataWait": 0, "learning": False, "batchWindowMilliseconds": 0}
WEIGHTS = {
    "dataLocalityWeight": 0.001,
    "dataIntensiveDataLocalityWeight": 0.001,
    "computeIntensiveDataLocalityWeight": 0.001,
}


class World:
    """Two zones of two nodes each, data on three of them, and a scheduler that can be started anew."""

    def __init__(self, running: cluster.Cluster, folder: pathlib.Path) -> None:
        self.cluster, self.api, self._folder = running, running.api, folder
        self._kubeconfig = process.account(running)
        self.scheduler = process.Scheduler(self._kubeconfig, folder, CONFIGURATION).__enter__()
        for urn, node in (("photos", "n1"), ("films", "n2"), ("logs", "n0")):
            spec = {"urn": urn, "locations": [{"node": node}]}
            body = {"apiVersion": "scheduler.thesis/v1alpha1", "kind": "DataObject", "metadata": {"name": urn}}
            self.api.request("POST", DATA, {**body, "spec": spec})
        self.knows("photos", "films", "logs")
        self.create("load", {}, cpu="2", nodeName="n3")

    def close(self) -> None:
        self.scheduler.kill()

    def restart(self, configuration: Json) -> None:
        self.scheduler.kill()
        self.scheduler = process.Scheduler(self._kubeconfig, self._folder, configuration).__enter__()

    def knows(self, *words: str) -> None:
        """Wait until the scheduler does."""
        process.until(lambda: all(word in self.scheduler.get("/world")[1] for word in words), f"{words} are known")

    def create(self, name: str, annotations: dict[str, str], *, cpu: str = "100m", **spec: Any) -> None:
        """A pod, which bears its name as a label."""
        container = {"name": "main", "image": "example/main:1", "resources": {"requests": {"cpu": cpu}}}
        body = {"schedulerName": "data-locality-scheduler", "containers": [container], **spec}
        self.api.request(
            "POST",
            PODS,
            {"metadata": {"name": name, "labels": {"app": name}, "annotations": annotations}, "spec": body},
        )

    def placed(self, name: str) -> str:
        """The node of a pod, once it has one, of which the scheduler knows."""
        process.until(lambda: self.node_of(name), f"{name} is placed")
        uid = self.api.request("GET", f"{PODS}/{name}")["metadata"]["uid"]

        def is_told() -> bool:
            told = json.loads(self.scheduler.get(f"/explain?pod=default/{name}")[1])["decisions"][-1]
            return bool(told["uid"] == uid and told["outcome"] == "bound")

        process.until(is_told, f"{name} is known to be bound")
        return self.node_of(name)

    def node_of(self, name: str) -> str:
        return str(self.api.request("GET", f"{PODS}/{name}")["spec"].get("nodeName", ""))

    def delete(self, name: str) -> None:
        uid = self.api.request("GET", f"{PODS}/{name}")["metadata"]["uid"]
        self.api.request("DELETE", f"{PODS}/{name}?gracePeriodSeconds=0")

        def is_gone() -> bool:
            world = json.loads(self.scheduler.get("/world")[1])
            return all(pod["metadata"]["uid"] != uid for pod in world["pods"])

        process.until(is_gone, f"{name} is gone")

    def asked(self, name: str, command: str, *options: str) -> Json:
        """What the program says of a pod, asked as a user asks it."""
        port = next(line["port"] for line in self.scheduler.log() if line["event"] == "health server listens")
        whole = [str(PROGRAM), command, *options, "--pods", f"app={name}", "-o", "json"]
        done = subprocess.run(
            [*whole, "--server", f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return dict(json.loads(done.stdout))

    def explained(self, name: str) -> Json:
        return dict(json.loads(self.scheduler.get(f"/explain?pod=default/{name}")[1])["decisions"][-1])

    # What really is done

    def cordon(self) -> None:
        self.cluster.kubectl("cordon", "n1")
        self.knows('"unschedulable":true')

    def copy(self) -> None:
        spec = {"spec": {"locations": [{"node": "n2"}, {"node": "n3"}]}}
        self.cluster.kubectl("patch", "dataobject", "films", "--type=merge", "--patch", json.dumps(spec))
        self.knows('"locations":[{"node":"n2"},{"node":"n3"}]')

    def declare_link(self) -> None:
        self.cluster.kubectl("label", "node", "n0", "node-capability/bandwidth-to-n3=20000000000")
        self.knows("bandwidth-to-n3")

    def weigh(self) -> None:
        self.restart({**CONFIGURATION, **WEIGHTS})
        self.knows("photos")


@pytest.fixture(scope="module")
def world(cluster_factory: clusterfixture.ClusterFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    nodes = [
        topology.Node(name=f"n{number}", zone=f"z{number % 2}", type="edge" if number == 2 else "cloud")
        for number in range(4)
    ]
    with cluster_factory(topology.Topology(nodes=nodes), crds=True) as running:
        made = World(running, tmp_path_factory.mktemp("what-if"))
        try:
            yield made
        finally:
            made.close()


def among(*nodes: str) -> Json:
    expression = {"key": "kubernetes.io/hostname", "operator": "In", "values": list(nodes)}
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def test_a_replica_that_is_advised_saves_what_is_said(world: World) -> None:
    annotations = {"data.scheduler.thesis/input-1": f"logs/far,{BYTES}"}
    world.create("far", annotations, **among("n1"))
    world.placed("far")
    before_s = world.explained("far")["data_s"]
    [said] = world.asked("far", "advise")["replicas"]
    assert (said["urn"], said["node"], said["takes_bytes"], said["pods"]) == ("logs/far", "n1", BYTES, 1)
    spec = {"urn": "logs/far", "locations": [{"node": "n0"}, {"node": "n1"}]}
    body = {"apiVersion": "scheduler.thesis/v1alpha1", "kind": "DataObject", "metadata": {"name": "far"}}
    world.api.request("POST", DATA, {**body, "spec": spec})
    world.knows('"urn":"logs/far"')
    world.delete("far")
    world.create("far", annotations, **among("n1"))
    world.placed("far")
    assert before_s - world.explained("far")["data_s"] == pytest.approx(said["saved_s"], rel=0.01)
    world.delete("far")


LINK = ["--link", "n0>n3=20GB/s"]
REPLICA = ["--add-replica", "films=n3"]
EDGE = {"scheduler.thesis/prefer-edge": "true"}


@pytest.mark.parametrize(
    ("name", "urn", "more", "spec", "options", "really", "moves"),
    [
        pytest.param("w", "photos/w", EDGE, {}, ["--weight", "data=0.001"], World.weigh, ("n1", "n2"), id="weight"),
        pytest.param("l", "logs/l", {}, among("n2", "n3"), LINK, World.declare_link, ("n2", "n3"), id="link"),
        pytest.param("r", "films/r", {}, among("n1", "n3"), REPLICA, World.copy, ("n1", "n3"), id="replica"),
        pytest.param("c", "photos/c", {}, {}, ["--cordon", "n1"], World.cordon, ("n1", "n3"), id="cordon"),
    ],
)
def test_what_is_said_is_what_happens(
    world: World,
    name: str,
    urn: str,
    more: dict[str, str],
    spec: Json,
    options: list[str],
    really: Callable[[World], None],
    moves: tuple[str, str],
) -> None:
    annotations = {"data.scheduler.thesis/input-1": f"{urn},{BYTES}", **more}
    world.create(name, annotations, **spec)
    assert world.placed(name) == moves[0]
    [said] = world.asked(name, "what-if", *options)["pods"]
    assert (said["before"]["node"], said["after"]["node"]) == moves
    if name == "r":  # its data is a key of the bucket that gets the copy
        assert [one["partner"] for one in said["after"]["transfers"]] == ["n3"]
    really(world)
    world.delete(name)
    world.create(name, annotations, **spec)
    assert world.placed(name) == said["after"]["node"]
    assert world.explained(name)["data_s"] == pytest.approx(said["after"]["data_s"], rel=0.01)
    world.delete(name)
    if name == "w":
        world.restart(CONFIGURATION)
        world.knows("photos")
