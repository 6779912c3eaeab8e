"""Each daemon writes only about its own node: tried on a real API server, with the tokens that daemons have.

RBAC allows all of it here, on purpose more than our role does; what is refused, the policy refuses.
"""

import functools
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from scheduler.api import names
from tests.clusterfixture import ClusterFactory
from tests.manifests import test_manifests as manifests
from tests.manifests.sending import APPLY, MERGE, Answer, Send, sender

pytestmark = pytest.mark.e2e

NAMESPACE = "data-locality-scheduler"
ACCOUNT = "data-locality-daemon"
NODES = topology.Topology((topology.Node("mine"), topology.Node("other")))
CAPABILITIES = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"
OBJECTS = f"/apis/{names.API_VERSION}/namespaces/default/{names.DATA_OBJECTS}"


@pytest.fixture(scope="module")
def running(cluster_factory: ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(NODES, crds=True) as started:
        base = manifests.BASE
        started.apply(base / "namespace.yaml", base / "rbac-daemon.yaml", base / "policy-daemon.yaml")
        started.kubectl("create", "clusterrolebinding", "too-much", "--clusterrole=cluster-admin",
                        f"--serviceaccount={NAMESPACE}:{ACCOUNT}")  # fmt: skip
        for node in NODES.nodes:
            started.api.request("POST", CAPABILITIES, capability(node.name))
        yield started


@pytest.fixture(scope="module")
def mine(running: cluster.Cluster) -> Send:
    """Requests of the daemon of node "mine"; from when on the policy holds, which the API server learns by a watch."""
    send = sender(running.service_account_kubeconfig(NAMESPACE, ACCOUNT, node="mine"))
    deadline_s = time.monotonic() + 60
    # By its words: before it has heard of the binding, the API server refuses that, too.
    while OTHERS not in send("PATCH", f"{CAPABILITIES}/other?dryRun=All", {"spec": {}}, MERGE)[1]:
        assert time.monotonic() < deadline_s, "the policy never came to hold"
        time.sleep(0.1)
    return send


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


def replica(node: str, store: str = "s", **more: Any) -> dict[str, Any]:
    return {"node": node, "store": store, "available": True, **more}


def apply_replicas(send: Send, name: str, node: str, entries: list[dict[str, Any]]) -> Answer:
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "DataObject",
        "metadata": {"name": name},
        "status": {"replicas": entries},
    }
    return send("PATCH", f"{OBJECTS}/{name}/status?force=true&fieldManager=data-locality-daemon-{node}", body, APPLY)


@pytest.fixture
def data_object(running: cluster.Cluster, request: pytest.FixtureRequest) -> str:
    name = f"o{abs(hash(request.node.name))}"
    running.api.request("POST", OBJECTS, {"apiVersion": names.API_VERSION, "kind": "DataObject",
                                          "metadata": {"name": name}, "spec": {"urn": "photos/x"}})  # fmt: skip
    return name


def test_daemons_report_their_own_copies_in_any_order(running: cluster.Cluster, mine: Send, data_object: str) -> None:
    other = sender(running.service_account_kubeconfig(NAMESPACE, ACCOUNT, node="other"))
    steps = [
        (other, "other", [replica("other", "b"), replica("other", "a")]),
        (mine, "mine", [replica("mine", "c"), replica("mine", "a")]),
        (other, "other", [replica("other", "a", sizeBytes=7)]),
        (mine, "mine", [replica("mine", "a"), replica("external", "lake")]),
        (other, "other", [replica("other", "a"), replica("external", "lake", sizeBytes=8)]),
        (mine, "mine", []),
        (other, "other", []),
    ]
    for send, node, entries in steps:
        status, words = apply_replicas(send, data_object, node, entries)
        assert status == 200, words
    assert "replicas" not in running.api.request("GET", f"{OBJECTS}/{data_object}").get("status", {})


CHANGES: list[Any] = [
    pytest.param(lambda old: [*old, replica("third")], id="invented"),
    pytest.param(lambda old: [*old[:-1], {**old[-1], "available": False}], id="denied"),
    pytest.param(lambda old: [{**old[0], "node": "third"}, *old[1:]], id="moved"),
    pytest.param(lambda old: [*old, {**old[0], "store": "c", "etag": "x"}], id="another store of theirs"),
    pytest.param(lambda old: old[1:], id="taken away"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_daemon_cannot_speak_of_what_others_hold(
    running: cluster.Cluster, mine: Send, data_object: str, change: Callable[[list[Any]], list[Any]]
) -> None:
    old = [replica("other", "a"), replica("other", "b")]
    running.kubectl("patch", "dataobject", data_object, "--subresource=status", "--type=merge", "-p",
                    json.dumps({"status": {"replicas": old}}))  # fmt: skip
    status, words = mine("PATCH", f"{OBJECTS}/{data_object}/status", {"status": {"replicas": change(old)}}, MERGE)
    assert (status, "may not say what other nodes hold" in words) == (403, True), words


def test_as_many_copies_as_the_schema_allows_are_not_too_dear(
    running: cluster.Cluster, mine: Send, data_object: str
) -> None:
    most = [replica("n" * 50, f"store-{number}" * 8, endpoint="http://" + "x" * 200) for number in range(255)]
    write = functools.partial(running.kubectl, "patch", "dataobject", data_object, "--subresource=status")
    write("--type=merge", "-p", json.dumps({"status": {"replicas": most}}))
    status, words = apply_replicas(mine, data_object, "mine", [replica("mine")])
    assert status == 200, words
