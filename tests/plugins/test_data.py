"""What transfers take: worked out by site and kept between decisions, it is what each node alone would have."""

from __future__ import annotations

import datetime
import itertools
import operator
import random
from collections.abc import Callable, Sequence
from typing import TypeVar

import hypothesis
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import config
from scheduler.api import core, crd
from scheduler.plugins import request
from scheduler.plugins.data import cost, moves, spread
from scheduler.state import cluster, snapshot
from tests import exploring
from tests.state import build
from tests.state.build import Object

# A failing example takes minutes to be made small.
pytestmark = pytest.mark.timeout(600)

Value = TypeVar("Value")

SETTINGS = config.Settings()
NODES = [f"n{number}" for number in range(5)]
PEERS = [*NODES, "zone:eu/a", "zone:us/b"]
START_S = 1_800_000_000.0
URNS = ["logs", "logs/a/", "logs/a/b", "raw", "raw/x"]
SPACES = ["default", build.HOME]
OBJECTS = ["o1", "o2", "o3", "o4"]
# Before, at and long after the moments at which things are seen; a witness counts for 15 minutes.
TIMES_S = [-3600.0, -700.0, 0.0, 0.0, 10.0, 601.0, 901.0, 7200.0]
PODS = [
    request.prepare(build.as_pod(build.pod("new", notes=notes, namespace=namespace)))
    for namespace in ("default", "other")
    for notes in (
        build.data(inputs=["logs/a/b,50000000"]),
        build.data(inputs=["raw,0", "logs/a/c,7,3", "logs/a/b,0,2"], outputs=["raw/x,900000000", "none/x,5"]),
        build.data(outputs=["logs/a/b,8"], data_sources="logs,raw"),
    )
]


def text(time_s: float) -> str:
    return datetime.datetime.fromtimestamp(time_s, datetime.UTC).isoformat().replace("+00:00", "Z")


# What may be seen of the cluster is drawn of pools: to make an object of its parts costs more than all that is asked.
rng = random.Random(1)


def some(values: Sequence[Value], most: int) -> list[Value]:
    return rng.sample(values, rng.randint(0, most))


def seen() -> str:
    return rng.choice(["", text(START_S + rng.choice(TIMES_S))])


def nodes(name: str) -> list[core.Node]:
    return [
        build.as_node(
            build.node(
                name,
                region=region,
                zone=zone,
                kind=rng.choice(["", "edge", "cloud"]),
                can={f"bandwidth-to-{rng.choice(NODES)}": "7e8"} if rng.random() < 0.5 else {},
                ready=rng.choice(["", "", "", "True", "False"]),
            )
        )
        for region, zone in itertools.product(["eu", "us"], ["", "a", "b"])
        for _ in range(3)
    ]


def link() -> Object:
    made = build.link(rng.choice(PEERS), bandwidth=rng.choice([0, 5000, 9_000_000_000]))
    more = {"direction": rng.choice(["To", "From"]), "confidence": rng.choice([0.5, 1.0])}
    return made | {"latencySeconds": rng.choice([0.0, 0.25]), "lastProbeTime": seen()} | more


def store() -> Object:
    return build.store(
        *some(["logs", "raw"], 2),
        available=rng.choice([True, True, False]),
        name=rng.choice(["minio", "far"]),
        namespace=rng.choice(["", "", "other"]),
        seen=seen(),
        role=rng.choice(["Stores", "Stores", "Probes"]),
    )


def capability(name: str) -> crd.NodeCapability:
    found = build.capability(
        name,
        stores=[store() for _ in range(rng.randint(0, 2))],
        links=[link() for _ in range(rng.randint(0, 2))],
    )
    return build.as_capability(found)


def data_object() -> crd.DataObject:
    ends = [*NODES, *NODES, "external"]
    replicas = [
        build.replica(rng.choice(ends), rng.choice(["minio", "far"]), seen=seen()) for _ in range(rng.randint(0, 2))
    ]
    made = build.data_object(
        rng.choice(URNS),
        at=some(NODES, 3),
        gone=some(NODES, 1),
        declared=some(NODES, 1),
        size=rng.choice([None, 70_000_000]),
        namespace=rng.choice(SPACES),
        name=rng.choice(OBJECTS),
        replicas=[one | {"region": "us", "zone": "b"} for one in replicas],
    )
    made["status"]["expected"] = [{"node": end, "confidence": 0.75, "sizeBytes": 4000} for end in some(ends, 1)]
    return build.as_data_object(made)


NODES_SEEN = {name: nodes(name) for name in NODES}
CAPABILITIES_SEEN = {name: [capability(name) for _ in range(40)] for name in NODES}
OBJECTS_SEEN = [data_object() for _ in range(300)]

Event = Callable[["World"], object]


