"""What transfers take beside those under way: for all nodes at once as for each alone, never less for more of them."""

from __future__ import annotations

import math

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import config
from scheduler.api import core, crd
from scheduler.plugins import request
from scheduler.plugins.data import cost, flows, moves, several, spread
from scheduler.state import cluster, snapshot, traffic
from tests import exploring
from tests.plugins import test_data as worlds
from tests.state import build

pytestmark = pytest.mark.timeout(600)

SIZE = 1_000_000_000
NOW_S = worlds.START_S
Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def asked(name: str = "new", **notes: object) -> request.PodRequest:
    return request.prepare(build.as_pod(build.pod(name, notes=build.data(**notes))))  # type: ignore[arg-type]


def put(made: cluster.Cluster, pod: request.PodRequest, node: str, now_s: float = NOW_S) -> None:
    """A pod is assumed on a node, and what it moves is under way."""
    view = made.freeze(now_s)
    found = cost.Kept(worlds.SETTINGS).cost(view, pod)
    begun = flows.of(view, pod.pod, found, view.index_of[node])
    if not made.is_placed(pod.pod.metadata.uid):
        made.assume(pod.pod, node)
    made.traffic.begin(pod.pod.metadata.uid, begun)


def seconds(made: cluster.Cluster, pod: request.PodRequest, now_s: float = NOW_S) -> dict[str, float]:
    view = made.freeze(now_s)
    found = cost.Kept(worlds.SETTINGS).cost(view, pod)
    return {name: found.seconds.item(slot) for name, slot in view.index_of.items()}


def world(**speeds: int) -> cluster.Cluster:
    """Two zones of one region and a region far away; "a" has the data."""
    nodes = [
        build.node("a", region="r", zone="z"),
        build.node("b", region="r", zone="z"),
        build.node("c", region="r", zone="y"),
        build.node("d", region="s", zone="x"),
        build.node("e", region="s", zone="x"),
    ]
    objects = [build.data_object("logs", at=["a"]), build.data_object("raw", at=["b"])]
    capabilities = [build.capability(name) for name in speeds]
    for one, mbps in zip(capabilities, speeds.values(), strict=True):
        one["status"]["interfaces"] = [{"name": "eth0", "speedMbps": mbps}]
    return build.state(nodes, objects=objects, capabilities=capabilities)


def test_who_comes_second_waits_for_half_of_a_link_and_somebody_elsewhere_does_not() -> None:
    made, reads, other = world(), asked(inputs=[f"logs/k,{SIZE}"]), asked(inputs=[f"raw/k,{SIZE}"])
    alone, other_alone = seconds(made, reads), seconds(made, other)
    put(made, asked("first", inputs=[f"logs/k,{SIZE}"]), "d")
    found = seconds(made, reads)
    far = 0.030 + 2 * SIZE / 50e6
    assert found == pytest.approx(alone | {"d": far, "e": far, "b": 0.001 + 2 * SIZE / 500e6}, rel=1e-12)
    # The other data comes from another node, but over the same link between the two zones.
    assert seconds(made, other) == pytest.approx(other_alone | {"d": far, "e": far}, rel=1e-12)


def test_what_was_moved_meanwhile_is_not_waited_for() -> None:
    made, reads = world(), asked(inputs=[f"logs/k,{SIZE}"])
    alone = seconds(made, reads)
    put(made, asked("first", inputs=[f"logs/k,{SIZE}"]), "d")
    half_s = alone["d"] / 2
    assert seconds(made, reads, NOW_S + half_s)["e"] == pytest.approx(0.030 + 1.5 * SIZE / 50e6, rel=1e-6)
    assert seconds(made, reads, NOW_S + 2 * half_s) == alone
    made.remove_pod("uid-first")
    assert seconds(made, reads) == alone


