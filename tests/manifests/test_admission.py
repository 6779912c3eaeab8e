"""Which requests the API server asks the webhook about, tried with a server that notes what it is asked."""

import dataclasses
import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from tests.clusterfixture import ClusterFactory
from tests.webhook import process

pytestmark = pytest.mark.e2e

ENRICH, CHECK = "/enrich", "/check"
APPS, BATCH = "/apis/apps/v1/namespaces", "/apis/batch/v1/namespaces"
OURS = {"scheduler.thesis/data-sources": "photos"}
CONTAINERS = [{"name": "c", "image": "none"}]


@dataclasses.dataclass
class Asked:
    """What the API server asked, and the cluster it belongs to."""

    running: cluster.Cluster
    paths: list[str] = dataclasses.field(default_factory=list)

    def by(self, method: str, path: str, body: Any = None) -> list[str]:
        """Which of our webhooks were asked on the way of this one request."""
        self.paths.clear()
        self.running.api.request(method, path, body)
        return list(self.paths)


@pytest.fixture(scope="module")
def asked(cluster_factory: ClusterFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    with cluster_factory(topology.Topology(nodes=())) as running:
        noted = Asked(running)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                noted.paths.append(self.path.partition("?")[0])
                answer = json.dumps({**review, "response": {"uid": review["request"]["uid"], "allowed": True}})
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *_: object) -> None:
                pass

        folder = process.Folder(tmp_path_factory.mktemp("tls"), running.authority)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(folder.directory / "tls.crt", folder.directory / "tls.key")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        running.apply(process.BASE / "namespace.yaml")
        process.apply_knative_crd(running)
        disabled = {"name": "disabled", "labels": {"scheduler.thesis/enrich": "disabled"}}
        running.api.request("POST", "/api/v1/namespaces", {"metadata": disabled})
        for namespace in ("kube-system", "disabled", process.HOME):
            running.wait_for_account(namespace)
        process.register(running, f"https://127.0.0.1:{server.server_port}", bundle=folder.bundle)
        yield noted
        running.stop()  # and with it what it keeps open here
        server.shutdown()
        thread.join()
        server.server_close()


def pod(name: str = "", namespace: str = "default", spec: Any = None, **metadata: Any) -> tuple[str, dict[str, Any]]:
    body = {"metadata": {"generateName": f"{name}p-", **metadata}, "spec": {"containers": CONTAINERS, **(spec or {})}}
    return f"/api/v1/namespaces/{namespace}/pods?dryRun=All", body


def owner(kind: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"apiVersion": "apps/v1", "kind": kind, "name": "x", "uid": "1-2", **fields}]


PODS = [
    pytest.param(pod(), [ENRICH], id="any pod"),
    pytest.param(pod(namespace=process.HOME), [ENRICH], id="in our own namespace"),
    pytest.param(pod(ownerReferences=owner("ReplicaSet", controller=True)), [ENRICH], id="of a ReplicaSet"),
    pytest.param(pod(annotations={"other": "x"}), [ENRICH], id="with other annotations"),
    pytest.param(pod(labels={"scheduler.thesis/enrich": "yes"}), [ENRICH], id="with another value of the label"),
    pytest.param(pod(annotations=OURS), [ENRICH], id="that says something"),
    pytest.param(pod(annotations={"data.scheduler.thesis/input-1": "x"}), [ENRICH], id="that reads"),
    pytest.param(pod(annotations={"knative.event-data": "x"}), [ENRICH], id="with event data"),
    pytest.param(pod(annotations={"scheduler.knative.dev/scheduler-name": "x"}), [ENRICH], id="named scheduler"),
    pytest.param(
        pod(annotations=OURS, ownerReferences=owner("ReplicaSet", controller=True)),
        [ENRICH],
        id="that says what its controller was told",
    ),
    pytest.param(pod(annotations=OURS, ownerReferences=owner("Thing")), [ENRICH], id="owned, not controlled"),
    pytest.param(pod(namespace="kube-system", annotations=OURS), [], id="of the cluster"),
    pytest.param(pod(namespace="disabled", annotations=OURS), [], id="in a namespace that opts out"),
    pytest.param(pod(labels={"scheduler.thesis/enrich": "disabled"}, annotations=OURS), [], id="that opts out"),
    pytest.param(pod(labels={"app.kubernetes.io/name": "data-locality-webhook"}), [], id="our own"),
]


@pytest.mark.parametrize(("request_", "expected"), PODS)
def test_pods(asked: Asked, request_: tuple[str, dict[str, Any]], expected: list[str]) -> None:
    assert asked.by("POST", *request_) == expected


def workload(kind: str, annotations: Any, spec: Any, of_pods: Any) -> dict[str, Any]:
    labels = {"app": "x"}
    is_for_ever = kind in {"Deployment", "StatefulSet"}
    pods: dict[str, Any] = {"containers": CONTAINERS} | ({} if is_for_ever else {"restartPolicy": "Never"})
    whole: dict[str, Any] = {"template": {"metadata": {"labels": labels, "annotations": of_pods}, "spec": pods}}
    if is_for_ever:
        whole["selector"] = {"matchLabels": labels}
    if kind == "CronJob":
        whole = {"schedule": "@yearly", "jobTemplate": {"spec": whole, **(spec or {})}}
    return {"metadata": {"name": "x", "annotations": annotations}, "spec": whole}


