"""What a daemon may write into DataObjects: its own copies and what sums them up; tried on a real API server.

As in test_policy.py, RBAC allows all of it here; what is refused, the policy refuses.
"""

import functools
import json
from collections.abc import Callable
from typing import Any

import pytest

from daemon import metrics
from daemon.cluster import watches, writer
from localcluster import cluster
from scheduler.api import names
from scheduler.kube import client
from tests.manifests.conftest import ACCOUNT, NAMESPACE
from tests.manifests.sending import APPLY, MERGE, Answer, Send, sender

pytestmark = pytest.mark.e2e

OBJECTS = f"/apis/{names.API_VERSION}/namespaces/default/{names.DATA_OBJECTS}"


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


def test_daemons_report_their_own_copies_in_any_order(
    running: cluster.Cluster, mine: Send, other: Send, data_object: str
) -> None:
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


# ---- the objects themselves ----

BUCKET = {names.BUCKET_LABEL: "photos", names.MANAGED_BY_LABEL: names.DAEMON_FIELD_MANAGER}


def whole(name: str, urn: str = "photos", **meta: Any) -> dict[str, Any]:
    """A bucket's object as a daemon applies it, but for what is given."""
    metadata = {"name": name, "labels": BUCKET, **meta}
    return {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": metadata, "spec": {"urn": urn}}


def apply_object(send: Send, body: dict[str, Any]) -> Answer:
    path = f"{OBJECTS}/{body['metadata']['name']}?force=true&fieldManager={names.DAEMON_FIELD_MANAGER}"
    return send("PATCH", path, body, APPLY)


def test_daemons_create_the_objects_of_buckets_and_find_them_there(mine: Send, other: Send) -> None:
    assert apply_object(mine, whole("photos"))[0] == 201
    assert apply_object(other, whole("photos"))[0] == 200


def test_what_somebody_made_for_a_bucket_gets_the_labels_by_which_daemons_find_it(
    running: cluster.Cluster, mine: Send
) -> None:
    running.api.request("POST", OBJECTS, {**whole("bare"), "metadata": {"name": "bare"}})
    assert apply_object(mine, whole("bare"))[0] == 200
    pinned = {**whole("pinned"), "metadata": {"name": "pinned"}, "spec": {"urn": "photos", "sizeBytes": 5}}
    running.api.request("POST", OBJECTS, pinned)
    label = {"metadata": {"labels": {names.BUCKET_LABEL: "photos"}}}
    assert mine("PATCH", f"{OBJECTS}/pinned", label, MERGE)[0] == 200
    status, words = apply_object(mine, whole("pinned"))
    assert (status, "may change nothing but the status" in words) == (403, True), "it would be taken for the daemon's"


async def test_a_daemon_makes_no_second_object_beside_one_that_somebody_filled(
    running: cluster.Cluster, mine: Send
) -> None:
    assert mine("GET", OBJECTS)[0] == 200
    filled = {"metadata": {"name": "filled"}, "spec": {"urn": "filled", "sizeBytes": 5}}
    running.api.request("POST", OBJECTS, {**whole("filled"), **filled})
    kubeconfig = running.service_account_kubeconfig(NAMESPACE, ACCOUNT, node="mine")
    api = await client.Api.connect(str(kubeconfig))
    try:
        write = writer.Writer(api, watches.Objects(), metrics.Metrics())
        body = whole("filled", "filled", namespace="default", labels={**BUCKET, names.BUCKET_LABEL: "filled"})
        assert not await write.create(body)
    finally:
        await api.close()
    found = running.api.request("GET", OBJECTS)["items"]
    assert [item["metadata"]["name"] for item in found if item["spec"]["urn"] == "filled"] == ["filled"]


CREATED = [
    pytest.param(whole("x", urn="photos/key"), id="a key"),
    pytest.param({**whole("x"), "spec": {"urn": "photos", "sizeBytes": 1}}, id="a pinned size"),
    pytest.param({**whole("x"), "spec": {"urn": "photos", "locations": [{"node": "mine"}]}}, id="a location"),
    pytest.param(whole("x", labels={}), id="no labels"),
    pytest.param(whole("x", labels={**BUCKET, names.ON_DEMAND_LABEL: "true"}), id="the scheduler's label"),
    pytest.param(whole("x", labels={**BUCKET, names.BUCKET_LABEL: "films"}), id="another bucket's label"),
    pytest.param(whole("x", finalizers=["a.b/c"]), id="finalizers"),
    pytest.param(whole("x", annotations={"a": "b"}), id="annotations"),
    pytest.param(
        whole("x", ownerReferences=[{"apiVersion": "v1", "kind": "Node", "name": "mine", "uid": "1"}]), id="owners"
    ),
]


@pytest.mark.parametrize("body", CREATED)
def test_no_other_objects_are_created(mine: Send, body: dict[str, Any]) -> None:
    for status, words in (apply_object(mine, body), mine("POST", OBJECTS, body)):
        assert (status, "may create a DataObject for a bucket only" in words) == (403, True), words


EDITED = [
    pytest.param({"spec": {"sizeBytes": 1}}, id="pin a size"),
    pytest.param({"spec": {"locations": [{"node": "mine"}]}}, id="declare a location"),
    pytest.param({"metadata": {"labels": {names.ON_DEMAND_LABEL: "true"}}}, id="have it deleted"),
    pytest.param({"metadata": {"labels": {f"{names.LOCATION_PREFIX}mine": "true"}}}, id="a location's label"),
    pytest.param({"metadata": {"labels": {names.BUCKET_LABEL: "films"}}}, id="another bucket's label"),
    pytest.param({"metadata": {"labels": {"team": None}}}, id="take a label away"),
    pytest.param({"metadata": {"labels": {names.MANAGED_BY_LABEL: names.DAEMON_FIELD_MANAGER}}}, id="claim it"),
    pytest.param({"metadata": {"annotations": {"a": "b"}}}, id="annotate"),
    pytest.param({"metadata": {"finalizers": ["a.b/c"]}}, id="keep it for ever"),
    pytest.param(
        {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "mine", "uid": "1"}]}},
        id="have it collected",
    ),
]