def test_a_fast_way_hides_behind_a_slow_link() -> None:
    # What goes to the far zone leaves "a" at a tenth of what its way carries.
    made, reads = world(a=40_000), asked(inputs=[f"logs/k,{SIZE}"])
    alone = seconds(made, reads)
    put(made, asked("first", inputs=[f"logs/k,{SIZE}"]), "d")
    assert seconds(made, reads)["b"] == alone["b"], "the way out of a carries 5 GB/s, and both get all they can"


def test_readers_and_writers_of_a_store_share_it() -> None:
    made, reads = world(), asked(inputs=[f"logs/k,{SIZE}"])
    put(made, asked("first", inputs=[f"logs/k,{SIZE}"]), "a")
    assert seconds(made, reads)["a"] == pytest.approx(0.0001 + 2 * SIZE / 1e9, rel=1e-12)


def test_outputs_load_only_once_they_begin() -> None:
    made, writes = world(), asked(outputs=[f"logs/o,{SIZE},30"])
    alone = seconds(made, writes)
    put(made, asked("first", outputs=[f"logs/k,{SIZE},30"]), "d")
    reads = asked(inputs=[f"logs/k,{SIZE}"])
    assert seconds(made, reads) == seconds(world(), reads), "for half a minute nothing is written"
    # Who is put there now will write when the first does; the way from d to a is that of both.
    assert seconds(made, writes)["d"] == pytest.approx(0.030 + 2 * SIZE / 50e6, rel=1e-12)
    assert seconds(made, writes)["b"] == pytest.approx(0.001 + 2 * SIZE / 500e6, rel=1e-12), "into a"
    assert seconds(made, writes, NOW_S + 1000) == alone
    unknown = world()
    put(unknown, asked("first", outputs=[f"logs/k,{SIZE}"]), "d")
    assert len(unknown.traffic) == 0, "nobody knows when"


def test_a_pods_own_inputs_share_what_they_go_over() -> None:
    made = world()
    put(made, asked("first", inputs=[f"logs/k,{SIZE}", f"logs/l,{SIZE}", f"raw/m,{SIZE // 2}"]), "d")
    took = sorted(one.ends_s - one.begins_s for one in made.traffic.flows_of("uid-first"))
    assert took == pytest.approx([1.5 * SIZE / 50e6, 2.5 * SIZE / 50e6, 2.5 * SIZE / 50e6], rel=1e-6)


def test_who_is_gone_moves_nothing_and_who_is_seen_on_its_node_goes_on() -> None:
    made = world()
    first = asked("first", inputs=[f"logs/k,{SIZE}"])
    put(made, first, "d")
    bound = build.as_pod(build.pod("first", on="d", notes=build.data(inputs=[f"logs/k,{SIZE}"])))
    made.apply_pod(bound)
    assert made.traffic.movers() == {"uid-first"}
    labelled = build.as_pod(build.pod("first", on="d", labels={"a": "b"}))
    made.apply_pod(labelled)
    assert made.traffic.movers() == {"uid-first"}, "it counts anew, and goes on"
    made.remove_node("a")
    assert not made.traffic.movers(), "there is nothing to be had from there"


def keeping(label: str = "true") -> cluster.Cluster:
    """Far from the data, "d" keeps what pods fetch, and "e" does not."""
    made = world()
    made.apply_node(build.as_node(build.node("d", region="s", zone="x", can={"keeps-inputs": label})))
    return made


def test_what_a_node_fetches_and_keeps_is_fetched_there_once() -> None:
    made, reads = keeping(), asked(inputs=[f"logs/k,{SIZE}"])
    alone = seconds(made, reads)
    put(made, asked("first", inputs=[f"logs/k,{SIZE}"]), "d")
    assert seconds(made, reads)["d"] == pytest.approx(alone["d"], rel=1e-6), "as long as the first waits"
    assert seconds(made, reads, NOW_S + 15)["d"] == pytest.approx(alone["d"] - 15, rel=1e-6)
    assert seconds(made, reads, NOW_S + 15)["e"] > alone["e"], "which shares the link"
    assert seconds(made, reads, NOW_S + 99) == pytest.approx(alone | {"d": 0.0001 + SIZE / 1e9}, rel=1e-9)
    put(made, asked("second", inputs=[f"logs/k,{SIZE}", f"raw/l,{SIZE}"]), "d", NOW_S + 15)
    assert len(made.traffic.flows_of("uid-second")) == 1, "the other input"
    other = asked(inputs=[f"logs/l,{SIZE}"])
    assert seconds(made, other, NOW_S + 15)["d"] > alone["d"]


