"""Cases of the two scores that look at what is left on a node, with raw integers, totals and best nodes.

Nodes have no taints here, so TaintToleration adds its full 300 to every total.
"""

from __future__ import annotations

from tests.parity.build import (
    BALANCED,
    FIT,
    FITS,
    Case,
    Object,
    asking,
    configure,
    container,
    node,
    pod,
    running,
    strategy,
)

_GPU = "example.com/gpu"


def _fit(
    name: str,
    new: Object,
    nodes: list[Object],
    scores: dict[str, int],
    totals: dict[str, int],
    *,
    old: list[Object] | None = None,
    config: Object | None = None,
) -> Case:
    """All nodes fit; what NodeResourcesFit gives each is its raw and its weighted score alike."""
    top = max(totals.values())
    return Case(
        id=f"score-fit-{name}",
        nodes=nodes,
        pods=old or [],
        pod=new,
        config=config,
        verdicts=dict.fromkeys(scores, FITS),
        raw={FIT: scores},
        scores={FIT: scores},
        totals=totals,
        best=sorted(each for each, total in totals.items() if total == top),
    )


_SMALL = [node("a", cpu="1", memory="1000Mi"), node("b", cpu="2", memory="1000Mi")]
_PAIR = [node("a"), node("b", cpu="2")]
_WIDE = [node("a"), node("b", cpu="8")]

LEAST = [
    _fit("least", asking("1", "2Gi"), _PAIR, {"a": 75, "b": 62}, {"a": 450, "b": 430}),
    _fit(
        "least-counts-containers-without-requests",
        pod("new", container("one"), container("two")),
        _SMALL,
        {"a": 70, "b": 75},
        {"a": 370, "b": 375},
    ),
    _fit(
        "least-explicit-zero-is-zero",
        asking("0", "0"),
        [_SMALL[0], node("b", cpu="1", memory="1000Mi")],
        {"a": 100, "b": 85},
        {"a": 400, "b": 385},
        old=[running("b")],
    ),
    _fit(
        "least-overfull-resource-is-zero",
        asking("0", "2Gi"),
        [node("a"), node("b")],
        {"a": 25, "b": 87},
        {"a": 406, "b": 455},
        old=[running("a", "5", "2Gi")],
    ),
    _fit(
        "least-leaves-out-what-a-node-lacks",
        asking("0", "2Gi"),
        [node("a", cpu=None), node("b")],
        {"a": 75, "b": 87},
        {"a": 450, "b": 455},
    ),
    _fit(
        "least-cuts-each-fraction",
        asking("1", "0"),
        [node("a", cpu="3"), node("b", cpu="7")],
        {"a": 83, "b": 92},
        {"a": 449, "b": 463},
    ),
    _fit(
        "least-sidecars-without-requests-count",
        pod("new", container(cpu="1", memory="1Gi"), init=[container("s", sidecar=True), container("i")]),
        _PAIR,
        {"a": 78, "b": 65},
        {"a": 449, "b": 430},
    ),
    _fit(
        "least-overhead",
        asking("1", "1Gi", overhead={"cpu": "1", "memory": "1Gi"}),
        _WIDE,
        {"a": 62, "b": 75},
        {"a": 430, "b": 450},
    ),
    # This plugin scores by the containers alone; BalancedAllocation and every filter read the pod level too.
    _fit(
        "least-overlooks-the-pod-level",
        asking("1", resources={"requests": {"cpu": "2"}}),
        _WIDE,
        {"a": 86, "b": 92},
        {"a": 448, "b": 460},
    ),
    _fit(
        "least-existing-pod-level-adds-no-defaults-for-what-containers-ask",
        asking("1", "1Gi"),
        [node("a"), node("b")],
        {"a": 62, "b": 61},
        {"a": 434, "b": 433},
        old=[
            pod("p", container("one", memory="1Gi"), container("two"), on="a", resources={"requests": {"cpu": "1"}}),
            pod("q", container("one", cpu="1", memory="1Gi"), container("two", cpu="0"), on="b"),
        ],
    ),
    _fit(
        "least-weights",
        asking("2", "2Gi"),
        _WIDE,
        {"a": 68, "b": 75},
        {"a": 436, "b": 450},
        config=strategy("LeastAllocated", ("cpu", 1), ("memory", 3)),
    ),
    _fit(
        "least-extended",
        pod("new", container(cpu="1", memory="2Gi", more={_GPU: "1"})),
        [node("a", more={_GPU: "4"}), node("b", more={_GPU: "2"})],
        {"a": 75, "b": 56},
        {"a": 450, "b": 431},
        config=strategy("LeastAllocated", ("cpu", 1), (_GPU, 3)),
    ),
    _fit(
        "least-extended-not-asked-is-left-out",
        asking("1", "2Gi"),
        [node("a", more={_GPU: "4"}), node("b", cpu="2")],
        {"a": 75, "b": 50},
        {"a": 450, "b": 418},
        config=strategy("LeastAllocated", ("cpu", 1), (_GPU, 3)),
    ),
    _fit(
        "least-ephemeral-storage",
        pod("new", container(cpu="1", memory="2Gi", more={"ephemeral-storage": "3Gi"})),
        [node("a", more={"ephemeral-storage": "10Gi"}), node("b", more={"ephemeral-storage": "10Gi"})],
        {"a": 50, "b": 70},
        {"a": 425, "b": 445},
        config=strategy("LeastAllocated", ("ephemeral-storage", 1)),
        old=[pod("old", container(cpu="0", memory="0", more={"ephemeral-storage": "2Gi"}), on="a")],
    ),
    _fit(
        "least-nothing-to-score-is-zero",
        asking("1", "2Gi"),
        _PAIR,
        {"a": 0, "b": 0},
        {"a": 375, "b": 368},
        config=strategy("LeastAllocated", (_GPU, 1)),
    ),
]