class World:
    """A cluster, and what it should be made of."""

    def __init__(self) -> None:
        self.cluster = cluster.Cluster(build.PRIOR, build.HOME, capacity=1)
        self.now_s = START_S
        self.nodes: dict[str, core.Node] = {}
        self.capabilities: dict[str, crd.NodeCapability] = {}
        self.objects: dict[tuple[str, str], crd.DataObject] = {}

    def time_is(self, at_s: float) -> None:
        self.now_s = START_S + at_s

    def time_passes(self, by_s: float) -> None:
        self.now_s += by_s

    def is_ready(self, name: str, ready: str) -> None:
        if name in self.nodes:
            conditions = (core.NodeCondition(type="Ready", status=ready),)
            status = msgspec.structs.replace(self.nodes[name].status, conditions=conditions)
            self.node(msgspec.structs.replace(self.nodes[name], status=status))

    def node(self, node: core.Node) -> None:
        self.nodes[node.metadata.name] = node
        self.cluster.apply_node(node)

    def no_node(self, name: str) -> None:
        self.nodes.pop(name, None)
        self.cluster.remove_node(name)

    def capability(self, made: crd.NodeCapability) -> None:
        self.capabilities[made.metadata.name] = made
        self.cluster.apply_capability(made)

    def no_capability(self, name: str) -> None:
        self.capabilities.pop(name, None)
        self.cluster.remove_capability(name)

    def object(self, obj: crd.DataObject) -> None:
        self.objects[obj.metadata.namespace, obj.metadata.name] = obj
        self.cluster.apply_data_object(obj)

    def no_object(self, namespace: str, name: str) -> None:
        self.objects.pop((namespace, name), None)
        self.cluster.remove_data_object(namespace, name)

    def assume(self, name: str) -> None:
        if name in self.nodes:
            self.cluster.assume(build.as_pod(build.pod(f"p{self.cluster.generation}")), name)

    def anew(self) -> snapshot.Snapshot:
        """A cluster of the same, its nodes in another order."""
        made = cluster.Cluster(build.PRIOR, build.HOME)
        for name in sorted(self.nodes, reverse=True):
            made.apply_node(self.nodes[name])
        for obj in self.objects.values():
            made.apply_data_object(obj)
        for one in self.capabilities.values():
            made.apply_capability(one)
        return made.freeze(self.now_s)


def calls(what: str, *each: Sequence[object]) -> list[Event]:
    return [operator.methodcaller(what, *given) for given in itertools.product(*each)]


EVENTS: list[list[Event]] = [
    calls("time_is", TIMES_S),
    calls("time_passes", [1.0, 300.0, 850.0, 901.0]),
    calls("is_ready", NODES, ["True", "False"]),
    *(calls("node", made) for made in NODES_SEEN.values()),
    calls("no_node", NODES),
    *(calls("capability", made) for made in CAPABILITIES_SEEN.values()),
    calls("no_capability", NODES),
    *[calls("object", OBJECTS_SEEN)] * 3,
    calls("no_object", SPACES, OBJECTS),
    calls("assume", NODES),
]


def alone(view: snapshot.Snapshot, found: cost.DataCost) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The slow twin: every transfer from every end for every node, from whole rows, added up."""
    total = np.zeros(view.size)
    for move in found.moves:
        there = np.min([times(view, way.end, move) for way in move.nearest.ways], axis=0)
        if move.is_expected:
            there = move.confidence * there
        if move.otherwise is not None:
            rest = np.min([times(view, way.end, move) for way in move.otherwise.ways], axis=0)
            there = there + (1 - move.confidence) * rest
        total += there
    return total


def times(
    view: snapshot.Snapshot, end: spread.End, move: moves.Move
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    row = view.links_of(end, outward=not move.is_output)
    found: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = row.latency + move.size_bytes / row.bandwidth
    return found


def told(view: snapshot.Snapshot, found: cost.DataCost) -> object:
    """All that is said of a pod's transfers, by names in place of slots."""
    by_node = {}
    for name, slot in view.index_of.items():
        site = view.links.site_of.item(slot)
        by_node[name] = (
            found.seconds.item(slot),
            [
                (
                    move.seconds.at(slot, site),
                    moves.end_name(view, move.nearest.end(move.size_bytes, slot, site)),
                    move.otherwise and moves.end_name(view, move.otherwise.end(move.size_bytes, slot, site)),
                )
                for move in found.moves
            ],
        )
    whats = [
        (move.urn, move.size_bytes, move.is_output, move.confidence, move.is_expected, move.is_assumed)
        for move in found.moves
    ]
    return by_node, whats, found.unknown, found.unavailable, found.absent, found.processing_s


@hypothesis.settings(max_examples=exploring.examples(1000), deadline=None, print_blob=True)
@given(
    made=st.tuples(*(st.sampled_from(each) for each in NODES_SEEN.values())),
    serving=st.tuples(*(st.sampled_from(each) for each in CAPABILITIES_SEEN.values())),
    known=st.lists(st.sampled_from(OBJECTS_SEEN), min_size=2, max_size=4),
    history=st.lists(st.sampled_from(EVENTS).flatmap(st.sampled_from), max_size=8),
)
def test_what_is_kept_is_what_would_be_made_anew(
    made: tuple[core.Node, ...],
    serving: tuple[crd.NodeCapability, ...],
    known: list[crd.DataObject],
    history: list[Event],
) -> None:
    """A cluster whose transfers were asked for at every step, against one built anew, and against each node alone."""
    world, kept = World(), cost.Kept(SETTINGS)
    for node in made:
        world.node(node)
    for one in serving:
        world.capability(one)
    for obj in known:
        world.object(obj)
    for event in history:
        for pod in PODS:
            kept.cost(world.cluster.freeze(world.now_s), pod)
        event(world)
    view, fresh = world.cluster.freeze(world.now_s), world.anew()
    for pod in PODS:
        found = kept.cost(view, pod)
        assert found.seconds.tolist() == alone(view, found).tolist()
        assert found.costs(0.3, 5.0).tolist() == (0.3 * found.seconds / 5.0).tolist()
        assert [found.seconds_at(slot) for slot in range(view.size)] == found.seconds.tolist()
        assert told(view, found) == told(fresh, cost.Kept(SETTINGS).cost(fresh, pod))
    for namespace in ("default", "other"):
        here, there = ({one.names[slot] for slot in one.local_storage(namespace)} for one in (view, fresh))
        assert here == there
