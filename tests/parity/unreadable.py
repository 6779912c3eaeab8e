"""Cases of selectors that cannot be read, above all for a value that no label can have: who fails, and how."""

from __future__ import annotations

from typing import Final

from tests.parity.build import (
    FITS,
    POD_AFFINITY,
    UNSELECTED,
    Case,
    Object,
    app,
    asking,
    company,
    dislikes,
    expr,
    far,
    likes,
    near,
    never,
    node,
    pod,
    prefer,
    require,
    term,
)

_NODES: Final = [node("five", labels={"t": "5", "z": "x"}), node("bare", labels={"z": "x"})]
_LONG: Final = "x" * 64
# Requirements on the label t, which node "five" has: each would match or not, could it be read.
_UNREADABLE: Final = {
    "negative": expr("t", "Gt", "-1"),
    "signed": expr("t", "Gt", "+1"),
    "edge": expr("t", "NotIn", "-a"),
    "space": expr("t", "NotIn", "a b"),
    "slash": expr("t", "In", "5", "a/b"),
    "too-long": expr("t", "NotIn", _LONG),
    "script": expr("t", "NotIn", "ä"),
    "key": expr("-t", "DoesNotExist"),
    "key-with-a-bad-domain": expr("Example.com/t", "DoesNotExist"),
    "key-of-three-parts": expr("a/b/c", "DoesNotExist"),
    "no-key": expr("", "DoesNotExist"),
}
_READABLE: Final = {"empty-value": expr("t", "NotIn", ""), "longest": expr("t", "NotIn", "x" * 63)}


def _required(name: str, *terms: Object, fits: bool) -> Case:
    return Case(
        id=f"unreadable-required-{name}",
        nodes=_NODES,
        pod=asking(affinity=require(*terms)),
        verdicts=dict.fromkeys(("five", "bare"), FITS if fits else UNSELECTED),
        message="" if fits else "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
        best=["bare", "five"] if fits else [],
    )  # fmt: skip


def _preferred(name: str, *weighted: tuple[int, Object], fails: bool) -> Case:
    return Case(
        id=f"unreadable-preferred-{name}",
        nodes=_NODES,
        pod=asking(affinity=prefer(*weighted)),
        verdicts={"five": FITS, "bare": FITS},
        best=[] if fails else ["bare", "five"],
        score_error=fails,
    )


NODE_TERMS = [
    *(_required(name, term(one), fits=False) for name, one in _UNREADABLE.items()),
    *(_required(f"not-{name}", term(one), fits=True) for name, one in _READABLE.items()),
    _required("beside-one-that-matches", term(_UNREADABLE["edge"]), term(expr("z", "Exists")), fits=True),
    _required("spoils-its-whole-term", term(expr("z", "Exists"), _UNREADABLE["edge"]), fits=False),
    *(_preferred(name, (1, term(one)), fails=True) for name, one in _UNREADABLE.items()),
    *(_preferred(f"not-{name}", (1, term(one)), fails=False) for name, one in _READABLE.items()),
    _preferred("without-weight", (0, term(_UNREADABLE["edge"])), (1, term(expr("z", "Exists"))), fails=False),
    Case(
        id="unreadable-preferred-with-one-node",
        nodes=_NODES[:1],
        pod=asking(affinity=prefer((1, term(_UNREADABLE["negative"])))),
        verdicts={"five": FITS},
        best=["five"],
    ),
    Case(
        id="unreadable-node-selector-is-compared-as-it-is",
        nodes=[node("a", labels={"t": "-1"}), node("b")],
        pod=asking(nodeSelector={"t": "-1"}),
        verdicts={"a": FITS, "b": UNSELECTED},
        best=["a"],
    ),
    Case(
        id="unreadable-field-of-another-name-is-empty",
        nodes=_NODES,
        pod=asking(affinity=require(term(fields=[expr("metadata.uid", "NotIn", "x")]))),
        verdicts={"five": FITS, "bare": FITS},
        best=["bare", "five"],
    ),
]

_NAME: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    f"end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    f"'({_NAME})?')"
)
_KEY: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    f"character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}')"
)
_BAD_VALUE: Final = company({"matchLabels": {"app": "-x"}}, "z")
_BAD_KEY: Final = company({"matchExpressions": [expr("-app", "Exists")]}, "z")
_BAD_SPACE: Final = company(app("x"), "z", namespaceSelector={"matchExpressions": [expr("team", "NotIn", "a b")]})
_TOO_LONG: Final = company({"matchExpressions": [expr("app", "NotIn", "y", _LONG)]}, "z")

POD_TERMS = [
    Case(
        id=f"unreadable-company-{name}",
        nodes=_NODES,
        pod=asking(affinity=affinity),
        pre_filter=never(POD_AFFINITY, f"parsing pod: {problem}"),
        message=f"0/2 nodes are available: parsing pod: {problem}.",
    )
    for name, affinity, problem in [
        ("value", near(_BAD_VALUE), f'requiredAffinityTerms: values[0][app]: Invalid value: "-x": {_VALUE}'),
        ("key", far(_BAD_KEY), f'requiredAntiAffinityTerms: key: Invalid value: "-app": {_KEY}'),
        ("space", likes((1, _BAD_SPACE)), f'preferredAffinityTerms: values[0][team]: Invalid value: "a b": {_VALUE}'),
        (
            "too-long",
            dislikes((1, _TOO_LONG)),
            f'preferredAntiAffinityTerms: values[1][app]: Invalid value: "{_LONG}": must be no more than 63 bytes',
        ),
    ]
]  # fmt: skip

# A pod that runs with such a term has none of that kind; its others count.
RUNNING = [
    Case(
        id="unreadable-company-of-a-running-pod-repels-nobody",
        nodes=[node("a", labels={"z": "1"}), node("b", labels={"z": "2"})],
        pods=[pod("old", on="a", affinity=far(company(app("x"), "z"), _BAD_VALUE))],
        pod=pod("new", labels={"app": "x"}),
        verdicts={"a": FITS, "b": FITS},
        best=["b"],
    ),
]

CASES = [*NODE_TERMS, *POD_TERMS, *RUNNING]
