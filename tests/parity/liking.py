"""Cases of InterPodAffinity's score: whom a pod likes to be near, and who likes to be near it."""

from __future__ import annotations

from tests.parity.build import (
    CORDONED,
    FITS,
    POD_AFFINITY,
    Case,
    Object,
    app,
    company,
    configure,
    dislikes,
    expr,
    far,
    likes,
    near,
    node,
    pod,
    profile,
)
from tests.parity.company import NODES, new, old, space

_X = company(app("x"))
_X_HERE = company(app("x"), "host")


def _case(
    name: str,
    pods: list[Object],
    asked: Object,
    raw: tuple[int, int, int, int] | None,
    *,
    namespaces: list[Object] | None = None,
    config: Object | None = None,
) -> Case:
    """A case on the four nodes, all of which fit; `raw` in their order, None where upstream skips the score."""
    names = [each["metadata"]["name"] for each in NODES]
    weighted, totals, best = UPSTREAM[name]
    return Case(
        id=f"liking-{name}",
        nodes=NODES,
        pods=pods,
        pod=asked,
        namespaces=namespaces or [],
        config=config,
        verdicts=dict.fromkeys(names, FITS),
        raw={POD_AFFINITY: dict(zip(names, raw or (0, 0, 0, 0), strict=True))},
        scores={POD_AFFINITY: dict(zip(names, weighted, strict=True))},
        totals=dict(zip(names, totals, strict=True)),
        best=best.split(),
    )


# What upstream makes of the raw scores: with their weight, and summed with all other plugins; then the best nodes.
UPSTREAM: dict[str, tuple[tuple[int, ...], tuple[int, ...], str]] = {
    "a-zone": ((200, 200, 0, 0), (595, 597, 397, 397), "a2"),
    "not-a-zone": ((0, 0, 200, 200), (395, 397, 597, 597), "b1 bare"),
    "spread-over-nodes": ((0, 100, 200, 200), (392, 495, 597, 597), "b1 bare"),
    "spread-the-first": ((0, 0, 0, 0), (397, 397, 397, 397), "a1 a2 b1 bare"),
    "spread-among-other-revisions": ((0, 0, 0, 0), (395, 397, 395, 397), "a2 bare"),
    "each-pod-counts": ((200, 200, 100, 0), (595, 595, 495, 397), "a1 a2"),
    "two-keys-add-up": ((82, 200, 116, 0), (477, 597, 511, 397), "a2"),
    "for-and-against": ((200, 90, 0, 108), (595, 485, 395, 505), "a1"),
    "nothing-where-all-are-equal": ((0, 0, 0, 0), (395, 395, 395, 395), "a1 a2 b1 bare"),
    "fractions-are-cut": ((200, 56, 114, 0), (595, 451, 509, 397), "a1"),
    "with-a-key-nobody-has": ((0, 0, 0, 0), (395, 397, 397, 397), "a2 b1 bare"),
    "of-another-namespace": ((0, 0, 0, 0), (395, 397, 397, 397), "a2 b1 bare"),
    "of-selected-namespaces": ((200, 200, 0, 0), (595, 597, 395, 397), "a2"),
    "of-any-of-several": ((200, 0, 200, 0), (595, 397, 595, 395), "a1 b1"),
    "of-a-pod-that-ends": ((0, 0, 200, 0), (397, 397, 595, 397), "b1"),
    "of-a-nominated-pod": ((0, 0, 0, 0), (397, 397, 397, 397), "a1 a2 b1 bare"),
    "without-a-selector": ((0, 0, 0, 0), (395, 397, 397, 397), "a2 b1 bare"),
    "by-others": ((200, 200, 0, 0), (595, 597, 397, 397), "a2"),
    "by-others-not": ((200, 200, 0, 200), (597, 597, 395, 597), "a1 a2 bare"),
    "by-others-of-another-app": ((0, 0, 0, 0), (395, 397, 397, 397), "a2 b1 bare"),
    "by-others-by-our-namespaces-label": ((200, 200, 0, 0), (595, 597, 397, 397), "a2"),
    "by-others-of-unlabelled-namespaces": ((0, 0, 0, 0), (395, 397, 397, 397), "a2 b1 bare"),
    "by-several-alike": ((200, 200, 100, 0), (592, 597, 495, 397), "a2"),
    "both-ways": ((200, 132, 0, 0), (595, 529, 397, 397), "a1"),
    "required-by-others": ((200, 0, 0, 0), (595, 397, 397, 397), "a1"),
    "required-by-others-of-weight-40": ((200, 200, 50, 0), (595, 597, 445, 397), "a2"),
    "required-by-others-of-weight-0": ((0, 0, 0, 0), (395, 397, 397, 397), "a2 b1 bare"),
    "refused-by-others-is-no-score": ((0, 0, 0, 0), (395, 397, 397, 397), "a2 b1 bare"),
    "by-others-unheard": ((0, 0, 0, 0), (395, 397, 397, 397), "a2 b1 bare"),
    "by-others-heard-with-preferences-of-its-own": ((200, 200, 0, 0), (595, 597, 397, 397), "a2"),
    "weight-of-the-plugin": ((900, 900, 0, 0), (1295, 1297, 397, 397), "a2"),
    "weight-of-none": ((0, 0, 0, 0), (395, 397, 397, 397), "a2 b1 bare"),
}

