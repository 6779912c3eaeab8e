"""The chart on a real API server: installed, changed and uninstalled by Helm, and each field known to the server."""

import base64
import json
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from localcluster import cluster, errors, topology
from scheduler.api import names
from tests.clusterfixture import ClusterFactory
from tests.manifests import rendering, test_chart
from tests.manifests import test_manifests as manifests
from webhook.certificates import renewal

pytestmark = pytest.mark.e2e

RELEASE, NAMESPACE, HOOK = "locality", "placing", "mutatingwebhookconfiguration"
# Kinds that only clusters with further software have: cert-manager, the Prometheus Operator.
FOREIGN = {"Certificate", "Issuer", "PodMonitor", "PrometheusRule"}
EVERYTHING = [
    pytest.param({}, id="base"),
    *(pytest.param(values, id=name) for name, values in sorted(test_chart.SAME.items())),
]


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(topology.Topology(nodes=())) as started:
        yield started


@pytest.fixture
def helm(running: cluster.Cluster, tmp_path: pathlib.Path) -> Iterator[Any]:
    """Helm as the administrator, in the namespace of the release; whatever was installed is gone afterwards."""
    environment = {
        "KUBECONFIG": str(running.kubeconfig),
        **{f"HELM_{kind}_HOME": str(tmp_path / kind) for kind in ("CACHE", "CONFIG", "DATA")},
    }

    def call(*arguments: str | pathlib.Path) -> str:
        return rendering.helm(*arguments, "--namespace", NAMESPACE, environment=environment)

    yield call
    call("uninstall", RELEASE, "--ignore-not-found")


def ours(running: cluster.Cluster) -> set[tuple[str, str]]:
    """Everything of the chart's that is in the cluster: kind and name, but for its custom resource definitions."""
    kinds = sorted({key[0] for key in rendering.chart()})
    listed = running.kubectl("get", ",".join(kinds), "--all-namespaces", "-l",
                             "app.kubernetes.io/part-of=data-locality-scheduler", "-o", "json")  # fmt: skip
    return {(item["kind"], item["metadata"]["name"]) for item in json.loads(listed)["items"]}


def test_helm_installs_changes_takes_back_and_uninstalls(running: cluster.Cluster, helm: Any) -> None:
    helm("install", RELEASE, rendering.CHART, "--create-namespace")
    rendered = rendering.chart(namespace=NAMESPACE)
    named = {(kind, name) for kind, _, name in rendered if kind != "ConfigMap"}
    installed = ours(running)
    assert named <= installed
    (first,) = {name for kind, name in installed if rendering.GENERATED.match(name)}
    running.kubectl("get", "dataobjects,nodecapabilities", "--all-namespaces")

    trust(running, "made at run time")
    helm("upgrade", RELEASE, rendering.CHART, "--set", "scheduler.config.tau=3,webhook.replicas=3,priority=none")
    assert trusted(running) == "made at run time"
    assert deployment(running, "data-locality-webhook")["replicas"] == 3
    assert ("PriorityClass", "data-locality") not in ours(running)
    (second,) = {name for _, name in ours(running) if rendering.GENERATED.match(name)}
    assert second != first
    assert mounted(running) == second
    assert "tau: 3" in running.kubectl("get", "configmap", second, "-n", NAMESPACE, "-o", "yaml")

    helm("rollback", RELEASE, "1")
    assert ours(running) == installed
    assert mounted(running) == first

    helm("uninstall", RELEASE)
    assert ours(running) == set()
    kept = json.loads(running.kubectl("get", "customresourcedefinitions", "-o", "json"))["items"]
    assert {f"{names.DATA_OBJECTS}.{names.GROUP}", f"{names.NODE_CAPABILITIES}.{names.GROUP}"} <= {
        item["metadata"]["name"] for item in kept
    }, "with them, everything that users wrote would go"


