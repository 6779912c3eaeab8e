"""Pods placed one by one, as they come, each where the engine would put it: what decisions alone are worth.

Workloads follow each other and clean up behind them, as in the earlier implementation's benchmark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from benchmarks.simulated import measures
from scheduler.engine import decide, decision
from scheduler.plugins import criteria, request
from scheduler.simulate import scenario
from scheduler.state import snapshot


class Placed(NamedTuple):
    """Where a pod was put: the index of its node, and by criterion what each node would have cost when it was decided.

    Costs are [nodes]; infinite where the pod may not go.
    """

    node: int
    parts: Mapping[str, measures.Floats]


def one_by_one(given: scenario.Scenario, seed: int) -> list[Placed]:
    """By pod, where it goes.

    Raises:
        ValueError: a pod fits nowhere.
    """
    state = measures.state_of(given)
    engine = decide.Engine(given.settings)
    index_of = {node.metadata.name: index for index, node in enumerate(given.nodes)}
    chosen: list[Placed] = []
    running: list[str] = []
    workload = ""
    for number, (work, own) in enumerate(zip(given.works, measures.workloads(given), strict=True)):
        if own != workload:
            for uid in running:
                state.forget(uid)
            workload, running = own, []
        view = state.freeze()
        found = engine.decide(view, request.prepare(work.pod), seed + number)
        parts = _parts(found, view, [view.index_of[name] for name in index_of], given.settings.tau_s)
        chosen.append(Placed(index_of[found.node], parts))
        state.assume(work.pod, found.node)
        running.append(work.pod.metadata.uid)
    return chosen


def _parts(
    found: decision.Decision, view: snapshot.Snapshot, slots: list[int], tau_s: float
) -> dict[str, measures.Floats]:
    choice = found.choice
    if choice is None:
        raise ValueError(f"{found.asked.pod.key} fits nowhere: {found.full_message}")
    parts = {}
    for name, term in found.terms.items():
        row = np.full(view.size, np.inf)
        row[found.feasible] = term.cost
        parts[name] = row[slots]
    parts[criteria.DATA] = choice.data.costs(choice.profile.weights.data, tau_s)[slots]
    return parts
