"""Each daemon writes only about its own node: tried on a real API server, with the tokens that daemons have.

RBAC allows all of it here, on purpose more than our role does; what is refused, the policy refuses.
"""

import json
from typing import Any

import pytest

from localcluster import cluster
from scheduler.api import names
from tests.manifests.conftest import ACCOUNT, CAPABILITIES, NAMESPACE
from tests.manifests.sending import APPLY, MERGE, Send, sender

pytestmark = pytest.mark.e2e


def capability(name: str) -> dict[str, Any]:
    return {"apiVersion": names.API_VERSION, "kind": "NodeCapability", "metadata": {"name": name}}


def labels(node: str, **found: str) -> dict[str, Any]:
    meta = {"name": node, "labels": {key.replace("__", "/"): value for key, value in found.items()}}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta}


OWN = [
    pytest.param("PATCH", f"{CAPABILITIES}/mine", capability("mine"), APPLY, id="apply"),
    pytest.param("PATCH", f"{CAPABILITIES}/mine", {"spec": {"declared": {"a": "b"}}}, MERGE, id="patch"),
    pytest.param("PATCH", f"{CAPABILITIES}/mine/status", {"status": {"memoryBytes": 5}}, MERGE, id="status"),
    pytest.param("PATCH", "/api/v1/nodes/mine", labels("mine", **{"node-capability__x": "1"}), APPLY, id="label"),
    pytest.param("PATCH", "/api/v1/nodes/mine", labels("mine"), APPLY, id="label removed"),
]


@pytest.mark.parametrize(("method", "path", "body", "kind"), OWN)
def test_what_is_its_own_a_daemon_may_write(mine: Send, method: str, path: str, body: Any, kind: str) -> None:
    separator = "&" if "?" in path else "?"
    status, words = mine(method, f"{path}{separator}fieldManager=data-locality-daemon-mine", body, kind)
    assert status == 200, words


EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
SERIES = {"series": {"count": 2, "lastObservedTime": "2026-01-02T03:05:05.000000Z"}}
IN_ITS_NAME = "a daemon tells, in its own name and with its node as reportingInstance"


def event(name: str = "e", **changes: Any) -> dict[str, Any]:
    """An Event of the daemon of node "mine" as it writes them, but for the changes."""
    return {
        "metadata": {"name": name, "namespace": "default"},
        "eventTime": "2026-01-02T03:04:05.000000Z",
        "reportingController": ACCOUNT,
        "reportingInstance": "mine/pod-x",
        "type": "Normal",
        "reason": "StoreAvailable",
        "action": "Probe",
        "regarding": {"kind": "Service", "name": "minio", "namespace": "default"},
        **changes,
    }


@pytest.fixture(scope="module", autouse=True)
def _somebodys_event(running: cluster.Cluster) -> None:
    body = event("somebodys", reportingController="kubelet", reportingInstance="mine")
    running.api.request("POST", EVENTS, body)


def test_a_daemon_tells_of_stores_and_of_its_node_and_counts_up(mine: Send) -> None:
    for name, about in {
        "of-store": event()["regarding"],
        "of-node": {"kind": "NodeCapability", "name": "mine"},
    }.items():
        status, words = mine("POST", EVENTS, event(name, regarding=about))
        assert status == 201, words
        status, words = mine("PATCH", f"{EVENTS}/{name}", SERIES, MERGE)
        assert status == 200, words


