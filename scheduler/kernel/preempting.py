"""What follows of the decision that pods have to go for a more urgent one: room is kept for it, and they are evicted.

The room is kept at once, so that who is no more urgent does not take it; who is less urgent and has room kept on that
node has it no longer. Victims that are being deleted already are left alone. One that is only about to be bound, and
whose binding was not sent, is not deleted but waits again. The others go by one command. Until that is answered, the
pod sleeps whatever happens, as it would only find its victims still there and look for more; then the end of its
victims rouses it like anybody else, and what happened meanwhile does at once. Where an eviction fails, no end may come
to rouse it, so that it is tried again, after a pause: kube-scheduler makes none, and would ask an API server that is in
trouble, or does not let it, as fast as it answers.

Source: preemption/executor.go (prepareCandidateAsync), DefaultPreemption's PreEnqueue, schedule_one.go
(handleSchedulingFailure), where each outcome says which node is nominated.
"""

from __future__ import annotations

import dataclasses

from scheduler.api import core
from scheduler.engine import decision
from scheduler.engine.preemption import outlook
from scheduler.kernel import commands, events, queue, reserving, settling, world


@dataclasses.dataclass(slots=True)
class _Eviction:
    """One that is not answered; ``is_short``: of some victims no end is seen, as they never were on their node."""

    number: int
    is_short: bool


class Preempting:
    """Makes room.

    Args:
        known: The cluster.
        waiting: Who waits.
        reserving_for, binding_of: Who is on the way to a node.
        out: Where commands go.
    """

    def __init__(
        self,
        *,
        known: world.World,
        waiting: queue.Queue,
        reserving_for: reserving.Reserving,
        binding_of: settling.Settling,
        out: list[commands.Command],
    ) -> None:
        self._world = known
        self._queue = waiting
        self._reserving = reserving_for
        self._settling = binding_of
        self._out = out
        self._count = 0
        self._under_way: dict[str, _Eviction] = {}  # by uid of whom room is made for

    def begin(self, entry: queue.Entry, chosen: outlook.Candidate) -> None:
        """A pod that sleeps, and has room kept on a node, gets it."""
        seen = (self._world.pod(victim.uid) for victim in chosen.victims)
        victims = [pod for pod in seen if pod is not None and not pod.metadata.deletion_timestamp]
        if not victims:
            return
        for pod in self._world.nominations.below(chosen.node, entry.pod.spec.priority):
            other = self._queue.get(pod.metadata.uid)
            if other is not None and self._world.nominations.renominate(other, ""):
                self._out.append(commands.Nominate(other.pod, ""))
        entry.is_preempting = True
        left = [pod for pod in victims if not self._displace(pod, entry.pod, chosen.node)]
        is_short = len(left) < len(victims)
        if left:
            self._count += 1
            self._under_way[entry.uid] = _Eviction(self._count, is_short)
            self._out.append(commands.Evict(entry.pod, self._count, chosen.node, tuple(left)))
        else:
            self._go_on(entry, at_once=True)

    def answered(self, event: events.EvictAnswered) -> None:
        one = self._under_way.get(event.uid)
        if one is None or one.number != event.number:
            return
        del self._under_way[event.uid]
        entry = self._queue.get(event.uid)
        if entry is None or not entry.is_preempting:
            return
        if event.problem:
            self._queue.fail(entry)
        else:
            self._go_on(entry, at_once=one.is_short)

    def _displace(self, victim: core.Pod, by: core.Pod, node: str) -> bool:
        """Have a victim wait again whose binding was not sent; false: it is to be deleted."""
        uid = victim.metadata.uid
        is_displaced = self._reserving.displace(uid) or self._settling.displace(uid)
        if is_displaced:
            self._out.append(commands.Displaced(victim, by, node))
        return is_displaced

    def _go_on(self, entry: queue.Entry, *, at_once: bool) -> None:
        is_roused, entry.is_preempting, entry.is_roused = entry.is_roused, False, False
        if at_once:
            self._queue.activate(entry)
        elif is_roused:
            self._queue.rouse(entry)


def nominated(found: decision.Decision) -> str | None:
    """For which node a pod waits that was decided to fit nowhere: "" for none, None for where it did before."""
    if found.fault:
        return None
    outcome = found.preemption
    if found.score_error or found.is_failed or outcome is None:
        return ""
    if not outcome.eligible or outcome.instead:
        return None
    return outcome.chosen.node if outcome.chosen is not None else ""
