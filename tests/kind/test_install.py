"""The image and the manifests on a kind cluster, as a user installs them. Run by `make e2e`.

KIND_NODE_IMAGE=kindest/node:v1.35.8 chooses the Kubernetes version; without it kind chooses.
"""

import json
import os
import pathlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scheduler.api import names
from tests.e2e import process

ROOT = pathlib.Path(__file__).parents[2]
IMAGE = "data-locality-scheduler:dev"

pytestmark = [pytest.mark.kind, pytest.mark.slow, pytest.mark.timeout(600)]

Kubectl = Callable[..., str]


def run(*command: str | pathlib.Path, **environment: str) -> str:
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True, timeout=900
    )
    return result.stdout


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """Runs kubectl against a kind cluster of its own, with the product installed."""
    missing = [tool for tool in ("docker", "kind", "kubectl") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"not on PATH: {', '.join(missing)}")
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        pytest.skip("no docker daemon answers")
    name = f"data-locality-{os.getpid()}"
    kubeconfig = tmp_path_factory.mktemp("kind") / "kubeconfig"
    image = os.environ.get("KIND_NODE_IMAGE")

    def kubectl(*arguments: str | pathlib.Path) -> str:
        return run("kubectl", *arguments, KUBECONFIG=str(kubeconfig))

    try:
        chosen = ["--image", image] if image else []
        run("kind", "create", "cluster", "--name", name, "--kubeconfig", kubeconfig, "--wait", "180s", *chosen)
        run("make", "image", f"IMAGE={IMAGE}")
        run("kind", "load", "docker-image", IMAGE, "--name", name)
        kubectl("apply", "--server-side", "-f", ROOT / "crds")
        kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", ROOT / "crds")
        kubectl("apply", "-k", ROOT / "manifests/overlays/kind")
        yield kubectl
    finally:
        run("kind", "delete", "cluster", "--name", name)


def get(kubectl: Kubectl, *what: str) -> Any:
    return json.loads(kubectl("get", *what, "-o", "json"))


def test_scheduler_daemons_and_webhook_become_ready(kubectl: Kubectl) -> None:
    workloads = (
        "deployment/data-locality-scheduler",
        "daemonset/data-locality-daemon",
        "deployment/data-locality-webhook",
    )
    for workload in workloads:
        kubectl("rollout", "status", workload, "-n", "data-locality-scheduler", "--timeout=180s")


def test_every_node_is_described(kubectl: Kubectl) -> None:
    nodes = [item["metadata"]["name"] for item in get(kubectl, "nodes")["items"]]
    for node in nodes:
        kubectl("wait", "--for=create", "--timeout=60s", f"nodecapability/{node}")
        kubectl("wait", "--for=condition=Ready", "--timeout=60s", f"nodecapability/{node}")


def test_a_pod_with_data_is_bound_by_us(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", ROOT / "manifests/examples/one-input.yaml")
    kubectl("wait", "--for=condition=PodScheduled", "--timeout=120s", "pod/thumbnail")
    assert get(kubectl, "pod", "thumbnail")["spec"]["nodeName"]

    def reasons() -> set[str]:
        events = get(kubectl, "events.v1.events.k8s.io")["items"]
        return {event["reason"] for event in events if event["reportingController"] == names.SCHEDULER_NAME}

    process.until(lambda: "Scheduled" in reasons(), "we tell that it was bound")  # which is written after it was


def test_pods_of_a_deployment_inherit_what_it_says(kubectl: Kubectl) -> None:
    kubectl("rollout", "status", "deployment/data-locality-webhook", "-n", "data-locality-scheduler", "--timeout=180s")
    # From when the API server reaches it, and with time for it to answer: pods are created in any case.
    patience = json.dumps([{"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": 20}])
    kubectl("patch", "mutatingwebhookconfiguration", "data-locality-webhook", "--type=json", "-p", patience)
    kubectl("create", "namespace", "asking")
    kubectl("annotate", "namespace", "asking", f"{names.DATA_SOURCES}=photos")
    kubectl("wait", "--for=create", "serviceaccount/default", "-n", "asking", "--timeout=60s")
    probe = ("run", "probe", "-n", "asking", "--image=none", "--dry-run=server", "-o", "json")
    process.until(lambda: names.ENRICHED in kubectl(*probe), "the API server asks the webhook")
    kubectl("apply", "-f", ROOT / "manifests/examples/enriched-deployment.yaml")
    kubectl("rollout", "status", "deployment/photo-index", "--timeout=120s")
    pods = get(kubectl, "pods", "-l", "app=photo-index")["items"]
    assert pods
    assert all(names.ENRICHED in pod["metadata"]["annotations"] for pod in pods)
    assert {pod["spec"]["schedulerName"] for pod in pods} == {names.SCHEDULER_NAME}
