"""Whatever comes and goes: each pod is bound once, to a node that takes it, and none is left waiting where it fits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.api import core
from scheduler.simulate import arms, scenario
from tests.simulate.arms import feeding
from tests.state import build

ZONES = [("r", "z"), ("r", "y"), ("s", "x")]
CPUS = 4
NAMES = [name for name in arms.NAMES if not name.startswith("ours")]
# Who leaves a node free that takes a pod: for the plan, or until its data is there.
PLANNERS = {"heft", "wow"}
# Time enough for whoever waits for a better node to give up.
PATIENCE_S = 1000.0


@st.composite
def clusters(draw: st.DrawFn) -> list[feeding.Object]:
    nodes = []
    for number in range(draw(st.integers(1, 4))):
        region, zone = draw(st.sampled_from(ZONES))
        taints = [{"key": "own", "effect": "NoSchedule"}] if draw(st.integers(0, 4)) == 0 else []
        kind = draw(st.sampled_from(["edge", "cloud"]))
        nodes.append(build.node(f"n{number}", cpu=str(CPUS), region=region, zone=zone, kind=kind, taints=taints))
    return nodes


@st.composite
def pods(draw: st.DrawFn) -> list[core.Pod]:
    made = []
    for number in range(draw(st.integers(1, 8))):
        inputs = draw(st.lists(st.integers(0, 3), max_size=2, unique=True))
        outputs = draw(st.lists(st.integers(4, 5), max_size=1))
        spec = {"nodeSelector": {"kind": "none"}} if draw(st.integers(0, 9)) == 0 else {}
        made.append(
            feeding.pod(
                f"p{number}",
                cpu=str(draw(st.integers(1, CPUS))),
                inputs=[f"data{each}/k,{10 ** draw(st.integers(3, 9))},{draw(st.integers(0, 9))}" for each in inputs],
                outputs=[f"data{each}/k,1000000" for each in outputs],
                spec=spec,
            )
        )
    return made


def fits(nodes: list[feeding.Object], free: dict[str, int], pod: core.Pod) -> bool:
    """Whether any node takes the pod, told by plain means."""
    if pod.spec.node_selector:
        return False
    asked = int(str(pod.spec.containers[0].resources.requests["cpu"]))
    return any(not node["spec"]["taints"] and free[node["metadata"]["name"]] >= asked for node in nodes)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(nodes=clusters(), coming=pods(), data=st.data())
def test_each_is_bound_once_where_it_fits_and_as_soon_as_any_node_is_left(
    name: str, nodes: list[feeding.Object], coming: list[core.Pod], data: st.DataObject
) -> None:
    objects = [
        build.data_object(f"data{number}/k", at=[f"n{data.draw(st.integers(0, len(nodes) - 1))}"], size=10**6)
        for number in range(4)
    ]
    works = [scenario.Work(pod=pod, works_s=data.draw(st.integers(0, 9))) for pod in coming]
    scene = feeding.world(nodes, objects=objects, works=works)
    fed = feeding.Fed(arms.make(name, scene, 1), scene)
    by_name = {pod.metadata.name: pod for pod in coming}
    done: set[str] = set()
    fed.arrive(*coming)
    for _ in range(2 * len(coming)):
        fed.later(PATIENCE_S)
        while fed.copies:
            fed.copied()
        free = {node["metadata"]["name"]: CPUS for node in nodes}
        for pod, node in fed.on.items():
            free[node] -= int(str(by_name[pod].spec.containers[0].resources.requests["cpu"]))
            assert not by_name[pod].spec.node_selector
            assert not next(one for one in nodes if one["metadata"]["name"] == node)["spec"]["taints"]
        assert min(free.values()) >= 0
        waiting = [pod for pod in by_name if pod not in fed.on and pod not in done]
        if name not in PLANNERS or not fed.on:
            assert not [pod for pod in waiting if fits(nodes, free, by_name[pod])]
        if not fed.on:
            return
        over = data.draw(st.sampled_from(sorted(fed.on)))
        done.add(over)
        fed.done(over)
    assert not fed.on


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_places_alike(name: str) -> None:
    nodes = [build.node(f"n{number}", region="r", zone=f"z{number % 2}") for number in range(6)]
    coming = [feeding.pod(f"p{number}", inputs=["data/k,1000000000"] if number % 2 else []) for number in range(12)]
    scene = feeding.world(
        nodes,
        objects=[build.data_object("data/k", at=["n3"], size=10**9)],
        works=[scenario.Work(pod=one, works_s=5) for one in coming],
    )
    first, second = (feeding.Fed(arms.make(name, scene, 7), scene) for _ in range(2))
    assert first.arrive(*coming) == second.arrive(*coming)
    assert first.later(PATIENCE_S) == second.later(PATIENCE_S)
    assert first.copied() == second.copied()
    assert len(first.on) == 12


@pytest.mark.parametrize("name", NAMES)
def test_who_may_not_be_together_is_not(name: str) -> None:
    host = "kubernetes.io/hostname"
    nodes = [build.node(f"n{number}", labels={host: f"n{number}"}) for number in range(3)]
    apart = {"labelSelector": {"matchLabels": {"app": "x"}}, "topologyKey": host}
    spec = {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}}
    coming = [feeding.pod(f"p{number}", labels={"app": "x"}, inputs=["data/k,10"], spec=spec) for number in range(4)]
    scene = feeding.world(
        nodes,
        objects=[build.data_object("data/k", at=["n1"], size=10)],
        works=[scenario.Work(pod=one, works_s=number) for number, one in enumerate(coming)],
    )
    fed = feeding.Fed(arms.make(name, scene, 1), scene)
    fed.arrive(*coming)
    assert sorted(fed.later(PATIENCE_S).values()) == ["n0", "n1", "n2"]
