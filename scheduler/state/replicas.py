"""Where each urn lies: DataObjects, and the buckets that nodes say they serve, resolved by the longest match.

A urn is ``bucket`` or ``bucket/key``. It resolves to the key's own DataObject, else to the longest prefix
(``bucket/a/b/``) that has one, else to the bucket; at equal length the pod's namespace comes before the scheduler's,
and no other namespace is ever looked at, so nobody can move another namespace's pods. An object that no store can hand
out at present is passed over for the next shorter one. Where no DataObject knows a bucket, the nodes whose
NodeCapability or label names it are its replicas.

Data can lie on a node or, for a store outside the cluster, at a place (region and zone). Whether a node stores the
bytes or serves what others hold makes no difference: what counts is from where they can be had.

An object that nobody can hand out, but that a pod is about to write, is not passed over without a trace: what is found
instead carries the expectation, and the engine weighs the two.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from scheduler.api import crd, names
from scheduler.state import network

Places = tuple[network.Site, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """Where data is to be written, and how sure that is (0..1)."""

    nodes: tuple[str, ...]
    places: Places
    confidence: float


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a urn.

    Attributes:
        urn: Of the object that was found; a bucket, ``bucket/prefix/`` or ``bucket/key``.
        size_bytes: The pinned size, else the size seen (or expected), else None.
        nodes: Names of the nodes from which the data can be had now, in the order given.
        places: Places outside the cluster from which it can be had.
        expected: Where it will be instead; ``nodes`` and ``places`` are then those of the next shorter match.
    """

    urn: str
    size_bytes: int | None
    nodes: tuple[str, ...]
    places: Places = ()
    expected: Expected | None = None


def entry_of(obj: crd.DataObject) -> Entry:
    """Reduce a DataObject to what placement needs: declared locations, available replicas and expectations."""
    available = [replica for replica in obj.status.replicas if replica.available]
    nodes = dict.fromkeys(location.node for location in obj.spec.locations)
    nodes.update(dict.fromkeys(replica.node for replica in available if replica.node != names.EXTERNAL))
    size_bytes = obj.status.size_bytes if obj.spec.size_bytes is None else obj.spec.size_bytes
    promised = obj.status.expected
    if size_bytes is None:
        size_bytes = max((one.size_bytes for one in promised if one.size_bytes is not None), default=None)
    return Entry(
        urn=obj.spec.urn,
        size_bytes=size_bytes,
        nodes=tuple(nodes),
        places=_places(available),
        expected=Expected(
            nodes=tuple(dict.fromkeys(one.node for one in promised if one.node != names.EXTERNAL)),
            places=_places(promised),
            confidence=max(one.confidence for one in promised),
        )
        if promised
        else None,
    )


class ReplicaTable:
    """All known locations. Names, not indices: nodes come and go without touching it.

    Args:
        home_namespace: Whose DataObjects every pod may use.
        nodes: The nodes there are now; a replica elsewhere cannot be had.
    """

    def __init__(self, home_namespace: str, nodes: Container[str]) -> None:
        self._home = home_namespace
        self._nodes = nodes
        self._entries: dict[tuple[str, str], dict[str, Entry]] = {}  # (namespace, urn) -> object name -> entry
        self._urn_of: dict[tuple[str, str], str] = {}  # (namespace, object name) -> urn
        self._claims: dict[tuple[str, str], frozenset[str]] = {}  # (node name, source) -> buckets
        self._served: dict[str, dict[str, int]] = {}  # bucket -> node name -> how many sources say so

    def apply(self, obj: crd.DataObject) -> None:
        """Add or replace a DataObject."""
        namespace, name = obj.metadata.namespace, obj.metadata.name
        self.remove(namespace, name)
        entry = entry_of(obj)
        self._urn_of[namespace, name] = entry.urn
        self._entries.setdefault((namespace, entry.urn), {})[name] = entry

    def remove(self, namespace: str, name: str) -> None:
        """Forget a DataObject; an unknown one is no error."""
        urn = self._urn_of.pop((namespace, name), None)
        if urn is not None:
            entries = self._entries[namespace, urn]
            del entries[name]
            if not entries:
                del self._entries[namespace, urn]

    def serve(self, node: str, source: str, buckets: frozenset[str]) -> None:
        """Replace the buckets that a node serves according to one source (its labels, its NodeCapability)."""
        before = self._claims.pop((node, source), frozenset())
        if buckets:
            self._claims[node, source] = buckets
        for bucket in buckets - before:
            nodes = self._served.setdefault(bucket, {})
            nodes[node] = nodes.get(node, 0) + 1
        for bucket in before - buckets:
            nodes = self._served[bucket]
            nodes[node] -= 1
            if not nodes[node]:
                del nodes[node]
            if not nodes:
                del self._served[bucket]

    def exactly(self, namespace: str, urn: str) -> list[tuple[str, str]]:
        """The DataObjects of exactly this urn that count for a namespace's pods, in order: namespace and name."""
        return [(home, name) for home in self._homes(namespace) for name in sorted(self._entries.get((home, urn), ()))]

    def knows_bucket(self, namespace: str, bucket: str) -> bool:
        """Whether a DataObject or a node speaks of the bucket, available now or not."""
        return bucket in self._served or any((home, bucket) in self._entries for home in self._homes(namespace))

    def resolve(self, namespace: str, urn: str) -> Entry | None:
        """Find where a urn can be had from now, on nodes that there are, or will be; None when nothing is known."""
        promised: Entry | None = None
        for entry in self._matches(namespace, urn):
            here = self._reachable(entry)
            if here.nodes or here.places:
                if promised is None:
                    return here if here.expected is None else dataclasses.replace(here, expected=None)
                return dataclasses.replace(promised, nodes=here.nodes, places=here.places)
            if promised is None and here.expected is not None:
                promised = here
        return promised

    def stores(self, namespace: str, urn: str) -> Entry | None:
        """Find the stores to which an output can be written: those of its bucket, else wherever the urn lies."""
        return self.resolve(namespace, urn.partition("/")[0]) or self.resolve(namespace, urn)

    def _homes(self, namespace: str) -> tuple[str, ...]:
        return (namespace, self._home) if namespace != self._home else (namespace,)

    def _matches(self, namespace: str, urn: str) -> Iterator[Entry]:
        """All that may be said of a urn, best first."""
        homes = self._homes(namespace)
        for candidate in _candidates(urn):
            for home in homes:
                for _, entry in sorted(self._entries.get((home, candidate), {}).items()):
                    yield entry
        bucket = urn.partition("/")[0]
        yield Entry(urn=bucket, size_bytes=None, nodes=tuple(sorted(self._served.get(bucket, ()))))

    def _reachable(self, entry: Entry) -> Entry:
        """The entry without nodes that there are not, neither now nor as expected ones."""
        nodes, expected = self._present(entry.nodes), entry.expected
        if expected is not None:
            there = self._present(expected.nodes)
            if not there and not expected.places:
                expected = None
            elif there is not expected.nodes:
                expected = dataclasses.replace(expected, nodes=there)
        if nodes is entry.nodes and expected is entry.expected:
            return entry
        return dataclasses.replace(entry, nodes=nodes, expected=expected)

    def _present(self, nodes: tuple[str, ...]) -> tuple[str, ...]:
        present = tuple(node for node in nodes if node in self._nodes)
        return nodes if len(present) == len(nodes) else present


def _places(copies: Iterable[crd.Replica | crd.Expected]) -> Places:
    outside = (network.Site(copy.region, copy.zone, "") for copy in copies if copy.node == names.EXTERNAL)
    return tuple(dict.fromkeys(outside))


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
