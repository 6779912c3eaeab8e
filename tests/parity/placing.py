"""Cases of the filters that read the node's own state and the pod's wishes: cordon, node name, taints, affinity."""

from __future__ import annotations

from collections.abc import Sequence

from tests.parity.build import (
    AFFINITY,
    CORDON,
    CORDONED,
    ELSEWHERE,
    FITS,
    NAME,
    NARROWED,
    NOT_NAMED,
    TAINTED,
    TAINTS,
    UNSELECTED,
    Case,
    Object,
    asking,
    configure,
    expr,
    named,
    never,
    node,
    require,
    term,
    tolerate,
)

NOT_BOTH = never("NodeAffinity NodeName", "node(s) didn't satisfy plugin(s) [NodeAffinity NodeName]")
_UNSCHEDULABLE = "node.kubernetes.io/unschedulable"


def _cordon(name: str, *tolerations: Object, fits: bool) -> Case:
    return Case(
        id=f"cordon-{name}",
        nodes=[node("a", cordoned=True)],
        pod=asking(tolerations=list(tolerations)),
        verdicts={"a": FITS if fits else CORDONED},
        message="" if fits else "0/1 nodes are available: 1 node(s) were unschedulable.",
        best=["a"] if fits else [],
    )


CORDONS = [
    _cordon("rejects", fits=False),
    _cordon("tolerated-by-key", tolerate(_UNSCHEDULABLE, operator="Exists", effect="NoSchedule"), fits=True),
    _cordon("tolerated-by-equal-without-value", tolerate(_UNSCHEDULABLE, operator="Equal"), fits=True),
    _cordon("tolerated-by-everything", tolerate(operator="Exists"), fits=True),
    _cordon("not-tolerated-for-other-effect", tolerate(operator="Exists", effect="NoExecute"), fits=False),
    _cordon("not-tolerated-with-a-value", tolerate(_UNSCHEDULABLE, "true"), fits=False),
    Case(
        id="cordon-is-named-before-its-taint",
        nodes=[node("a", cordoned=True, taints=[f"{_UNSCHEDULABLE}:NoSchedule"]), node("b")],
        pod=asking(),
        verdicts={"a": CORDONED, "b": FITS},
        alone={"a": {CORDON: CORDONED, TAINTS: TAINTED}},
        best=["b"],
    ),
]

NAMES = [
    Case(
        id="name-other-nodes-rejected",
        nodes=[node("a"), node("b")],
        pod=asking(nodeName="b"),
        verdicts={"a": NOT_NAMED, "b": FITS},
        alone={"a": {NAME: ELSEWHERE}},
        pre_filter_nodes=["b"],
        best=["b"],
    ),
    Case(
        id="name-unknown",
        nodes=[node("a"), node("b")],
        pod=asking(nodeName="z"),
        verdicts={"a": NOT_NAMED, "b": NOT_NAMED},
        pre_filter_nodes=["z"],
        message="0/2 nodes are available: 2 node(s) didn't satisfy plugin(s) [NodeName].",
    ),
    Case(
        id="name-and-affinity-to-the-same-node",
        nodes=[node("a"), node("b"), node("c")],
        pod=asking(nodeName="b", affinity=require(term(fields=[named("In", "b")]), term(fields=[named("In", "a")]))),
        verdicts={"a": NOT_BOTH, "b": FITS, "c": NOT_BOTH},
        pre_filter_nodes=["b"],
        best=["b"],
    ),
    Case(
        id="name-and-affinity-to-different-nodes",
        nodes=[node("a"), node("b")],
        pod=asking(nodeName="b", affinity=require(term(fields=[named("In", "a")]))),
        pre_filter=(
            "UnschedulableAndUnresolvable",
            "NodeAffinity NodeName",
            "node(s) didn't satisfy plugin(s) [NodeAffinity NodeName] simultaneously",
        ),
        message="0/2 nodes are available: node(s) didn't satisfy plugin(s) [NodeAffinity NodeName] simultaneously.",
    ),
]


def _taint(name: str, taints: Sequence[str], *tolerations: Object, fits: bool) -> Case:
    return Case(
        id=f"taint-{name}",
        nodes=[node("a", taints=taints)],
        pod=asking(tolerations=list(tolerations)),
        verdicts={"a": FITS if fits else TAINTED},
        message="" if fits else "0/1 nodes are available: 1 node(s) had untolerated taint(s).",
        best=["a"] if fits else [],
    )


