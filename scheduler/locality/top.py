"""`kubectl locality top`: what is gained, what crosses zones, which links are busiest, and what waits, and why."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import click
import msgspec
from prometheus_client import parser

from scheduler import config, errors
from scheduler.api import core, crd, names
from scheduler.kernel import journal
from scheduler.locality import door, gains, lookup, show

_NO_NODE: Final = re.compile(
    r"\d+/\d+ nodes are available: (.*?)(?:\.(?: preemption:.*| no new claims.*)?)?$", re.DOTALL
)
_COUNTED: Final = re.compile(r"\d+ (.*)")

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
    gained: gains.Gained | None
    waiting: list[Waiting]


@click.command()
@click.option("-A", "--all-namespaces", is_flag=True, help="Pods that wait in all namespaces.")
@show.output_option
@door.options
def top(*, all_namespaces: bool, output: str, where: door.Where) -> None:
    """Tell what placing pods by their data has gained, what crosses zones, which links are busiest, and what waits."""
    with door.opened(where) as scheduler:
        with show.progress("reading the scheduler's metrics"):
            text = b"".join(scheduler.pieces("/metrics")).decode(errors="replace")
        try:
            metrics = _metrics(text)
        except ValueError as error:
            raise errors.DoorError(f"what answers at {scheduler.address} is no scheduler: {error}") from error
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


def _gained(scheduler: door.Door) -> gains.Gained | None:
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
    return gains.reckon(world, list(last.values()))


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
        + (", ".join(f"{count:,} {result}" for result, count in attempts.items()) or "none"),
        f"{show.strong('Waiting')}: " + (", ".join(f"{count:,} {queue}" for queue, count in pending.items()) or "none"),
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


def _of_gained(gained: gains.Gained) -> list[str]:
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
