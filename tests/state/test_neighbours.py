"""Who is where and wants what, through the events that move it, one by one; the laws of all of them together are in
``test_cluster_laws``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scheduler.api import core
from scheduler.state import cluster, cohorts, podterms, snapshot, tallies
from tests.state import build
from tests.state.build import Object

REQUIRED, PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)
TERM: Object = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}}
AFFINITY: Object = {
    "podAntiAffinity": {REQUIRED: [TERM], PREFERRED: [{"weight": 7, "podAffinityTerm": TERM}]},
    "podAffinity": {REQUIRED: [TERM]},
}


def found(of: cluster.Cluster, **selector: Any) -> dict[str, int]:
    """Pods by node that a selector finds (without one: app x)."""
    wanted = core.convert(selector or {"matchLabels": {"app": "x"}}, core.LabelSelector, "selector")
    snap = of.freeze()
    return by_node(snap, snap.neighbours.near([podterms.Wanted(wanted, None, "zone")], "zone"))


def by_node(snap: snapshot.Snapshot, tally: tallies.Tally) -> dict[str, int]:
    """What is counted, by node: each is a zone of its own here."""
    row = tally.row(snap.size)
    counts = {name: tally.of(index) for name, index in snap.index_of.items() if tally.of(index)}
    assert counts == {name: int(row[index]) for name, index in snap.index_of.items() if row is not None and row[index]}
    assert tally.total == sum(counts.values())
    return counts


def carried(of: cluster.Cluster) -> list[tuple[int | None, dict[str, int]]]:
    """Weights of the terms that mean a pod of app x, and the pods by node that carry each."""
    snap = of.freeze()
    asking = build.as_pod(build.pod("asking", labels={"app": "x"}))
    tables = (snap.neighbours.repelling, snap.neighbours.drawing)
    return [
        (each.weight, by_node(snap, each.tally))
        for table in tables
        for each in sorted(table.meaning(asking, {}), key=lambda each: each.weight or 0)
    ]


def pod(name: str = "p", app: str = "x", on: str = "a") -> core.Pod:
    return build.as_pod(build.pod(name, on=on, labels={"app": app}, affinity=AFFINITY))


def node(name: str) -> core.Node:
    return build.as_node(zone(name))


def zone(name: str) -> Object:
    return build.node(name, labels={"zone": name})


@pytest.mark.parametrize("is_asked_before", [True, False], ids=["asked before", "asked first now"])
@pytest.mark.parametrize(
    ("event", "where", "carriers"),
    [
        pytest.param(lambda of: None, {"a": 2}, {"a": 2}, id="nothing"),
        pytest.param(lambda of: of.apply_pod(pod("r", on="b")), {"a": 2, "b": 1}, {"a": 2, "b": 1}, id="another"),
        pytest.param(lambda of: of.remove_pod("uid-p"), {"a": 1}, {"a": 1}, id="removed"),
        pytest.param(lambda of: of.apply_pod(pod(app="y")), {"a": 1}, {"a": 2}, id="relabelled"),
        pytest.param(
            lambda of: (of.apply_pod(pod(app="y")), of.remove_pod("uid-p")), {"a": 1}, {"a": 1}, id="and gone"
        ),
        pytest.param(lambda of: of.remove_node("a"), {}, {}, id="node gone"),
        pytest.param(lambda of: (of.remove_node("a"), of.apply_node(node("a"))), {"a": 2}, {"a": 2}, id="node back"),
        pytest.param(lambda of: (of.remove_node("a"), of.apply_node(node("c"))), {}, {}, id="slot used again"),
        pytest.param(lambda of: of.apply_pod(pod("r", on="gone")), {"a": 2}, {"a": 2}, id="on an unknown node"),
        pytest.param(lambda of: of.assume(pod("r", on=""), "b"), {"a": 2, "b": 1}, {"a": 2, "b": 1}, id="assumed"),
        pytest.param(
            lambda of: (of.assume(pod("r", on=""), "b"), of.forget("uid-r")), {"a": 2}, {"a": 2}, id="forgotten"
        ),
    ],
)
def test_pods_and_their_terms_are_where_the_pods_are(
    event: Callable[[cluster.Cluster], object], where: dict[str, int], carriers: dict[str, int], is_asked_before: bool
) -> None:
    made = build.state([zone("a"), zone("b")])
    for name in ("p", "q"):
        made.apply_pod(pod(name))
    if is_asked_before:
        assert found(made) == {"a": 2}
    event(made)
    assert found(made) == where
    assert carried(made) == [(weight, carriers) for weight in (None, -7, None) if carriers]


@pytest.mark.parametrize(
    ("requirement", "where"),
    [
        pytest.param({"operator": "In", "values": ["x", "x"]}, {"a": 2}, id="the same value twice"),
        pytest.param({"operator": "In", "values": ["x", "y"]}, {"a": 3}, id="several values"),
        pytest.param({"operator": "In", "values": ["z"]}, {}, id="a value of nobody"),
        pytest.param({"operator": "NotIn", "values": ["x"]}, {"a": 1, "b": 4}, id="not in"),
        pytest.param({"operator": "DoesNotExist"}, {"b": 4}, id="does not exist"),
    ],
)
def test_each_pod_is_found_once(requirement: Object, where: dict[str, int]) -> None:
    others = [build.pod(f"n{number}", on="b", labels={"name": str(number)}) for number in range(4)]
    made = build.state([zone("a"), zone("b")], pods=others)
    for name, app in (("p", "x"), ("q", "x"), ("r", "y")):
        made.apply_pod(pod(name, app))
    assert found(made, matchExpressions=[{"key": "app", **requirement}]) == where


def test_pods_move_with_the_zone_of_their_node() -> None:
    made = build.state([zone("a"), zone("b")])
    for name in ("p", "q"):
        made.apply_pod(pod(name))
    assert found(made) == {"a": 2}
    made.apply_node(build.as_node(build.node("a", labels={"zone": "b"})))
    assert found_in_zones(made) == {"b": 2}
    made.apply_node(build.as_node(build.node("a")))
    assert found_in_zones(made) == {}
    made.apply_node(node("a"))
    assert found(made) == {"a": 2}


def found_in_zones(of: cluster.Cluster) -> dict[str, int]:
    snap = of.freeze()
    tally = snap.neighbours.near([podterms.Wanted(core.LabelSelector(), None, "zone")], "zone")
    return {snap.node_labels.of(index)["zone"]: tally.of(index) for index in range(snap.size) if tally.of(index)}


def test_groups_that_nobody_asked_for_longest_are_forgotten_and_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohorts, "_KEPT_GROUPS", 2)
    made = build.state([zone("a"), zone("b")])
    for turn in range(3):
        made.apply_pod(pod(f"p{turn}"))
        made.apply_pod(pod(f"q{turn}", app="y", on="b"))
        for _ in range(2):
            assert found(made) == {"a": turn + 1}
            assert found(made, matchExpressions=[{"key": "app", "operator": "Exists"}]) == {
                "a": turn + 1,
                "b": turn + 1,
            }
            assert found(made, matchLabels={"app": "y"}) == {"b": turn + 1}


def test_pods_that_all_look_different_are_counted_together() -> None:
    made = build.state([build.node(str(number), labels={"zone": str(number % 3)}) for number in range(200)])
    for number in range(400):
        labels = {"app": "x", "name": str(number)}
        made.apply_pod(build.as_pod(build.pod(f"p{number}", on=str(number % 200), labels=labels)))
        if number % 100 == 0:
            assert found_in_zones(made)
    assert sum(found_in_zones(made).values()) == 400
    snap = made.freeze()
    hosts = snap.neighbours.near([podterms.Wanted(core.LabelSelector({"app": "x"}), None, "")], tallies.BY_SLOT)
    assert [hosts.of(index) for index in range(200)] == [2] * 200
