"""`kubectl locality links`: how fast data moves between nodes or zones, how that is known, and how old it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import click
import msgspec

from scheduler import errors
from scheduler.api import crd, names, units
from scheduler.locality import door, lookup, show
from scheduler.state import links as known
from scheduler.state import network

MOST_NODES: Final = 40  # as rows and as columns; more are told by zones
MOST_ZONES: Final = 150
_ON_A_SCREEN: Final = 8


class End(NamedTuple):
    """A node, or one that stands for all nodes of a place that look alike to the network."""

    name: str
    slot: int


class Told(msgspec.Struct, rename="camel", kw_only=True):
    """A link as decisions reckon with it.

    Attributes:
        source: Where the bandwidth comes from: local, declared, measured or prior (by how far apart the two are).
        weight: How far what is known is believed now, 0 to 1.
    """

    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    bandwidth_bytes_per_second: float
    latency_seconds: float
    source: str
    weight: float
    age_seconds: float | None


class Report(msgspec.Struct, rename="camel", kw_only=True):
    """What one node says of a link."""

    start: str = msgspec.field(name="from")
    end: str = msgspec.field(name="to")
    reporter: str
    bandwidth_bytes_per_second: int
    bandwidth_low_bytes_per_second: int
    latency_seconds: float
    samples: int
    confidence: float | None
    weight: float
    age_seconds: float | None


@click.command()
@click.argument("start", required=False, metavar="[FROM", default="", shell_complete=door.known("nodes"))
@click.argument("end", required=False, metavar="TO]", default="", shell_complete=door.known("nodes"))
@click.option("--zones", is_flag=True, help="Between zones rather than nodes; so it is where there are many nodes.")
@show.output_option
@door.options
def links(*, start: str, end: str, zones: bool, output: str, where: door.Where) -> None:
    """Tell how fast data moves between nodes, as decisions reckon with it; of two nodes both ways, and who says so."""
    world, reader = lookup.read(where)
    reader.finish()
    if start:
        _between(world, start.removeprefix("node/"), end.removeprefix("node/"), output)
        return
    ends = _ends(world, is_by_zone=zones or len(world.nodes) > MOST_NODES)
    if len(ends) > MOST_ZONES:
        raise errors.InputError("links", f"{len(ends)} zones", "too many for a table; name FROM, or FROM and TO")
    told = [_told(world, one, other) for one in ends for other in ends if one.slot != other.slot or one is other]
    if output in {show.JSON, show.YAML}:
        show.say(show.document(msgspec.to_builtins(told), output))
    elif output == show.WIDE or len(ends) > _ON_A_SCREEN:
        show.say(_table(told))
    else:
        show.say(_matrix(ends, told) if ends else ["No node is known."])


def _between(world: lookup.World, start: str, end: str, output: str) -> None:
    """Two nodes, or one and all others."""
    if unknown := next((one for one in (start, end) if one and one not in world.nodes), ""):
        raise errors.InputError("node", unknown, "there is none of that name; write one that kubectl get nodes shows")
    ends = [End(one, world.state.freeze(world.now_s).index_of[one]) for one in sorted(world.nodes)]
    one = next(each for each in ends if each.name == start)
    others = [each for each in ends if each.name == end] if end else [each for each in ends if each is not one]
    told = [link for other in others for link in (_told(world, one, other), _told(world, other, one))]
    reports = [
        report for report in _reports(world) if _concerns(world, report, one.name, {each.name for each in others})
    ]
    if output in {show.JSON, show.YAML}:
        show.say(show.document({"links": msgspec.to_builtins(told), "reports": msgspec.to_builtins(reports)}, output))
        return
    lines = _table(told)
    if reports:
        lines += ["", "WHAT IS SAID OF THEM", *_said(reports)]
    show.say(lines)


def _ends(world: lookup.World, *, is_by_zone: bool) -> list[End]:
    view = world.state.freeze(world.now_s)
    ends = [End(one, view.index_of[one]) for one in sorted(world.nodes)]
    if not is_by_zone:
        return ends
    sites: dict[network.Site, End] = {}
    for one in ends:
        sites.setdefault(view.links.sites[view.links.site_of.item(one.slot)], one)
    zones = [(site.region, site.zone) for site in sites]
    named = {
        site: _place(site) + (f" ({site.node_type})" if site.node_type and zones.count(site[:2]) > 1 else "")
        for site in sites
    }
    return [End(named[site], sites[site].slot) for site in sorted(sites)]


def _place(site: network.Site) -> str:
    return "/".join(part for part in site[:2] if part) or "nowhere"


def _told(world: lookup.World, one: End, other: End) -> Told:
    view = world.state.freeze(world.now_s)
    if one is other and one.name not in world.nodes:  # between nodes of one zone, not within a node
        row = view.links.site_row(one.slot, now_s=world.now_s, outward=True)
        used, latency_s = row.used(site := view.links.site_of.item(one.slot)), row.latency.item(site)
    else:
        used = view.links.used(one.slot, other.slot, now_s=world.now_s, outward=True)
        latency_s = view.links.reach(one.slot, now_s=world.now_s, outward=True)[1].item(other.slot)
    return Told(
        start=one.name,
        end=other.name,
        bandwidth_bytes_per_second=used.bandwidth_bytes_per_s,
        latency_seconds=latency_s,
        source=used.source.name.lower(),
        weight=used.weight,
        age_seconds=used.age_s,
    )


def _reports(world: lookup.World) -> list[Report]:
    found = []
    for name, capability in sorted(world.capabilities.items()):
        for link in capability.status.links:
            ends = (name, link.peer) if link.direction != "From" else (link.peer, name)
            found.append(_report(name, ends, link, world.now_s))
    return found


def _report(name: str, ends: tuple[str, str], link: crd.Link, now_s: float) -> Report:
    measured_at_s = units.time_s(link.last_probe_time)
    confidence = 1.0 if link.confidence is None else link.confidence
    weight = known.weight(known.KnownLink(link.peer, confidence=confidence, measured_at_s=measured_at_s), now_s)
    return Report(
        start=ends[0],
        end=ends[1],
        reporter=name,
        bandwidth_bytes_per_second=link.bandwidth_bytes_per_second,
        bandwidth_low_bytes_per_second=link.bandwidth_low_bytes_per_second,
        latency_seconds=link.latency_seconds,
        samples=link.samples,
        confidence=link.confidence,
        weight=weight,
        age_seconds=None if measured_at_s is None else max(now_s - measured_at_s, 0.0),
    )


def _concerns(world: lookup.World, report: Report, one: str, others: set[str]) -> bool:
    """Whether a report is of a link between a node and one of some others, or between their zones."""
    mine, theirs = {one, _zone(world, one)}, others | {_zone(world, other) for other in others}
    reporter = _zone(world, report.reporter)
    start, end = report.start, report.end
    if start.startswith("zone:") or end.startswith("zone:"):  # whoever reports of a zone speaks for its own
        start, end = (reporter if part == report.reporter else part for part in (start, end))
    return (start in mine and end in theirs) or (end in mine and start in theirs)


def _zone(world: lookup.World, node: str) -> str:
    """As links name the zone of a node."""
    labels, capability = world.nodes[node].metadata.labels if node in world.nodes else {}, world.capabilities.get(node)
    region = labels.get(names.REGION_LABEL) or (capability.status.region if capability else "")
    zone = labels.get(names.ZONE_LABEL) or (capability.status.zone if capability else "")
    return f"zone:{region}/{zone}"


def _matrix(ends: Sequence[End], told: Sequence[Told]) -> list[str]:
    cells = {(one.start, one.end): _cell(one) for one in told}
    rows = [[one.name, *(cells.get((one.name, other.name), "") for other in ends)] for one in ends]
    lines = show.table(["FROM / TO", *(one.name for one in ends)], rows, right=range(1, len(ends) + 1))
    if any(one.source == "prior" for one in told):
        lines += ["", "In brackets: nobody has measured it, so that it is what is assumed so far apart."]
    if any(one.source == "measured" and one.weight < 0.5 for one in told):
        lines += ["With ?: what was measured is old or uncertain, and counts less than half; -o wide says how much."]
    return lines


def _cell(one: Told) -> str:
    rate = show.rate(one.bandwidth_bytes_per_second)
    if one.source == "prior":
        return show.faint(f"({rate})")
    return show.doubtful(f"{rate}?") if one.source == "measured" and one.weight < 0.5 else rate


def _table(told: Sequence[Told]) -> list[str]:
    rows = [
        [
            one.start,
            one.end,
            show.rate(one.bandwidth_bytes_per_second),
            show.seconds(one.latency_seconds),
            one.source,
            f"{one.weight:.0%}" if one.source in {"measured", "declared"} else "",
            _age(one.age_seconds),
        ]
        for one in told
    ]
    return show.table(["FROM", "TO", "BANDWIDTH", "LATENCY", "SOURCE", "BELIEVED", "AGE"], rows, right={2, 3, 5, 6})


def _said(reports: Sequence[Report]) -> list[str]:
    rows = [
        [
            one.start,
            one.end,
            one.reporter,
            show.rate(one.bandwidth_bytes_per_second),
            show.rate(one.bandwidth_low_bytes_per_second) if one.bandwidth_low_bytes_per_second else "",
            show.seconds(one.latency_seconds),
            str(one.samples),
            "vouched for" if one.confidence is None else f"{one.confidence:.0%}",
            f"{one.weight:.0%}",
            _age(one.age_seconds),
        ]
        for one in reports
    ]
    head = ["FROM", "TO", "BY", "BANDWIDTH", "AT LEAST", "LATENCY", "SAMPLES", "TRUSTED", "NOW", "AGE"]
    return show.table(head, rows, right={3, 4, 5, 6, 7, 8, 9})


def _age(age_s: float | None) -> str:
    return "" if age_s is None or math.isnan(age_s) else show.age(age_s)