def trust(running: cluster.Cluster, authority: str) -> None:
    """What whoever keeps the webhook's certificate writes, which is in no manifest."""
    value = base64.b64encode(authority.encode()).decode()
    patch = [{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": value}]
    running.kubectl("patch", HOOK, renewal.CONFIGURATION, "--type=json", "-p", json.dumps(patch))


def trusted(running: cluster.Cluster) -> str:
    found = json.loads(running.kubectl("get", HOOK, renewal.CONFIGURATION, "-o", "json"))
    return base64.b64decode(found["webhooks"][0]["clientConfig"].get("caBundle", "")).decode()


def deployment(running: cluster.Cluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(running.kubectl("get", "deployment", name, "-n", NAMESPACE, "-o", "json"))
    spec: dict[str, Any] = found["spec"]
    return spec


def mounted(running: cluster.Cluster) -> str:
    (volume,) = deployment(running, "data-locality-scheduler")["template"]["spec"]["volumes"]
    return str(volume["configMap"]["name"])


def test_a_schema_of_an_earlier_version_is_brought_up_to_date_as_the_notes_say(
    running: cluster.Cluster, helm: Any
) -> None:
    told = helm("install", RELEASE, rendering.CHART, "--create-namespace")
    assert "helm show crds CHART | kubectl apply --server-side --force-conflicts -f -" in told
    schemas = rendering.helm("show", "crds", rendering.CHART)
    running.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=schemas)
    helm("upgrade", RELEASE, rendering.CHART)


@pytest.mark.parametrize("values", EVERYTHING)
def test_the_api_server_knows_every_field(running: cluster.Cluster, values: dict[str, Any]) -> None:
    running.kubectl("create", "namespace", "strict") if not exists(running, "strict") else None
    items = [item for key, item in rendering.chart(values, namespace="strict").items() if key[0] not in FOREIGN]
    text = yaml.safe_dump_all(items)
    running.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)


@pytest.mark.parametrize("values", EVERYTHING)
def test_our_pods_run_under_pod_security_restricted(running: cluster.Cluster, values: dict[str, Any]) -> None:
    """All but one choice of the daemons', which needs what the standards call privileged, and nothing else."""
    if not exists(running, "restricted"):
        running.kubectl("create", "namespace", "restricted")
        running.kubectl("label", "namespace", "restricted", "pod-security.kubernetes.io/enforce=restricted")
        running.wait_for_account("restricted")
    refused = []
    objects = rendering.chart(values)
    for kind, _, name in (key for key in objects if key[0] in {"Deployment", "DaemonSet", "CronJob"}):
        spec = {**rendering.workload(objects, kind, name), "serviceAccountName": "default", "restartPolicy": "Never"}
        spec.pop("priorityClassName", None)  # a class that is not installed here
        metadata = {"name": "tried", "namespace": "restricted"}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        try:
            running.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
        except errors.ClusterError as error:
            refused.append((name, str(error).partition('violates PodSecurity "restricted:latest": ')[2]))
    hosts = ("data-locality-daemon", 'restricted volume types (volume "host" uses restricted volume type "hostPath")')
    assert refused == ([hosts] if values == test_chart.SAME["host-facts"] else [])
    assert {key[2] for key in objects if key[0] in {"Deployment", "DaemonSet"}} == {
        name for _, _, name in test_chart.EACH_WORKLOAD
    }


def exists(running: cluster.Cluster, namespace: str) -> bool:
    return bool(running.kubectl("get", "namespace", namespace, "--ignore-not-found"))


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("view", ["get dataobjects", "list nodecapabilities"], ["create dataobjects", "get secrets"]),
        ("edit", ["get dataobjects", "delete dataobjects"], ["patch dataobjects/status", "patch nodecapabilities"]),
        ("admin", ["create dataobjects", "patch nodecapabilities"], ["patch nodecapabilities/status"]),
    ],
)
def test_the_clusters_own_roles_reach_our_kinds(
    running: cluster.Cluster, role: str, may: list[str], may_not: list[str]
) -> None:
    running.apply(rendering.ROOT / "crds", manifests.BASE / "rbac-users.yaml")
    account = f"somebody-{role}"
    running.kubectl("create", "clusterrolebinding", account, f"--clusterrole={role}", f"--user={account}")

    def allowed(asked: str) -> bool:
        verb, kind = asked.split()
        resource, _, part = kind.partition("/")
        group = "" if resource == "secrets" else names.GROUP
        attributes = {"verb": verb, "group": group, "resource": resource, "subresource": part, "namespace": "default"}
        review = {"spec": {"user": account, "resourceAttributes": attributes}}
        answer = running.api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    running.wait_until(lambda: all(map(allowed, may)), what=f"rights of {role}", timeout_s=30)
    assert [asked for asked in may_not if allowed(asked)] == []


def test_a_refusal_of_values_reaches_the_user(helm: Any) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        helm("install", RELEASE, rendering.CHART, "--set", "webhook.replica=3", "--create-namespace")
    assert "replica" in caught.value.stderr
