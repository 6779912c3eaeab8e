"""Laws of the cluster state: whatever the order of events, it is the same as a cluster built anew from what is left.

A state machine of hypothesis drives one Cluster through nodes that come, change, go and come back on other slots, pods
seen before their nodes, resized, finished, assumed, confirmed and forgotten, custom resources that change. After every
step the surviving objects are fed to a fresh Cluster, in another order, and the two are compared by node name.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import stateful
from hypothesis import strategies as st

from scheduler import errors
from scheduler.api import core
from scheduler.state import cluster, demand, network, podterms, snapshot, tallies, usage, validation
from tests import exploring
from tests.state import build
from tests.state.build import Object

NODES = [f"n{number}" for number in range(6)]
PODS = [f"p{number}" for number in range(7)]
CPU = ["0", "100m", "1", "2500m"]
MEMORY = ["1Mi", "1500m", "3Gi"]
GPU = "example.com/gpu"
KEYS = ["disk", "tier", "node-capability/fast-storage", "node-capability/storage-bucket-logs"]
URNS = ["logs", "logs/a/", "logs/a/b", "raw", "raw/x"]
TAINTS: list[Object] = [{"key": "k", "effect": "NoSchedule"}, {"key": "k", "value": "v", "effect": "PreferNoSchedule"}]
AWAY: list[Object] = [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]
LONG_AGO, NOW = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
SELECTORS: list[Object] = [
    {},
    {"matchLabels": {"app": "x"}},
    {"matchLabels": {"app": "x", "tier": "1"}},
    {"matchExpressions": [{"key": "app", "operator": "In", "values": ["x", "x"]}]},
    {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]},
]
TERMS: list[Object] = [
    {"topologyKey": KEYS[number % 2], "labelSelector": selector} for number, selector in enumerate(SELECTORS)
]
REQUIRED, PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
AFFINITIES: dict[int, Object] = {
    2: {"podAntiAffinity": {REQUIRED: TERMS[1:3]}},
    3: {"podAntiAffinity": {REQUIRED: TERMS[1:2], PREFERRED: [{"weight": 5, "podAffinityTerm": TERMS[3]}]}},
    4: {"podAffinity": {REQUIRED: TERMS[1:2], PREFERRED: [{"weight": 5, "podAffinityTerm": TERMS[3]}]}},
    5: {"podAffinity": {REQUIRED: [*TERMS[:2], TERMS[4]]}},
}
# A name has one size everywhere: which of several sizes counts depends on the order in which nodes were seen.
IMAGES = {"app:1": 50_000_000, "db:2": 900_000_000}

# A failing example of the state machine takes minutes to be made small.
pytestmark = pytest.mark.timeout(600)

node_names = st.sampled_from(NODES)


@st.composite
def nodes(draw: st.DrawFn) -> Object:
    name = draw(node_names)
    peers = draw(st.lists(node_names, max_size=2, unique=True))
    can = {f"bandwidth-to-{peer}": draw(st.sampled_from(["1000", "7e6"])) for peer in peers}
    return build.node(
        name,
        cpu=draw(st.sampled_from(["2", "3500m"])),
        pods=draw(st.sampled_from(["2", "110"])),
        more=draw(st.sampled_from([{}, {GPU: "4"}, {"hugepages-2Mi": "64Mi"}])),
        region=draw(st.sampled_from(["", "eu", "us"])),
        zone=draw(st.sampled_from(["", "a", "b"])),
        kind=draw(st.sampled_from(["", "edge", "cloud"])),
        can=can,
        labels=draw(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(["", "1", "true", "false"]), max_size=3)),
        taints=draw(st.sampled_from([[], TAINTS[:1], TAINTS, AWAY])),
        ready=draw(st.sampled_from(["", "True", "False", "Unknown"])),
        cordoned=draw(st.booleans()),
        images=draw(st.sampled_from([{}, {"app:1": IMAGES["app:1"]}, IMAGES])),
    )


@st.composite
def versions(draw: st.DrawFn, uid: str, on: str) -> Object:
    """A version of a pod: what never changes during its life follows from its uid, the rest is drawn."""
    number = PODS.index(uid)
    requests = {"cpu": draw(st.sampled_from(CPU)), "memory": draw(st.sampled_from(MEMORY))}
    if number % 3 == 0:
        requests[GPU] = "1"
    ports = [{"hostPort": 80 + number % 2, "hostIP": draw(st.sampled_from(["", "10.0.0.1"]))}] if number % 2 else []
    containers = [build.container(ports=ports, **requests), build.container("bare")]
    spec: Object = {"overhead": {"cpu": "50m"}} if number == 1 else {}
    if number in AFFINITIES:
        spec["affinity"] = AFFINITIES[number]
    status: Object = {"phase": draw(st.sampled_from(["Running", "Pending", "Running", "Succeeded", "Failed"]))}
    if draw(st.booleans()):
        granted = {"requests": {"cpu": draw(st.sampled_from(CPU))}}
        status["containerStatuses"] = [{"name": "main", "resources": granted}]
        if draw(st.booleans()):
            status["conditions"] = [{"type": "PodResizePending", "status": "True", "reason": "Infeasible"}]
    labels = draw(st.sampled_from([{}, {"app": "x"}, {"app": "y"}, {"app": "x", "tier": "1"}]))
    return build.pod(uid, *containers, on=on, labels=labels, status=status, **spec)


@st.composite
def capabilities(draw: st.DrawFn) -> Object:
    links = [build.link(draw(node_names), bandwidth=draw(st.sampled_from([0, 5000])), latency_s=0.25)]
    return build.capability(
        draw(node_names),
        declared=draw(st.sampled_from([{}, {"tpu": "v2"}, {"fast-storage": "false"}])),
        found=draw(st.sampled_from([{}, {"fast-storage": "true"}])),
        stores=draw(st.sampled_from([[], [build.store("logs", "raw")], [build.store("raw", available=False)], STORES])),
        links=draw(st.sampled_from([[], links])),
        kind=draw(st.sampled_from(["", "edge"])),
        region=draw(st.sampled_from(["", "eu"])),
        accelerators=draw(st.sampled_from([[], [{"resource": "nvidia.com/gpu", "count": 1}]])),
    )


def replicas() -> st.SearchStrategy[Object]:
    return st.builds(
        build.replica,
        st.one_of(node_names, st.just("external")),
        st.sampled_from(["minio", "far"]),
        seen=st.sampled_from(["", LONG_AGO, NOW]),
    )


@st.composite
def data_objects(draw: st.DrawFn) -> Object:
    return build.data_object(
        draw(st.sampled_from(URNS)),
        at=draw(st.lists(node_names, max_size=2, unique=True)),
        replicas=draw(st.lists(replicas(), max_size=2)),
        gone=draw(st.lists(node_names, max_size=1)),
        declared=draw(st.lists(node_names, max_size=1)),
        size=draw(st.sampled_from([None, 10])),
        namespace=draw(st.sampled_from(["default", build.HOME])),
        name=draw(st.sampled_from(["o1", "o2", "o3"])),
    )


# Asked at different times, for one namespace, and of one outside.
STORES = [
    build.store("logs", seen=LONG_AGO),
    build.store("logs", name="theirs", namespace="other", seen=NOW),
    build.store(name="far", role="Probes", seen=NOW),
]


class Machine(stateful.RuleBasedStateMachine):
    """The cluster under test, and a plain record of what is there."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = cluster.Cluster(build.PRIOR, build.HOME, capacity=1)
        self.nodes: dict[str, Object] = {}
        self.capabilities: dict[str, Object] = {}
        self.objects: dict[tuple[str, str], Object] = {}
        self.namespaces: dict[str, Object] = {}
        self.seen: dict[str, Object] = {}
        self.nominated: dict[str, Object] = {}
        self.assumed: dict[str, tuple[Object, str]] = {}

    @stateful.rule(obj=nodes())
    def apply_node(self, obj: Object) -> None:
        self.cluster.apply_node(build.as_node(obj))
        self.nodes[obj["metadata"]["name"]] = obj

    @stateful.rule(name=node_names)
    def remove_node(self, name: str) -> None:
        self.cluster.remove_node(name)
        self.nodes.pop(name, None)

    @stateful.rule(name=node_names)
    def apply_unreadable_node(self, name: str) -> None:
        with pytest.raises(errors.InputError):
            self.cluster.apply_node(build.as_node(build.node(name, memory="8 GB")))

    @stateful.rule(obj=capabilities())
    def apply_capability(self, obj: Object) -> None:
        self.cluster.apply_capability(build.as_capability(obj))
        self.capabilities[obj["metadata"]["name"]] = obj

    @stateful.rule(name=node_names)
    def remove_capability(self, name: str) -> None:
        self.cluster.remove_capability(name)
        self.capabilities.pop(name, None)

    @stateful.rule(name=st.sampled_from(["default", "other"]), labels=st.sampled_from([{}, {"team": "t"}]))
    def apply_namespace(self, name: str, labels: dict[str, str]) -> None:
        self.namespaces[name] = {"metadata": {"name": name, "labels": labels}}
        self.cluster.apply_namespace(build.as_namespace(self.namespaces[name]))

    @stateful.rule(name=st.sampled_from(["default", "other"]))
    def remove_namespace(self, name: str) -> None:
        self.cluster.remove_namespace(name)
        self.namespaces.pop(name, None)

    @stateful.rule(obj=data_objects())
    def apply_data_object(self, obj: Object) -> None:
        self.cluster.apply_data_object(build.as_data_object(obj))
        self.objects[obj["metadata"]["namespace"], obj["metadata"]["name"]] = obj

    @stateful.rule(namespace=st.sampled_from(["default", build.HOME]), name=st.sampled_from(["o1", "o2", "o3"]))
    def remove_data_object(self, namespace: str, name: str) -> None:
        self.cluster.remove_data_object(namespace, name)
        self.objects.pop((namespace, name), None)

    @stateful.rule(data=st.data(), uid=st.sampled_from(PODS), on=node_names)
    def apply_assigned_pod(self, data: st.DataObject, uid: str, on: str) -> None:
        obj = data.draw(versions(uid, on))
        self.cluster.apply_pod(build.as_pod(obj))
        self._gone(uid)
        if obj["status"]["phase"] not in {"Succeeded", "Failed"}:
            self.seen[uid] = obj

    @stateful.rule(data=st.data(), labels=st.sampled_from([{}, {"app": "x"}, {"app": "y"}]))
    @stateful.precondition(lambda self: self.seen)
    def relabel(self, data: st.DataObject, labels: dict[str, str]) -> None:
        uid = data.draw(st.sampled_from(sorted(self.seen)))
        obj = self.seen[uid]
        self.seen[uid] = obj | {"metadata": obj["metadata"] | {"labels": labels}}
        self.cluster.apply_pod(build.as_pod(self.seen[uid]))

    @stateful.rule(data=st.data(), uid=st.sampled_from(PODS), nominated=st.sampled_from(["", "n1"]))
    def apply_pending_pod(self, data: st.DataObject, uid: str, nominated: str) -> None:
        obj = data.draw(versions(uid, ""))
        obj["status"]["nominatedNodeName"] = nominated
        self.cluster.apply_pod(build.as_pod(obj))
        finished = obj["status"]["phase"] in {"Succeeded", "Failed"}
        if uid in self.assumed and not finished:
            return  # a version from before the binding that is under way
        self._gone(uid)
        if nominated and not finished:
            self.nominated[uid] = obj

    @stateful.rule(uid=st.sampled_from(PODS))
    def remove_pod(self, uid: str) -> None:
        self.cluster.remove_pod(f"uid-{uid}")
        self._gone(uid)

    @stateful.rule(data=st.data(), uid=st.sampled_from(PODS), on=node_names)
    def assume(self, data: st.DataObject, uid: str, on: str) -> None:
        obj = data.draw(versions(uid, ""))
        decided = data.draw(st.sampled_from([None, demand.of(build.as_pod(obj), runs=False)]))
        if on not in self.nodes or uid in self.seen or uid in self.assumed:
            with pytest.raises(KeyError):
                self.cluster.assume(build.as_pod(obj), on)
            return
        self.cluster.assume(build.as_pod(obj), on, decided)
        self._gone(uid)
        self.assumed[uid] = (obj, on)

    @stateful.rule(data=st.data())
    @stateful.precondition(lambda self: self.assumed)
    def confirm(self, data: st.DataObject) -> None:
        uid = data.draw(st.sampled_from(sorted(self.assumed)))
        obj, on = self.assumed.pop(uid)
        obj = obj | {"spec": obj["spec"] | {"nodeName": on}, "status": {"phase": "Pending"}}
        self.cluster.apply_pod(build.as_pod(obj))
        self.seen[uid] = obj

    @stateful.rule(uid=st.sampled_from(PODS))
    def forget(self, uid: str) -> None:
        generation = self.cluster.generation
        self.cluster.forget(f"uid-{uid}")
        if self.assumed.pop(uid, None) is None:
            assert self.cluster.generation == generation, "to forget a pod that is not assumed changes nothing"

    def _gone(self, uid: str) -> None:
        for record in (self.seen, self.nominated, self.assumed):
            record.pop(uid, None)

    @stateful.invariant()
    def equals_a_cluster_built_anew(self) -> None:
        bound = [obj | {"spec": obj["spec"] | {"nodeName": on}} for obj, on in self.assumed.values()]
        for obj in bound:  # finished versions cannot be assumed to run
            obj["status"] = obj["status"] | {"phase": "Pending"}
        fresh = cluster.Cluster(build.PRIOR, build.HOME, capacity=16)
        for obj in self.objects.values():
            fresh.apply_data_object(build.as_data_object(obj))
        for obj in reversed([*self.seen.values(), *self.nominated.values(), *bound]):
            fresh.apply_pod(build.as_pod(obj))
        for obj in self.namespaces.values():
            fresh.apply_namespace(build.as_namespace(obj))
        for obj in self.capabilities.values():
            fresh.apply_capability(build.as_capability(obj))
        for name in sorted(self.nodes, reverse=True):
            fresh.apply_node(build.as_node(self.nodes[name]))
        found, expected = describe(self.cluster), describe(fresh)
        assert found.pop("assumed") == {f"uid-{uid}" for uid in self.assumed}
        expected.pop("assumed")
        for part, value in expected.items():
            assert found[part] == value, part

    def teardown(self) -> None:
        """In the end all goes, and nothing is left of it."""
        validation.check(self.cluster)
        for name in sorted(self.nodes):
            self.cluster.remove_node(name)
            validation.check(self.cluster)
        for uid in PODS:
            self.cluster.remove_pod(f"uid-{uid}")
        for name in [*self.capabilities]:
            self.cluster.remove_capability(name)
        for name in [*self.namespaces]:
            self.cluster.remove_namespace(name)
        for namespace, name in self.objects:
            self.cluster.remove_data_object(namespace, name)
        validation.check(self.cluster)
        snap = self.cluster.freeze()
        assert snap.resource_row.keys() == {"cpu", "memory", "ephemeral-storage", "pods"}
        assert not any((snap.ports, snap.images, snap.placed, snap.nominated_pods, *snap.taint_sets))
        for table in (snap.node_labels, snap.capabilities, snap.features):
            assert not table.columns()
        assert not snap.neighbours.cohorts.counts()
        assert not [*snap.neighbours.repelling.terms(), *snap.neighbours.drawing.terms()]
        assert set(snap.links.sites) == {network.Site("", "", "")}

    @stateful.invariant()
    def nothing_is_negative_and_free_slots_are_empty(self) -> None:
        snap = self.cluster.freeze()
        for array in (snap.offered, snap.taken):
            assert (array >= 0).all()
            assert not array[..., ~snap.alive].any()
        for by_ip in snap.ports.values():
            for counts in by_ip.values():
                assert counts
                assert all(count > 0 and snap.alive[index] for index, count in counts.items())
        assert snap.count == snap.alive.sum() == len(self.nodes)


