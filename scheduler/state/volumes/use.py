"""What the pods on the nodes use: disks that may not be shared, claims of one pod alone, volumes that drivers count."""

from __future__ import annotations

import collections
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple, Protocol, TypeVar

from scheduler.api import core, sources, volumes
from scheduler.state import changes
from scheduler.state.volumes import mounts

ClaimKey = tuple[str, str]  # namespace and name
Disk = tuple[str, ...]
Volume = tuple[str, str]  # driver and handle
K = TypeVar("K")
S = TypeVar("S")


class DiskUse(NamedTuple):
    """A disk of which several pods of a node may hold only what they all read."""

    disk: Disk
    read_only: bool


class Known(mounts.Known, Protocol):
    """What is looked up."""

    def attachments(self, node: str) -> Mapping[str, volumes.VolumeAttachment]:
        """Those of a node, by name."""


class _Guest:
    """A pod on a node that uses something.

    Attributes:
        mounted: The volumes that count for drivers' limits.
        problem: Why they cannot be told; "" if they can.
    """

    __slots__ = ("mounted", "pod", "problem", "slot")

    def __init__(self, pod: core.Pod, slot: int) -> None:
        self.pod = pod
        self.slot = slot
        self.mounted: tuple[Volume, ...] = ()
        self.problem = ""


def disks_of(pod: core.Pod) -> Iterator[DiskUse]:
    """The disks of a pod; a block device of Ceph is one for each of its monitors."""
    for volume in pod.spec.volumes:
        if volume.gce_persistent_disk is not None:
            yield DiskUse(("gce", volume.gce_persistent_disk.pd_name), volume.gce_persistent_disk.read_only)
        if volume.aws_elastic_block_store is not None:
            yield DiskUse(("aws", volume.aws_elastic_block_store.volume_id), read_only=False)
        if volume.iscsi is not None:
            yield DiskUse(("iscsi", volume.iscsi.iqn), volume.iscsi.read_only)
        if volume.rbd is not None:
            for monitor in volume.rbd.monitors:
                yield DiskUse(("rbd", volume.rbd.pool, volume.rbd.image, monitor), volume.rbd.read_only)


def uses_any(pod: core.Pod) -> bool:
    """Whether a pod has a volume that counts anywhere; each has one for its token, which does not."""
    return any(volume != sources.Volume(name=volume.name) for volume in pod.spec.volumes)


