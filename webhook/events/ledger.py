"""What events said of the data to come, for each consumer: bounded, forgetful, and the same on all replicas.

A ledger is a set of statements: this urn will be read (or written, or is gone), these options hold, this event has been
seen. A newer statement takes the place of an older one about the same thing, and only the newest of each kind are kept.
Newer is by the time at which the event happened, whatever the order in which events arrive; one that does not say when,
or says a time to come, happened when it was received. So replicas that merge what the others have written come to hold
the same, in whatever order and however often they do so. That what is gone is a statement too, and not merely missing,
is what makes it so: an old statement that arrives late finds the newer one in its place.

Of an object with versions, what was written or hidden (by a delete marker) is a statement for each version, and that a
version was deleted withdraws the statement of this version alone: what was said before it holds again. So deleting an
old version changes nothing, deleting a delete marker brings the object back, and deleting the newest brings back the
one before, as far as it is remembered.

What is kept expires some time after it was received, not after it happened: a broker that was down for an hour delivers
events whose pods start now. Reading takes nothing out: a Service's second pod reads what the first one does.

Time comes in as a function: seconds since 1970, as replicas and restarts share it.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar

import msgspec

from scheduler.api import annotations as intents
from scheduler.api import names
from webhook import facts
from webhook.events import messages, statements

MAX_CONSUMERS: Final = 1_000
# Of what is gone as much as of what is there: a cleaned-out bucket must not push the rest out at once.
MAX_STATEMENTS: Final = 2 * intents.MAX_TRANSFERS
MAX_SEEN: Final = 128
# Of one urn, so that an object that is written over and over does not push the others out.
MAX_VERSIONS: Final = 4
MAX_WITHDRAWN: Final = 128

_EMPTY: Final = statements.Kept()
T = TypeVar("T", statements.Item, statements.Options, statements.Seen, statements.Withdrawn)


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
        self._kept: dict[facts.Consumer, statements.Kept] = {}

    def __iter__(self) -> Iterator[facts.Consumer]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    def __contains__(self, consumer: object) -> bool:
        return consumer in self._kept

    def kept(self, consumer: facts.Consumer) -> statements.Kept:
        """What is kept, to be written down."""
        return self._kept.get(consumer, _EMPTY)

    def add(self, consumer: facts.Consumer, said: Sequence[messages.Message]) -> bool:
        """Take in what events say; returns False if all of them were known."""
        known = {one.topic for one in self.kept(consumer).seen}
        fresh = [message for message in said if message.identity not in known and message.says_something]
        if fresh:
            self.merge(consumer, statements.of(fresh, self._now_ms()))
        return bool(fresh)

    def merge(self, consumer: facts.Consumer, other: statements.Kept) -> None:
        """Take in what is kept elsewhere."""
        mine, now_ms = self.kept(consumer), self._now_ms()
        merged = statements.Kept(
            self._newest((*mine.items, *other.items), MAX_STATEMENTS, now_ms),
            self._newest((*mine.options, *other.options), statements.MAX_OPTIONS, now_ms),
            self._newest((*mine.seen, *other.seen), MAX_SEEN, now_ms),
            self._newest((*mine.withdrawn, *other.withdrawn), MAX_WITHDRAWN, now_ms),
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
        there = statements.there([item for item in found.items if self._lives(item.stamp, now_ms)], found.withdrawn)
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

    def _lives(self, stamp: statements.Stamp, now_ms: int) -> bool:
        # Both ways: a clock that once ran ahead must not keep something for years.
        return abs(now_ms - stamp.received_ms) < self._retention_ms

    def _newest(self, statements: Iterable[T], limit: int, now_ms: int) -> tuple[T, ...]:
        """The newest of each topic, and of these the newest; newest first.

        To cut after each merge gives what cutting once at the end would: whatever is cut has ``limit`` other topics
        before it, and a topic's statement is only ever replaced by a newer one. Of a group, only so many topics: for
        them the same holds.
        """
        newest: dict[object, T] = {}
        crowds: collections.Counter[object] = collections.Counter()
        for statement in sorted(statements, key=_rank, reverse=True):
            if statement.topic in newest or not self._lives(statement.stamp, now_ms):
                continue
            if statement.group is not None:
                if crowds[statement.group] == MAX_VERSIONS:
                    continue
                crowds[statement.group] += 1
            newest[statement.topic] = statement
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


def _rank(statement: T) -> tuple[Any, ...]:
    return statement.rank


def _item_json(item: statements.Item) -> dict[str, Any]:
    """As ``knative.event-data`` has it."""
    fields: dict[str, Any] = {"urn": item.urn, "size": item.size_bytes}
    if item.processing_s:
        fields["processingTime"] = item.processing_s
    if item.priority is not None:
        fields["priority"] = item.priority
    if item.kind:
        fields["type"] = item.kind
    return fields
