"""Pods are created whatever happens to the webhook, and the scheduler places them by what is known.

Each test sees in the API server's own figures that the failure took place: that it went on without an answer.
"""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import signal
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import certificates, cluster, topology
from scheduler.api import names
from tests import clusterfixture
from tests.e2e import process as scheduling
from tests.webhook import process

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

NUMBERS = itertools.count(1)
INPUT = f"{names.INPUT_PREFIX}1"
HOLDER = "n2"
BUCKET = "landsat-l1"


@pytest.fixture(scope="module")
def running(cluster_factory: clusterfixture.ClusterFactory) -> Iterator[cluster.Cluster]:
    """Three nodes, one of which holds the data, and a namespace whose pods read it."""
    nodes = [topology.Node(name=f"n{number}", cpu="32", memory="64Gi", zone=f"z{number}") for number in (1, 2, 3)]
    with cluster_factory(topology.Topology(tuple(nodes)), crds=True) as started:
        process.account(started)
        path = f"/apis/{names.API_VERSION}/namespaces/{process.HOME}/{names.DATA_OBJECTS}"
        spec = {"urn": BUCKET, "sizeBytes": 5 * 10**10, "locations": [{"node": HOLDER}]}
        body = {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": {"name": "scenes"}, "spec": spec}
        started.api.request("POST", path, body)
        annotations = {names.DATA_SOURCES: BUCKET}
        started.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "reads", "annotations": annotations}})
        started.wait_for_account("reads")
        yield started