@pytest.mark.parametrize("change", EDITED)
def test_a_daemon_edits_nobodys_object(
    running: cluster.Cluster, mine: Send, data_object: str, change: dict[str, Any]
) -> None:
    running.kubectl("label", "dataobject", data_object, "team=a")
    status, words = mine("PATCH", f"{OBJECTS}/{data_object}", change, MERGE)
    assert (status, "may change nothing but the status" in words) == (403, True), words


def test_a_daemon_deletes_no_object(mine: Send, data_object: str) -> None:
    for path in (f"{OBJECTS}/{data_object}", OBJECTS):
        status, words = mine("DELETE", path)
        assert (status, "a daemon deletes nothing" in words) == (403, True), words


# ---- their status ----


def write_status(send: Send, name: str, status: dict[str, Any]) -> Answer:
    return send("PATCH", f"{OBJECTS}/{name}/status", {"status": status}, MERGE)


def condition(kind: str, status: str = "False") -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": "R", "message": "m", "lastTransitionTime": "2026-01-02T03:04:05Z"}


OWN = [replica("mine", "s", sizeBytes=3)]
SUMS = {
    "observedGeneration": 1,
    "granularity": "Key",
    "sizeBytes": 7,
    "sizeHuman": "7 B",
    "objectCount": 1,
    "replicaCount": 2,
    "nodesText": "mine,other",
    "conditions": [
        condition("Consistent"),
        condition("CopiesComplete", "True"),
        condition("CountComplete", "True"),
        condition("Ready", "True"),
    ],
}


@pytest.fixture
def shared(running: cluster.Cluster, data_object: str) -> str:
    """An object with a copy of node "other", an output that is expected, and a condition of the scheduler's."""
    there = {
        "replicas": [replica("other", "a", sizeBytes=7)],
        "expected": [{"node": "other", "producer": "a/b", "confidence": 0.5, "since": "2026-01-02T03:04:05Z"}],
        "conditions": [condition("Available", "Unknown")],
        "sizeBytes": 7,
    }
    running.kubectl("patch", "dataobject", data_object, "--subresource=status", "--type=merge", "-p",
                    json.dumps({"status": there}))  # fmt: skip
    return data_object


