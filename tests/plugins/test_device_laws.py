"""What holds of the plugin for devices: rows are cells, what is kept is as if made anew, nothing stays behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import config
from scheduler.api import devices
from scheduler.engine import decide
from scheduler.offline import explain
from scheduler.plugins import contract, request
from scheduler.plugins.dynamic_resources import filtering, granting
from scheduler.state import cluster, validation
from scheduler.state.claims import store
from tests import exploring
from tests.plugins import deviceworlds as worlds
from tests.plugins import storageworlds
from tests.state import build

SETTINGS = config.Settings()

pytestmark = pytest.mark.timeout(600)
many = hypothesis.settings(max_examples=exploring.examples(500), deadline=None, print_blob=True)
draws = st.integers(0, 2**64).map(storageworlds.Draw)


def cluster_of(draw: storageworlds.Draw) -> cluster.Cluster:
    made = build.state([], capacity=1)
    for name in draw.sample(worlds.NODES, draw.randint(1, 3)):
        made.apply_node(build.as_node(worlds.nodes(draw, name)))
    for obj in worlds.everything(draw):
        made.claims.apply(obj)
    if not draw.randint(0, 3):
        made.remove_node("n0")
    return made


@many
@given(draw=draws)
def test_a_row_says_of_each_slot_what_its_cell_says(draw: storageworlds.Draw) -> None:
    made, ready = cluster_of(draw), request.prepare(build.as_pod(worlds.pods(draw, "new")))
    view = made.freeze()
    for plugin in (filtering.FILTER, filtering.SCORE):
        read = plugin.compile(ready, SETTINGS)
        assert plugin.resolve is not None
        asked = plugin.resolve(read, view) if read is not None else None  # type: ignore[arg-type]
        hash(asked)
        if asked is None or isinstance(asked, contract.Refuse):
            continue
        if isinstance(plugin, contract.Score):
            assert plugin.raws(asked, view).tolist() == [plugin.raw(asked, view, slot) for slot in range(view.size)]
            continue
        verdict = plugin.rows(asked, view)
        for slot in range(view.size):
            cell = plugin.cell(asked, view, slot, contract.NOTHING)
            row = verdict.code.item(slot) if verdict is not None else 0
            assert row == (cell.code if cell is not None else 0)
            if verdict is not None and cell is not None:
                assert verdict.reasons[verdict.reason.item(slot)] == cell.reasons


Event = Callable[[cluster.Cluster], object]


def event_of(draw: storageworlds.Draw) -> Event:
    name = draw.some(*worlds.NODES)
    match draw.randint(0, 9):
        case 0:
            node = build.as_node(worlds.nodes(draw, name))
            return lambda made: made.apply_node(node)
        case 1:
            return lambda made: made.remove_node(name)
        case 2 | 3:
            obj = worlds.stored(draw)
            return lambda made: made.claims.remove(type(obj), obj.metadata.namespace, obj.metadata.name)
        case 4 | 5:
            pod = request.prepare(build.as_pod(worlds.pods(draw, draw.some("p0", "p1"))))
            return lambda made: _start(made, pod)
        case 6:
            uid = draw.some("uid-p0", "uid-p1")
            return lambda made: made.claims.end(uid)
        case _:
            obj = worlds.stored(draw)
            return lambda made: made.claims.apply(obj)


def _start(made: cluster.Cluster, pod: request.PodRequest) -> None:
    """Take what a pod would be given on the first node that takes it to be so."""
    view = made.freeze()
    decided = decide.Engine(SETTINGS).decide(view, pod, 0)
    if not decided.node:
        return
    grants = granting.allocation_on(pod, view, view.index_of[decided.node]) or ()
    given = tuple(store.Flight(one.claim, one.allocation) for one in grants if one.allocation is not None)
    made.claims.start(pod.pod.metadata.uid, given)


@many
@given(draw=draws)
def test_what_is_kept_changes_no_decision(draw: storageworlds.Draw) -> None:
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
def test_what_is_given_is_there_free_and_enough(draw: storageworlds.Draw) -> None:
    """Each device that is given exists, is nobody else's, and is given once."""
    made, ready = cluster_of(draw), request.prepare(build.as_pod(worlds.pods(draw, "new")))
    view = made.freeze()
    decided = decide.Engine(SETTINGS).decide(view, ready, 0)
    if not decided.node:
        return
    known: dict[tuple[str, str, str], devices.Device] = {}
    for one in made.claims.pools.slices():
        known |= {(one.spec.driver, one.spec.pool.name, device.name): device for device in one.spec.devices}
    whole: list[Any] = []
    for grant in granting.allocation_on(ready, view, view.index_of[decided.node]) or ():
        if grant.allocation is None:
            continue
        results = grant.allocation.devices.results
        names = {result.request.partition("/")[0] for result in results}
        assert names == {one.name for one in grant.claim.spec.devices.requests}
        for result in results:
            key = (result.driver, result.pool, result.device)
            assert key in known
            if result.admin_access or result.share_id is not None:
                continue
            assert key not in view.claims.use.taken
            whole.append(key)
    assert len(whole) == len(set(whole))


@many
@given(draw=draws)
def test_nothing_stays_behind(draw: storageworlds.Draw) -> None:
    made = cluster_of(draw)
    for event in [event_of(draw) for _ in range(6)]:
        event(made)
    for name in worlds.NODES:
        made.remove_node(name)
    for uid in list(made.claims.flights()):
        made.claims.end(uid)
    for kind, known in made.claims.objects.items():
        for namespace, name in list(known):
            made.claims.remove(kind, namespace, name)
    validation.check(made)
    assert made.claims.pools.kept() == (set(), {}, set())
    assert not made.claims.use.taken
    assert not made.claims.use.shares
