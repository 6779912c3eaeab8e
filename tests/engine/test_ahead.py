"""A stage is placed with those in mind who will read what it writes."""

from __future__ import annotations

from collections.abc import Sequence

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from scheduler import config
from scheduler.engine import decide, decision
from scheduler.offline import explain
from scheduler.plugins import request
from scheduler.plugins.data import cost, flows
from scheduler.state import cluster
from tests.state import build
from tests.state.build import Object

MB = 1_000_000
NODES = [
    build.node(f"{region}{number}", region=region, zone=f"{region}z", cpu="8") for region in "ab" for number in (1, 2)
]
# "mid" can be written in both regions; what is read is small in region a and large in region b.
OBJECTS = [
    build.data_object("mid", at=["a1", "b1"]),
    build.data_object("near/in", at=["a1"], size=10 * MB),
    build.data_object("far/in", at=["b1"], size=2000 * MB),
]
PRODUCER = build.pod("producer", notes=build.data(inputs=[f"near/in,{10 * MB}"], outputs=[f"mid/out,{100 * MB}"]))
CONSUMER = build.pod("consumer", notes=build.data(inputs=[f"mid/out,{100 * MB}", f"far/in,{2000 * MB}"]))


def state(*waiting: Object, objects: Sequence[Object] = OBJECTS, nodes: Sequence[Object] = NODES) -> cluster.Cluster:
    made = build.state(nodes, objects=objects)
    for one in waiting:
        made.pipelines.waits(build.as_pod(one))
    return made


def decided(made: cluster.Cluster, pod: Object = PRODUCER, lookahead: float = 1.0) -> decision.Decision:
    engine = decide.Engine(config.Settings(lookahead=lookahead))
    return engine.decide(made.freeze(), request.prepare(build.as_pod(pod)), 0)


def test_the_reader_s_other_data_draws_the_writer_to_it() -> None:
    assert decided(state()).node.startswith("a")
    assert decided(state(CONSUMER)).node.startswith("b")
    assert decided(state(CONSUMER), lookahead=0).node.startswith("a")


def test_a_reader_that_waits_for_its_gate_draws_too() -> None:
    assert (
        decided(state(CONSUMER | {"spec": CONSUMER["spec"] | {"schedulingGates": [{"name": "later"}]}})).node[0] == "b"
    )


def test_a_reader_that_can_only_go_to_one_region_draws_the_writer_there() -> None:
    notes = build.data(inputs=[f"mid/out,{1000 * MB}"])
    where = {"topology.kubernetes.io/region": "b"}
    assert decided(state(build.pod("consumer", notes=notes, nodeSelector=where))).node.startswith("b")
    assert decided(state(build.pod("consumer", notes=notes))).node.startswith("a"), "it may come along"


def test_what_the_reader_of_an_earlier_run_read_draws_the_next_one() -> None:
    made = state(PRODUCER, CONSUMER)
    for name in ("producer", "consumer"):
        made.pipelines.leaves(f"uid-{name}")
    again = build.pod("producer", notes=build.data(inputs=[f"near/in,{10 * MB}"], outputs=[f"mid/next,{100 * MB}"]))
    assert decided(made, again).node.startswith("b")


def test_where_outputs_go_to_one_store_only_nothing_is_added() -> None:
    objects = [build.data_object("mid", at=["a1"]), *OBJECTS[1:]]
    found = decided(state(CONSUMER, objects=objects))
    assert found.choice is not None
    assert found.choice.ahead is None
    assert found.node.startswith("a")