WORKLOADS = [
    pytest.param(f"{APPS}/default/deployments", "Deployment", id="Deployment"),
    pytest.param(f"{APPS}/default/statefulsets", "StatefulSet", id="StatefulSet"),
    pytest.param(f"{BATCH}/default/jobs", "Job", id="Job"),
    pytest.param(f"{BATCH}/default/cronjobs", "CronJob", id="CronJob"),
]


@pytest.mark.parametrize(("path", "kind"), WORKLOADS)
def test_workloads_are_checked_where_they_say_something_themselves_or_for_their_pods(
    asked: Asked, path: str, kind: str
) -> None:
    path += "?dryRun=All"
    assert asked.by("POST", path, workload(kind, {"other": "x"}, None, {"other": "x"})) == []
    assert asked.by("POST", path, workload(kind, OURS, None, None)) == [CHECK]
    assert asked.by("POST", path, workload(kind, None, None, OURS)) == [CHECK]
    if kind == "CronJob":
        assert asked.by("POST", path, workload(kind, None, {"metadata": {"annotations": OURS}}, None)) == [CHECK]


def test_knative_services_and_namespaces_are_checked(asked: Asked) -> None:
    path = "/apis/serving.knative.dev/v1/namespaces/default/services?dryRun=All"
    service = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": {"name": "x"}}
    assert asked.by("POST", path, {**service, "spec": {}}) == []
    assert asked.by("POST", path, {**service, "metadata": {"name": "x", "annotations": OURS}}) == [CHECK]
    told = {"spec": {"template": {"metadata": {"annotations": OURS}}}}
    assert asked.by("POST", path, {**service, **told}) == [CHECK]
    assert asked.by("POST", "/api/v1/namespaces?dryRun=All", {"metadata": {"name": "n"}}) == []
    assert asked.by("POST", "/api/v1/namespaces?dryRun=All", {"metadata": {"name": "n", "annotations": OURS}}) == [
        CHECK
    ]


def test_of_updates_only_those_are_checked_that_say_something_new(asked: Asked) -> None:
    path = f"{BATCH}/default/cronjobs"  # which no controller touches before its time
    asked.by("POST", path, workload("CronJob", OURS, None, OURS))

    def change(edit: Any) -> list[str]:
        found = asked.running.api.request("GET", f"{path}/x")
        body = json.loads(json.dumps(found))
        edit(body)
        return asked.by("PUT", f"{path}/x", body)

    def pods_are_told_more(body: Any) -> None:
        template = body["spec"]["jobTemplate"]["spec"]["template"]
        template["metadata"]["annotations"]["scheduler.thesis/data-sources"] = "more"

    def controller_takes_over(body: Any) -> None:
        body["metadata"]["ownerReferences"] = owner("Thing", controller=True)
        body["metadata"]["annotations"]["scheduler.thesis/prefer-edge"] = "true"

    assert change(lambda body: body["metadata"].update(labels={"a": "b"})) == []
    assert change(lambda body: body["metadata"].update(finalizers=["a.b/c"])) == []
    assert change(lambda body: body["metadata"].update(finalizers=[])) == []
    assert change(lambda body: body["spec"].update(suspend=True)) == []
    assert change(lambda body: body["metadata"]["annotations"].update({"other": "y"})) == []
    assert change(lambda body: body["metadata"]["annotations"].update({"scheduler.thesis/x": "y"})) == [CHECK]
    assert change(lambda body: body["metadata"]["annotations"].pop("scheduler.thesis/x")) == []
    assert change(pods_are_told_more) == [CHECK]
    assert change(controller_takes_over) == []


def test_a_pod_that_changes_is_not_enriched_again(asked: Asked) -> None:
    path, body = pod(annotations=OURS)
    path = path.partition("?")[0]
    name = asked.running.api.request("POST", path, body)["metadata"]["name"]
    found = json.loads(json.dumps(asked.running.api.request("GET", f"{path}/{name}")))
    found["metadata"]["labels"] = {"a": "b"}
    assert asked.by("PUT", f"{path}/{name}", found) == []
    found["metadata"]["annotations"]["scheduler.thesis/data-sources"] = "more"
    found["metadata"].pop("resourceVersion")
    assert asked.by("PUT", f"{path}/{name}", found) == [CHECK]


def test_as_many_annotations_as_fit_are_not_too_dear_to_look_at(asked: Asked) -> None:
    many = {f"data.scheduler.thesis/input-{number}": "photos/x,1" for number in range(5_000)}
    path = f"{APPS}/default/deployments?dryRun=All"
    assert asked.by("POST", path, workload("Deployment", many, None, None)) == [CHECK]
