"""What placing pods by their data has gained, reckoned of the last decisions.

It is told against a node taken at random: each decision about a pod with data is reckoned on every node that is ready
now, by the same links and copies as decisions use, and the mean of them is what a scheduler that knows nothing of data
would have moved. Contention is left out on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from scheduler.api import names
from scheduler.engine import decision
from scheduler.kernel import journal
from scheduler.locality import lookup
from scheduler.state import network, snapshot

MOST_LINKS: Final = 5
_DISTANCES: Final = ("on the node", "within a zone", "between zones", "between regions", "where zones are not known")


class Moved(msgspec.Struct, rename="camel", kw_only=True):
    """Bytes over the network, and seconds of all transfers."""

    network_bytes: float = 0.0
    seconds: float = 0.0


class Link(msgspec.Struct, rename="camel", kw_only=True):
    """What the last decisions moved between two nodes or places."""

    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    size_bytes: int
    transfers: int
    seconds: float


class Gained(msgspec.Struct, rename="camel", kw_only=True):
    """Of the last decisions about pods with data."""

    decisions: int
    placed: Moved
    mean_node: Moved
    by_distance: dict[str, int]
    busiest: list[Link]


class _Ends(NamedTuple):
    """Where each transfer of a decision begins and ends."""

    start: str
    end: str


def reckon(world: lookup.World, decided: Sequence[journal.Record]) -> Gained:
    """What decisions about pods with data move where the pods are, and on the mean of all nodes."""
    view = world.state.freeze(world.now_s)
    alive = np.array([slot for name, slot in view.index_of.items() if view.witnesses.is_ready(name)], np.intp)
    placed, mean = Moved(), Moved()
    by_distance = dict.fromkeys(_DISTANCES, 0)
    busiest: dict[_Ends, Link] = {}
    reckoned: dict[tuple[str, str, int, bool], tuple[network.Floats, NDArray[np.bool_]]] = {}  # pods are often alike
    counted = 0
    for record in decided:
        here = view.index_of.get(record.node)
        if here is None or not alive.size:
            continue
        counted += 1
        for move in record.transfers:
            ends = _Ends(move.partner, record.node) if not move.is_output else _Ends(record.node, move.partner)
            by_distance[_distance(view, *ends)] += move.size_bytes
            if move.remote:
                link = busiest.setdefault(
                    ends, Link(start=ends.start, end=ends.end, size_bytes=0, transfers=0, seconds=0)
                )
                link.size_bytes += move.size_bytes
                link.transfers += 1
                link.seconds += move.seconds
            namespace = record.pod.partition("/")[0]
            like = namespace, move.urn, move.size_bytes, move.is_output
            if like not in reckoned:
                reckoned[like] = _everywhere(view, namespace, move)
            seconds, is_remote = reckoned[like]
            placed.seconds += seconds.item(here)
            placed.network_bytes += move.size_bytes * bool(is_remote[here])
            mean.seconds += float(seconds[alive].mean())
            mean.network_bytes += move.size_bytes * float(is_remote[alive].mean())
    ordered = sorted(busiest.values(), key=lambda link: (-link.size_bytes, link.start, link.end))
    return Gained(
        decisions=counted, placed=placed, mean_node=mean, by_distance=by_distance, busiest=ordered[:MOST_LINKS]
    )


def _everywhere(
    view: snapshot.Snapshot, namespace: str, move: decision.Transfer
) -> tuple[network.Floats, NDArray[np.bool_]]:
    """[nodes] the seconds that a transfer takes from (or to) the nearest copy, and whether it goes over the network."""
    find = view.locations.stores if move.is_output else view.locations.resolve
    entry = find(namespace, move.urn, view.now_s)
    ends: list[int | network.Site] = []
    if entry is not None and entry.is_there:
        ends = [view.index_of[node] for node in entry.nodes if node in view.index_of]
        ends += entry.places
    if not ends:  # it was there when it was decided
        ends = [view.index_of[move.partner]] if move.partner in view.index_of else [_site(move.partner)]
    size = len(view.names)
    best, is_remote = np.full(size, np.inf), np.ones(size, bool)
    for end in ends:
        row = view.links.row(end, now_s=view.now_s, outward=not move.is_output)
        best = np.minimum(best, row.latency[:size] + move.size_bytes / row.bandwidth[:size])
        if isinstance(end, int):
            is_remote[end] = False
    return best, is_remote


def _distance(view: snapshot.Snapshot, start: str, end: str) -> str:
    if start == end:
        return _DISTANCES[0]
    one, other = (
        view.links.sites[view.links.site_of.item(view.index_of[each])] if each in view.index_of else _site(each)
        for each in (start, end)
    )
    if not (one.region or one.zone) or not (other.region or other.zone):
        return _DISTANCES[4]
    if one[:2] == other[:2]:
        return _DISTANCES[1]
    return _DISTANCES[2] if one.region == other.region else _DISTANCES[3]


def _site(place: str) -> network.Site:
    """Of ``external:REGION/ZONE``."""
    region, _, zone = place.removeprefix(f"{names.EXTERNAL}:").partition("/")
    return network.Site(region, zone, "") if place.startswith(names.EXTERNAL) else network.Site("", "", "")
