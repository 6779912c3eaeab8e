"""Who measures which path, and when. Pure: members, times and a generator go in, duties come out.

Nodes of one zone look alike from afar, so a zone is measured by at most ``REPRESENTATIVES`` of its nodes: those that
hold stores first, as transfers start and end there, then by rendezvous hashing, which every node works out alike
without asking, and which changes for few when a node comes or goes. Each pair of zones (a zone and itself included) is
the duty of one representative of either, by the same hashing; a second one stands in when nobody has published the
pair for ``STAND_IN_S``. A duty has the other zone's representatives as its targets and turns to the next when one
fails. So the number of probes grows with the pairs of zones and not with the nodes, and no node has more than
``MAX_DUTIES``, which is what its NodeCapability can hold; zones with stores come first.

A path is measured every ``period_s``, sooner while its figures are not settled, later when the hour's bytes are used
up, when the peer is busy, or while the node or its network has other work. Everything is spread at random by a tenth.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from daemon.links import budget

REPRESENTATIVES: Final = 3
MAX_DUTIES: Final = 31  # two entries each, of the 64 that the schema allows
STAND_IN_S: Final = 3 * 3600.0

_SETTLE: Final = 6  # a path whose figures are not settled is measured so many times as often
_BUSY_S: Final = (10.0, 40.0)  # doubled each time in a row: a peer whose bytes are used up has none for hours
_REST_S: Final = (30.0, 90.0)
_FIRST: Final = (0.003, 0.03)  # of a period: after a start, when all the other daemons start as well
_RETRY_S: Final = 60.0

Zone = tuple[str, str]
"""Region and zone as the nodes' labels give them; either may be ""."""


