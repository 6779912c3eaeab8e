"""A daemon whose rights were taken away, on a real API server with a real store: it changes nothing, and says why."""

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from scheduler.api import names
from tests.clusterfixture import ClusterFactory
from tests.daemon import test_on_apiserver as processes

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

eventually = processes.eventually
ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/data-locality-daemon"


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(topology.Topology((topology.Node("here", store="minio"),)), crds=True) as started:
        processes.install(started)
        yield started


def facts(running: cluster.Cluster) -> dict[str, Any]:
    """What is known of the node's stores and of data, without probe times and conditions."""
    status = processes.capability(running, "here")["status"]
    stores = [{key: value for key, value in store.items() if key != "lastProbeTime"} for store in status["stores"]]
    replicas = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): [
            {key: value for key, value in replica.items() if key != "lastProbeTime"}
            for replica in item.get("status", {}).get("replicas", ())
        ]
        for item in running.api.request("GET", f"/apis/{names.API_VERSION}/{names.DATA_OBJECTS}")["items"]
    }
    labels = running.api.request("GET", "/api/v1/nodes/here")["metadata"]["labels"]
    buckets = {key for key in labels if key.startswith(names.STORAGE_BUCKET_PREFIX)}
    return {"stores": stores, "replicas": replicas, "buckets": buckets}


def ready(running: cluster.Cluster) -> tuple[str, str, str]:
    conditions = processes.capability(running, "here")["status"]["conditions"]
    (found,) = [one for one in conditions if one["type"] == "Ready"]
    return found["status"], found["reason"], found["message"]


@pytest.mark.parametrize("resource", ["pods", "services"])
def test_a_daemon_started_while_it_may_not_list_changes_nothing(
    running: cluster.Cluster, tmp_path: pathlib.Path, resource: str
) -> None:
    config = processes.kubeconfig(running, "here")
    daemon = processes.Daemon(config, "here", tmp_path / "first.log")
    try:
        eventually(daemon.ready)
        running.stores["here"].upload("photos", "a", 10)
        eventually(lambda: processes.replicas(running, "photos") == {"here": True})
        eventually(lambda: f"{names.STORAGE_BUCKET_PREFIX}photos" in facts(running)["buckets"])
        processes.after_rounds([daemon], 2)
    finally:
        assert daemon.stop() == 0
    before = facts(running)
    assert before["replicas"]
    role = running.api.request("GET", ROLE)
    rules = [rule for rule in role["rules"] if resource not in rule.get("resources", ())]
    running.api.request("PUT", ROLE, {**role, "rules": rules})
    try:
        # Its authorizer follows roles by a watch of its own.
        eventually(lambda: not may_list(running, resource))
        daemon = processes.Daemon(config, "here", tmp_path / "second.log")
        try:
            eventually(lambda: ready(running)[:2] == ("Unknown", "ClusterUnread"))
            assert "403 Forbidden" in ready(running)[2]
            assert resource in ready(running)[2].lower()
            processes.after_rounds([daemon], 5)
            assert facts(running) == before
        finally:
            assert daemon.stop() == 0
    finally:
        held = running.api.request("GET", ROLE)
        running.api.request("PUT", ROLE, {**held, "rules": role["rules"]})
        eventually(lambda: may_list(running, resource))
    daemon = processes.Daemon(config, "here", tmp_path / "third.log")
    try:
        eventually(lambda: ready(running)[0] == "True")
        assert facts(running) == before
    finally:
        assert daemon.stop() == 0


def may_list(running: cluster.Cluster, resource: str) -> bool:
    user = f"system:serviceaccount:{processes.HOME}:data-locality-daemon"
    attributes = {"verb": "list", "resource": resource}
    review = {"spec": {"user": user, "resourceAttributes": attributes}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(running.api.request("POST", path, review)["status"]["allowed"])
