"""The choice itself: pure, even among equals, adding up to what it shows, and never at the cost of running pods."""

from __future__ import annotations

import collections

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.offline import explain
from tests import exploring
from tests.engine import asking, test_oracle
from tests.engine.asking import ask, question
from tests.state import build, test_cluster_laws
from tests.state.build import Object, container, data, data_object, node, pod

CRITERIA = ("resources", "affinity", "nodeType", "capability")
TAU_S = 5.0


@hypothesis.settings(max_examples=exploring.examples(50))
@given(asked=test_oracle.questions(), seed=st.integers(0, 2**32))
def test_a_decision_is_pure(asked: Object, seed: int) -> None:
    """Same snapshot, pod, settings and seed: the same answer to the last bit, and the snapshot is as it was."""
    made = asking.state_of(asked)
    snap, generation = made.freeze(), made.generation
    before = repr(test_cluster_laws.describe(made))
    told = [repr(explain.answer(asking.decide_on(snap, asked["pod"], seed=seed), snap)) for _ in range(2)]
    assert told[0] == told[1]
    assert repr(test_cluster_laws.describe(made)) == before
    assert made.generation == generation
    # A cluster put together in another order decides alike, but for ties.
    other = asking.state_of(asked | {"nodes": asked["nodes"][::-1], "pods": asked["pods"][::-1]}).freeze()
    first, second = (asking.decide_on(each, asked["pod"], seed=seed) for each in (snap, other))
    names = [{each.names[slot] for slot in decision.choice.best}
             for each, decision in ((snap, first), (other, second)) if decision.choice is not None]  # fmt: skip
    assert names[:1] == names[1:]


@hypothesis.settings(max_examples=exploring.examples(100))
@given(asked=test_oracle.questions())
def test_terms_add_up_to_the_cost_and_the_least_cost_is_chosen(asked: Object) -> None:
    answer = ask(asked)
    if not answer["feasible"]:
        return
    cost = {}
    for name, of_node in answer["criteria"].items():
        terms = [of_node[one]["weight"] * (1 - of_node[one]["u"]) for one in CRITERIA]
        terms.append(of_node["data"]["weight"] * of_node["data"]["seconds"] / TAU_S)
        assert all(0 <= of_node[one]["u"] <= 1 for one in CRITERIA)
        assert of_node["cost"] == pytest.approx(sum(terms), rel=1e-12, abs=1e-15)
        moved = of_node["data"]["transfers"] + of_node["data"].get("images", [])
        moves = sum(move["seconds"] for move in moved)
        assert of_node["data"]["seconds"] == pytest.approx(moves, rel=1e-12)
        if of_node["data"]["weight"]:
            in_seconds = of_node["cost"] * TAU_S / of_node["data"]["weight"]
            assert of_node["costSeconds"] == pytest.approx(in_seconds, rel=1e-12)
        else:
            assert of_node["costSeconds"] is None
        cost[name] = of_node["cost"]
    assert sorted(cost) == answer["feasible"]
    assert cost[answer["chosen"]] == pytest.approx(min(cost.values()), abs=1e-9)
    assert answer["best"] == sorted(name for name in cost if cost[name] <= min(cost.values()) + 1e-9)


def test_ties_are_spread_evenly_and_repeatably() -> None:
    nodes = [node(f"n{number}") for number in range(4)]
    for notes in ({}, data(inputs=["logs/k,1000"])):
        asked = question(nodes, pod(notes=notes))
        chosen = [ask(asked, seed=seed)["chosen"] for seed in range(400)]
        assert chosen == [ask(asked, seed=seed)["chosen"] for seed in range(400)]
        counts = collections.Counter(chosen)
        # 100 each; five standard deviations are 43.
        assert sorted(counts) == ["n0", "n1", "n2", "n3"]
        assert all(57 <= count <= 143 for count in counts.values()), counts


def test_one_generator_spreads_a_burst() -> None:
    made = build.state([node(f"n{number}") for number in range(4)])
    rng_seeds = {asking.decide_on(made.freeze(), pod(), seed=seed).node for seed in range(40)}
    assert rng_seeds == {"n0", "n1", "n2", "n3"}