@dataclasses.dataclass(frozen=True)
class Member:
    """A node that can be probed. ``measured`` is when it last published which peer's path, in seconds since 1970."""

    node: str
    zone: Zone
    address: str
    port: int
    has_store: bool = False
    measured: Mapping[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Duty:
    """A path to measure: from this node to any of the targets, for their zone.

    Attributes:
        zone: At the other end.
        targets: Its representatives, in the order in which they are tried.
        place: In the line of those that may have it; 0 has it, the others have it when it is not done.
        published_s: When anybody else last published it; 0 for never.
    """

    zone: Zone
    targets: tuple[Member, ...]
    place: int = 0
    published_s: float = 0.0


def peer_of(target: Member) -> str:
    """Under which name a path to that node is published: its zone's, or its own where it is in none."""
    region, zone = target.zone
    return f"zone:{region}/{zone}" if zone else target.node


def representatives(members: Iterable[Member]) -> list[Member]:
    """Those of one zone's nodes that stand for it."""
    return sorted(members, key=lambda member: (not member.has_store, _draw("zone", member.node)))[:REPRESENTATIVES]


def duties(node: str, everybody: Iterable[Member]) -> list[Duty]:
    """The duties of a node, given the representatives of all zones; none where it is not among them."""
    zones: dict[Zone, list[Member]] = {}
    for member in everybody:
        zones.setdefault(member.zone, []).append(member)
    mine = next((zone for zone, members in zones.items() if any(member.node == node for member in members)), None)
    if mine is None:
        return []
    found = []
    for zone, targets in zones.items():
        ordered = sorted(targets, key=lambda target: _draw(node, target.node))
        others = tuple(target for target in ordered if target.node != node)
        if others:
            place = _place_of(node, mine, zone, zones)
            found.append(Duty(zone, others, place, _published_s(node, zones[mine], targets)))
    with_stores = {zone for zone, members in zones.items() if any(member.has_store for member in members)}
    found.sort(key=lambda duty: (duty.place, duty.zone not in with_stores, _draw(node, *duty.zone)))
    return found[:MAX_DUTIES]


def _place_of(node: str, mine: Zone, other: Zone, zones: Mapping[Zone, Sequence[Member]]) -> int:
    """The node's place in the line for a pair of zones."""
    pair = "|".join("/".join(zone) for zone in sorted((mine, other)))
    able = {member.node for zone in (mine, other) for member in zones[zone]}
    return sorted(able, key=lambda name: _draw(pair, name)).index(node)


def _published_s(node: str, mine: Sequence[Member], theirs: Sequence[Member]) -> float:
    """When a node other than this one last published a path between two zones."""
    return max(
        (
            reporter.measured.get(peer_of(target), 0.0)
            for here, there in ((mine, theirs), (theirs, mine))
            for reporter in here
            if reporter.node != node
            for target in there
        ),
        default=0.0,
    )


@functools.lru_cache(maxsize=8192)
def _draw(*words: str) -> int:
    return int.from_bytes(hashlib.blake2b("\0".join(words).encode(), digest_size=8).digest())


@dataclasses.dataclass
class _State:
    """When a duty is due; ``turn`` chooses the target, ``failures`` and ``refusals`` (busy) are those in a row."""

    due_s: float
    turn: int = 0
    failures: int = 0
    refusals: int = 0


@dataclasses.dataclass(frozen=True)
class Task:
    """A probe to make now. ``reserved_bytes`` are set aside for it and have to be given back to the planner."""

    duty: Duty
    target: Member
    reserved_bytes: int


class Planner:
    """One node's calendar. Times are those of the caller's clock, in seconds since 1970."""

    def __init__(
        self, *, period_s: float, bytes_per_hour: int, transfer_bytes: int, rng: random.Random, hours: int = 1
    ) -> None:
        self._period_s = period_s
        self._reserve_bytes = 2 * transfer_bytes
        self._budget = budget.Budget(bytes_per_hour, hours)
        self._rng = rng
        self._duties: dict[Zone, Duty] = {}
        self._states: dict[Zone, _State] = {}
        self._started_s: float | None = None
        self._rests_until_s = 0.0

    def assign(self, found: Iterable[Duty], now_s: float) -> None:
        """Take over the duties that there are now; what is known of those that stay is kept."""
        self._duties = {duty.zone: duty for duty in found}
        before, self._states = self._states, {}
        for zone in self._duties:
            self._states[zone] = before.get(zone) or _State(now_s + self._period_s * self._rng.uniform(*_FIRST))
        if self._started_s is None:
            self._started_s = now_s

    def next_s(self) -> float | None:
        """When something is due next; None where there is no duty."""
        if not self._duties:
            return None
        return max(self._rests_until_s, min(self._due_s(duty) for duty in self._duties.values()))

    def take(self, now_s: float, *, loaded: bool) -> Task | None:
        """The probe to make now, if there is one, it can be afforded, and the node has nothing better to do."""
        duty = min(self._duties.values(), key=self._due_s, default=None)
        if duty is None or max(self._due_s(duty), self._rests_until_s) > now_s:
            return None
        if loaded or not self._budget.reserve(self._reserve_bytes, now_s):
            # The whole node rests, so that what has waited longest is still the first thereafter.
            free_s = now_s if loaded else self._budget.free_s(self._reserve_bytes, now_s)
            self._rests_until_s = free_s + self._rng.uniform(*_REST_S)
            return None
        return Task(duty, duty.targets[self._states[duty.zone].turn % len(duty.targets)], self._reserve_bytes)

    def done(self, task: Task, now_s: float, *, spent_bytes: int, settled: bool) -> None:
        """A path was measured."""
        self._budget.spend(task.reserved_bytes, spent_bytes, now_s)
        state = self._states.get(task.duty.zone)
        if state is not None:
            pause_s = self._period_s if settled else self._period_s / _SETTLE
            state.due_s = now_s + pause_s * self._rng.uniform(0.9, 1.1)
            state.failures = state.refusals = 0

    def busy(self, task: Task, now_s: float, *, spent_bytes: int) -> None:
        """The other end had no time."""
        self._budget.spend(task.reserved_bytes, spent_bytes, now_s)
        state = self._states.get(task.duty.zone)
        if state is not None:
            pause_s = self._rng.uniform(*_BUSY_S) * 2 ** min(state.refusals, 16)
            state.refusals += 1
            state.due_s = now_s + min(pause_s, self._period_s * self._rng.uniform(0.9, 1.1))

    def failed(self, task: Task, now_s: float, *, spent_bytes: int) -> None:
        """The other end could not be reached: the next one is tried, soon at first."""
        self._budget.spend(task.reserved_bytes, spent_bytes, now_s)
        state = self._states.get(task.duty.zone)
        if state is not None:
            state.turn += 1
            state.failures += 1
            pause_s = min(_RETRY_S * 2 ** min(state.failures - 1, 16), self._period_s)
            state.refusals = 0
            state.due_s = now_s + pause_s * self._rng.uniform(0.9, 1.1)

    def _due_s(self, duty: Duty) -> float:
        due_s = self._states[duty.zone].due_s
        if not duty.place:
            return due_s
        return max(due_s, max(duty.published_s, self._started_s or 0.0) + duty.place * STAND_IN_S)
