"""Cases of InterPodAffinity's filter: whose company a pod requires or refuses, and who refuses the pod's.

Most are asked of four nodes: `a1` and `a2` in one zone, `b1` in another, `bare` in none; racks go across zones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.parity.build import (
    FITS,
    POD_AFFINITY,
    Case,
    Object,
    app,
    company,
    expr,
    far,
    near,
    never,
    node,
    pod,
    short,
)

NODES = [
    node("a1", labels={"host": "a1", "zone": "a", "rack": "1"}),
    node("a2", labels={"host": "a2", "zone": "a", "rack": "2"}),
    node("b1", labels={"host": "b1", "zone": "b", "rack": "2"}),
    node("bare", labels={"host": "bare"}),
]
LONELY = never(POD_AFFINITY, "node(s) didn't match pod affinity rules")
CROWDED = short(POD_AFFINITY, "node(s) didn't match pod anti-affinity rules")
UNWELCOME = short(POD_AFFINITY, "node(s) didn't satisfy existing pods anti-affinity rules")
NOWHERE = "0/4 nodes are available: 4 node(s) didn't match pod affinity rules."


def new(affinity: Object | None = None, *, namespace: str = "default", priority: int = 0, **labels: str) -> Object:
    """The pod to place."""
    return pod("new", namespace=namespace, labels=labels, priority=priority, affinity=affinity)


def old(
    on: str, affinity: Object | None = None, *, namespace: str = "default", name: str = "", **labels: str
) -> Object:
    """A pod that runs already."""
    return pod(name or f"old-{on}", on=on, namespace=namespace, labels=labels, affinity=affinity)


def space(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}}


def four(
    name: str,
    pods: Sequence[Object],
    asked: Object,
    *,
    lonely: str = "",
    crowded: str = "",
    unwelcome: str = "",
    best: str = "",
    **more: Any,
) -> Case:
    """A case on the four nodes; those in none of the three lists fit."""
    said = {each["metadata"]["name"]: FITS for each in NODES}
    for names, verdict in ((lonely, LONELY), (crowded, CROWDED), (unwelcome, UNWELCOME)):
        said |= dict.fromkeys(names.split(), verdict)
    return Case(id=f"company-{name}", nodes=NODES, pods=pods, pod=asked, verdicts=said, best=best.split(), **more)


X = company(app("x"))
TEAM = {"matchLabels": {"team": "t"}}
TEAMLESS = {"matchExpressions": [expr("team", "DoesNotExist")]}

NEAR = [
    four("in-the-zone", [old("a1", app="x")], new(near(X)), lonely="b1 bare", best="a2"),
    four("on-the-node", [old("a1", app="x")], new(near(company(app("x"), "host"))), lonely="a2 b1 bare", best="a1"),
    four("nowhere", [old("a1", app="y")], new(near(X)), lonely="a1 a2 b1 bare", message=NOWHERE),
    four("first-of-its-series", [], new(near(X), app="x"), lonely="bare", best="a1 a2 b1"),
    four(
        "first-of-its-series-must-match-all-its-terms",
        [],
        new(near(X, company({"matchLabels": {"tier": "y"}})), app="x"),
        lonely="a1 a2 b1 bare",
        message=NOWHERE,
    ),
    four("no-longer-the-first", [old("b1", app="x")], new(near(X), app="x"), lonely="a1 a2 bare", best="b1"),
    four(
        "still-the-first-beside-one-in-no-zone",
        [old("bare", app="x")],
        new(near(X), app="x"),
        lonely="bare",
        best="a1 a2 b1",
    ),
    four(
        "no-longer-the-first-by-one-of-two-keys",
        [old("bare", app="x")],
        new(near(X, company(app("x"), "host")), app="x"),
        lonely="a1 a2 b1 bare",
        message=NOWHERE,
    ),
    four(
        "one-pod-for-all-terms",
        [old("a1", app="x", name="p"), old("a1", tier="y", name="q")],
        new(near(X, company({"matchLabels": {"tier": "y"}}))),
        lonely="a1 a2 b1 bare",
        message=NOWHERE,
    ),
    four(
        "one-pod-meets-all-terms",
        [old("a1", app="x", tier="y")],
        new(near(X, company({"matchLabels": {"tier": "y"}}, "rack"))),
        lonely="a2 b1 bare",
        best="a1",
    ),
    four(
        "another-pod-for-each-key",
        [old("a1", app="x"), old("b1", app="x")],
        new(near(X, company(app("x"), "rack"))),
        lonely="bare",
        best="a2",
    ),
    four(
        "of-another-namespace",
        [old("a1", app="x", namespace="n")],
        new(near(X)),
        lonely="a1 a2 b1 bare",
        message=NOWHERE,
    ),
    four(
        "of-named-namespaces",
        [old("a1", app="x", namespace="n"), old("b1", app="x")],
        new(near(company(app("x"), namespaces=["n", "m"]))),
        lonely="b1 bare",
        best="a2",
    ),
    four(
        "of-selected-namespaces",
        [old("a1", app="x", namespace="n"), old("b1", app="x", namespace="m")],
        new(near(company(app("x"), namespaceSelector=TEAM))),
        namespaces=[space("default"), space("n", team="t"), space("m", team="u")],
        lonely="b1 bare",
        best="a2",
    ),
    four(
        "of-named-or-selected-namespaces",
        [old("a1", app="x", namespace="n"), old("b1", app="x", namespace="m")],
        new(near(company(app("x"), namespaces=["m"], namespaceSelector=TEAM))),
        namespaces=[space("default"), space("n", team="t"), space("m", team="u")],
        lonely="bare",
        best="a2",
    ),
    four(
        "of-all-namespaces-even-unknown-ones",
        [old("a1", app="x", namespace="n"), old("b1", app="x", namespace="m")],
        new(near(company(app("x"), namespaceSelector={}))),
        namespaces=[space("n", team="t")],
        lonely="bare",
        best="a2",
    ),
    four(
        "of-an-unknown-namespace-whose-labels-nobody-knows",
        [old("a1", app="x", namespace="n")],
        new(near(company(app("x"), namespaceSelector=TEAM))),
        lonely="a1 a2 b1 bare",
        message=NOWHERE,
    ),
    four(
        "of-namespaces-without-a-label",
        [old("a1", app="x", namespace="n")],
        new(near(company(app("x"), namespaceSelector=TEAMLESS))),
        namespaces=[space("default"), space("n", team="t")],
        lonely="a1 a2 b1 bare",
        message=NOWHERE,
    ),
    four(
        "of-namespaces-without-a-label-is-not-of-those-that-nobody-knows",
        [old("a1", app="x", namespace="n"), old("b1", app="x", namespace="unknown")],
        new(near(company(app("x"), namespaceSelector=TEAMLESS))),
        namespaces=[space("default"), space("n")],
        lonely="b1 bare",
        best="a2",
    ),
    four(
        "its-own-namespace-is-not-among-the-selected",
        [old("a1", app="x")],
        new(near(company(app("x"), namespaceSelector=TEAM))),
        namespaces=[space("default"), space("n", team="t")],
        lonely="a1 a2 b1 bare",
        message=NOWHERE,
    ),
    four(
        "without-a-selector",
        [old("a1", app="x")],
        new(near(company(None)), app="x"),
        lonely="a1 a2 b1 bare",
        message=NOWHERE,
    ),
    four("of-anybody", [old("a1"), old("b1", namespace="n")], new(near(company({}))), lonely="b1 bare", best="a2"),
    four(
        "of-a-finished-pod",
        [pod("done", on="a1", labels={"app": "x"}, phase="Succeeded")],
        new(near(X)),
        lonely="a1 a2 b1 bare",
        message=NOWHERE,
    ),
    four(
        "of-a-pod-that-ends",
        [pod("ends", on="a1", labels={"app": "x"}, deleted=True)],
        new(near(X)),
        lonely="b1 bare",
        best="a2",
    ),
    four("of-a-pod-on-an-unknown-node", [old("gone", app="x")], new(near(X)), lonely="a1 a2 b1 bare", message=NOWHERE),
    four(
        "with-a-key-nobody-has",
        [old("a1", app="x")],
        new(near(company(app("x"), "row")), app="x"),
        lonely="a1 a2 b1 bare",
        message=NOWHERE,
    ),
    four(
        "with-label-keys-that-the-server-merges",
        [old("a1", app="x", v="1")],
        new(near(company(app("x"), matchLabelKeys=["v"], mismatchLabelKeys=["app"])), v="2", app="x"),
        lonely="b1 bare",
        best="a2",
    ),
]

_CHOSEN = [old("a1", app="x", name="x"), old("b1", app="y", name="y"), old("bare", name="none")]
SELECTORS = [
    four(
        f"selected-by-{name}",
        _CHOSEN,
        new(far(company({"matchExpressions": [wanted]}, "host"))),
        crowded=crowded,
        best=best,
    )
    for name, wanted, crowded, best in [
        ("in", expr("app", "In", "x", "z"), "a1", "a2"),
        ("not-in", expr("app", "NotIn", "x", "z"), "b1 bare", "a2"),
        ("exists", expr("app", "Exists"), "a1 b1", "a2"),
        ("does-not-exist", expr("app", "DoesNotExist"), "bare", "a2"),
    ]
]

FAR = [
    four("refused-in-the-zone", [old("a1", app="x")], new(far(X)), crowded="a1 a2", best="b1 bare"),
    four(
        "refused-on-the-node",
        [old("a1", app="x")],
        new(far(company(app("x"), "host"))),
        crowded="a1",
        best="a2 b1 bare",
    ),
    four(
        "refused-by-either-term",
        [old("a1", app="x"), old("b1", app="y")],
        new(far(X, company(app("y"), "host"))),
        crowded="a1 a2 b1",
        best="bare",
    ),
    four("refused-with-a-key-nobody-has", [old("a1", app="x")], new(far(company(app("x"), "row"))), best="a2 b1 bare"),
    four("refused-of-its-own-kind", [], new(far(X), app="x"), best="a1 a2 b1 bare"),
    four("refused-of-another-namespace", [old("a1", app="x", namespace="n")], new(far(X)), best="a2 b1 bare"),
    four(
        "refused-of-a-named-namespace",
        [old("a1", app="x", namespace="n")],
        new(far(company(app("x"), namespaces=["n"]))),
        crowded="a1 a2",
        best="b1 bare",
    ),
    four(
        "refused-of-selected-namespaces",
        [old("a1", app="x", namespace="n"), old("b1", app="x")],
        new(far(company(app("x"), namespaceSelector=TEAM))),
        namespaces=[space("n", team="t")],
        crowded="a1 a2",
        best="bare",
    ),
    four("refused-without-a-selector", [old("a1", app="x")], new(far(company(None)), app="x"), best="a2 b1 bare"),
    four("refused-of-anybody", [old("a1"), old("bare")], new(far(company({}))), crowded="a1 a2", best="b1"),
    four(
        "refused-of-a-pod-that-ends",
        [pod("ends", on="b1", labels={"app": "x"}, deleted=True)],
        new(far(X)),
        crowded="b1",
        best="a1 a2 bare",
    ),
    four(
        "refused-everywhere",
        [old("a1", app="x"), old("b1", app="x"), old("bare", app="x")],
        new(far(X, company(app("x"), "host"))),
        crowded="a1 a2 b1 bare",
        message="0/4 nodes are available: 4 node(s) didn't match pod anti-affinity rules.",
    ),
]

CASES = [*NEAR, *SELECTORS, *FAR]
