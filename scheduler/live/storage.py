"""The answer of /storage-info: which stores and buckets there are, on which nodes, and how fast the links are.

A large cluster's answer has tens of megabytes. So it is gathered, and told, in pieces between which the loop may turn,
and can be had page by page.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any, Final

from scheduler import config
from scheduler.api import crd, names, units

PIECE: Final = 2000  # names looked at between two turns of the loop: a millisecond or two

SECTIONS: Final = ("nodes", "buckets", "links")

Position = tuple[int, str, int]  # section, name, and number among those of that name: the order of the entries


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One of what there is to tell; ``position`` grows from one to the next."""

    position: Position
    value: dict[str, Any]


@dataclasses.dataclass(slots=True)
class _Bucket:
    holders: set[str] = dataclasses.field(default_factory=set)
    data_objects: int = 0
    said: dict[str, tuple[int | None, int | None]] = dataclasses.field(default_factory=dict)
    """By namespace: how many keys and bytes its DataObject of the bucket tells of."""


class Inventory:
    """What there is, as of one moment.

    Attributes:
        data_objects: How many DataObjects there are.
        bandwidth: What a link is assumed to do before it is measured, by distance.
        witness_max_age_s: For how long a copy counts after it was last seen.
    """

    def __init__(
        self,
        capabilities: Iterable[crd.NodeCapability],
        network: config.Network,
        now_s: float,
        witness_max_age_s: float,
    ) -> None:
        self.data_objects = 0
        self.witness_max_age_s = witness_max_age_s
        self.bandwidth = {
            _camel(name): {"bandwidthBytesPerSecond": link.bandwidth_bytes_per_s, "latencySeconds": link.latency_s}
            for name, link in vars(network).items()
        }
        self._capabilities = sorted(capabilities, key=lambda each: each.metadata.name)
        self._buckets: collections.defaultdict[str, _Bucket] = collections.defaultdict(_Bucket)
        self._now_s = now_s

    @classmethod
    async def take(
        cls,
        capabilities: Iterable[crd.NodeCapability],
        objects: Iterable[crd.DataObject],
        network: config.Network,
        *,
        now_s: float,
        witness_max_age_s: float = config.Settings.witness_max_age_s,
    ) -> Inventory:
        """Gather it; the loop turns meanwhile."""
        found = cls(capabilities, network, now_s, witness_max_age_s)
        done = 0
        for capability in found._capabilities:
            for store in capability.status.stores:
                for bucket in store.buckets:
                    found._buckets[bucket].holders.add(capability.metadata.name)
                done = await _breathe(done + 1 + len(store.buckets))
        for obj in list(objects):
            found._add(obj)
            done = await _breathe(done + 1 + len(obj.status.replicas))
        return found

    def entries(self, after: Position | None = None) -> Iterator[Entry]:
        """What there is to tell, sorted, from behind a position on.

        ``nodes``: those that serve stores, with each store's endpoint, technology, state and buckets.
        ``buckets``: who serves a bucket, how many DataObjects are known in it (the bucket's own not counted), and how
        many keys and bytes it holds, where its DataObject says so; where several namespaces have one of that name,
        theirs together, and ``namespaces`` says each one's.
        ``links``: what was measured, with the node that reports it, how many samples it rests on, how far it was
        trusted when measured, and how long ago that is.
        """
        section, name, number = after or (0, "", -1)
        for kind, tell in enumerate((self._nodes, self._told_buckets, self._links)):
            if kind == section:
                yield from tell(kind, name, number)
            elif kind > section:
                yield from tell(kind, "", -1)

    def _nodes(self, kind: int, name: str, _number: int) -> Iterator[Entry]:
        for capability in self._capabilities:
            if capability.metadata.name > name and capability.status.stores:
                yield Entry((kind, capability.metadata.name, 0), _node(capability.status))

    def _told_buckets(self, kind: int, name: str, _number: int) -> Iterator[Entry]:
        for bucket in sorted(bucket for bucket in self._buckets if bucket > name):
            yield Entry((kind, bucket, 0), _bucket(self._buckets[bucket]))

    def _links(self, kind: int, name: str, number: int) -> Iterator[Entry]:
        for capability in self._capabilities:
            reporter = capability.metadata.name
            for index, link in enumerate(capability.status.links):
                if (reporter, index) > (name, number):
                    yield Entry((kind, reporter, index), _link(reporter, link, self._now_s))

    def _add(self, obj: crd.DataObject) -> None:
        self.data_objects += 1
        bucket, _, key = obj.spec.urn.partition("/")
        found = self._buckets[bucket]
        found.holders.update(
            crd.place_name(replica.region, replica.zone) if replica.node == names.EXTERNAL else replica.node
            for replica in obj.status.replicas
        )
        found.holders.update(location.node for location in obj.spec.locations)
        if key:
            found.data_objects += 1
        else:
            found.said[obj.metadata.namespace] = (obj.status.object_count, obj.status.size_bytes)


def position_text(position: Position) -> str:
    """A position as a client hands it back."""
    section, name, number = position
    return f"{SECTIONS[section]}/{number}/{name}"


def position(text: str) -> Position | None:
    """The position that a client handed back; None if it is none."""
    section, _, rest = text.partition("/")
    number, slash, name = rest.partition("/")
    is_one = section in SECTIONS and slash and number.isascii() and number.isdecimal() and len(number) < 10
    return (SECTIONS.index(section), name, int(number)) if is_one else None


async def _breathe(done: int) -> int:
    """Let the loop turn if enough was done since it last did; returns what was done since it did."""
    if done < PIECE:
        return done
    await asyncio.sleep(0)
    return 0


def _node(status: crd.NodeCapabilityStatus) -> dict[str, Any]:
    stores = [
        {
            "name": store.name,
            "endpoint": store.endpoint,
            "technology": store.technology,
            "available": store.available,
            "message": store.message,
            "buckets": list(store.buckets),
        }
        for store in status.stores
    ]
    return {"type": status.node_type, "region": status.region, "zone": status.zone, "stores": stores}


def _bucket(found: _Bucket) -> dict[str, Any]:
    told: dict[str, Any] = {"nodes": sorted(found.holders), "dataObjects": found.data_objects}
    told |= _amounts(*(_sum(column) for column in zip(*found.said.values(), strict=True))) if found.said else _amounts()
    if len(found.said) > 1:
        told["namespaces"] = {namespace: _amounts(*said) for namespace, said in sorted(found.said.items())}
    return told


def _amounts(object_count: int | None = None, size_bytes: int | None = None) -> dict[str, int | None]:
    return {"objectCount": object_count, "sizeBytes": size_bytes}


def _sum(amounts: Iterable[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if known else None


def _link(reporter: str, link: crd.Link, now_s: float) -> dict[str, Any]:
    measured_at_s = units.time_s(link.last_probe_time)
    ends = ("from", "to") if link.direction != "From" else ("to", "from")
    return {
        ends[0]: reporter,
        ends[1]: link.peer,
        "reporter": reporter,
        "bandwidthBytesPerSecond": link.bandwidth_bytes_per_second,
        "bandwidthLowBytesPerSecond": link.bandwidth_low_bytes_per_second,
        "latencySeconds": link.latency_seconds,
        "samples": link.samples,
        "confidence": link.confidence,
        "ageSeconds": max(now_s - measured_at_s, 0.0) if measured_at_s is not None else None,
    }


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
