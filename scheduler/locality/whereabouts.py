"""Where data lies, as the pods of a namespace find it: what is known of each urn, who says so, and who moves it now.

A urn is resolved as decisions do it: the key, else the longest prefix that is known, else the bucket.
"""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from scheduler.api import annotations as intents
from scheduler.api import core, crd, units
from scheduler.locality import lookup
from scheduler.state import replicas, witnesses

_FINISHED: Final = frozenset({"Succeeded", "Failed"})
_LABEL: Final = "label"


class Copy(msgspec.Struct, rename="camel", kw_only=True):
    """A copy that is known.

    Attributes:
        where: A node, or ``external:REGION/ZONE``.
        said_by: Which daemon saw it, or ``declared``, or ``label`` of its node.
        why_not: Why it does not count, "" where it does.
    """

    where: str
    store: str
    said_by: str
    size_bytes: int | None
    age_seconds: float | None
    counts: bool
    why_not: str


class Object(msgspec.Struct, rename="camel", kw_only=True):
    """What is known of a urn; ``namespace`` is whose pods may use it, "" for everybody's, ``name`` the DataObject's."""

    urn: str
    namespace: str
    name: str
    size_bytes: int | None
    object_count: int | None
    copies: list[Copy]
    expected: list[crd.Expected]


class Use(msgspec.Struct, rename="camel", kw_only=True):
    """A pod that reads or writes it."""

    pod: str
    node: str
    writes: bool
    urn: str
    size_bytes: int


class Resolved(msgspec.Struct, rename="camel", kw_only=True):
    """Where a urn can be had by the pods of a namespace.

    Attributes:
        found_as: What of it is known: itself, a prefix or its bucket; "" where nothing is.
        from_: Where it can be had now; of what is expected, where it is looked for if it will not be there.
        expected_on: Where a pod is about to write it, and ``sure``, how sure that is, 0 to 1.
    """

    urn: str
    namespace: str
    found_as: str
    from_: list[str] = msgspec.field(name="from")
    expected_on: list[str]
    sure: float
    size_bytes: int | None
    objects: list[Object]
    below: list[Object]
    pods: list[Use]


