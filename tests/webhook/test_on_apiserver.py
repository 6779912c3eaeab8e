"""What users see of the webhook, on a real API server: pods that know their data, and warnings from kubectl."""

from __future__ import annotations

import itertools
import json
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import binaries, certificates, cluster, topology
from scheduler.api import names
from tests import clusterfixture
from tests.e2e import process as scheduling
from tests.webhook import process
from webhook.admission import enrich

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

NODES = topology.Topology((topology.Node(name="n1", cpu="32", memory="64Gi"),))
NUMBERS = itertools.count(1)
INPUT = f"{names.INPUT_PREFIX}1"
SCENE = {INPUT: "landsat-l1/scene.tif", names.PREFER_EDGE: "true"}
TEMPLATE = {"containers": [{"name": "main", "image": "example/main:1"}]}
LABELLED = {
    "selector": {"matchLabels": {"app": "it"}},
    "template": {"metadata": {"labels": {"app": "it"}}, "spec": TEMPLATE},
}
ONCE = {"spec": TEMPLATE | {"restartPolicy": "Never"}}


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
        running.wait_for_account(self.namespace)

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

    def kubectl(self, *arguments: str, stdin: Json | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl, and keep what it says on standard error."""
        program = binaries.resolve(["kubectl"], report=binaries.report_to_stderr)["kubectl"]
        command: list[str | pathlib.Path] = [
            program,
            f"--kubeconfig={self.cluster.kubeconfig}",
            "-n",
            self.namespace,
            *arguments,
        ]
        return subprocess.run(
            command, input=json.dumps(stdin or {}), capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture
def world(running: cluster.Cluster, webhook: process.Webhook) -> World:
    return World(running, {})


def ours(pod: Json) -> Json:
    """What the webhook is responsible for."""
    found = pod["metadata"].get("annotations", {})
    return {key: text for key, text in found.items() if "scheduler.thesis" in key or "knative" in key}


@pytest.mark.parametrize(
    ("group", "plural", "title", "spec"),
    [
        pytest.param("/apis/apps/v1", "deployments", "Deployment", LABELLED, id="Deployment"),
        pytest.param(
            "/apis/apps/v1", "statefulsets", "StatefulSet", LABELLED | {"serviceName": "it"}, id="StatefulSet"
        ),
        pytest.param("/apis/batch/v1", "jobs", "Job", {"template": ONCE}, id="Job"),
    ],
)
def test_pods_get_what_their_workload_says(
    world: World, webhook: process.Webhook, group: str, plural: str, title: str, spec: Json
) -> None:
    def sizes() -> float:
        return webhook.figure("data_locality_webhook_objects", kind="DataObject")

    before = sizes()
    world.size("scene", "landsat-l1/scene.tif", 4711)
    scheduling.until(lambda: sizes() > before, "the webhook hears of the size")
    world.make(group, plural, SCENE, spec)
    pod = world.only_pod()
    assert ours(pod) == {
        INPUT: "landsat-l1/scene.tif,4711",
        names.PREFER_EDGE: "true",
        names.ENRICHED: f"prefer-edge, input-1 from {title} {world.namespace}/it; schedulerName {names.SCHEDULER_NAME}",
    }
    assert pod["spec"]["schedulerName"] == names.SCHEDULER_NAME


def test_pods_get_what_the_cronjob_above_their_job_says(world: World) -> None:
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": ONCE}}}
    world.make("/apis/batch/v1", "cronjobs", SCENE, spec, name="nightly")
    world.cluster.kubectl("create", "job", "now", "--from=cronjob/nightly", "-n", world.namespace)
    pod = world.only_pod()
    assert ours(pod)[INPUT] == "landsat-l1/scene.tif,0"
    assert f"CronJob {world.namespace}/nightly" in ours(pod)[names.ENRICHED]


def test_pods_get_what_their_namespace_says_where_nothing_nearer_does(
    running: cluster.Cluster, webhook: process.Webhook
) -> None:
    world = World(running, {names.PREFER_REGION: "west", names.PREFER_CLOUD: "true", INPUT: "elsewhere"})
    world.make("/apis/apps/v1", "deployments", SCENE, LABELLED)
    found = ours(world.only_pod())
    assert found.pop(names.ENRICHED).count(f"prefer-region from namespace {world.namespace}") == 1
    assert found == {INPUT: "landsat-l1/scene.tif,0", names.PREFER_EDGE: "true", names.PREFER_REGION: "west"}


def test_a_pod_with_annotations_of_its_own_is_left_alone(world: World, webhook: process.Webhook) -> None:
    before = webhook.figure("data_locality_webhook_pods_total", outcome="untouched")
    own = {INPUT: "landsat-l1/own.tif,5", names.PREFER_CLOUD: "true"}
    pod = world.pod(own)
    assert (ours(pod), pod["spec"]["schedulerName"]) == (own, names.DEFAULT_SCHEDULER_NAME)
    assert webhook.figure("data_locality_webhook_pods_total", outcome="untouched") == before + 1


def test_a_dry_run_gets_the_same_answer_and_leaves_nothing(running: cluster.Cluster, webhook: process.Webhook) -> None:
    world = World(running, SCENE)
    dry, real = ours(world.pod(query="?dryRun=All")), ours(world.pod())
    assert dry == real
    assert dry[INPUT] == "landsat-l1/scene.tif,0"
    assert len(running.api.request("GET", f"/api/v1/namespaces/{world.namespace}/pods")["items"]) == 1


def test_a_disabled_pod_is_not_even_asked_for(running: cluster.Cluster, webhook: process.Webhook) -> None:
    world = World(running, SCENE)
    assert ours(world.pod(labels={"scheduler.thesis/enrich": "disabled"})) == {}


def test_the_largest_of_pods_is_answered(running: cluster.Cluster, webhook: process.Webhook) -> None:
    world = World(running, SCENE)
    nearly = {"example.org/fill": "x" * (enrich.MAX_ANNOTATIONS_BYTES - 1000)}
    assert ours(world.pod(nearly))[INPUT] == "landsat-l1/scene.tif,0"
    # The API server takes it as it is, but no more.
    full = {"example.org/fill": "x" * (enrich.MAX_ANNOTATIONS_BYTES - 100)}
    assert ours(world.pod(full)) == {}
    variables = [{"name": f"v{number}", "value": "x" * 1000} for number in range(1200)]
    container = {"name": "main", "image": "example/main:1", "env": variables}
    assert ours(world.pod(spec={"containers": [container]}))[INPUT] == "landsat-l1/scene.tif,0"


WRONG = {INPUT: "landsat-l1/scene.tif,many"}
WORDS = f'Warning: metadata.annotations[{INPUT}]: "many"'


def manifest(annotations: Json, **more: Any) -> Json:
    metadata = {"name": "it", "annotations": annotations}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": LABELLED, **more}


def test_kubectl_warns_of_malformed_annotations_and_applies(world: World) -> None:
    applied = world.kubectl("apply", "-f", "-", stdin=manifest(WRONG))
    assert applied.stderr.startswith(WORDS)
    assert (applied.returncode, applied.stdout) == (0, "deployment.apps/it created\n")
    assert world.kubectl("apply", "-f", "-", stdin=manifest(SCENE)).stderr == ""
    annotated = world.kubectl("annotate", "deployment/it", f"{INPUT}=landsat-l1/scene.tif,many", "--overwrite")
    assert annotated.stderr.startswith(WORDS)


def test_kubectl_warns_once_of_a_pods_own_annotations(world: World) -> None:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "it", "annotations": WRONG}, "spec": TEMPLATE}
    created = world.kubectl("create", "-f", "-", stdin=pod)
    assert (created.returncode, created.stderr.count("Warning: ")) == (0, 1)
    assert created.stderr.startswith(WORDS)


def test_pods_of_controllers_are_not_checked(webhook: process.Webhook) -> None:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "it", "uid": "u"}
    for is_controller, warnings in ((True, 0), (False, 1)):
        references = [owner | {"controller": is_controller}]
        metadata = {"namespace": "default", "annotations": WRONG, "ownerReferences": references}
        review = process.review({"metadata": metadata, "spec": TEMPLATE})
        _, answer = process.post(webhook, "/enrich", json.dumps(review).encode())
        assert len(answer["response"].get("warnings", ())) == warnings


def test_kubectl_warns_of_a_knative_service_also_where_knative_came_later(
    running: cluster.Cluster, webhook: process.Webhook, world: World
) -> None:
    process.apply_knative_crd(running)
    service = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "it", "annotations": WRONG},
    }
    assert world.kubectl("create", "-f", "-", stdin=service).stderr.startswith(WORDS)


def test_malformed_annotations_are_refused_on_request_but_not_what_was_there_before(
    running: cluster.Cluster, webhook: process.Webhook, world: World, tmp_path: pathlib.Path
) -> None:
    world.kubectl("apply", "-f", "-", stdin=manifest(WRONG))
    strict = process.Webhook(process.account(running), webhook.folder, tmp_path / "log", "--refuse-malformed")
    try:
        with strict:
            process.register(running, f"https://127.0.0.1:{strict.port}", bundle=webhook.folder.bundle)
            new = manifest(WRONG) | {"metadata": {"name": "new", "annotations": WRONG}}
            refused = world.kubectl("apply", "-f", "-", stdin=new)
            assert refused.returncode == 1
            assert WORDS.removeprefix("Warning: ") in refused.stderr
            pod = {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "it", "annotations": WRONG},
                "spec": TEMPLATE,
            }
            assert WORDS.removeprefix("Warning: ") in world.kubectl("create", "-f", "-", stdin=pod).stderr
            assert "pod/it\n" not in world.kubectl("get", "pods", "-o", "name").stdout
            assert strict.figure("data_locality_webhook_refusals_total") == 2
            # Something else is changed of one that is there, and another annotation is malformed, too.
            more = {"metadata": {"finalizers": ["example.org/f"], "annotations": {names.DATA_SOURCES: "b"}}}
            patch = ["patch", "deployment", "it", "-p"]
            assert (
                world.kubectl(*patch, json.dumps({"metadata": {"annotations": {names.PREFER_EDGE: ""}}})).returncode
                == 0
            )
            assert names.DATA_SOURCES in world.kubectl(*patch, json.dumps(more)).stderr
    finally:
        process.register(running, f"https://127.0.0.1:{webhook.port}", bundle=webhook.folder.bundle)


def test_managed_mode_writes_and_empties_the_configurations(
    running: cluster.Cluster, webhook: process.Webhook, tmp_path: pathlib.Path
) -> None:
    process.unregister(running)
    # As administrator: the account of manifests/base may not write webhook configurations.
    host = ("--managed", "--host=127.0.0.1")
    managed = process.Webhook(running.kubeconfig, webhook.folder, tmp_path / "log", *host)
    try:
        with managed:
            scheduling.until(lambda: process.configured(running), "Kopf writes the configurations")
            world = World(running, SCENE)
            scheduling.until(lambda: ours(world.pod(query="?dryRun=All")), "pods are enriched")
            assert ours(world.pod())[INPUT] == "landsat-l1/scene.tif,0"
            # The other configuration is written, and heard of, by itself.
            dry = ["apply", "--dry-run=server", "-f", "-"]
            warned = "workloads are checked"
            scheduling.until(lambda: world.kubectl(*dry, stdin=manifest(WRONG)).stderr.startswith(WORDS), warned)
            assert world.kubectl("apply", "-f", "-", stdin=manifest(WRONG)).stderr.startswith(WORDS)
            assert managed.stop() == 0
        assert process.configured(running) == []
        assert ours(world.pod()) == {}
    finally:
        process.unregister(running)
        process.register(running, f"https://127.0.0.1:{webhook.port}", bundle=webhook.folder.bundle)


def test_what_is_no_review_and_what_kopf_cannot_answer(
    running: cluster.Cluster, webhook: process.Webhook, tmp_path: pathlib.Path
) -> None:
    with process.Webhook(process.account(running), webhook.folder, tmp_path / "log") as own:
        assert process.post(own, "/enrich", b"{")[0] == 400
        assert process.post(own, "/enrich", b'{"request": {}}')[0] == 400
        no_lists, no_texts = process.review({"metadata": []}), process.review({"metadata": {"labels": {"a": 1}}})
        for review in ({"request": {"uid": "u", "resource": {"resource": "pods"}}}, no_lists, no_texts):
            status, answer = process.post(own, "/enrich", json.dumps(review).encode())
            assert status == 200
            assert (answer["response"]["uid"], answer["response"]["allowed"]) == ("u", True)
            assert "patch" not in answer["response"]
            assert answer["response"]["warnings"]
        assert own.figure("data_locality_webhook_failures_total", path="enrich") == 2
        assert own.figure("data_locality_webhook_pods_total", outcome="not_understood") == 1


@pytest.mark.parametrize(
    ("metadata", "spec"),
    [
        pytest.param({}, {"nodeName": "n1"}, id="bound"),
        pytest.param({"annotations": {"kubernetes.io/config.mirror": "f"}}, {}, id="a mirror of a file"),
        pytest.param({"ownerReferences": [{"kind": "DaemonSet", "controller": True}]}, {}, id="a DaemonSet's"),
    ],
)
def test_a_pod_whose_node_is_settled_is_left_alone(
    running: cluster.Cluster, webhook: process.Webhook, metadata: Json, spec: Json
) -> None:
    # Asked directly, as the configuration in manifests may leave such pods out.
    world = World(running, SCENE)
    for more, expected in (({}, True), (metadata, False)):
        pod = {"metadata": {"namespace": world.namespace} | more, "spec": TEMPLATE | (spec if more is metadata else {})}
        status, answer = process.post(webhook, "/enrich", json.dumps(process.review(pod)).encode())
        assert (status, "patch" in answer["response"]) == (200, expected)
