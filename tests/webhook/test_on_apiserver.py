"""What users see of the webhook, on a real API server: pods that know their data, and warnings from kubectl."""

from __future__ import annotations

import itertools
import json
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import certificates, cluster, topology
from scheduler import errors
from scheduler.api import names
from tests import clusterfixture
from tests.e2e import process as scheduling
from tests.webhook import process

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

NODES = topology.Topology((topology.Node(name="n1", cpu="32", memory="64Gi"),))
NUMBERS = itertools.count(1)
INPUT = f"{names.INPUT_PREFIX}1"
SCENE = {INPUT: "landsat-l1/scene.tif", names.PREFER_EDGE: "true"}
TEMPLATE = {"containers": [{"name": "main", "image": "example/main:1"}]}


@pytest.fixture(scope="module")
def running(cluster_factory: clusterfixture.ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(NODES, crds=True) as started:
        yield started


@pytest.fixture(scope="module")
def webhook(running: cluster.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[process.Webhook]:
    """One that the API server asks."""
    directory = tmp_path_factory.mktemp("webhook")
    folder = process.Folder(directory / "tls", certificates.Authority())
    with process.Webhook(process.account(running), folder, directory / "log") as started:
        process.register(running, f"https://127.0.0.1:{started.port}", bundle=folder.bundle)
        yield started
        process.unregister(running)
        assert started.stop() == 0
        assert [line for line in started.log() if line["level"] in {"warning", "error"}] == []


class World:
    """A namespace of the test's own."""

    def __init__(self, running: cluster.Cluster, annotations: Json) -> None:
        self.cluster = running
        self.namespace = f"test-{next(NUMBERS)}"
        metadata = {"name": self.namespace, "annotations": annotations}
        running.api.request("POST", "/api/v1/namespaces", {"metadata": metadata})
        running.kubectl("wait", "--for=create", "serviceaccount/default", "-n", self.namespace, "--timeout=30s")

    def make(self, group: str, kind: str, annotations: Json, spec: Json, *, name: str = "it") -> Json:
        metadata = {"name": name, "annotations": annotations}
        path = f"{group}/namespaces/{self.namespace}/{kind}"
        return dict(self.cluster.api.request("POST", path, {"metadata": metadata, "spec": spec}))

    def pod(self, annotations: Json | None = None, spec: Json | None = None, query: str = "", **metadata: Any) -> Json:
        body = {
            "metadata": {"generateName": "own-", "annotations": annotations or {}, **metadata},
            "spec": {**TEMPLATE, **(spec or {})},
        }
        return dict(self.cluster.api.request("POST", f"/api/v1/namespaces/{self.namespace}/pods{query}", body))

    def only_pod(self) -> Json:
        """The one pod that a controller makes here, once it is there."""

        def pods() -> list[Json]:
            return list(self.cluster.api.request("GET", f"/api/v1/namespaces/{self.namespace}/pods")["items"])

        scheduling.until(pods, "the controller makes a pod")
        [pod] = pods()
        return dict(pod)

    def size(self, name: str, urn: str, size_bytes: int) -> None:
        """A DataObject of this size."""
        spec = {"urn": urn, "sizeBytes": size_bytes}
        body = {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": {"name": name}, "spec": spec}
        path = f"/apis/{names.API_VERSION}/namespaces/{self.namespace}/{names.DATA_OBJECTS}"
        self.cluster.api.request("POST", path, body)

    def kubectl(self, *arguments: str, stdin: Json) -> subprocess.CompletedProcess[str]:
        """Run kubectl, and keep what it says on standard error."""
        command = ["kubectl", f"--kubeconfig={self.cluster.kubeconfig}", "-n", self.namespace, *arguments]
        return subprocess.run(command, input=json.dumps(stdin), capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def world(running: cluster.Cluster, webhook: process.Webhook) -> World:
    return World(running, {})


def annotations(pod: Json) -> Json:
    """What the webhook is responsible for."""
    found = pod["metadata"].get("annotations", {})
    return {key: text for key, text in found.items() if "scheduler.thesis" in key or "knative" in key}


def workload(kind: str, spec: Json) -> Json:
    template = {"metadata": {"labels": {"app": "it"}}, "spec": TEMPLATE | spec}
    return {"selector": {"matchLabels": {"app": "it"}}, "template": template}


@pytest.mark.parametrize(
    ("group", "plural", "title", "spec"),
    [
        pytest.param("/apis/apps/v1", "deployments", "Deployment", workload("Deployment", {}), id="Deployment"),
        pytest.param(
            "/apis/apps/v1", "statefulsets", "StatefulSet", workload("", {}) | {"serviceName": "it"}, id="StatefulSet"
        ),
        pytest.param(
            "/apis/batch/v1", "jobs", "Job", {"template": {"spec": TEMPLATE | {"restartPolicy": "Never"}}}, id="Job"
        ),
    ],
)
def test_pods_get_what_their_workload_says(world: World, group: str, plural: str, title: str, spec: Json) -> None:
    world.size("scene", "landsat-l1/scene.tif", 4711)
    world.make(group, plural, SCENE, spec)
    pod = world.only_pod()
    assert annotations(pod) == {
        INPUT: "landsat-l1/scene.tif,4711",
        names.PREFER_EDGE: "true",
        names.ENRICHED: f"prefer-edge, input-1 from {title} {world.namespace}/it; schedulerName {names.SCHEDULER_NAME}",
    }
    assert pod["spec"]["schedulerName"] == names.SCHEDULER_NAME
