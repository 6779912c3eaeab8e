"""Where each urn lies: DataObjects, and the buckets that nodes say they serve, resolved by the longest match.

A urn is ``bucket`` or ``bucket/key``. It resolves to the key's own DataObject, else to the longest prefix
(``bucket/a/b/``) that has one, else to the bucket; at equal length the pod's namespace comes before the scheduler's,
and no other namespace is ever looked at, so nobody can move another namespace's pods. What NodeCapabilities and labels
say of who serves a bucket stands beside that bucket's DataObjects and counts where those know of no copy that can be
had: that of a namespace's own stores beside its own objects, that of everybody's beside the scheduler's.

The first of these that knows of any copy is the answer, even if none of its copies can be had now: a key that is known
to lie on a store that is down is not in another store just because that one has its bucket. What knows of no copy at
all is passed over. Which copies can be had is decided when it is asked (scheduler.state.witnesses), and the answer is
kept for as long as it rests on the same (scheduler.state.answers).

Data can lie on a node or, for a store outside the cluster, at a place (region and zone). Whether a node stores the
bytes or serves what others hold makes no difference: what counts is from where they can be had.

An object that nobody can hand out, but that a pod is about to write, is not passed over without a trace: what is found
instead carries the expectation, and the engine weighs the two.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from scheduler.api import copies, crd, names, units
from scheduler.state import answers, network, served, storage, witnesses

Places = tuple[network.Site, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """Where data is to be written, and how sure that is (0..1)."""

    nodes: tuple[str, ...]
    places: Places
    confidence: float


@dataclass(frozen=True, slots=True)
class Known:
    """What one DataObject says of a urn, or nodes of a bucket.

    Attributes:
        urn: A bucket, ``bucket/prefix/`` or ``bucket/key``.
        size_bytes: The pinned size, else that of the content of today (or expected), else None.
        copies: In the order given; those that cannot be had among them.
        expected: Where a pod will write it.
    """

    urn: str
    size_bytes: int | None
    copies: tuple[witnesses.Copy, ...]
    expected: Expected | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """A copy that does not count, and why."""

    copy: witnesses.Copy
    doubt: witnesses.Doubt


class Entry(NamedTuple):
    """Where a urn can be had.

    Attributes:
        urn, size_bytes: Of what was found; see Known.
        nodes: Names of the nodes from which the data can be had now, in the order given.
        places: Places outside the cluster from which it can be had.
        expected: Where it will be instead; ``nodes`` and ``places`` are then those of the next shorter match.
        absent: The copies that are known there and do not count.
    """

    urn: str
    size_bytes: int | None
    nodes: tuple[str, ...] = ()
    places: Places = ()
    expected: Expected | None = None
    absent: tuple[Absent, ...] = ()

    @property
    def is_there(self) -> bool:
        """Whether it can be had now."""
        return bool(self.nodes or self.places)

    @property
    def has_place(self) -> bool:
        """Whether it can be had now or will be."""
        return self.is_there or self.expected is not None


def known_of(obj: crd.DataObject) -> Known:
    """Reduce a DataObject to what placement needs: declared locations, copies and expectations."""
    status = obj.status
    todays = copies.current(status.replicas)
    promised = status.expected
    sizes = [copy.size_bytes for copy in todays if copy.etag and copy.size_bytes is not None]
    size_bytes = max(sizes) if sizes else status.size_bytes
    if obj.spec.size_bytes is not None:
        size_bytes = obj.spec.size_bytes
    if size_bytes is None:
        size_bytes = max((one.size_bytes for one in promised if one.size_bytes is not None), default=None)
    declared = (witnesses.Copy(node=location.node) for location in obj.spec.locations)
    seen = (_copy(copy, is_todays=len(todays) == len(status.replicas) or copy in todays) for copy in status.replicas)
    return Known(
        urn=obj.spec.urn,
        size_bytes=size_bytes,
        copies=(*declared, *seen),
        expected=Expected(
            nodes=tuple(dict.fromkeys(one.node for one in promised if one.node != names.EXTERNAL)),
            places=tuple(dict.fromkeys(_site(one) for one in promised if one.node == names.EXTERNAL)),
            confidence=max(one.confidence for one in promised),
        )
        if promised
        else None,
    )


class ReplicaTable:
    """All known locations. Names, not indices: nodes come and go without touching it.

    Args:
        home_namespace: Whose DataObjects every pod may use.
        seen: Which copies can be had.
    """

    def __init__(self, home_namespace: str, seen: witnesses.Witnesses) -> None:
        self._home = home_namespace
        self.witnesses = seen
        self._known: dict[tuple[str, str], dict[str, Known]] = {}  # (namespace, urn) -> object name -> what it says
        self._urn_of: dict[tuple[str, str], str] = {}  # (namespace, object name) -> urn
        self._answers: answers.Answers[Entry] = answers.Answers()
        self.served = served.ServedTable(home_namespace, self._served_changed)
        self.storage = storage.LocalStorage(self.served, seen)
        seen.tell(self._place_changed)

    def apply(self, obj: crd.DataObject) -> bool:
        """Add or replace a DataObject; returns whether it says something else than before."""
        namespace, name = obj.metadata.namespace, obj.metadata.name
        known = known_of(obj)
        before = self._urn_of.get((namespace, name))
        if before is not None and self._known[namespace, before][name] == known:
            return False
        self.remove(namespace, name)
        self._urn_of[namespace, name] = known.urn
        self._known.setdefault((namespace, known.urn), {})[name] = known
        self._answers.forget_bucket(_bucket(known.urn))
        return True

    def remove(self, namespace: str, name: str) -> bool:
        """Forget a DataObject; returns whether it was known."""
        urn = self._urn_of.pop((namespace, name), None)
        if urn is None:
            return False
        by_name = self._known[namespace, urn]
        del by_name[name]
        if not by_name:
            del self._known[namespace, urn]
        self._answers.forget_bucket(_bucket(urn))
        return True

    def newest_s(self) -> float:
        """When the latest copy was seen; 0 without any."""
        seen = (
            copy.seen_s
            for by_name in self._known.values()
            for known in by_name.values()
            for copy in known.copies
            if copy.seen_s is not None
        )
        return max(seen, default=0.0)

    def exactly(self, namespace: str, urn: str) -> list[tuple[str, str]]:
        """The DataObjects of exactly this urn that count for a namespace's pods, in order: namespace and name.

        Where the namespace knows of the bucket by itself, the home namespace's tell of another bucket.
        """
        is_own = self.speaks_in(namespace, _bucket(urn)) == namespace
        homes = (namespace,) if is_own else self._homes(namespace)
        return [(home, name) for home in homes for name in sorted(self._known.get((home, urn), ()))]

    def doubts(self, namespace: str, name: str, now_s: float) -> tuple[Absent, ...]:
        """The copies that a DataObject knows of and that do not count at a time."""
        urn = self._urn_of.get((namespace, name))
        return () if urn is None else self._judge(self._known[namespace, urn][name], now_s, answers.Basis()).absent

    def speaks_in(self, namespace: str, bucket: str) -> str | None:
        """In which namespace stands what counts first for a namespace's pods of a bucket; None where nothing does."""
        homes = self._homes(namespace)
        return next((one for one in homes if (one, bucket) in self._known or self.served.knows(one, bucket)), None)

    def resolve(self, namespace: str, urn: str, now_s: float) -> Entry | None:
        """Find where a urn can be had at a time, or will be; None when nothing is known of any copy."""
        bucket = _bucket(urn)
        kept = self._answers.get(bucket, (namespace, urn), now_s)
        if kept is not None:
            return kept[0]
        basis = answers.Basis()
        found = self._resolve(namespace, urn, now_s, basis)
        self._answers.put(bucket, (namespace, urn), found, basis)
        return found

    def stores(self, namespace: str, urn: str, now_s: float) -> Entry | None:
        """Find the stores to which an output can be written: those of its bucket, else wherever the urn lies."""
        bucket = self.resolve(namespace, _bucket(urn), now_s)
        if bucket is not None and bucket.has_place:
            return bucket
        own = self.resolve(namespace, urn, now_s)
        return own if own is not None and (own.has_place or bucket is None) else bucket

    def _resolve(self, namespace: str, urn: str, now_s: float, basis: answers.Basis) -> Entry | None:
        promised: Entry | None = None
        for candidate in _candidates(urn):
            for home in self._homes(namespace):
                absent: list[Absent] = []
                for known in self._said(home, candidate):
                    here = self._judge(known, now_s, basis)
                    if here.is_there:
                        if promised is None:
                            return here
                        return promised._replace(nodes=here.nodes, places=here.places, absent=here.absent)
                    if promised is None and (expected := self._coming(known.expected, basis)) is not None:
                        promised = Entry(known.urn, known.size_bytes, expected=expected)
                    absent += here.absent
                if absent:
                    return (promised or Entry(candidate, None))._replace(absent=tuple(absent))
        return promised

    def _homes(self, namespace: str) -> tuple[str, ...]:
        return (namespace, self._home) if namespace != self._home else (namespace,)

    def _said(self, home: str, urn: str) -> Iterator[Known]:
        """All that counts for a namespace and is said of exactly this urn, best first."""
        by_name = self._known.get((home, urn))
        if by_name is not None:
            yield from by_name.values() if len(by_name) == 1 else [by_name[name] for name in sorted(by_name)]
        if serving := self.served.copies(home, urn):  # a bucket
            yield Known(urn, None, serving)

    def _judge(self, known: Known, now_s: float, basis: answers.Basis) -> Entry:
        """What can be had of it, and why the rest cannot."""
        nodes: dict[str, None] = {}
        places: dict[network.Site, None] = {}
        absent = []
        judge, looked_at = self.witnesses.judge, basis.places
        for copy in known.copies:
            doubt, span = judge(copy, now_s)
            looked_at.add(copy.node)
            if span is not answers.ALWAYS:
                basis.span &= span
            if doubt is not None:
                absent.append(Absent(copy, doubt))
            elif copy.place is None:
                nodes[copy.node] = None
            else:
                places[copy.place] = None
        return Entry(known.urn, known.size_bytes, tuple(nodes), tuple(places), absent=tuple(absent))

    def _coming(self, expected: Expected | None, basis: answers.Basis) -> Expected | None:
        """The expectation without nodes on which nothing can be written now; None where none is left."""
        if expected is None:
            return None
        basis.places.update(expected.nodes)
        nodes = tuple(node for node in expected.nodes if self.witnesses.is_ready(node))
        return dataclasses.replace(expected, nodes=nodes) if nodes or expected.places else None

    def _place_changed(self, place: str) -> None:
        self._answers.forget_place(place)
        self.storage.look_again(place)

    def _served_changed(self, node: str, buckets: AbstractSet[str]) -> None:
        for bucket in buckets:
            self._answers.forget_bucket(bucket)
        self.storage.look_again(node)


def _bucket(urn: str) -> str:
    return urn.partition("/")[0]


def _copy(seen: crd.Replica, *, is_todays: bool) -> witnesses.Copy:
    doubt = None if seen.available else witnesses.Doubt.UNAVAILABLE
    return witnesses.Copy(
        node=seen.node,
        store=seen.store,
        place=_site(seen) if seen.node == names.EXTERNAL else None,
        seen_s=units.time_s(seen.last_probe_time),
        doubt=doubt if is_todays else witnesses.Doubt.STALE_COPY,
    )


def _site(copy: crd.Replica | crd.Expected) -> network.Site:
    return network.Site(copy.region, copy.zone, "")


def _candidates(urn: str) -> Iterator[str]:
    yield urn
    end = len(urn)
    while (slash := urn.rfind("/", 0, end)) > 0:
        if slash + 1 < len(urn):
            yield urn[: slash + 1]
        end = slash
    bucket = urn[:end] if end > 0 else urn
    if bucket != urn:
        yield bucket
