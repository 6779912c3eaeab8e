"""Knative Serving's own controllers and webhook on a local cluster: what they make of a Knative Service."""

import json
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from localcluster import cluster, topology
from scheduler import errors as scheduler_errors
from tests.clusterfixture import ClusterFactory

pytestmark = pytest.mark.e2e

SERVICES = "/apis/serving.knative.dev/v1/namespaces/default/services"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
ONE_NODE = topology.Topology((topology.Node("only", cpu="8"),))


@pytest.fixture(scope="module")
def knative(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    # With a scheduler: a Deployment that is rolled out waits for pods that run.
    with cluster_factory(ONE_NODE, knative=True, kube_scheduler=True) as running:
        yield running


def service(name: str, annotations: Mapping[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    spec = {"containers": [{"image": "kind.local/hello:1"}], **spec}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": {"example.org/of": "the service"}},
        "spec": {"template": {"metadata": {"annotations": dict(annotations or {})}, "spec": spec}},
    }


def eventually(check: Callable[[], bool], timeout_s: float = 60) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not check():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.05)


def pods(running: cluster.Cluster, name: str) -> list[Any]:
    path = f"/api/v1/namespaces/default/pods?labelSelector=serving.knative.dev%2Fservice%3D{name}"
    found: list[Any] = running.api.request("GET", path)["items"]
    return found


def configure(running: cluster.Cluster, name: str, data: Mapping[str, str]) -> None:
    patch = json.dumps({"data": data})
    running.kubectl("patch", "configmap", name, "-n", "knative-serving", "--type=merge", "-p", patch)


def test_a_service_becomes_a_revision_a_deployment_and_a_pod(knative: cluster.Cluster) -> None:
    knative.api.request("POST", SERVICES, service("plain", {"example.org/of": "the revision"}))
    eventually(lambda: len(pods(knative, "plain")) == 1)
    (pod,) = pods(knative, "plain")
    labels = pod["metadata"]["labels"]
    assert labels["serving.knative.dev/service"] == labels["serving.knative.dev/configuration"] == "plain"
    assert labels["serving.knative.dev/revision"] == "plain-00001"
    assert pod["metadata"]["annotations"]["example.org/of"] == "the revision"
    assert [container["name"] for container in pod["spec"]["containers"]] == ["user-container", "queue-proxy"]
    revision = knative.api.request("GET", "/apis/serving.knative.dev/v1/namespaces/default/revisions/plain-00001")
    assert revision["spec"]["timeoutSeconds"] == 300  # written by Knative's webhook
    deployment = knative.api.request("GET", f"{DEPLOYMENTS}/plain-00001-deployment")
    assert deployment["metadata"]["ownerReferences"][0]["uid"] == revision["metadata"]["uid"]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        pytest.param({"containerConcurrency": -1}, r"expected 0 <= -1 <= 1000: spec\.template\.spec", id="value"),
        pytest.param({"containers": []}, r"missing field\(s\): spec\.template\.spec\.containers", id="missing"),
        pytest.param({"nodeSelector": {"a": "b"}}, r"must not set the field\(s\): .*\.nodeSelector", id="feature off"),
    ],
)
def test_a_malformed_service_is_refused_in_the_words_of_knatives_webhook(
    knative: cluster.Cluster, broken: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(scheduler_errors.ApiError, match=rf"validation\.webhook\.serving\.knative\.dev.*(?s:{words})"):
        knative.api.request("POST", SERVICES, service("malformed", **broken))


def test_a_revision_starts_at_its_initial_scale_and_then_has_as_many_pods_as_its_deployment_is_scaled_to(
    knative: cluster.Cluster,
) -> None:
    knative.api.request("POST", SERVICES, service("two", {"autoscaling.knative.dev/initial-scale": "2"}))
    knative.api.request("POST", SERVICES, service("minimum", {"autoscaling.knative.dev/min-scale": "2"}))
    eventually(lambda: len(pods(knative, "two")) == 2)
    eventually(lambda: len(pods(knative, "minimum")) == 1)  # the autoscaler's business, and there is none

    def scale(replicas: int) -> None:
        knative.kubectl("scale", "deployment/two-00001-deployment", f"--replicas={replicas}")
        eventually(lambda: len(pods(knative, "two")) == replicas)

    scale(0)
    scale(1)
    scale(3)
    # A new configuration makes the controllers write every Deployment anew: all but its scale.
    configure(knative, "config-deployment", {"queue-sidecar-image": "kind.local/queue:2"})
    images = [{"kind.local/hello:1", "kind.local/queue:2"}] * 3
    eventually(lambda: [{c["image"] for c in pod["spec"]["containers"]} for pod in pods(knative, "two")] == images)


def test_what_a_service_says_about_scheduling_reaches_its_pods_once_knatives_features_allow_it(
    knative: cluster.Cluster,
) -> None:
    wanted: dict[str, Any] = {
        "schedulerName": "data-locality-scheduler",
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    }
    picky = service("picky", **wanted)
    with pytest.raises(scheduler_errors.ApiError, match="must not set"):
        knative.api.request("POST", SERVICES, picky)
    features = {f"kubernetes.podspec-{name.lower()}": "enabled" for name in wanted}
    configure(knative, "config-features", features)

    def created() -> bool:
        try:
            knative.api.request("POST", SERVICES, picky)
        except scheduler_errors.ApiError:
            return False  # the webhook has not heard of it yet
        return True

    eventually(created)
    eventually(lambda: len(pods(knative, "picky")) == 1)
    spec = pods(knative, "picky")[0]["spec"]
    assert (spec["schedulerName"], spec["nodeSelector"]) == (wanted["schedulerName"], wanted["nodeSelector"])
    assert "dedicated" in {toleration["key"] for toleration in spec["tolerations"]}


def test_knative_runs_in_several_clusters_at_a_time_and_ends_with_its_own(
    knative: cluster.Cluster, cluster_factory: ClusterFactory
) -> None:
    with cluster_factory(ONE_NODE, knative=True) as other:
        ended = {name: pid for name, pid in other.pids().items() if name.startswith("knative-")}
        assert len(ended) == 2
        other.api.request("POST", SERVICES, service("elsewhere"))
        eventually(lambda: len(pods(other, "elsewhere")) == 1)
        assert not pods(knative, "elsewhere")
    assert not [name for name, pid in ended.items() if pathlib.Path(f"/proc/{pid}").exists()]
    knative.api.request("POST", SERVICES, service("still"))
    eventually(lambda: len(pods(knative, "still")) == 1)