def describe(of: cluster.Cluster) -> dict[str, Any]:
    """All that a snapshot tells, by node name instead of slot."""
    snap = of.freeze()
    placed = {uid: (one.node, snap.names[one.index] if one.index >= 0 else "") for uid, one in snap.placed.items()}
    entries = {}
    for namespace in ("default", build.HOME, "other"):
        for urn in (*URNS, "logs/a/c", "logs/z"):
            for find in (snap.where_is, snap.stores_for):
                entry = find(namespace, urn)
                entries[namespace, urn, find.__name__] = entry
                assert entry is None or all(snap.index_of.get(name, -1) >= 0 for name in entry.nodes)
    return {
        "nodes": {name: _describe_node(snap, index) for name, index in snap.index_of.items()},
        "images": {name: image.size_bytes for name, image in snap.images.items()},
        "placed": placed,
        "assumed": {uid for uid in snap.placed if of.is_assumed(uid)},
        **_describe_neighbours(snap),
        "nominated": {uid: pod.status.nominated_node_name for uid, pod in snap.nominated_pods.items()},
        "locations": entries,
    }


def _describe_neighbours(snap: snapshot.Snapshot) -> dict[str, Any]:
    """Who is where and wants what, as every term finds it that asks for one label or one namespace, and for nothing."""

    def where(tally: tallies.Tally) -> dict[str, int]:
        return {name: tally.of(index) for name, index in snap.index_of.items() if tally.of(index)}

    found: dict[str, Any] = {"namespaces": {name: dict(of) for name, of in snap.neighbours.namespaces.items()}}
    tier_one = podterms.Wanted(core.LabelSelector({"tier": "1"}), None, "disk")
    for selector in SELECTORS:
        for namespaces in (None, frozenset(), frozenset({"default"}), frozenset({"default", "other"})):
            term = podterms.Wanted(core.convert(selector, core.LabelSelector, "s"), namespaces, "zone")
            for meant in ([term], [term, tier_one]):
                for key in ("disk", "tier", tallies.BY_SLOT):
                    found[f"{meant} by {key}"] = where(snap.neighbours.near(meant, key))
    for name, table in (("repelling", snap.neighbours.repelling), ("drawing", snap.neighbours.drawing)):
        for labels in ({}, {"app": "x"}, {"app": "y", "tier": "1"}):
            asking = build.as_pod(build.pod("asking", labels=labels))
            terms = table.meaning(asking, snap.neighbours.namespaces)
            found[f"{name} {labels}"] = sorted(
                (str(each.term), str(each.weight), each.pods, sorted(where(each.tally).items())) for each in terms
            )
    return found


