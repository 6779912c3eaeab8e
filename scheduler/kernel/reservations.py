"""What is bound before a pod is: its claims to volumes, each of which ends exactly once.

What was decided is assumed in the state, so that the next pod sees it taken, and a command has it written: a volume's
claim, or a claim's node, by which a provisioner makes a volume. Then the volume controller's answer is awaited, as the
watches show it. Once all claims are bound the pod is; where one cannot be, or time is up, all is taken back, but for
what is written already: the next attempt finds that and goes on from there.

Source: volumebinding/binder.go (AssumePodVolumes, BindPodVolumes, checkBindings).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from scheduler.api import core, volumes
from scheduler.kernel import commands, journal
from scheduler.plugins.volumes import binding
from scheduler.state import snapshot
from scheduler.state.volumes import storage

TIME_IS_UP: Final = "binding volumes: context deadline exceeded"


@dataclasses.dataclass(slots=True)
class Reservation:
    """A pod whose claims are being bound.

    Attributes:
        record: The attempt's record, whose outcome is written here.
        started_s, ends_s: When the attempt began, and when time is up.
        given: Claims, each with the volume that is its own now.
        selected: Claims that volumes are to be made for, with their node.
        written: The versions that were changed, of what was.
        is_written: Whether the command was answered.
    """

    pod: core.Pod
    node: str
    record: journal.Record
    started_s: float
    ends_s: float
    given: tuple[tuple[volumes.PersistentVolumeClaim, volumes.PersistentVolume], ...]
    selected: tuple[volumes.PersistentVolumeClaim, ...]
    written: list[volumes.PersistentVolumeClaim | volumes.PersistentVolume]
    is_written: bool = False

    def claims(self) -> Iterator[tuple[str, str]]:
        """All its claims."""
        for claim in (*(claim for claim, _ in self.given), *self.selected):
            yield claim.metadata.namespace, claim.metadata.name


class Reservations:
    """Those under way.

    Args:
        known: The claims and volumes.
        timeout_s: For how long a pod's bound claims are awaited.
    """

    def __init__(self, known: storage.Storage, timeout_s: Callable[[core.Pod], float]) -> None:
        self._known = known
        self._timeout_s = timeout_s
        self._held: dict[str, Reservation] = {}  # by pod uid, the oldest first
        self._of: dict[tuple[str, str], set[str]] = {}  # by claim

    def __contains__(self, uid: str) -> bool:
        return uid in self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def get(self, uid: str) -> Reservation | None:
        return self._held.get(uid)

    def start(
        self, pod: core.Pod, node: str, record: journal.Record, what: binding.Binding, now_s: float
    ) -> commands.Reserve:
        """Assume what was decided; returns what is to be written."""
        one = Reservation(
            pod=pod,
            node=node,
            record=record,
            started_s=now_s,
            ends_s=now_s + self._timeout_s(pod),
            given=tuple((claim, _given(volume, claim)) for claim, volume in what.given),
            selected=tuple(_selected(claim, node) for claim in what.provided),
            written=[],
        )
        uid = pod.metadata.uid
        self._held[uid] = one
        for claim in one.claims():
            self._of.setdefault(claim, set()).add(uid)
        decided: list[volumes.PersistentVolumeClaim | volumes.PersistentVolume] = [volume for _, volume in one.given]
        for obj in [*decided, *one.selected]:
            if not self._known.is_so(obj):
                self._known.assume(obj)
                one.written.append(obj)
        changed = [claim for claim in one.selected if claim in one.written]
        return commands.Reserve(
            uid=uid,
            name=pod.metadata.name,
            namespace=pod.metadata.namespace,
            node=node,
            given=tuple(_write(claim, volume) for claim, volume in one.given if volume in one.written),
            selected=tuple((claim.metadata.name, claim.metadata.resource_version) for claim in changed),
        )

    def end(self, uid: str) -> Reservation:
        """One is over: nothing is assumed for it any more but what the watch has shown."""
        one = self._held.pop(uid)
        for claim in set(one.claims()):
            self._of[claim].discard(uid)
            if not self._of[claim]:
                del self._of[claim]
        for obj in one.written:
            self._known.restore(obj)
        return one

    def concerned(self, obj: volumes.Object | None) -> list[Reservation]:
        """Those that a change of an object concerns."""
        match obj:
            case volumes.PersistentVolumeClaim():
                claims = {(obj.metadata.namespace, obj.metadata.name)}
            case volumes.PersistentVolume():
                claims = set(self._known.use.claims_of(obj.metadata.name))
                if obj.spec.claim_ref is not None:
                    claims.add((obj.spec.claim_ref.namespace, obj.spec.claim_ref.name))
            case _:
                return []
        found = {uid for claim in claims for uid in self._of.get(claim, ())}
        return [self._held[uid] for uid in sorted(found)]

    def late(self, now_s: float) -> list[Reservation]:
        """Those whose time is up."""
        return [one for one in self._held.values() if one.ends_s <= now_s]

    def ends_in_s(self, now_s: float) -> float | None:
        """Seconds until the next one's time is up; None where there is none."""
        oldest = next(iter(self._held.values()), None)
        return max(0.0, oldest.ends_s - now_s) if oldest is not None else None

    def problem(self, one: Reservation, view: snapshot.Snapshot) -> str | None:
        """Why it cannot come to a good end; "" if it has; None while that is awaited."""
        slot = view.index_of.get(one.node)
        if slot is None:
            return f'binding volumes: failed to get node "{one.node}": node "{one.node}" not found'
        found = [self._of_given(one, claim, volume, view, slot) for claim, volume in one.given]
        found += [self._of_selected(one, claim, view, slot) for claim in one.selected]
        said = next((problem for problem in found if problem), None)
        if said is not None:
            return f"binding volumes: {said}"
        return "" if one.is_written and None not in found else None

    def _of_given(
        self,
        one: Reservation,
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
        if volume in one.written and _same_version(seen, volume):
            return None
        if not binding.reaches(seen, view, slot):
            return _elsewhere(seen, one.node)
        if seen.spec.claim_ref is None or not seen.spec.claim_ref.uid:
            return f'ClaimRef got reset for pv "{seen.metadata.name}"'
        return "" if claimed.is_bound else None

    def _of_selected(
        self, one: Reservation, claim: volumes.PersistentVolumeClaim, view: snapshot.Snapshot, slot: int
    ) -> str | None:
        claimed = self._known.seen(claim)
        if claimed is None:
            return f'failed to check provisioning pvc: persistentvolumeclaim "{_place(claim)}" not found'
        if claim in one.written and _same_version(claimed, claim):
            return None
        if claimed.metadata.annotations.get(volumes.SELECTED_NODE) != one.node:
            return f'provisioning failed for PVC "{claim.metadata.name}"'
        if claimed.spec.volume_name:
            volume = self._known.volume(claimed.spec.volume_name)
            if volume is None:
                return None  # its watch is behind
            if not binding.reaches(volume, view, slot):
                return _elsewhere(volume, one.node)
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
