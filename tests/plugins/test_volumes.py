"""What holds of the plugins for volumes: rows are cells, what is kept is as if made anew, nothing stays behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import config
from scheduler.api import core, volumes
from scheduler.engine import decide
from scheduler.offline import explain
from scheduler.plugins import contract, request
from scheduler.plugins.volumes import binding, limits, restrictions, zone
from scheduler.state import cluster, demand, snapshot, validation
from tests import exploring
from tests.plugins import storageworlds as worlds
from tests.state import build

SETTINGS = config.Settings()
FILTERS: list[Any] = [restrictions.FILTER, limits.FILTER, binding.FILTER, zone.FILTER]

pytestmark = pytest.mark.timeout(600)
many = hypothesis.settings(max_examples=exploring.examples(1000), deadline=None, print_blob=True)


draws = st.integers(0, 2**64).map(worlds.Draw)


def cluster_of(draw: worlds.Draw) -> cluster.Cluster:
    made = build.state([], capacity=1)
    for name in draw.sample(worlds.NODES, draw.randint(1, 3)):
        made.apply_node(build.as_node(worlds.nodes(draw, name)))
    for obj in worlds.everything(draw):
        made.storage.apply(obj)
    for number in range(draw.randint(0, 2)):
        made.apply_pod(build.as_pod(worlds.pods(draw, f"p{number}", on=draw.some(*worlds.NODES))))
    if draw.some(True, False):
        made.remove_node("n0")
    return made


def resolved(plugin: Any, pod: request.PodRequest, view: snapshot.Snapshot) -> Any:
    asked = plugin.compile(pod, SETTINGS)
    found = None if asked is None else plugin.resolve(asked, view)
    hash(found)
    return None if isinstance(found, contract.Refuse) else found


def rows(plugin: Any, asked: Any, view: snapshot.Snapshot) -> list[contract.Refusal | None]:
    verdict = plugin.rows(asked, view)
    if verdict is None:
        return [None] * view.size
    said = zip(verdict.code.tolist(), verdict.reason.tolist(), strict=True)
    return [contract.Refusal(contract.Code(code), verdict.reasons[reason]) if code else None for code, reason in said]


@many
@given(draw=draws)
def test_a_row_says_of_each_slot_what_its_cell_says(draw: worlds.Draw) -> None:
    made, ready = cluster_of(draw), request.prepare(build.as_pod(worlds.pods(draw, "new")))
    view = made.freeze()
    for plugin in FILTERS:
        asked = resolved(plugin, ready, view)
        if asked is not None:
            cells = [plugin.cell(asked, view, slot, contract.NOTHING) for slot in range(view.size)]
            assert rows(plugin, asked, view) == cells, plugin.name
    asked = resolved(binding.SCORE, ready, view)
    if asked is not None:
        values = binding.SCORE.raws(asked, view).tolist()
        assert values == [binding.SCORE.raw(asked, view, slot) for slot in range(view.size)]
        assert all(0 <= value <= contract.MAX_SCORE for value in values)


@many
@given(draw=draws)
def test_a_cell_with_a_pod_that_comes_or_goes_says_what_it_would_say_had_it(draw: worlds.Draw) -> None:
    made = cluster_of(draw)
    made.apply_node(build.as_node(build.node("n1", labels={"kubernetes.io/hostname": "n1"})))
    ready = request.prepare(build.as_pod(worlds.pods(draw, "new")))
    guest = worlds.pods(draw, "more")
    other = build.as_pod(guest | {"spec": guest["spec"] | {"nodeName": "n1"}})
    made.apply_pod(build.as_pod(guest | {"status": {"nominatedNodeName": "n1"}}))
    view = made.freeze()
    slot = view.index_of["n1"]
    moved = (snapshot.Placed(other, "n1", slot, demand.of(other), (), assumed=False),)
    before: list[tuple[Any, Any, Any]] = []
    for plugin in FILTERS:
        if (asked := resolved(plugin, ready, view)) is not None:
            had = plugin.cell(asked, view, slot, contract.NOTHING)
            before.append((plugin, had, plugin.cell(asked, view, slot, contract.Delta(added=moved))))
    made.apply_pod(other)
    view = made.freeze()
    for plugin, had, came in before:
        asked = resolved(plugin, ready, view)
        assert asked is not None
        assert plugin.cell(asked, view, slot, contract.NOTHING) == came, plugin.name
        if plugin is restrictions.FILTER and asked.alone:
            continue  # upstream counts a claim of one pod once, whoever has it, and takes it off for each who goes
        assert plugin.cell(asked, view, slot, contract.Delta(removed=moved)) == had, plugin.name


Event = Callable[[cluster.Cluster], object]


def event_of(draw: worlds.Draw) -> Event:
    name = draw.some(*worlds.NODES)
    match draw.randint(0, 9):
        case 0:
            node = build.as_node(worlds.nodes(draw, name))
            return lambda made: made.apply_node(node)
        case 1:
            return lambda made: made.remove_node(name)
        case 2 | 3:
            pod = build.as_pod(worlds.pods(draw, draw.some("p0", "p1"), on=name))
            return lambda made: _replace(made, pod)
        case 4:
            uid = draw.some("uid-p0", "uid-p1")
            return lambda made: made.remove_pod(uid)
        case 5:
            obj = worlds.stored(draw)
            return lambda made: made.storage.remove(type(obj), obj.metadata.namespace, obj.metadata.name)
        case 6:
            return _assume
        case _:
            obj = worlds.stored(draw)
            return lambda made: made.storage.apply(obj)


def _replace(made: cluster.Cluster, pod: core.Pod) -> None:
    """A pod's volumes never change, so one that has others is another pod."""
    made.remove_pod(pod.metadata.uid)
    made.apply_pod(pod)


def _assume(made: cluster.Cluster) -> None:
    """Give the first volume that is nobody's to a claim."""
    for volume in list(made.storage.objects[volumes.PersistentVolume].values()):
        if volume.spec.claim_ref is None:
            kept = msgspec.structs.replace(volume.spec, claim_ref=volumes.ClaimRef("default", "c0", "uid-c0"))
            made.storage.assume(msgspec.structs.replace(volume, spec=kept))
            return


@many
@given(draw=draws)
def test_what_is_kept_changes_no_decision(draw: worlds.Draw) -> None:
    made, history = cluster_of(draw), [event_of(draw) for _ in range(6)]
    kept, ready = decide.Engine(SETTINGS), request.prepare(build.as_pod(worlds.pods(draw, "new")))
    for step, event in enumerate((lambda _: None, *history)):
        event(made)
        view = made.freeze()
        found, fresh = (engine.decide(view, ready, step) for engine in (kept, decide.Engine(SETTINGS)))
        assert explain.answer(found, view) == explain.answer(fresh, view)
        assert found.is_failed == fresh.is_failed
        validation.check(made)


@many
@given(draw=draws)
def test_nothing_stays_behind(draw: worlds.Draw) -> None:
    made = cluster_of(draw)
    for event in [event_of(draw) for _ in range(6)]:
        event(made)
    for name in worlds.NODES:
        made.remove_node(name)
    for uid in ("uid-p0", "uid-p1"):
        made.remove_pod(uid)
    for kind, known in made.storage.objects.items():
        for namespace, name in list(known):
            made.storage.remove(kind, namespace, name)
    validation.check(made)
    assert not made.storage.by_class()
    assert not any(vars(made.storage.use)[name] for name in ("disks", "claims", "mounted", "holders", "problems"))
