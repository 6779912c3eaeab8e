"""Pods of a gang on a real API server that has groups of pods: all together, or none."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from localcluster import cluster, topology
from scheduler.live import podgroupfeed
from tests import clusterfixture
from tests.e2e import process

pytestmark = pytest.mark.e2e

NODES = tuple(topology.Node(name=f"n{number}", cpu="2", memory="8Gi") for number in range(2))
PODS = "/api/v1/namespaces/default/pods"
GROUPS = podgroupfeed.POD_GROUPS.replace("/podgroups", "/namespaces/default/podgroups")
WITH_GROUPS = ("--feature-gates=GenericWorkload=true", "--runtime-config=scheduling.k8s.io/v1beta1=true")


def create(running: cluster.Cluster, name: str, group: str) -> None:
    container = {"name": "main", "image": "example/main:1", "resources": {"requests": {"cpu": "2"}}}
    spec: dict[str, Any] = {"schedulerName": "data-locality-scheduler", "containers": [container]}
    spec["schedulingGroup"] = {"podGroupName": group}
    running.api.request("POST", PODS, {"metadata": {"name": name}, "spec": spec})


def gang(running: cluster.Cluster, name: str, least: int) -> None:
    spec = {"schedulingPolicy": {"gang": {"minCount": least}}}
    running.api.request("POST", GROUPS, {"metadata": {"name": name}, "spec": spec})


def test_a_gang_is_bound_when_there_is_room_for_all_of_it_and_not_before(
    cluster_factory: clusterfixture.ClusterFactory, tmp_path: pathlib.Path
) -> None:
    with (
        cluster_factory(topology.Topology(NODES), crds=True, apiserver_arguments=WITH_GROUPS) as running,
        process.Scheduler(process.account(running), tmp_path),
    ):

        def message(name: str) -> str:
            conditions = running.api.request("GET", f"{PODS}/{name}")["status"].get("conditions", ())
            return str(next((one.get("message", "") for one in conditions if one["type"] == "PodScheduled"), ""))

        def nodes() -> list[str]:
            return [one["spec"].get("nodeName", "") for one in running.api.request("GET", PODS)["items"]]

        gang(running, "three", 3)
        for name in "abc":
            create(running, name, "three")
        others = "minCount (3) cannot be satisfied: 2 scheduled, 0 remaining"
        process.until(
            lambda: sorted(map(message, "abc"))[1:] == [others] * 2, "two are told that they wait for another"
        )
        assert min(map(message, "abc")).startswith("0/2 nodes are available: 2 Insufficient cpu")
        assert nodes() == [""] * 3
        running.add_node(topology.Node(name="n2", cpu="2", memory="8Gi"))
        process.until(lambda: sorted(nodes()) == ["n0", "n1", "n2"], "all are bound")
