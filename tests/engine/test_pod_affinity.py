"""Inter-pod affinity against its slow twin on generated clusters, and what of it the decision as a whole owes."""

from __future__ import annotations

import json

import hypothesis
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from scheduler.offline import door
from scheduler.plugins.pod_affinity import preferring
from tests import exploring
from tests.engine import affinity_twin, asking
from tests.engine.affinity_twin import FAR, NEAR, PREFERRED, REQUIRED
from tests.state import build
from tests.state.build import Object

NODES = ["n0", "n1", "n2", "n3", "n4"]
SPACES = ["default", "other", "unknown"]


def some(*values: str) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


def labels(**values: list[str]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({}, optional={key: some(*each) for key, each in values.items()})


def few(items: st.SearchStrategy[Object], most: int = 2) -> st.SearchStrategy[list[Object]]:
    return st.lists(items, max_size=most)


@st.composite
def selectors(draw: st.DrawFn, /, **values: list[str]) -> Object:
    key = draw(some(*values))
    made: Object = {"matchLabels": draw(labels(**values))} if draw(st.booleans()) else {}
    if draw(st.integers(0, 2)) == 2:
        operator = draw(some("In", "NotIn", "Exists", "DoesNotExist"))
        chosen = draw(st.lists(some(*values[key]), min_size=1, max_size=2)) if operator.endswith("In") else []
        made["matchExpressions"] = [{"key": key, "operator": operator} | ({"values": chosen} if chosen else {})]
    return made


POD_LABELS = {"app": ["x", "y"], "tier": ["1", ""]}
SPACE_LABELS = {"team": ["t", "u"]}


def terms() -> st.SearchStrategy[Object]:
    optional = {
        "labelSelector": selectors(**POD_LABELS),
        "namespaces": st.lists(some(*SPACES), max_size=2, unique=True),
        "namespaceSelector": selectors(**SPACE_LABELS),
    }
    # Mostly a selector and no word of namespaces.
    often = st.fixed_dictionaries(
        {"topologyKey": some("zone", "host", "row"), "labelSelector": selectors(**POD_LABELS)}
    )
    return often | st.fixed_dictionaries({"topologyKey": some("zone", "host", "row")}, optional=optional)


def affinities() -> st.SearchStrategy[Object]:
    weighted = st.fixed_dictionaries({"weight": st.integers(1, 100), "podAffinityTerm": terms()})
    kind = st.fixed_dictionaries({}, optional={REQUIRED: few(terms()), PREFERRED: few(weighted)})
    return st.fixed_dictionaries({}, optional={NEAR: kind, FAR: kind})


@st.composite
def pods(draw: st.DrawFn, name: str, on: str = "", nominated: str = "") -> Object:
    status = {"phase": draw(some("Running", "Running", "Succeeded"))} if on else {"nominatedNodeName": nominated}
    return build.pod(
        name,
        on=on,
        namespace=draw(some(*SPACES)),
        labels=draw(labels(**POD_LABELS)),
        status=status,
        priority=draw(st.integers(0, 1)),
        affinity=draw(affinities()),
    )


@st.composite
def questions(draw: st.DrawFn) -> Object:
    names = NODES[: draw(st.integers(1, len(NODES)))]
    marks = [draw(labels(zone=["a", "b"], host=[name], row=["1"])) for name in names]
    nodes = [build.node(name, labels=each) for name, each in zip(names, marks, strict=True)]
    others = [draw(pods(f"p{number}", on=draw(some(*names, "gone")))) for number in range(draw(st.integers(0, 5)))]
    others += [draw(pods(f"m{number}", nominated=draw(some(*names)))) for number in range(draw(st.integers(0, 2)))]
    asked = asking.question(nodes, draw(pods("new")), pods=others)
    asked["namespaces"] = [{"metadata": {"name": name, "labels": draw(labels(**SPACE_LABELS))}} for name in SPACES[:2]]
    return asked


@hypothesis.settings(max_examples=exploring.examples(600))
@given(question=questions(), hard=st.sampled_from([0, 1, 50]), deaf=st.booleans())
def test_nodes_are_refused_and_scored_as_pod_by_pod(question: Object, hard: int, deaf: bool) -> None:
    arguments = {"hardPodAffinityWeight": hard, "ignorePreferredTermsOfExistingPods": deaf}
    profile = {"pluginConfig": [{"name": "InterPodAffinity", "args": arguments}]}
    kind = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
    line = json.dumps(question | {"config": kind | {"profiles": [profile]}}).encode()
    answer = json.loads(door.answer_line(line))  # where nothing fits it may say that preemption is missed
    twin = affinity_twin.World(question)
    refusals = {name: [twin.refusal(name)] for name in twin.nodes}
    assert asking.reasons(answer) == {name: reason for name, reason in refusals.items() if reason != [""]}
    feasible = [name for name in twin.nodes if refusals[name] == [""]]
    if len(feasible) < 2:
        return
    raw = {name: twin.score(name, hard=hard, deaf=deaf) for name in feasible}
    nothing = dict.fromkeys(feasible, 0)
    assert answer["raw"].get("InterPodAffinity", nothing) == raw
    scores = {name: 2 * score for name, score in affinity_twin.normalised(raw).items()}
    assert answer["scores"].get("InterPodAffinity", nothing) == scores
    most = max(answer["totals"].values())
    assert answer["best"] == sorted(name for name, total in answer["totals"].items() if total == most)


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1))
def test_the_score_lies_between_0_and_100_and_keeps_the_order(raw: list[int]) -> None:
    assert preferring.SCORE.normalise is not None
    found = preferring.SCORE.normalise.all(np.array(raw, np.int64), min(raw), max(raw))
    assert ((found >= 0) & (found <= 100)).all()
    assert (np.diff(found[np.argsort(raw, kind="stable")]) >= 0).all()
    assert (found.max() == 100) is np.bool_(len(set(raw)) > 1)


def test_the_pods_of_a_revision_spread_over_the_nodes() -> None:
    """What Knative writes for each revision; five replicas, one after the other, on five nodes."""
    term = {"topologyKey": "host", "labelSelector": {"matchLabels": {"serving.knative.dev/revision": "r"}}}
    affinity = {FAR: {PREFERRED: [{"weight": 100, "podAffinityTerm": term}]}}
    made = build.state([build.node(name, labels={"host": name}) for name in NODES])
    taken = []
    for number in range(len(NODES)):
        pod = build.pod(f"p{number}", labels={"serving.knative.dev/revision": "r"}, affinity=affinity)
        taken.append(asking.decide_on(made.freeze(), pod).node)
        made.assume(build.as_pod(pod), taken[-1])
    assert sorted(taken) == NODES