class Look:
    """What there is to say, of one moment."""

    def __init__(self, world: lookup.World, namespace: str, home: str, pods: Iterable[core.Pod]) -> None:
        self._world = world
        self._namespace = namespace
        self.home = home
        self._replicas = world.state.replicas
        # Each use by its urn, and by all that this is a part of: there may be ten thousands of both.
        self._moved: dict[str, list[Use]] = collections.defaultdict(list)
        self._moved_within: dict[str, list[Use]] = collections.defaultdict(list)
        for use in (use for pod in pods if pod.status.phase not in _FINISHED for use in _uses(pod)):
            self._moved[use.urn].append(use)
            for whole in _wholes(use.urn):
                self._moved_within[whole].append(use)

    def all(self, *, is_everybodys: bool) -> Iterator[Object]:
        """All that is known, by urn: DataObjects, and buckets of which only the stores tell."""
        told = [self._object(*key) for key in self._world.objects]
        stores = {
            (store.namespace, bucket)
            for capability in self._world.capabilities.values()
            for store in capability.status.stores
            for bucket in store.buckets
            if store.is_served and (is_everybodys or store.namespace in {"", self._namespace, self.home})
        }
        known = {(one.namespace, one.urn) for one in told}
        told += [self._bucket(namespace, bucket) for namespace, bucket in stores - known]
        yield from sorted(told, key=lambda one: (one.urn, one.namespace))

    def resolve(self, urn: str, *, is_everybodys: bool) -> Resolved:
        entry = self._replicas.resolve(self._namespace, urn, self._world.now_s)
        found_as = entry.urn if entry is not None else ""
        said = self._said(found_as) if found_as else []
        if not found_as:  # what is said of exactly this, though it tells of no copy
            said = [self._object(*key) for key in self._replicas.exactly(self._namespace, urn)]
        is_whole = urn.endswith("/") or "/" not in urn
        begin = urn if urn.endswith("/") else f"{urn}/"
        below = [one for one in self.all(is_everybodys=is_everybodys) if is_whole and one.urn.startswith(begin)]
        return Resolved(
            urn=urn,
            namespace=self._namespace,
            found_as=found_as,
            from_=_places(entry),
            expected_on=_places(entry.expected) if entry is not None else [],
            sure=entry.expected.confidence if entry is not None and entry.expected is not None else 0.0,
            size_bytes=entry.size_bytes if entry is not None and entry.urn == urn else None,
            objects=said,
            below=[one for one in below if one.urn != urn],
            pods=self.moving(urn),
        )

    def moving(self, urn: str) -> list[Use]:
        """The pods that move data of that name, then those that move some of it, then what it is a part of."""
        wholes = [use for whole in _wholes(urn) for use in self._moved.get(whole, ())]
        return [*self._moved.get(urn, ()), *self._moved_within.get(urn, ()), *wholes]

    def _said(self, urn: str) -> list[Object]:
        """What of exactly one urn counts for the namespace, in order."""
        found = [self._object(*key) for key in self._replicas.exactly(self._namespace, urn)]
        if "/" not in urn:
            first = self._replicas.speaks_in(self._namespace, urn)
            told = [self._bucket("" if first == self.home else self._namespace, urn)]
            seen = {(copy.where, copy.store) for one in found for copy in one.copies}
            for one in told:
                one.copies = [copy for copy in one.copies if (copy.where, copy.store) not in seen]
            found += [one for one in told if one.copies]
        return found

    def _object(self, namespace: str, name: str) -> Object:
        """A DataObject."""
        obj = self._world.objects[namespace, name]
        known = replicas.known_of(obj)
        declared = len(obj.spec.locations)
        sizes = [None] * declared + [copy.size_bytes for copy in obj.status.replicas]
        stores = [location.store for location in obj.spec.locations] + [""] * len(obj.status.replicas)
        copies = [
            self._copy(copy, size, "declared" if number < declared else "", stores[number])
            for number, (copy, size) in enumerate(zip(known.copies, sizes, strict=True))
        ]
        return Object(
            urn=obj.spec.urn,
            namespace="" if namespace == self.home else namespace,
            name=name,
            size_bytes=known.size_bytes,
            object_count=obj.status.object_count,
            copies=copies,
            expected=list(obj.status.expected),
        )

    def _bucket(self, namespace: str, bucket: str) -> Object:
        """A bucket, as the stores that speak for a namespace tell of it."""
        copies = [
            self._copy(copy, None, "" if copy.store else _LABEL)
            for copy in self._replicas.served.copies(namespace or self.home, bucket)
        ]
        return Object(
            urn=bucket,
            namespace=namespace,
            name="",
            size_bytes=None,
            object_count=None,
            copies=copies,
            expected=[],
        )

    def _copy(self, copy: witnesses.Copy, size_bytes: int | None, said_by: str, store: str = "") -> Copy:
        doubt = self._world.state.witnesses.doubt(copy, self._world.now_s)
        seen_s = self._world.state.witnesses.last_seen_s(copy)
        return Copy(
            where=copy.where,
            store=copy.store or store,
            said_by=said_by or self._witness(copy),
            size_bytes=size_bytes,
            age_seconds=None if seen_s is None else max(self._world.now_s - seen_s, 0.0),
            counts=doubt is None,
            why_not=doubt.message if doubt is not None else "",
        )

    def _witness(self, copy: witnesses.Copy) -> str:
        """The node whose daemon saw a copy last: its own, or the one that asks a store outside the cluster."""
        if copy.place is None:
            return copy.node
        asked = {
            name: units.time_s(store.last_probe_time) or 0.0
            for name, capability in self._world.capabilities.items()
            for store in capability.status.stores
            if store.name == copy.store and not store.is_served
        }
        return max(asked, key=lambda name: asked[name], default="")


def _places(found: replicas.Entry | replicas.Expected | None) -> list[str]:
    """The nodes and places of what was found."""
    return [] if found is None else [*found.nodes, *(crd.place_name(*place[:2]) for place in found.places)]


def _uses(pod: core.Pod) -> Iterator[Use]:
    intent = intents.parse(pod.metadata.annotations)[0]
    read = {one.urn for one in intent.inputs}
    sources = (intents.Transfer(bucket, 0) for bucket in intent.sources if bucket not in read)
    for transfers, writes in (((*intent.inputs, *sources), False), (intent.outputs, True)):
        for one in transfers:
            yield Use(pod=pod.key, node=pod.spec.node_name, writes=writes, urn=one.urn, size_bytes=one.size_bytes)


def _wholes(urn: str) -> Iterator[str]:
    """The prefixes and the bucket that a urn is a part of."""
    end = urn.rfind("/", 0, len(urn) - 1)
    while end > 0:
        begin = urn.rfind("/", 0, end)
        yield urn[: end + 1] if begin > 0 else urn[:end]
        end = begin
