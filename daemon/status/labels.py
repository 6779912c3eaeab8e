"""The node's labels ``node-capability/...``: what the NodeCapability says, for those who select nodes by labels.

They are applied on the server side, so the API server knows which labels are this daemon's: what it no longer applies
goes away, and what anybody else has set stays as it is, even where the daemon found something else. Who owns what is
read from the Node itself, so nothing has to be remembered and nothing is written that already stands there.

A declared capability wins over a found one, here as in the scheduler. Figures of links are no labels (status.links has
them): one that stayed behind on a Node would pass for an administrator's declaration and beat every measurement. What
earlier daemons wrote of them goes, as everything that is no longer applied. Nor is there a label for a store that
speaks for one namespace alone, because a label speaks to everybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from scheduler.api import core, crd, names

_PREFIX: Final = names.NODE_CAPABILITY_PREFIX
_LAST_UPDATED: Final = f"{_PREFIX}last-updated"
_OF_LINKS: Final = tuple(prefix.removeprefix(_PREFIX) for prefix in (names.BANDWIDTH_PREFIX, names.LATENCY_PREFIX))
_MAX_LENGTH: Final = 63  # of a label's name without its prefix, and of its value
_MAX_BUCKETS: Final = 100
_FALSE: Final = frozenset({"false", "False", "FALSE"})
_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_NOT_OF_A_VALUE: Final = re.compile(r"[^A-Za-z0-9_.-]+")


class _FieldsOfMeta(msgspec.Struct, frozen=True):
    labels: dict[str, Any] = msgspec.field(default_factory=dict, name="f:labels")


class _Fields(msgspec.Struct, frozen=True):
    metadata: _FieldsOfMeta = msgspec.field(default_factory=_FieldsOfMeta, name="f:metadata")


class _Manager(msgspec.Struct, frozen=True):
    manager: str = ""
    operation: str = ""
    fields: _Fields = msgspec.field(default_factory=_Fields, name="fieldsV1")


class ManagedMeta(core.ObjectMeta, frozen=True):
    """Metadata with who owns which field."""

    managed_fields: tuple[_Manager, ...] = ()


class ManagedNode(core.Node, frozen=True):
    """A Node with who owns which of its labels."""

    metadata: ManagedMeta


def without_own(node: ManagedNode, manager: str) -> ManagedNode:
    """The node as others describe it: what the daemon concludes must not become its own evidence."""
    own, others = _owners(node, manager)
    kept = {key: value for key, value in node.metadata.labels.items() if key not in own - others}
    return msgspec.structs.replace(node, metadata=msgspec.structs.replace(node.metadata, labels=kept))


def to_apply(node: ManagedNode, capability: crd.NodeCapability, *, manager: str, now: str) -> dict[str, Any] | None:
    """The Node as this daemon wants it labelled, to be applied without force; None where it is labelled so already."""
    own, others = _owners(node, manager)
    standing = {key: node.metadata.labels[key] for key in own if key in node.metadata.labels}
    wanted = {key: value for key, value in labels_of(capability).items() if key not in others}
    updated = standing.pop(_LAST_UPDATED, None)
    if wanted == standing and (updated is not None or not wanted):
        return None
    if wanted and _LAST_UPDATED not in others:
        wanted[_LAST_UPDATED] = now.replace(":", "-")
    # With the uid it is this very Node or a conflict: an apply would create one that is gone.
    meta = {"name": node.metadata.name, "uid": node.metadata.uid, "labels": wanted}
    return {"apiVersion": "v1", "kind": "Node", "metadata": meta}


def labels_of(capability: crd.NodeCapability) -> dict[str, str]:
    """Every label that the NodeCapability gives cause for, but for last-updated."""
    found = {
        **capability.status.capabilities,
        **_buckets(capability.status.stores),
        **capability.spec.declared,
    }
    found.pop(_LAST_UPDATED.removeprefix(_PREFIX), None)
    told = {name: text for name, text in found.items() if text not in _FALSE and not name.startswith(_OF_LINKS)}
    values = {name: _value(text) for name, text in told.items()}
    return {f"{_PREFIX}{name}": value for name, value in values.items() if value and _NAME.fullmatch(name)}


def _buckets(stores: Iterable[crd.Store]) -> dict[str, str]:
    """A label for each bucket that can be had here. A name that is too long for a label stands in the status only."""
    prefix = names.STORAGE_BUCKET_PREFIX.removeprefix(_PREFIX)
    shared = [store for store in stores if store.available and store.is_served and not store.namespace]
    buckets = sorted({bucket for store in shared for bucket in store.buckets})
    fitting = [bucket for bucket in buckets if len(prefix) + len(bucket) <= _MAX_LENGTH]
    return {f"{prefix}{bucket}": "true" for bucket in fitting[:_MAX_BUCKETS]}


def _value(text: str) -> str:
    """A label's value: what may not stand in one becomes a hyphen; "" where nothing is left."""
    return _NOT_OF_A_VALUE.sub("-", text).strip("-_.")[:_MAX_LENGTH].rstrip("-_.")


def _owners(node: ManagedNode, manager: str) -> tuple[set[str], set[str]]:
    """The labels that this daemon has applied, and those that anybody else has set."""
    own: set[str] = set()
    others: set[str] = set()
    for entry in node.metadata.managed_fields:
        labels = {key.removeprefix("f:") for key in entry.fields.metadata.labels}
        (own if entry.manager == manager and entry.operation == "Apply" else others).update(labels)
    return own, others