_TEAM = {"matchLabels": {"team": "t"}}
_SPREAD = dislikes((100, _X_HERE))  # what Knative writes for the pods of a revision
OWN = [
    _case("a-zone", [old("a1", app="x")], new(likes((10, _X))), (10, 10, 0, 0)),
    _case("not-a-zone", [old("a1", app="x")], new(dislikes((10, _X))), (-10, -10, 0, 0)),
    _case(
        "spread-over-nodes",
        [old("a1", _SPREAD, app="x", name="1"), old("a1", _SPREAD, app="x", name="2"), old("a2", _SPREAD, app="x")],
        new(_SPREAD, app="x"),
        (-400, -200, 0, 0),
    ),
    _case("spread-the-first", [], new(_SPREAD, app="x"), None),
    _case(
        "spread-among-other-revisions",
        [old("a1", dislikes((100, company(app("y"), "host"))), app="y"), old("b1", app="y")],
        new(_SPREAD, app="x"),
        None,
    ),
    _case(
        "each-pod-counts",
        [old("a1", app="x"), old("a2", app="x"), old("b1", app="x")],
        new(likes((3, _X))),
        (6, 6, 3, 0),
    ),
    _case(
        "two-keys-add-up",
        [old("a1", app="x"), old("b1", app="y")],
        new(likes((5, _X), (7, company(app("y"), "rack")))),
        (5, 12, 7, 0),
    ),
    _case(
        "for-and-against",
        [old("a1", app="x"), old("a2", app="y"), old("b1", app="y")],
        new(likes((50, _X)) | dislikes((30, company(app("y"), "rack")))),
        (50, -10, -60, 0),
    ),
    _case(
        "nothing-where-all-are-equal",
        [old(each["metadata"]["name"], app="x") for each in NODES],
        new(likes((9, _X_HERE))),
        (9, 9, 9, 9),
    ),
    _case(
        "fractions-are-cut",
        [old("a1", app="x"), old("a2", app="y"), old("b1", app="z")],
        new(likes((100, _X_HERE), (29, company(app("y"), "host")), (58, company(app("z"), "host")))),
        (100, 29, 58, 0),
    ),
    _case("with-a-key-nobody-has", [old("a1", app="x")], new(likes((10, company(app("x"), "row")))), None),
    _case("of-another-namespace", [old("a1", app="x", namespace="n")], new(likes((10, _X))), None),
    _case(
        "of-selected-namespaces",
        [old("a1", app="x", namespace="n"), old("b1", app="x", namespace="m")],
        new(likes((10, company(app("x"), namespaceSelector=_TEAM)))),
        (10, 10, 0, 0),
        namespaces=[space("n", team="t"), space("m")],
    ),
    _case(
        "of-any-of-several",
        [old("a1", app="x"), old("b1", app="y"), old("bare", app="z")],
        new(likes((4, company(app("x", "y"), "host")))),
        (4, 0, 4, 0),
    ),
    _case(
        "of-a-pod-that-ends",
        [pod("ends", on="b1", labels={"app": "x"}, deleted=True)],
        new(likes((10, _X))),
        (0, 0, 10, 0),
    ),
    _case("of-a-nominated-pod", [pod("nominated", nominated="a1", labels={"app": "x"})], new(likes((10, _X))), None),
    _case("without-a-selector", [old("a1", app="x")], new(likes((10, company(None)))), None),
]