_FULLER = {"shape": [{"utilization": 0, "score": 0}, {"utilization": 100, "score": 10}]}
_EMPTIER = {"shape": [{"utilization": 0, "score": 10}, {"utilization": 100, "score": 0}]}
_STEPS = {"shape": [{"utilization": 20, "score": 0}, {"utilization": 50, "score": 8}, {"utilization": 80, "score": 10}]}
_DOWN = {"shape": [{"utilization": 0, "score": 10}, {"utilization": 30, "score": 0}]}
_BOTH = [("cpu", 1), ("memory", 1)]
_RATIO = "RequestedToCapacityRatio"

OTHERS = [
    _fit(
        "most",
        asking("1", "2Gi"),
        _PAIR,
        {"a": 25, "b": 37},
        {"a": 400, "b": 405},
        config=strategy("MostAllocated", *_BOTH),
    ),
    _fit(
        "most-overfull-resource-is-full",
        asking("0", "2Gi"),
        [node("a"), node("b")],
        {"a": 75, "b": 12},
        {"a": 456, "b": 380},
        old=[running("a", "5", "2Gi")],
        config=strategy("MostAllocated", *_BOTH),
    ),
    _fit(
        "ratio-rounds-half-up",
        asking("1", "2Gi"),
        _PAIR,
        {"a": 25, "b": 38},
        {"a": 400, "b": 406},
        config=strategy(_RATIO, *_BOTH, requestedToCapacityRatio=_FULLER),
    ),
    _fit(
        "ratio-leaves-out-what-scores-zero",
        asking("4", "2Gi"),
        _WIDE,
        {"a": 75, "b": 63},
        {"a": 431, "b": 431},
        config=strategy(_RATIO, *_BOTH, requestedToCapacityRatio=_EMPTIER),
    ),
    _fit(
        "ratio-between-points",
        asking("1", "4Gi"),
        [node("a"), node("b", cpu="2"), node("c", cpu="8")],
        {"a": 47, "b": 80, "c": 80},
        {"a": 415, "b": 455, "c": 445},
        config=strategy(_RATIO, *_BOTH, requestedToCapacityRatio=_STEPS),
    ),
    _fit(
        "ratio-falling-cuts-towards-zero",
        asking("400m", "0"),
        _PAIR,
        {"a": 67, "b": 34},
        {"a": 439, "b": 404},
        config=strategy(_RATIO, ("cpu", 1), requestedToCapacityRatio=_DOWN),
    ),
    _fit(
        "ratio-overfull-is-full",
        asking("0", "2Gi"),
        [node("a"), node("b")],
        {"a": 75, "b": 25},
        {"a": 456, "b": 393},
        old=[running("a", "5", "2Gi")],
        config=strategy(_RATIO, *_BOTH, requestedToCapacityRatio=_FULLER),
    ),
]


def _balance(
    name: str,
    new: Object,
    nodes: list[Object],
    scores: dict[str, int],
    totals: dict[str, int],
    *,
    old: list[Object] | None = None,
    config: Object | None = None,
) -> Case:
    top = max(totals.values())
    return Case(
        id=f"score-balance-{name}",
        nodes=nodes,
        pods=old or [],
        pod=new,
        config=config,
        verdicts=dict.fromkeys(totals, FITS),
        raw={BALANCED: scores},
        scores={BALANCED: scores},
        totals=totals,
        best=sorted(each for each, total in totals.items() if total == top),
    )


_WITH_GPU = configure(BALANCED, resources=[{"name": name, "weight": 1} for name in ("cpu", "memory", _GPU)])

BALANCES = [
    _balance(
        "compares-with-and-without-the-pod",
        asking("0", "6Gi"),
        [node("a"), node("b")],
        {"a": 94, "b": 56},
        {"a": 419, "b": 418},
        old=[running("a", "3", "0")],
    ),
    _balance("worse-on-the-smaller-node", asking("1", "2Gi"), _PAIR, {"a": 75, "b": 68}, {"a": 450, "b": 430}),
    _balance(
        "reads-true-requests",
        asking("1"),
        [node("a"), node("b")],
        {"a": 68, "b": 68},
        {"a": 454, "b": 446},
        old=[running("b", name="one"), running("b", name="two"), running("b", name="three")],
    ),
    _balance(
        "fractions-end-at-one",
        asking("0", "4Gi"),
        [node("a"), node("b")],
        {"a": 87, "b": 62},
        {"a": 387, "b": 437},
        old=[running("a", "9", "4Gi")],
    ),
    _balance("skips-pods-that-ask-nothing", asking(), _PAIR, {"a": 0, "b": 0}, {"a": 397, "b": 396}),
    _balance(
        "one-resource-is-always-balanced",
        asking("1", "0"),
        [node("a", memory=None), node("b", memory=None)],
        {"a": 75, "b": 75},
        {"a": 450, "b": 425},
        old=[running("b", "1", "0")],
    ),
    _balance(
        "three-resources",
        pod("new", container(cpu="2", memory="2Gi", more={_GPU: "1"})),
        [node("a", more={_GPU: "1"}), node("b", more={_GPU: "4"})],
        {"a": 59, "b": 69},
        {"a": 421, "b": 431},
        config=_WITH_GPU,
    ),
    _balance(
        "extended-not-asked-is-left-out",
        asking("2", "2Gi"),
        [node("a", more={_GPU: "1"}), node("b")],
        {"a": 68, "b": 68},
        {"a": 430, "b": 430},
        config=_WITH_GPU,
        old=[pod("old", container(cpu="0", memory="0", more={_GPU: "1"}), on="a")],
    ),
]

CASES = [*LEAST, *OTHERS, *BALANCES]
