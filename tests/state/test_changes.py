"""The log of changes: nothing that a decision reads changes without a note of it, and what stays leaves none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given, stateful
from hypothesis import strategies as st

from scheduler.api import core
from scheduler.state import changes, podterms, snapshot
from tests import exploring
from tests.state import build, test_cluster_laws
from tests.state.build import Object

KEYS = (*test_cluster_laws.KEYS, "zone")
NAMESPACES = ("default", build.HOME, "other")
EVERYBODY = podterms.Wanted(core.LabelSelector(), None, "tier")
LABELLED_X = podterms.Wanted(core.LabelSelector(match_labels={"app": "x"}), None, "tier")
NOW_S = build.time_s(test_cluster_laws.NOW)

pytestmark = pytest.mark.timeout(600)


@given(notes=st.lists(st.tuples(st.integers(-1, 5), st.integers(1, 7)), max_size=30), back=st.integers(0, 40))
def test_what_came_since_is_the_union_by_slot(notes: list[tuple[int, int]], back: int) -> None:
    log = changes.Log(8)
    for slot, facets in notes:
        log.note(slot, facets)
    assert log.seq == len(notes)
    latest = notes[max(len(notes) - back, 0) :]
    wanted = {slot: 0 for slot, _ in latest}
    for slot, facets in latest:
        wanted[slot] |= facets
    seq = max(len(notes) - back, 0)
    assert log.since(seq) == wanted
    for at_most in range(len(notes)):
        assert log.since(seq, at_most) == (wanted if len(latest) <= at_most else None)
    for asked in range(8):
        assert log.concerns(asked, seq) == any(asked & facets for _, facets in latest)


def test_what_is_dropped_is_told_apart_from_nothing() -> None:
    log = changes.Log(1)
    for turn in range(100_000):
        log.note(turn, changes.USE)
        if turn % 999 == 0:
            assert log.since(log.seq - 1) == {turn: changes.USE}
    assert log.since(0) is None
    assert log.since(log.seq) == {}
    kept = log.since(log.seq - 1000)
    assert kept is not None
    assert len(kept) == 1000


class Noted(test_cluster_laws.Machine):
    """What the log says between two steps, against what they really changed."""

    def __init__(self) -> None:
        super().__init__()
        self.seq = 0
        self.before: dict[Any, Any] = {}

    def equals_a_cluster_built_anew(self) -> None:
        """Stated elsewhere."""

    def nothing_is_negative_and_free_slots_are_empty(self) -> None:
        """Stated elsewhere."""

    @stateful.rule()
    def apply_all_again(self) -> None:
        seq = self.cluster.changes.seq
        for obj in self.nodes.values():
            self.cluster.apply_node(build.as_node(obj))
        for obj in self.capabilities.values():
            self.cluster.apply_capability(build.as_capability(obj))
        for obj in self.namespaces.values():
            self.cluster.apply_namespace(build.as_namespace(obj))
        for obj in self.objects.values():
            self.cluster.apply_data_object(build.as_data_object(obj))
        for obj in (*self.seen.values(), *self.nominated.values()):
            self.cluster.apply_pod(build.as_pod(obj))
        assert self.cluster.changes.seq == seq
        assert self.cluster.generation == seq

    @stateful.invariant()
    def every_change_is_noted(self) -> None:
        snap = self.cluster.freeze(NOW_S)
        noted = snap.changes.since(self.seq)
        assert noted is not None
        now = {name: (facets, slots, value) for facets, slots, name, value in read(snap) if value}
        for name in self.before.keys() | now.keys():
            facets, slots, value = now.get(name) or (*self.before[name][:2], None)
            if name not in self.before or self.before[name][2] != value:
                assert any(noted.get(slot, 0) & facets for slot in (changes.ALL, *slots)), name
        self.seq, self.before = snap.changes.seq, now


Read = Iterator[tuple[int, tuple[int, ...], Any, Any]]


def read(snap: snapshot.Snapshot) -> Read:
    """All that is read: facets and slots of which one must have been noted where it changed, a name, a value."""
    yield changes.IMAGES, (), "nodes", snap.count
    for name, image in snap.images.items():
        yield changes.IMAGES, (), ("image", name), (image.size_bytes, int(image.held.sum()))
    yield changes.NAMESPACES, (), "namespaces", {name: dict(of) for name, of in snap.neighbours.namespaces.items()}
    for uid, pod in snap.nominated_pods.items():
        index = snap.index_of.get(pod.status.nominated_node_name)
        if index is not None:
            yield changes.NOMINATED, (index,), ("nominated", uid), pod
    for namespace in NAMESPACES:
        for urn in test_cluster_laws.URNS:
            for find in (snap.where_is, snap.stores_for):
                facets = changes.OBJECTS | changes.STORES
                yield facets, tuple(range(snap.size)), (namespace, urn, find.__name__), find(namespace, urn)
    for index in range(snap.size):
        for facets, name, value in read_slot(snap, index):
            yield facets, (index,), (index, facets, name), value
        if snap.names[index]:
            yield from read_company(snap, index)
            yield from read_links(snap, index)


def read_slot(snap: snapshot.Snapshot, index: int) -> Iterator[tuple[int, Any, Any]]:
    offered, taken = snap.offered[:, index].tolist(), snap.taken[:, index].tolist()
    yield changes.ALIVE, "", snap.names[index]
    yield changes.CORDON, "", snap.unschedulable.item(index)
    yield changes.TAINTS, "", snap.taint_sets[snap.taint_set.item(index)]
    yield changes.OFFER, "", {name: offered[row] for name, row in snap.resource_row.items() if offered[row]}
    yield changes.USE, "", {name: taken[row] for name, row in snap.resource_row.items() if taken[row]}
    yield changes.USE, "scored", any(taken[3:5]) and taken[3:5]
    yield changes.FACTS, "", (snap.node_type[index], snap.has_gpu[index], snap.has_fast_storage[index])
    yield changes.FACTS, "capabilities", dict(snap.capabilities.of(index))
    yield changes.FEATURES, "", dict(snap.features.of(index))
    yield changes.LABELS, "", dict(snap.node_labels.of(index))
    yield changes.PLACE, "", snap.names[index] and snap.links.sites[int(snap.links.site_of[index])]
    yield changes.IMAGES, "", {name for name, image in snap.images.items() if image.held[index]}
    for namespace in NAMESPACES:
        yield changes.STORES, namespace, index in snap.local_storage(namespace)
    for key, by_ip in snap.ports.items():
        for ip, counts in by_ip.items():
            yield changes.PORTS, (key, ip), counts.get(index)


def read_company(snap: snapshot.Snapshot, index: int) -> Read:
    for key in KEYS:
        column = snap.node_labels.column(key)
        if column is None:
            continue
        domain = tuple(np.flatnonzero(column.ids[: snap.size] == column.ids[index]).tolist())
        for number, wanted in enumerate((EVERYBODY, LABELLED_X)):
            here = snap.neighbours.near([wanted], key).row(snap.size)
            if here is not None:
                yield changes.COMPANY | changes.LABELS, domain, ("company", index, key, number), here[index]


def read_links(snap: snapshot.Snapshot, index: int) -> Read:
    for outward in (True, False):
        bandwidth, latency = snap.reach(index, outward=outward)
        for other in snap.index_of.values():
            facets = changes.LINKS | changes.PLACE
            yield facets, (index, other), ("reach", index, other, outward), (bandwidth[other], latency[other])


TestEveryChangeIsNoted = Noted.TestCase
TestEveryChangeIsNoted.settings = hypothesis.settings(
    max_examples=exploring.examples(100), stateful_step_count=30, deadline=None
)


def heartbeat(obj: Object, moment: str) -> Object:
    return obj | {"metadata": obj["metadata"] | {"annotations": {"seen": moment}, "resourceVersion": moment}}


def test_heartbeats_leave_no_trace() -> None:
    made = build.state([build.node("a", images={"app:1": 5}, ready="True")], pods=[build.pod("p", on="a")])
    seq = made.changes.seq
    made.apply_node(build.as_node(heartbeat(build.node("a", images={"app:1": 5}, ready="True"), "1")))
    made.apply_pod(build.as_pod(heartbeat(build.pod("p", on="a", status={"phase": "Running"}), "1")))
    assert made.changes.seq == made.generation == seq


def test_a_pod_notes_its_node_alone() -> None:
    made = build.state([build.node("a"), build.node("b")])
    seq = made.changes.seq
    made.assume(build.as_pod(build.pod("p")), "b")
    assert made.changes.since(seq) == {made.freeze().index_of["b"]: changes.USE | changes.COMPANY}
