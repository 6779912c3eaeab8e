"""What a pod's transfers put under way once it is on a node: flows as scheduler.state.traffic keeps them.

Inputs begin at once, beside each other: each takes as long as the decision reckoned, and as long as its passages need
for it and its share of the pod's other inputs. Outputs begin when the inputs are there and processed; where it is not
known how long that takes nobody knows when, and they are left out. So is what is still to be written by others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from scheduler.api import core, urns
from scheduler.plugins.data import cost, moves, pulls, spread
from scheduler.state import fetched, sites, snapshot, traffic

_KEEPS: Final = "keeps-inputs"  # a capability of nodes

Via = tuple[tuple[traffic.Passage, float], ...]
Rates = dict[traffic.Passage, float]


class _Moved(NamedTuple):
    """A transfer of a pod on one node."""

    urn: str
    via: Via
    size_bytes: int
    seconds: float


def of(view: snapshot.Snapshot, pod: core.Pod, found: cost.DataCost, slot: int) -> traffic.Expected:
    """What a pod moves that is put on a node now."""
    site = view.links.site_of.item(slot)
    rates: Rates = {}
    # What the node has, or is getting for somebody else, is not fetched once more.
    images = [one.move for one in found.pulls if not one.held.item(slot)]
    moved = [one for one in found.moves if not one.is_expected and slot not in one.nearest.kept]
    pulled = [_at(view, one, slot, rates) for one in images if slot not in one.nearest.kept]
    inputs, outputs = (
        [_at(view, one, slot, rates) for one in moved if one.is_output is is_output] for is_output in (False, True)
    )
    begin_s = view.now_s
    flows = _begun([*inputs, *pulled], begin_s)
    fetches = [
        fetched.Fetch(*pulls.key(one.urn), slot, flow.ends_s)
        for one, flow in zip(pulled, flows[len(inputs) :], strict=True)
    ]
    if found.all_keep or _KEEPS in view.capabilities.of(slot):
        for one, flow in zip(inputs, flows[: len(inputs)], strict=True):
            if urns.is_key(one.urn):  # what of a bucket is read differs
                fetches.append(fetched.Fetch(pod.metadata.namespace, one.urn, slot, flow.ends_s))
    works_s = found.processing_s or view.durations.learned_s(pod)
    if works_s and outputs:
        coming = [one for one in found.moves if not one.is_output] + images
        begin_s += max([one.seconds.at(slot, site) for one in coming], default=0.0)
        begin_s = max([begin_s, *(one.ends_s for one in flows)]) + works_s
        flows += _begun(outputs, begin_s)
    return traffic.Expected(tuple(flows), tuple(fetches))


def via(view: snapshot.Snapshot, source: spread.End, target: spread.End, rates: Rates) -> Via:
    """What a transfer goes over, with the rate of each in bytes per second; ``rates`` keeps those of nodes' ways."""
    links, now_s = view.links, view.now_s
    if isinstance(source, int) and source == target:
        rate = links.used(source, source, now_s=now_s, outward=True).bandwidth_bytes_per_s
        return ((traffic.Passage(traffic.Kind.STORE, source), rate),)
    found = []
    for kind, node in ((traffic.Kind.OUT, source), (traffic.Kind.IN, target)):
        if isinstance(node, int):
            own = traffic.Passage(kind, node)
            if own not in rates:
                rates[own] = links.way_rate(node, now_s=now_s, outward=kind is traffic.Kind.OUT)
            found.append((own, rates[own]))
    here, there = (_site(view, end) for end in (source, target))
    between = traffic.link(here, there)
    if between is not None and isinstance(target, int):
        row = links.site_row(source, now_s=now_s, outward=True)
        found.append((between, row.bandwidth.item(links.site_of.item(target))))
    elif between is not None and isinstance(source, int):
        row = links.site_row(target, now_s=now_s, outward=False)
        found.append((between, row.bandwidth.item(links.site_of.item(source))))
    return tuple(found)


def _at(view: snapshot.Snapshot, move: moves.Move, slot: int, rates: Rates) -> _Moved:
    site = view.links.site_of.item(slot)
    end = move.nearest.end(move.size_bytes, slot, site)
    over = via(view, slot, end, rates) if move.is_output else via(view, end, slot, rates)
    return _Moved(move.urn, over, move.size_bytes, move.seconds.at(slot, site))


def _begun(transfers: Sequence[_Moved], begin_s: float) -> list[traffic.Flow]:
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
