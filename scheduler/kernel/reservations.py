"""What is written before a pod is bound: its claims to volumes, each of which ends exactly once.

What was decided is assumed in the state, so that the next pod sees it taken, and a command has it written. Each plugin
that has something to write has a part of its own, which knows when what was written has come to an end, as the watches
show it. Once all parts have come to a good end the pod is bound; where one does not, or time is up, all is taken back.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Protocol

from scheduler.api import core, volumes
from scheduler.kernel import commands, journal, volumebinding
from scheduler.plugins.volumes import binding
from scheduler.state import snapshot
from scheduler.state.volumes import storage

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
        is_written: Whether the command was answered.
    """

    pod: core.Pod
    node: str
    record: journal.Record
    started_s: float
    parts: tuple[Part, ...]
    is_written: bool = False

    def claims(self) -> set[Key]:
        return {claim for part in self.parts for claim in part.claims()}

    def problem(self, view: snapshot.Snapshot) -> tuple[str, str] | None:
        """Whose part cannot come to a good end, and why; ("", "") if all have; None while that is awaited."""
        found = [(part.plugin, part.problem(view)) for part in self.parts] if self.is_written else [("", None)]
        for plugin, said in found:
            if said:
                return plugin, said
        return None if any(said is None for _, said in found) else ("", "")


class Reservations:
    """Those under way.

    Args:
        known: The claims and volumes.
        timeout_s: For how long a pod's bound claims are awaited.
    """

    def __init__(self, known: storage.Storage, timeout_s: Callable[[core.Pod], float]) -> None:
        self._known = known
        self._timeout_s = timeout_s
        self._held: dict[str, Reservation] = {}  # by pod uid
        self._of: dict[Key, set[str]] = {}
        self._next_s = math.inf  # nobody's time is up before

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
        part = volumebinding.Volumes(self._known, what, node, now_s + self._timeout_s(pod))
        uid = pod.metadata.uid
        self._held[uid] = one = Reservation(pod, node, record, now_s, (part,))
        for claim in one.claims():
            self._of.setdefault(claim, set()).add(uid)
        self._next_s = min(self._next_s, part.ends_s)
        return commands.Reserve(
            uid=uid,
            name=pod.metadata.name,
            namespace=pod.metadata.namespace,
            node=node,
            given=part.given,
            selected=part.selected,
        )

    def end(self, uid: str, *, is_done: bool = False) -> Reservation:
        """One is over, well or not."""
        one = self._held.pop(uid)
        for claim in one.claims():
            self._of[claim].discard(uid)
            if not self._of[claim]:
                del self._of[claim]
        for part in one.parts:
            part.end(is_done=is_done)
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
        kind = volumes.PersistentVolumeClaim.__name__
        found = {uid for namespace, name in claims for uid in self._of.get((kind, namespace, name), ())}
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
