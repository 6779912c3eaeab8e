"""The state without one of its pods is the state that never had it, for every plugin; then it is as it was before."""

import json
from typing import Any

import msgspec
import pytest

from scheduler import config, errors
from scheduler.engine import decide
from scheduler.offline import door, explain, question
from scheduler.plugins import request
from scheduler.state import cluster, snapshot
from tests.parity.hostile import question as hostile

SETTINGS = config.Settings()
NOW_S = 1_770_000_000.0


def answer(view: snapshot.Snapshot, asked: question.Question, seed: int) -> Any:
    return explain.answer(decide.Engine(SETTINGS).decide(view, request.prepare(asked.pod), seed), view)


def shown(state: cluster.Cluster) -> Any:
    view = state.freeze(NOW_S)
    taken = {name: view.taken[row].tolist() for name, row in view.resource_row.items()}
    placed_on = {node: list(there) for node, there in view.placed_on.items()}
    return taken, view.ports, list(view.placed), placed_on, view.neighbours.cohorts.counts(), view.priorities.by_slot()


@pytest.mark.parametrize("seed", range(60))
def test_it_is_the_state_that_never_had_it(seed: int) -> None:
    asked = question.read(json.dumps(hostile.question(seed)).encode())
    try:
        state = door.state_of(asked, SETTINGS)
    except errors.InputError:
        return  # a cluster that holds what cannot be read
    before = shown(state)
    for placed in [one for one in asked.pods if one.spec.node_name][:3]:
        uid = placed.metadata.uid
        others = tuple(one for one in asked.pods if one.metadata.uid != uid)
        expected = door.state_of(msgspec.structs.replace(asked, pods=others), SETTINGS).freeze(NOW_S)
        with state.without(uid, NOW_S) as view:
            assert answer(view, asked, seed) == answer(expected, asked, seed), (seed, placed.key)
        assert shown(state) == before, (seed, placed.key)
