"""NodeVolumeLimits: a node takes no more volumes of a CSI driver than the driver says.

Pods of which nobody uses the volumes yet ask the same, whatever the volumes are called, so that they share their rows.

Source: pkg/scheduler/framework/plugins/nodevolumelimits/csi.go.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from scheduler import config
from scheduler.api import core, migration, sources, volumes
from scheduler.plugins import contract, events, request
from scheduler.plugins.volumes import reading
from scheduler.state import changes, snapshot
from scheduler.state.volumes import mounts, use

_FULL: Final = contract.Refusal(contract.Code.UNSCHEDULABLE, ("node(s) exceed max volume count",))


@dataclass(frozen=True, slots=True)
class Asked:
    """The pod's claims, and the volumes of old plugins that it names itself."""

    claims: reading.Asked | None
    inline: tuple[sources.Volume, ...]
    pod: core.Pod = field(compare=False)


class Wanted(NamedTuple):
    """A volume; its handle is a number where no node has it, nor is kept for a pod that has."""

    driver: str
    handle: str | int
    must_run: bool  # the driver


class Part(NamedTuple):
    """The volumes that count, or why they cannot be told."""

    wanted: tuple[Wanted, ...]
    problem: mounts.Problem | None


class Resolved(NamedTuple):
    """What counts on a node of which drivers have said something, and on another."""

    known: Part
    bare: Part


def _compile(pod: request.PodRequest, _settings: config.Settings) -> Asked | None:
    claims = reading.claims(pod)
    inline = tuple(volume for volume in pod.pod.spec.volumes if migration.is_inline(volume))
    return Asked(claims, inline, pod.pod) if claims is not None or inline else None


def _resolve(asked: Asked, view: snapshot.Snapshot) -> Resolved | None:
    found = mounts.of_pod(asked.pod, view.storage, is_new=True)
    known = bare = _part(found, view)
    if isinstance(found, mounts.Problem) or any(mount.is_moved for mount in found):
        bare = _part(mounts.of_pod(asked.pod, view.storage, is_new=True, has_drivers=False), view)
    return Resolved(known, bare) if any(known) or any(bare) else None


def _part(found: list[mounts.Mount] | mounts.Problem, view: snapshot.Snapshot) -> Part:
    if isinstance(found, mounts.Problem):
        return Part((), found)
    wanted = []
    expected = _expected(view) if view.nominated_pods else ()
    for number, mount in enumerate(sorted(found)):
        driver = view.storage.driver(mount.driver)
        volume = (mount.driver, mount.handle)
        is_held = volume in view.storage.use.holders or volume in expected
        must_run = driver is not None and driver.spec.prevent_pod_scheduling_if_missing
        wanted.append(Wanted(mount.driver, mount.handle if is_held else number, must_run))
    return Part(tuple(wanted), None)


def _expected(view: snapshot.Snapshot) -> set[use.Volume]:
    """The volumes of pods that nodes are kept for."""
    found = (mounts.of_pod(pod, view.storage, is_new=False) for pod in view.nominated_pods.values())
    return {(one.driver, one.handle) for each in found if not isinstance(each, mounts.Problem) for one in each}


def _rows(asked: Resolved, view: snapshot.Snapshot) -> contract.Verdict | None:
    code, reason = np.zeros(view.size, np.int8), np.zeros(view.size, np.int32)
    reasons: list[tuple[str, ...]] = []
    for mask, refusal in _refused(asked, view):
        here = mask & view.alive & (code == contract.Code.SUCCESS)
        if here.any():
            code[here], reason[here] = refusal.code, len(reasons)
            reasons.append(refusal.reasons)
    return contract.Verdict(code, reason, tuple(reasons)) if reasons else None


def _refused(asked: Resolved, view: snapshot.Snapshot) -> Iterator[tuple[contract.Mask, contract.Refusal]]:
    """Nodes that are refused, if not by what comes before."""
    drivers = view.storage.drivers
    drivers.catch_up(view.names, view.alive)
    for mask, part in ((drivers.speak, asked.known), (~drivers.speak, asked.bare)):
        if part.problem is not None:
            yield mask, _untold(part.problem)
        for one in part.wanted:
            if one.must_run:
                driver = drivers.of(one.driver)
                yield mask if driver is None else mask & ~driver.runs, _missing(one.driver)
    wanted = asked.known.wanted
    if not wanted:
        return
    by_message: dict[str, list[int]] = {}
    for slot, problems in view.storage.use.problems.items():
        by_message.setdefault(next(iter(problems.values())), []).append(slot)
    for message, slots in by_message.items():
        yield drivers.limit & _among(slots, view.size), contract.Refusal(contract.Code.ERROR, (message,))
    for name in dict.fromkeys(one.driver for one in wanted):
        driver = drivers.of(name)
        if driver is not None:
            new = np.zeros(view.size, np.int64)
            for one in wanted:
                if one.driver == name:
                    held = view.storage.use.holders.get((name, one.handle), ()) if isinstance(one.handle, str) else ()
                    new += ~_among(list(held), view.size)
            yield (new > 0) & (new > driver.left), _FULL


