"""What holds of every plan, whatever is asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.engine.assign import problem, solver
from tests import exploring
from tests.engine.assign import problems

MANY = exploring.examples(300)
STEPS = st.sampled_from([0, 30, 400])


@settings(max_examples=MANY)
@given(asked=problems.drawn(), steps=STEPS, seed=st.integers(0, 9))
def test_nobody_is_where_there_is_no_room_and_all_is_reckoned_right(
    asked: problem.Problem, steps: int, seed: int
) -> None:
    plan = solver.solve(asked, steps=steps, seed=seed)
    for nodes, cost in ((plan.nodes, plan.cost), (plan.in_turn, plan.in_turn_cost)):
        assert problems.is_allowed(asked, nodes.tolist())
        assert cost == pytest.approx(problems.cost(asked, nodes.tolist()))


@settings(max_examples=MANY)
@given(asked=problems.drawn(), steps=STEPS, seed=st.integers(0, 9))
def test_no_plan_is_worse_than_one_pod_at_a_time(asked: problem.Problem, steps: int, seed: int) -> None:
    plan = solver.solve(asked, steps=steps, seed=seed)
    missing, in_turn = (plan.nodes < 0).sum(), (plan.in_turn < 0).sum()
    assert missing <= in_turn
    assert missing < in_turn or plan.cost <= plan.in_turn_cost + 1e-6


@settings(max_examples=MANY)
@given(asked=problems.drawn(), steps=STEPS)
def test_the_same_seed_gives_the_same_plan(asked: problem.Problem, steps: int) -> None:
    one, other = (solver.solve(asked, steps=steps, seed=7) for _ in range(2))
    assert one.nodes.tolist() == other.nodes.tolist()
    assert (one.cost, one.bound, one.steps) == (other.cost, other.bound, other.steps)


@settings(max_examples=MANY)
@given(asked=problems.drawn(pods=1))
def test_one_pod_goes_where_it_costs_least(asked: problem.Problem) -> None:
    plan = solver.solve(asked, steps=100, seed=1)
    missing, best = problems.best(asked)
    assert (plan.nodes < 0).sum() == missing
    assert plan.cost == pytest.approx(best)


@settings(max_examples=MANY)
@given(asked=problems.drawn(pods=4, nodes=3), steps=STEPS)
def test_the_bound_is_below_the_best_plan(asked: problem.Problem, steps: int) -> None:
    plan = solver.solve(asked, steps=steps, seed=1)
    missing, best = problems.best(asked)
    if missing == (plan.nodes < 0).sum():
        assert plan.bound <= best + 1e-6 * (1 + abs(best))
        assert best <= plan.cost + 1e-6
    assert plan.bound <= plan.cost + 1e-6 * (1 + abs(plan.cost))


@settings(max_examples=MANY)
@given(asked=problems.drawn(), data=st.data())
def test_a_plan_to_begin_with_is_not_made_worse(asked: problem.Problem, data: st.DataObject) -> None:
    start = solver.solve(asked, steps=300, seed=data.draw(st.integers(0, 9)))
    plan = solver.solve(asked, steps=0, seed=1, start=start.nodes)
    missing, at_first = (plan.nodes < 0).sum(), (start.nodes < 0).sum()
    assert missing <= at_first
    assert missing < at_first or plan.cost <= start.cost + 1e-6


def test_without_pods_or_nodes_nothing_is_placed() -> None:
    for pods, nodes in ((0, 3), (2, 0), (0, 0)):
        asked = problem.Problem(np.zeros((pods, nodes)), np.zeros((pods, 1), int), np.zeros((nodes, 1), int))
        assert solver.solve(asked, steps=10, seed=1).nodes.tolist() == [problem.NOWHERE] * pods
