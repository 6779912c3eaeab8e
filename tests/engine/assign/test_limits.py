"""What follows from limits in whole units forbids no plan that the limits allow, and proves more."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings

from scheduler.engine.assign import limits, problem, solver
from tests import exploring
from tests.engine.assign import problems


@settings(max_examples=exploring.examples(150))
@given(asked=problems.drawn(pods=4, nodes=3))
def test_all_plans_that_are_allowed_are_so_in_whole_units(asked: problem.Problem) -> None:
    rules = limits.in_whole_units(asked)
    pods, nodes = asked.costs.shape
    for plan in itertools.product(range(-1, nodes), repeat=pods):
        if problems.is_allowed(asked, plan):
            taken = np.zeros(len(rules.free))
            for pod, node in enumerate(plan):
                if node >= 0:
                    taken[rules.slots[:, node]] += rules.asks[pod]
            assert (taken <= rules.free).all()


def test_that_one_node_holds_one_of_two_large_pods_is_proven() -> None:
    # By volume 10 nodes of 10 hold 16 pods of 6 and a part of another, so that all 20 cost 23.3 at least.
    asked = problem.Problem(
        np.where(np.arange(20) < 10, 1.0, 2.0) * np.ones((20, 1)), np.full((20, 1), 6), np.full((20, 1), 10)
    )
    plan = solver.solve(asked, steps=300, seed=1)
    assert plan.cost == 30
    assert plan.bound > 28
