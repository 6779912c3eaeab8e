"""Who serves what: the stores that nodes have by their labels and NodeCapabilities, with their buckets, and for whom.

A store speaks for one namespace's pods or for everybody's. What speaks for everybody is kept under the scheduler's own
namespace, which every pod may use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from scheduler.state import witnesses

_NONE: Final[Mapping[str, list[witnesses.Copy]]] = {}


@dataclass(frozen=True, slots=True)
class Store:
    """What a node serves.

    Attributes:
        name: As in the NodeCapability; "" for what the node's labels say.
        namespace: Whose pods count with it; "" for everybody's.
        available: Whether whoever looks after it says that it can be had.
        buckets: What it holds, as last listed.
        is_storage: Whether it is storage for pods that ask for some, whatever it holds.
    """

    name: str
    namespace: str
    available: bool
    buckets: tuple[str, ...]
    is_storage: bool = True


class ServedTable:
    """The stores of all nodes, by namespace.

    Args:
        home_namespace: Where stands what speaks for everybody.
        changed: Told of a node that serves something else than before, with all buckets that it served or serves.
    """

    def __init__(self, home_namespace: str, changed: Callable[[str, AbstractSet[str]], None]) -> None:
        self._changed = changed
        self._home = home_namespace
        self._stores: dict[str, tuple[Store, ...]] = {}  # by node name
        # (namespace, bucket) or (namespace, None) for storage of any kind -> node name -> its stores as copies
        self._copies: dict[tuple[str, str | None], dict[str, list[witnesses.Copy]]] = {}
        self._in_order: dict[tuple[str, str | None], tuple[witnesses.Copy, ...]] = {}  # the same, as last asked for

    def serve(self, node: str, stores: tuple[Store, ...]) -> bool:
        """Replace what a node serves; returns whether it is something else."""
        before = self._stores.get(node, ())
        if stores == before:
            return False  # as nearly always: a NodeCapability is written anew every few minutes, with new times
        for key in {key for store in before for key in self._keys(store)}:
            self._in_order.pop(key, None)
            by_node = self._copies[key]
            del by_node[node]
            if not by_node:
                del self._copies[key]
        self._stores.pop(node, None)
        if stores:
            self._stores[node] = stores
        for store in stores:
            copy = witnesses.Copy(node, store.name, doubt=None if store.available else witnesses.Doubt.UNAVAILABLE)
            for key in self._keys(store):
                self._in_order.pop(key, None)
                self._copies.setdefault(key, {}).setdefault(node, []).append(copy)
        self._changed(node, {bucket for store in (*before, *stores) for bucket in store.buckets})
        return True

    def knows(self, namespace: str, bucket: str) -> bool:
        """Whether a store that speaks for a namespace has a bucket."""
        return (namespace, bucket) in self._copies

    def copies(self, namespace: str, bucket: str) -> tuple[witnesses.Copy, ...]:
        """The copies of a bucket for which stores of a namespace speak, those of nodes in the order of their names."""
        return self._of((namespace, bucket))

    def storage_on(self, namespace: str, node: str) -> Iterator[witnesses.Copy]:
        """The stores of a node that a namespace's pods may count on to be there."""
        for home in {self._home, namespace}:
            yield from self._copies.get((home, None), _NONE).get(node, ())

    def storage_nodes(self, namespace: str) -> set[str]:
        """The nodes that have such."""
        return {node for home in {self._home, namespace} for node in self._copies.get((home, None), _NONE)}

    def _of(self, key: tuple[str, str | None]) -> tuple[witnesses.Copy, ...]:
        found = self._in_order.get(key)
        if found is None:
            by_node = self._copies.get(key)
            if by_node is None:
                return ()
            found = self._in_order[key] = tuple(copy for node in sorted(by_node) for copy in by_node[node])
        return found

    def _keys(self, store: Store) -> set[tuple[str, str | None]]:
        namespace = store.namespace or self._home
        keys: set[tuple[str, str | None]] = {(namespace, bucket) for bucket in store.buckets}
        return keys | {(namespace, None)} if store.is_storage else keys
