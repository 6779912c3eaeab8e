"""What is written before a pod is bound: its claims to volumes and to devices, each of which ends exactly once.

What was decided is assumed in the state, so that the next pod sees it taken, and a command has it written. Each plugin
that has something to write has a part of its own, which knows when what was written has come to an end, as the watches
show it. Once all parts have come to a good end the pod is bound; where one does not, or time is up, all is taken back.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import msgspec

from scheduler import config
from scheduler.api import core, devices, volumes
from scheduler.kernel import commands, deviceclaims, journal, volumebinding
from scheduler.plugins import request
from scheduler.plugins.dynamic_resources import granting, readiness
from scheduler.plugins.volumes import binding
from scheduler.state import cluster, snapshot

Key = tuple[str, str, str]  # kind, namespace and name


class Part(Protocol):
    """What one plugin has written.

    Attributes:
        plugin: Its name.
        ends_s: When time is up.
    """

    plugin: str
    ends_s: float

    def claims(self) -> Iterator[Key]:
        """The objects whose changes matter."""

    def problem(self, view: snapshot.Snapshot) -> str | None:
        """Why it cannot come to a good end once it is written; "" if it has; None while that is awaited."""

    def written(self, now_s: float) -> None:
        """All is written."""

    def late(self) -> str:
        """What to say where time is up."""

    def end(self, *, is_done: bool) -> None:
        """It is over, well or not: nothing is assumed any more but what is so or will be."""


@dataclasses.dataclass(slots=True)
class Reservation:
    """A pod that is bound once this is done.

    Attributes:
        record: The attempt's record, whose outcome is written here.
        started_s: When the attempt began.
        number: That of its command.
        is_written: Whether the command was answered.
        held: What was written of claims to devices.
    """

    pod: core.Pod
    node: str
    record: journal.Record
    started_s: float
    number: int
    parts: tuple[Part, ...]
    is_written: bool = False
    held: commands.Held = commands.NOTHING

    def claims(self) -> set[Key]:
        return {claim for part in self.parts for claim in part.claims()}

    def problem(self, view: snapshot.Snapshot) -> tuple[str, str] | None:
        """Whose part cannot come to a good end, and why; ("", "") if all have; None while that is awaited."""
        found = [(part.plugin, part.problem(view)) for part in self.parts] if self.is_written else [("", None)]
        for plugin, said in found:
            if said:
                return plugin, said
        return None if any(said is None for _, said in found) else ("", "")


class Needed(NamedTuple):
    """What is to be written before a pod is bound, by plugin."""

    volumes: binding.Binding | None
    devices: tuple[granting.Grant, ...] | None


class Reservations:
    """Those under way.

    Args:
        known: The cluster.
        plugins_of: What is set for a pod: for how long its claims are awaited.
    """

    def __init__(self, known: cluster.Cluster, plugins_of: Callable[[core.Pod], config.Plugins]) -> None:
        self._storage, self._claims = known.storage, known.claims
        self._plugins_of = plugins_of
        self._held: dict[str, Reservation] = {}  # by pod uid
        self._of: dict[Key, set[str]] = {}
        self._next_s = math.inf  # nobody's time is up before
        self._count = 0
        self.unshown: dict[str, deviceclaims.DeviceClaims] = {}  # by pod uid, what is done and not seen yet

    def __contains__(self, uid: str) -> bool:
        return uid in self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def get(self, uid: str) -> Reservation | None:
        return self._held.get(uid)

    def needed(
        self, asked: request.PodRequest, view: snapshot.Snapshot, node: str, runs: Callable[[str], bool]
    ) -> Needed | None:
        """What is to be written for a pod that goes to a node; None for nothing.

        Args:
            runs: Whether a plugin is among those that decide about the pod.
        """
        spec, slot = asked.pod.spec, view.index_of[node]
        stored = None
        if spec.volumes and runs(volumebinding.PLUGIN):
            stored = binding.binding_on(asked, view, slot)
        granted: tuple[granting.Grant, ...] | None = None
        if runs(deviceclaims.PLUGIN):
            granted = granting.allocation_on(asked, view, slot)
            if granted is None and any(self._is_awaited(asked.pod, name) for name in deviceclaims.names(asked.pod)):
                granted = ()
        return Needed(stored, granted) if stored is not None or granted is not None else None

    def _is_awaited(self, pod: core.Pod, name: str) -> bool:
        """Whether a claim that is the pod's already has devices that are not ready."""
        claim = self._claims.claim(pod.metadata.namespace, name)
        return claim is not None and readiness.is_awaited(claim) and not readiness.is_ready(claim)

    def start(self, pod: core.Pod, node: str, record: journal.Record, what: Needed, now_s: float) -> commands.Reserve:
        """Assume what was decided; returns what is to be written."""
        uid, parts, plugins = pod.metadata.uid, list[Part](), self._plugins_of(pod)
        meta, self._count = pod.metadata, self._count + 1
        command = commands.Reserve(uid=uid, name=meta.name, namespace=meta.namespace, node=node, number=self._count)
        if what.volumes is not None:
            stored = volumebinding.Volumes(self._storage, what.volumes, node, now_s + plugins.volume_bind_timeout_s)
            command = msgspec.structs.replace(command, given=stored.given, selected=stored.selected)
            parts.append(stored)
        if what.devices is not None:
            self.let_go(uid)
            claimed = deviceclaims.DeviceClaims(self._claims, pod, what.devices, plugins.device_bind_timeout_s)
            command = msgspec.structs.replace(command, used=claimed.used, extended=claimed.extended)
            parts.append(claimed)
        self._held[uid] = one = Reservation(pod, node, record, now_s, self._count, tuple(parts))
        for claim in one.claims():
            self._of.setdefault(claim, set()).add(uid)
        self._next_s = min(self._next_s, *(part.ends_s for part in parts))
        return command

    def written(self, one: Reservation, held: commands.Held, now_s: float) -> None:
        """The command of one is answered: all is written."""
        one.is_written, one.held = True, held
        for part in one.parts:
            part.written(now_s)
            self._next_s = min(self._next_s, part.ends_s)

    def end(self, uid: str, *, is_done: bool = False) -> Reservation:
        """One is over, well or not."""
        one = self._held.pop(uid)
        for claim in one.claims():
            self._of[claim].discard(uid)
            if not self._of[claim]:
                del self._of[claim]
        for part in one.parts:
            part.end(is_done=is_done)
            if is_done and isinstance(part, deviceclaims.DeviceClaims) and not part.is_shown():
                self.unshown[uid] = part
        return one

    def let_go(self, uid: str) -> None:
        """Nobody waits for the watch to show what was written for a pod."""
        if self.unshown.pop(uid, None) is not None:
            self._claims.end(uid)

    def shown(self) -> None:
        """A claim to devices has changed: what the watch has shown now is in flight no more."""
        for uid in [uid for uid, part in self.unshown.items() if part.is_shown()]:
            self.let_go(uid)

    def concerned(self, obj: volumes.Object | devices.Object | None) -> list[Reservation]:
        """Those that a change of an object concerns."""
        match obj:
            case devices.ResourceClaim() | volumes.PersistentVolumeClaim():
                claims = {(obj.metadata.namespace, obj.metadata.name)}
            case volumes.PersistentVolume():
                claims = set(self._storage.use.claims_of(obj.metadata.name))
                if obj.spec.claim_ref is not None:
                    claims.add((obj.spec.claim_ref.namespace, obj.spec.claim_ref.name))
            case _:
                return []
        kind = type(obj) if isinstance(obj, devices.ResourceClaim) else volumes.PersistentVolumeClaim
        found = {uid for namespace, name in claims for uid in self._of.get((kind.__name__, namespace, name), ())}
        if isinstance(obj, devices.ResourceClaim):  # one that was made for extended resources has a name of its own
            found |= {owner.uid for owner in obj.metadata.owner_references if owner.uid in self._held}
        return [self._held[uid] for uid in sorted(found)]

    def late(self, now_s: float) -> list[tuple[Reservation, str, str]]:
        """Those whose time is up, each with whose part it is, and what to say."""
        if now_s < self._next_s:
            return []
        found = []
        for one in self._held.values():
            late = next((part for part in one.parts if part.ends_s <= now_s), None)
            if late is not None:
                found.append((one, late.plugin, late.late()))
        ends = (part.ends_s for one in self._held.values() for part in one.parts if part.ends_s > now_s)
        self._next_s = min(ends, default=math.inf)
        return found

    def ends_in_s(self, now_s: float) -> float | None:
        """Seconds until somebody's time may be up; None where there is nobody."""
        return max(0.0, self._next_s - now_s) if self._held and self._next_s < math.inf else None
