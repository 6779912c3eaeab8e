"""Images as data: what of a pod's images a node has not got moves there from the registry, however much that is.

    + sum over the pod's images that the node has not got  latency(registry, n) + size / bandwidth(registry, n)

It stands in for kube-scheduler's ImageLocality where a pod has data to move, in whose seconds it is reckoned. An image
that no node has is of no known size and adds nothing anywhere. The API server knows of images, not of their layers. A
node that pulls an image for another pod has it when that is done, even if it has not said so yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler import config, registries
from scheduler.api import core
from scheduler.plugins import image_locality
from scheduler.plugins.data import moves, spread
from scheduler.state import network, snapshot, traffic

# A kubelet reports its images about every minute, at least every five.
_SAID_WITHIN_S: Final = 300.0

Find = Callable[[spread.End, bool], spread.Way]


class Pull(NamedTuple):
    """An image: ``move`` is what a node would do that has not got it, ``held`` [slots] who has it."""

    move: moves.Move
    held: NDArray[np.bool_]

    def seconds(self, site_of: spread.SiteIds) -> spread.Floats:
        """[slots] how long each node pulls."""
        found = spread.over(self.move.seconds, site_of)
        found[self.held] = 0.0
        return found

    def seconds_at(self, slot: int, site: int) -> float:
        """Likewise one node."""
        return 0.0 if self.held.item(slot) else self.move.seconds.at(slot, site)


def of(view: snapshot.Snapshot, pod: core.Pod, find: Find, settings: config.Settings) -> tuple[Pull, ...]:
    """The images of a pod that some node has, beside what is under way."""
    known = {one.host: one for one in settings.registries}
    found = []
    for reference in dict.fromkeys(image_locality.references(pod)):
        image = view.images.get(reference)
        if image is None:
            continue
        registry = known.get(registries.host_of(reference), registries.Registry(""))
        way = find(network.Site(registry.region, registry.zone, ""), True)
        if registry.bandwidth_bytes_per_s is not None:
            way = way._replace(bandwidth=np.full_like(way.bandwidth, registry.bandwidth_bytes_per_s))
        seconds = spread.nearest([way], image.size_bytes, view.links.site_of)
        move = moves.Move(
            reference, image.size_bytes, is_output=False, seconds=seconds, nearest=moves.Nearest((way,), seconds)
        )
        found.append(Pull(move, image.held[: view.size]))
    return tuple(found) if view.traffic.is_calm else _beside(view, found)


def _beside(view: snapshot.Snapshot, found: Sequence[Pull]) -> tuple[Pull, ...]:
    """The same beside what is under way, and where others pull them."""
    moved, moment = [one.move for one in found], view.traffic.at(view.now_s)
    if not moment.is_calm:
        moved = moves.beside(view, moved, moment, moves.ends(view, moved, is_output=False), is_output=False)
    coming = [(one, _pulled(view.traffic, one.urn, view.now_s)) for one in moved]
    moved = [moves.kept(view, one, fetched) if fetched else one for one, fetched in coming]
    return tuple([Pull(move, one.held) for move, one in zip(moved, found, strict=True)])


def key(reference: str) -> tuple[str, str]:
    """By what a pull of an image is known among what nodes fetch: a namespace, which no pod has, and a name."""
    return "", f"image:{reference}"


def _pulled(of_traffic: traffic.Traffic, reference: str, now_s: float) -> Mapping[int, float]:
    """When nodes have it that pull it, or did so only just; by slot."""
    there = of_traffic.fetched.at(*key(reference))
    return {slot: ends_s for slot, ends_s in there.items() if now_s < ends_s + _SAID_WITHIN_S}
