"""More cases of InterPodAffinity's filter: others that refuse a pod, the order of rules, unreadable terms, arrivals."""

from __future__ import annotations

from typing import Final

from tests.parity.build import (
    POD_AFFINITY,
    Case,
    Object,
    app,
    company,
    configure,
    expr,
    far,
    likes,
    near,
    never,
    pod,
    profile,
)
from tests.parity.company import NODES, NOWHERE, TEAM, TEAMLESS, X, four, new, old, space

_FLEES_X = far(X)
SYMMETRIC = [
    four("refuses-us-in-the-zone", [old("a1", _FLEES_X)], new(app="x"), unwelcome="a1 a2", best="b1 bare"),
    four(
        "refuses-us-on-the-node",
        [old("a1", far(company(app("x"), "host")))],
        new(app="x"),
        unwelcome="a1",
        best="a2 b1 bare",
    ),
    four("refuses-others", [old("a1", _FLEES_X)], new(app="y"), best="a2 b1 bare"),
    four(
        "refuses-us-by-either-term",
        [old("a1", far(company(app("y")), X))],
        new(app="x"),
        unwelcome="a1 a2",
        best="b1 bare",
    ),
    four("refuses-us-where-there-is-no-zone", [old("bare", _FLEES_X)], new(app="x"), best="a1 a2 b1"),
    four("refuses-its-own-namespace", [old("a1", _FLEES_X, namespace="n")], new(app="x"), best="a2 b1 bare"),
    four(
        "refuses-our-namespace-by-name",
        [old("a1", far(company(app("x"), namespaces=["default"])), namespace="n")],
        new(app="x"),
        unwelcome="a1 a2",
        best="b1 bare",
    ),
    four(
        "refuses-our-namespace-by-label",
        [old("a1", far(company(app("x"), namespaceSelector=TEAM)), namespace="n")],
        new(app="x"),
        namespaces=[space("default", team="t")],
        unwelcome="a1 a2",
        best="b1 bare",
    ),
    four(
        "refuses-unlabelled-namespaces-and-ours-is-labelled",
        [old("a1", far(company(app("x"), namespaceSelector=TEAMLESS)))],
        new(app="x"),
        namespaces=[space("default", team="t")],
        best="a2 b1 bare",
    ),
    four(
        "refuses-unlabelled-namespaces-and-ours-is-unknown",
        [old("a1", far(company(app("x"), namespaceSelector=TEAMLESS)))],
        new(app="x"),
        unwelcome="a1 a2",
        best="b1 bare",
    ),
    four(
        "refuses-all-namespaces",
        [old("a1", far(company(app("x"), namespaceSelector={})), namespace="n")],
        new(app="x"),
        unwelcome="a1 a2",
        best="b1 bare",
    ),
    four(
        "refused-by-one-that-ends",
        [pod("ends", on="b1", deleted=True, affinity=_FLEES_X)],
        new(app="x"),
        unwelcome="b1",
        best="a1 a2 bare",
    ),
    four(
        "refused-by-one-that-has-finished",
        [pod("done", on="b1", phase="Failed", affinity=_FLEES_X)],
        new(app="x"),
        best="a1 a2 b1 bare",
    ),
    four("refused-both-ways", [old("a1", _FLEES_X, app="x")], new(_FLEES_X, app="x"), crowded="a1 a2", best="b1 bare"),
]

ORDER = [
    four(
        "rules-in-their-order",
        [
            old("a1", app="x", name="x"),
            old("b1", far(company({"matchLabels": {"we": "us"}}, "host")), app="x"),
            old("a2", app="y"),
        ],
        new(near(X) | far(company(app("y"), "host")), we="us"),
        lonely="bare",
        crowded="a2",
        unwelcome="b1",
        best="a1",
    ),
    four(
        "all-rules-broken",
        [
            old("a1", far(company({}, "host")), app="y", name="p"),
            old("bare", far(company({}, "host")), app="y", name="q"),
            old("a1", app="x"),
        ],
        new(near(X) | far(company(app("y"), "host"))),
        lonely="b1 bare",
        crowded="a1",
        best="a2",
    ),
    four(
        "reasons-are-counted-each",
        [old("a1", app="y"), old("b1", _FLEES_X, name="f"), old("b1", app="z", name="z"), old("a2", app="z")],
        new(near(company(app("z"))) | far(company(app("y"))), app="x"),
        lonely="bare",
        crowded="a1 a2",
        unwelcome="b1",
        message="0/4 nodes are available: 1 node(s) didn't match pod affinity rules, 1 node(s) didn't satisfy existing "
        "pods anti-affinity rules, 2 node(s) didn't match pod anti-affinity rules.",
    ),
    four(
        "preferences-refuse-nobody",
        [old("a1", app="x")],
        new(likes((100, company(app("none"), "row")))),
        best="a2 b1 bare",
    ),
    four(
        "not-asked-when-disabled",
        [old("a1", _FLEES_X, app="x")],
        new(far(X), app="x"),
        best="a2 b1 bare",
        config=profile(plugins={"multiPoint": {"disabled": [{"name": POD_AFFINITY}]}}),
    ),
    four(
        "arguments-are-no-matter-to-the-filter",
        [old("a1", app="x")],
        new(far(X)),
        crowded="a1 a2",
        best="b1 bare",
        config=configure(POD_AFFINITY, hardPodAffinityWeight=0, ignorePreferredTermsOfExistingPods=True),
    ),
]