def summed(send: Send, name: str, node: str, entries: list[dict[str, Any]], **sums: Any) -> Answer:
    body = {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": {"name": name}}
    path = f"{OBJECTS}/{name}/status?force=true&fieldManager=data-locality-daemon-{node}"
    return send("PATCH", path, {**body, "status": {"replicas": entries, **sums}}, APPLY)


def test_a_daemon_sums_up_what_stands_there(running: cluster.Cluster, mine: Send, shared: str) -> None:
    for size in (7, 3, 7):
        entries = [replica("mine", "s", sizeBytes=3)]
        status, words = summed(mine, shared, "mine", entries, **{**SUMS, "sizeBytes": size})
        assert status == 200, words
    found = running.api.request("GET", f"{OBJECTS}/{shared}")["status"]
    assert (len(found["expected"]), len(found["replicas"]), len(found["conditions"])) == (1, 2, 5)
    body = {"apiVersion": names.API_VERSION, "kind": "DataObject", "metadata": {"name": shared}}
    path = f"{OBJECTS}/{shared}/status?force=true&fieldManager=data-locality-daemon-mine"
    assert mine("PATCH", path, body, APPLY)[0] == 200, "what it wrote it may take back"


def test_that_nobody_has_a_key_any_daemon_may_say(mine: Send, data_object: str) -> None:
    sums = {**SUMS, "replicaCount": 0, "nodesText": "", "conditions": [condition("Ready")]}
    del sums["sizeBytes"]
    assert summed(mine, data_object, "mine", [], **sums)[0] == 200


def test_with_the_last_copy_the_size_may_go(running: cluster.Cluster, mine: Send, data_object: str) -> None:
    there = {"replicas": OWN, "sizeBytes": 3}
    running.kubectl("patch", "dataobject", data_object, "--subresource=status", "--type=merge", "-p",
                    json.dumps({"status": there}))  # fmt: skip
    status, words = write_status(mine, data_object, {"replicas": [], "sizeBytes": 4})
    assert (status, "that of one of the copies" in words) == (403, True), words
    status, words = write_status(mine, data_object, {"replicas": [], "sizeBytes": 0, "objectCount": 0})
    assert status == 200, words


def test_a_pinned_size_and_a_declared_location_are_told_as_they_stand_in_the_spec(
    running: cluster.Cluster, mine: Send, other: Send
) -> None:
    spec = {"urn": "photos/y", "sizeBytes": 12, "locations": [{"node": "mine"}]}
    running.api.request("POST", OBJECTS, {**whole("declared"), "metadata": {"name": "declared"}, "spec": spec})
    entries = [replica("mine", "", sizeBytes=12)]
    status, words = summed(mine, "declared", "mine", entries, sizeBytes=12, replicaCount=1, nodesText="mine")
    assert status == 200, words
    status, words = summed(mine, "declared", "mine", [replica("mine", "s", sizeBytes=99)], sizeBytes=99)
    assert (status, "the size that spec.sizeBytes pins" in words) == (403, True), words
    status, words = summed(other, "declared", "other", [replica("other", "")])
    assert (status, "because spec.locations names it" in words) == (403, True), words


def test_who_has_no_copy_sums_up_nothing(mine: Send, shared: str) -> None:
    for sums in ({"replicaCount": 0}, {"objectCount": 5}, {"conditions": [condition("Ready")]}):
        status, words = summed(mine, shared, "mine", [], **sums)
        assert (status, "has no copy here" in words) == (403, True), words


FALSE: list[Any] = [
    pytest.param({"sizeBytes": 10**15}, "that of one of the copies", id="size of no copy"),
    pytest.param({"sizeBytes": 0}, "that of one of the copies", id="no size at all"),
    pytest.param({"replicaCount": 3}, "at most the number of copies", id="count"),
    pytest.param({"nodesText": "mine,third"}, "and no others", id="nodes"),
    pytest.param({"nodesText": "mine, ..."}, "and no others", id="cut where nothing needs cutting"),
    pytest.param({"granularity": "Bucket"}, "follows from spec.urn", id="granularity"),
    pytest.param({"observedGeneration": 9}, "a generation of this object", id="generation"),
    pytest.param({"conditions": [condition("Available", "True")]}, "may set only Ready", id="scheduler's condition"),
    pytest.param({"conditions": [condition("Mine", "True")]}, "may set only Ready", id="invented condition"),
    pytest.param(
        {"expected": [{"node": "mine", "producer": "a/b", "confidence": 1, "since": "2026-01-02T03:04:05Z"}]},
        "the scheduler says and no daemon",
        id="expected output",
    ),
]


@pytest.mark.parametrize(("sums", "words"), FALSE)
def test_a_daemon_with_a_copy_cannot_sum_up_what_is_not_there(
    mine: Send, shared: str, sums: dict[str, Any], words: str
) -> None:
    status, said = summed(mine, shared, "mine", OWN, **sums)
    assert (status, words in said) == (403, True), said


def test_what_the_scheduler_wrote_cannot_be_taken_away(mine: Send, shared: str) -> None:
    here = [replica("other", "a", sizeBytes=7), *OWN]
    for gone, words in ((("expected", None), "no daemon"), (("conditions", []), "may set only Ready")):
        status, said = write_status(mine, shared, {"replicas": here, gone[0]: gone[1]})
        assert (status, words in said) == (403, True), said


ENTRIES: list[Any] = [
    pytest.param(replica("mine", ""), id="a location that nobody declared"),
    pytest.param(replica("mine", "s", region="west"), id="a region of its own"),
    pytest.param(replica("mine", "s", zone="w1"), id="a zone of its own"),
    pytest.param(replica("external", "tenant/minio", region="west"), id="a Service's store outside the cluster"),
    pytest.param(replica("external", ""), id="outside the cluster, without a store"),
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_copy_lies_where_copies_can_lie(mine: Send, shared: str, entry: dict[str, Any]) -> None:
    status, words = summed(mine, shared, "mine", [entry])
    assert (status, "a copy lies in a store of the node" in words) == (403, True), words


@pytest.mark.usefixtures("mine")
def test_a_token_that_names_no_node_writes_no_object(running: cluster.Cluster, data_object: str) -> None:
    send = sender(running.service_account_kubeconfig(NAMESPACE, ACCOUNT))
    for status, words in (apply_object(send, whole("nobodys")), write_status(send, data_object, {"sizeBytes": 1})):
        assert (status, "the token of this daemon names no node" in words) == (403, True), words
