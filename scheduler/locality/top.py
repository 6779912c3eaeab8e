"""`kubectl locality top`: what is gained, what crosses zones, which links are busiest, and what waits, and why.

What is gained is told against a node taken at random: each of the last decisions about pods with data is reckoned on
every node that is there now, by the same links and copies as decisions use, and the mean of them is what a scheduler
that knows nothing of data would have moved. Contention is left out on both sides.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import click
import msgspec
import numpy as np
from prometheus_client import parser

from scheduler import config, errors
from scheduler.api import core, crd, names
from scheduler.kernel import journal
from scheduler.locality import door, lookup, show
from scheduler.state import network, snapshot

MOST_LINKS: Final = 5
_NO_NODE: Final = re.compile(
    r"\d+/\d+ nodes are available: (.*?)(?:\.(?: preemption:.*| no new claims.*)?)?$", re.DOTALL
)
_COUNTED: Final = re.compile(r"\d+ (.*)")
_DISTANCES: Final = ("on the node", "within a zone", "between zones", "between regions", "where zones are not known")

Metrics = Mapping[str, Mapping[tuple[str, ...], float]]


class _Decided(msgspec.Struct):
    """Of a decision, what counts here."""

    decision: journal.Record


class _Part(msgspec.Struct, rename="camel"):
    """Of /world, what counts here; the rest is passed over."""

    nodes: tuple[core.Node, ...] = ()
    data_objects: tuple[crd.DataObject, ...] = ()
    node_capabilities: tuple[crd.NodeCapability, ...] = ()
    settings: config.Settings = config.Settings()
    recent: tuple[_Decided, ...] = ()


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


class Waiting(msgspec.Struct, rename="camel", kw_only=True):
    """Pods that wait for one reason; a pod may have several."""

    pods: int
    reason: str
    example: str


class Told(msgspec.Struct, rename="camel", kw_only=True):
    """All of it; None where it could not be had."""

    attempts: dict[str, int]
    pending: dict[str, int]
    bytes_by_path: dict[str, int]
    gained: Gained | None
    waiting: list[Waiting]


@click.command()
@click.option("-A", "--all-namespaces", is_flag=True, help="Pods that wait in all namespaces.")
@show.output_option
@door.options
def top(*, all_namespaces: bool, output: str, where: door.Where) -> None:
    """Tell what placing pods by their data has gained, what crosses zones, which links are busiest, and what waits."""
    with door.opened(where) as scheduler:
        with show.progress("reading the scheduler's metrics"):
            metrics = _metrics(b"".join(scheduler.pieces("/metrics")).decode())
        gained = _gained(scheduler)
    reader = lookup.Reader(where)
    namespace = "" if all_namespaces else where.namespace
    ours = {names.SCHEDULER_NAME, *(labels[0] for labels in metrics.get("profiles", ()))}
    waiting = list(_waiting(reader.pods(namespace), ours))
    try:
        reader.finish()
    except errors.DoorError as error:
        lookup.note(str(error))
    told = Told(
        attempts=_sums(metrics, "attempts"),
        pending=_sums(metrics, "pending"),
        bytes_by_path=_sums(metrics, "bytes"),
        gained=gained,
        waiting=waiting,
    )
    if output in {show.JSON, show.YAML}:
        show.say(show.document(msgspec.to_builtins(told), output))
        return
    show.say(_lines(told))


def _metrics(text: str) -> Metrics:
    """The samples that are shown, by our own short names and the values of their labels."""
    wanted = {
        "scheduler_schedule_attempts_total": ("attempts", ("result",)),
        "scheduler_pending_pods": ("pending", ("queue",)),
        "scheduler_data_transfer_bytes_total": ("bytes", ("path",)),
    }
    found: dict[str, dict[tuple[str, ...], float]] = collections.defaultdict(lambda: collections.defaultdict(float))
    for family in parser.text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in wanted:
                name, labels = wanted[sample.name]
                found[name][tuple(sample.labels.get(label, "") for label in labels)] += sample.value
                if "profile" in sample.labels:
                    found["profiles"][sample.labels["profile"],] += 1
    return found


def _sums(metrics: Metrics, name: str) -> dict[str, int]:
    return {labels[0]: int(value) for labels, value in sorted(metrics.get(name, {}).items())}


def _gained(scheduler: door.Door) -> Gained | None:
    try:
        with show.progress("reading the scheduler's last decisions"):
            data = b"".join(scheduler.pieces("/world"))
        part = msgspec.json.decode(data, type=_Part)
    except errors.DoorError as error:
        lookup.note(f"what is gained is not known: {error}")
        return None
    except (msgspec.MsgspecError, ValueError) as error:
        lookup.note(f"what is gained is not known: the scheduler is of another version than this program ({error})")
        return None
    world = lookup.World(
        part.nodes, part.node_capabilities, part.data_objects, home=names.HOME_NAMESPACE, settings=part.settings
    )
    last = {one.decision.uid: one.decision for one in part.recent if one.decision.node and one.decision.transfers}
    return reckon(world, list(last.values()))


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
            seconds, is_remote = _everywhere(view, record.pod.partition("/")[0], move)
            placed.seconds += seconds.item(here)
            placed.network_bytes += move.size_bytes * bool(is_remote[here])
            mean.seconds += float(seconds[alive].mean())
            mean.network_bytes += move.size_bytes * float(is_remote[alive].mean())
    ordered = sorted(busiest.values(), key=lambda link: (-link.size_bytes, link.start, link.end))
    return Gained(
        decisions=counted, placed=placed, mean_node=mean, by_distance=by_distance, busiest=ordered[:MOST_LINKS]
    )


def _everywhere(view: snapshot.Snapshot, namespace: str, move: Any) -> tuple[network.Floats, Any]:  # noqa: ANN401
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


def _waiting(pods: Iterable[core.Pod], ours: set[str]) -> Iterator[Waiting]:
    found: dict[str, list[str]] = collections.defaultdict(list)
    for pod in pods:
        if pod.spec.scheduler_name in ours and not pod.spec.node_name and pod.status.phase in {"", "Pending"}:
            for reason in dict.fromkeys(reasons(pod)):
                found[reason].append(pod.key)
    for reason, keys in sorted(found.items(), key=lambda each: (-len(each[1]), each[0])):
        yield Waiting(pods=len(keys), reason=reason, example=min(keys))


def reasons(pod: core.Pod) -> list[str]:
    """Why a pod waits, as its condition says."""
    if pod.spec.scheduling_gates:
        return [f"held back by its scheduling gate {gate.name}" for gate in pod.spec.scheduling_gates]
    told = next(
        (one.message for one in pod.status.conditions if one.type == "PodScheduled" and one.status != "True"), ""
    )
    if not told:
        return ["not looked at yet"]
    if (found := _NO_NODE.match(told)) is None:
        return [told]
    parts = [part.strip() for part in found[1].split(", ")]
    return [counted[1] if (counted := _COUNTED.fullmatch(part)) else part for part in parts]


def _lines(told: Told) -> list[str]:
    attempts, pending = told.attempts, told.pending
    lines = [
        f"{show.strong('Attempts')} since the scheduler leads: "
        + ", ".join(f"{count:,} {result}" for result, count in attempts.items()),
        f"{show.strong('Waiting')}: " + ", ".join(f"{count:,} {queue}" for queue, count in pending.items()),
    ]
    if sum(told.bytes_by_path.values()):
        local, remote = told.bytes_by_path.get("local", 0), told.bytes_by_path.get("remote", 0)
        share = local / (local + remote)
        lines.append(
            f"{show.strong('Data')} of pods placed: {show.size(local)} on their nodes, {show.size(remote)} over the "
            f"network ({share:.0%} at home)"
        )
    if told.waiting:
        rows = [[str(one.pods), one.reason, one.example] for one in told.waiting]
        lines += ["", *show.table(["PODS", "WAIT, AS", "FOR EXAMPLE"], rows, right={0})]
    if told.gained is not None and told.gained.decisions:
        lines += ["", *_of_gained(told.gained)]
    return lines


def _of_gained(gained: Gained) -> list[str]:
    placed, mean = gained.placed, gained.mean_node
    saved_bytes, saved_s = mean.network_bytes - placed.network_bytes, mean.seconds - placed.seconds
    rows = [
        ["where pods are", show.size(placed.network_bytes), show.seconds(placed.seconds)],
        ["on a node at random", show.size(mean.network_bytes), show.seconds(mean.seconds)],
        [show.strong("saved"), _saved(saved_bytes, mean.network_bytes, show.size),
         _saved(saved_s, mean.seconds, show.seconds)],
    ]  # fmt: skip
    count = show.count(gained.decisions, "decision")
    lines = show.table([f"LAST {count.upper()} WITH DATA", "NETWORK", "TRANSFERS"], rows, right={1, 2})
    whole = sum(gained.by_distance.values())
    rows = [[name, show.size(size), f"{size / whole:.0%}"] for name, size in gained.by_distance.items() if size]
    if rows:
        lines += ["", *show.table(["DATA MOVES", "SIZE", ""], rows, right={1, 2})]
    if gained.busiest:
        rows = [
            [link.start, link.end, show.size(link.size_bytes), str(link.transfers), show.seconds(link.seconds)]
            for link in gained.busiest
        ]
        lines += ["", *show.table(["BUSIEST LINKS", "TO", "SIZE", "TRANSFERS", "TIME"], rows, right={2, 3, 4})]
    return lines


def _saved(saved: float, of: float, tell: Any) -> str:  # noqa: ANN401 (how a number is told)
    sign = "-" if saved < 0 else ""
    return f"{sign}{tell(abs(saved))}" + (f" ({saved / of:.0%})" if of else "")