def _describe_node(snap: snapshot.Snapshot, index: int) -> dict[str, Any]:
    offered, taken = snap.offer_of(index), snap.use_of(index)
    assert (offered, taken) == (snap.offered[:, index].tolist(), snap.taken[:, index].tolist())
    assert _columns(snap.node_labels, index, snap.size, list(snap.node_labels.of(index))) == snap.node_labels.of(index)
    assert _columns(snap.capabilities, index, snap.size, list(snap.capabilities.of(index))) == snap.capabilities.of(
        index
    )
    assert snap.taints_of(index) == snap.taint_sets[int(snap.taint_set[index])]
    rows = {name: (offered[row], taken[row]) for name, row in snap.resource_row.items()}
    reach = {}
    for outward in (True, False):
        bandwidth, latency = snap.reach(index, outward=outward)
        reach[outward] = {name: (bandwidth[at], latency[at]) for name, at in snap.index_of.items()}
    return {
        "resources": {name: amounts for name, amounts in rows.items() if any(amounts)},
        "scored": (taken[usage.NONZERO_CPU], taken[usage.NONZERO_MEMORY]),
        "ports": {
            (*key, ip): counts[index]
            for key, by_ip in snap.ports.items()
            for ip, counts in by_ip.items()
            if index in counts
        },
        "labels": _columns(snap.node_labels, index, snap.size, KEYS),
        "capabilities": _columns(snap.capabilities, index, snap.size, ["fast-storage", "tpu", "storage-bucket-logs"]),
        "taints": snap.taint_sets[int(snap.taint_set[index])],
        "cordoned": bool(snap.unschedulable[index]),
        "hardware": (
            int(snap.node_type[index]),
            bool(snap.has_gpu[index]),
            bool(snap.has_fast_storage[index]),
            *(index in snap.local_storage(namespace) for namespace in ("default", "other")),
        ),
        "images": {name for name, image in snap.images.items() if image.held[index]},
        "site": snap.links.sites[int(snap.links.site_of[index])],
        "reach": reach,
    }


