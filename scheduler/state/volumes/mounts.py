"""Which driver's volume a pod's volume is, as far as drivers' limits count it.

A claim that is not bound yet counts by its class, under a name of its own. What an old plugin's volume stands for
counts only on nodes of which CSI drivers have said anything.

Source: nodevolumelimits/csi.go.
"""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from scheduler.api import core, migration, sources, volumes

_UNNAMED: Final = "\0"  # begins no driver's handle


class Known(Protocol):
    """What is looked up."""

    def claim(self, namespace: str, name: str) -> volumes.PersistentVolumeClaim | None:
        """A claim."""

    def volume(self, name: str) -> volumes.PersistentVolume | None:
        """A volume."""

    def storage_class(self, name: str) -> volumes.StorageClass | None:
        """A class."""


class Mount(NamedTuple):
    """A driver's volume; ``is_moved`` if it is an old plugin's that the driver stands in for."""

    driver: str
    handle: str
    is_moved: bool = False


class Problem(NamedTuple):
    """Why a pod's volumes cannot be told; ``is_missing``: a claim is not there."""

    message: str
    is_missing: bool = False


def claim_name(pod: core.Pod, volume: sources.Volume) -> str | None:
    """The claim behind a pod's volume, if there is one."""
    if volume.persistent_volume_claim is not None:
        return volume.persistent_volume_claim.claim_name
    return f"{pod.metadata.name}-{volume.name}" if volume.ephemeral is not None else None


def of_pod(pod: core.Pod, known: Known, *, is_new: bool, has_drivers: bool = True) -> list[Mount] | Problem:
    """All that counts of a pod, on a node of which drivers have said something or not.

    A pod that runs already may lack claims.
    """
    found: list[Mount] = []
    for volume in pod.spec.volumes:
        name = claim_name(pod, volume)
        mount: Mount | Problem | None
        if name is None:
            mount = _of_inline(volume) if has_drivers else None
        elif not name:
            mount = Problem("PersistentVolumeClaim had no name")
        else:
            mount = _of_claim(pod, name, known, is_new=is_new, is_own=volume.ephemeral is not None)
        if isinstance(mount, Problem):
            return mount
        if mount is None or (mount.is_moved and not has_drivers):
            continue
        if mount.driver and mount.handle and mount not in found:
            found.append(mount)
    return found


def not_owned(pod: core.Pod, claim: volumes.PersistentVolumeClaim) -> str:
    """Why a claim of the right name is not the pod's own."""
    meta = claim.metadata
    return f"PVC {meta.namespace}/{meta.name} was not created for pod {pod.key} (pod is not owner)"


def _of_claim(pod: core.Pod, name: str, known: Known, *, is_new: bool, is_own: bool) -> Mount | Problem | None:
    namespace = pod.metadata.namespace
    claim = known.claim(namespace, name)
    if claim is None:
        if not is_new:
            return None
        message = f'looking up PVC {namespace}/{name}: persistentvolumeclaim "{name}" not found'
        return Problem(message, is_missing=True)
    if is_own and not claim.is_for(pod):
        return Problem(not_owned(pod, claim))
    volume = known.volume(claim.spec.volume_name) if claim.spec.volume_name else None
    if volume is None:
        return _of_class(claim, known)
    if volume.spec.csi is not None:
        return Mount(volume.spec.csi.driver, volume.spec.csi.volume_handle)
    stand = migration.of_volume(volume)
    return Mount(stand.driver, stand.handle, is_moved=True) if stand is not None and not stand.problem else None


def _of_class(claim: volumes.PersistentVolumeClaim, known: Known) -> Mount | None:
    name = claim.class_name
    found = known.storage_class(name) if name else None
    if found is None or found.provisioner in migration.UNCOUNTED:
        return None
    handle = f"{_UNNAMED}{claim.metadata.namespace}/{claim.metadata.name}"
    driver = migration.DRIVERS.get(found.provisioner)
    return Mount(found.provisioner, handle) if driver is None else Mount(driver, handle, is_moved=True)


def _of_inline(volume: sources.Volume) -> Mount | Problem | None:
    stand = migration.of_inline(volume)
    if stand is None:
        return None
    if stand.problem:
        return Problem(f"converting volume({volume.name}) from inline to csi: {stand.problem}")
    return Mount(stand.driver, stand.handle, is_moved=True)
