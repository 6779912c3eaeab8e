"""What joint placement is asked and what it answers: arrays only, numbers for names.

The cost of a plan is what its pods cost by themselves (``Problem.costs``) and, with ``Flows``, what transfers that
begin together take from each other. Where flows share a link by equal parts, one of s_i bytes ends after the sum over
all j of min(s_i, s_j) / rate seconds; the part with j = i, and what a pod's own transfers take from each other, is in
``costs`` already. So each pair of transfers i, j of different pods adds 2 * min(s_i, s_j) / rate seconds on every link
that both go over: each of the two waits for the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Amounts = NDArray[np.int64] | NDArray[np.float64]  # exact up to 2^53

NOWHERE = -1


class Domains(NamedTuple):
    """Room that several nodes share: how many pods of a group a zone may hold, and the like.

    Attributes:
        of: [rows, nodes] in which domain of the row the node is; ``NOWHERE`` where the row does not limit it.
        room: [rows, domains] what each has left.
        asks: [pods, rows] what a pod takes of the domain that its node is in.
    """

    of: Ints
    room: Amounts
    asks: Amounts


class Flows(NamedTuple):
    """What pods of the batch move over what they share: ways out of stores, pairs of sites, ways into nodes.

    Attributes:
        pods: [transfers] whose transfer it is.
        sizes_bytes: [transfers]
        routes: [transfers] row of ``links``.
        fetches: [transfers] what is fetched, if one fetch serves all pods of a node: of several of one number, size and
            route only one moves to each node. ``NOWHERE`` for what each pod moves by itself.
        links: [routes, nodes, most] which links a transfer of that route goes over if its pod is on that node, each
            once; ``NOWHERE`` fills up.
        rates_bytes_per_s: [links]
        weight: What a second costs, in the unit of ``costs``.
    """

    pods: Ints
    sizes_bytes: Floats
    routes: Ints
    fetches: Ints
    links: Ints
    rates_bytes_per_s: Floats
    weight: float


class Problem(NamedTuple):
    """Pods of one priority, and what nodes have room for.

    Attributes:
        costs: [pods, nodes] what a pod costs on a node by itself, in any unit; infinite where it may not go.
        asks: [pods, resources] not negative.
        room: [nodes, resources] what is free.
        domains: What is free in sets of nodes; None where nothing is limited there.
        flows: None where transfers take nothing from each other.
    """

    costs: Floats
    asks: Amounts
    room: Amounts
    domains: Domains | None = None
    flows: Flows | None = None


class Plan(NamedTuple):
    """Where the pods go.

    Attributes:
        nodes: [pods] the node of each, ``NOWHERE`` where there was no room left for it.
        cost: Of those that are placed, what they take from each other included.
        bound: No plan that places as many pods costs less; minus infinity where nothing is known.
        in_turn: [pods] the node that each would have got if the pods had chosen one after the other, in their order.
        in_turn_cost: The cost of that.
        steps: The work that was done, in the unit of the budget.
    """

    nodes: Ints
    cost: float
    bound: float
    in_turn: Ints
    in_turn_cost: float
    steps: int
