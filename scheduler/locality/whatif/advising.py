"""What would save most of what the last pods had to move: one more replica of something, or a pod that moves.

Candidates are what the transfers of these pods come to: each urn that is fetched over the network, or what holds it (a
prefix, a bucket), in each zone to which it goes, on a node that has a store there, if any node has one. Those on which
most seconds hang are tried, by the same what-if as anybody could ask for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from scheduler.api import core
from scheduler.locality.whatif import altering, changes, judging
from scheduler.locality.whatif.ground import Ground
from scheduler.offline import world as worlds
from scheduler.state import replicas, snapshot

TRIED: Final = 24  # each costs a decision for every pod that moves something of its bucket
_LEAST_S: Final = 1e-3

Zone = tuple[str, str]


class Replica(NamedTuple):
    """A replica that would save something.

    Attributes:
        saved_s, saved_bytes: Of the transfers of all pods; bytes over the network.
        takes_bytes: How much it holds; ``is_least``: at least, as only what is read of it is known.
        pods: For how many something changes.
    """

    urn: str
    node: str
    saved_s: float
    saved_bytes: int
    takes_bytes: int
    is_least: bool
    pods: int


class Move(NamedTuple):
    """A pod that would be better off elsewhere, if it came now."""

    pod: str
    source: str
    target: str
    saved_s: float


class Advice(NamedTuple):
    """The best first.

    Attributes:
        pods: How many were looked at.
        moved_s, moved_bytes: What all their transfers come to; bytes over the network.
        tried, candidates: How many replicas were tried, of how many that came into question.
    """

    pods: int
    moved_s: float
    moved_bytes: int
    tried: int
    candidates: int
    replicas: tuple[Replica, ...]
    moves: tuple[Move, ...]


class _Candidate(NamedTuple):
    urn: str
    node: str
    hangs_on_s: float
    takes_bytes: int
    is_least: bool


class _Fetched:
    """What is fetched of a urn, or of what holds it.

    Attributes:
        by_node: Seconds by the slot to which it goes.
        afar: Of those, the seconds that come from another region.
        sizes: How much is read of each urn.
        held: How much there is in all, None if that is not known.
        there: Where it is already.
    """

    def __init__(self, found: replicas.Entry) -> None:
        self.by_node: dict[int, float] = {}
        self.afar: dict[int, float] = {}
        self.sizes: dict[str, int] = {}
        self.held = found.size_bytes
        self.there = frozenset(found.nodes)

    def add(self, slot: int, one: judging.Transfer) -> None:
        self.by_node[slot] = self.by_node.get(slot, 0.0) + one.seconds
        if one.distance == judging.CROSS_REGION:
            self.afar[slot] = self.afar.get(slot, 0.0) + one.seconds
        self.sizes[one.urn] = max(one.size_bytes, self.sizes.get(one.urn, 0))

    @property
    def takes_bytes(self) -> int:
        return self.held if self.held is not None else sum(self.sizes.values())


def advise(world: worlds.World, *, last: int, meant: Callable[[core.Pod], bool], tell: judging.Tell) -> Advice:
    """Look what would have saved the last pods most.

    Args:
        tell: Is told how many decisions are done.
    """
    ground = Ground(world)
    asked = [one._replace(stays_on=ground.placed_on(one.uid)) for one in judging.subjects(world, last, meant)]
    before = judging.alone(ground, asked, tell)
    found = _candidates(ground.view(), asked, before)
    tried = found[:TRIED]
    buckets = [{each.urn.partition("/")[0] for each in placing.transfers} for placing in before]
    touched = {one: [at for at, moved in enumerate(buckets) if one.urn.partition("/")[0] in moved] for one in tried}
    work, done = len(asked) + sum(len(places) for places in touched.values()), len(asked)
    told: list[Replica] = []

    def so_far(count: int, _: int) -> None:
        tell(done + count, work)

    for one in tried:
        ground.become(world)
        changed = altering.altered(world, [changes.Copy(one.urn, one.node)], ground.view().where_is)
        ground.become(changed.world)
        places = touched[one]
        again = [asked[at]._replace(stays_on=before[at].node) for at in places]
        after = judging.alone(ground, again, so_far)
        done += len(places)
        told.append(_saved(one, [before[at] for at in places], after))
    return Advice(
        pods=len(asked),
        moved_s=math.fsum(placing.data_s for placing in before),
        moved_bytes=sum(placing.network_bytes for placing in before),
        tried=len(tried),
        candidates=len(found),
        replicas=tuple(sorted((one for one in told if one.saved_s > _LEAST_S), key=lambda one: -one.saved_s)),
        moves=tuple(sorted(_moves(asked, before), key=lambda one: -one.saved_s)),
    )


def _candidates(
    view: snapshot.Snapshot, asked: Sequence[judging.Subject], before: Sequence[judging.Placing]
) -> list[_Candidate]:
    """Replicas that come into question, those first on which most seconds hang."""
    fetched: dict[str, _Fetched] = {}
    stores: set[int] = set()
    for subject, placing in zip(asked, before, strict=True):
        namespace = subject.pod.metadata.namespace
        stores |= view.local_storage(namespace)
        for one in placing.transfers:
            if one.is_output or one.distance == judging.SAME_NODE:
                continue
            found = view.where_is(namespace, one.urn)
            if found is None:  # an image
                continue
            own = found if found.urn == one.urn else found._replace(size_bytes=None)
            for urn, entry in {found.urn: found, one.urn: own}.items():
                fetched.setdefault(urn, _Fetched(entry)).add(view.index_of[placing.node], one)
    # What holds one urn alone that anybody reads is no better than that urn, and takes more.
    told = [
        candidate
        for urn, what in fetched.items()
        if len(what.sizes) > 1 or urn in what.sizes
        for candidate in _of(view, urn, what, stores)
    ]
    return sorted(told, key=lambda one: (-one.hangs_on_s, one.takes_bytes, one.urn, one.node))


def _of(view: snapshot.Snapshot, urn: str, what: _Fetched, stores: set[int]) -> Iterator[_Candidate]:
    """In each zone the node to which most of it goes, among those with a store if there are any."""
    is_least = what.held is None and urn not in what.sizes
    best: dict[Zone, tuple[float, int]] = {}
    for slot in stores or what.by_node:
        zone = _zone(view, slot)
        direct = what.by_node.get(slot, 0.0), -slot
        if view.names[slot] not in what.there and direct > best.get(zone, (-1.0, 0)):
            best[zone] = direct
    for zone, (_, negative) in best.items():
        near_s = math.fsum(seconds for slot, seconds in what.by_node.items() if _zone(view, slot) == zone)
        near_s += math.fsum(
            seconds
            for slot, seconds in what.afar.items()
            if (there := _zone(view, slot)) != zone and there[0] == zone[0] != ""
        )
        if near_s > _LEAST_S:
            yield _Candidate(urn, view.names[-negative], near_s, what.takes_bytes, is_least)


def _zone(view: snapshot.Snapshot, slot: int) -> Zone:
    site = view.links.sites[view.links.site_of.item(slot)]
    return site.region, site.zone


def _saved(one: _Candidate, before: Sequence[judging.Placing], after: Sequence[judging.Placing]) -> Replica:
    pairs = list(zip(before, after, strict=True))
    return Replica(
        urn=one.urn,
        node=one.node,
        saved_s=math.fsum(old.data_s - new.data_s for old, new in pairs),
        saved_bytes=sum(old.network_bytes - new.network_bytes for old, new in pairs),
        takes_bytes=one.takes_bytes,
        is_least=one.is_least,
        pods=sum(1 for old, new in pairs if abs(old.data_s - new.data_s) > _LEAST_S or old.node != new.node),
    )


def _moves(asked: Sequence[judging.Subject], before: Sequence[judging.Placing]) -> Iterator[Move]:
    for subject, placing in zip(asked, before, strict=True):
        if placing.node and subject.stays_on not in {"", placing.node} and math.isfinite(placing.there_cost):
            saved_s = placing.there_s - placing.data_s
            if saved_s > _LEAST_S:
                yield Move(subject.pod.key, subject.stays_on, placing.node, saved_s)