def _columns(table: Any, index: int, size: int, keys: list[str]) -> dict[str, str]:
    found = {}
    for key in keys:
        column = table.column(key)
        if column is not None and column.present(size)[index]:
            (found[key],) = [value for value in column.values if column.among((value,), size)[index]]
    return found


TestClusterLaws = Machine.TestCase
TestClusterLaws.settings = hypothesis.settings(
    max_examples=exploring.examples(60), stateful_step_count=40, deadline=None
)


def test_a_snapshot_cannot_be_written_to() -> None:
    made = build.state([build.node("a", images=IMAGES)], pods=[build.pod("p", on="a")])
    snap = made.freeze()
    arrays = {
        field.name: value
        for field in dataclasses.fields(snap)
        if isinstance(value := getattr(snap, field.name), np.ndarray)
    }
    assert {"alive", "offered", "taken", "node_type", "has_gpu", "taint_set"} <= arrays.keys()
    for name, array in arrays.items():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
        assert array.size, name
    # The state behind it goes on.
    made.apply_pod(build.as_pod(build.pod("q", on="a")))
    assert made.freeze().taken[usage.PODS].tolist() == [2]


def test_a_pod_is_counted_from_its_assumption_on_and_once_only() -> None:
    made = build.state([build.node("a")])
    mine = build.pod("p", build.container(cpu="1"))
    made.assume(build.as_pod(mine), "a")
    assert (made.is_assumed("uid-p"), made.is_placed("uid-p")) == (True, True)
    assumed = describe(made)["nodes"]
    made.apply_pod(build.as_pod(mine | {"spec": mine["spec"] | {"nodeName": "a"}}))
    assert not made.is_assumed("uid-p")
    assert describe(made)["nodes"] == assumed
    made.forget("uid-p")
    assert describe(made)["nodes"] == assumed
    assert made.is_placed("uid-p")