def test_a_fetch_that_is_broken_off_helps_nobody() -> None:
    made, reads = keeping(), asked(inputs=[f"logs/k,{SIZE}"])
    alone = seconds(made, reads)
    put(made, asked("first", inputs=[f"logs/k,{SIZE}"]), "d")
    made.traffic.sweep(NOW_S + 1)
    made.remove_pod("uid-first")
    assert seconds(made, reads, NOW_S + 1) == alone
    assert made.traffic.is_calm


def test_what_was_fetched_outlasts_the_pod_and_not_the_node() -> None:
    made, reads = keeping(), asked(inputs=[f"logs/k,{SIZE}"])
    alone = seconds(made, reads)
    put(made, asked("first", inputs=[f"logs/k,{SIZE}"]), "d")
    made.traffic.sweep(NOW_S + 99)
    made.remove_pod("uid-first")
    assert seconds(made, reads, NOW_S + 99)["d"] == pytest.approx(0.0001 + SIZE / 1e9, rel=1e-9)
    made.remove_node("d")
    made.apply_node(build.as_node(build.node("d", region="s", zone="x", can={"keeps-inputs": "true"})))
    assert seconds(made, reads, NOW_S + 99) == alone
    assert made.traffic.is_calm


@pytest.mark.parametrize(
    ("label", "settings", "kept"),
    [
        pytest.param("false", config.Settings(), 0, id="it says that it does not"),
        pytest.param("true", config.Settings(), 1, id="it says so"),
        pytest.param("false", config.Settings(nodes_keep_inputs=True), 1, id="all do, by the settings"),
    ],
)
def test_which_nodes_keep_what_pods_fetch(label: str, settings: config.Settings, kept: int) -> None:
    made, first = keeping(label), asked("first", inputs=[f"logs/k,{SIZE}", f"raw,{SIZE}"])
    view = made.freeze(NOW_S)
    moved = flows.of(view, first.pod, cost.Kept(settings).cost(view, first), view.index_of["d"])
    assert len(moved.fetches) == kept, "of a bucket, others may read something else"


def slow(view: snapshot.Snapshot, found: cost.DataCost) -> Floats:
    """The slow twin: each transfer from each end to each node alone, by what it goes over."""
    total = np.zeros(view.size)
    for move in found.moves:
        here = [min(one(view, found, move, way.end, slot) for way in move.nearest.ways) for slot in range(view.size)]
        there = np.array(here)
        if move.is_expected:
            there = move.confidence * there
        if move.otherwise is not None:
            rest = np.min([worlds.times(view, way.end, move) for way in move.otherwise.ways], axis=0)
            there = there + (1 - move.confidence) * rest
        total += there
    return total


def one(view: snapshot.Snapshot, found: cost.DataCost, move: moves.Move, end: spread.End, slot: int) -> float:
    row = view.links_of(end, outward=not move.is_output)
    rate = row.bandwidth.item(slot)
    moving = move.size_bytes / rate
    delay_s = found.processing_s if move.is_output else 0.0
    if not move.is_expected and (delay_s or not move.is_output):
        moment = view.traffic.at(view.now_s + delay_s)
        beside = moment.shared_bytes(move.size_bytes)
        source, target = (slot, end) if move.is_output else (end, slot)
        for passage, between in flows.via(view, source, target, {}):
            others = beside.item(moment.number(passage))
            serves = moment.rates.item(moment.number(passage))
            if passage.kind in (traffic.Kind.LINK, traffic.Kind.STORE):
                serves = max(between, rate)
            if others:
                moving = max(moving, (move.size_bytes + others) / serves)
    return row.latency.item(slot) + moving


