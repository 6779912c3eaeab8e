"""What somebody has a DataObject for, as far as one store has to do with it.

A store hears of what it is asked for. One that speaks for its own namespace alone must not learn from its log which
keys others name in a bucket of the same name, so it is asked for nothing else than what is named where it counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from daemon.stores import model
from scheduler.api import crd


class Objects(Protocol):
    """The DataObjects that concern this node."""

    @property
    def by_place(self) -> Mapping[tuple[str, str], crd.DataObject]: ...

    def with_urn(self, urn: str) -> Iterable[crd.DataObject]: ...

    def in_bucket(self, bucket: str) -> Iterable[crd.DataObject]: ...


class Named:
    """The urns that are named where ``store`` counts."""

    def __init__(self, objects: Objects, store: model.Store) -> None:
        self._objects = objects
        self._store = store

    def has(self, urn: str) -> bool:
        return any(self._counts(item) for item in self._objects.with_urn(urn))

    def urns(self, bucket: str) -> set[str]:
        """Those of keys and prefixes in ``bucket``."""
        found = self._objects.in_bucket(bucket)
        return {item.spec.urn for item in found if "/" in item.spec.urn and self._counts(item)}

    def all(self) -> Iterable[str]:
        return (item.spec.urn for item in self._objects.by_place.values() if self._counts(item))

    def _counts(self, item: crd.DataObject) -> bool:
        return self._store.counts_in(item.metadata.namespace)
