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
        time: That of the world; RFC 3339.
    """

    rows: tuple[Row, ...]
    is_replayed: bool
    time: str

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
    changed = altering.altered(world, wanted, ground.view().where_is)
    # The same pods in the same order in both worlds, for a change makes nobody more recent.
    recent, others = (judging.subjects(one, last, meant) for one in (world, changed.world))
    known = {pod.metadata.uid: pod for pod in world.pods}
    evicted = [pod for pod in changed.evicted if meant(pod)]
    before = _with_evicted(recent, [known[pod.metadata.uid] for pod in evicted])
    after = _with_evicted(others, evicted)
    before = [one._replace(stays_on=ground.placed_on(one.uid)) for one in before]
    judged = judging.in_order if is_replayed else judging.alone
    without = judged(ground, before, lambda count, of: tell(count, 2 * of))
    ground.become(changed.world)
    after = [one._replace(stays_on=placing.node) for one, placing in zip(after, without, strict=True)]
    with_it = judged(ground, after, lambda count, of: tell(of + count, 2 * of))
    rows = [
        Row(one.pod.key, one.stays_on, placed, then, one.is_evicted, is_recent=place < len(recent))
        for place, (one, placed, then) in enumerate(zip(before, without, with_it, strict=True))
    ]
    return Compared(tuple(rows), is_replayed, world.now)


def _with_evicted(recent: list[judging.Subject], evicted: list[core.Pod]) -> list[judging.Subject]:
    """Recent pods, and after them others that have to be placed anew; of these nobody keeps by what they were drawn."""
    uids = {pod.metadata.uid for pod in evicted}
    known = {one.uid for one in recent}
    told = [one._replace(is_evicted=one.uid in uids) for one in recent]
    more = [judging.as_created(pod) for pod in evicted if pod.metadata.uid not in known]
    return [*told, *(judging.Subject(pod, 0, is_evicted=True) for pod in more)]
