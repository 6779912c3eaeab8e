"""The cluster as a strategy sees it while it places pods: as it is, with all that the strategy has placed so far.

Who fits where is kube-scheduler's own answer, by the engine's filters, whatever the strategy thinks of data; what data
costs, where it lies and what is missing of it where is worked out once, by scheduler.plugins.data. A strategy reads of
it what its source knows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.api import core
from scheduler.engine import byname, shapes
from scheduler.plugins import request
from scheduler.plugins.data import cost, moves
from scheduler.state import cluster, snapshot, usage

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Of what nodes offer and pods ask for: what is counted here where more than one pod is placed at a time.
ROWS: Final = [usage.CPU, usage.MEMORY, usage.EPHEMERAL, usage.PODS]


@dataclasses.dataclass(frozen=True, slots=True)
class Waiting:
    """A pod without a node.

    Attributes:
        asked: All that it asks for.
        bare: The same without its data and its preferences: what a filter reads.
        shape: What filters read of it.
        since_s: When it could first be placed, in seconds of the kernel's clock.
    """

    asked: request.PodRequest
    bare: request.PodRequest
    shape: shapes.Shape
    since_s: float

    @property
    def uid(self) -> str:
        return self.asked.pod.metadata.uid

    @property
    def key(self) -> str:
        return self.asked.pod.key


class Seen:
    """See the module.

    Attributes:
        now_s: Seconds of the kernel's clock.
    """

    def __init__(self, settings: config.Settings, state: cluster.Cluster) -> None:
        # Nobody is evicted here: none of the sources makes room that way for a pod that is not more urgent.
        plugins = dataclasses.replace(settings.plugins, preempts=False)
        self._engines = byname.Engines(dataclasses.replace(settings, plugins=plugins))
        self._shapes = shapes.Shapes(settings)
        self._data = cost.Kept(settings)
        self._state = state
        self._fits: dict[tuple[Hashable, ...], tuple[int, Ints]] = {}  # the state's generation, and the slots
        self._costs: dict[str, tuple[Waiting, cost.DataCost]] = {}  # by uid
        self._wall_s = 0.0
        self.now_s = 0.0

    def turn(self, now_s: float, wall_s: float) -> None:
        """Time has passed."""
        self.now_s, self._wall_s = now_s, wall_s

    def moved(self) -> None:
        """Where data lies, or how it is reached, may have changed. Nothing ages: simulated daemons always look."""
        self._costs.clear()

    def waiting(self, pod: core.Pod, since_s: float) -> Waiting:
        """Read a pod.

        Raises:
            InputError: a resource quantity cannot be read.
        """
        asked = request.prepare(pod)
        # What it requires of a node stays: whoever breaks that has placed another pod than the one that was asked for.
        required = msgspec.structs.replace(
            asked.intent,
            inputs=(),
            outputs=(),
            sources=(),
            wanted=(),
            data_intensive=False,
            compute_intensive=False,
            prefer_edge=False,
            prefer_cloud=False,
            prefer_region="",
            prefer_zone="",
        )
        bare = dataclasses.replace(asked, intent=required, transfers=())
        return Waiting(asked, bare, self._shapes.of(bare), since_s)

    @property
    def view(self) -> snapshot.Snapshot:
        """The state as it is now; valid until the next placement."""
        return self._state.freeze(self._wall_s)

    def feasible(self, one: Waiting) -> Ints:
        """The slots whose nodes take a pod now, in ascending order. Not to be written to."""
        view, generation = self.view, self._state.generation
        # Pods that ask alike are answered alike, of which the engine makes sure by the same key.
        now = [plugin.resolve(read, view) for plugin, read in one.shape.open if plugin.resolve is not None]
        key = (one.shape.number, *now)
        kept = self._fits.get(key)
        if kept is not None and kept[0] == generation:
            return kept[1]
        found = self._engines.of(one.asked.pod).decide(view, one.bare, 0).feasible
        self._fits[key] = generation, found
        return found

    def cost(self, one: Waiting) -> cost.DataCost:
        """What a pod's transfers take on every slot."""
        kept = self._costs.get(one.uid)
        if kept is None or kept[0] is not one:
            kept = self._costs[one.uid] = one, self._data.cost(self.view, one.asked)
        return kept[1]

    def missing_bytes(self, one: Waiting) -> Floats:
        """[slots] how much of a pod's inputs does not lie there."""
        return missing_bytes(self.cost(one))


def missing_bytes(found: cost.DataCost) -> Floats:
    """[slots] how much of the inputs, of those that lie anywhere, does not lie there."""
    missing = np.zeros(len(found.site_of))
    for move in found.moves:
        if not move.is_output:
            missing += move.size_bytes
            missing[holders(move)] -= move.size_bytes
    return missing


def holders(move: moves.Move) -> list[int]:
    """The slots of the nodes from or to which data moves without a network."""
    return [way.end for way in move.nearest.ways if isinstance(way.end, int)]


def zones(view: snapshot.Snapshot) -> tuple[Ints, int]:
    """[slots] the number of the zone where each node is, and how many zones there are."""
    numbers: dict[tuple[str, str], int] = {}
    of_site = [numbers.setdefault((site.region, site.zone), len(numbers)) for site in view.links.sites]
    return np.array(of_site)[view.links.site_of[: view.size]], len(numbers)


def mean_link(view: snapshot.Snapshot) -> tuple[float, float]:
    """Bytes per second and seconds, over all ordered pairs of nodes; where there is one node alone, its own."""
    slots = np.flatnonzero(view.alive)
    if len(slots) < 2:
        bandwidth, latency = view.reach(int(slots[0]), outward=True)
        return float(bandwidth[slots[0]]), float(latency[slots[0]])
    sites, first, count = np.unique(view.links.site_of[slots], return_index=True, return_counts=True)
    total = np.zeros(2)
    for site, slot, nodes in zip(sites.tolist(), slots[first].tolist(), count.tolist(), strict=True):
        to_others = count - (sites == site)  # a node is no peer of its own
        total += [nodes * (row[sites] * to_others).sum() for row in view.site_row(slot, outward=True)]
    bandwidth_bytes_per_s, latency_s = total / (len(slots) * (len(slots) - 1))
    return float(bandwidth_bytes_per_s), float(latency_s)