_BAD = company({"matchExpressions": [{"key": "app", "operator": "In"}]})
_ODD = company({"matchExpressions": [expr("app", "Gt", "1")]})
_CROSSED = company(app("x"), namespaceSelector={"matchExpressions": [expr("team", "Exists", "t", "u")]})
_NO_VALUES: Final = "values: Invalid value: null: for 'in', 'notin' operators, values set can't be empty"
_NO_OPERATOR: Final = '"Gt" is not a valid label selector operator'
_VALUES: Final = 'values: Invalid value: ["t","u"]: values set must be empty for exists and does not exist'
UNREADABLE = [
    Case(
        id=f"company-unreadable-{name}",
        nodes=NODES,
        pod=new(affinity),
        pre_filter=never(POD_AFFINITY, f"parsing pod: {problem}"),
        message=f"0/4 nodes are available: parsing pod: {problem}.",
    )
    for name, affinity, problem in [
        ("values", near(X, _BAD), f"requiredAffinityTerms: {_NO_VALUES}"),
        ("operator", far(_ODD), f"requiredAntiAffinityTerms: {_NO_OPERATOR}"),
        ("namespaces", far(_CROSSED), f"requiredAntiAffinityTerms: {_VALUES}"),
        (
            "lists",
            likes((1, _ODD)) | far(_BAD),
            f"[requiredAntiAffinityTerms: {_NO_VALUES}, preferredAffinityTerms: {_NO_OPERATOR}]",
        ),
    ]
] + [
    four("unreadable-terms-of-others-are-none", [old("a1", far(X, _ODD))], new(app="x"), best="a2 b1 bare"),
    four(
        "readable-lists-of-others-count-beside-unreadable-ones",
        [old("a1", far(X) | likes((1, _BAD)))],
        new(app="x"),
        unwelcome="a1 a2",
        best="b1 bare",
    ),
]


def _nominated(on: str, affinity: Object | None = None, *, priority: int = 0, **labels: str) -> Object:
    return pod(f"nominated-{on}", nominated=on, priority=priority, labels=labels, affinity=affinity)


NOMINATED = [
    four(
        "nominated-and-refused-counts-on-its-node-alone",
        [_nominated("a1", app="x")],
        new(far(X)),
        crowded="a1",
        best="a2 b1 bare",
    ),
    four("nominated-of-lower-priority", [_nominated("a1", app="x")], new(far(X), priority=1), best="a1 a2 b1 bare"),
    four(
        "nominated-company-may-not-come",
        [_nominated("a1", app="x")],
        new(near(X)),
        lonely="a1 a2 b1 bare",
        message=NOWHERE,
    ),
    four(
        "nominated-company-beside-real-company",
        [_nominated("b1", app="x"), old("a1", app="x")],
        new(near(X)),
        lonely="b1 bare",
        best="a2",
    ),
    four(
        "nominated-ends-no-series-but-on-its-node",
        [_nominated("bare", app="x"), _nominated("a1", app="x")],
        new(near(X), app="x"),
        lonely="bare",
        best="a1 a2 b1",
    ),
    four(
        "nominated-ends-a-series-on-its-node",
        [_nominated("a1", app="x", tier="y")],
        new(near(company({"matchLabels": {"tier": "y"}}), company(app("x"), "host")), app="x", tier="y"),
        lonely="bare",
        best="a1 a2 b1",
    ),
    four(
        "nominated-refuses-us-but-nobody-asks-it",
        [_nominated("a1", far(company(app("x"), "host")))],
        new(app="x"),
        best="a1 a2 b1 bare",
    ),
    four(
        "nominated-refuses-us-when-there-is-something-to-ask",
        [_nominated("a1", far(company(app("x"), "host")))],
        new(far(company(app("none"))), app="x"),
        unwelcome="a1",
        best="a2 b1 bare",
    ),
]

CASES = [*SYMMETRIC, *ORDER, *UNREADABLE, *NOMINATED]
