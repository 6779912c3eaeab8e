"""What a cluster offers, against the cluster that all tests share, or one of its own where a test breaks it."""

import asyncio
import base64
import http.client
import http.server
import json
import pathlib
import ssl
import stat
import threading
import time
from collections.abc import Callable

import minio
import pytest
import urllib3

from localcluster import certificates, cluster, errors, names, rights, topology
from scheduler import errors as scheduler_errors
from tests.clusterfixture import ClusterFactory
from tests.localcluster.conftest import SMALL, pod

pytestmark = pytest.mark.e2e


def eventually(check: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.05)


def phase(running: cluster.Cluster, namespace: str, name: str) -> str:
    answer = running.api.request("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")
    return str(answer["status"]["phase"])


def test_nodes_are_ready_and_as_the_topology_says(control_plane: cluster.Cluster) -> None:
    found = {n["metadata"]["name"]: n for n in control_plane.api.request("GET", "/api/v1/nodes")["items"]}
    for name, wanted in control_plane.nodes.items():
        node = found[name]
        labels = node["metadata"]["labels"]
        assert labels[names.REGION_LABEL] == wanted.region
        assert labels[names.ZONE_LABEL] == wanted.zone
        assert labels[names.HOSTNAME_LABEL] == name
        assert labels[names.NODE_TYPE_LABEL] == wanted.type
        for resources in (node["status"]["capacity"], node["status"]["allocatable"]):
            assert (resources["cpu"], resources["memory"]) == (wanted.cpu, wanted.memory)
            assert resources["pods"] == str(wanted.pods)
            assert resources.get("nvidia.com/gpu", "0") == str(wanted.accelerators.get("nvidia.com/gpu", 0))
        assert {"type": "Ready", "status": "True"}.items() <= next(
            condition.items() for condition in node["status"]["conditions"] if condition["type"] == "Ready"
        )
        assert "taints" not in node["spec"]


def test_a_pod_that_is_bound_becomes_running_and_an_unbound_one_does_not(
    control_plane: cluster.Cluster, namespace: str
) -> None:
    pods = f"/api/v1/namespaces/{namespace}/pods"
    for name in ("bound", "unbound"):
        control_plane.api.request("POST", pods, pod(name))
    binding = {"metadata": {"name": "bound"}, "target": {"kind": "Node", "name": "edge-west-2"}}
    control_plane.api.request("POST", f"{pods}/bound/binding", binding)
    eventually(lambda: phase(control_plane, namespace, "bound") == "Running")
    assert phase(control_plane, namespace, "unbound") == "Pending"


def test_the_controllers_run_jobs_deployments_and_garbage_collection(
    control_plane: cluster.Cluster, namespace: str
) -> None:
    spec = pod("", node="cloud-west-1")["spec"]
    template = {"metadata": {"labels": {"app": "x"}}, "spec": spec}
    deployment = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"app": "x"}}, "template": template}}
    job = {"metadata": {"name": "j"}, "spec": {"template": {"spec": {**spec, "restartPolicy": "Never"}}}}
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    control_plane.api.request("POST", deployments, deployment)
    control_plane.api.request("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", job)
    control_plane.kubectl("wait", "-n", namespace, "--for=condition=Available", "deployment/d", "--timeout=60s")
    control_plane.kubectl("wait", "-n", namespace, "--for=condition=Complete", "job/j", "--timeout=60s")
    control_plane.api.request("DELETE", f"{deployments}/d")
    listing = f"/api/v1/namespaces/{namespace}/pods?labelSelector=app%3Dx"
    eventually(lambda: not control_plane.api.request("GET", listing)["items"])


