"""What events said of the data to come, for each consumer: bounded, forgetful, and the same on all replicas.

A ledger is a set of statements: this urn will be read (or written, or is gone), these options hold, this event has been
seen. A newer statement takes the place of an older one about the same thing, and only the newest of each kind are kept.
Newer is by the time at which the event happened, whatever the order in which events arrive; one that does not say when,
or says a time to come, happened when it was received. So replicas that merge what the others have written come to hold
the same, in whatever order and however often they do so. That what is gone is a statement too, and not merely missing,
is what makes it so: an old statement that arrives late finds the newer one in its place.

What is kept expires some time after it was received, not after it happened: a broker that was down for an hour delivers
events whose pods start now. Reading takes nothing out: a Service's second pod reads what the first one does.

Time comes in as a function: seconds since 1970, as replicas and restarts share it.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Literal, TypeVar

import msgspec

from scheduler.api import annotations as intents
from scheduler.api import names
from webhook import facts
from webhook.events import messages

MAX_CONSUMERS: Final = 1_000
# Of what is gone as much as of what is there: a cleaned-out bucket must not push the rest out at once.
MAX_STATEMENTS: Final = 2 * intents.MAX_TRANSFERS
MAX_SEEN: Final = 128

# Options of a group are one statement: who asks for the edge no longer asks for the cloud.
_GROUPS: Final = {
    "dataIntensive": "workload",
    "computeIntensive": "workload",
    "preferEdge": "place",
    "preferCloud": "place",
    "preferRegion": "region",
}


class Stamp(msgspec.Struct, frozen=True, order=True, array_like=True):
    """What makes one statement newer than another. Milliseconds, so that JSON does not round them."""

    at_ms: int
    received_ms: int
    event: str
    place: int = 0
    """Where in the event it stands, counted downwards: of what came at once, the first counts most."""


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is said of one urn; ``size_bytes`` is 0 where the event does not tell."""

    urn: str
    role: Literal["input", "output", "gone"]
    stamp: Stamp
    size_bytes: int = 0
    processing_s: float = 0.0
    priority: int | None = None
    kind: str = ""

    @property
    def topic(self) -> tuple[str, str]:
        """An object that is gone is no input, but may still be written."""
        return ("output" if self.role == "output" else "input", self.urn)

    @property
    def rank(self) -> tuple[Any, ...]:
        """Newer is greater. The stamp decides; the rest is for stamps that hands or wrong senders have used twice."""
        return (self.stamp, *self.topic, self.role, self.size_bytes, self.processing_s, self.kind, str(self.priority))


class Options(msgspec.Struct, frozen=True):
    """A group of ``processingOptions``."""

    values: dict[str, bool | str]
    stamp: Stamp

    @property
    def topic(self) -> str:
        return next((_GROUPS[key] for key in self.values if key in _GROUPS), "")

    @property
    def rank(self) -> tuple[Any, ...]:
        return (self.stamp, msgspec.json.encode(self.values, order="sorted"))


class Seen(msgspec.Struct, frozen=True):
    """That an event has been counted, so that its second delivery is not."""

    stamp: Stamp

    @property
    def topic(self) -> str:
        return self.stamp.event

    @property
    def rank(self) -> tuple[Any, ...]:
        return (self.stamp,)


class Kept(msgspec.Struct, frozen=True):
    """All that is kept for one consumer; newest first."""

    items: tuple[Item, ...] = ()
    options: tuple[Options, ...] = ()
    seen: tuple[Seen, ...] = ()

    @property
    def newest_ms(self) -> int:
        """When the last event for it was received; 0 where there is none."""
        return max((one.stamp.received_ms for one in self.seen), default=0)


_EMPTY: Final = Kept()
T = TypeVar("T", Item, Options, Seen)