OTHERS = "may not write to nodecapabilities other: it speaks for its own node only"
ONLY_LABELS = "may change nothing but the labels node-capability/..."
REFUSED = [
    pytest.param("PATCH", f"{CAPABILITIES}/other?fieldManager=m", capability("other"), APPLY, OTHERS, id="apply"),
    pytest.param("PATCH", f"{CAPABILITIES}/other", {"spec": {}}, MERGE, OTHERS, id="patch"),
    pytest.param("PATCH", f"{CAPABILITIES}/other/status", {"status": {"nodeType": "edge"}}, MERGE, OTHERS, id="status"),
    pytest.param("POST", CAPABILITIES, capability("third"), None, "may not write to nodecapabilities third", id="new"),
    pytest.param(
        "POST",
        CAPABILITIES,
        {**capability(""), "metadata": {"generateName": "mine"}},
        None,
        "may not write to nodecapabilities",
        id="new without a name",
    ),
    pytest.param("DELETE", f"{CAPABILITIES}/other", None, None, OTHERS, id="delete another's"),
    pytest.param("DELETE", f"{CAPABILITIES}/mine", None, None, "a daemon deletes nothing", id="delete its own"),
    pytest.param("DELETE", CAPABILITIES, None, None, "it speaks for its own node only", id="delete all"),
    pytest.param("DELETE", "/api/v1/nodes/mine", None, None, "a daemon deletes nothing", id="delete its node"),
    pytest.param(
        "PATCH",
        "/api/v1/nodes/other",
        {"metadata": {"labels": {"node-capability/x": "1"}}},
        MERGE,
        "the daemon of node mine may not write to nodes other",
        id="label another node",
    ),
    pytest.param(
        "PATCH",
        "/api/v1/nodes/mine",
        {"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}},
        MERGE,
        "may change only those that begin with node-capability/",
        id="add another label",
    ),
    pytest.param(
        "PATCH",
        "/api/v1/nodes/mine",
        {"metadata": {"labels": {names.ZONE_LABEL: "elsewhere"}}},
        MERGE,
        "may change only those that begin with node-capability/",
        id="change another label",
    ),
    pytest.param(
        "PATCH",
        "/api/v1/nodes/mine",
        {"metadata": {"labels": {names.ZONE_LABEL: None}}},
        MERGE,
        "may change only those that begin with node-capability/",
        id="remove another label",
    ),
    pytest.param(
        "PATCH",
        "/api/v1/nodes/mine",
        {"metadata": {"annotations": {"a": "b"}}},
        MERGE,
        ONLY_LABELS,
        id="annotation",
    ),
    pytest.param(
        "PATCH", "/api/v1/nodes/mine", {"metadata": {"finalizers": ["a.b/c"]}}, MERGE, ONLY_LABELS, id="finalizer"
    ),
    pytest.param("PATCH", "/api/v1/nodes/mine", {"spec": {"unschedulable": True}}, MERGE, ONLY_LABELS, id="cordon"),
    pytest.param(
        "PATCH",
        "/api/v1/nodes/mine",
        {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}},
        MERGE,
        ONLY_LABELS,
        id="taint",
    ),
    pytest.param(
        "PATCH",
        "/api/v1/nodes/mine/status",
        {"status": {"capacity": {"cpu": "1000"}}},
        MERGE,
        ONLY_LABELS,
        id="capacity",
    ),
    pytest.param("POST", "/api/v1/nodes", labels("third"), None, "may not write to nodes third", id="new node"),
    pytest.param(
        "PATCH",
        f"{CAPABILITIES}/mine/status",
        {"status": {"stores": [{"name": "tenant/minio", "namespace": "neighbour"}]}},
        MERGE,
        "a store speaks for the namespace of its Service",
        id="store that speaks for a stranger",
    ),
    pytest.param(
        "POST", EVENTS, event(regarding={"kind": "Pod", "name": "p"}), None, IN_ITS_NAME, id="event about a pod"
    ),
    pytest.param("POST", EVENTS, event(reportingController="kubelet"), None, IN_ITS_NAME, id="event in another's name"),
    pytest.param("POST", EVENTS, event(reportingInstance="other/x"), None, IN_ITS_NAME, id="event of another daemon"),
    pytest.param(
        "POST",
        EVENTS,
        event(regarding={"kind": "NodeCapability", "name": "other"}),
        None,
        IN_ITS_NAME,
        id="event about another node",
    ),
    pytest.param("PATCH", f"{EVENTS}/somebodys", SERIES, MERGE, IN_ITS_NAME, id="go on with another's event"),
    pytest.param("DELETE", f"{EVENTS}/somebodys", None, None, "a daemon deletes nothing", id="delete an event"),
]


@pytest.mark.parametrize(("method", "path", "body", "kind", "words"), REFUSED)
def test_the_rest_is_refused_in_readable_words(
    mine: Send, method: str, path: str, body: Any, kind: str | None, words: str
) -> None:
    status, said = mine(method, path, body, kind or "application/json")
    assert status == 403, said
    assert words in said


@pytest.mark.usefixtures("mine")
def test_a_pods_own_token_names_its_node(running: cluster.Cluster) -> None:
    pod = {
        "metadata": {"name": "daemon-x"},
        "spec": {"serviceAccountName": ACCOUNT, "nodeName": "other", "containers": [{"name": "c", "image": "none"}]},
    }
    pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
    uid = running.api.request("POST", pods, pod)["metadata"]["uid"]
    bound = {"apiVersion": "v1", "kind": "Pod", "name": "daemon-x", "uid": uid}
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}/token"
    token = running.api.request("POST", path, {"spec": {"boundObjectRef": bound}})["status"]["token"]
    shared = running.service_account_kubeconfig(NAMESPACE, ACCOUNT)
    config = json.loads(shared.read_text())
    config["users"][0]["user"]["token"] = token
    shared.write_text(json.dumps(config))
    send = sender(shared)
    assert send("PATCH", f"{CAPABILITIES}/other", {"spec": {"declared": {"a": "b"}}}, MERGE)[0] == 200
    assert send("PATCH", f"{CAPABILITIES}/mine", {"spec": {}}, MERGE)[0] == 403


@pytest.mark.usefixtures("mine")
def test_a_token_that_names_no_node_may_write_nothing(running: cluster.Cluster) -> None:
    send = sender(running.service_account_kubeconfig(NAMESPACE, ACCOUNT))
    for path in (f"{CAPABILITIES}/mine", "/api/v1/nodes/mine"):
        status, words = send("PATCH", path, {"metadata": {"labels": {"node-capability/x": "2"}}}, MERGE)
        assert (status, "the token of this daemon names no node" in words) == (403, True), words


@pytest.mark.usefixtures("mine")
def test_others_are_not_concerned(running: cluster.Cluster) -> None:
    running.kubectl("label", "node", "mine", "somebody=else", "node-capability/by-hand=true")
    running.kubectl("annotate", "nodecapability", "other", "somebody=else")