def test_a_service_accounts_kubeconfig_may_do_what_rbac_grants_and_no_more(
    control_plane: cluster.Cluster, namespace: str, tmp_path: pathlib.Path
) -> None:
    manifest = tmp_path / "reader.yaml"
    manifest.write_text(
        f"""
apiVersion: v1
kind: ServiceAccount
metadata: {{name: reader, namespace: {namespace}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: reader, namespace: {namespace}}}
rules: [{{apiGroups: [""], resources: [pods], verbs: [list]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: reader, namespace: {namespace}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}}
subjects: [{{kind: ServiceAccount, name: reader}}]
"""
    )
    control_plane.apply(manifest)
    kubeconfig = control_plane.service_account_kubeconfig(namespace, "reader")
    assert stat.S_IMODE(kubeconfig.stat().st_mode) == 0o600
    as_reader = f"--kubeconfig={kubeconfig}"
    assert json.loads(control_plane.kubectl(as_reader, "get", "pods", "-n", namespace, "-o", "json"))["items"] == []
    for refused in (["get", "secrets", "-n", namespace], ["get", "pods", "-n", "default"], ["get", "nodes"]):
        with pytest.raises(errors.ClusterError, match="Forbidden"):
            control_plane.kubectl(as_reader, *refused)


def test_a_token_can_name_a_node_as_that_of_a_pod_does(control_plane: cluster.Cluster) -> None:
    node = next(iter(control_plane.nodes))
    kubeconfig = control_plane.service_account_kubeconfig("default", "default", node=node)
    said = control_plane.kubectl(f"--kubeconfig={kubeconfig}", "auth", "whoami", "-o", "json")
    user = json.loads(said)["status"]["userInfo"]
    assert user["username"] == "system:serviceaccount:default:default"
    assert user["extra"]["authentication.kubernetes.io/node-name"] == [node]


BINDINGS = [
    pytest.param("Role", {"kind": "ServiceAccount", "name": "default"}, "list", "pods", id="account"),
    pytest.param("Role", {"kind": "User", "name": "jane"}, "update", "pods/status", id="user"),
    pytest.param("ClusterRole", {"kind": "Group", "name": "team"}, "get", "nodes", id="group"),
]


@pytest.mark.parametrize(("role", "subject", "verb", "resource"), BINDINGS)
def test_a_binding_that_is_applied_holds_and_can_be_told_from_one_that_is_not(
    control_plane: cluster.Cluster,
    namespace: str,
    tmp_path: pathlib.Path,
    *,
    role: str,
    subject: dict[str, str],
    verb: str,
    resource: str,
) -> None:
    kind, metadata = {"apiVersion": "rbac.authorization.k8s.io/v1"}, {"name": namespace, "namespace": namespace}
    rules = [{"apiGroups": [""], "resources": [resource], "verbs": [verb]}]
    binding = {
        **kind,
        "kind": f"{role}Binding",
        "metadata": metadata if role == "Role" else {"name": namespace},
        "roleRef": {"kind": role, "name": namespace, "apiGroup": "rbac.authorization.k8s.io"},
        "subjects": [subject],
    }
    if subject["kind"] == "ServiceAccount":
        subject["namespace"] = namespace
    (tmp_path / "role.json").write_text(json.dumps({**kind, "kind": role, "metadata": metadata, "rules": rules}))
    (tmp_path / "binding.json").write_text(json.dumps(binding))

    assert rights.review({**binding, "metadata": metadata}, control_plane.api) is None, "nothing to ask for yet"
    control_plane.apply(tmp_path / "role.json")
    review = rights.review(binding, control_plane.api)
    assert review is not None

    def holds() -> bool:
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        return bool(control_plane.api.request("POST", path, review)["status"]["allowed"])

    assert not holds()
    control_plane.apply(tmp_path / "binding.json")
    assert holds()


def test_an_unknown_service_account_is_refused_with_the_remedy(control_plane: cluster.Cluster) -> None:
    with pytest.raises(errors.ClusterError, match=r"no ServiceAccount default/nobody; apply its manifest"):
        control_plane.service_account_kubeconfig("default", "nobody")