_HARD = configure(POD_AFFINITY, hardPodAffinityWeight=40)
_DEAF = configure(POD_AFFINITY, ignorePreferredTermsOfExistingPods=True)
THEIRS = [
    _case("by-others", [old("a1", likes((10, _X)))], new(app="x"), (10, 10, 0, 0)),
    _case("by-others-not", [old("b1", dislikes((10, _X)))], new(app="x"), (0, 0, -10, 0)),
    _case("by-others-of-another-app", [old("a1", likes((10, _X)))], new(app="y"), None),
    _case(
        "by-others-by-our-namespaces-label",
        [old("a1", likes((10, company(app("x"), namespaceSelector=_TEAM))), namespace="n")],
        new(app="x"),
        (10, 10, 0, 0),
        namespaces=[space("default", team="t")],
    ),
    _case(
        "by-others-of-unlabelled-namespaces",
        [
            old(
                "a1",
                likes((10, company(app("x"), namespaceSelector={"matchExpressions": [expr("team", "DoesNotExist")]}))),
            )
        ],
        new(app="x"),
        None,
        namespaces=[space("default", team="t")],
    ),
    _case(
        "by-several-alike",
        [old("a1", likes((10, _X)), name="1"), old("a1", likes((10, _X)), name="2"), old("b1", likes((10, _X)))],
        new(app="x"),
        (20, 20, 10, 0),
    ),
    _case(
        "both-ways",
        [old("a1", likes((10, company(app("y")))), app="x")],
        new(likes((5, _X_HERE)), app="y"),
        (15, 10, 0, 0),
    ),
    _case("required-by-others", [old("a1", near(company(app("x"), "rack")))], new(app="x"), (1, 0, 0, 0)),
    _case(
        "required-by-others-of-weight-40",
        [old("a1", near(_X)), old("b1", likes((10, _X)))],
        new(app="x"),
        (40, 40, 10, 0),
        config=_HARD,
    ),
    _case(
        "required-by-others-of-weight-0",
        [old("a1", near(_X))],
        new(app="x"),
        None,
        config=configure(POD_AFFINITY, hardPodAffinityWeight=0),
    ),
    _case("refused-by-others-is-no-score", [old("a1", far(company(app("y"))), app="x")], new(app="x"), None),
    _case("by-others-unheard", [old("a1", likes((10, _X)))], new(app="x"), None, config=_DEAF),
    _case(
        "by-others-heard-with-preferences-of-its-own",
        [old("a1", likes((10, _X)))],
        new(likes((1, company(app("none")))), app="x"),
        (10, 10, 0, 0),
        config=_DEAF,
    ),
    _case(
        "weight-of-the-plugin",
        [old("a1", likes((10, _X)))],
        new(app="x"),
        (10, 10, 0, 0),
        config=profile(plugins={"multiPoint": {"enabled": [{"name": POD_AFFINITY, "weight": 9}]}}),
    ),
    _case(
        "weight-of-none",
        [old("a1", likes((10, _X)))],
        new(app="x"),
        None,
        config=profile(plugins={"score": {"disabled": [{"name": POD_AFFINITY}]}}),
    ),
]

ELSEWHERE = [
    Case(
        id="liking-pods-on-nodes-that-are-not-feasible",
        nodes=[
            node("closed", labels={"zone": "a"}, cordoned=True),
            node("a", labels={"zone": "a"}),
            node("b", labels={"zone": "b"}),
        ],
        pods=[old("closed", app="x")],
        pod=new(likes((10, _X))),
        verdicts={"closed": CORDONED, "a": FITS, "b": FITS},
        raw={POD_AFFINITY: {"a": 10, "b": 0}},
        scores={POD_AFFINITY: {"a": 200, "b": 0}},
        totals={"a": 597, "b": 397},
        best=["a"],
    ),
]

CASES = [*OWN, *THEIRS, *ELSEWHERE]