def test_the_explanation_names_the_readers_and_its_terms_add_up_to_the_cost() -> None:
    made = state(CONSUMER)
    found = decided(made, lookahead=0.5)
    told = explain.answer(found, made.freeze())
    for of_node in told["criteria"].values():
        parts = [of_node[name] for name in ("resources", "affinity", "nodeType", "capability")]
        cost = sum(part["weight"] * (1 - part["u"]) for part in parts)
        cost += sum(of_node[name]["weight"] * of_node[name]["seconds"] / 5.0 for name in ("data", "ahead"))
        assert of_node["cost"] == pytest.approx(cost)
        assert of_node["ahead"]["readers"] == {"mid/out": ("default/consumer",)}
    # The consumer goes to b1; from there, 100 MB cost it 0.1001 s locally, and 2.03 s between regions.
    assert told["criteria"]["a1"]["ahead"]["seconds"] == pytest.approx(0.5 * (0.030 + 2.0 - 0.1001))
    assert told["criteria"]["b2"]["ahead"]["seconds"] == 0.0


@hypothesis.given(
    st.lists(st.sampled_from(["a1", "a2", "b1", "b2"]), min_size=1, max_size=4, unique=True),
    st.sampled_from(["a1", "a2", "b1", "b2"]),
    st.integers(1, 3000),
    st.integers(0, 3000),
    st.floats(0.1, 1.0),
)
def test_each_node_s_seconds_are_those_of_its_store_reckoned_one_by_one(
    stores: list[str], other: str, output_mb: int, other_mb: int, share: float
) -> None:
    objects = [build.data_object("mid", at=stores), build.data_object("far/in", at=[other], size=other_mb * MB)]
    producer = build.pod("producer", notes=build.data(outputs=[f"mid/out,{output_mb * MB}"]))
    consumer = build.pod("consumer", notes=build.data(inputs=[f"mid/out,{output_mb * MB}", f"far/in,{other_mb * MB}"]))
    made = state(consumer, objects=objects)
    view = made.freeze()
    found = decided(made, producer, share)
    assert found.choice is not None

    def link_s(source: str, target: str, size_mb: int) -> float:
        bandwidth, latency = view.reach(view.index_of[source], outward=True)
        there = view.index_of[target]
        return latency.item(there) + size_mb * MB / bandwidth.item(there)

    least_s = {
        store: min(link_s(store, node, output_mb) + link_s(other, node, other_mb) for node in view.index_of)
        for store in stores
    }
    row = found.choice.ahead
    for node, slot in view.index_of.items():
        nearest_s = min(link_s(node, store, output_mb) for store in stores)
        nearest = [store for store in stores if link_s(node, store, output_mb) == pytest.approx(nearest_s)]
        expected = share * (least_s[nearest[0]] - min(least_s.values()))
        assert (row.seconds_at(slot) if row is not None else 0.0) == pytest.approx(expected, abs=2e-6)
    if row is not None:
        weight, tau_s = 0.5, 5.0
        assert row.costs(weight, tau_s) == pytest.approx(
            np.array([weight * row.seconds_at(slot) / tau_s for slot in range(view.size)])
        )


def test_what_is_under_way_now_makes_no_difference_to_who_reads_later() -> None:
    inputs = [f"mid/out,{100 * MB}", f"far/in,{300 * MB}", f"near/in,{200 * MB}"]
    made = state(build.pod("consumer", notes=build.data(inputs=inputs)))
    view = made.freeze()
    calm = decided(made).choice
    # The reader had better go to region b, but for what is on its way there.
    mover = request.prepare(build.as_pod(build.pod("mover", notes=build.data(inputs=[f"near/in,{5000 * MB}"]))))
    found = cost.Kept(config.Settings()).cost(view, mover)
    made.traffic.begin("uid-mover", flows.of(view, mover.pod, found, view.index_of["b2"]))
    busy = decided(made).choice
    assert calm is not None
    assert calm.ahead is not None
    assert busy is not None
    assert busy.ahead is not None
    assert busy.ahead.seconds == pytest.approx(calm.ahead.seconds)
    assert busy.data.seconds != pytest.approx(calm.data.seconds), "its own transfers meet those"


def test_what_decides_is_named() -> None:
    nodes = [node for node in NODES if node["metadata"]["name"] in {"a1", "b1"}]
    assert decided(state(CONSUMER, nodes=nodes)).deciding == "ahead"
