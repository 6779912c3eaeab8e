"""A pod's volumes, as they are bound before it is: what is written of claims and volumes, and when that is done.

What was decided is assumed in the state, so that the next pod sees it taken, and a command has it written: a volume's
claim, or a claim's node, by which a provisioner makes a volume. Then the volume controller's answer is awaited, as the
watches show it. What is written already is not taken back: the next attempt finds that and goes on from there.

Source: volumebinding/binder.go (AssumePodVolumes, BindPodVolumes, checkBindings).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from scheduler.api import volumes
from scheduler.kernel import commands
from scheduler.plugins.volumes import binding
from scheduler.state import snapshot
from scheduler.state.volumes import storage

PLUGIN: Final = "VolumeBinding"
TIME_IS_UP: Final = "binding volumes: context deadline exceeded"


class Volumes:
    """The claims and volumes of one pod.

    Args:
        known: The claims and volumes that there are.
        ends_s: When time is up.

    Attributes:
        plugin: Whose part of a reservation it is.
        given: Volumes to be written as claims'.
        selected: Claims to be told the node, with the versions that are changed.
    """

    def __init__(self, known: storage.Storage, what: binding.Binding, node: str, ends_s: float) -> None:
        self.plugin = PLUGIN
        self.ends_s = ends_s
        self._known = known
        self._node = node
        self._given = tuple((claim, _given(volume, claim)) for claim, volume in what.given)
        self._selected = tuple(_selected(claim, node) for claim in what.provided)
        self._written: list[volumes.PersistentVolumeClaim | volumes.PersistentVolume] = []
        decided: list[volumes.PersistentVolumeClaim | volumes.PersistentVolume] = [volume for _, volume in self._given]
        for obj in [*decided, *self._selected]:
            if not known.is_so(obj):
                known.assume(obj)
                self._written.append(obj)
        changed = [claim for claim in self._selected if claim in self._written]
        self.given = tuple(_write(claim, volume) for claim, volume in self._given if volume in self._written)
        self.selected = tuple((claim.metadata.name, claim.metadata.resource_version) for claim in changed)

    def claims(self) -> Iterator[tuple[str, str, str]]:
        """What of it may change: kind, namespace and name."""
        for claim in (*(claim for claim, _ in self._given), *self._selected):
            yield volumes.PersistentVolumeClaim.__name__, claim.metadata.namespace, claim.metadata.name

    def written(self, now_s: float) -> None:
        """All is written; time is reckoned from the attempt on."""

    def late(self) -> str:
        """What to say where time is up."""
        return TIME_IS_UP

    def end(self, *, is_done: bool) -> None:
        """It is over: nothing is assumed any more but what the watches have shown."""
        del is_done
        for obj in self._written:
            self._known.restore(obj)

    def problem(self, view: snapshot.Snapshot) -> str | None:
        """Why it cannot come to a good end once it is written; "" if it has; None while that is awaited."""
        slot = view.index_of.get(self._node)
        if slot is None:
            return f'binding volumes: failed to get node "{self._node}": node "{self._node}" not found'
        found = [self._of_given(claim, volume, view, slot) for claim, volume in self._given]
        found += [self._of_selected(claim, view, slot) for claim in self._selected]
        said = next((problem for problem in found if problem), None)
        if said is not None:
            return f"binding volumes: {said}"
        return "" if None not in found else None

    def _of_given(
        self,
        claim: volumes.PersistentVolumeClaim,
        volume: volumes.PersistentVolume,
        view: snapshot.Snapshot,
        slot: int,
    ) -> str | None:
        seen, claimed = self._known.seen(volume), self._known.seen(claim)
        if seen is None:
            return f'failed to check binding: persistentvolume "{volume.metadata.name}" not found'
        if claimed is None:
            return f'failed to check binding: persistentvolumeclaim "{_place(claim)}" not found'
        if volume in self._written and _same_version(seen, volume):
            return None
        if not binding.reaches(seen, view, slot):
            return _elsewhere(seen, self._node)
        if seen.spec.claim_ref is None or not seen.spec.claim_ref.uid:
            return f'ClaimRef got reset for pv "{seen.metadata.name}"'
        return "" if claimed.is_bound else None

    def _of_selected(self, claim: volumes.PersistentVolumeClaim, view: snapshot.Snapshot, slot: int) -> str | None:
        claimed = self._known.seen(claim)
        if claimed is None:
            return f'failed to check provisioning pvc: persistentvolumeclaim "{_place(claim)}" not found'
        if claim in self._written and _same_version(claimed, claim):
            return None
        if claimed.metadata.annotations.get(volumes.SELECTED_NODE) != self._node:
            return f'provisioning failed for PVC "{claim.metadata.name}"'
        if claimed.spec.volume_name:
            volume = self._known.volume(claimed.spec.volume_name)
            if volume is None:
                return None  # its watch is behind
            if not binding.reaches(volume, view, slot):
                return _elsewhere(volume, self._node)
        return "" if claimed.is_bound else None


def _given(volume: volumes.PersistentVolume, claim: volumes.PersistentVolumeClaim) -> volumes.PersistentVolume:
    """A volume that is a claim's."""
    meta, notes = claim.metadata, dict(volume.metadata.annotations)
    if not volume.is_kept_for(claim):
        notes.setdefault(volumes.BOUND_BY_CONTROLLER, "yes")
    return msgspec.structs.replace(
        volume,
        metadata=msgspec.structs.replace(volume.metadata, annotations=notes),
        spec=msgspec.structs.replace(volume.spec, claim_ref=volumes.ClaimRef(meta.namespace, meta.name, meta.uid)),
    )


def _selected(claim: volumes.PersistentVolumeClaim, node: str) -> volumes.PersistentVolumeClaim:
    """A claim whose node is known."""
    notes = {**claim.metadata.annotations, volumes.SELECTED_NODE: node}
    return msgspec.structs.replace(claim, metadata=msgspec.structs.replace(claim.metadata, annotations=notes))


def _write(claim: volumes.PersistentVolumeClaim, volume: volumes.PersistentVolume) -> commands.Given:
    meta = claim.metadata
    return commands.Given(
        volume=volume.metadata.name,
        version=volume.metadata.resource_version,
        namespace=meta.namespace,
        claim=meta.name,
        claim_uid=meta.uid,
        claim_version=meta.resource_version,
        is_ours=volumes.BOUND_BY_CONTROLLER in volume.metadata.annotations,
    )


def _same_version(one: volumes.Object, other: volumes.Object) -> bool:
    return one.metadata.resource_version == other.metadata.resource_version


def _place(claim: volumes.PersistentVolumeClaim) -> str:
    return f"{claim.metadata.namespace}/{claim.metadata.name}"


def _elsewhere(volume: volumes.PersistentVolume, node: str) -> str:
    why = "no matching NodeSelectorTerms"
    return f'pv "{volume.metadata.name}" node affinity doesn\'t match node "{node}": {why}'
