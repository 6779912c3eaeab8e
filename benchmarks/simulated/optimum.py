"""The best that could be done, by an exact solver: mixed-integer programs over who goes where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import optimize, sparse

from benchmarks.simulated import measures

Floats = measures.Floats
Ints = measures.Ints


def least(given: measures.Measures, cost: Floats, caps: Sequence[tuple[Floats, float]] = ()) -> tuple[int, ...] | None:
    """By pod the node's index, so that the whole costs least; None where nothing meets the caps.

    Args:
        given: Who asks for how much, and where there is how much room.
        cost: [pods, nodes] what a pod costs on a node; infinite where it may not go.
        caps: What may not be exceeded in all: [pods, nodes] what counts, and the most of it.
    """
    pods, nodes = cost.shape
    allowed = np.isfinite(cost)
    asks, room = np.array([pod.asks for pod in given.pods], float), np.array(given.room, float)
    each_somewhere = sparse.kron(sparse.eye_array(pods), np.ones((1, nodes)))
    fits = [
        sparse.hstack([sparse.diags_array(np.full(nodes, amount)) for amount in asks[:, resource]])
        for resource in range(asks.shape[1])
    ]
    constraints = [
        optimize.LinearConstraint(each_somewhere.tocsr(), 1, 1),
        *(optimize.LinearConstraint(each.tocsr(), -np.inf, room[:, resource]) for resource, each in enumerate(fits)),
        *(optimize.LinearConstraint(what.reshape(1, -1), -np.inf, most) for what, most in caps),
    ]
    found = optimize.milp(
        np.where(allowed, cost, 0.0).ravel(),
        integrality=np.ones(pods * nodes),
        bounds=optimize.Bounds(0, allowed.ravel().astype(float)),
        constraints=constraints,
        options={"mip_rel_gap": 0.0},
    )
    if found.x is None:
        return None
    return tuple(found.x.reshape(pods, nodes).argmax(axis=1).tolist())


def front(given: measures.Measures) -> list[tuple[int, ...]]:
    """The placements that move least for as many preferences as are met; from none unmet on, while less is moved."""
    moved = np.array([pod.moved_bytes for pod in given.pods], float)
    unmet = np.array([pod.prefers - pod.meets for pod in given.pods], float)
    found: list[tuple[int, ...]] = []
    fewest = float("inf")
    for most in range(int(unmet.max(axis=1).sum()) + 1):
        chosen = least(given, moved, [(unmet, most)])
        if chosen is None:
            continue
        total = moved[np.arange(len(chosen)), list(chosen)].sum()
        if total < fewest:
            fewest = total
            found.append(chosen)
        if total == moved.min(axis=1).sum():
            break
    return found
