"""What holds of preemption whatever the pods ask for: all nodes at once as one by one, and victims that are enough."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler import config
from scheduler.engine import decide, sheet
from scheduler.engine.preemption import many, outlook
from scheduler.offline import door
from scheduler.offline import question as questions
from scheduler.plugins import request
from scheduler.state import cluster
from tests import exploring
from tests.parity.hostile import question as hostile
from tests.parity.hostile.chance import Object
from tests.state import build

SETTINGS = config.Settings()


def look(asked: questions.Question, draw: int, few: int, tried: int = 100) -> outlook.Outlook | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "FEW", few)
        patch.setattr(many, "TRIED", tried)
        view = door.state_of(asked, SETTINGS).freeze()
        return decide.Engine(SETTINGS).decide(view, request.prepare(asked.pod), draw).preemption


@settings(max_examples=exploring.examples(300), deadline=None)
@given(seed=st.integers(0, 2**40), draw=st.integers(0, 100))
def test_all_at_once_is_as_one_by_one(seed: int, draw: int) -> None:
    asked = questions.read(json.dumps(hostile.question(seed, ["preemption"])).encode())
    one_by_one, at_once = look(asked, draw, few=1000), look(asked, draw, few=0)
    if one_by_one is None or at_once is None:
        assert one_by_one is at_once
        return
    assert at_once[:2] == one_by_one[:2]
    assert (at_once.selected, at_once.chosen) == (one_by_one.selected, one_by_one.chosen)
    # Where not all that may win are tried, what is found is true all the same, and no worse in the first respects.
    some = look(asked, draw, few=0, tried=1)
    assert some is not None
    assert (some.chosen is None) == (one_by_one.chosen is None)
    if some.chosen is not None and one_by_one.chosen is not None:
        assert some.chosen == one_by_one.candidates[some.chosen.node]
        assert (some.chosen.pdb_violations > 0) == (one_by_one.chosen.pdb_violations > 0)


@settings(max_examples=exploring.examples(300), deadline=None)
@given(seed=st.integers(0, 2**40))
def test_victims_are_enough_and_none_too_many(seed: int) -> None:
    """Once they are gone the pod fits there, and with any of them back it does not."""
    asked = _without_what_is_counted_twice(hostile.question(seed, ["preemption"]))
    state = door.state_of(asked, SETTINGS)
    new = request.prepare(asked.pod)
    found = decide.Engine(SETTINGS).decide(state.freeze(), new, 0).preemption
    for candidate in found.candidates.values() if found is not None else ():
        pods = [state.freeze().placed[victim.uid].pod for victim in candidate.victims]
        for pod in pods:
            state.remove_pod(pod.metadata.uid)
        assert _fits(state, new, candidate.node)
        for pod in reversed(pods):
            state.apply_pod(pod)
            assert not _fits(state, new, candidate.node), pod.key
            state.remove_pod(pod.metadata.uid)
        for pod in pods:
            state.apply_pod(pod)


def _fits(state: cluster.Cluster, new: request.PodRequest, node: str) -> bool:
    view = state.freeze()
    made_of = decide.Engine(SETTINGS).decide(view, new, 0).made_of
    return made_of is not None and made_of.refuser.item(view.index_of[node]) == sheet.PASSED


def _without_what_is_counted_twice(asked: Object) -> questions.Question:
    """Without pods that end, shared ports and claims, and wanted company: there a dry run is upstream's, not the truth.

    It counts out those that end, which were not counted in; of two pods with one port, the first to go frees it; who
    wants company may fit better with a victim.
    """
    for pod in (*asked["pods"], asked["pod"]):
        pod["metadata"].pop("deletionTimestamp", None)
        pod["spec"].pop("volumes", None)
        pod["spec"].get("affinity", {}).pop("podAffinity", None)
        for one in (*pod["spec"]["containers"], *pod["spec"].get("initContainers", ())):
            one.pop("ports", None)
    return questions.read(json.dumps(asked).encode())


@settings(max_examples=exploring.examples(100), deadline=None)
@given(
    seed=st.integers(0, 2**40),
    changes=st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["gone", "younger", "elsewhere"])), max_size=6),
)
def test_what_is_kept_of_the_pods_is_as_they_are(seed: int, changes: list[tuple[int, str]]) -> None:
    """One engine that has seen all that happened finds the same as one that sees the cluster for the first time."""
    asked = questions.read(json.dumps(hostile.question(seed, ["preemption"])).encode())
    state, new, kept = door.state_of(asked, SETTINGS), request.prepare(asked.pod), decide.Engine(SETTINGS)
    running = [pod for pod in asked.pods if pod.spec.node_name and pod.status.phase not in {"Succeeded", "Failed"}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "FEW", 0)
        for number, what in [(0, ""), *changes]:
            pod = running[number % len(running)] if running else None
            if pod is not None and what == "gone":
                state.remove_pod(pod.metadata.uid)
            elif pod is not None and what:
                status = msgspec.structs.replace(pod.status, start_time="2026-01-01T09:00:00Z")
                where = (
                    asked.nodes[number % len(asked.nodes)].metadata.name if what == "elsewhere" and asked.nodes else ""
                )
                spec = msgspec.structs.replace(pod.spec, node_name=where or pod.spec.node_name)
                state.apply_pod(msgspec.structs.replace(pod, spec=spec, status=status))
            view = state.freeze()
            found = kept.decide(view, new, number).preemption
            assert found == decide.Engine(SETTINGS).decide(view, new, number).preemption


def test_a_pod_that_starts_anew_is_the_youngest() -> None:
    """Nothing else of it changes, and its node is no fuller than before."""
    started = {"startTime": "2026-01-01T00:00:00Z"}, {"startTime": "2026-01-01T01:00:00Z"}
    pods = [
        build.pod(name, build.container(cpu="1"), on="a", status={"phase": "Running", **when})
        for name, when in zip(("old", "young"), started, strict=True)
    ]
    state, kept = build.state([build.node("a", cpu="2")], pods=pods), decide.Engine(SETTINGS)
    new = request.prepare(build.as_pod(build.pod("new", build.container(cpu="1"), priority=1)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "FEW", 0)
        for again, gone in (("", "young"), ("2026-01-01T02:00:00Z", "old")):
            if again:
                pods[0]["status"]["startTime"] = again
                state.apply_pod(build.as_pod(pods[0]))
            found = kept.decide(state.freeze(), new, 0).preemption
            assert found is not None
            assert found.chosen is not None
            assert [victim.name for victim in found.chosen.victims] == [gone]
