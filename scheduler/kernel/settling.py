"""From a Binding to its end: what follows of each answer for the pod, the state, the queue and who waits for a slot.

What is under way, and what an answer says of it, `bindings` knows.
"""

from __future__ import annotations

from collections.abc import Callable

from scheduler.api import verdicts
from scheduler.kernel import bindings, commands, events, failing, queue, world

Verdict = verdicts.Verdict


class Settling:
    """What follows of bindings.

    Args:
        known: The cluster.
        waiting: Whose pods they are.
        failing: Has them tried again.
        limit: How many bindings may be under way.
        clock: When the input was taken in that is being dealt with.
        let_go: Whoever keeps devices for the pod of a uid, which is not bound, does so no longer.
        out: Where commands go.

    Attributes:
        under_way: Those whose end is awaited.
    """

    def __init__(
        self,
        *,
        known: world.World,
        waiting: queue.Queue,
        failing: failing.Failing,
        limit: int,
        clock: Callable[[], float],
        let_go: Callable[[str], None],
        out: list[commands.Command],
    ) -> None:
        self.under_way = bindings.Bindings(limit)
        self._world = known
        self._queue = waiting
        self._failing = failing
        self._clock = clock
        self._let_go = let_go
        self._out = out

    def begin(self, flight: bindings.Flight) -> None:
        """Have a pod bound that is assumed on its node, now or when its namespace may have one more."""
        bind = self.under_way.start(flight)
        if bind is not None:
            self._out.append(bind)

    def answered(self, event: events.BindAnswered) -> None:
        flight = self.under_way.answered(event.uid, event.verdict, event.after_s)
        if isinstance(flight, commands.LookUp):
            pod = self.under_way.pod_of(event.uid)
            self._out += [commands.Unsettled(pod, event.verdict, event.message), flight]
        elif flight is not None:
            self._settle(flight, event.verdict, event.message)

    def looked_up(self, event: events.LookedUp) -> None:
        if event.uid not in self.under_way:
            freed = self.under_way.looked(event.uid, event.verdict, self._clock())
            if freed is not None:
                self._out.append(commands.Freed(freed.pod, freed.node))
                self._world.forget(freed.pod, freed.node)
                self._queue.remove(event.uid)  # one that is pending all the same is found again by the next list
                self._world.nominations.put(event.uid, None)
            return
        flight = self.under_way.answered(event.uid, event.verdict, event.after_s)
        if isinstance(flight, commands.LookUp):
            self._out.append(flight)
        elif flight is not None:
            self._settle(flight, event.verdict, event.message)

    def displace(self, uid: str) -> bool:
        """Take back what is assumed for a pod whose binding was not sent; false: there is no such pod."""
        flight = self.under_way.cancel(uid)
        if flight is not None:
            self._world.forget(flight.pod, flight.node)
            self._failing.fail(flight.pod, flight.record, failing.DISPLACED)
            self._release(flight)
        return flight is not None

    def _settle(self, flight: bindings.Flight, verdict: Verdict, message: str) -> None:
        pod, uid = flight.pod, flight.pod.metadata.uid
        elapsed_s = self._clock() - flight.started_s
        while (bind := self.under_way.next()) is not None:
            self._out.append(bind)
        for namespace in self._queue.crowded():
            if self.under_way.admits(namespace):
                self._queue.readmit(namespace)
        if verdict in {Verdict.BOUND, Verdict.FINISHED}:
            flight.record.outcome = Verdict.BOUND.value
            if self._world.state.is_assumed(uid):
                self.under_way.expect(flight, self._clock())
            self._out.append(commands.Scheduled(pod, flight.record, elapsed_s))
            return
        flight.record.outcome, flight.record.message = verdict.value, message
        self._world.forget(pod, flight.node)
        self._out.append(commands.NotBound(pod, flight.node, verdict, message, elapsed_s))
        if verdict in {Verdict.CONFLICT, Verdict.GONE}:
            self._queue.remove(uid)
            self._world.nominations.put(uid, None)
        elif self._failing.again(uid):
            self._out.append(commands.Nominate(pod, ""))
        self._release(flight)

    def _release(self, flight: bindings.Flight) -> None:
        """A pod is not bound that was given devices: they are not in flight any more, nor are its claims its own."""
        meta = flight.pod.metadata
        self._let_go(meta.uid)
        if flight.held and self._queue.get(meta.uid) is not None:  # others let go of the claims of a pod that is gone
            self._out.append(commands.Release(meta.uid, meta.namespace, meta.name, flight.held))
