"""What all schedulers but ours share: events in, bindings out, and a strategy that says who goes where.

An arm keeps the cluster and the pods that wait as the kernel does, and answers with bindings alone. What a strategy
says is assumed at once, so that the next pod finds it taken. A node that does not take the pod any more is passed over,
and who fits nowhere waits: the strategy is asked again when something has changed, or when it says that time alone may
change its mind.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from scheduler import config
from scheduler.api import core, names, verdicts
from scheduler.kernel import commands, events, queue, world
from scheduler.simulate import scheduling
from scheduler.simulate.arms import seen

_BOUND: Final = (verdicts.Verdict.BOUND, verdicts.Verdict.FINISHED)
_OVER: Final = (verdicts.Verdict.CONFLICT, verdicts.Verdict.GONE)
# What may change where data lies and how it is reached.
_OF_DATA: Final = (
    events.NodeSeen,
    events.NodeGone,
    events.ObjectSeen,
    events.ObjectGone,
    events.CapabilitySeen,
    events.CapabilityGone,
)


class To(NamedTuple):
    """A pod goes to a node, by its slot."""

    one: seen.Waiting
    slot: int


class Strategy(Protocol):
    """Who goes where. It is asked for one answer after the other, and finds the last one done when it is asked on."""

    def place(self, see: seen.Seen, waiting: Sequence[seen.Waiting]) -> Iterator[To | scheduling.Copy]:
        """Place some of those who wait, in the order of their arrival; those that are left out go on waiting."""

    def again_s(self) -> float | None:
        """After how many seconds from the last call the passing of time may change the answer; None for never."""


class OneByOne:
    """The strategy of those who take the pods as they come and look at each for itself.

    Args:
        choose: Picks one of the slots, at least one, that take a pod.
    """

    def __init__(self, choose: Callable[[seen.Seen, seen.Waiting, seen.Ints], int]) -> None:
        self._choose = choose

    def place(self, see: seen.Seen, waiting: Sequence[seen.Waiting]) -> Iterator[To]:
        for one in waiting:
            slots = see.feasible(one)
            if len(slots):
                yield To(one, self._choose(see, one, slots))

    def again_s(self) -> None:
        """Time changes nothing."""


class Arm:
    """A scheduler with another strategy than ours."""

    def __init__(self, settings: config.Settings, strategy: Strategy) -> None:
        # What only ours knows of: who fits where does not depend on it, and data is to cost what it takes alone.
        settings = dataclasses.replace(
            settings, learning=False, lookahead=0.0, contention=False, counts_bytes=False, image_pull_as_data=False
        )
        self._strategy = strategy
        idle = queue.Queue(clock=lambda: 0.0, limit=0, backoff_initial_s=1.0, backoff_max_s=1.0)
        self._world = world.World(settings, names.HOME_NAMESPACE, idle)  # wakes nobody: who waits is kept here
        self._state = self._world.state
        self._see = seen.Seen(settings, self._state)
        self._waiting: dict[str, seen.Waiting] = {}  # by uid, in the order of arrival
        self._placed: dict[str, seen.Waiting] = {}  # whose binding is not answered
        self._round: Iterator[To | scheduling.Copy] | None = None  # what the strategy has begun to say
        self._settled = -1  # the state of the cluster when the last round began, which is over if it placed nobody
        self._again_s: float | None = None  # when it may have, in seconds of the clock
        self._now_s = 0.0
        self._handlers: Mapping[type[events.Event], Callable[[Any], object]] = {
            **self._world.handlers(),
            events.StorageSeen: self._world.storage_seen,
            events.StorageGone: self._world.storage_gone,
            events.PodSeen: self._pod_seen,
            events.PodGone: lambda event: self._pod_gone(event.uid),
            events.PendingSeen: lambda event: self._pending_seen(event.pod),
            events.PendingGone: lambda event: self._drop(event.uid),
            events.PendingListed: self._pending_listed,
            events.BindAnswered: self._bind_answered,
        }

    def handle(self, event: events.Event) -> Sequence[commands.Command]:
        """Take in one event; groups of pods are no concern of any of the sources."""
        self._now_s = max(self._now_s, event.now_s)
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)
        if isinstance(event, _OF_DATA):
            self._see.moved()
        return self._world.drain()

    def step(self, now_s: float, wall_s: float, budget: int) -> Sequence[commands.Command]:
        """Have up to ``budget`` pods placed; a round of the strategy that is not over goes on with the next step."""
        self._now_s = max(self._now_s, now_s)
        self._world.turn(wall_s)
        self._see.turn(self._now_s, wall_s)
        if not self._is_due():
            return []
        if self._round is None:
            self._round = self._strategy.place(self._see, tuple(self._waiting.values()))
            self._settled = self._state.generation
        out: list[commands.Command] = []
        for said in self._round:
            if isinstance(said, scheduling.Copy):
                out.append(said)
            elif said.one.uid in self._waiting and said.slot in self._see.feasible(said.one):
                out.append(self._assume(*said))
                budget -= 1
            if budget <= 0:
                return out
        self._round = None
        again_s = self._strategy.again_s()
        self._again_s = self._now_s + again_s if again_s is not None else None
        return out

    def wait_s(self) -> float | None:
        """As the kernel's."""
        if self._is_due():
            return 0.0
        return self._again_s - self._now_s if self._waiting and self._again_s is not None else None

    def _is_due(self) -> bool:
        if not self._waiting:
            self._round = None
            return False
        is_time = self._again_s is not None and self._again_s <= self._now_s
        return is_time or self._round is not None or self._settled != self._state.generation

    def _assume(self, one: seen.Waiting, slot: int) -> commands.Bind:
        pod, node = one.asked.pod, self._see.view.names[slot]
        self._world.assume(pod, node, one.asked.asked)
        self._drop(one.uid)
        self._placed[one.uid] = one
        return commands.Bind(one.uid, pod.metadata.namespace, pod.metadata.name, node)

    # ------------------------------------------------------------------------------------------------- what is seen

    def _pod_seen(self, event: events.PodSeen) -> None:
        uid = event.pod.metadata.uid
        self._drop(uid)
        self._placed.pop(uid, None)
        self._world.pod_seen(event.pod, None)

    def _pod_gone(self, uid: str) -> None:
        self._placed.pop(uid, None)
        self._world.pod_gone(uid, None)

    def _pending_seen(self, pod: core.Pod) -> None:
        uid = pod.metadata.uid
        is_over = pod.spec.node_name or pod.metadata.deletion_timestamp or pod.status.phase in queue.FINISHED_PHASES
        if is_over or pod.spec.scheduling_gates:
            self._drop(uid)
        elif not self._state.is_placed(uid):
            before = self._waiting.get(uid)
            self._waiting[uid] = self._see.waiting(pod, self._now_s if before is None else before.since_s)
            self._settled = -1

    def _pending_listed(self, event: events.PendingListed) -> None:
        listed = {pod.metadata.uid for pod in event.pods}
        for uid in [uid for uid in self._waiting if uid not in listed]:
            self._drop(uid)
        for pod in event.pods:
            self._pending_seen(pod)

    def _bind_answered(self, event: events.BindAnswered) -> None:
        one = self._placed.pop(event.uid, None)
        if one is None or event.verdict in _BOUND:
            return
        self._world.forget(one.asked.pod, self._see.view.placed[event.uid].node)
        if event.verdict not in _OVER:
            self._waiting[event.uid] = one

    def _drop(self, uid: str) -> None:
        self._waiting.pop(uid, None)
