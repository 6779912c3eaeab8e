"""Cases of the scores that weigh dislikes, likes and images, each over nodes that are alike in all else.

A pod that asks nothing on idle nodes gets 97 of NodeResourcesFit and, where no node is tainted, 300 of TaintToleration.
"""

from __future__ import annotations

from tests.parity.build import (
    AFFINITY,
    FITS,
    IMAGES,
    TAINTS,
    Case,
    Object,
    asking,
    configure,
    container,
    expr,
    named,
    node,
    pod,
    prefer,
    term,
    tolerate,
)

_MI = 1 << 20


def _scored(
    name: str,
    plugin: str,
    new: Object,
    nodes: list[Object],
    raw: dict[str, int],
    scores: dict[str, int],
    totals: dict[str, int],
    *,
    config: Object | None = None,
) -> Case:
    """Another plugin's case: all nodes are alike for NodeResourcesFit (97 or so) and idle."""
    top = max(totals.values())
    return Case(
        id=f"score-{name}",
        nodes=nodes,
        pod=new,
        config=config,
        verdicts=dict.fromkeys(totals, FITS),
        raw={plugin: raw},
        scores={plugin: scores},
        totals=totals,
        best=sorted(each for each, total in totals.items() if total == top),
    )


def _disliked(name: str, *keys: str) -> Object:
    return node(name, taints=[f"{key}:PreferNoSchedule" for key in keys])


DISLIKES = [
    _scored(
        "taints-counted",
        TAINTS,
        asking(),
        [_disliked("a", "x", "y"), _disliked("b", "x"), node("c")],
        {"a": 2, "b": 1, "c": 0},
        {"a": 0, "b": 150, "c": 300},
        {"a": 97, "b": 247, "c": 397},
    ),
    _scored(
        "taints-tolerated-with-that-effect-or-none",
        TAINTS,
        asking(
            tolerations=[tolerate("x"), tolerate("y", effect="PreferNoSchedule"), tolerate("z", effect="NoSchedule")]
        ),
        [_disliked("a", "x", "y", "z"), _disliked("b", "u", "v", "w")],
        {"a": 1, "b": 3},
        {"a": 201, "b": 0},
        {"a": 298, "b": 97},
    ),
    _scored(
        "taints-of-other-effects-do-not-count",
        TAINTS,
        asking(tolerations=[tolerate("x", effect="NoSchedule")]),
        [node("a", taints=["x:NoSchedule"]), node("b")],
        {"a": 0, "b": 0},
        {"a": 300, "b": 300},
        {"a": 397, "b": 397},
    ),
    _scored(
        "taints-all-equal",
        TAINTS,
        asking(),
        [_disliked("a", "x"), _disliked("b", "y")],
        {"a": 1, "b": 1},
        {"a": 0, "b": 0},
        {"a": 97, "b": 97},
    ),
]

_LABELLED = [
    node("ssd", labels={"disk": "ssd", "zone": "x", "gen": "7"}),
    node("hdd", labels={"disk": "hdd", "zone": "y"}),
    node("bare"),
]
_IS_SSD = term(expr("disk", "In", "ssd"))


def _liked(
    name: str, new: Object, raw: tuple[int, int, int], scores: tuple[int, int, int], *, config: Object | None = None
) -> Case:
    """Over the three labelled nodes, in their order; all else adds 397."""
    names = ("ssd", "hdd", "bare")
    return _scored(
        f"affinity-{name}",
        AFFINITY,
        new,
        _LABELLED,
        dict(zip(names, raw, strict=True)),
        dict(zip(names, scores, strict=True)),
        {each: 397 + score for each, score in zip(names, scores, strict=True)},
        config=config,
    )