_GPU = ["gpu=a100:NoSchedule"]
TAINTINGS = [
    _taint("no-schedule", _GPU, fits=False),
    _taint("no-execute", ["gpu=a100:NoExecute"], fits=False),
    _taint("prefer-no-schedule-never-rejects", ["gpu=a100:PreferNoSchedule"], fits=True),
    _taint("equal-value", _GPU, tolerate("gpu", "a100", "NoSchedule", "Equal"), fits=True),
    _taint("operator-defaults-to-equal", _GPU, tolerate("gpu", "a100", "NoSchedule"), fits=True),
    _taint("other-value", _GPU, tolerate("gpu", "h100", "NoSchedule"), fits=False),
    _taint("other-key", _GPU, tolerate("tpu", "a100", "NoSchedule"), fits=False),
    _taint("other-effect", _GPU, tolerate("gpu", "a100", "NoExecute"), fits=False),
    _taint("no-effect-covers-every-effect", _GPU, tolerate("gpu", "a100"), fits=True),
    _taint("exists-ignores-the-taints-value", _GPU, tolerate("gpu", operator="Exists"), fits=True),
    _taint("exists-without-key-covers-all", _GPU, tolerate(operator="Exists"), fits=True),
    _taint("equal-without-key-matches-any-key-of-that-value", _GPU, tolerate(value="a100"), fits=True),
    _taint("equal-without-key-wants-the-value", _GPU, tolerate(value="h100"), fits=False),
    _taint("no-value-equals-no-value", ["gpu:NoSchedule"], tolerate("gpu"), fits=True),
    _taint("no-value-is-not-any-value", _GPU, tolerate("gpu"), fits=False),
    _taint("every-taint-needs-a-toleration", [*_GPU, "edge:NoSchedule"], tolerate("gpu", "a100"), fits=False),
    _taint(
        "two-effects-two-tolerations", ["x:NoSchedule", "x:NoExecute"], tolerate("x", effect="NoSchedule"), fits=False
    ),
    _taint(
        "two-tolerations-together",
        [*_GPU, "edge:NoExecute"],
        tolerate("gpu", operator="Exists"),
        tolerate("edge", effect="NoExecute"),
        fits=True,
    ),
    _taint(
        "toleration-seconds-do-not-matter",
        ["gpu:NoExecute"],
        tolerate("gpu", effect="NoExecute", operator="Exists", tolerationSeconds=0),
        fits=True,
    ),
    _taint("greater-than-is-not-on", ["level=7:NoSchedule"], tolerate("level", "5", "NoSchedule", "Gt"), fits=False),
]

# Nodes of the affinity cases: ssd in zone x with a generation, hdd in zone y, and one without any label.
_NODES = [
    node("ssd", labels={"disk": "ssd", "zone": "x", "gen": "7", "empty": ""}),
    node("hdd", labels={"disk": "hdd", "zone": "y", "gen": "v2"}),
    node("bare"),
]


def _select(name: str, fits: str, **spec: object) -> Case:
    """A case over the three nodes: the ones named in `fits` (separated by blanks) are selected.

    They are equal in all that is scored, so all of them are best.
    """
    chosen = fits.split()
    return Case(
        id=f"affinity-{name}",
        nodes=_NODES,
        pod=asking(**spec),
        verdicts={each: FITS if each in chosen else UNSELECTED for each in ("ssd", "hdd", "bare")},
        message="" if chosen else "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
        best=sorted(chosen),
    )


def _gt(name: str, fits: str, *terms: Object) -> Case:
    return _select(name, fits, affinity=require(*terms))


SELECTIONS = [
    _select("selector", "ssd", nodeSelector={"disk": "ssd"}),
    _select("selector-every-pair", "", nodeSelector={"disk": "ssd", "zone": "y"}),
    _select("selector-empty-value-is-a-value", "ssd", nodeSelector={"empty": ""}),
    _select("selector-and-affinity", "", nodeSelector={"zone": "x"}, affinity=require(term(expr("disk", "In", "hdd")))),
    _gt("in", "ssd hdd", term(expr("disk", "In", "hdd", "ssd", "tape"))),
    _gt("terms-are-alternatives", "ssd hdd", term(expr("disk", "In", "hdd")), term(expr("zone", "In", "x"))),
    _gt("requirements-hold-together", "", term(expr("disk", "In", "hdd"), expr("zone", "In", "x"))),
    _gt("empty-term-matches-nothing", "", term()),
    _gt("empty-term-beside-another", "hdd", term(), term(expr("disk", "In", "hdd"))),
    _gt("not-in-matches-absent-keys", "hdd bare", term(expr("disk", "NotIn", "ssd"))),
    _gt("exists-with-empty-value", "ssd", term(expr("empty", "Exists"))),
    _gt("does-not-exist", "bare", term(expr("disk", "DoesNotExist"))),
    _gt("greater", "ssd", term(expr("gen", "Gt", "6"))),
    _gt("greater-is-strict", "", term(expr("gen", "Gt", "7"))),
    _gt("less-ignores-leading-zeros", "ssd", term(expr("gen", "Lt", "008"))),
    _gt("greater-than-a-word-spoils-its-term", "hdd", term(expr("gen", "Gt", "abc")), term(expr("zone", "In", "y"))),
    _gt("greater-than-a-fraction-spoils-its-term", "", term(expr("gen", "Gt", "4.0"))),
    _gt("greater-than-nothing-spoils-its-term", "", term(expr("gen", "Gt", ""))),
    _gt("less-than-2-to-the-63-spoils-its-term", "", term(expr("gen", "Lt", "9223372036854775808"))),
    _gt("less-than-2-to-the-63-minus-1", "ssd", term(expr("gen", "Lt", "9223372036854775807"))),
    _gt("spoilt-requirement-spoils-the-whole-term", "", term(expr("disk", "In", "ssd"), expr("gen", "Gt", "x"))),
    _gt("name-not-in-does-not-narrow", "hdd bare", term(fields=[named("NotIn", "ssd")])),
    _gt("name-or-label-does-not-narrow", "ssd hdd", term(fields=[named("In", "ssd")]), term(expr("zone", "In", "y"))),
    Case(
        id="affinity-label-beyond-int64",
        nodes=[node("a", labels={"gen": "9223372036854775807"}), node("b", labels={"gen": "9223372036854775808"})],
        pod=asking(affinity=require(term(expr("gen", "Gt", "5")))),
        verdicts={"a": FITS, "b": UNSELECTED},
        best=["a"],
    ),
    Case(
        id="affinity-hostname-label-is-not-the-name",
        nodes=[node("a", labels={"kubernetes.io/hostname": "b"}), node("b", labels={"kubernetes.io/hostname": "a"})],
        pod=asking(nodeSelector={"kubernetes.io/hostname": "a"}),
        verdicts={"a": UNSELECTED, "b": FITS},
        best=["b"],
    ),
]

