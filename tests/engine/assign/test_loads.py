"""What links are said to cost, pod by pod, is never more than what transfers really cost each other there."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.engine.assign import loads, problem, table
from tests import exploring
from tests.engine.assign import problems


@settings(max_examples=exploring.examples(150))
@given(asked=problems.drawn(pods=4, nodes=3), data=st.data())
def test_prices_of_links_are_below_all_plans(asked: problem.Problem, data: st.DataObject) -> None:
    asked = problem.Problem(np.zeros(asked.costs.shape), asked.asks[:, :0], asked.room[:, :0], flows=asked.flows)
    prepared = table.made(asked, np.random.default_rng(1))
    if prepared.transfers is None:
        return
    pods, nodes = asked.costs.shape
    anywhere = st.lists(st.integers(-1, nodes - 1), min_size=pods, max_size=pods)
    load = loads.Loads(prepared, prepared.transfers, data.draw(anywhere))
    candidate_of = prepared.candidates.argsort(1)  # all nodes are candidates of all pods, of which there are as many
    if prepared.candidates.shape[1] < nodes:
        return
    for _ in range(data.draw(st.integers(0, 3))):
        load.move(np.array(data.draw(anywhere)) % nodes)
    for plan in itertools.product(range(nodes), repeat=pods):
        pays = sum(load.paid[pod, candidate_of[pod, node]] for pod, node in enumerate(plan)) + load.constant
        assert pays <= problems.cost(asked, plan) + 1e-6


def test_many_transfers_on_one_link_are_priced_near_what_they_cost() -> None:
    flows = problem.Flows(
        pods=np.arange(10),
        sizes_bytes=np.full(10, 10.0),
        routes=np.zeros(10, int),
        fetches=np.full(10, problem.NOWHERE),
        links=np.zeros((1, 1, 1), int),
        rates_bytes_per_s=np.array([10.0]),
        weight=1.0,
    )
    asked = problem.Problem(np.zeros((10, 1)), np.zeros((10, 0), int), np.zeros((1, 0), int), flows=flows)
    prepared = table.made(asked, np.random.default_rng(1))
    assert prepared.transfers is not None
    load = loads.Loads(prepared, prepared.transfers, [0] * 10)
    assert load.paid.sum() + load.constant == problems.cost(asked, [0] * 10) == 90
