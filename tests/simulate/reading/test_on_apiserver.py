"""What kubectl lists of a real cluster is a scenario: what runs there stays, and what waits is placed by its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from localcluster import cluster
from scheduler import simulate
from tests.simulate.reading import worlds

pytestmark = pytest.mark.e2e

NAMESPACE = "simulated"
LISTED = "nodes,pods,dataobjects,nodecapabilities,services,replicasets"


def pod(name: str, **spec: Any) -> Any:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": {"data.scheduler.thesis/input-1": "film/monday,500000000,3"}},
        "spec": {"containers": [{"name": "main", "image": "x", "resources": {"requests": {"cpu": "1"}}}]} | spec,
    }


def test_a_real_cluster_is_a_scenario(control_plane: cluster.Cluster, tmp_path: Path) -> None:
    api = control_plane.api
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
    claim = {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}
    api.request("POST", pods, pod("old", nodeName="edge-west-1", volumes=[claim]))
    api.request("POST", pods, pod("new", schedulerName="nobody"))
    objects = f"/apis/scheduler.thesis/v1alpha1/namespaces/{NAMESPACE}/dataobjects"
    film = {"urn": "film/monday", "locations": [{"node": "edge-east-2"}]}
    api.request(
        "POST",
        objects,
        {
            "apiVersion": "scheduler.thesis/v1alpha1",
            "kind": "DataObject",
            "metadata": {"name": "film"},
            "spec": film,
        },
    )
    listed = control_plane.kubectl("get", LISTED, "--all-namespaces", "--output", "json")
    world = worlds.read(tmp_path, listed)
    assert len(world.nodes) == len(api.request("GET", "/api/v1/nodes")["items"])
    (old,) = [one for one in world.running if one.metadata.namespace == NAMESPACE]
    assert (old.metadata.name, old.spec.node_name) == ("old", "edge-west-1")
    (new,) = [work for work in world.works if work.pod.metadata.namespace == NAMESPACE]
    assert new.works_s == 3.0
    assert worlds.where(world, "film/monday", NAMESPACE) == ("edge-east-2",)
    outcome = simulate.run(world, simulate.ours(world, 1), arm="ours", seed=1)
    (ran,) = [one for one in outcome.pods if one.pod == f"{NAMESPACE}/new"]
    assert ran.node == "edge-east-2"
    assert ran.done_s is not None
