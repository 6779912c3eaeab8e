"""What a pod's transfers put under way once it is on a node: flows as scheduler.state.traffic keeps them.

Inputs begin at once, beside each other: each takes as long as the decision reckoned, and as long as its passages need
for it and its share of the pod's other inputs. Outputs begin when the inputs are there and processed; where it is not
known how long that takes nobody knows when, and they are left out. So is what is still to be written by others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scheduler.plugins.data import cost, moves, spread
from scheduler.state import sites, snapshot, traffic

Via = tuple[tuple[traffic.Passage, float], ...]


class _Ends(NamedTuple):
    """A transfer of a pod on one node."""

    via: Via
    size_bytes: int
    seconds: float


def of(view: snapshot.Snapshot, found: cost.DataCost, slot: int) -> tuple[traffic.Flow, ...]:
    """The flows of a pod that is put on a node now."""
    site = view.links.site_of.item(slot)
    inputs, outputs = (
        [_at(view, one, slot, site) for one in found.moves if one.is_output is is_output and not one.is_expected]
        for is_output in (False, True)
    )
    begin_s = view.now_s
    flows = _begun(inputs, begin_s)
    if found.processing_s <= 0:
        return tuple(flows)
    begin_s = max((one.ends_s for one in flows), default=begin_s) + found.processing_s
    return (*flows, *_begun(outputs, begin_s))


def via(view: snapshot.Snapshot, source: spread.End, target: spread.End) -> Via:
    """What a transfer goes over, with the rate of each, in bytes per second."""
    links, now_s = view.links, view.now_s
    if isinstance(source, int) and source == target:
        rate = links.used(source, source, now_s=now_s, outward=True).bandwidth_bytes_per_s
        return ((traffic.Passage(traffic.Kind.STORE, source), rate),)
    found = []
    if isinstance(source, int):
        rate = links.way_rate(source, now_s=now_s, outward=True)
        found.append((traffic.Passage(traffic.Kind.OUT, source), rate))
    if isinstance(target, int):
        rate = links.way_rate(target, now_s=now_s, outward=False)
        found.append((traffic.Passage(traffic.Kind.IN, target), rate))
    here, there = (_site(view, end) for end in (source, target))
    between = traffic.link(here, there)
    if between is not None and isinstance(target, int):
        row = links.site_row(source, now_s=now_s, outward=True)
        found.append((between, row.bandwidth.item(links.site_of.item(target))))
    elif between is not None and isinstance(source, int):
        row = links.site_row(target, now_s=now_s, outward=False)
        found.append((between, row.bandwidth.item(links.site_of.item(source))))
    return tuple(found)


def _at(view: snapshot.Snapshot, move: moves.Move, slot: int, site: int) -> _Ends:
    end = move.nearest.end(move.size_bytes, slot, site)
    over = via(view, slot, end) if move.is_output else via(view, end, slot)
    return _Ends(over, move.size_bytes, move.seconds.at(slot, site))


def _begun(transfers: Sequence[_Ends], begin_s: float) -> list[traffic.Flow]:
    """Those that begin together: they share what they go over."""
    used: dict[traffic.Passage, list[int]] = {}
    for one in transfers:
        for passage, _ in one.via:
            used.setdefault(passage, []).append(one.size_bytes)
    flows = []
    for one in transfers:
        seconds = one.seconds
        for passage, rate in one.via:
            beside = used[passage]
            if len(beside) > 1:
                seconds = max(seconds, sum([min(other, one.size_bytes) for other in beside]) / rate)
        flows.append(traffic.Flow(one.via, one.size_bytes, begin_s, begin_s + seconds))
    return flows


def _site(view: snapshot.Snapshot, end: spread.End) -> sites.Site:
    return end if isinstance(end, sites.Site) else view.links.sites[view.links.site_of.item(end)]
