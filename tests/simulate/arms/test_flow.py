"""The cheapest flow: as cheap as the optimum that scipy finds, whatever the rooms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from scheduler.simulate.arms import flow


@given(
    seed=st.integers(0, 10**6),
    tasks=st.integers(1, 12),
    machines=st.integers(1, 6),
    refused=st.floats(0, 0.9),
    most=st.sampled_from([3, 1000]),
)
def test_it_costs_what_the_optimum_costs(seed: int, tasks: int, machines: int, refused: float, most: int) -> None:
    drawn = np.random.default_rng(seed)
    costs = drawn.integers(0, most, (tasks, machines)).astype(float)
    costs[drawn.random((tasks, machines)) < refused] = np.inf
    room, past = drawn.integers(0, 4, machines), drawn.integers(0, most, tasks).astype(float)
    chosen = flow.assign(costs, room, past)
    got = sum(past[task] if machine < 0 else costs[task, machine] for task, machine in enumerate(chosen))
    assert all(chosen.count(machine) <= room[machine] for machine in range(machines))
    # Each machine as often as it has room, and each task's own way past all of them.
    ways = np.full((tasks, tasks), np.inf)
    np.fill_diagonal(ways, past)
    whole = np.concatenate([np.repeat(costs, room, axis=1), ways], axis=1)
    rows, columns = optimize.linear_sum_assignment(whole)
    assert got == pytest.approx(whole[rows, columns].sum())


def test_a_task_makes_way_where_another_has_nowhere_else_to_go() -> None:
    costs = np.array([[1.0, 2.0], [1.0, np.inf]])
    assert flow.assign(costs, np.array([1, 1]), np.array([100.0, 100.0])) == [1, 0]
    assert flow.assign(costs, np.array([1, 0]), np.array([3.0, 9.0])) == [-1, 0]