LIKES = [
    _liked(
        "weights-add-up",
        asking(affinity=prefer((80, _IS_SSD), (20, term(expr("zone", "In", "x", "y"))))),
        (100, 20, 0),
        (200, 40, 0),
    ),
    _liked(
        "highest-is-all",
        asking(affinity=prefer((3, term(expr("disk", "Exists"))), (1, _IS_SSD))),
        (4, 3, 0),
        (200, 150, 0),
    ),
    _liked(
        "thirds-are-cut",
        asking(affinity=prefer((1, term(expr("disk", "Exists"))), (2, _IS_SSD))),
        (3, 1, 0),
        (200, 66, 0),
    ),
    _liked(
        "no-match-is-zero-everywhere",
        asking(affinity=prefer((50, term(expr("disk", "In", "tape"))))),
        (0, 0, 0),
        (0, 0, 0),
    ),
    _liked(
        "empty-preference-is-skipped", asking(affinity=prefer((100, term()), (10, _IS_SSD))), (10, 0, 0), (200, 0, 0)
    ),
    _liked(
        "absent-key-is-not-in",
        asking(affinity=prefer((5, term(expr("disk", "NotIn", "ssd"))))),
        (0, 5, 5),
        (0, 200, 200),
    ),
    _liked("greater", asking(affinity=prefer((5, term(expr("gen", "Gt", "6"))))), (5, 0, 0), (200, 0, 0)),
    _liked("by-name", asking(affinity=prefer((5, term(fields=[named("In", "bare")])))), (0, 0, 5), (0, 0, 200)),
    _liked("none-asked", asking(), (0, 0, 0), (0, 0, 0)),
    _liked(
        "added-by-configuration",
        asking(affinity=prefer((10, _IS_SSD))),
        (10, 30, 0),
        (66, 200, 0),
        config=configure(AFFINITY, addedAffinity=prefer((30, term(expr("zone", "In", "y"))))["nodeAffinity"]),
    ),
    Case(
        id="score-affinity-unparsable-preference-fails-the-cycle",
        nodes=_LABELLED,
        pod=asking(affinity=prefer((10, _IS_SSD), (5, term(expr("gen", "Gt", "abc"))))),
        verdicts={"ssd": FITS, "hdd": FITS, "bare": FITS},
        score_error=True,
    ),
    Case(
        id="score-affinity-unparsable-preference-does-not-matter-with-one-node",
        nodes=_LABELLED[:1],
        pod=asking(affinity=prefer((5, term(expr("gen", "Gt", "abc"))))),
        verdicts={"ssd": FITS},
        best=["ssd"],
    ),
]


def _image(name: str, new: Object, nodes: list[Object], a: int, b: int, *, rest: int = 397) -> Case:
    scores = {"a": a, "b": b}
    return _scored(f"image-{name}", IMAGES, new, nodes, scores, scores, {"a": rest + a, "b": rest + b})


def _holding(**images: int) -> Object:
    return node("a", images={image.replace("_", ":"): size * _MI for image, size in images.items()})


def _runs(image: str, *more: str) -> Object:
    return pod("new", *(container(f"c{i}", image=each) for i, each in enumerate((image, *more))))


PULLED = [
    _image("on-half-the-nodes", _runs("app:1"), [_holding(app_1=1046), node("b")], 51, 0),
    _image("on-every-node", _runs("app:1"), [_holding(app_1=511), node("b", images={"app:1": 511 * _MI})], 49, 49),
    _image("small-is-nothing", _runs("app:1"), [_holding(app_1=46), node("b")], 0, 0),
    _image("just-above-small", _runs("app:1"), [_holding(app_1=66), node("b")], 1, 0),
    _image("huge-is-all", _runs("app:1"), [_holding(app_1=9000), node("b")], 100, 0),
    _image("no-tag-is-latest", _runs("app"), [_holding(app_latest=1046), node("b")], 51, 0),
    _image(
        "port-is-no-tag",
        _runs("reg:5000/app"),
        [node("a", images={"reg:5000/app:latest": 1046 * _MI}), node("b")],
        51,
        0,
    ),
    _image(
        "digest-is-the-name",
        _runs("app@sha256:abc"),
        [node("a", images={"app@sha256:abc": 1046 * _MI}), node("b")],
        51,
        0,
    ),
    _image(
        "volumes-want-more-too",
        pod("new", container(image="x:1"), volumes=[{"name": "v", "image": {"reference": "app:1"}}]),
        [_holding(app_1=1046), node("b")],
        25,
        0,
    ),
    _image("other-tag", _runs("app:2"), [_holding(app_1=1046), node("b")], 0, 0),
    _image("twice-in-a-pod-counts-twice", _runs("app:1", "app:1"), [_holding(app_1=1046), node("b")], 51, 0, rest=395),
    _image("more-containers-want-more", _runs("app:1", "x:1"), [_holding(app_1=1046), node("b")], 25, 0, rest=395),
    _image(
        "init-containers-count",
        pod("new", container(image="x:1"), init=[container("i", image="app:1")]),
        [_holding(app_1=1046), node("b")],
        25,
        0,
    ),
    _image(
        "the-first-node-tells-the-size",
        _runs("app:1"),
        [_holding(app_1=500), node("b", images={"app:1": 900 * _MI})],
        48,
        48,
    ),
    _image(
        "named-twice-on-a-node-counts-the-first",
        _runs("app:1"),
        [
            {
                **node("a"),
                "status": {
                    **node("a")["status"],
                    "images": [
                        {"names": ["app:1", "app:stable"], "sizeBytes": 1046 * _MI},
                        {"names": ["app:1"], "sizeBytes": 24 * _MI},
                    ],
                },
            },
            node("b"),
        ],
        51,
        0,
    ),
]

CASES = [*DISLIKES, *LIKES, *PULLED]