class Use:
    """See the module.

    Args:
        known: Claims, volumes, classes.
        log: Where changes are noted.
        index_of: Slots by the names of nodes.

    Attributes:
        disks: By disk and slot, how many pods write and how many only read.
        claims: By claim that pods name themselves and slot, how many do.
        mounted: By slot, how many pods use each volume.
        holders: The slots of each volume.
        problems: By slot and uid, why a pod's volumes cannot be told.
    """

    def __init__(self, known: Known, log: changes.Log, index_of: Mapping[str, int]) -> None:
        self.disks: dict[Disk, dict[int, tuple[int, int]]] = {}
        self.claims: dict[ClaimKey, dict[int, int]] = {}
        self.mounted: dict[int, dict[Volume, int]] = {}
        self.holders: dict[Volume, set[int]] = {}
        self.problems: dict[int, dict[str, str]] = {}
        self._known = known
        self._log = log
        self._index_of = index_of
        self._guests: dict[str, _Guest] = {}
        self._users: dict[ClaimKey, dict[str, _Guest]] = {}
        self._claims_of: dict[str, set[ClaimKey]] = {}  # by volume

    def step(self, pod: core.Pod, slot: int, sign: int) -> bool:
        """Count a pod on a node in (sign 1) or out (sign -1); returns whether it uses anything."""
        return self._enter(pod, slot) if sign > 0 else self._leave(pod.metadata.uid)

    def _enter(self, pod: core.Pod, slot: int) -> bool:
        if not pod.spec.volumes or not uses_any(pod):
            return False
        guest = self._guests[pod.metadata.uid] = _Guest(pod, slot)
        for claim in _claims(pod):
            self._users.setdefault(claim, {})[pod.metadata.uid] = guest
        self._count_own(guest, 1)
        self._mount(guest)
        return True

    def _leave(self, uid: str) -> bool:
        guest = self._guests.pop(uid, None)
        if guest is None:
            return False
        for claim in set(_claims(guest.pod)):
            del self._users[claim][uid]
            if not self._users[claim]:
                del self._users[claim]
        self._count_own(guest, -1)
        self._unmount(guest)
        return True

    def attached(self, mounted: Mapping[Volume, int], node: str) -> collections.Counter[str]:
        """How many volumes of each driver are on a node: those in use there, as given, and those attached beside."""
        beside = set()
        for one in self._known.attachments(node).values():
            name, driver = one.spec.source.persistent_volume_name, one.spec.attacher
            volume = self._known.volume(name) if name and driver else None
            if volume is not None and volume.spec.csi is not None:
                beside.add((driver, volume.spec.csi.volume_handle))
        found = collections.Counter(driver for driver, _ in mounted)
        found.update(driver for driver, handle in beside if (driver, handle) not in mounted)
        return found

    def claims_of(self, volume: str) -> Collection[ClaimKey]:
        """The claims that name a volume as theirs."""
        return self._claims_of.get(volume, ())

    def replaced(self, before: volumes.Object | None, after: volumes.Object | None) -> None:
        """An object changed: count anew what that concerns."""
        for one in (before, after):
            match one:
                case volumes.CSINode():
                    self._note(one.metadata.name)
                case volumes.VolumeAttachment():
                    self._note(one.spec.node_name)
        match after if after is not None else before:
            case volumes.PersistentVolumeClaim() as claim:
                self._claim_replaced(claim, before, after)
            case volumes.PersistentVolume() as volume:
                for claimed in self._claims_of.get(volume.metadata.name, ()):
                    self._recount(claimed)
            case volumes.StorageClass() as named:
                for claimed in list(self._users):
                    found = self._known.claim(*claimed)
                    if found is not None and found.class_name == named.metadata.name:
                        self._recount(claimed)

    def note_attached(self, attachments: Mapping[str, volumes.VolumeAttachment]) -> None:
        """The volume of some attachments changed."""
        for one in attachments.values():
            self._note(one.spec.node_name)

    def _claim_replaced(
        self, claim: volumes.PersistentVolumeClaim, before: volumes.Object | None, after: volumes.Object | None
    ) -> None:
        key = (claim.metadata.namespace, claim.metadata.name)
        if isinstance(before, volumes.PersistentVolumeClaim) and before.spec.volume_name:
            claimed = self._claims_of[before.spec.volume_name]
            claimed.discard(key)
            if not claimed:
                del self._claims_of[before.spec.volume_name]
        if isinstance(after, volumes.PersistentVolumeClaim) and after.spec.volume_name:
            self._claims_of.setdefault(after.spec.volume_name, set()).add(key)
        self._recount(key)

    def _recount(self, claim: ClaimKey) -> None:
        for guest in self._users.get(claim, {}).values():
            self._unmount(guest)
            self._mount(guest)
            self._log.note(guest.slot, changes.MOUNTS)

    def _note(self, node: str) -> None:
        slot = self._index_of.get(node)
        if slot is not None:
            self._log.note(slot, changes.MOUNTS)

    def _count_own(self, guest: _Guest, sign: int) -> None:
        pod, slot = guest.pod, guest.slot
        for disk, read_only in disks_of(pod):
            at = self.disks.setdefault(disk, {})
            writers, readers = at.pop(slot, (0, 0))
            both = (writers, readers + sign) if read_only else (writers + sign, readers)
            if any(both):
                at[slot] = both
            elif not at:
                del self.disks[disk]
        for volume in pod.spec.volumes:
            if volume.persistent_volume_claim is not None:
                key = (pod.metadata.namespace, volume.persistent_volume_claim.claim_name)
                _step(self.claims, key, slot, sign)

    def _mount(self, guest: _Guest) -> None:
        found = mounts.of_pod(guest.pod, self._known, is_new=False)
        if isinstance(found, mounts.Problem):
            guest.mounted, guest.problem = (), found.message
            self.problems.setdefault(guest.slot, {})[guest.pod.metadata.uid] = found.message
            return
        guest.mounted, guest.problem = tuple({(one.driver, one.handle): None for one in found}), ""
        for volume in guest.mounted:
            _step(self.mounted, guest.slot, volume, 1)
            self.holders.setdefault(volume, set()).add(guest.slot)

    def _unmount(self, guest: _Guest) -> None:
        slot = guest.slot
        if guest.problem:
            del self.problems[slot][guest.pod.metadata.uid]
            if not self.problems[slot]:
                del self.problems[slot]
        for volume in guest.mounted:
            _step(self.mounted, slot, volume, -1)
            if volume not in self.mounted.get(slot, {}):
                self.holders[volume].discard(slot)
                if not self.holders[volume]:
                    del self.holders[volume]


def _claims(pod: core.Pod) -> Iterator[ClaimKey]:
    for volume in pod.spec.volumes:
        name = mounts.claim_name(pod, volume)
        if name is not None:
            yield pod.metadata.namespace, name


def _step(counts: dict[K, dict[S, int]], key: K, part: S, sign: int) -> None:
    at = counts.setdefault(key, {})
    count = at.get(part, 0) + sign
    if count:
        at[part] = count
        return
    del at[part]
    if not at:
        del counts[key]
