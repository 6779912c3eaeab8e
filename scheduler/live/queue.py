"""Where pods of ours wait: active by priority, backing off, unschedulable until something changes, gated, or held.

A pod is in exactly one `Place`. It comes in by `observe`, leaves for a decision by `pop`, and comes back by
`put_back` (nothing fits), `fail` (something broke) or not at all: an entry that is being bound stays in
`Place.BINDING` until the watch says that the pod is no longer pending. Keeping it there is what makes late events of
a bound pod harmless: they update an entry that cannot be popped, instead of making a new one.

A pod that fits nowhere sleeps until an event that may help anybody (`wake`), or some of those whom a certain filter
refused (`wake_refused`). Such an event may come while the pod is being decided, on a snapshot that did not hold it yet;
so every entry remembers the wake-up count of its pop and what else came since, and does not go to sleep over it. As in
kube-scheduler, waiting out the backoff is skipped while there is nothing else to do, except after errors; and every
sleeper is tried again after five minutes, in case a wake-up was missed.

A pod whose turn came too early, as something about its data is about to be known, is held: it goes back to its rank
when it is released, or at the latest after the time given. Nobody else waits for it.

The queue is synchronous, belongs to the loop's thread, and takes its time from the clock that it is given.
"""

from __future__ import annotations

import asyncio
import dataclasses
import enum
import heapq
import itertools
from collections.abc import Callable, Iterable

from scheduler.api import core

FLUSH_AFTER_S = 300.0  # kube-scheduler's podMaxInUnschedulablePodsDuration

FINISHED_PHASES = frozenset({"Succeeded", "Failed"})


class Place(enum.Enum):
    """Where a pod is. GONE is the place of an entry that the queue no longer holds."""

    GATED = "gated"
    ACTIVE = "active"
    BACKOFF = "backoff"
    ERROR_BACKOFF = "error-backoff"
    UNSCHEDULABLE = "unschedulable"
    HELD = "held"
    IN_CYCLE = "in-cycle"
    BINDING = "binding"
    GONE = "gone"


WAITING = (Place.GATED, Place.ACTIVE, Place.BACKOFF, Place.ERROR_BACKOFF, Place.UNSCHEDULABLE, Place.HELD)


@dataclasses.dataclass(slots=True, eq=False)
class Entry:
    """A pod and what the queue remembers of it."""

    pod: core.Pod
    arrived: float  # when we first heard of the pod
    seen: float  # when the watch last spoke of it
    queued: float = 0.0  # the rank among equals in the active line
    place: Place = Place.GONE
    attempts: int = 0  # decisions that found no node
    errors: int = 0  # consecutive failures that were not the pod's fault
    ready_at: float = 0.0  # end of its backoff
    wakeups: int = 0  # the queue's count when the pod was popped
    missed: set[str] = dataclasses.field(default_factory=set)  # filters whose verdict may have changed since then
    refused_by: frozenset[str] = frozenset()  # while it sleeps: the filters that refused it
    annotations_reported: bool = False

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid


class _Line:
    """A priority queue whose members may leave from the middle; those that left are skipped when they surface."""

    def __init__(self) -> None:
        self._heap: list[tuple[tuple[float, ...], int, str]] = []
        self._tickets: dict[str, int] = {}
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self._tickets)

    def add(self, uid: str, key: tuple[float, ...]) -> None:
        ticket = self._tickets[uid] = next(self._count)
        heapq.heappush(self._heap, (key, ticket, uid))

    def discard(self, uid: str) -> None:
        del self._tickets[uid]
        if len(self._heap) > 2 * len(self._tickets) + 64:  # mostly leavers
            self._heap = [item for item in self._heap if self._tickets.get(item[2]) == item[1]]
            heapq.heapify(self._heap)

    def head(self) -> tuple[tuple[float, ...], str] | None:
        while self._heap:
            key, ticket, uid = self._heap[0]
            if self._tickets.get(uid) == ticket:
                return key, uid
            heapq.heappop(self._heap)
        return None

    def uids(self) -> list[str]:
        return list(self._tickets)