def test_the_api_server_refuses_strangers(control_plane: cluster.Cluster) -> None:
    kubeconfig = json.loads(control_plane.kubeconfig.read_text())
    ca_pem = base64.b64decode(kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    stranger = type(control_plane.api)(int(control_plane.server.rpartition(":")[2]), ca_pem, "guessed")
    with pytest.raises(scheduler_errors.DeniedError):
        stranger.request("GET", "/api/v1/nodes")


def test_a_store_is_found_through_its_service_and_opened_with_its_secret(control_plane: cluster.Cluster) -> None:
    store = control_plane.stores["edge-west-1"]
    store.upload("sensor-data", "day/1.bin", 5_000_000)
    prefix = f"/api/v1/namespaces/{names.STORAGE_NAMESPACE}"
    services = control_plane.api.request("GET", f"{prefix}/services")["items"]
    assert {s["metadata"]["name"] for s in services} == {s.service for s in control_plane.stores.values()}
    annotations = control_plane.api.request("GET", f"{prefix}/services/{store.service}")["metadata"]["annotations"]
    assert annotations[names.STORAGE_SERVICE_ANNOTATION] == "true"
    assert annotations[names.STORAGE_TYPE_ANNOTATION] == "object"
    secret = control_plane.api.request("GET", f"{prefix}/secrets/{annotations[names.STORAGE_SECRET_ANNOTATION]}")[
        "data"
    ]
    access_key, secret_key = (base64.b64decode(secret[key]).decode() for key in (names.ACCESS_KEY, names.SECRET_KEY))
    endpoint = annotations[names.STORAGE_ENDPOINT_ANNOTATION].removeprefix("http://")
    client = minio.Minio(endpoint, access_key=access_key, secret_key=secret_key, secure=False)
    assert client.stat_object("sensor-data", "day/1.bin").size == 5_000_000
    with pytest.raises(minio.error.S3Error, match="InvalidAccessKeyId"):
        minio.Minio(endpoint, access_key="minioadmin", secret_key="minioadmin", secure=False).list_buckets()


def test_the_pod_of_a_store_runs_on_its_node_and_says_where_it_is(control_plane: cluster.Cluster) -> None:
    for store in control_plane.stores.values():
        path = f"/api/v1/namespaces/{store.namespace}/pods/{store.service}"
        eventually(lambda path=path: control_plane.api.request("GET", path)["status"]["phase"] == "Running")  # type: ignore[misc]
        found = control_plane.api.request("GET", path)
        node = control_plane.nodes[store.node]
        assert found["spec"]["nodeName"] == store.node
        role = {"edge": "edge", "cloud": "central"}[node.type]
        assert {"app": "minio", "role": role, "region": node.region}.items() <= found["metadata"]["labels"].items()


class Refusing(http.server.BaseHTTPRequestHandler):
    """An admission webhook that refuses everything."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = {"message": f"not at {self.path.partition('?')[0]}"}
        review["response"] = {"uid": review.pop("request")["uid"], "allowed": False, "status": words}
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(review).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.mark.parametrize(
    ("certified", "words"),
    [
        pytest.param("by the cluster", "not at /pods", id="by the cluster"),
        pytest.param("by a stranger", "x509: certificate signed by unknown authority", id="by a stranger"),
        pytest.param("long ago", "x509: certificate has expired", id="long ago"),
    ],
)
def test_the_api_server_calls_an_admission_webhook_of_this_machine_and_verifies_its_certificate(
    control_plane: cluster.Cluster, namespace: str, tmp_path: pathlib.Path, certified: str, words: str
) -> None:
    authority = certificates.Authority() if certified == "by a stranger" else control_plane.authority
    certificate = authority.issue(expired=certified == "long ago")
    (tmp_path / "both.pem").write_text(certificate.pem + "\n" + certificate.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        webhook = {
            "name": "refusing.example.org",
            "clientConfig": control_plane.webhook_client_config(server.server_port, "/pods"),
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "timeoutSeconds": 30,  # what is refused for want of an answer is not what this is about
        }
        configuration = {"metadata": {"name": namespace}, "webhooks": [webhook]}
        collection = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
        control_plane.api.request("POST", collection, configuration)
        said: list[str] = []

        def refused() -> bool:  # not from the first moment on: the API server learns of it by a watch
            try:
                dry_run = f"/api/v1/namespaces/{namespace}/pods?dryRun=All"
                control_plane.api.request("POST", dry_run, pod("any"))
            except scheduler_errors.ApiError as error:
                said.append(str(error))
            return bool(said)

        try:
            eventually(refused)
        finally:
            control_plane.api.request("DELETE", f"{collection}/{namespace}")
            server.shutdown()
            serving.join()
    assert words in said[0]


def test_no_secret_is_readable_by_other_users(control_plane: cluster.Cluster) -> None:
    secrets = [store.secret_key for store in control_plane.stores.values()]
    secrets.append(json.loads(control_plane.kubeconfig.read_text())["users"][0]["user"]["token"])
    for pid in control_plane.pids().values():
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_text()
        assert not [secret for secret in secrets if secret in command]
    assert stat.S_IMODE(control_plane.directory.stat().st_mode) == 0o700


def test_two_clusters_side_by_side_know_nothing_of_each_other(
    control_plane: cluster.Cluster, cluster_factory: ClusterFactory
) -> None:
    with cluster_factory(SMALL) as other:
        assert json.loads(other.kubectl("get", "nodes", "-o", "json"))["items"][0]["metadata"]["name"] == "only"
        other.api.request("POST", "/api/v1/namespaces/default/pods", pod("mine", node="only"))
        with pytest.raises(scheduler_errors.NotFoundError):
            control_plane.api.request("GET", "/api/v1/namespaces/default/pods/mine")
        with pytest.raises(errors.ClusterError, match=r"Unauthorized|logged in"):
            other.kubectl("get", "nodes", f"--server={control_plane.server}", "--insecure-skip-tls-verify")
        directory = other.directory
    assert not directory.exists()
    assert control_plane.api.answers("/readyz")


def test_a_store_can_be_stopped_frozen_and_brought_back_with_its_data(cluster_factory: ClusterFactory) -> None:
    with cluster_factory(SMALL) as running:
        store = running.stores["only"]
        store.upload("bucket", "key", b"payload")
        store.stop()
        with pytest.raises(ConnectionRefusedError):
            http.client.HTTPConnection("127.0.0.1", store.port, timeout=5).request("GET", "/")
        store.start()
        store.pause()
        connection = http.client.HTTPConnection("127.0.0.1", store.port, timeout=0.5)
        connection.request("GET", "/minio/health/live")
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
        store.resume()
        answer: urllib3.BaseHTTPResponse = store.client().get_object("bucket", "key")
        with answer:
            assert answer.read() == b"payload"


def test_nodes_come_and_go_stock_kube_scheduler_places_pods_and_the_api_server_restarts(
    cluster_factory: ClusterFactory,
) -> None:
    with cluster_factory(topology.Topology((topology.Node("first"),)), kube_scheduler=True) as running:
        running.add_node(topology.Node("second", accelerators={"example.com/tpu": 1}))
        wanted = pod("picky", scheduler="default-scheduler")
        wanted["spec"]["containers"][0]["resources"] = {"limits": {"example.com/tpu": "1"}}
        running.api.request("POST", "/api/v1/namespaces/default/pods", wanted)
        eventually(lambda: phase(running, "default", "picky") == "Running")
        running.restart_apiserver()
        found = running.api.request("GET", "/api/v1/namespaces/default/pods/picky")
        assert found["spec"]["nodeName"] == "second"
        running.delete_node("second")
        remaining = running.api.request("GET", "/api/v1/nodes")["items"]
        assert [node["metadata"]["name"] for node in remaining] == ["first"] == list(running.nodes)


async def test_a_cluster_is_usable_from_asyncio(control_plane: cluster.Cluster) -> None:
    listing = await asyncio.to_thread(control_plane.kubectl, "get", "namespace", "storage", "-o", "name")
    assert listing.strip() == "namespace/storage"


def test_a_process_that_does_not_start_shows_the_end_of_its_log(control_plane: cluster.Cluster) -> None:
    with pytest.raises(errors.ClusterError, match=r"kube-apiserver ended.*\n.*unknown flag: --no-such-flag"):
        cluster.start(SMALL, apiserver_arguments=["--no-such-flag"])