def test_slots_of_gone_nodes_are_never_chosen() -> None:
    made = build.state([node(f"n{number}") for number in range(8)])
    for number in range(7):
        made.remove_node(f"n{number}")
    decision = asking.decide_on(made.freeze(), pod(notes=data(requires_gpu="false", inputs=["logs/k,5"])))
    assert decision.node == "n7"
    assert decision.deciding == "only node"
    made.remove_node("n7")
    nothing = asking.decide_on(made.freeze(), pod())
    assert (nothing.node, nothing.message) == ("", "no nodes available to schedule pods")


@pytest.mark.parametrize(
    ("notes", "deciding"),
    [
        pytest.param(data(inputs=["logs/k,5000000000"]), "data", id="data"),
        pytest.param(data(prefer_edge=""), "nodeType", id="node type"),
        pytest.param(data(capability_tpu=""), "capability", id="capability"),
        pytest.param(data(compute_intensive=""), "tie", id="nothing"),
    ],
)
def test_the_criterion_that_decided_is_named(notes: dict[str, str], deciding: str) -> None:
    nodes = [node("a", kind="edge", can={"tpu": "1"}), node("b", kind="cloud")]
    answer = ask(question(nodes, pod(notes=notes), objects=[data_object("logs/k", at=["a"])]))
    assert answer["deciding"] == deciding
    assert deciding == "tie" or answer["chosen"] == "a"


def test_data_outweighs_an_emptier_node_until_it_is_small() -> None:
    """The weights trade seconds against room as documented: costs in seconds say by how much."""
    busy = [build.pod("p", container(cpu="3", memory="6Gi"), on="a")]
    nodes, objects = [node("a"), node("b")], [data_object("logs/k", at=["a"])]
    chosen = {
        size: ask(question(nodes, pod(notes=data(inputs=[f"logs/k,{size}"])), pods=busy, objects=objects))["chosen"]
        for size in (1_000, 10_000_000_000)
    }
    assert chosen == {1_000: "b", 10_000_000_000: "a"}


NAMED: Object = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["elsewhere"]}]}
            ]
        }
    }
}


@pytest.mark.parametrize(
    ("asked", "plugins"),
    [
        pytest.param(pod("new", container(cpu="99")), {"NodeResourcesFit"}, id="one filter"),
        pytest.param(
            pod("new", container(cpu="3"), nodeSelector={"disk": "ssd"}), {"NodeAffinity", "NodeResourcesFit"}, id="two"
        ),
        pytest.param(pod(notes=data(requires_gpu="")), {"NodeCapability"}, id="ours"),
        pytest.param(pod(schedulingGates=[{"name": "g"}]), {"SchedulingGates"}, id="the whole pod"),
        pytest.param(pod(affinity=NAMED), {"NodeAffinity"}, id="narrowed to a node that is not there"),
    ],
)
def test_who_refused_is_known_to_whoever_wakes_the_pod(asked: Object, plugins: set[str]) -> None:
    snap = build.state([node("a", cpu="2", labels={"disk": "ssd"}), node("b")]).freeze()
    decision = asking.decide_on(snap, asked)
    assert decision.node == ""
    assert decision.refusers.keys() == plugins


def test_more_kinds_of_lack_than_an_integer_has_bits_still_refuse() -> None:
    wanted = [f"example.com/r{number:03}" for number in range(80)]
    nodes = [node("none"), node("almost", more=dict.fromkeys(wanted[:-1], "1"))]
    asked = pod("new", container() | {"resources": {"requests": dict.fromkeys(wanted, "1")}})
    answer = ask(question(nodes, asked))
    assert answer["feasible"] == []
    assert asking.reasons(answer) == {
        "almost": [f"Insufficient {wanted[-1]}"],
        "none": [f"Insufficient {name}" for name in wanted],
    }


def test_a_nominated_node_is_taken_before_scores_are_asked_for() -> None:
    unreadable = [{"weight": 1, "preference": {"matchExpressions": [{"key": "x", "operator": "Gt", "values": ["y"]}]}}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": unreadable}}
    nodes = [node("a"), node("b")]
    assert "scoreError" in ask(question(nodes, pod(affinity=affinity)))
    asked = pod(affinity=affinity, status={"nominatedNodeName": "b"})
    assert ask(question(nodes, asked))["chosen"] == "b"