class Queue:
    """The pods of ours that have no node yet.

    Args:
        clock: Monotonic seconds.
        limit: How many pods may wait; those beyond it are dropped, counted, and found again by `reconcile`.
        backoff_initial_s: The wait after a pod's first failure; it doubles with each further one.
        backoff_max_s: The longest wait.
    """

    def __init__(
        self, *, clock: Callable[[], float], limit: int, backoff_initial_s: float, backoff_max_s: float
    ) -> None:
        self._clock = clock
        self._limit = limit
        self._backoff_initial_s = backoff_initial_s
        self._backoff_max_s = backoff_max_s
        self._entries: dict[str, Entry] = {}
        self._lines: dict[Place, _Line] = {place: _Line() for place in Place if place is not Place.GONE}
        self._refused: dict[str, dict[str, Entry]] = {}  # filter -> the sleepers that it refused, by uid
        self._wakeups = 0
        self.dropped = 0  # pods that found the queue full, in all
        self.overflowed = False  # some were dropped since the last reconcile
        self.changed = asyncio.Event()  # set whenever `pop` or `wait_s` may answer differently

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, uid: str) -> Entry | None:
        return self._entries.get(uid)

    def count(self, *places: Place) -> int:
        return sum(len(self._lines[place]) for place in places)

    # ------------------------------------------------------------------------------------------- what the watch says

    def observe(self, pod: core.Pod) -> None:
        """Take in a pod as the API server has it now."""
        uid = pod.metadata.uid
        if pod.spec.node_name or pod.metadata.deletion_timestamp or pod.status.phase in FINISHED_PHASES:
            self.remove(uid)
            return
        entry = self._entries.get(uid)
        if entry is None:
            self._admit(pod)
            return
        changed = _asks_differently(entry.pod, pod)
        entry.pod, entry.seen = pod, self._clock()
        if entry.place is Place.GATED:
            if not pod.spec.scheduling_gates:
                self._activate(entry)
        elif changed:
            entry.annotations_reported = False
            if entry.place in (Place.UNSCHEDULABLE, Place.HELD):
                self._rouse(entry)
            elif entry.place is Place.IN_CYCLE:
                entry.wakeups = -1  # what is being decided is no longer the question

    def remove(self, uid: str) -> None:
        """The pod is no longer pending: bound, deleted or finished."""
        entry = self._entries.pop(uid, None)
        if entry is not None:
            self._leave(entry)
            entry.place = Place.GONE
            self.changed.set()

    def reconcile(self, pods: Iterable[core.Pod], *, asked: float) -> int:
        """Drop what is no longer pending and add what was missed, by a list that was asked for at ``asked``.

        What the watch spoke of later than that is left alone. Returns how many were dropped.
        """
        self.overflowed = False
        listed = {pod.metadata.uid: pod for pod in pods}
        absent = [uid for uid, entry in self._entries.items() if uid not in listed and entry.seen < asked]
        for uid in absent:
            self.remove(uid)
        for uid, pod in listed.items():
            if uid not in self._entries:
                self.observe(pod)
        return len(absent)

    def wake(self) -> None:
        """Something happened that may let a pod fit that did not."""
        self._wakeups += 1
        for uid in self._lines[Place.UNSCHEDULABLE].uids():
            self._rouse(self._entries[uid])

    def wake_refused(self, plugin: str, may_help: Callable[[core.Pod], bool] | None = None) -> None:
        """Something happened that may change what a filter says of those pods, or of all (None)."""
        for entry in list(self._refused.get(plugin, {}).values()):
            if may_help is None or may_help(entry.pod):
                self._rouse(entry)
        for uid in self._lines[Place.IN_CYCLE].uids():
            entry = self._entries[uid]
            if may_help is None or may_help(entry.pod):
                entry.missed.add(plugin)

    def release(self, uid: str) -> None:
        """What a pod was held for has come; one that is not held stays where it is."""
        entry = self._entries.get(uid)
        if entry is not None and entry.place is Place.HELD:
            self._rouse(entry)

    # -------------------------------------------------------------------------------------------- what the cycle does

    def pop(self) -> Entry | None:
        """The next pod to decide, or None if none is ready."""
        self._mature()
        head = self._lines[Place.ACTIVE].head() or self._lines[Place.BACKOFF].head()
        if head is None:
            return None
        entry = self._entries[head[1]]
        entry.wakeups = self._wakeups
        entry.missed.clear()
        self._move(entry, Place.IN_CYCLE)
        return entry

    def wait_s(self) -> float | None:
        """Seconds until `pop` may have something by the mere passing of time; None if it never will."""
        if self.count(Place.ACTIVE, Place.BACKOFF):
            return 0.0
        timed = (Place.ERROR_BACKOFF, Place.UNSCHEDULABLE, Place.HELD)
        heads = [self._lines[place].head() for place in timed]
        due = [head[0][0] for head in heads if head is not None]
        return max(0.0, min(due) - self._clock()) if due else None

    def bind(self, entry: Entry) -> None:
        """A node is found: the pod waits for its binding to be confirmed."""
        if entry.place is not Place.GONE:
            self._move(entry, Place.BINDING)

    def hold(self, entry: Entry, until: float) -> None:
        """Not yet: put it aside until it is released, or until the time given."""
        if entry.place is not Place.GONE:
            self._move(entry, Place.HELD, until)

    def put_back(self, entry: Entry, refused_by: frozenset[str] = frozenset()) -> None:
        """No node fits, by these filters: sleep, unless something happened since the pod was popped."""
        if entry.place is Place.GONE:
            return
        entry.attempts += 1
        entry.errors = 0
        self._start_backoff(entry, entry.attempts)
        if entry.wakeups == self._wakeups and refused_by.isdisjoint(entry.missed):
            self._move(entry, Place.UNSCHEDULABLE, entry.queued + FLUSH_AFTER_S)
            entry.refused_by = refused_by
            for plugin in refused_by:
                self._refused.setdefault(plugin, {})[entry.uid] = entry
        else:
            self._move(entry, Place.BACKOFF, entry.ready_at)

    def fail(self, entry: Entry) -> None:
        """Something else than the fit went wrong: try again after a backoff that nothing shortens."""
        if entry.place is Place.GONE:
            return
        entry.errors += 1
        self._start_backoff(entry, entry.errors)
        self._move(entry, Place.ERROR_BACKOFF, entry.ready_at)

    # ------------------------------------------------------------------------------------------------------- inside

    def _admit(self, pod: core.Pod) -> None:
        if self.count(*WAITING) >= self._limit:
            self.dropped += 1
            self.overflowed = True
            return
        now = self._clock()
        entry = Entry(pod=pod, arrived=now, seen=now)
        self._entries[entry.uid] = entry
        if pod.spec.scheduling_gates:
            self._move(entry, Place.GATED)
        else:
            self._activate(entry)

    def _activate(self, entry: Entry) -> None:
        entry.queued = self._clock()
        self._move(entry, Place.ACTIVE, -entry.pod.spec.priority, entry.queued)

    def _start_backoff(self, entry: Entry, failures: int) -> None:
        now = entry.queued = self._clock()
        doublings = min(failures - 1, 32)  # beyond any maximum, and no overflow
        entry.ready_at = now + min(self._backoff_max_s, self._backoff_initial_s * 2.0**doublings)

    def _rouse(self, entry: Entry) -> None:
        if entry.ready_at <= self._clock():
            self._move(entry, Place.ACTIVE, -entry.pod.spec.priority, entry.queued)
        else:
            self._move(entry, Place.BACKOFF, entry.ready_at)

    def _mature(self) -> None:
        now = self._clock()
        for place in (Place.BACKOFF, Place.ERROR_BACKOFF, Place.UNSCHEDULABLE, Place.HELD):
            line = self._lines[place]
            while (head := line.head()) is not None and head[0][0] <= now:
                entry = self._entries[head[1]]
                self._move(entry, Place.ACTIVE, -entry.pod.spec.priority, entry.queued)

    def _move(self, entry: Entry, place: Place, *key: float) -> None:
        if entry.place is not Place.GONE:
            self._leave(entry)
        entry.place = place
        self._lines[place].add(entry.uid, key)
        self.changed.set()

    def _leave(self, entry: Entry) -> None:
        self._lines[entry.place].discard(entry.uid)
        for plugin in entry.refused_by:
            del self._refused[plugin][entry.uid]
        entry.refused_by = frozenset()


def _asks_differently(old: core.Pod, new: core.Pod) -> bool:
    """Whether an update may change the decision; status and the rest of the metadata do not."""
    return (
        old.spec != new.spec
        or old.metadata.labels != new.metadata.labels
        or old.metadata.annotations != new.metadata.annotations
    )
