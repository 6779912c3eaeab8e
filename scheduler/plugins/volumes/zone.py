"""VolumeZone: a pod goes where its volumes are, by the labels of region and zone that these carry.

Only volumes behind claims that the pod names are looked at, and only on nodes with any such label. A label of a volume
may list several zones; one that cannot be read says nothing.

Source: pkg/scheduler/framework/plugins/volumezone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from scheduler import config
from scheduler.api import migration, names, volumes
from scheduler.plugins import contract, events, request
from scheduler.plugins.common import domains
from scheduler.plugins.volumes import reading
from scheduler.state import changes, labels, snapshot

_REFUSAL: Final = contract.Refusal(contract.Code.UNRESOLVABLE, ("node(s) had no available volume zone",))
_TODAY: Final = {migration.BETA_ZONE: names.ZONE_LABEL, migration.BETA_REGION: names.REGION_LABEL}
_LABELS: Final = (*_TODAY, *_TODAY.values())
_SEPARATOR: Final = "__"

Place = tuple[str, frozenset[str]]  # a label and the values that it may have
Resolved = tuple[Place, ...]


def _compile(pod: request.PodRequest, _settings: config.Settings) -> reading.Asked | None:
    asked = reading.claims(pod)
    return asked if asked is not None and asked.named else None


def _resolve(asked: reading.Asked, view: snapshot.Snapshot) -> Resolved | contract.Refuse | None:
    found: list[Place] = []
    for name in asked.named:
        volume = _volume(asked.namespace, name, view)
        if isinstance(volume, contract.Refuse):
            return volume
        if volume is not None:
            found += _places(volume)
    return tuple(found) or None


def _volume(namespace: str, name: str, view: snapshot.Snapshot) -> volumes.PersistentVolume | contract.Refuse | None:
    """The volume behind a claim; None where it is still to be chosen."""
    if not name:
        return contract.Refuse("PersistentVolumeClaim had no name")
    claim = view.storage.claim(namespace, name)
    if claim is None:
        return contract.Refuse(reading.not_found(name))
    if claim.spec.volume_name:
        volume = view.storage.volume(claim.spec.volume_name)
        return volume or contract.Refuse(f'persistentvolume "{claim.spec.volume_name}" not found')
    if not claim.class_name:
        return contract.Refuse("PersistentVolumeClaim had no pv name and storageClass name")
    found = view.storage.storage_class(claim.class_name)
    if found is None:
        return contract.Refuse(f'storageclass.storage.k8s.io "{claim.class_name}" not found')
    if found.volume_binding_mode is None:
        return contract.Refuse(f'VolumeBindingMode not set for StorageClass "{claim.class_name}"')
    if found.volume_binding_mode == volumes.WAIT_FOR_FIRST_CONSUMER:
        return None
    return contract.Refuse("PersistentVolume had no name")


def _places(volume: volumes.PersistentVolume) -> Iterator[Place]:
    for label in _LABELS:
        written = volume.metadata.labels.get(label)
        if written is not None:
            values = [value.strip() for value in written.split(_SEPARATOR)]
            if all(values):
                yield label, frozenset(values)


def _rows(asked: Resolved, view: snapshot.Snapshot) -> contract.Verdict | None:
    elsewhere = np.zeros(view.size, np.bool_)
    for label, values in asked:
        there = _among(view, label, values)
        if label in _TODAY:
            there |= ~domains.present(view, label) & _among(view, _TODAY[label], values)
        elsewhere |= ~there
    has_any = np.zeros(view.size, np.bool_)
    for label in _LABELS:
        has_any |= domains.present(view, label)
    return contract.refuse(elsewhere & has_any, _REFUSAL)


def _among(view: snapshot.Snapshot, label: str, values: frozenset[str]) -> contract.Mask:
    column = view.node_labels.column(label) or labels.Column(view.size)
    return column.among(values, view.size)


def _cell(asked: Resolved, view: snapshot.Snapshot, slot: int, _delta: contract.Delta) -> contract.Refusal | None:
    held = view.node_labels.of(slot)
    if not any(label in held for label in _LABELS):
        return None
    for label, values in asked:
        value = held.get(label)
        if value is None:
            value = held.get(_TODAY.get(label, label))
        if value is None or value not in values:
            return _REFUSAL
    return None


def _wakes(event: events.Event, asked: reading.Asked) -> bool:
    match event:
        case events.NodeChanged(old, new):
            return old is None or old.metadata.labels != new.metadata.labels
        case events.StorageChanged(old, volumes.StorageClass() as new):
            return old is None and new.volume_binding_mode == volumes.WAIT_FOR_FIRST_CONSUMER
        case events.StorageChanged(_, volumes.PersistentVolumeClaim() as new):
            return asked.names(new)
        case events.StorageChanged(old, volumes.PersistentVolume() as new):
            return not isinstance(old, volumes.PersistentVolume) or [*_places(old)] != [*_places(new)]
        case _:
            return False


FILTER: Final = contract.Filter(
    name="VolumeZone",
    compile=_compile,
    resolve=_resolve,
    rows=_rows,
    cell=_cell,
    facets=changes.LABELS | changes.ALIVE,
    wakes=_wakes,
)