@pytest.fixture(scope="module", autouse=True)
def scheduler(running: cluster.Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[scheduling.Scheduler]:
    # With all reading at once, the one node that has the data would be no better than the others after a while.
    configuration = scheduling.ALONE | {"contention": False}
    folder = tmp_path_factory.mktemp("scheduler")
    with scheduling.Scheduler(scheduling.account(running), folder, configuration) as started:
        yield started


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> process.Folder:
    return process.Folder(tmp_path / "tls", certificates.Authority())


@contextlib.contextmanager
def asked(
    running: cluster.Cluster, folder: process.Folder, count: int = 1, *, patience_s: int = process.PATIENCE_S
) -> Iterator[list[process.Webhook]]:
    """Webhooks that the API server asks, and that answer."""
    with contextlib.ExitStack() as stack:
        account = running.service_account_kubeconfig(process.HOME, process.ACCOUNT)
        started = [
            stack.enter_context(process.Webhook(account, folder, folder.directory.parent / f"webhook-{number}.log"))
            for number in range(count)
        ]
        stack.callback(process.unregister, running)
        urls = [url(webhook) for webhook in started]
        process.register(running, *urls, bundle=folder.bundle, patience_s=patience_s)
        # Not at once where the API server has little patience and the machine none.
        scheduling.until(lambda: is_enriched(create(running)), "pods are enriched")
        yield started


def url(webhook: process.Webhook) -> str:
    return f"https://127.0.0.1:{webhook.port}"


def create(running: cluster.Cluster, *, says_itself: bool = False) -> Json:
    """A pod for our scheduler, which says itself what it reads or leaves that to its namespace."""
    body: Json = {
        "metadata": {"name": f"p{next(NUMBERS)}"},
        "spec": {
            "schedulerName": names.SCHEDULER_NAME,
            "containers": [{"name": "c", "image": "none", "resources": {"requests": {"cpu": "10m"}}}],
        },
    }
    if says_itself:
        body["metadata"]["annotations"] = {INPUT: f"{BUCKET}/scene.tif,50000000000"}
    return dict(running.api.request("POST", "/api/v1/namespaces/reads/pods", body))


def is_enriched(pod: Json) -> bool:
    return names.ENRICHED in pod["metadata"].get("annotations", {})


def node_of(running: cluster.Cluster, pod: Json) -> str:
    """The node that the pod gets."""
    name = pod["metadata"]["name"]

    def node() -> str:
        return str(running.api.request("GET", f"/api/v1/namespaces/reads/pods/{name}")["spec"].get("nodeName", ""))

    scheduling.until(node, f"{name} is placed")
    return node()


def goes_on_without(running: cluster.Cluster) -> None:
    """Pods are created as they are, placed by what they say themselves, and placed somewhere if they say nothing."""
    before = process.failed_open(running)
    plain, own = create(running), create(running, says_itself=True)
    assert (is_enriched(plain), is_enriched(own)) == (False, False)
    assert process.failed_open(running) == before + 2
    assert own["metadata"]["annotations"] == {INPUT: f"{BUCKET}/scene.tif,50000000000"}
    assert node_of(running, plain)
    assert node_of(running, own) == HOLDER


def test_a_webhook_that_answers_brings_pods_to_their_data(running: cluster.Cluster, folder: process.Folder) -> None:
    with asked(running, folder):
        pods = [create(running) for _ in range(5)]
        assert [pod["metadata"]["annotations"][INPUT] for pod in pods] == [f"{BUCKET},50000000000"] * 5
        assert {node_of(running, pod) for pod in pods} == {HOLDER}


def test_without_the_webhook_pods_are_created_and_placed(running: cluster.Cluster, folder: process.Folder) -> None:
    with asked(running, folder) as [webhook]:
        webhook.kill()
        goes_on_without(running)


def test_a_webhook_that_hangs_is_not_waited_for_longer_than_its_timeout(
    running: cluster.Cluster, folder: process.Folder
) -> None:
    with asked(running, folder, patience_s=3) as [webhook]:  # as in manifests/base
        webhook.process.send_signal(signal.SIGSTOP)
        goes_on_without(running)
        webhook.process.send_signal(signal.SIGCONT)
        scheduling.until(lambda: is_enriched(create(running)), "pods are enriched again")


def test_an_expired_certificate_stops_no_pod(running: cluster.Cluster, folder: process.Folder) -> None:
    folder.put(folder.authority.issue(expired=True))
    account = running.service_account_kubeconfig(process.HOME, process.ACCOUNT)
    with process.Webhook(account, folder, folder.directory.parent / "log") as webhook:
        process.register(running, url(webhook), bundle=folder.bundle)
        try:
            goes_on_without(running)
            # Renewed, it serves on, in the same process.
            folder.put(folder.authority.issue())
            scheduling.until(lambda: is_enriched(create(running)), "pods are enriched with the renewed certificate")
            assert [line["event"] for line in webhook.log()].count("renewed certificate is in use") == 1
        finally:
            process.unregister(running)


def test_another_authority_than_the_api_server_was_told_stops_no_pod(
    running: cluster.Cluster, folder: process.Folder
) -> None:
    with asked(running, folder) as [webhook]:
        other = process.Folder(folder.directory.parent / "other", certificates.Authority())
        process.register(running, url(webhook), bundle=other.bundle)
        goes_on_without(running)


def test_a_rotated_certificate_costs_no_request_and_no_restart(
    running: cluster.Cluster, folder: process.Folder
) -> None:
    with asked(running, folder) as [webhook]:
        before, failures = shown(webhook), process.failed_open(running)
        folder.put(folder.authority.issue())

        def is_rotated() -> bool:
            assert is_enriched(create(running))
            return shown(webhook) != before

        scheduling.until(is_rotated, "the new certificate is shown")
        assert is_enriched(create(running))
        assert process.failed_open(running) == failures
        # A pair that does not fit leaves what is in use in use.
        good = shown(webhook)
        (folder.directory / "tls.key").write_text(folder.authority.issue().key_pem)
        unused = "renewed certificate cannot be used, the old one stays in use"
        scheduling.until(lambda: any(line["event"] == unused for line in webhook.log()), "the mismatch is reported")
        assert shown(webhook) == good
        assert is_enriched(create(running))


def shown(webhook: process.Webhook) -> str:
    return ssl.get_server_certificate(("127.0.0.1", webhook.port), timeout=30)


def test_of_two_replicas_one_may_go(running: cluster.Cluster, folder: process.Folder) -> None:
    with asked(running, folder, count=2) as webhooks:
        pod = create(running)
        # The second was asked about what the first had added, and added nothing.
        assert pod["metadata"]["annotations"][names.ENRICHED].count("data-sources") == 1
        webhooks[0].kill()
        pods = [create(running) for _ in range(3)]
        assert all(is_enriched(pod) for pod in pods)
        assert {node_of(running, pod) for pod in pods} == {HOLDER}


def test_a_webhook_answers_from_what_it_knows_while_it_cannot_reach_the_api_server(
    running: cluster.Cluster, folder: process.Folder
) -> None:
    with asked(running, folder) as [webhook]:
        running.restart_apiserver()
        scheduling.until(lambda: is_enriched(create(running)), "pods are enriched again")
        assert webhook.process.poll() is None
        assert webhook.is_ready()
