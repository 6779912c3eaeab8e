"""The bindings under way, and what was assumed for them: each assumption ends exactly once.

A pod comes here assumed: its capacity is taken. What happens next is read off the answer:

    bound       nothing: the assumption stands until the watch shows the pod on its node
    conflict    not bound by this request. The pod is read: on our node after all (an earlier request got through), the
                assumption stands; on another or gone, it is taken back; still without a node, taken back and retried
    gone        taken back, and the pod is forgotten
    refused     taken back, reported, retried after a backoff
    throttled,  the pod is read until its state is known, however long that takes; then as for a conflict. Meanwhile
    unknown     the capacity stays taken, and the slot too, so that an API server in trouble gets fewer requests

There is at most one request for a uid at a time. A pod is never bound twice even so: the server accepts the first
binding only. A bound pod that the watch never shows was deleted or finished while the watch was broken; those that have
been waiting for long are read.

Slots are shared between namespaces: one may have `SHARE` times as many as are free. So one alone gets three quarters of
them, several slow ones get less each, and some are always left for who comes new (the dynamic thresholds of Choudhury
and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998). What is decided beyond a namespace's share waits here for
its slot: the most urgent first, and the namespaces in turn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

from scheduler.api import core, verdicts
from scheduler.kernel import commands, journal, lines

Verdict = verdicts.Verdict

SHARE: Final = 3
READ_BACK_MIN_S: Final = 0.1  # before the first look at a pod whose fate is unknown
READ_BACK_MAX_S: Final = 5.0
CONFIRM_WITHIN_S: Final = 30.0  # a watch shows a binding within milliseconds; longer: it may have missed the pod
SWEEP_INTERVAL_S: Final = 10.0
LOOKS_A_SWEEP: Final = 64

_UNSETTLED: Final = frozenset({Verdict.CONFLICT, Verdict.THROTTLED, Verdict.UNKNOWN})


@dataclasses.dataclass(slots=True)
class Flight:
    """A binding under way.

    Attributes:
        record: The attempt's record, whose outcome is written here.
        started_s: When the attempt began.
        held: What was written of claims to devices.
        pause_s: The pause before the last look at the pod.
        is_read: Whether its answer was not enough, so that the pod is read.
        is_sent: Whether it has a slot; it waits for one otherwise.
    """

    pod: core.Pod
    node: str
    record: journal.Record
    started_s: float
    held: commands.Held = commands.NOTHING
    pause_s: float = 0.0
    is_read: bool = False
    is_sent: bool = False


@dataclasses.dataclass(slots=True)
class Unconfirmed:
    """A pod that is bound, and that the watch has not shown on its node yet."""

    pod: core.Pod
    node: str
    since_s: float
    is_read: bool = False  # whether a look at it is under way


class Bindings:
    """Which are under way, and what follows from their answers.

    Args:
        limit: How many may be under way.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._flights: dict[str, Flight] = {}  # by pod uid
        self._sent = 0
        self._of: dict[str, int] = {}  # by namespace, how many of them are sent
        self._waiting: dict[str, lines.Line] = {}  # by namespace, the uids of those that are not
        self.unconfirmed: dict[str, Unconfirmed] = {}  # by pod uid, those that wait longest first
        self._sweep_due_s = 0.0

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, uid: str) -> bool:
        return uid in self._flights

    def flights(self) -> Iterator[tuple[str, Flight]]:
        return iter(self._flights.items())

    def pod_of(self, uid: str) -> core.Pod:
        """The pod whose binding is under way."""
        return self._flights[uid].pod

    def assumed(self, uid: str) -> tuple[core.Pod, str] | None:
        """The pod as it was decided, and its node, while the watch has not shown what became of it."""
        one = self._flights.get(uid) or self.unconfirmed.get(uid)
        return (one.pod, one.node) if one is not None else None

    @property
    def free(self) -> int:
        return self.limit - self._sent

    def admits(self, namespace: str) -> bool:
        """Whether a namespace may have one more."""
        return self._of.get(namespace, 0) < SHARE * (self.limit - self._sent)

    def start(self, flight: Flight) -> commands.Bind | None:
        """Bind a pod at once or, None, when its namespace may have one more."""
        meta = flight.pod.metadata
        if meta.uid in self._flights:
            raise KeyError(f"{flight.pod.key} is being bound already")
        self._flights[meta.uid] = flight
        if self.admits(meta.namespace):
            return self._send(flight)
        self._waiting.setdefault(meta.namespace, lines.Line()).add(meta.uid, (-flight.pod.spec.priority,))
        return None

    def next(self) -> commands.Bind | None:
        """One that waited and may be sent now; None where there is none."""
        for namespace, line in self._waiting.items():  # those that may not have one have some, so that they are few
            if self.admits(namespace):
                del self._waiting[namespace]
                head = line.head()
                if head is None:
                    raise RuntimeError(f"nobody waits in {namespace}")
                line.discard(head[1])
                if line:
                    self._waiting[namespace] = line  # the others first
                return self._send(self._flights[head[1]])
        return None

    def cancel(self, uid: str) -> Flight | None:
        """Do not bind a pod that still waits for its slot; None where there is none."""
        flight = self._flights.get(uid)
        if flight is None or flight.is_sent:
            return None
        del self._flights[uid]
        line = self._waiting[flight.pod.metadata.namespace]
        line.discard(uid)
        if not line:
            del self._waiting[flight.pod.metadata.namespace]
        return flight

    def _send(self, flight: Flight) -> commands.Bind:
        meta = flight.pod.metadata
        flight.is_sent = True
        self._sent += 1
        self._of[meta.namespace] = self._of.get(meta.namespace, 0) + 1
        return commands.Bind(meta.uid, meta.namespace, meta.name, flight.node)

    def answered(self, uid: str, verdict: Verdict, after_s: float) -> Flight | commands.LookUp | None:
        """What follows an answer: the binding that is over, a look at the pod, or nothing (an answer to nobody)."""
        flight = self._flights.get(uid)
        if flight is None or not flight.is_sent:
            return None
        if not flight.is_read:
            if verdict in _UNSETTLED:
                flight.is_read = True
                flight.pause_s = 0.0 if verdict is Verdict.CONFLICT else READ_BACK_MIN_S
                return _look(flight.pod, flight.node, max(after_s, flight.pause_s))
        elif verdict is Verdict.UNKNOWN:
            flight.pause_s = min(READ_BACK_MAX_S, max(READ_BACK_MIN_S, 2 * flight.pause_s))
            return _look(flight.pod, flight.node, max(after_s, flight.pause_s))
        del self._flights[uid]
        self._sent -= 1
        namespace = flight.pod.metadata.namespace
        self._of[namespace] -= 1
        if not self._of[namespace]:
            del self._of[namespace]
        return flight

    # ------------------------------------------------------------------------------------------- what is unconfirmed

    def expect(self, flight: Flight, now_s: float) -> None:
        """A bound pod is to be shown by the watch."""
        self.unconfirmed[flight.pod.metadata.uid] = Unconfirmed(flight.pod, flight.node, now_s)
        if len(self.unconfirmed) == 1:
            self._sweep_due_s = max(self._sweep_due_s, now_s + SWEEP_INTERVAL_S)

    def confirm(self, uid: str) -> None:
        """The watch has shown a pod, or that it is gone; one that nobody waits for is no error."""
        self.unconfirmed.pop(uid, None)

    def looked(self, uid: str, verdict: Verdict, now_s: float) -> Unconfirmed | None:
        """The answer to a look at an unconfirmed pod; returns it where nothing is to be held for it any more."""
        waiting = self.unconfirmed.pop(uid, None)
        if waiting is None or verdict not in {Verdict.BOUND, Verdict.UNKNOWN}:
            return waiting
        self.unconfirmed[uid] = Unconfirmed(waiting.pod, waiting.node, now_s)  # and looked at again, the others first
        return None

    def sweep(self, now_s: float) -> list[commands.LookUp]:
        """Now and then: looks at pods that should have been confirmed by now."""
        if not self.unconfirmed or now_s < self._sweep_due_s:
            return []
        self._sweep_due_s = now_s + SWEEP_INTERVAL_S
        looks: list[commands.LookUp] = []
        for waiting in self.unconfirmed.values():
            if waiting.since_s > now_s - CONFIRM_WITHIN_S or len(looks) == LOOKS_A_SWEEP:
                break
            if not waiting.is_read:
                waiting.is_read = True
                looks.append(_look(waiting.pod, waiting.node, 0.0))
        return looks

    def sweep_in_s(self, now_s: float) -> float | None:
        """Seconds until the next sweep; None where there is nothing to sweep."""
        return max(0.0, self._sweep_due_s - now_s) if self.unconfirmed else None


def _look(pod: core.Pod, node: str, after_s: float) -> commands.LookUp:
    meta = pod.metadata
    return commands.LookUp(meta.uid, meta.namespace, meta.name, node, after_s)
