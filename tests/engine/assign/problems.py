"""Problems drawn by hypothesis, and what a plan comes to, reckoned the slow way from the words of the contract."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Sequence

import numpy as np
from hypothesis import strategies as st

from scheduler.engine.assign import problem


@st.composite
def drawn(draw: st.DrawFn, *, pods: int = 8, nodes: int = 6) -> problem.Problem:
    """Small problems, tight, with ties and with nodes that pods may not go to. What fills them comes of one number."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, width, resources = draw(st.integers(1, pods)), draw(st.integers(1, nodes)), draw(st.integers(0, 2))
    costs = rng.integers(0, draw(st.sampled_from([1, 4, 1000])), (count, width)).astype(np.float64)
    return problem.Problem(
        costs=np.where(rng.random(costs.shape) < draw(st.sampled_from([0, 0.3])), np.inf, costs),
        asks=rng.integers(0, 5, (count, resources)),
        room=rng.integers(0, draw(st.integers(1, 12)), (width, resources)),
        domains=_domains(rng, count, width) if draw(st.booleans()) else None,
        flows=_flows(rng, count, width) if draw(st.booleans()) else None,
    )


def _domains(rng: np.random.Generator, pods: int, nodes: int) -> problem.Domains:
    rows, domains = rng.integers(1, 3), rng.integers(1, 4)
    return problem.Domains(
        of=rng.integers(-1, domains, (rows, nodes)),
        room=rng.integers(0, 4, (rows, domains)),
        asks=rng.integers(0, 2, (pods, rows)),
    )


def _flows(rng: np.random.Generator, pods: int, nodes: int) -> problem.Flows:
    transfers, routes, links = rng.integers(0, 2 * pods + 1), rng.integers(1, 4), rng.integers(1, 5)
    return problem.Flows(
        pods=rng.integers(0, pods, transfers),
        sizes_bytes=rng.choice([7.0, 20.0, 40.0], transfers),
        routes=rng.integers(0, routes, transfers),
        fetches=rng.integers(-1, 2, transfers),
        links=_once(rng.integers(-1, links, (routes, nodes, 2))),
        rates_bytes_per_s=rng.integers(1, 20, links).astype(np.float64),
        weight=float(rng.choice([0.5, 1])),
    )


def _once(links: problem.Ints) -> problem.Ints:
    """Links of which none is the same as the one before."""
    links[:, :, 1][links[:, :, 0] == links[:, :, 1]] = problem.NOWHERE
    return links


def is_allowed(given: problem.Problem, nodes: Sequence[int]) -> bool:
    """Whether all these pods may be where they are, and all that is asked for is there."""
    placed = [(pod, node) for pod, node in enumerate(nodes) if node >= 0]
    if any(math.isinf(given.costs[pod, node]) for pod, node in placed):
        return False
    asked = np.zeros_like(given.room)
    for pod, node in placed:
        asked[node] += given.asks[pod]
    if (asked > given.room).any():
        return False
    if given.domains is None:
        return True
    taken = np.zeros_like(given.domains.room)
    for pod, node in placed:
        for row, domain in enumerate(given.domains.of[:, node].tolist()):
            if domain >= 0:
                taken[row, domain] += given.domains.asks[pod, row]
    return not (taken > given.domains.room).any()


def cost(given: problem.Problem, nodes: Sequence[int]) -> float:
    """What the pods that are placed cost, by themselves and each other."""
    alone = sum(given.costs[pod, node] for pod, node in enumerate(nodes) if node >= 0)
    return float(alone) + _waiting(given.flows, nodes)


def _waiting(flows: problem.Flows | None, nodes: Sequence[int]) -> float:
    """What pairs of transfers cost, but for those that one pod waits for."""
    if flows is None:
        return 0.0
    links: dict[Hashable, list[int]] = {}
    sizes: dict[Hashable, float] = {}
    waiting: dict[int, set[Hashable]] = {}
    for index, (pod, size, route, fetch) in enumerate(
        zip(flows.pods.tolist(), flows.sizes_bytes.tolist(), flows.routes, flows.fetches.tolist(), strict=True)
    ):
        if nodes[pod] >= 0:
            key = index if fetch < 0 else (fetch, route, size, nodes[pod])
            links[key], sizes[key] = flows.links[route, nodes[pod]].tolist(), size
            waiting.setdefault(pod, set()).add(key)
    total = 0.0
    for one, other in itertools.combinations(links, 2):
        if not any({one, other} <= keys for keys in waiting.values()):
            for link, its in itertools.product(links[one], links[other]):
                if link == its >= 0:
                    total += 2 * min(sizes[one], sizes[other]) / flows.rates_bytes_per_s[link]
    return total * flows.weight


def best(given: problem.Problem) -> tuple[int, float]:
    """The fewest pods without a node, and the least cost of a plan with so few: all plans looked through."""
    pods, nodes = given.costs.shape
    plans = itertools.product(range(-1, nodes), repeat=pods)
    return min((plan.count(-1), cost(given, plan)) for plan in plans if is_allowed(given, plan))
