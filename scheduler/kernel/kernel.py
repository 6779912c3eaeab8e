"""Scheduling as a state machine: each event changes the state, and what is to be done about it comes back as commands.

    handle(event)          the cluster, a pod that waits, or the answer to a command
    step(now, time, n)     time has passed: decide up to n pods, the most urgent first, or plan for some together

A decision is taken on the state as it is, and assumed in it at once, so that the next one sees it taken; no event comes
in between. All that the outside brings (objects, answers, time, the seed of all chance) comes in through these two
doors, in one order: the same inputs give the same commands, so that a recorded run can be replayed to the bit. Nothing
here waits, nor knows of an event loop, a network, a clock or Kopf; who drives it performs the commands
(scheduler.live.driver).

The order of the layers below: World keeps what is known of the cluster and says whom a change may help, Queue holds who
waits, Batching has some wait for each other, Deciding has pods decided about, Reserving and Settling take what was
decided to its end, before its Binding and after, Preempting makes room where nothing fits, Journal has the last
decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from scheduler import config
from scheduler.api import core
from scheduler.engine import byname
from scheduler.kernel import (
    batching,
    commands,
    deciding,
    delaying,
    events,
    failing,
    groups,
    journal,
    places,
    preempting,
    queue,
    reserving,
    settling,
    world,
)

# Pods with data that are asked about, or gathered, in one step beside what it is for: each takes some 50 us.
_ASIDE_AT_ONCE: Final = 32
_ASIDE: Final = frozenset({places.Place.ASKED, places.Place.GATHERED})


class Kernel:
    """All of scheduling but its effects.

    Args:
        home: The namespace whose DataObjects serve everybody's pods.
        seed: Of all draws among nodes that tie.

    Attributes:
        sequence: How many inputs have been taken in.
        settings: What is decided by now.
        groups: Which pods are decided together.
    """

    def __init__(self, settings: config.Settings, home: str, seed: int, queue_limit: int = queue.LIMIT) -> None:
        self.sequence = 0
        self.now_s = 0.0
        self.settings = settings
        self.queue = queue.Queue(
            clock=lambda: self.now_s,
            limit=queue_limit,
            backoff_initial_s=settings.backoff_initial_s,
            backoff_max_s=settings.backoff_max_s,
            left=self._left,
        )
        self.world = world.World(settings, home, self.queue)
        self.state = self.world.state
        self._out: list[commands.Command] = []
        self.groups = groups.Groups(self.queue, self.state.is_placed)
        self._failing = failing.Failing(known=self.world, waiting=self.queue, out=self._out)
        self._settling = settling.Settling(
            known=self.world,
            waiting=self.queue,
            failing=self._failing,
            limit=settings.binds_in_flight,
            clock=lambda: self.now_s,
            let_go=self._let_go,
            out=self._out,
        )
        self._reserving = reserving.Reserving(
            known=self.world,
            waiting=self.queue,
            failing=self._failing,
            plugins_of=lambda pod: self.settings.of(pod.spec.scheduler_name).plugins,
            bind=self._settling.begin,
            out=self._out,
        )
        self._preempting = preempting.Preempting(
            known=self.world,
            waiting=self.queue,
            reserving_for=self._reserving,
            binding_of=self._settling,
            out=self._out,
        )
        self.bindings, self.reservations = self._settling.under_way, self._reserving.under_way
        self.journal = journal.Journal()
        self.delaying = delaying.Delaying(
            settings=settings, known=self.world, waiting=self.queue, clock=lambda: self.now_s, out=self._out
        )
        self._chance = np.random.PCG64(seed)
        engines = byname.Engines(settings)
        self._batches = batching.Batching(
            window_s=settings.batch_window_s,
            known=self.world,
            waiting=self.queue,
            engines=engines,
            draw=self._draw,
            clock=lambda: self.now_s,
            out=self._out,
        )
        self._deciding = deciding.Deciding(
            settings=settings,
            engines=engines,
            draw=self._draw,
            batches=self._batches,
            known=self.world,
            waiting=self.queue,
            of_groups=self.groups,
            delaying=self.delaying,
            told=self.journal,
            failing=self._failing,
            reserving_for=self._reserving,
            binding_of=self._settling,
            preempting_for=self._preempting,
            clock=lambda: self.now_s,
            sequence=lambda: self.sequence,
            out=self._out,
        )
        self._handlers: Mapping[type[events.Event], Callable[[Any], None]] = {
            **self.world.handlers(),
            events.SettingsSeen: self._settings_seen,
            events.GroupsKnown: self.groups.known,
            events.GroupSeen: self.groups.seen,
            events.GroupGone: self.groups.gone,
            events.StorageSeen: self._reserving.storage_seen,
            events.StorageGone: self._reserving.storage_gone,
            events.DevicesSeen: self._reserving.devices_seen,
            events.DevicesGone: self._reserving.devices_gone,
            events.PodSeen: self._pod_seen,
            events.PodGone: self._pod_gone,
            events.PendingSeen: self._pending_seen,
            events.PendingGone: self._pending_gone,
            events.PendingListed: self._pending_listed,
            events.DataCame: self._data_came,
            events.DataAnswered: self._data_answered,
            events.BindAnswered: self._settling.answered,
            events.ReserveAnswered: self._reserving.answered,
            events.EvictAnswered: self._preempting.answered,
            events.LookedUp: self._settling.looked_up,
        }

    def handle(self, event: events.Event) -> list[commands.Command]:
        """Take in one event; returns what follows at once.

        Raises:
            KeyError: it is a Turn, which is `step`'s.
        """
        self._begin(event.now_s)
        self._handlers[type(event)](event)
        return self._end()

    def step(self, now_s: float, wall_s: float, budget: int) -> list[commands.Command]:
        """Let time pass, and take up to ``budget`` pods from the queue.

        Args:
            now_s: Monotonic seconds, as in events.
            wall_s: The time of day in seconds since 1970, to which ages of measurements and copies are reckoned.
            budget: How many pods to take at most.
        """
        self._begin(now_s)
        self.world.turn(wall_s)
        self.state.durations.at(self.now_s, wall_s)
        self._out += self.bindings.sweep(now_s)
        self._reserving.sweep(now_s)
        aside = 0
        while budget > 0 and self.bindings.free > 0:
            if self._batches.is_due():
                self._batches.plan()
            elif (entry := self.queue.pop()) is None:
                break
            else:
                self._turn(entry)
                if aside < _ASIDE_AT_ONCE and self._goes_on_from(entry):
                    aside += 1
                    continue
            budget -= 1
        return self._end()

    def _turn(self, entry: queue.Entry) -> None:
        """Give a pod its turn."""
        if self.state.is_placed(entry.uid) or entry.uid in self.bindings or entry.uid in self.reservations:
            # A late event brought back a pod that is bound or about to be. It is over when the watch says so.
            self.queue.bind(entry)
            return
        if not self.bindings.admits(entry.namespace) and not self._batches.calls(entry):
            self.queue.crowd_out(entry)
            return
        entry = self.queue.overtaken(entry)
        try:
            self._deciding.attempt(entry)
        except Exception as bug:  # noqa: BLE001 (one pod that trips over a defect must not stop all others)
            self._out.append(commands.Defect("cycle", entry.pod.key, bug))
            for one in dict.fromkeys((entry, *self.queue.at(places.Place.IN_CYCLE))):
                self._deciding.abandon(one)

    def _goes_on_from(self, entry: queue.Entry) -> bool:
        """Whether a pod was only put aside, and the next one is of its kind, for which it waits."""
        if entry.place not in _ASIDE:
            return False
        following = self.queue.next()
        return following is not None and following.joins and following.pod.spec.priority == entry.pod.spec.priority

    def wait_s(self) -> float | None:
        """Seconds from the last input until a step may have something to do; None if only an event can bring that."""
        until_sweep_s = self.bindings.sweep_in_s(self.now_s)
        until_end_s = self.reservations.ends_in_s(self.now_s)
        if until_sweep_s is None or (until_end_s is not None and until_end_s < until_sweep_s):
            until_sweep_s = until_end_s
        waits = [until_sweep_s]
        if self.bindings.free > 0:
            waits += [self.queue.wait_s(), self._batches.wait_s()]
        return min((wait_s for wait_s in waits if wait_s is not None), default=None)

    def _draw(self) -> int:
        """A number by chance, 0 and up."""
        return self._chance.random_raw() >> 1

    def _begin(self, now_s: float) -> None:
        self.sequence += 1
        self.now_s = max(self.now_s, now_s)

    def _end(self) -> list[commands.Command]:
        out = [*self._out, *self.world.drain()]
        self._out.clear()
        return out

    # ------------------------------------------------------------------------------------------------- what is seen

    def _settings_seen(self, event: events.SettingsSeen) -> None:
        settings = self.settings = event.settings
        self.queue.configure(settings.backoff_initial_s, settings.backoff_max_s)
        self.bindings.limit = settings.binds_in_flight
        self._batches.window_s = settings.batch_window_s
        self.delaying.configure(settings)
        self._deciding.configure(settings)
        self.world.configure(settings)

    def _pod_seen(self, event: events.PodSeen) -> None:
        uid = event.pod.metadata.uid
        assumed = self._assumed(uid)
        self.bindings.confirm(uid)
        if uid in self.reservations:  # somebody else bound it
            self.reservations.end(uid)
        self.world.pod_seen(event.pod, assumed)
        if self.state.is_placed(uid):
            self.state.durations.began(event.pod, self.now_s)
        self.state.pipelines.leaves(uid)
        self.groups.joined(event.pod)

    def _pod_gone(self, event: events.PodGone) -> None:
        assumed = self._assumed(event.uid)
        self.bindings.confirm(event.uid)
        if event.uid in self.reservations:
            self.reservations.end(event.uid)
        self.reservations.let_go(event.uid)
        self.queue.remove(event.uid)  # the event that it is no longer pending may have been lost
        node = self._ended(event.uid)
        self.world.pod_gone(event.uid, assumed)
        if node:
            self.delaying.left(node)
        self.groups.left(event.uid)

    def _pending_seen(self, event: events.PendingSeen) -> None:
        uid, pod = event.pod.metadata.uid, self.world.nominations.corrected(event.pod)
        before = self.queue.observe(pod)
        self._reserving.cease(uid)
        entry = self.queue.get(uid)
        self.world.nominations.put(uid, pod if entry is not None else None)
        if entry is not None and before is not None:
            self.world.asks_anew(entry, before)
        if entry is not None:
            self.groups.joined(pod)
            self.state.pipelines.waits(pod)

    def _pending_gone(self, event: events.PendingGone) -> None:
        self.queue.remove(event.uid)
        self._reserving.cease(event.uid)
        self.world.nominations.put(event.uid, None)
        self.groups.left(event.uid)

    def _pending_listed(self, event: events.PendingListed) -> None:
        self.queue.reconcile(event.pods, asked=event.asked_s)
        for uid in list(self.reservations):
            self._reserving.cease(uid)
        for pod in event.pods:
            if (entry := self.queue.get(pod.metadata.uid)) is not None:
                self.world.nominations.put(pod.metadata.uid, entry.pod)
                self.state.pipelines.waits(entry.pod)
                self.groups.joined(entry.pod)
        for uid in [uid for uid in self.world.nominations.known() if self.queue.get(uid) is None]:
            self.world.nominations.put(uid, None)

    def _data_came(self, event: events.DataCame) -> None:
        self.queue.release(event.uid)

    def _data_answered(self, event: events.DataAnswered) -> None:
        entry = self.queue.get(event.uid)
        if entry is not None and entry.place is places.Place.ASKED:
            self.queue.answer(entry, event.until_s)

    def _ended(self, uid: str) -> str:
        """A pod is on no node any more: how long it took tells of its kind, unless its node was lost.

        Returns the node on which it was seen; "" where it was on none.
        """
        self.state.pipelines.ended(uid)
        pod = self.world.pods.get(uid)
        if pod is None:
            self.state.durations.withdrawn(uid)
            return ""
        is_lost = not self.state.witnesses.is_ready(pod.spec.node_name)
        self.state.durations.ended(pod, self.now_s, is_lost=is_lost)
        return pod.spec.node_name

    def _left(self, uid: str) -> None:
        """The queue holds a pod no longer."""
        self.state.pipelines.leaves(uid)
        self.delaying.over(uid)

    def _let_go(self, uid: str) -> None:
        self.reservations.let_go(uid)

    def _assumed(self, uid: str) -> tuple[core.Pod, str] | None:
        """A pod that is only assumed on its node, as it was decided, and the node."""
        if not self.state.is_assumed(uid):
            return None
        one = self.reservations.get(uid)
        return (one.pod, one.node) if one is not None else self.bindings.assumed(uid)
