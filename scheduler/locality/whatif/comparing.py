"""The same pods decided in a world and in a changed one, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from scheduler.api import core
from scheduler.locality.whatif import altering, changes, judging
from scheduler.locality.whatif.ground import Ground
from scheduler.offline import world as worlds

STAYS: Final = "stays"
MOVES: Final = "moves"
LOST: Final = "does not fit any more"
GAINED: Final = "fits then"
NOWHERE: Final = "fits nowhere"


class Row(NamedTuple):
    """A pod in both worlds.

    Attributes:
        pod: ``namespace/name``.
        node_now: Where it is; "" for nowhere.
        is_evicted: Whether the change takes its node from it.
        is_recent: Whether it is one of the last that were decided; else it is here because it is evicted.
    """

    pod: str
    node_now: str
    before: judging.Placing
    after: judging.Placing
    is_evicted: bool = False
    is_recent: bool = True

    @property
    def outcome(self) -> str:
        before, after = self.before.node, self.after.node
        if not after:
            return LOST if before or self.is_evicted else NOWHERE
        if not before:
            return GAINED
        return MOVES if before != after or self.is_evicted else STAYS


class Compared(NamedTuple):
    """All pods in both worlds.

    Attributes:
        is_replayed: Whether they were placed one after another, not each on its own.
    """

    rows: tuple[Row, ...]
    is_replayed: bool

    def of(self, outcome: str) -> list[Row]:
        return [row for row in self.rows if row.outcome == outcome]


def compare(
    world: worlds.World,
    wanted: Sequence[changes.Change],
    *,
    last: int,
    meant: Callable[[core.Pod], bool],
    is_replayed: bool,
    tell: judging.Tell,
) -> Compared:
    """Decide recent pods with and without changes.

    Args:
        last: How many of them, the latest.
        meant: Which pods are looked at.
        is_replayed: Whether they are placed one after another, not each on its own.
        tell: Is told how many decisions are done.

    Raises:
        InputError: a change cannot be made.
    """
    ground = Ground(world)
    view = ground.view()
    changed = altering.altered(world, wanted, view.where_is)
    evicted = {pod.metadata.uid: pod for pod in changed.evicted}
    here = {pod.metadata.uid: pod for pod in world.pods if pod.metadata.uid in evicted}
    before, after = (
        _with_evicted(judging.subjects(one, last, meant), pods, meant)
        for one, pods in ((world, here), (changed.world, evicted))
    )
    judged = judging.in_order if is_replayed else judging.alone
    before = [one._replace(stays_on=ground.placed_on(one.uid)) for one in before]
    nodes_now = [one.stays_on for one in before]
    without = judged(ground, before, lambda count, of: tell(count, 2 * of))
    ground.become(changed.world)
    after = [one._replace(stays_on=placing.node) for one, placing in zip(after, without, strict=True)]
    done = len(before)
    with_it = judged(ground, after, lambda count, of: tell(done + count, 2 * of))
    recent = {one.uid for one in judging.subjects(world, last, meant)}
    rows = [
        Row(one.pod.key, node_now, placed, then, one.is_evicted, one.uid in recent)
        for one, node_now, placed, then in zip(after, nodes_now, without, with_it, strict=True)
    ]
    return Compared(tuple(rows), is_replayed)


def _with_evicted(
    recent: list[judging.Subject], evicted: dict[str, core.Pod], meant: Callable[[core.Pod], bool]
) -> list[judging.Subject]:
    """Recent pods, and after them those that have to be placed anew; of these nobody keeps by what they were drawn."""
    told = [one._replace(is_evicted=one.uid in evicted) for one in recent]
    known = {one.uid for one in recent}
    more = [pod for uid, pod in evicted.items() if uid not in known and meant(pod)]
    return [*told, *(judging.Subject(judging.as_created(pod), 0, is_evicted=True) for pod in more)]
