"""Preemption as decided: who may, where, whom it would evict, which of the nodes win, and what a pod is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.engine.asking import ask, decide_on, question
from tests.state import build
from tests.state.build import Object, container, node

SOON = "2026-01-01T00:00:00Z"
LATER = "2026-01-01T01:00:00Z"


def runs(name: str, on: str, *, cpu: str = "1", priority: int = 0, since: str = SOON, **more: Any) -> Object:
    status = {"phase": "Running", "startTime": since, **more.pop("status", {})}
    return build.pod(name, container(cpu=cpu), on=on, priority=priority, status=status, **more)


def asks(cpu: str = "2", *, priority: int = 100, status: Mapping[str, Any] | None = None, **spec: Any) -> Object:
    return build.pod("new", container(cpu=cpu), priority=priority, status=status, **spec)


def budget(name: str, selector: Object | None, allowed: int, *, disrupted: Sequence[str] = ()) -> Object:
    status = {"disruptionsAllowed": allowed, "disruptedPods": dict.fromkeys(disrupted, SOON)}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": selector} if selector is not None else {},
        "status": status,
    }


def outlook(
    nodes: Sequence[Object], pods: Sequence[Object], new: Object, pdbs: Sequence[Object] = (), *, seed: int = 0
) -> Object:
    told: Object = ask(question(nodes, new, pods=pods) | {"pdbs": list(pdbs)}, seed=seed)["preemption"]
    return told


def victims(told: Object) -> dict[str, list[str]]:
    return {name: [key.partition("/")[2] for key in one["pods"]] for name, one in told["candidates"].items()}


def terms(app: str, key: str = "kubernetes.io/hostname") -> list[Object]:
    return [{"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}]


ONE = [node("a", cpu="2", labels={"kubernetes.io/hostname": "a"})]
WEB = {"matchLabels": {"app": "web"}}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("pods", "new", "pdbs", "gone"),
    [
        pytest.param([runs("p", "a", cpu="2")], asks(), [], ["p"], id="the only one"),
        pytest.param([runs("p", "a", priority=99), runs("q", "a", priority=-1)], asks("1"), [], ["q"], id="the least"),
        pytest.param([runs("p", "a"), runs("q", "a", since=LATER)], asks("1"), [], ["q"], id="the youngest"),
        pytest.param([runs("p", "a"), runs("q", "a", since="")], asks("1"), [], ["q"], id="one not started"),
        pytest.param(
            [runs("p", "a", cpu="500m", since=LATER), runs("q", "a", cpu="1500m")],
            asks("500m"),
            [],
            ["p"],
            id="one more that fits stays, though it is younger",
        ),
        pytest.param([runs("p", "a", priority=100), runs("q", "a")], asks("1"), [], ["q"], id="none of its priority"),
        pytest.param(
            [runs("p", "a", labels={"app": "web"}, priority=1), runs("q", "a", priority=2)],
            asks("1"),
            [budget("b", WEB, 0)],
            ["q"],
            id="rather a more important one than against a budget",
        ),
        pytest.param(
            [runs("p", "a", labels={"app": "web"}), runs("q", "a", labels={"app": "web"}, since=LATER)],
            asks("1"),
            [budget("b", WEB, 1)],
            ["p"],
            id="the budget goes to the more important one",
        ),
        pytest.param(
            [runs("p", "a", labels={"app": "web"}), runs("q", "a", labels={"app": "web"}, since=LATER)],
            asks("1"),
            [budget("b", WEB, 0, disrupted=["q"])],
            ["q"],
            id="who is being disrupted anyway",
        ),
        pytest.param(
            [runs("p", "a", labels={"app": "web"}, since=LATER), runs("q", "a")],
            asks("1"),
            [budget("b", {}, 0), budget("c", None, 0)],
            ["p"],
            id="a budget without selector is of nobody",
        ),
        pytest.param(
            [runs("p", "a", labels={"app": "web"}), runs("q", "a", since=LATER)],
            asks("1m", affinity={"podAntiAffinity": {REQUIRED: terms("web")}}),
            [],
            ["p"],
            id="whom the pod shuns",
        ),
        pytest.param(
            [
                runs("p", "a", cpu="1m", affinity={"podAntiAffinity": {REQUIRED: terms("new")}}),
                runs("q", "a", cpu="1m", since=LATER),
            ],
            build.pod("new", container(cpu="1m"), priority=1, labels={"app": "new"}),
            [],
            ["p"],
            id="who shuns the pod",
        ),
        pytest.param(
            [
                build.pod("p", container(cpu="1m", ports=[{"hostPort": 80, "protocol": "TCP"}]), on="a"),
                runs("q", "a", cpu="1m"),
            ],
            build.pod("new", container(cpu="1m", ports=[{"hostPort": 80, "protocol": "TCP"}]), priority=1),
            [],
            ["p"],
            id="who has its port",
        ),
    ],
)
def test_whom_it_would_evict(pods: list[Object], new: Object, pdbs: list[Object], gone: list[str]) -> None:
    told = outlook(ONE, pods, new, pdbs)
    assert (told["eligible"], told["why"]) == (True, "")
    assert victims(told) == {"a": gone}
    assert told["selected"] == ["a"]


AB = [node("a", cpu="2"), node("b", cpu="2")]


@pytest.mark.parametrize(
    ("pods", "pdbs", "selected"),
    [
        pytest.param(
            [runs("p", "a", cpu="2", labels={"app": "web"}), runs("q", "b", cpu="2", priority=50)],
            [budget("b", WEB, 0)],
            ["b"],
            id="fewest violations first",
        ),
        pytest.param([runs("p", "a", priority=5), runs("r", "a"), runs("q", "b", cpu="2")], [], ["b"], id="lowest top"),
        pytest.param(
            [runs("p", "a", priority=5), runs("r", "a", priority=4), runs("q", "b", priority=5), runs("s", "b")],
            [],
            ["b"],
            id="least sum",
        ),
        pytest.param([runs("p", "a"), runs("r", "a"), runs("q", "b", cpu="2")], [], ["b"], id="fewest"),
        pytest.param(
            [runs("p", "a", cpu="2", since=SOON), runs("q", "b", cpu="2", since=LATER)], [], ["b"], id="youngest"
        ),
        pytest.param([runs("p", "a", cpu="2"), runs("q", "b", cpu="2")], [], ["a", "b"], id="a tie"),
    ],
)
def test_which_node_wins(pods: list[Object], pdbs: list[Object], selected: list[str]) -> None:
    told = outlook(AB, pods, asks(), pdbs)
    assert victims(told).keys() == {"a", "b"}
    assert told["selected"] == selected


def test_a_tie_is_broken_by_the_draw_of_the_decision() -> None:
    pods = [runs("p", "a", cpu="2"), runs("q", "b", cpu="2")]
    snap = build.state(AB, pods=pods).freeze()
    chosen = set()
    for seed in range(20):
        found = decide_on(snap, asks(), seed=seed).preemption
        assert found is not None
        assert found.chosen is not None
        assert found.chosen == found.candidates[found.chosen.node]
        chosen.add(found.chosen.node)
        assert [victim.uid for victim in found.chosen.victims] == ["uid-p" if found.chosen.node == "a" else "uid-q"]
    assert chosen == {"a", "b"}


EVICTED = {"conditions": [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]}


def ending(pod: Object) -> Object:
    return pod | {"metadata": pod["metadata"] | {"deletionTimestamp": LATER}}


@pytest.mark.parametrize(
    ("pods", "eligible"),
    [
        pytest.param([ending(runs("p", "a", cpu="2", status=EVICTED))], False, id="its victim still ends"),
        pytest.param([runs("p", "a", cpu="2", status=EVICTED)], True, id="which does not end"),
        pytest.param([ending(runs("p", "a", cpu="2"))], True, id="one that ends for another reason"),
        pytest.param(
            [ending(runs("p", "a", cpu="2", status=EVICTED, priority=100)), runs("q", "b", cpu="2")],
            True,
            id="one of its own priority",
        ),
    ],
)
def test_who_has_preempted_waits_for_its_victims(pods: list[Object], eligible: bool) -> None:
    told = outlook(AB, [*pods, runs("other", "b", cpu="2")], asks(status={"nominatedNodeName": "a"}))
    assert told["eligible"] == eligible
    why = "preemption: not eligible due to a terminating pod on the nominated node."
    assert told["why"] == ("" if eligible else why)


def test_where_its_node_is_of_no_use_any_more_it_may_preempt_again() -> None:
    nodes = [node("a", cpu="2", taints=[{"key": "x", "effect": "NoSchedule"}]), node("b", cpu="2")]
    pods = [ending(runs("p", "a", cpu="2", status=EVICTED)), runs("q", "b", cpu="2")]
    assert victims(outlook(nodes, pods, asks(status={"nominatedNodeName": "a"}))) == {"b": ["q"]}


@pytest.mark.parametrize(
    ("nodes", "pods", "new", "why"),
    [
        pytest.param(
            ONE,
            [runs("p", "a", cpu="2")],
            asks(preemptionPolicy="Never"),
            "not eligible due to preemptionPolicy=Never.",
            id="never",
        ),
        pytest.param(
            ONE,
            [runs("p", "a", cpu="2", priority=100)],
            asks(),
            "0/1 nodes are available: 1 No preemption victims found for incoming pod.",
            id="nobody below",
        ),
        pytest.param(
            ONE,
            [runs("p", "a", cpu="2")],
            asks("3"),
            "0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
            id="too small a node",
        ),
        pytest.param(
            AB,
            [runs("p", "a", cpu="1500m", priority=100), runs("q", "a", cpu="500m"), runs("r", "b", priority=100)],
            asks(),
            "0/2 nodes are available: 1 Insufficient cpu, 1 No preemption victims found for incoming pod.",
            id="not enough",
        ),
        pytest.param(
            ONE,
            [runs("p", "a", cpu="2")],
            asks(nodeName="elsewhere"),
            "0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
            id="a node that it may not use",
        ),
    ],
)
def test_what_it_is_told_where_nobody_would_be_evicted(
    nodes: list[Object], pods: list[Object], new: Object, why: str
) -> None:
    told = outlook(nodes, pods, new)
    assert told["why"] == f"preemption: {why}"
    assert (told["candidates"], told["selected"]) == ({}, [])


def test_whoever_is_nominated_to_a_node_counts_there_as_long_as_it_is_no_less_important() -> None:
    waiting = {"nominatedNodeName": "a"}
    pods = [runs("p", "a", cpu="1"), runs("q", "a", cpu="1", since=LATER)]
    for priority, gone in ((100, {"a": ["p", "q"]}), (99, {"a": ["q"]})):
        other = build.pod("other", container(cpu="1"), priority=priority, status=waiting)
        assert victims(outlook(ONE, [*pods, other], asks("1"))) == gone


def test_a_pod_with_data_preempts_alike() -> None:
    new = asks() | {"metadata": asks()["metadata"] | {"annotations": build.data(inputs=["bucket/key,1000"])}}
    assert victims(outlook(ONE, [runs("p", "a", cpu="2")], new)) == {"a": ["p"]}


def test_a_gated_pod_is_told_nothing_of_preemption() -> None:
    answer = ask(question(ONE, asks(schedulingGates=[{"name": "later"}]), pods=[runs("p", "a", cpu="2")]))
    assert "preemption" not in answer