def _among(slots: list[int], size: int) -> contract.Mask:
    mask = np.zeros(size, np.bool_)
    mask[slots] = True
    return mask


def _cell(asked: Resolved, view: snapshot.Snapshot, slot: int, delta: contract.Delta) -> contract.Refusal | None:
    if not view.alive.item(slot):
        return None
    csi_node = view.storage.csi_node(view.names[slot])
    wanted, problem = asked.bare if csi_node is None else asked.known
    if problem is not None:
        return _untold(problem)
    drivers = csi_node.spec.drivers if csi_node is not None else ()
    for one in wanted:
        if one.must_run and all(driver.name != one.driver for driver in drivers):
            return _missing(one.driver)
    limits = {one.name: one.allocatable.count for one in drivers if one.allocatable.count is not None}
    return _counted(wanted, limits, view, slot, delta) if limits and wanted else None


def _untold(problem: mounts.Problem) -> contract.Refusal:
    code = contract.Code.UNRESOLVABLE if problem.is_missing else contract.Code.ERROR
    return contract.Refusal(code, (problem.message,))


def _missing(driver: str) -> contract.Refusal:
    return contract.Refusal(contract.Code.UNSCHEDULABLE, (f"{driver} CSI driver is not installed on the node",))


def _counted(
    wanted: tuple[Wanted, ...], limits: dict[str, int], view: snapshot.Snapshot, slot: int, delta: contract.Delta
) -> contract.Refusal | None:
    here = view.storage.use
    mounted, problems = here.mounted.get(slot, {}), here.problems.get(slot, {})
    if delta.added or delta.removed:
        mounted, problems = _moved(delta, view, mounted, problems)
    if problems:
        return contract.Refusal(contract.Code.ERROR, (next(iter(problems.values())),))
    new = collections.Counter(one.driver for one in wanted if (one.driver, one.handle) not in mounted)
    taken = here.attached(mounted, view.names[slot])
    if any(driver in limits and taken[driver] + count > limits[driver] for driver, count in new.items()):
        return _FULL
    return None


def _moved(
    delta: contract.Delta, view: snapshot.Snapshot, mounted: Mapping[use.Volume, int], problems: Mapping[str, str]
) -> tuple[dict[use.Volume, int], dict[str, str]]:
    """What is in use, and what cannot be told, once pods have come or gone."""
    held, untold = collections.Counter(mounted), dict(problems)
    for placed, sign in delta.moves:
        found = mounts.of_pod(placed.pod, view.storage, is_new=False)
        if not isinstance(found, mounts.Problem):
            for volume in {(one.driver, one.handle) for one in found}:
                held[volume] += sign
        elif sign > 0:
            untold[placed.pod.metadata.uid] = found.message
        else:
            untold.pop(placed.pod.metadata.uid, None)
    return +held, untold


def _eases(asked: Resolved) -> bool:
    """A volume that is in use is not counted, even where there are too many; without its pods, it would be."""
    return all(isinstance(one.handle, int) for part in asked for one in part.wanted)


def _wakes(event: events.Event, asked: Asked) -> bool:
    match event:
        case events.StorageChanged(None, volumes.CSINode()):
            return True
        case events.StorageChanged(volumes.CSINode() as old, volumes.CSINode() as new):
            before = _limits(old)
            return any(count > before.get(driver, 0) for driver, count in _limits(new).items())
        case events.AssignedPodChanged(core.Pod() as gone, None):
            return any(
                volume.persistent_volume_claim is not None
                or volume.ephemeral is not None
                or migration.is_inline(volume)
                for volume in gone.spec.volumes
            )
        case events.StorageChanged(None, volumes.PersistentVolumeClaim() as claim):
            return asked.claims is not None and asked.claims.has(claim)
        case events.StorageChanged(volumes.VolumeAttachment() as gone, None):
            return _detached(gone, asked)
        case _:
            return False


def _limits(csi_node: volumes.CSINode) -> dict[str, int]:
    return {driver.name: driver.allocatable.count or 0 for driver in csi_node.spec.drivers}


def _detached(gone: volumes.VolumeAttachment, asked: Asked) -> bool:
    """Whether it was attached by the driver of one of the pod's volumes, as far as that can be told cheaply."""
    if asked.claims is not None and asked.claims.named:
        return True
    stands = (migration.of_inline(volume) for volume in asked.inline)
    return any(stand is not None and (stand.problem or stand.driver == gone.spec.attacher) for stand in stands)


FILTER: Final = contract.Filter(
    name="NodeVolumeLimits",
    compile=_compile,
    resolve=_resolve,
    rows=_rows,
    cell=_cell,
    eases=_eases,
    facets=changes.MOUNTS | changes.ALIVE,
    wakes=_wakes,
)
