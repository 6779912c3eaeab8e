"""`kubectl locality advise`: which replica to add, or pod to move, to save most of what the last pods have to move."""

from __future__ import annotations

from typing import Any, Final

import click

from scheduler import progress
from scheduler.locality import door, show
from scheduler.locality.whatif import advising, command, selecting

_MOST: Final = 10
_TRY: Final = "kubectl locality what-if --add-replica"
_WHY: Final = "kubectl locality why-not"


@click.command()
@command.pods_options
@command.world_option
@show.output_option
@door.options
def advise(*, last: int, selector: str, file: str, output: str, where: door.Where) -> None:
    """Tell which single replica would have saved the last pods most, and which pods would be better off elsewhere.

    Replicas are tried one by one, as what-if does; nothing is changed.
    """
    meant = selecting.meant(selector, where.given_namespace)
    world = command.read_world(file, where)
    told = advising.advise(world, last=last, meant=meant, tell=progress.told("{:,} of {:,} decisions"))
    if output in {show.JSON, show.YAML}:
        show.say(show.document(_document(told), output))
    else:
        show.say(_lines(told, is_wide=output == show.WIDE))


def _lines(told: advising.Advice, *, is_wide: bool) -> list[str]:
    moved = f"{show.size(told.moved_bytes)} over the network in {show.seconds(told.moved_s)} of transfers"
    found = [f"The last {show.count(told.pods, 'pod')} would have to move {moved}, if they came now."]
    most = None if is_wide else _MOST
    if told.replicas:
        head = ["ADD A REPLICA", "ON", "SAVES", "NOT MOVED", "TAKES", "PODS", "TRY IT"]
        cells = [
            [
                one.urn,
                one.node,
                show.seconds(one.saved_s),
                show.size(max(one.saved_bytes, 0)),
                f"{'>= ' if one.is_least else ''}{show.size(one.takes_bytes)}",
                f"{one.pods:,}",
                f"{_TRY} {one.urn}={one.node}",
            ]
            for one in told.replicas[:most]
        ]
        found += ["", *show.table(head, cells, right=(2, 3, 4, 5))]
    if told.moves:
        head = ["MOVE A POD", "FROM", "TO", "SAVES", "WHY"]
        pods = [
            [one.pod, one.source, one.target, show.seconds(one.saved_s), f"{_WHY} {one.source} --pod {one.pod}"]
            for one in told.moves[:most]
        ]
        found += ["", *show.table(head, pods, right=(3,))]
    if not told.replicas and not told.moves:
        found += ["Nothing that was tried would save any of it."]
    if told.tried < told.candidates:
        found += [
            "",
            show.faint(f"{told.tried:,} of {told.candidates:,} replicas were tried, those that may save most."),
        ]
    return found


def _document(told: advising.Advice) -> dict[str, Any]:
    return told._asdict() | {
        "replicas": [one._asdict() for one in told.replicas],
        "moves": [one._asdict() for one in told.moves],
    }
