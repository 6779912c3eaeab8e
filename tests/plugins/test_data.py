"""What transfers take: worked out by site and kept between decisions, it is what each node alone would have."""

from __future__ import annotations

import datetime

import hypothesis
import numpy as np
import pytest
from hypothesis import stateful
from hypothesis import strategies as st

from scheduler import config
from scheduler.plugins import request
from scheduler.plugins.data import cost, moves, spread
from scheduler.state import cluster, snapshot
from tests.state import build
from tests.state.build import Object

# A failing example of the state machine takes minutes to be made small.
pytestmark = pytest.mark.timeout(600)

SETTINGS = config.Settings()
NODES = [f"n{number}" for number in range(5)]
PEERS = [*NODES, "zone:eu/a", "zone:us/b"]
START_S = 1_800_000_000.0
URNS = ["logs", "logs/a/", "logs/a/b", "raw", "raw/x"]
node_names = st.sampled_from(NODES)
several_nodes = st.lists(node_names, max_size=3, unique=True)
# Before, at and long after the moments at which things are seen; a witness counts for 15 minutes.
times_s = st.sampled_from([-3600.0, -700.0, 0.0, 0.0, 10.0, 601.0, 901.0, 7200.0]).map(lambda at: START_S + at)
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


seen = st.one_of(st.just(""), times_s.map(text))


@st.composite
def nodes(draw: st.DrawFn, name: str = "") -> Object:
    return build.node(
        name or draw(node_names),
        region=draw(st.sampled_from(["eu", "us"])),
        zone=draw(st.sampled_from(["", "a", "b"])),
        kind=draw(st.sampled_from(["", "edge", "cloud"])),
        can={f"bandwidth-to-{draw(node_names)}": "7e8"} if draw(st.booleans()) else {},
        ready=draw(st.sampled_from(["", "", "", "True", "False"])),
    )


@st.composite
def links(draw: st.DrawFn) -> Object:
    link = build.link(draw(st.sampled_from(PEERS)), bandwidth=draw(st.sampled_from([0, 5000, 9_000_000_000])))
    more = {"direction": draw(st.sampled_from(["To", "From"])), "confidence": draw(st.sampled_from([0.5, 1.0]))}
    return link | {"latencySeconds": draw(st.sampled_from([0.0, 0.25])), "lastProbeTime": draw(seen)} | more


@st.composite
def stores(draw: st.DrawFn) -> Object:
    return build.store(
        *draw(st.lists(st.sampled_from(["logs", "raw"]), unique=True)),
        available=draw(st.sampled_from([True, True, False])),
        name=draw(st.sampled_from(["minio", "far"])),
        namespace=draw(st.sampled_from(["", "", "other"])),
        seen=draw(seen),
        role=draw(st.sampled_from(["Stores", "Stores", "Probes"])),
    )


@st.composite
def objects(draw: st.DrawFn) -> Object:
    ends = st.one_of(node_names, node_names, st.just("external"))
    copies = st.builds(build.replica, ends, st.sampled_from(["minio", "far"]), seen=seen)
    made = build.data_object(
        draw(st.sampled_from(URNS)),
        at=draw(several_nodes),
        gone=draw(st.lists(node_names, max_size=1)),
        declared=draw(st.lists(node_names, max_size=1)),
        size=draw(st.sampled_from([None, 70_000_000])),
        namespace=draw(st.sampled_from(["default", build.HOME])),
        name=draw(st.sampled_from(["o1", "o2", "o3", "o4"])),
        replicas=[one | {"region": "us", "zone": "b"} for one in draw(st.lists(copies, max_size=2))],
    )
    expected = [{"node": node, "confidence": 0.75, "sizeBytes": 4000} for node in draw(st.lists(ends, max_size=1))]
    made["status"]["expected"] = expected
    return made


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


