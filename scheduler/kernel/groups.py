"""Pods of a group: a gang's are placed all together, or none of them.

A pod names its group by an annotation (scheduler.api.waits), which says how many of them are wanted; others are told
when these have not come for long. Or it names an object of the API server's own that says it. Until that is there, and
so many pods with it, its pods wait and are told nothing, as upstream's do. Then, when one of them has its turn, all
that wait are decided, each on the state with those before it: if enough have a node all these are bound, and else all
is taken back. So whatever wakes one of them has all of them tried.

Nobody is evicted for a gang that does not fit. What else a group can ask for is refused by name.

Source: pkg/scheduler/framework/plugins/gangscheduling and schedule_one_podgroup.go of Kubernetes 1.37.2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from scheduler.api import core, names, podgroups, waits
from scheduler.kernel import events, places, queue, waiters

CLAIMS: Final = f"{queue.GANG}: cannot honour claims that are bound together with their pod"

Key = tuple[str, str]  # namespace, name
_TAKEN_ALONG: Final = frozenset({places.Place.ACTIVE, places.Place.BACKOFF, places.Place.UNSCHEDULABLE})


class Gang(NamedTuple):
    """Pods that are placed together."""

    key: Key
    min_count: int


class Waits(NamedTuple):
    """A pod is not to be tried: others are missing, or (``fault``) its group asks for what is not built.

    Attributes:
        timeout_s: After how long from when it came it is told that (``why``); None for never.
    """

    key: Key
    fault: str = ""
    timeout_s: float | None = None
    why: str = ""


class Groups:
    """The groups that the API server knows, and who is of them.

    Args:
        waiting: The pods that have no node yet.
        is_placed: Whether a pod, by uid, is on a node or about to be.

    Attributes:
        are_known: Whether the API server has such groups; else a pod that names one is told that it cannot be honoured.
    """

    def __init__(self, waiting: queue.Queue, is_placed: Callable[[str], bool]) -> None:
        self.are_known = False
        self._queue = waiting
        self._is_placed = is_placed
        self._groups: dict[Key, podgroups.PodGroup] = {}
        self._pods: dict[Key, dict[str, None]] = {}  # by uid, in the order in which they came; some are gone since
        self._group_of: dict[str, Key] = {}  # the same by uid

    # ------------------------------------------------------------------------------------------------ what is seen

    def known(self, _: events.GroupsKnown) -> None:
        """All groups that there are have been seen."""
        if not self.are_known:
            self.are_known = True
            self._rouse(queue.UNSUPPORTED)

    def seen(self, event: events.GroupSeen) -> None:
        meta = event.group.metadata
        key = meta.namespace, meta.name
        self._groups[key] = event.group
        self._rouse(queue.GANG, key)
        self._rouse(queue.UNSUPPORTED, key)

    def gone(self, event: events.GroupGone) -> None:
        self._groups.pop((event.namespace, event.name), None)

    def joined(self, pod: core.Pod) -> None:
        """A pod is there; if it is new, those that wait for others of its group may go on."""
        key, uid = _key(pod), pod.metadata.uid
        before = self._group_of.get(uid)
        if before is not None and before != key:
            del self._group_of[uid], self._pods[before][uid]
            self._present(before)
        if key is not None and before != key:
            self._pods.setdefault(key, {})[uid] = None
            self._group_of[uid] = key
            self._rouse(queue.GANG, key)
            for other in self._pods[key]:
                self._queue.release(other)  # who was held until it would be told

    def left(self, uid: str) -> None:
        """A pod is gone, or no longer pending; one that is placed by now is still of its group."""
        if uid in self._group_of:
            self._present(self._group_of[uid])

    def _rouse(self, plugin: str, of: Key | None = None) -> None:
        """Have those go on that sleep for this reason, and (if one is given) are of this group."""
        for asked, alike in self._queue.asleep.of(plugin):
            for entry in alike if asked in {None, of} or of is None else ():
                if of is None or _key(entry.pod) == of:
                    entry.asked = None  # it may have been read with what is read otherwise now
                    self._queue.rouse(entry)

    # --------------------------------------------------------------------------------------------- who is to be tried

    def of(self, pod: core.Pod) -> Gang | Waits | None:
        """With whom a pod is to be placed; None: it is placed by itself."""
        key = _key(pod)
        if key is not None and (asked := _gang(pod)) is not None:
            there = len(self._present(key))
            if there >= asked.size:
                return Gang(key, asked.size)
            why = f"gang {asked.name}: {there} of {asked.size} pods are there"
            return Waits(key, timeout_s=asked.timeout_s, why=why)
        if key is None or not self.are_known:
            return None
        group = self._groups.get(key)
        if group is None:
            return Waits(key)
        spec = group.spec
        for field, wish in (
            ("schedulingConstraints", spec.scheduling_constraints),
            ("parentCompositePodGroupName", spec.parent_composite_pod_group_name),
        ):
            if wish is not None:
                return Waits(key, f"{queue.GANG}: cannot honour spec.{field} of PodGroup {key[1]}")
        if spec.scheduling_policy.gang is None:
            return None
        least = spec.scheduling_policy.gang.min_count
        return Gang(key, least) if len(self._present(key)) >= least else Waits(key)

    def read(self, pod: core.Pod) -> core.Pod:
        """A pod as it is decided: which group it is of decides nothing there, where groups are known."""
        if self.are_known and pod.spec.scheduling_group is not None:
            return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, scheduling_group=None))
        return pod

    def take_others(self, gang: Gang) -> list[waiters.Entry]:
        """Take out of the queue who is to be tried with the one that has its turn: all that wait, in that order."""
        found = [self._queue.get(uid) for uid in self._present(gang.key)]
        ready = [one for one in found if one is not None and one.place in _TAKEN_ALONG and not one.is_preempting]
        for entry in ready:
            self._queue.take(entry)
        return sorted(ready, key=lambda entry: (-entry.pod.spec.priority, entry.queued))

    def placed(self, gang: Gang) -> int:
        """How many have a node, or are about to."""
        return sum(map(self._is_placed, self._present(gang.key)))

    def _present(self, key: Key) -> dict[str, None]:
        """The pods of a group that there are; those that are gone are forgotten."""
        pods = self._pods.get(key, {})
        for uid in [uid for uid in pods if self._queue.get(uid) is None and not self._is_placed(uid)]:
            del pods[uid], self._group_of[uid]
        if not pods:
            self._pods.pop(key, None)
        return pods


def too_few(gang: Gang, placed: int, left: int) -> str:
    """Why a gang is not placed, in upstream's words: so many have a node, and so many are not tried yet."""
    which = "cannot be satisfied" if placed + left < gang.min_count else "is not yet satisfied"
    return f"minCount ({gang.min_count}) {which}: {placed} scheduled, {left} remaining"


def _key(pod: core.Pod) -> Key | None:
    group = pod.spec.scheduling_group
    name = group.get("podGroupName", "") if group is not None else ""
    if not name and (gang := _gang(pod)) is not None:
        name = f"{names.GANG}={gang.name}"  # which is the name of no object
    return (pod.metadata.namespace, name) if name else None


def _gang(pod: core.Pod) -> waits.Gang | None:
    """The gang that a pod names by its annotations; one of the API server's own goes before it."""
    if pod.spec.scheduling_group is not None or names.GANG not in pod.metadata.annotations:
        return None
    return waits.parse(pod.metadata.annotations)[0].gang
