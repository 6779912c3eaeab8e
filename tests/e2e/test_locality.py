"""`kubectl locality` on a real API server: as its user calls it, against the scheduler's own process."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from demo import processes
from localcluster import cluster, topology
from tests import clusterfixture

pytestmark = pytest.mark.e2e

PROGRAM = pathlib.Path(sys.executable).parent / "kubectl-locality"
NODES = tuple(topology.Node(name=f"n{number}", cpu="4", memory="8Gi", zone=f"z{number % 2}") for number in range(4))
DATA = "/apis/scheduler.thesis/v1alpha1/namespaces/default/dataobjects"
PODS = "/api/v1/namespaces/default/pods"


class World:
    """A cluster with a scheduler, some data on n1, and decided pods: one with data, one plain, one too big."""

    def __init__(self, running: cluster.Cluster, folder: pathlib.Path) -> None:
        self.cluster = running
        self._folder = folder
        processes.install(running)
        configuration = folder / "config.yaml"
        configuration.write_text("dataWait: 0\n")  # no daemon runs that would look anything up
        self.server = processes.start_scheduler(running, configuration)
        # No kubelet forwards ports here. All else that kubectl is asked for is asked of the real one.
        kubectl = folder / "kubectl"
        forwarding = f"Forwarding from 127.0.0.1:{self.server.rpartition(':')[2]} -> 8080"
        kubectl.write_text(
            f'#!/bin/sh\necho "$*" >> {folder}/calls\n'
            f'case "$*" in *port-forward*) echo "{forwarding}"; exec sleep 60;; esac\n'
            f'exec {running._programs["kubectl"]} "$@"\n'
        )
        kubectl.chmod(0o755)
        meta: dict[str, Any] = {"apiVersion": "scheduler.thesis/v1alpha1", "kind": "DataObject"}
        spec = {"urn": "photos", "locations": [{"node": "n1"}]}
        running.api.request("POST", DATA, {**meta, "metadata": {"name": "photos"}, "spec": spec})
        running.wait_until(
            lambda: "photos" in json.dumps(self.get("/storage-info")), what="the data to be known", timeout_s=60
        )
        for name, cpu, reads in (("reads", "1", "photos/a,500000000,5"), ("plain", "1", ""), ("huge", "99", "")):
            running.api.request("POST", PODS, pod(name, cpu, reads))
        running.wait_until(
            lambda: all(self.outcome(name) for name in ("reads", "plain", "huge")), what="decisions", timeout_s=60
        )

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.server + path, timeout=30) as answer:  # noqa: S310 (our own)
            return json.load(answer)

    def outcome(self, name: str) -> bool:
        done = self.run("explain", name, "-o", "json")
        return (
            done.returncode == 0
            and json.loads(done.stdout)["decisions"][-1:] != []
            and (json.loads(done.stdout)["decisions"][-1]["outcome"] in {"bound", "unschedulable"})
        )

    def calls(self) -> list[str]:
        """What kubectl was asked for."""
        return (self._folder / "calls").read_text().splitlines()

    def run(self, *arguments: str, given: str = "", is_told: bool = True) -> subprocess.CompletedProcess[str]:
        """The program, as kubectl calls it; ``is_told``: where the scheduler is."""
        path = f"{self._folder}:{os.environ['PATH']}"
        environment = os.environ | {"KUBECONFIG": str(self.cluster.kubeconfig), "PATH": path}
        command = [str(PROGRAM), *arguments, *(["--server", self.server] if is_told else [])]
        return subprocess.run(command, capture_output=True, text=True, input=given, env=environment, check=False)

    def said(self, *arguments: str, given: str = "") -> str:
        done = self.run(*arguments, given=given)
        assert done.returncode == 0, done.stderr
        return done.stdout


def pod(name: str, cpu: str, reads: str = "") -> dict[str, Any]:
    container = {"name": "main", "image": "example/main:1", "resources": {"requests": {"cpu": cpu}}}
    annotations = {"data.scheduler.thesis/input-1": reads} if reads else {}
    spec = {"schedulerName": "data-locality-scheduler", "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "annotations": annotations}, "spec": spec}


@pytest.fixture(scope="module")
def world(cluster_factory: clusterfixture.ClusterFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with cluster_factory(topology.Topology(nodes=NODES), crds=True) as running:
        yield World(running, tmp_path_factory.mktemp("scheduler"))


def test_a_pod_with_data_is_where_it_is_because_of_it(world: World) -> None:
    told = world.said("explain", "pod", "reads")
    assert told.startswith("default/reads is bound to n1.\n")
    assert "Data decided, by " in told
    assert "photos/a" in told
    [record] = json.loads(world.said("explain", "pod/reads", "-o", "json"))["decisions"]
    assert record["cost"] == sum(term["cost"] for term in record["terms"].values())
    assert yaml.safe_load(world.said("explain", "pod", "reads", "-o", "yaml"))["now"]["node"] == "n1"
    assert len(world.said("explain", "pod", "reads", "-o", "wide").splitlines()) > len(told.splitlines())


def test_a_pod_that_fits_nowhere_says_what_is_missing(world: World) -> None:
    told = world.said("explain", "pod", "huge")
    assert "0/4 nodes are available: 4 Insufficient cpu." in told
    assert "NodeResourcesFit: Insufficient cpu" in world.said("why-not", "n2", "--pod", "huge")
    assert "It is asleep until something happens that may help it." in told


def test_what_speaks_against_a_node_is_what_it_would_cost(world: World) -> None:
    assert "which is number " in world.said("why-not", "n2", "--pod", "reads")
    assert "is there, and would go there again" in world.said("why-not", "n1", "--pod", "reads")


def test_a_pod_that_is_not_there_is_taken_as_the_api_server_would_create_it(world: World) -> None:
    """Its namespace has a limit range, whose default request the manifest does not have."""
    limits = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "all"}}
    limits["spec"] = {"limits": [{"type": "Container", "defaultRequest": {"cpu": "50"}}]}
    world.cluster.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "limited"}})
    account = {"metadata": {"name": "default", "namespace": "limited"}}
    world.cluster.kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "ServiceAccount", **account})
    )
    world.cluster.api.request("POST", "/api/v1/namespaces/limited/limitranges", limits)
    wanted = pod("new", "1", "photos/b,500000000,5")
    options = ("--kubeconfig", str(world.cluster.kubeconfig), "-f", "-")
    told = world.said("explain", *options, given=json.dumps(wanted))
    assert "It would go to n1" in told
    del wanted["spec"]["containers"][0]["resources"]
    told = world.said("explain", *options, "-n", "limited", given=json.dumps(wanted))
    assert "4 Insufficient cpu" in told
    assert "new" not in {one["metadata"]["name"] for one in world.cluster.api.request("GET", PODS)["items"]}


def test_a_world_is_answered_offline_as_it_was_decided(world: World, tmp_path: pathlib.Path) -> None:
    told = json.loads(world.said("world"))
    decided = {one["decision"]["pod"]: one for one in told["recent"]}
    assert {"default/reads", "default/plain", "default/huge"} <= decided.keys()
    question = {key: value for key, value in told.items() if key not in {"recent", "settings"}}
    question["pods"] = [one for one in question["pods"] if one["metadata"]["name"] != "reads"]
    question["pod"] = decided["default/reads"]["pod"]
    done = subprocess.run(
        [processes.PROGRAM, "decide"], input=json.dumps(question), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["chosen"] == "n1"


def test_data_links_stores_and_what_is_gained_are_as_the_cluster_has_them(world: World) -> None:
    capability: dict[str, Any] = {"apiVersion": "scheduler.thesis/v1alpha1", "kind": "NodeCapability"}
    path = "/apis/scheduler.thesis/v1alpha1/nodecapabilities"
    made = dict(world.cluster.api.request("POST", path, {**capability, "metadata": {"name": "n1"}, "spec": {}}))
    store: dict[str, Any] = {
        "name": "default/minio",
        "namespace": "default",
        "endpoint": "http://minio",
        "technology": "minio",
    }
    store |= {"available": False, "message": "connection refused", "buckets": ["photos"]}
    link = {
        "peer": "n2",
        "direction": "To",
        "bandwidthBytesPerSecond": 77_000_000,
        "latencySeconds": 0.001,
        "samples": 3,
    }
    made["status"] = {"stores": [store], "links": [link]}
    world.cluster.api.request("PUT", f"{path}/n1/status", made)
    found = json.loads(world.said("objects", "photos/a", "-o", "json"))
    assert (found["foundAs"], found["from"]) == ("photos", ["n1"])
    assert [use["node"] for use in found["pods"]] == ["n1"]
    assert "default/reads   n1     reads   photos/a" in world.said("objects", "photos")
    onward, _ = json.loads(world.said("links", "n1", "n2", "-o", "json"))["links"]
    assert (onward["source"], onward["bandwidthBytesPerSecond"]) == ("measured", 77_000_000)
    assert "connection refused" in world.said("stores")
    top = json.loads(world.said("top", "-o", "json"))
    assert [(one["reason"], one["example"]) for one in top["waiting"]] == [("Insufficient cpu", "default/huge")]
    assert top["attempts"]["scheduled"] >= 2
    assert top["gained"]["placed"]["networkBytes"] == 0 < top["gained"]["meanNode"]["networkBytes"]


def test_who_may_not_list_nodes_sees_the_rest(world: World) -> None:
    """An account that may read its own namespace's pods and data, and nothing else."""
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": ["scheduler.thesis"], "resources": ["dataobjects"], "verbs": ["list"]},
    ]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "looks"}, "rules": rules}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": "default"}
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "looks"}}
    binding |= {"roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "looks"}}
    for each in (role, binding | {"subjects": [subject]}):
        world.cluster.kubectl("apply", "-n", "default", "-f", "-", stdin=json.dumps(each))
    kubeconfig = world.cluster.service_account_kubeconfig("default", "default")
    done = world.run("objects", "--kubeconfig", str(kubeconfig), "-n", "default")
    assert done.returncode == 0, done.stderr
    assert "photos" in done.stdout
    notes = done.stderr.splitlines()
    assert [note.split(" cannot be listed: ")[0] for note in notes] == [
        "note: nodes",
        "note: NodeCapabilities",
        "note: DataObjects of data-locality-scheduler",
    ]
    assert all("(Forbidden)" in note for note in notes)


def test_the_scheduler_is_found_by_its_lease(world: World) -> None:
    done = world.run("explain", "pod", "reads", is_told=False)
    assert done.returncode == 0, done.stderr
    assert "default/reads is bound to n1." in done.stdout
    lease = world.cluster.kubectl(
        "get",
        "lease",
        "data-locality-scheduler",
        "-n",
        "data-locality-scheduler",
        "-o",
        "jsonpath={.spec.holderIdentity}",
    )
    assert f"pod/{lease.rpartition('_')[0]} :http" in world.calls()[-1]
