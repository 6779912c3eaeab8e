"""What events say, as statements that replicas can merge: which urn is read, written or gone, and since when.

Each has a topic, of which only the newest statement counts; a group, of which only some topics are kept; and a rank, by
which one is newer than another whoever compares them. See ledger for what becomes of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

import msgspec

from webhook.events import messages, records

# Options of a group are one statement: who asks for the edge no longer asks for the cloud.
_GROUPS: Final = {
    "dataIntensive": "workload",
    "computeIntensive": "workload",
    "preferEdge": "place",
    "preferCloud": "place",
    "preferRegion": "region",
}
MAX_OPTIONS: Final = len(_GROUPS)


class Stamp(msgspec.Struct, frozen=True, array_like=True):
    """What makes one statement newer than another. Milliseconds, so that JSON does not round them."""

    at_ms: int
    received_ms: int
    event: str
    place: int = 0
    """Where in the event it stands, counted downwards: of what came at once, the first counts most."""

    order: str = ""
    """What the sender tells of the order within a millisecond."""

    record: int = 0
    """Where in a notification the event stands, counted upwards: they are written in the order of their happening."""

    @property
    def rank(self) -> tuple[int, str, int, int, str, int]:
        """Newer is greater."""
        return (self.at_ms, self.order, self.received_ms, self.record, self.event, self.place)


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is said of one urn; ``size_bytes`` is 0 where the event does not tell."""

    urn: str
    role: Literal["input", "output", "gone"]
    stamp: Stamp
    size_bytes: int = 0
    processing_s: float = 0.0
    priority: int | None = None
    kind: str = ""
    version: str = ""
    """As the store tells it; "" where the bucket has no versions."""

    @property
    def topic(self) -> tuple[str, str, str]:
        return (*self.group, "" if self.version == records.NULL_VERSION else self.version)

    @property
    def group(self) -> tuple[str, str]:
        """An object that is gone is no input, but may still be written."""
        return ("output" if self.role == "output" else "input", self.urn)

    @property
    def rank(self) -> tuple[Any, ...]:
        """Newer is greater. The stamp decides; the rest is for stamps that hands or wrong senders have used twice."""
        told = (self.size_bytes, self.processing_s, self.kind, str(self.priority), self.version)
        return (*self.stamp.rank, *self.topic, self.role, *told)


class Withdrawn(msgspec.Struct, frozen=True):
    """That one version of an object is gone; ``mark`` tells which, in few bytes."""

    mark: str
    stamp: Stamp

    @property
    def topic(self) -> str:
        return self.mark

    @property
    def group(self) -> None:
        """Old versions of one object go by the hundred, and each may be the one that matters."""

    @property
    def rank(self) -> tuple[Any, ...]:
        return (*self.stamp.rank, self.mark)


class Options(msgspec.Struct, frozen=True):
    """A group of ``processingOptions``."""

    values: dict[str, bool | str]
    stamp: Stamp

    @property
    def topic(self) -> str:
        return next((_GROUPS[key] for key in self.values if key in _GROUPS), "")

    @property
    def group(self) -> None:
        """There are few topics."""

    @property
    def rank(self) -> tuple[Any, ...]:
        return (*self.stamp.rank, msgspec.json.encode(self.values, order="sorted"))


class Seen(msgspec.Struct, frozen=True):
    """That an event has been counted, so that its second delivery is not."""

    stamp: Stamp

    @property
    def topic(self) -> str:
        return self.stamp.event

    @property
    def group(self) -> None:
        """Every event is one of its own."""

    @property
    def rank(self) -> tuple[Any, ...]:
        return self.stamp.rank


class Kept(msgspec.Struct, frozen=True):
    """All that is kept for one consumer; newest first."""

    items: tuple[Item, ...] = ()
    options: tuple[Options, ...] = ()
    seen: tuple[Seen, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()

    @property
    def newest_ms(self) -> int:
        """When the last event for it was received; 0 where there is none."""
        return max((one.stamp.received_ms for one in self.seen), default=0)


def of(said: Iterable[messages.Message], now_ms: int) -> Kept:
    """What is said by events that are received now."""
    items: list[Item] = []
    options: list[Options] = []
    seen: list[Seen] = []
    withdrawn: list[Withdrawn] = []
    for message in said:
        at_ms = now_ms if message.time_s is None else min(int(message.time_s * 1000), now_ms)

        def stamp(
            place: int = 0,
            *,
            at_ms: int = at_ms,
            event: str = message.identity,
            order: str = message.order,
            record: int = message.place,
        ) -> Stamp:
            return Stamp(at_ms, now_ms, event, -place, order, record)

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
                version=message.version,
            )
            for place, (role, one) in enumerate(named)
        ]
        items += [
            Item(urn=urn, role="gone", stamp=stamp(place), version=message.version)
            for place, urn in enumerate(message.removed)
        ]
        withdrawn += [Withdrawn(_mark(urn, message.version), stamp()) for urn in message.withdrawn]
        groups: dict[str, dict[str, bool | str]] = {}
        for key, value in message.options.items():
            groups.setdefault(_GROUPS[key], {})[key] = value
        options += [Options(values, stamp()) for values in groups.values()]
        seen.append(Seen(stamp()))
    return Kept(tuple(items), tuple(options), tuple(seen), tuple(withdrawn))


def there(items: Sequence[Item], withdrawn: Sequence[Withdrawn]) -> list[Item]:
    """Those of living statements, newest first, that tell what an object is now, if it is there."""
    gone_ms = {one.mark: one.stamp.at_ms for one in withdrawn}
    with_versions = {item.urn for item in items if item.version not in ("", records.NULL_VERSION)}
    decided: set[object] = set()
    found = []
    for item in items:
        if item.group in decided or gone_ms.get(_mark(item.urn, item.version), -1) >= item.stamp.at_ms:
            continue
        # Of an object with versions, the one without is a version like others.
        if item.role == "gone" and item.version == records.NULL_VERSION and item.urn in with_versions:
            continue
        decided.add(item.group)
        if item.role != "gone":
            found.append(item)
    return found


def _mark(urn: str, version: str) -> str:
    return hashlib.blake2b(f"{version} {urn}".encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
