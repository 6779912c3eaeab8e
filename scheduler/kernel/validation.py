"""What holds of a kernel between two inputs, whatever came in before; for tests, and for who doubts a running one."""

from __future__ import annotations

from scheduler.kernel import kernel, places, queue
from scheduler.state import validation as state_validation

Place = places.Place


def check(subject: kernel.Kernel) -> None:
    """Look through the whole of it.

    Raises:
        AssertionError: something does not hold; says what.
    """
    found = problems(subject)
    if found:
        raise AssertionError("; ".join(found))


def problems(subject: kernel.Kernel) -> list[str]:
    """All that does not hold."""
    own = [
        *_of_queue(subject.queue),
        *_of_bindings(subject),
        *_of_nominations(subject),
        *_of_what_is_remembered(subject),
    ]
    return own + state_validation.problems(subject.state)


def _of_queue(waiting: queue.Queue) -> list[str]:
    """A pod is in exactly one place, none is left in the cycle, and the filters' sleepers are those who sleep."""
    found = []
    members = {place: set(line.uids()) for place, line in waiting.lines.items()}
    if more := sum(map(len, members.values())) - len(waiting):
        found.append(f"{more} pods more in places than in the queue")
    for entry in waiting.entries():
        if entry.place is Place.GONE or entry.uid not in members[entry.place]:
            found.append(f"{entry.pod.key} is not in its place {entry.place.value}")
        if (entry.place is Place.UNSCHEDULABLE) != bool(entry.refused_by):
            found.append(f"{entry.pod.key} in {entry.place.value} is refused by {entry.refused_by}")
        deaf = [
            plugin
            for plugin, asked in entry.refused_by.items()
            if entry not in dict(waiting.asleep.of(plugin)).get(asked, ())
        ]
        if deaf:
            found.append(f"{entry.pod.key} is not found by {deaf}")
    if members[Place.IN_CYCLE]:
        found.append(f"{members[Place.IN_CYCLE]} are left in the cycle")
    found += [
        f"{entry.pod.key} makes room in {entry.place.value}"
        for entry in waiting.entries()
        if entry.is_preempting and entry.place is not Place.UNSCHEDULABLE
    ]
    return found


def _of_bindings(subject: kernel.Kernel) -> list[str]:
    """Who is being bound is assumed where it goes; who is assumed is being bound, or waits to be confirmed."""
    cared_for = {uid for uid, _ in subject.bindings.flights()} | subject.bindings.unconfirmed.keys()
    cared_for.update(subject.reservations)
    found = [
        f"{one.pod.key} is assumed for ever"
        for uid, one in subject.state.freeze(0.0).placed.items()
        if one.assumed and uid not in cared_for
    ]
    if subject.bindings.free < 0:
        found.append(f"{-subject.bindings.free} bindings too many are under way")
    return found


def _of_what_is_remembered(subject: kernel.Kernel) -> list[str]:
    """Runs are those of pods on nodes, and who is known to read and write waits."""
    placed = subject.state.freeze(0.0).placed
    found = [f"{uid} is at work on no node" for uid in subject.state.durations.at_work() if uid not in placed]
    held = subject.queue.lines[Place.HELD].uids()
    found += [f"{uid} is to wait for a node, and is not held" for uid in subject.delaying.waiting() if uid not in held]
    producers = subject.state.pipelines.producers()
    found += [f"{uid} is to write, and is on no node" for uid in producers if uid not in placed]
    waiting = subject.state.pipelines.known()
    return found + [f"{uid} is known to wait, and does not" for uid in waiting if subject.queue.get(uid) is None]


def _of_nominations(subject: kernel.Kernel) -> list[str]:
    """Room is kept for pods that wait, and for no others."""
    kept = set(subject.state.freeze(0.0).nominated_pods)
    found = [f"room is kept for {uid}, which does not wait" for uid in kept if subject.queue.get(uid) is None]
    if kept != set(subject.world.nominations.pods):
        found.append(f"room is kept for {kept}, and known of {set(subject.world.nominations.pods)}")
    stale = [uid for uid in subject.world.nominations.known() if subject.queue.get(uid) is None]
    if stale:
        found.append(f"where {stale} were to go is kept, and they do not wait")
    return found
