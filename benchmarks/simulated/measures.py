"""What each pod of a scenario would move on each node, as the engine reckons it: all that a placement is judged by.

Inputs and outputs lie where their buckets do, so that what a pod moves does not depend on where others run, and each
figure of a placement is a sum over its pods.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.api import names
from scheduler.engine import decide, decision
from scheduler.plugins import criteria, place, request
from scheduler.plugins.data import cost, moves
from scheduler.simulate import scenario
from scheduler.simulate.arms import earlier
from scheduler.state import cluster, network, snapshot, usage

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MB: Final = 2**20  # as the earlier implementation counts
_LOCAL_S: Final = 0.001  # on one node, by its formula


class Near(enum.IntEnum):
    """How near the other end of a transfer is, as the earlier implementation's metrics tell them apart."""

    LOCAL = 0
    SAME_ZONE = 1
    SAME_REGION = 2
    CROSS_REGION = 3


class Access(NamedTuple):
    """One input or output; arrays are over nodes.

    Attributes:
        size_bytes: What it says that it moves.
        near: See Near.
        seconds, earlier_s: How long it takes, as the engine reckons and by the earlier implementation's formula.
    """

    urn: str
    size_bytes: int
    near: NDArray[np.int8]
    seconds: Floats
    earlier_s: Floats


class Pod(NamedTuple):
    """A pod; arrays are over nodes.

    Attributes:
        key, workload: Its name, and what it is a part of.
        accesses: Its inputs and outputs, as far as their place is known.
        prefers, meets: How many preferences it states, and how many a node meets.
        cost: The stated objective: what the engine weighs but for what depends on other pods; infinite where the pod
            may not go.
        asks: CPU (milli) and memory (bytes).
    """

    key: str
    workload: str
    accesses: tuple[Access, ...]
    prefers: int
    meets: Ints
    cost: Floats
    asks: tuple[int, int]

    @property
    def moved_bytes(self) -> Ints:
        """[nodes] what does not lie on the node itself."""
        return self._bytes(Near.SAME_ZONE)

    @property
    def crossed_bytes(self) -> Ints:
        """[nodes] what lies in another region."""
        return self._bytes(Near.CROSS_REGION)

    def _bytes(self, at_least: Near) -> Ints:
        zero = np.zeros(len(self.meets), np.int64)
        return sum((each.size_bytes * (each.near >= at_least) for each in self.accesses), start=zero)


class Measures(NamedTuple):
    """All pods in their order, the nodes, and what each has to give (CPU, memory)."""

    pods: tuple[Pod, ...]
    nodes: tuple[str, ...]
    room: tuple[tuple[int, int], ...]


def of(given: scenario.Scenario) -> Measures:
    """Reckon every pod of a scenario on every node of the cluster as it is in the beginning.

    Raises:
        ValueError: a pod fits nowhere, so that there is nothing to compare.
    """
    view = state_of(given).freeze()
    engine = decide.Engine(given.settings)
    kept = cost.Kept(dataclasses.replace(given.settings, counts_bytes=False))  # seconds are seconds, whatever counts
    slots = np.array([view.index_of[node.metadata.name] for node in given.nodes])
    free = view.offered[:, slots] - view.taken[:, slots]
    asked = [engine.decide(view, request.prepare(work.pod), 0) for work in given.works]
    return Measures(
        pods=tuple(
            Pod(
                key=found.asked.pod.key,
                workload=workload,
                accesses=tuple(_access(move, view, slots) for move in kept.cost(view, found.asked).moves),
                prefers=(wish := _wishes(found.asked, view, given.settings))[0],
                meets=wish[1][slots],
                cost=_cost(found, view, given.settings)[slots],
                asks=(found.asked.asked.cpu_milli, found.asked.asked.memory_bytes),
            )
            for found, workload in zip(asked, workloads(given), strict=True)
        ),
        nodes=tuple(node.metadata.name for node in given.nodes),
        room=tuple(zip(free[usage.CPU].tolist(), free[usage.MEMORY].tolist(), strict=True)),
    )


def workloads(given: scenario.Scenario) -> list[str]:
    """By pod, what it is a part of: by its label `workload`, else by which pods it comes after."""
    numbers: dict[tuple[str, ...], int] = {}
    for work in given.works:
        numbers.setdefault(work.after, len(numbers) + 1)
    return [work.pod.metadata.labels.get("workload", f"workload {numbers[work.after]}") for work in given.works]


def state_of(given: scenario.Scenario) -> cluster.Cluster:
    """The cluster of a scenario in the beginning."""
    state = cluster.Cluster(given.settings.network, names.HOME_NAMESPACE, capacity=len(given.nodes))
    for node in given.nodes:
        state.apply_node(node)
    for capability in given.capabilities:
        state.apply_capability(capability)
    for pod in given.running:
        state.apply_pod(pod)
    for obj in given.objects:
        state.apply_data_object(obj)
    return state


def _cost(found: decision.Decision, view: snapshot.Snapshot, settings: config.Settings) -> Floats:
    """[slots] what a pod costs, but for the criteria that depend on what else runs; infinite where it may not go."""
    choice = found.choice
    if choice is None:
        raise ValueError(f"{found.asked.pod.key} fits nowhere: {found.full_message}")
    whole = np.full(view.size, np.inf)
    whole[found.feasible] = 0.0
    for name, term in found.terms.items():
        if name not in (criteria.RESOURCES, criteria.AFFINITY):
            whole[found.feasible] += term.cost
    return whole + choice.data.costs(choice.profile.weights.data, settings.tau_s)


def _wishes(asked: request.PodRequest, view: snapshot.Snapshot, settings: config.Settings) -> tuple[int, Ints]:
    """How many preferences a pod states, and [slots] how many of them a node meets."""
    wish = place.WISH.compile(asked, settings)
    if wish is None:
        return 0, np.zeros(view.size, np.int64)
    return wish.wishes, np.rint(place.WISH.shares(wish, view) * wish.wishes).astype(np.int64)


def _access(move: moves.Move, view: snapshot.Snapshot, slots: Ints) -> Access:
    near, seconds, earlier_s = [], [], []
    for slot in slots.tolist():
        site = view.links.site_of.item(slot)
        end = move.nearest.end(move.size_bytes, slot, site)
        here, there = view.links.sites[site], _site(view, end)
        near.append(_near(here, there, is_own=end == slot))
        seconds.append(move.seconds.at(slot, site))
        if isinstance(end, int):
            theirs_s = earlier.transfer_s(view, move.size_bytes, end, inward=not move.is_output)
            earlier_s.append(_LOCAL_S if end == slot else theirs_s.item(slot))
    return Access(move.urn, move.size_bytes, np.array(near, np.int8), np.array(seconds), np.array(earlier_s))


def _site(view: snapshot.Snapshot, end: int | network.Site) -> network.Site:
    return view.links.sites[view.links.site_of.item(end)] if isinstance(end, int) else end


def _near(here: network.Site, there: network.Site, *, is_own: bool) -> Near:
    if is_own:
        return Near.LOCAL
    if here.region != there.region:
        return Near.CROSS_REGION
    return Near.SAME_ZONE if here.zone == there.zone else Near.SAME_REGION
