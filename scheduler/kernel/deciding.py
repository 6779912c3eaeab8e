"""A pod's turn: it is decided about, or a whole gang is, and what follows begins.

A node is assumed at once, and its pod is bound once all is there that it needs. Where no node fits, the pod is told why
and sleeps until something happens that may help it; if others have to go for that, they do.
"""

from __future__ import annotations

from collections.abc import Callable

from scheduler import config, errors
from scheduler.engine import byname, decision
from scheduler.kernel import (
    batching,
    bindings,
    commands,
    delaying,
    failing,
    freeing,
    groups,
    journal,
    preempting,
    queue,
    reserving,
    settling,
    tried,
    world,
)
from scheduler.plugins import request
from scheduler.state import traffic


class Deciding:
    """Gives pods their turns.

    Args:
        engines: Who decides.
        draw: Numbers that decide among nodes that tie.
        batches: Who waits for others with which it is placed.
        known: The cluster.
        waiting: Whose turn comes.
        of_groups: Which pods are decided together.
        delaying: Who is to wait for a better node.
        told: Where attempts are recorded.
        failing, reserving_for, binding_of, preempting_for: What follows.
        clock: When the input was taken in that is being dealt with.
        sequence: Its number.
        out: Where commands go.
    """

    def __init__(
        self,
        *,
        settings: config.Settings,
        engines: byname.Engines,
        draw: Callable[[], int],
        batches: batching.Batching,
        known: world.World,
        waiting: queue.Queue,
        of_groups: groups.Groups,
        delaying: delaying.Delaying,
        told: journal.Journal,
        failing: failing.Failing,
        reserving_for: reserving.Reserving,
        binding_of: settling.Settling,
        preempting_for: preempting.Preempting,
        clock: Callable[[], float],
        sequence: Callable[[], int],
        out: list[commands.Command],
    ) -> None:
        self._settings = settings
        self._engines = engines
        self._draw = draw
        self._batches = batches
        self._world = known
        self._queue = waiting
        self._groups = of_groups
        self._delaying = delaying
        self._journal = told
        self._failing = failing
        self._reserving = reserving_for
        self._settling = binding_of
        self._preempting = preempting_for
        self._clock = clock
        self._sequence = sequence
        self._out = out

    def configure(self, settings: config.Settings) -> None:
        """From now on decide by other settings."""
        self._settings = settings
        self._engines.configure(settings)

    def attempt(self, entry: queue.Entry) -> None:
        group = self._groups.of(entry.pod)
        if isinstance(group, groups.Gang):
            self._attempt_gang(entry, group)
        elif group is not None and group.fault:
            self._hold_back(entry, self._record(entry), group.fault, None)
        elif group is not None and group.timeout_s is not None:
            until_s = entry.arrived + group.timeout_s
            if self._clock() < until_s:
                self._queue.hold(entry, until_s)
            else:
                self._hold_back(entry, self._record(entry), f"{group.why}, after {group.timeout_s:g} s", group.key)
        elif group is not None:
            self._queue.put_aside(entry, {queue.GANG: group.key})
        elif (one := self._try(entry, joins=True)) is not None and not (one.found.node and self._delaying.holds(one)):
            self._delaying.came_to(entry, one.found.node)
            if one.found.node:
                self._assume(one)
                self._go_on(one)
            else:
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
                self._world.retract(one.entry.pod)
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
        self._queue.put_back(entry, {queue.GANG: group} if group else {queue.UNSUPPORTED: None})

    def _try(self, entry: queue.Entry, *, asks: bool = True, joins: bool = False) -> tried.Tried | None:
        """Decide about a pod; None: it waits for an answer about its data, or for others, or is told what went wrong.

        Args:
            asks: Whether it may have to wait for an answer.
            joins: Whether it may have to wait for others.
        """
        pod = entry.pod
        record = None
        try:
            asked = entry.asked = entry.asked or request.prepare(self._groups.read(pod))
            if asks and asked.intent.inputs and not entry.is_cleared:
                self._queue.ask(entry)
                self._out.append(commands.AskData(pod, entry.arrived))
                return None
            if joins and self._batches.takes(entry):
                return None
            share = entry.take_share()
            entry.is_gathered = entry.is_cleared = False
            record = self._record(entry)
            self._journal.add(record, pod)
            self._report_problems(entry, asked, record)
            view = self._world.view()
            record.draw = self._draw()
            engine = self._engines.of(pod)
            found = engine.decide(view, asked, record.draw, share=share)
            record.fill(found, view, share)
        except errors.InputError as error:
            self._give_up(entry, record, str(error))
            return None
        except errors.PluginError as error:
            self._out.append(commands.Defect("cycle", pod.key, error))
            self._give_up(entry, record, str(error))
            return None
        except Exception as bug:  # noqa: BLE001 (likewise, and here it can be told to the pod's user)
            self._out.append(commands.Defect("cycle", pod.key, bug))
            self._give_up(entry, record, f"internal error, see the scheduler's log: {type(bug).__name__}")
            return None
        waiting = self._reserving.under_way.needed(asked, view, found.node, engine.runs) if found.node else None
        return tried.Tried(entry, asked, record, found, waiting)

    def _assume(self, one: tried.Tried) -> None:
        counts = self._settings.contention and not self._settings.counts_bytes
        moves = one.found.expected() if counts else traffic.NOTHING
        self._world.assume(one.entry.pod, one.found.node, one.asked.asked, moves)

    def _go_on(self, one: tried.Tried) -> None:
        """From an assumption to a binding."""
        pod, node = one.entry.pod, one.found.node
        self._queue.bind(one.entry)
        self._world.state.durations.placed(pod, one.found.data_s, self._clock())
        self._world.state.pipelines.placed(pod, {to.urn: to.partner for to in one.record.transfers if to.is_output})
        if one.waiting is None:
            self._settling.begin(bindings.Flight(pod, node, one.record, self._clock()))
        else:
            self._reserving.begin(pod, node, one.record, one.waiting, self._clock())

    def _record(self, entry: queue.Entry) -> journal.Record:
        return journal.Record(
            pod=entry.pod.key,
            uid=entry.uid,
            time=self._world.time(),
            attempt=entry.attempts + 1,
            outcome="failed",
            sequence=self._sequence(),
        )

    def _refuse(
        self, entry: queue.Entry, record: journal.Record, found: decision.Decision, *, evicts: bool = True
    ) -> None:
        """No node: say why, and wait for something to change."""
        if found.is_gated:
            record.outcome, record.message = "gated", found.pod_verdict.message if found.pod_verdict else ""
            self._queue.put_back(entry, found.refusers)
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
        is_news = node is not None and self._world.nominations.renominate(entry, node)
        chosen = found.preemption.chosen if evicts and found.preemption is not None else None
        victims = len(chosen.victims) if chosen is not None else 0
        self._out.append(
            commands.Unplaced(
                entry.pod, record, node if is_news else None, None if found.preemption is None else victims
            )
        )
        if record.outcome == "error":
            self._queue.fail(entry)
            return
        self._queue.put_back(entry, {queue.UNSUPPORTED: None} if found.fault else found.refusers)
        if chosen is not None:
            self._preempting.begin(entry, chosen)

    def _free(self, record: journal.Record, found: decision.Decision) -> None:
        """Have a claim of its own not stand in the way of a pod that fits nowhere."""
        plugins = self._settings.of(found.asked.pod.spec.scheduler_name).plugins
        freed = freeing.freed(found, self._world.view(), plugins.device_bind_timeout_s)
        if freed is None:
            return
        command, said = freed
        self._out.append(command)
        if found.preemption is not None and found.preemption.chosen is not None:
            return  # as upstream, what comes to something has the only word
        preemption = found.preemption.text if found.preemption is not None else ""
        record.message = f"{found.message} {said}, {preemption}" if preemption else f"{found.message} {said}"

    def abandon(self, entry: queue.Entry) -> None:
        """Whatever was begun for a pod is not: it is tried again after a backoff, unless it is being bound."""
        if entry.uid in self._settling.under_way or entry.uid in self._reserving.under_way:
            return
        if (placed := self._world.view().placed.get(entry.uid)) is not None:
            self._world.forget(entry.pod, placed.node)
            self._world.nominations.put(entry.uid, entry.pod)
        self._queue.fail(entry)

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