class Machine(stateful.RuleBasedStateMachine):
    """A cluster whose transfers are kept, against one built anew, and against each node alone."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = cluster.Cluster(build.PRIOR, build.HOME, capacity=1)
        self.kept = cost.Kept(SETTINGS)
        self.now_s = START_S
        self.nodes: dict[str, Object] = {}
        self.capabilities: dict[str, Object] = {}
        self.objects: dict[tuple[str, str], Object] = {}

    @stateful.initialize(
        made=st.tuples(*(nodes(name) for name in NODES)),
        known=st.lists(objects(), min_size=2, max_size=4),
        serving=st.lists(stores(), min_size=2, max_size=4),
    )
    def begin(self, made: tuple[Object, ...], known: list[Object], serving: list[Object]) -> None:
        for node in made:
            self.apply_node(node)
        for name, store in zip(NODES, serving, strict=False):
            self.apply_capability(name, [store], [])
        for obj in known:
            self.apply_object(obj)

    @stateful.rule(now_s=times_s)
    def time_is(self, now_s: float) -> None:
        self.now_s = now_s

    @stateful.rule(by_s=st.sampled_from([1.0, 300.0, 850.0, 901.0]))
    def time_passes(self, by_s: float) -> None:
        self.now_s += by_s

    @stateful.rule(name=node_names, ready=st.sampled_from(["True", "False"]))
    def is_ready(self, name: str, ready: str) -> None:
        if name in self.nodes:
            status = self.nodes[name]["status"] | {"conditions": [{"type": "Ready", "status": ready}]}
            self.apply_node(self.nodes[name] | {"status": status})

    @stateful.rule(obj=nodes())
    def apply_node(self, obj: Object) -> None:
        self.nodes[obj["metadata"]["name"]] = obj
        self.cluster.apply_node(build.as_node(obj))

    @stateful.rule(name=node_names)
    def remove_node(self, name: str) -> None:
        self.nodes.pop(name, None)
        self.cluster.remove_node(name)

    @stateful.rule(name=node_names, stores=st.lists(stores(), max_size=2), links=st.lists(links(), max_size=2))
    def apply_capability(self, name: str, stores: list[Object], links: list[Object]) -> None:
        self.capabilities[name] = build.capability(name, stores=stores, links=links)
        self.cluster.apply_capability(build.as_capability(self.capabilities[name]))

    @stateful.rule(name=node_names)
    def remove_capability(self, name: str) -> None:
        self.capabilities.pop(name, None)
        self.cluster.remove_capability(name)

    @stateful.rule(obj=objects())
    def apply_object(self, obj: Object) -> None:
        self.objects[obj["metadata"]["namespace"], obj["metadata"]["name"]] = obj
        self.cluster.apply_data_object(build.as_data_object(obj))

    @stateful.rule(namespace=st.sampled_from(["default", build.HOME]), name=st.sampled_from(["o1", "o2", "o3", "o4"]))
    def remove_object(self, namespace: str, name: str) -> None:
        self.objects.pop((namespace, name), None)
        self.cluster.remove_data_object(namespace, name)

    @stateful.rule(name=node_names)
    def assume(self, name: str) -> None:
        uid = f"p{self.cluster.generation}"
        if name in self.nodes:
            self.cluster.assume(build.as_pod(build.pod(uid)), name)

    @stateful.invariant()
    def what_is_kept_is_what_would_be_made_anew(self) -> None:
        view = self.cluster.freeze(self.now_s)
        fresh = build.state(
            [self.nodes[name] for name in sorted(self.nodes, reverse=True)],
            objects=self.objects.values(),
            capabilities=self.capabilities.values(),
        ).freeze(self.now_s)
        for pod in PODS:
            found = self.kept.cost(view, pod)
            assert found.seconds.tolist() == alone(view, found).tolist()
            assert found.costs(0.3, 5.0).tolist() == (0.3 * found.seconds / 5.0).tolist()
            assert [found.seconds_at(slot) for slot in range(view.size)] == found.seconds.tolist()
            assert told(view, found) == told(fresh, cost.Kept(SETTINGS).cost(fresh, pod))
        for namespace in ("default", "other"):
            here, there = ({one.names[slot] for slot in one.local_storage(namespace)} for one in (view, fresh))
            assert here == there


TestWhatIsKept = Machine.TestCase
TestWhatIsKept.settings = hypothesis.settings(max_examples=60, stateful_step_count=20, deadline=None, print_blob=True)