class Ledger:
    """What is known for all consumers.

    Attributes:
        dropped: How many consumers were dropped because there were too many.
    """

    def __init__(
        self, *, retention_s: float = 600.0, clock: Callable[[], float] = time.time, max_consumers: int = MAX_CONSUMERS
    ) -> None:
        self.dropped = 0
        self._retention_ms = int(retention_s * 1000)
        self._clock = clock
        self._max_consumers = max_consumers
        self._kept: dict[facts.Consumer, Kept] = {}

    def __iter__(self) -> Iterator[facts.Consumer]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, consumer: object) -> bool:
        return consumer in self._kept

    def kept(self, consumer: facts.Consumer) -> Kept:
        """What is kept, to be written down."""
        return self._kept.get(consumer, _EMPTY)

    def add(self, consumer: facts.Consumer, said: Sequence[messages.Message]) -> bool:
        """Take in what events say; returns False if all of them were known."""
        known = {one.topic for one in self.kept(consumer).seen}
        fresh = [message for message in said if message.identity not in known and message.says_something]
        if fresh:
            self.merge(consumer, _statements(fresh, self._now_ms()))
        return bool(fresh)

    def merge(self, consumer: facts.Consumer, other: Kept) -> None:
        """Take in what is kept elsewhere."""
        mine, now_ms = self.kept(consumer), self._now_ms()
        merged = Kept(
            self._newest((*mine.items, *other.items), MAX_STATEMENTS, now_ms),
            self._newest((*mine.options, *other.options), len(_GROUPS), now_ms),
            self._newest((*mine.seen, *other.seen), MAX_SEEN, now_ms),
        )
        if merged == _EMPTY:
            self._kept.pop(consumer, None)
            return
        self._kept[consumer] = merged
        while len(self._kept) > self._max_consumers:
            del self._kept[self._least_wanted()]
            self.dropped += 1

    def forget(self, consumer: facts.Consumer) -> None:
        """Hold nothing for the consumer any more."""
        self._kept.pop(consumer, None)

    def expire(self) -> None:
        """Let go of what is too old; reading never shows it anyway."""
        for consumer in self:
            self.merge(consumer, _EMPTY)

    def source(self, consumer: facts.Consumer) -> facts.Source | None:
        """What the consumer's next pods will read, as annotations; None where nothing is known."""
        found = self._kept.get(consumer)
        if found is None:
            return None
        now_ms = self._now_ms()
        there = [item for item in found.items if item.role != "gone" and self._lives(item.stamp, now_ms)]
        there = there[: intents.MAX_TRANSFERS]
        data: dict[str, Any] = {}
        for key, role in (("dataInputs", "input"), ("dataOutputs", "output")):
            if listed := [_item_json(item) for item in there if item.role == role]:
                data[key] = listed
        # The oldest first: of what two groups of somebody's own making both hold, the newer counts.
        living = [group.values for group in reversed(found.options) if self._lives(group.stamp, now_ms)]
        if options := {key: value for values in living for key, value in values.items()}:
            data["processingOptions"] = options
        if not data:
            return None
        title = f"events for {consumer.namespace}/{consumer.name}"
        return facts.Source(title, {names.EVENT_DATA: msgspec.json.encode(data).decode()})

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)

    def _lives(self, stamp: Stamp, now_ms: int) -> bool:
        # Both ways: a clock that once ran ahead must not keep something for years.
        return abs(now_ms - stamp.received_ms) < self._retention_ms

    def _newest(self, statements: Iterable[T], limit: int, now_ms: int) -> tuple[T, ...]:
        """The newest of each topic, and of these the newest; newest first.

        To cut after each merge gives what cutting once at the end would: whatever is cut has ``limit`` other topics
        before it, and a topic's statement is only ever replaced by a newer one.
        """
        newest: dict[object, T] = {}
        for statement in sorted(statements, key=_rank, reverse=True):
            if self._lives(statement.stamp, now_ms):
                newest.setdefault(statement.topic, statement)
                if len(newest) == limit:
                    break
        return tuple(newest.values())

    def _least_wanted(self) -> facts.Consumer:
        """The oldest of the namespace with most: nobody can push out what others are waiting for."""
        crowd = collections.Counter(consumer.namespace for consumer in self._kept)
        most = max(crowd.values())
        return min(
            (consumer for consumer in self._kept if crowd[consumer.namespace] == most),
            key=lambda consumer: (self._kept[consumer].newest_ms, consumer.namespace, consumer.name),
        )


def _rank(statement: Item | Options | Seen) -> tuple[Any, ...]:
    return statement.rank


def _statements(said: Iterable[messages.Message], now_ms: int) -> Kept:
    items: list[Item] = []
    options: list[Options] = []
    seen: list[Seen] = []
    for message in said:
        at_ms = now_ms if message.time_s is None else min(int(message.time_s * 1000), now_ms)

        def stamp(place: int = 0, *, at_ms: int = at_ms, event: str = message.identity) -> Stamp:
            return Stamp(at_ms, now_ms, event, -place)

        named = [("input", one) for one in message.inputs] + [("output", one) for one in message.outputs]
        items += [
            Item(
                urn=one.urn,
                role="output" if role == "output" else "input",
                stamp=stamp(place),
                size_bytes=one.size_bytes,
                processing_s=one.processing_s,
                priority=one.priority,
                kind=one.kind,
            )
            for place, (role, one) in enumerate(named)
        ]
        items += [Item(urn=urn, role="gone", stamp=stamp(place)) for place, urn in enumerate(message.removed)]
        groups: dict[str, dict[str, bool | str]] = {}
        for key, value in message.options.items():
            groups.setdefault(_GROUPS[key], {})[key] = value
        options += [Options(values, stamp()) for values in groups.values()]
        seen.append(Seen(stamp()))
    return Kept(tuple(items), tuple(options), tuple(seen))


def _item_json(item: Item) -> dict[str, Any]:
    """As ``knative.event-data`` has it."""
    fields: dict[str, Any] = {"urn": item.urn, "size": item.size_bytes}
    if item.processing_s:
        fields["processingTime"] = item.processing_s
    if item.priority is not None:
        fields["priority"] = item.priority
    if item.kind:
        fields["type"] = item.kind
    return fields