@hypothesis.settings(max_examples=exploring.examples(400), deadline=None, print_blob=True)
@given(
    made=st.tuples(*(st.sampled_from(each) for each in worlds.NODES_SEEN.values())),
    serving=st.tuples(*(st.sampled_from(each) for each in worlds.CAPABILITIES_SEEN.values())),
    known=st.lists(st.sampled_from(worlds.OBJECTS_SEEN), min_size=2, max_size=4),
    placed=st.lists(st.tuples(st.sampled_from(worlds.PODS), st.sampled_from(worlds.NODES)), min_size=1, max_size=8),
    later_s=st.sampled_from([0.0, 0.05, 1.0, 20.0]),
    most_ends=st.sampled_from([0, 1, several.MOST_ENDS]),
    few=st.sampled_from([0, several.FEW]),
)
def test_rows_are_what_each_node_alone_would_have_and_more_traffic_is_never_faster(
    made: tuple[core.Node, ...],
    serving: tuple[crd.NodeCapability, ...],
    known: list[crd.DataObject],
    placed: list[tuple[request.PodRequest, str]],
    later_s: float,
    most_ends: int,
    few: int,
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(several, "MOST_ENDS", most_ends)  # all transfers at once, none of them, or some
        patched.setattr(several, "FEW", few)
        check_rows(made, serving, known, placed, later_s)


def check_rows(
    made: tuple[core.Node, ...],
    serving: tuple[crd.NodeCapability, ...],
    known: list[crd.DataObject],
    placed: list[tuple[request.PodRequest, str]],
    later_s: float,
) -> None:
    here, kept = worlds.World(), cost.Kept(worlds.SETTINGS)
    for node in made:
        here.node(node)
    for capability in serving:
        here.capability(capability)
    for obj in known:
        here.object(obj)
    now_s = here.now_s + later_s
    calm = [kept.cost(here.cluster.freeze(now_s), pod) for pod in worlds.PODS]
    before = [each.seconds for each in calm]
    for number, (mover, name) in enumerate(placed):
        view = here.cluster.freeze(here.now_s)
        begun = flows.of(view, mover.pod, cost.Kept(worlds.SETTINGS).cost(view, mover), view.index_of[name])
        here.cluster.traffic.begin(f"p{number}", begun)
        view = here.cluster.freeze(now_s)
        after = []
        for pod in worlds.PODS:
            found = kept.cost(view, pod)
            after.append(found.seconds)
            assert found.seconds.tolist() == slow(view, found).tolist()
            assert [found.seconds_at(slot) for slot in range(view.size)] == found.seconds.tolist()
            for move in found.moves:
                for slot in range(view.size):
                    due = move.nearest.due(slot, view.links.site_of.item(slot))
                    assert 0 <= due.seconds <= move.seconds.at(slot, view.links.site_of.item(slot)) or move.is_expected
                    assert (due.passage is None) == (due.seconds == 0)
        for less, more in zip(before, after, strict=True):
            assert (less <= more * (1 + 1e-12)).all()
        before = after
    for number in range(len(placed)):
        here.cluster.traffic.end(f"p{number}")
    again = [kept.cost(here.cluster.freeze(now_s), pod) for pod in worlds.PODS]
    assert [each.seconds.tolist() for each in again] == [each.seconds.tolist() for each in calm]


def test_the_largest_sizes_stay_finite() -> None:
    made = world()
    for number in range(20):
        put(made, asked(f"p{number}", inputs=[f"logs/{number},{2**63 - 1}"]), "d")
    found = seconds(made, asked(inputs=[f"logs/k,{2**63 - 1}"]))
    assert all(math.isfinite(value) for value in found.values())
