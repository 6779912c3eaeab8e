"""Cases of several rules at once: which filter speaks first, what the message adds up, and how scores outweigh."""

from __future__ import annotations

from tests.parity.build import (
    AFFINITY,
    BALANCED,
    CORDON,
    CORDONED,
    ELSEWHERE,
    FIT,
    FITS,
    FULL,
    IMAGES,
    NAME,
    NOT_NAMED,
    PORT_TAKEN,
    PORTS,
    TAINTED,
    TAINTS,
    UNSELECTED,
    Case,
    asking,
    container,
    expr,
    listening,
    never,
    node,
    pod,
    port,
    prefer,
    profile,
    running,
    short,
    term,
)

_SHORT_OF_CPU = short(FIT, "Insufficient cpu")
_NO_CPU = never(FIT, "Insufficient cpu")
_MI = 1 << 20

ORDER = [
    Case(
        id="order-of-the-filters",
        nodes=[
            node("cordon", cordoned=True, taints=["x:NoSchedule"], cpu="1"),
            node("taint", taints=["x:NoSchedule"], cpu="1"),
            node("labels", cpu="1"),
            node("ports", labels={"disk": "ssd"}, cpu="1"),
            node("room", labels={"disk": "ssd"}, cpu="1"),
        ],
        pods=[listening(port(80), name="old", on="ports")],
        pod=pod("new", container(cpu="2", ports=[port(80)]), nodeSelector={"disk": "ssd"}),
        verdicts={
            "cordon": CORDONED,
            "taint": TAINTED,
            "labels": UNSELECTED,
            "ports": PORT_TAKEN,
            "room": _NO_CPU,
        },
        alone={
            "cordon": {CORDON: CORDONED, TAINTS: TAINTED, AFFINITY: UNSELECTED, FIT: _NO_CPU},
            "taint": {TAINTS: TAINTED, AFFINITY: UNSELECTED, FIT: _NO_CPU},
            "labels": {AFFINITY: UNSELECTED, FIT: _NO_CPU},
            "ports": {PORTS: PORT_TAKEN, FIT: _NO_CPU},
            "room": {FIT: _NO_CPU},
        },
        message="0/5 nodes are available: 1 Insufficient cpu, 1 node(s) didn't have free ports for the requested pod "
        "ports, 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) had untolerated taint(s), "
        "1 node(s) were unschedulable.",
    ),
    Case(
        id="order-name-before-taints",
        nodes=[node("a", taints=["x:NoExecute"]), node("b", cordoned=True)],
        pod=asking(nodeName="z"),
        verdicts={"a": NOT_NAMED, "b": NOT_NAMED},
        pre_filter_nodes=["z"],
        alone={"a": {NAME: ELSEWHERE, TAINTS: TAINTED}, "b": {CORDON: CORDONED, NAME: ELSEWHERE}},
        message="0/2 nodes are available: 2 node(s) didn't satisfy plugin(s) [NodeName].",
    ),
]

MESSAGES = [
    Case(id="message-no-nodes", nodes=[], pod=asking(), message="no nodes available to schedule pods"),
    Case(
        id="message-sorts-as-text",
        nodes=[
            *(node(f"t{i}", taints=["x:NoSchedule"]) for i in range(10)),
            node("c", cordoned=True),
            node("d", cordoned=True),
        ],
        pod=asking(),
        verdicts={**{f"t{i}": TAINTED for i in range(10)}, "c": CORDONED, "d": CORDONED},
        message="0/12 nodes are available: 10 node(s) had untolerated taint(s), 2 node(s) were unschedulable.",
    ),
    Case(
        id="message-eleven-before-nine",
        nodes=[
            *(node(f"t{i}", taints=["x:NoSchedule"]) for i in range(11)),
            *(node(f"s{i}", cpu="1") for i in range(9)),
        ],
        pod=asking("2"),
        verdicts={**{f"t{i}": TAINTED for i in range(11)}, **{f"s{i}": _NO_CPU for i in range(9)}},
        message="0/20 nodes are available: 11 node(s) had untolerated taint(s), 9 Insufficient cpu.",
    ),
    Case(
        id="message-counts-every-reason-of-a-node",
        nodes=[node("a"), node("b"), node("c", pods="0")],
        pods=[running("a", "3", "7Gi"), running("b", "3", "1Gi")],
        pod=asking("2", "2Gi"),
        verdicts={"a": short(FIT, "Insufficient cpu", "Insufficient memory"), "b": _SHORT_OF_CPU, "c": FULL},
        message="0/3 nodes are available: 1 Insufficient memory, 1 Too many pods, 2 Insufficient cpu.",
    ),
    Case(
        id="message-short-and-never-read-alike",
        nodes=[node("a"), node("b", cpu="1")],
        pods=[running("a", "3")],
        pod=asking("2"),
        verdicts={"a": _SHORT_OF_CPU, "b": _NO_CPU},
        message="0/2 nodes are available: 2 Insufficient cpu.",
    ),
]

