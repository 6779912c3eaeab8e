"""Of DataObjects the scheduler makes and deletes only its own: tried on a real API server, with its token."""

import time
from typing import Any

import pytest

from localcluster import cluster
from scheduler.api import names
from scheduler.live import availability
from tests.manifests import test_manifests as manifests
from tests.manifests.sending import APPLY, MERGE, Send, sender

pytestmark = pytest.mark.e2e

ACCOUNT = "data-locality-scheduler"
NAMESPACE = "policy-scheduler"  # tests share the control plane
OBJECTS = f"/apis/{names.API_VERSION}/namespaces/{NAMESPACE}/{names.DATA_OBJECTS}"
ON_DEMAND = {names.ON_DEMAND_LABEL: "true"}
DAEMONS = {names.MANAGED_BY_LABEL: names.DAEMON_FIELD_MANAGER}


def data_object(name: str, urn: str, labels: dict[str, str], **spec: Any) -> dict[str, Any]:
    meta = {"name": name, "labels": labels}
    return {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": meta, "spec": {"urn": urn, **spec}}


@pytest.fixture(scope="module")
def scheduler(running: cluster.Cluster) -> Send:
    """Its requests, from when on the policy holds, with the rights of its role."""
    base = manifests.BASE
    running.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    running.apply(base / "rbac-scheduler.yaml", base / "policy-scheduler.yaml")
    send = sender(running.service_account_kubeconfig("data-locality-scheduler", ACCOUNT))
    deadline_s = time.monotonic() + 60
    while "only for keys" not in send("POST", f"{OBJECTS}?dryRun=All", data_object("x", "bucket", {}))[1]:
        assert time.monotonic() < deadline_s, "the policy never came to hold"
        time.sleep(0.1)
    return send


@pytest.mark.parametrize(
    ("body", "allowed"),
    [
        pytest.param(data_object("key-1", "bucket/k", ON_DEMAND), True, id="a key"),
        pytest.param(data_object("key-2", "bucket/k", {}), False, id="without the label"),
        pytest.param(data_object("mine", "bucket/k", ON_DEMAND), False, id="by another name"),
        pytest.param(data_object("key-3", "bucket/k", ON_DEMAND, sizeBytes=5), False, id="with a size"),
        pytest.param(
            data_object("key-4", "bucket/k", ON_DEMAND, locations=[{"node": "n"}]), False, id="with a location"
        ),
        pytest.param(data_object("bucket", "bucket", DAEMONS), False, id="a bucket"),
    ],
)
def test_what_it_may_make(scheduler: Send, body: dict[str, Any], allowed: bool) -> None:
    status, words = scheduler("POST", f"{OBJECTS}?dryRun=All", body)
    assert status == (201 if allowed else 403), words
    assert allowed or "the scheduler makes DataObjects only for keys that pods name" in words


@pytest.mark.parametrize(
    ("body", "allowed"),
    [
        pytest.param(data_object("key-1", "bucket/k", ON_DEMAND), True, id="a key"),
        pytest.param(data_object("gone", "gone", DAEMONS), True, id="a daemon's bucket"),
        pytest.param(data_object("people", "people", {}), False, id="somebody's"),
        pytest.param(data_object("labelled", "labelled/k", ON_DEMAND), False, id="somebody's with our label"),
        pytest.param(data_object("pinned", "pinned", DAEMONS, sizeBytes=5), False, id="a bucket with a size"),
        pytest.param(data_object("prefix", "prefix/p/", DAEMONS), False, id="a prefix"),
    ],
)
def test_what_it_may_delete(running: cluster.Cluster, scheduler: Send, body: dict[str, Any], allowed: bool) -> None:
    running.api.request("POST", OBJECTS, body)
    path = f"{OBJECTS}/{body['metadata']['name']}"
    try:
        status, words = scheduler("DELETE", f"{path}?dryRun=All")
        assert status == (200 if allowed else 403), words
    finally:
        running.api.request("DELETE", path)


def test_it_sets_labels_and_changes_no_spec(running: cluster.Cluster, scheduler: Send) -> None:
    running.api.request("POST", OBJECTS, data_object("theirs", "theirs/k", {}))
    path = f"{OBJECTS}/theirs"
    assert scheduler("PATCH", path, {"metadata": {"labels": {names.BUCKET_LABEL: "theirs"}}}, MERGE)[0] == 200
    status, words = scheduler("PATCH", path, {"spec": {"sizeBytes": 5}}, MERGE)
    assert (status, "changes no DataObject's spec" in words) == (403, True)
    assert scheduler("PATCH", f"{path}/status", {"status": {"nodesText": "n"}}, MERGE)[0] == 200
    running.api.request("DELETE", path)


def test_its_condition_takes_nothing_from_what_it_expects_and_what_daemons_say(
    running: cluster.Cluster, scheduler: Send
) -> None:
    running.api.request("POST", OBJECTS, data_object("shown", "shown/k", {}))
    path, when = f"{OBJECTS}/shown", "2026-01-01T00:00:00Z"

    def apply(manager: str, **status: Any) -> None:
        body = {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": {"name": "shown"}, "status": status}
        where = f"{path}/status?fieldManager={manager}&force=true"
        assert scheduler("PATCH", where, body, APPLY)[0] == 200

    def condition(kind: str, status: str) -> dict[str, Any]:
        return {"type": kind, "status": status, "reason": "X", "message": "", "lastTransitionTime": when}

    expected = {"node": "n", "store": "s", "confidence": 0.8, "producer": "a/b", "since": when}
    apply(names.SCHEDULER_FIELD_MANAGER, expected=[expected])
    apply("data-locality-daemon-n", conditions=[condition("Ready", "True")])
    for status in ("Unknown", "True"):
        apply(availability.FIELD_MANAGER, conditions=[condition(availability.AVAILABLE, status)])
        found = running.api.request("GET", path)["status"]
        assert found["expected"] == [expected]
        assert {one["type"]: one["status"] for one in found["conditions"]} == {"Ready": "True", "Available": status}
    running.api.request("DELETE", path)
