"""Where pods of ours wait: active by priority, backing off, unschedulable until something changes, gated, or held.

A pod is in exactly one `Place`. It comes in by `observe`, leaves for a decision by `pop`, and comes back by
`put_back` (nothing fits), `fail` (something broke) or not at all: an entry that is being bound stays in
`Place.BINDING` until the watch says that the pod is no longer pending. Keeping it there is what makes late events of
a bound pod harmless: they update an entry that cannot be popped, instead of making a new one.

A pod that fits nowhere sleeps until an event that may help it: `asleep` tells whom which filters refused, `rouse`
wakes one. No event can come between its pop and its sleep, as the kernel takes in one event at a time, so none is
missed. As in kube-scheduler, waiting out the backoff is skipped while there is nothing else to do, except after errors;
and every sleeper is tried again after five minutes, in case a wake-up was missed (scheduler.kernel.timing).

A pod whose turn came too early, as something about its data is about to be known, is held: it goes back to its rank
when it is released, or at the latest after the time given. One whose namespace has its share of bindings under way is
crowded out until one of them ends. Nobody else waits for either; but before anybody less urgent is decided, it is, and
then only its binding waits. Who is to be placed together with others is gathered meanwhile (scheduler.kernel.batching).

Where there is no room (scheduler.kernel.rooms), who makes way is counted, and found again by the next list.

The queue is synchronous, belongs to the loop's thread, and takes its time from the clock that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from scheduler.api import core
from scheduler.kernel import company, crowds, lines, places, rooms, timing, waiters

LIMIT: Final = 100_000  # pods, about 4 kB each

FINISHED_PHASES = frozenset({"Succeeded", "Failed"})
NO_FILTER = ""  # refuses who was refused by no filter in particular: whatever happens may help
UNSUPPORTED = "unsupported"  # refuses who needs what is not built
GANG = "GangScheduling"  # refuses who waits for others of its group

Place = places.Place
Entry = waiters.Entry


class Queue:
    """The pods of ours that have no node yet.

    Args:
        clock: Monotonic seconds.
        limit: How many pods may wait, gated ones and others each; those beyond it are dropped, counted, and found again
            by `reconcile`.
        backoff_initial_s: The wait after a pod's first failure; it doubles with each further one.
        backoff_max_s: The longest wait.
        left: Told of the uid of each pod that it holds no longer.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        limit: int,
        backoff_initial_s: float,
        backoff_max_s: float,
        left: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._left = left
        self._backoff_initial_s = backoff_initial_s
        self._backoff_max_s = backoff_max_s
        self._entries: dict[str, Entry] = {}
        self.lines: dict[Place, lines.Line] = {place: lines.Line() for place in Place if place is not Place.GONE}
        self._active, self._backoff = self.lines[Place.ACTIVE], self.lines[Place.BACKOFF]
        timed = (Place.BACKOFF, Place.ERROR_BACKOFF, Place.UNSCHEDULABLE, Place.HELD)
        self._timed = [self.lines[place] for place in timed]  # by when their time comes
        self._rooms = rooms.Rooms(limit)
        self._crowds = crowds.Crowds()
        self.company = company.Company()
        self.asleep = waiters.Sleepers()
        self.dropped = 0  # pods that found the queue full, in all
        self.overflowed = False  # some were dropped since the last reconcile

    def configure(self, backoff_initial_s: float, backoff_max_s: float) -> None:
        """From now on back off otherwise; whoever does so already is not touched."""
        self._backoff_initial_s = backoff_initial_s
        self._backoff_max_s = backoff_max_s

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, uid: str) -> Entry | None:
        return self._entries.get(uid)

    def entries(self) -> Iterable[Entry]:
        return self._entries.values()

    def at(self, place: Place) -> list[Entry]:
        return [self._entries[uid] for uid in self.lines[place].uids()]

    def count(self, *places: Place) -> int:
        return sum(len(self.lines[place]) for place in places)

    # ------------------------------------------------------------------------------------------- what the watch says

    def observe(self, pod: core.Pod) -> core.Pod | None:
        """Take in a pod as the API server has it now.

        Returns it as it was if it sleeps, and asks for something else now: whether that helps it is not known here.
        """
        uid = pod.metadata.uid
        if pod.spec.node_name or pod.metadata.deletion_timestamp or pod.status.phase in FINISHED_PHASES:
            self.remove(uid)
            return None
        entry = self._entries.get(uid)
        if entry is None:
            self._admit(pod)
            return None
        before, changed = entry.pod, entry.asks_otherwise(pod)
        entry.pod, entry.seen, entry.asked = pod, self._clock(), None
        if entry.place is Place.GATED:
            if pod.spec.scheduling_gates:
                return None
            if self._has_room(pod):
                self._activate(entry)
            else:
                self._drop(entry)
        elif changed:
            entry.annotations_reported = entry.is_gathered = False
            entry.take_share()
            if entry.place in {Place.HELD, Place.GATHERED}:
                self.rouse(entry)
            elif entry.place is Place.UNSCHEDULABLE:
                return before
        return None

    def remove(self, uid: str) -> None:
        """The pod is no longer pending: bound, deleted or finished."""
        entry = self._entries.pop(uid, None)
        if entry is not None:
            self._leave(entry)
            entry.place = Place.GONE
            entry.take_share()
            self._left(uid)

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

    def rouse(self, entry: Entry) -> None:
        """Something happened that may help a pod that sleeps, or is held: it goes back to its rank, or backs off."""
        if entry.is_preempting:
            entry.is_roused = True
        elif entry.ready_at <= self._clock():
            self._activate(entry)
        else:
            self._move(entry, Place.BACKOFF, entry.ready_at, -entry.pod.spec.priority, entry.queued)

    def release(self, uid: str) -> None:
        """What a pod was held for has come; one that is not held stays where it is."""
        entry = self._entries.get(uid)
        if entry is not None and entry.place is Place.HELD:
            self.rouse(entry)

    # -------------------------------------------------------------------------------------------- what the cycle does

    def pop(self) -> Entry | None:
        """The next pod to decide, or None if none is ready."""
        self._mature()
        head = self._active.head() or (self._backoff.head() if self._is_idle else None)
        if head is None:
            return None
        entry = self._entries[head[1]]
        self._move(entry, Place.IN_CYCLE)
        return entry

    @property
    def _is_idle(self) -> bool:
        """Whether there is nothing to do but for those who back off."""
        return not self._active and not self.lines[Place.GATHERED]

    def next(self) -> Entry | None:
        """Whose turn is next, if somebody is ready."""
        self._mature()
        head = self._active.head()
        return self._entries[head[1]] if head is not None else None

    def overtaken(self, entry: Entry) -> Entry:
        """Who is to be decided when it is a pod's turn: the first of a crowd that is more urgent; then it waits on."""
        head = self.lines[Place.CROWDED].head() if self.lines[Place.CROWDED] else None
        if head is None or -head[0][0] <= entry.pod.spec.priority:
            return entry
        self.rouse(entry)
        first = self._entries[head[1]]
        self._move(first, Place.IN_CYCLE)
        return first

    def wait_s(self) -> float | None:
        """Seconds until `pop` may have something by the mere passing of time; None if it never will."""
        if self._active or (self._backoff and self._is_idle):
            return 0.0
        due = [head[0][0] for line in self._timed if line and (head := line.head()) is not None]
        return max(0.0, min(due) - self._clock()) if due else None

    def ask(self, entry: Entry) -> None:
        """It waits for an answer about its data, which comes at once."""
        if entry.place is not Place.GONE:
            self._move(entry, Place.ASKED)

    def answer(self, entry: Entry, until: float | None) -> None:
        """Hold who was asked about until then, or let it have its turn."""
        entry.is_cleared = until is None
        if until is not None:
            self.hold(entry, until)
        elif entry.place is Place.ASKED:
            self._activate(entry)

    def recall(self, priority: int, most: int) -> None:
        """Some who are crowded out, and would join others of their kind, are ready for that."""
        while most > 0 and (uid := self.company.in_crowd(priority)) is not None:
            self._activate(self._entries[uid])
            most -= 1

    def gather(self, entry: Entry) -> None:
        """It waits for others with which it is to be placed."""
        if entry.place is not Place.GONE:
            entry.is_gathered = True
            self._move(entry, Place.GATHERED)

    def disperse(self, entry: Entry) -> None:
        """It need not wait for others any more: its turn is for itself, and before all as urgent, as it came before."""
        if entry.place is Place.GATHERED:
            self._activate(entry)

    def bind(self, entry: Entry) -> None:
        """A node is found: the pod waits for its binding to be confirmed."""
        if entry.place is not Place.GONE:
            self._move(entry, Place.BINDING)

    def hold(self, entry: Entry, until: float) -> None:
        """Not yet: put it aside until it is released, or until the time given."""
        if entry.place is not Place.GONE:
            self._move(entry, Place.HELD, until)

    def crowd_out(self, entry: Entry) -> None:
        """Not yet: its namespace has its share of bindings under way."""
        if entry.place is not Place.GONE:
            self._move(entry, Place.CROWDED, *entry.rank)

    def crowded(self) -> list[str]:
        """The namespaces whose pods wait for their own bindings."""
        return self._crowds.namespaces()

    def readmit(self, namespace: str) -> None:
        """The first of a crowded namespace's pods has its turn again."""
        uid = self._crowds.first(namespace)
        if uid is not None:
            self._activate(self._entries[uid])

    def take(self, entry: Entry) -> None:
        """A pod is tried out of its turn."""
        self._move(entry, Place.IN_CYCLE)

    def put_aside(self, entry: Entry, refused_by: Mapping[str, waiters.Asked]) -> None:
        """A pod is not tried at all, for these reasons: it sleeps, and that counts for no failure."""
        if entry.place is not Place.GONE:
            self._move(entry, Place.UNSCHEDULABLE, timing.flush_s(self._clock()))
            self.asleep.add(entry, refused_by)

    def put_back(self, entry: Entry, refused_by: Mapping[str, waiters.Asked] = waiters.NOBODY) -> None:
        """No node fits, by these filters, of which so much was asked: sleep until something happens."""
        if entry.place is Place.GONE:
            return
        entry.attempts += 1
        entry.errors = 0
        self._start_backoff(entry, entry.attempts)
        self._move(entry, Place.UNSCHEDULABLE, timing.flush_s(entry.queued))
        self.asleep.add(entry, refused_by or {NO_FILTER: None})

    def activate(self, entry: Entry) -> None:
        """A pod that sleeps has its turn, without waiting out its backoff (Activate)."""
        if entry.place is Place.UNSCHEDULABLE:
            self._activate(entry)

    def fail(self, entry: Entry) -> None:
        """Something else than the fit went wrong: try again after a backoff that nothing shortens."""
        if entry.place is Place.GONE:
            return
        entry.errors += 1
        self._start_backoff(entry, entry.errors)
        self._move(entry, Place.ERROR_BACKOFF, entry.ready_at)

    # ------------------------------------------------------------------------------------------------------- inside

    def _admit(self, pod: core.Pod) -> None:
        if not self._has_room(pod):
            self._count_drop()
            return
        now = self._clock()
        entry = Entry(pod=pod, arrived=now, seen=now, queued=now)
        self._entries[entry.uid] = entry
        if pod.spec.scheduling_gates:
            self._move(entry, Place.GATED)
        else:
            self._activate(entry)

    def _has_room(self, pod: core.Pod) -> bool:
        """Whether another one may wait; if there is no room, one that is to make way is dropped."""
        gated = bool(pod.spec.scheduling_gates)
        if not self._rooms.is_full(gated=gated):
            return True
        uid = self._rooms.first_out(pod.spec.priority, gated=gated)
        if uid is None:
            return False
        self._drop(self._entries[uid])
        return True

    def _drop(self, entry: Entry) -> None:
        self.remove(entry.uid)
        self._count_drop()

    def _count_drop(self) -> None:
        self.dropped += 1
        self.overflowed = True

    def _activate(self, entry: Entry) -> None:
        self._move(entry, Place.ACTIVE, *entry.rank)

    def _start_backoff(self, entry: Entry, failures: int) -> None:
        entry.queued = self._clock()
        entry.ready_at = timing.backoff_ends_s(entry.queued, failures, self._backoff_initial_s, self._backoff_max_s)

    def _mature(self) -> None:
        now = self._clock()
        for line in self._timed:
            while line and (head := line.head()) is not None and head[0][0] <= now:
                entry = self._entries[head[1]]
                self._activate(entry)

    def _move(self, entry: Entry, place: Place, *key: float) -> None:
        if entry.place is not Place.GONE:
            self._leave(entry)
        entry.place = place
        self.lines[place].add(entry.uid, key)
        self.company.come(entry)
        self._crowds.come(entry)
        self._rooms.come(entry)

    def _leave(self, entry: Entry) -> None:
        self.lines[entry.place].discard(entry.uid)
        self.company.leave(entry)
        self._crowds.leave(entry)
        self._rooms.leave(entry)
        if entry.refused_by:
            self.asleep.discard(entry)
            entry.is_preempting = entry.is_roused = False