OUTWEIGHED = [
    Case(
        id="weigh-taint-against-affinity-against-room",
        nodes=[
            node("disliked", labels={"disk": "ssd"}, taints=["x:PreferNoSchedule"]),
            node("liked", labels={"disk": "ssd"}),
            node("roomy", cpu="64", memory="256Gi"),
        ],
        pod=asking("2", "2Gi", affinity=prefer((1, term(expr("disk", "In", "ssd"))))),
        verdicts={"disliked": FITS, "liked": FITS, "roomy": FITS},
        scores={
            TAINTS: {"disliked": 0, "liked": 300, "roomy": 300},
            AFFINITY: {"disliked": 200, "liked": 200, "roomy": 0},
            FIT: {"disliked": 62, "liked": 62, "roomy": 97},
            BALANCED: {"disliked": 68, "liked": 68, "roomy": 74},
        },
        totals={"disliked": 330, "liked": 630, "roomy": 471},
        best=["liked"],
    ),
    Case(
        id="weigh-image-against-room",
        nodes=[node("holds", images={"app:1": 900 * _MI}), node("roomy", cpu="8", memory="16Gi")],
        pod=asking("1", "2Gi"),
        verdicts={"holds": FITS, "roomy": FITS},
        scores={IMAGES: {"holds": 43, "roomy": 0}, FIT: {"holds": 75, "roomy": 87}},
        totals={"holds": 493, "roomy": 462},
        best=["holds"],
    ),
    Case(
        id="tie-of-three",
        nodes=[node("c"), node("a"), node("b"), node("d", cpu="2")],
        pod=asking("1", "2Gi"),
        verdicts={"a": FITS, "b": FITS, "c": FITS, "d": FITS},
        totals={"a": 450, "b": 450, "c": 450, "d": 430},
        best=["a", "b", "c"],
    ),
    Case(
        id="tie-of-unlike-nodes",
        nodes=[node("a"), node("b", cpu="8", memory="16Gi")],
        pods=[running("b", "1", "2Gi")],
        pod=asking("1", "2Gi"),
        verdicts={"a": FITS, "b": FITS},
        raw={FIT: {"a": 75, "b": 75}, BALANCED: {"a": 75, "b": 75}},
        totals={"a": 450, "b": 450},
        best=["a", "b"],
    ),
    Case(
        id="rejected-nodes-set-no-maximum",
        nodes=[
            node("worst", cordoned=True, taints=["x:PreferNoSchedule", "y:PreferNoSchedule", "z:PreferNoSchedule"]),
            node("a", taints=["x:PreferNoSchedule"]),
            node("b"),
        ],
        pod=asking(),
        verdicts={"worst": CORDONED, "a": FITS, "b": FITS},
        raw={TAINTS: {"a": 1, "b": 0}},
        scores={TAINTS: {"a": 0, "b": 300}},
        totals={"a": 97, "b": 397},
        best=["b"],
    ),
    Case(
        id="rejected-nodes-count-where-images-are",
        nodes=[
            node("full", cordoned=True, images={"app:1": 400 * _MI}),
            node("a", images={"app:1": 400 * _MI}),
            node("b"),
            node("c", cordoned=True),
        ],
        pod=asking(),
        verdicts={"full": CORDONED, "a": FITS, "b": FITS, "c": CORDONED},
        raw={IMAGES: {"a": 18, "b": 0}},
        totals={"a": 415, "b": 397},
        best=["a"],
    ),
    Case(
        id="the-best-scored-node-may-not-fit",
        nodes=[node("a"), node("b", cpu="2"), node("huge", cpu="512", memory="1Ti", taints=["x:NoSchedule"])],
        pod=asking("1", "2Gi"),
        verdicts={"a": FITS, "b": FITS, "huge": TAINTED},
        totals={"a": 450, "b": 430},
        best=["a"],
    ),
    Case(
        id="weights-from-the-configuration",
        nodes=[node("a", taints=["x:PreferNoSchedule"]), node("b", cpu="2")],
        pod=asking("1", "2Gi"),
        config=profile(
            plugins={
                "multiPoint": {"enabled": [{"name": FIT, "weight": 50}]},
                "score": {"disabled": [{"name": IMAGES}]},
            }
        ),
        verdicts={"a": FITS, "b": FITS},
        raw={FIT: {"a": 75, "b": 62}},
        scores={FIT: {"a": 3750, "b": 3100}, TAINTS: {"a": 0, "b": 300}},
        totals={"a": 3825, "b": 3468},
        best=["a"],
    ),
]

CASES = [*ORDER, *MESSAGES, *OUTWEIGHED]
