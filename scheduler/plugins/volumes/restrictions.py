"""VolumeRestrictions: some disks take one pod of a node, unless all only read; some claims one pod of the cluster.

How often a claim of one pod alone is in use is counted once for each such claim, whoever uses it; pods that are
thought to come or go count for each volume that names a claim so, of whatever namespace, as upstream has it.

Source: pkg/scheduler/framework/plugins/volumerestrictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from scheduler import config
from scheduler.api import core, volumes
from scheduler.plugins import contract, events, request
from scheduler.plugins.volumes import reading
from scheduler.state import changes, snapshot
from scheduler.state.volumes import use

_TAKEN: Final = contract.Refusal(contract.Code.UNSCHEDULABLE, ("node(s) had no available disk",))
_IN_USE: Final = "already in-use by another pod"
_HELD: Final = contract.Refusal(
    contract.Code.UNSCHEDULABLE,
    (f"node(s) unavailable due to PersistentVolumeClaim with {volumes.READ_WRITE_ONCE_POD} access mode {_IN_USE}",),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The pod's disks, and the claims that it names."""

    namespace: str
    disks: tuple[use.DiskUse, ...]
    named: tuple[str, ...]
    checks_disks: bool


class Resolved(NamedTuple):
    """Its disks, its claims that only one pod may use, and how many of these are in use."""

    disks: tuple[use.DiskUse, ...]
    alone: frozenset[str]
    held: int


def _compile(pod: request.PodRequest, _settings: config.Settings) -> Asked | None:
    disks = tuple(use.disks_of(pod.pod))
    claims = reading.claims(pod)
    named = claims.named if claims is not None else ()
    checks_disks = bool(disks) or any(volume.rbd is not None for volume in pod.pod.spec.volumes)
    return Asked(pod.pod.metadata.namespace, disks, named, checks_disks) if checks_disks or named else None


def _resolve(asked: Asked, view: snapshot.Snapshot) -> Resolved | contract.Refuse | None:
    alone = set()
    for name in asked.named:
        claim = view.storage.claim(asked.namespace, name)
        if claim is None:
            return contract.Refuse(reading.not_found(name))
        if volumes.READ_WRITE_ONCE_POD in claim.spec.access_modes:
            alone.add(name)
    held = sum((asked.namespace, name) in view.storage.use.claims for name in alone)
    return None if not asked.checks_disks and not held else Resolved(asked.disks, frozenset(alone), held)


def _rows(asked: Resolved, view: snapshot.Snapshot) -> contract.Verdict | None:
    taken = np.zeros(view.size, np.bool_)
    for disk, read_only in asked.disks:
        for slot, (writers, _) in view.storage.use.disks.get(disk, {}).items():
            taken[slot] |= bool(writers) or not read_only
    if not asked.held:
        return contract.refuse(taken, _TAKEN)
    return contract.Verdict(
        code=np.full(view.size, contract.Code.UNSCHEDULABLE, np.int8),
        reason=np.where(taken, 0, 1).astype(np.int32),
        reasons=(_TAKEN.reasons, _HELD.reasons),
    )


def _cell(asked: Resolved, view: snapshot.Snapshot, slot: int, delta: contract.Delta) -> contract.Refusal | None:
    held = asked.held
    moved: dict[use.Disk, tuple[int, int]] = {}
    for placed, sign in delta.moves:
        held += sign * _named(placed.pod, asked.alone)
        for disk, read_only in use.disks_of(placed.pod):
            writers, readers = moved.get(disk, (0, 0))
            moved[disk] = (writers, readers + sign) if read_only else (writers + sign, readers)
    for disk, read_only in asked.disks:
        writers, readers = view.storage.use.disks.get(disk, {}).get(slot, (0, 0))
        more_writers, more_readers = moved.get(disk, (0, 0))
        if writers + more_writers > 0 or (readers + more_readers > 0 and not read_only):
            return _TAKEN
    return _HELD if held > 0 else None


def _named(pod: core.Pod, claims: frozenset[str]) -> int:
    sources = (volume.persistent_volume_claim for volume in pod.spec.volumes)
    return sum(source is not None and source.claim_name in claims for source in sources)


def _clash(disks: tuple[use.DiskUse, ...], others: list[use.DiskUse]) -> bool:
    return any(
        mine.disk == other.disk and not (mine.read_only and other.read_only) for mine in disks for other in others
    )


def _wakes(event: events.Event, asked: Asked) -> bool:
    match event:
        case events.AssignedPodChanged(core.Pod() as gone, None):
            return gone.metadata.namespace == asked.namespace and (
                _clash(asked.disks, list(use.disks_of(gone))) or _named(gone, frozenset(asked.named)) > 0
            )
        case events.NodeChanged(None, _):
            return True
        case _:
            claim = reading.came(event)
            return (
                isinstance(claim, volumes.PersistentVolumeClaim)
                and claim.metadata.namespace == asked.namespace
                and claim.metadata.name in asked.named
            )


FILTER: Final = contract.Filter(
    name="VolumeRestrictions",
    compile=_compile,
    resolve=_resolve,
    rows=_rows,
    cell=_cell,
    eases=lambda _: True,
    facets=changes.MOUNTS | changes.ALIVE,
    wakes=_wakes,
)