FIELDS = [
    Case(
        id="fields-one-name",
        nodes=_NODES,
        pod=asking(affinity=require(term(fields=[named("In", "hdd")]))),
        pre_filter_nodes=["hdd"],
        verdicts={"ssd": NARROWED, "hdd": FITS, "bare": NARROWED},
        best=["hdd"],
    ),
    Case(
        id="fields-two-terms-two-names",
        nodes=_NODES,
        pod=asking(affinity=require(term(fields=[named("In", "hdd")]), term(fields=[named("In", "bare")]))),
        pre_filter_nodes=["bare", "hdd"],
        verdicts={"ssd": NARROWED, "hdd": FITS, "bare": FITS},
        best=["bare", "hdd"],
    ),
    Case(
        id="fields-unknown-name",
        nodes=_NODES,
        pod=asking(affinity=require(term(fields=[named("In", "gone")]))),
        pre_filter_nodes=["gone"],
        verdicts={"ssd": NARROWED, "hdd": NARROWED, "bare": NARROWED},
        message="0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [NodeAffinity].",
    ),
    Case(
        id="fields-conflicting-names",
        nodes=_NODES,
        pod=asking(affinity=require(term(fields=[named("In", "ssd"), named("In", "hdd")]))),
        pre_filter=never(AFFINITY, "pod affinity terms conflict"),
        message="0/3 nodes are available: pod affinity terms conflict.",
    ),
    Case(
        id="fields-in-and-not-in-the-same-name",
        nodes=_NODES,
        pod=asking(affinity=require(term(fields=[named("In", "ssd"), named("NotIn", "ssd")]))),
        pre_filter_nodes=["ssd"],
        verdicts={"ssd": UNSELECTED, "hdd": NARROWED, "bare": NARROWED},
        message="0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
        "2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
    ),
    Case(
        id="fields-and-labels-in-one-term",
        nodes=_NODES,
        pod=asking(affinity=require(term(expr("disk", "In", "ssd"), fields=[named("In", "hdd")]))),
        pre_filter_nodes=["hdd"],
        verdicts={"ssd": NARROWED, "hdd": UNSELECTED, "bare": NARROWED},
        message="0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
        "2 node(s) didn't satisfy plugin(s) [NodeAffinity].",
    ),
    Case(
        id="fields-two-values-in-one-requirement",
        nodes=_NODES,
        pod=asking(affinity=require(term(fields=[named("In", "ssd", "hdd")]))),
        pre_filter_nodes=["hdd", "ssd"],
        verdicts={"ssd": UNSELECTED, "hdd": UNSELECTED, "bare": NARROWED},
        message="0/3 nodes are available: 1 node(s) didn't satisfy plugin(s) [NodeAffinity], "
        "2 node(s) didn't match Pod's node affinity/selector.",
    ),
    Case(
        id="added-affinity-comes-first",
        nodes=_NODES,
        pod=asking(nodeSelector={"zone": "x"}),
        config=configure(AFFINITY, addedAffinity=require(term(expr("zone", "In", "x", "y")))["nodeAffinity"]),
        verdicts={
            "ssd": FITS,
            "hdd": UNSELECTED,
            "bare": never(AFFINITY, "node(s) didn't match scheduler-enforced node affinity"),
        },
        best=["ssd"],
    ),
]

CASES = [*CORDONS, *NAMES, *TAINTINGS, *SELECTIONS, *FIELDS]
