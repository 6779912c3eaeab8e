"""Traffic by names instead of slots, and back: for questions, which are asked of another cluster's slots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from scheduler.api import underway
from scheduler.state import fetched, sites, traffic


def transfers(of: traffic.Traffic, names: Sequence[str], but: str) -> Iterator[underway.Transfer]:
    """All flows but those of one pod, by its uid."""
    for uid in of.movers():
        if uid != but:
            for flow in of.flows_of(uid):
                via = tuple([_named(passage, rate, names) for passage, rate in flow.via])
                yield underway.Transfer(uid, via, flow.size_bytes, flow.begins_s, flow.ends_s)


def kept(of: traffic.Traffic, names: Sequence[str], but: str) -> Iterator[underway.Fetched]:
    """Likewise what nodes keep, or will; of what is there by now nobody knows whose it was."""
    for uid, one in of.fetched.each():
        if uid != but:
            yield underway.Fetched(uid, one.namespace, one.urn, names[one.slot], one.ends_s)


def begin(
    of: traffic.Traffic,
    index_of: Mapping[str, int],
    moved: Iterable[underway.Transfer],
    there: Iterable[underway.Fetched],
) -> None:
    """Have them under way; those of nodes that are not known are left out."""
    for one in moved:
        if all(passage.kind == "link" or passage.node in index_of for passage in one.via):
            via = tuple([(_passage(each, index_of), each.bytes_per_second) for each in one.via])
            flow = traffic.Flow(via, one.size_bytes, one.begins_at, one.ends_at)
            of.begin(one.uid, traffic.Expected((flow,)))
    for fetch in there:
        if fetch.node in index_of:
            begun = fetched.Fetch(fetch.namespace, fetch.urn, index_of[fetch.node], fetch.ends_at)
            of.begin(fetch.uid, traffic.Expected(fetches=(begun,)))


def _named(passage: traffic.Passage, rate: float, names: Sequence[str]) -> underway.Passage:
    match passage:
        case (_, sites.Site() as source, sites.Site() as target):
            return underway.Passage("link", rate, source=underway.Place(*source), target=underway.Place(*target))
        case (traffic.Kind.OUT, int(slot), _):
            return underway.Passage("out", rate, node=names[slot])
        case (traffic.Kind.IN, int(slot), _):
            return underway.Passage("in", rate, node=names[slot])
        case (_, slot, _):
            return underway.Passage("store", rate, node=names[slot] if isinstance(slot, int) else "")


def _passage(named: underway.Passage, index_of: Mapping[str, int]) -> traffic.Passage:
    if named.kind == "link":
        source, target = (sites.Site(one.region, one.zone, one.node_type) for one in (named.source, named.target))
        return traffic.Passage(traffic.Kind.LINK, source, target)
    kinds = {"store": traffic.Kind.STORE, "out": traffic.Kind.OUT, "in": traffic.Kind.IN}
    return traffic.Passage(kinds[named.kind], index_of[named.node])