def test_an_assumed_pod_seen_elsewhere_counts_there_alone() -> None:
    made = build.state([build.node("a"), build.node("b")])
    made.assume(build.as_pod(build.pod("p")), "a")
    made.apply_pod(build.as_pod(build.pod("p", on="b")))
    snap = made.freeze()
    assert snap.taken[usage.PODS, [snap.index_of["a"], snap.index_of["b"]]].tolist() == [0, 1]


def test_an_unreadable_pod_is_not_counted_and_says_so() -> None:
    made = build.state([build.node("a")], pods=[build.pod("p", build.container(cpu="1"), on="a")])
    with pytest.raises(errors.InputError, match="one core"):
        made.apply_pod(build.as_pod(build.pod("p", build.container(cpu="one core"), on="a")))
    assert not made.freeze().taken.any()


def test_a_nomination_counts_again_once_the_assumption_did_not_come_true() -> None:
    made = build.state([build.node("a")])
    made.apply_pod(build.as_pod(build.pod("p", status={"nominatedNodeName": "a"})))
    made.assume(build.as_pod(build.pod("p", status={"nominatedNodeName": "a"})), "a")
    assert not made.freeze().nominated_pods
    made.forget("uid-p")
    assert set(made.freeze().nominated_pods) == {"uid-p"}


def test_the_only_node_with_an_image_may_correct_its_size() -> None:
    # kube-scheduler's cache takes the node's images out and in again, so that the size is the new one.
    made = build.state([build.node("a", images={"app:1": 0})])
    made.apply_node(build.as_node(build.node("a", images={"app:1": 700_000_000})))
    assert made.freeze().images["app:1"].size_bytes == 700_000_000


def test_an_image_named_by_nobody_any_more_is_forgotten() -> None:
    made = build.state([build.node("a", images=IMAGES), build.node("b", images=IMAGES)])
    made.remove_node("a")
    assert set(made.freeze().images) == set(IMAGES)
    made.apply_node(build.as_node(build.node("b")))
    assert not made.freeze().images


def test_labels_that_change_all_the_time_do_not_fill_the_memory() -> None:
    # node-capability/last-updated is written anew on every node every half minute by the earlier implementation.
    made = build.state([build.node("a")])
    for moment in range(3000):
        made.apply_node(build.as_node(build.node("a", can={"last-updated": str(moment)})))
    column = made.freeze().node_labels.column("node-capability/last-updated")
    assert column is not None
    assert len(column.values) < 1000
