"""The cheapest flow from tasks to machines: each task takes one unit, to a machine with room left or past all of them.

Shortest augmenting paths with prices (Jonker and Volgenant 1987, as Crouse 2016 gives it), for machines that take more
than one task: the tasks at a full machine are reached together, at no further cost. For one round of some hundred tasks
this is the flow network of Quincy without its aggregators, which are there to save arcs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def assign(costs: Floats, capacity: Ints, past: Floats) -> list[int]:
    """To which machine each task goes; -1 past all of them.

    Args:
        costs: [tasks, machines]; infinite where the machine does not take the task.
        capacity: [machines] how many tasks each takes.
        past: [tasks] what it costs to leave a task out.
    """
    tasks, machines = costs.shape
    whole = np.concatenate([costs, past[:, None]], axis=1)
    room = [*capacity.tolist(), tasks]
    task_price, machine_price = np.zeros(tasks), np.zeros(machines + 1)
    chosen = [-1] * tasks
    at: list[list[int]] = [[] for _ in room]
    for task in range(tasks):
        shortest, via = np.full(machines + 1, np.inf), np.full(machines + 1, -1)
        is_open = np.ones(machines + 1, np.bool_)
        frontier, low, last = [task], 0.0, -1
        while last < 0:
            for other in frontier:
                reach = low + whole[other] - task_price[other] - machine_price
                better = is_open & (reach < shortest)
                shortest[better], via[better] = reach[better], other
            nearest = int(np.where(is_open, shortest, np.inf).argmin())
            low, is_open[nearest], frontier = float(shortest[nearest]), False, at[nearest]
            if len(at[nearest]) < room[nearest]:
                last = nearest
        reached = np.flatnonzero(~is_open)
        for machine in reached.tolist():
            for other in at[machine]:
                task_price[other] += low - shortest[machine]
        task_price[task] += low
        machine_price[reached] -= low - shortest[reached]
        while last >= 0:
            other = int(via[last])
            before = chosen[other]
            if before >= 0:
                at[before].remove(other)
            at[last].append(other)
            chosen[other], last = last, before
    return [machine if machine < machines else -1 for machine in chosen]
