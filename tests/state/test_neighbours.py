"""Who is where and wants what, through the events that move it, one by one; the laws of all of them together are in
``test_cluster_laws``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scheduler.api import core
from scheduler.state import cluster, podterms
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
    cohorts = snap.neighbours.cohorts.find([podterms.Wanted(wanted, None, "zone")])
    counts: dict[str, int] = {}
    for cohort in cohorts:
        for index, count in cohort.at.items():
            counts[snap.names[index]] = counts.get(snap.names[index], 0) + count
    return counts


def carried(of: cluster.Cluster) -> list[tuple[int | None, dict[str, int]]]:
    """Weights of the terms that mean a pod of app x, and the pods by node that carry each."""
    snap = of.freeze()
    asking = build.as_pod(build.pod("asking", labels={"app": "x"}))
    tables = (snap.neighbours.repelling, snap.neighbours.drawing)
    return [
        (each.weight, {snap.names[index]: count for index, count in each.at.items()})
        for table in tables
        for each in sorted(table.meaning(asking, {}), key=lambda each: each.weight or 0)
    ]


def pod(name: str = "p", app: str = "x", on: str = "a") -> core.Pod:
    return build.as_pod(build.pod(name, on=on, labels={"app": app}, affinity=AFFINITY))


def node(name: str) -> core.Node:
    return build.as_node(build.node(name))


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
    made = build.state([build.node("a"), build.node("b")])
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
    made = build.state([build.node("a"), build.node("b")], pods=others)
    for name, app in (("p", "x"), ("q", "x"), ("r", "y")):
        made.apply_pod(pod(name, app))
    assert found(made, matchExpressions=[{"key": "app", **requirement}]) == where
