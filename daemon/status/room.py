"""How the room in a NodeCapability is shared out among the stores of a node. Pure.

The API server stores objects of a megabyte or so, and refuses a larger one whole: then nothing would be said of the
node any more, because somebody's store has many buckets. So there is room for so many names of buckets in all; where
that does not suffice, namespaces share it alike, and so do the stores of one: whoever has little keeps it all.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from daemon.status import conditions
from scheduler.api import crd

MAX_BUCKETS: Final = 1000  # of a store: the schema's bound
MAX_ALL_BUCKETS: Final = 8000  # of all stores: half a megabyte, where their names are as long as can be

K = TypeVar("K", bound=Hashable)


def shared_out(wanted: Mapping[K, int], room: int) -> dict[K, int]:
    """How much each gets of ``room``: what it wants, or as much as anybody who wants more than there is."""
    given: dict[K, int] = {}
    for number, key in enumerate(sorted(wanted, key=lambda key: wanted[key])):
        given[key] = min(wanted[key], room // (len(wanted) - number))
        room -= given[key]
    return given


def bounded(entries: Sequence[crd.Store]) -> list[crd.Store]:
    """The entries with as many of their buckets as there is room for; one that has more says so."""
    wanted = [min(len(entry.buckets), MAX_BUCKETS) for entry in entries]
    of_namespaces: dict[str, int] = {}
    for entry, count in zip(entries, wanted, strict=True):
        of_namespaces[entry.namespace] = of_namespaces.get(entry.namespace, 0) + count
    room_of = shared_out(of_namespaces, MAX_ALL_BUCKETS)
    given: dict[int, int] = {}
    for namespace, room in room_of.items():
        own = {number: wanted[number] for number, entry in enumerate(entries) if entry.namespace == namespace}
        given |= shared_out(own, room)
    return [_cut(entry, given[number]) for number, entry in enumerate(entries)]


def _cut(entry: crd.Store, count: int) -> crd.Store:
    if len(entry.buckets) <= count:
        return entry
    note = f"{len(entry.buckets)} buckets, of which the first {count} are shown"
    said: Iterable[str] = (note, entry.message) if entry.message else (note,)
    return msgspec.structs.replace(entry, buckets=entry.buckets[:count], message=conditions.cut("; ".join(said)))
