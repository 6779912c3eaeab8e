"""Scheduling as a state machine: each event changes the state, and what is to be done about it comes back as commands.

    handle(event)          the cluster, a pod that waits, or the answer to a command
    step(now, time, n)     time has passed: decide up to n pods, the most urgent first

A decision is taken on the state as it is, and assumed in it at once, so that the next one sees it taken; no event comes
in between. All that the outside brings (objects, answers, time, the seed of all chance) comes in through these two
doors, in one order: the same inputs give the same commands, so that a recorded run can be replayed to the bit. Nothing
here waits, nor knows of an event loop, a network, a clock or Kopf; who drives it performs the commands
(scheduler.live.driver).

The order of the layers below: World keeps what is known of the cluster and says whom a change may help, Queue holds who
waits, Reserving and Settling take what was decided to its end, before its Binding and after, Journal has the last
decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from scheduler import config, errors
from scheduler.api import core
from scheduler.engine import byname, decision
from scheduler.kernel import (
    bindings,
    commands,
    events,
    failing,
    freeing,
    groups,
    journal,
    places,
    preempting,
    queue,
    reserving,
    settling,
    tried,
    world,
)
from scheduler.plugins import request


class Kernel:
    """All of scheduling but its effects.

    Args:
        home: The namespace whose DataObjects serve everybody's pods.
        seed: Of all draws among nodes that tie.

    Attributes:
        sequence: How many inputs have been taken in.
    """

    def __init__(self, settings: config.Settings, home: str, seed: int, queue_limit: int = queue.LIMIT) -> None:
        self.sequence = 0
        self.now_s = 0.0
        self.queue = queue.Queue(
            clock=lambda: self.now_s,
            limit=queue_limit,
            backoff_initial_s=settings.backoff_initial_s,
            backoff_max_s=settings.backoff_max_s,
        )
        self.world = world.World(settings, home, self.queue)
        self.state = self.world.state
        self._out: list[commands.Command] = []
        self._groups = groups.Groups(self.queue, self.state.is_placed)
        self._failing = failing.Failing(known=self.world, waiting=self.queue, out=self._out)
        self._settling = settling.Settling(
            known=self.world,
            waiting=self.queue,
            failing=self._failing,
            limit=settings.binds_in_flight,
            clock=lambda: self.now_s,
            out=self._out,
        )
        self._reserving = reserving.Reserving(
            known=self.world,
            waiting=self.queue,
            failing=self._failing,
            plugins_of=lambda pod: settings.of(pod.spec.scheduler_name).plugins,
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
        self._settings = settings
        self._engines = byname.Engines(settings)
        self._chance = np.random.PCG64(seed)
        self._handlers: Mapping[type[events.Event], Callable[[Any], None]] = {
            **self.world.handlers(),
            events.GroupsKnown: self._groups.known,
            events.GroupSeen: self._groups.seen,
            events.GroupGone: self._groups.gone,
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
        self.world.wall_s = wall_s
        self._out += self.bindings.sweep(now_s)
        self._reserving.sweep(now_s)
        while budget > 0 and self.bindings.free > 0 and (entry := self.queue.pop()) is not None:
            budget -= 1
            if self.state.is_placed(entry.uid) or entry.uid in self.bindings or entry.uid in self.reservations:
                # A late event brought back a pod that is bound or about to be. It is over when the watch says so.
                self.queue.bind(entry)
                continue
            if not self.bindings.admits(entry.namespace):
                self.queue.crowd_out(entry)
                continue
            entry = self.queue.overtaken(entry)
            try:
                self._attempt(entry)
            except Exception as bug:  # noqa: BLE001 (one pod that trips over a defect must not stop all others)
                self._out.append(commands.Defect("cycle", entry.pod.key, bug))
                for one in dict.fromkeys((entry, *self.queue.at(places.Place.IN_CYCLE))):
                    self._abandon(one)
        return self._end()

    def wait_s(self) -> float | None:
        """Seconds from the last input until a step may have something to do; None if only an event can bring that."""
        until_sweep_s = self.bindings.sweep_in_s(self.now_s)
        until_end_s = self.reservations.ends_in_s(self.now_s)
        if until_sweep_s is None or (until_end_s is not None and until_end_s < until_sweep_s):
            until_sweep_s = until_end_s
        until_turn_s = self.queue.wait_s() if self.bindings.free > 0 else None
        if until_sweep_s is None or until_turn_s is None:
            return until_turn_s if until_sweep_s is None else until_sweep_s
        return min(until_sweep_s, until_turn_s)

    def _begin(self, now_s: float) -> None:
        self.sequence += 1
        self.now_s = max(self.now_s, now_s)

    def _end(self) -> list[commands.Command]:
        out = [*self._out, *self.world.drain()]
        self._out.clear()
        return out

    # ------------------------------------------------------------------------------------------------- what is seen

    def _pod_seen(self, event: events.PodSeen) -> None:
        uid = event.pod.metadata.uid
        assumed = self._assumed(uid)
        self.bindings.confirm(uid)
        if uid in self.reservations:  # somebody else bound it
            self.reservations.end(uid)
        self.world.pod_seen(event.pod, assumed)
        self._groups.joined(event.pod)

    def _pod_gone(self, event: events.PodGone) -> None:
        assumed = self._assumed(event.uid)
        self.bindings.confirm(event.uid)
        if event.uid in self.reservations:
            self.reservations.end(event.uid)
        self.reservations.let_go(event.uid)
        self.queue.remove(event.uid)  # the event that it is no longer pending may have been lost
        self.world.pod_gone(event.uid, assumed)
        self._groups.left(event.uid)

    def _pending_seen(self, event: events.PendingSeen) -> None:
        uid, pod = event.pod.metadata.uid, self.world.nominations.corrected(event.pod)
        before = self.queue.observe(pod)
        self._reserving.cease(uid)
        entry = self.queue.get(uid)
        self.world.nominations.put(uid, pod if entry is not None else None)
        if entry is not None and before is not None:
            self.world.asks_anew(entry, before)
        if entry is not None:
            self._groups.joined(pod)

    def _pending_gone(self, event: events.PendingGone) -> None:
        self.queue.remove(event.uid)
        self._reserving.cease(event.uid)
        self.world.nominations.put(event.uid, None)
        self._groups.left(event.uid)

    def _pending_listed(self, event: events.PendingListed) -> None:
        self.queue.reconcile(event.pods, asked=event.asked_s)
        for uid in list(self.reservations):
            self._reserving.cease(uid)
        for pod in event.pods:
            if (entry := self.queue.get(pod.metadata.uid)) is not None:
                self.world.nominations.put(pod.metadata.uid, entry.pod)
                self._groups.joined(entry.pod)
        for uid in [uid for uid in self.world.nominations.known() if self.queue.get(uid) is None]:
            self.world.nominations.put(uid, None)

    def _data_came(self, event: events.DataCame) -> None:
        self.queue.release(event.uid)

    def _data_answered(self, event: events.DataAnswered) -> None:
        entry = self.queue.get(event.uid)
        if entry is not None and entry.place is places.Place.ASKED:
            self.queue.answer(entry, event.until_s)

    def _assumed(self, uid: str) -> tuple[core.Pod, str] | None:
        """A pod that is only assumed on its node, as it was decided, and the node."""
        if not self.state.is_assumed(uid):
            return None
        one = self.reservations.get(uid)
        return (one.pod, one.node) if one is not None else self.bindings.assumed(uid)

    # --------------------------------------------------------------------------------------------------- a decision

    def _attempt(self, entry: queue.Entry) -> None:
        group = self._groups.of(entry.pod)
        if isinstance(group, groups.Gang):
            self._attempt_gang(entry, group)
        elif group is not None and group.fault:
            self._hold_back(entry, self._record(entry), group.fault, None)
        elif group is not None:
            self.queue.put_aside(entry, {queue.GANG: group.key})
        elif (one := self._try(entry)) is not None and one.found.node:
            self._assume(one)
            self._go_on(one)
        elif one is not None:
            self._refuse(entry, one.record, one.found)

    def _attempt_gang(self, first: queue.Entry, gang: groups.Gang) -> None:
        """All of a gang that wait, each on the state with those before it: all who have a node are bound, or none."""
        one = self._try_member(first, asks=True)
        if one is None:
            return
        done: list[tried.Tried] = []
        entries, placed = self._groups.take_others(gang), self._groups.placed(gang)
        while True:
            if one is not None:
                done.append(one)
            if one is not None and one.found.node:
                self._assume(one)
                placed += 1
            if not entries or placed + len(entries) < gang.min_count:
                break  # as upstream, nobody is tried in vain
            one = self._try_member(entries.pop(0), asks=False)
        is_enough, why = placed >= gang.min_count, groups.too_few(gang, placed, len(entries))
        with_node = [one for one in done if one.found.node]
        for one in with_node:
            if is_enough:
                self._go_on(one)
            else:
                self.world.retract(one.entry.pod)
                self._hold_back(one.entry, one.record, why, gang.key)
        for one in done:
            if not one.found.node:
                self._refuse(one.entry, one.record, one.found, evicts=is_enough)
        for entry in entries:
            self._hold_back(entry, self._record(entry), why, gang.key)

    def _try_member(self, entry: queue.Entry, *, asks: bool) -> tried.Tried | None:
        """Decide about a pod of a gang, of which nothing may be bound before the others of the gang have nodes."""
        one = self._try(entry, asks=asks)
        if one is None or one.waiting is None:
            return one
        self._hold_back(entry, one.record, groups.CLAIMS, None)
        return None

    def _hold_back(self, entry: queue.Entry, record: journal.Record, why: str, group: groups.Key | None) -> None:
        """A pod is not placed because of its group, or (None) as that asks for what is not built."""
        record.outcome, record.message, record.node = "unschedulable" if group else "unsupported", why, ""
        self._out.append(commands.Unplaced(entry.pod, record))
        self.queue.put_back(entry, {queue.GANG: group} if group else {queue.UNSUPPORTED: None})

    def _try(self, entry: queue.Entry, *, asks: bool = True) -> tried.Tried | None:
        """Decide about a pod; None: it waits for an answer about its data, or is told what went wrong."""
        pod = entry.pod
        record = None
        try:
            asked = entry.asked = entry.asked or request.prepare(self._groups.read(pod))
            if asks and asked.intent.inputs and not entry.is_cleared:
                self.queue.ask(entry)
                self._out.append(commands.AskData(pod, entry.arrived))
                return None
            entry.is_cleared = False
            record = self._record(entry)
            self.journal.add(record)
            self._report_problems(entry, asked, record)
            view = self.world.view()
            record.draw = self._chance.random_raw() >> 1
            engine = self._engines.of(pod)
            found = engine.decide(view, asked, record.draw)
            record.fill(found, view)
        except errors.InputError as error:
            self._give_up(entry, record, str(error))
            return None
        except Exception as bug:  # noqa: BLE001 (likewise, and here it can be told to the pod's user)
            self._out.append(commands.Defect("cycle", pod.key, bug))
            self._give_up(entry, record, f"internal error, see the scheduler's log: {type(bug).__name__}")
            return None
        waiting = self.reservations.needed(asked, view, found.node, engine.runs) if found.node else None
        return tried.Tried(entry, asked, record, found, waiting)

    def _assume(self, one: tried.Tried) -> None:
        self.world.assume(one.entry.pod, one.found.node, one.asked.asked)

    def _go_on(self, one: tried.Tried) -> None:
        """From an assumption to a binding."""
        pod, node = one.entry.pod, one.found.node
        self.queue.bind(one.entry)
        if one.waiting is None:
            self._settling.begin(bindings.Flight(pod, node, one.record, self.now_s))
        else:
            self._reserving.begin(pod, node, one.record, one.waiting, self.now_s)

    def _record(self, entry: queue.Entry) -> journal.Record:
        return journal.Record(
            pod=entry.pod.key,
            uid=entry.uid,
            time=self.world.time(),
            attempt=entry.attempts + 1,
            outcome="failed",
            sequence=self.sequence,
        )

    def _refuse(
        self, entry: queue.Entry, record: journal.Record, found: decision.Decision, *, evicts: bool = True
    ) -> None:
        """No node: say why, and wait for something to change."""
        if found.is_gated:
            record.outcome, record.message = "gated", found.pod_verdict.message if found.pod_verdict else ""
            self.queue.put_back(entry, found.refusers)
            return
        if found.fault:
            record.outcome, record.message = "unsupported", found.fault
        elif found.score_error or found.is_failed:
            record.outcome = "error"
        else:
            record.outcome = "unschedulable"
            if entry.pod.spec.scheduling_group is None:
                self._free(record, found)
        node = preempting.nominated(found) if evicts else ""
        is_news = node is not None and self.world.nominations.renominate(entry, node)
        chosen = found.preemption.chosen if evicts and found.preemption is not None else None
        victims = len(chosen.victims) if chosen is not None else 0
        self._out.append(
            commands.Unplaced(
                entry.pod, record, node if is_news else None, None if found.preemption is None else victims
            )
        )
        if record.outcome == "error":
            self.queue.fail(entry)
            return
        self.queue.put_back(entry, {queue.UNSUPPORTED: None} if found.fault else found.refusers)
        if chosen is not None:
            self._preempting.begin(entry, chosen)

    def _free(self, record: journal.Record, found: decision.Decision) -> None:
        """Have a claim of its own not stand in the way of a pod that fits nowhere."""
        plugins = self._settings.of(found.asked.pod.spec.scheduler_name).plugins
        freed = freeing.freed(found, self.world.view(), plugins.device_bind_timeout_s)
        if freed is None:
            return
        command, said = freed
        self._out.append(command)
        if found.preemption is not None and found.preemption.chosen is not None:
            return  # as upstream, what comes to something has the only word
        preemption = found.preemption.text if found.preemption is not None else ""
        record.message = f"{found.message} {said}, {preemption}" if preemption else f"{found.message} {said}"

    def _abandon(self, entry: queue.Entry) -> None:
        """Whatever was begun for a pod is not: it is tried again after a backoff, unless it is being bound."""
        if entry.uid in self.bindings or entry.uid in self.reservations:
            return
        if (placed := self.world.view().placed.get(entry.uid)) is not None:
            self.world.forget(entry.pod, placed.node)
            self.world.nominations.put(entry.uid, entry.pod)
        self.queue.fail(entry)

    def _give_up(self, entry: queue.Entry, record: journal.Record | None, message: str) -> None:
        """The attempt itself failed: say so, and try again later."""
        self._failing.fail(entry.pod, record or self._record(entry), message)

    def _report_problems(self, entry: queue.Entry, asked: request.PodRequest, record: journal.Record) -> None:
        if not asked.problems:
            return
        record.problems = tuple(str(problem) for problem in asked.problems)
        if not entry.annotations_reported:
            entry.annotations_reported = True
            self._out.append(commands.BadAnnotations(entry.pod, asked.problems))
