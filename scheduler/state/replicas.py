"""Where each urn lies: DataObjects, and the buckets that nodes say they serve, resolved by the longest match.

A urn is ``bucket`` or ``bucket/key``. It resolves to the key's own DataObject, else to the longest prefix
(``bucket/a/b/``) that has one, else to the bucket; at equal length the pod's namespace comes before the scheduler's,
and no other namespace is ever looked at, so nobody can move another namespace's pods. An object that no store can hand
out at present is passed over for the next shorter one. Where no DataObject knows a bucket, the nodes whose
NodeCapability or label names it are its replicas.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

from scheduler.api import crd


@dataclass(frozen=True, slots=True)
class Entry:
    """What one DataObject says.

    Attributes:
        urn: As declared; a bucket, ``bucket/prefix/`` or ``bucket/key``.
        size_bytes: The pinned size, else the size seen, else None.
        nodes: Names of the nodes from which the data can be had now, in the order given.
    """

    urn: str
    size_bytes: int | None
    nodes: tuple[str, ...]


def entry_of(obj: crd.DataObject) -> Entry:
    """Reduce a DataObject to what placement needs: declared locations and available replicas."""
    nodes = dict.fromkeys(location.node for location in obj.spec.locations)
    nodes.update(dict.fromkeys(replica.node for replica in obj.status.replicas if replica.available))
    pinned = obj.spec.size_bytes
    return Entry(
        urn=obj.spec.urn,
        size_bytes=obj.status.size_bytes if pinned is None else pinned,
        nodes=tuple(nodes),
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

    def names(self) -> list[tuple[str, str]]:
        """Namespace and name of every known DataObject."""
        return list(self._urn_of)

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

    def resolve(self, namespace: str, urn: str) -> Entry | None:
        """Find where a urn can be had from now, on nodes that there are; None when no such place is known."""
        homes = (namespace, self._home) if namespace != self._home else (namespace,)
        for candidate in _candidates(urn):
            for home in homes:
                for _, entry in sorted(self._entries.get((home, candidate), {}).items()):
                    found = self._reachable(entry)
                    if found is not None:
                        return found
        bucket = urn.partition("/")[0]
        return self._reachable(Entry(urn=bucket, size_bytes=None, nodes=tuple(sorted(self._served.get(bucket, ())))))

    def stores(self, namespace: str, urn: str) -> Entry | None:
        """Find the stores to which an output can be written: those of its bucket, else wherever the urn lies."""
        return self.resolve(namespace, urn.partition("/")[0]) or self.resolve(namespace, urn)

    def _reachable(self, entry: Entry) -> Entry | None:
        nodes = tuple(node for node in entry.nodes if node in self._nodes)
        if len(nodes) == len(entry.nodes):
            return entry if nodes else None
        return Entry(urn=entry.urn, size_bytes=entry.size_bytes, nodes=nodes) if nodes else None


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
