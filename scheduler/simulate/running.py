"""A scenario in virtual time: the scheduler is shown what the API server would show it, and what it asks for is done.

At each moment first all happens that is due (transfers end, pods begin, finish and arrive, nodes go and come), then the
scheduler is told of it, then it decides for as long as it has something to decide. Neither takes any time. What it is
told, and what it answers, are the kernel's own events and commands (scheduler.kernel).

It is over when nothing more can happen: no transfer is under way, no pod works or is to come, and the scheduler, given
its time, does not place anybody either.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from scheduler import errors
from scheduler.api import core, names, verdicts
from scheduler.api import services as selects
from scheduler.kernel import commands, events, kernel
from scheduler.plugins.data import spread
from scheduler.simulate import (
    agenda,
    checking,
    clock,
    coming,
    errands,
    flows,
    ground,
    hauling,
    outcome,
    pods,
    scenario,
    scheduling,
    stock,
    wires,
)
from scheduler.state import selecting

# After so long without anything, a scheduler has given everybody another try: longer than the five minutes of
# kube-scheduler (flushUnschedulablePodsLeftover).
PATIENCE_S: Final = 600.0
_PATIENT_STEPS: Final = 10_000  # turns in a row that come to nothing at one moment
_PATIENT_WAITS: Final = 1_000_000  # and moments in a row at which nothing else happens either

Progress = Callable[[int, int, float], None]
"""(pods done, pods in all, virtual seconds): how far it is."""


def run(
    given: scenario.Scenario,
    subject: scheduling.Scheduling,
    *,
    arm: str,
    seed: int,
    progress: Progress | None = None,
) -> outcome.Outcome:
    """Run a scenario with a scheduler.

    Args:
        arm, seed: As the outcome is to be called; the seed is that with which ``subject`` was made.

    Raises:
        InputError: the scenario asks for what cannot be simulated, or contradicts itself.
        RuntimeError: the scheduler does what none may, or asks for what nobody here can do.
    """
    checking.check(given)
    if not given.works:
        raise errors.InputError(given.name, "", "no pods to come; name a file with pods that have no node yet")
    return _Simulation(given, subject, arm=arm, seed=seed, progress=progress).run()


def ours(given: scenario.Scenario, seed: int) -> kernel.Kernel:
    """The scheduler itself, as the scenario sets it, which is told whether nodes keep what pods fetch."""
    settings = dataclasses.replace(given.settings, nodes_keep_inputs=given.keeps_inputs)
    return kernel.Kernel(settings, names.HOME_NAMESPACE, seed, queue_limit=len(given.works) + len(given.running) + 1)


class _Simulation:
    def __init__(
        self,
        given: scenario.Scenario,
        subject: scheduling.Scheduling,
        *,
        arm: str,
        seed: int,
        progress: Progress | None,
    ) -> None:
        self._given = given
        self._subject = subject
        self._arm = arm
        self._seed = seed
        self._progress = progress
        self._time = agenda.Agenda()
        self._inbox: collections.deque[events.Event] = collections.deque()
        self._due_s = math.inf  # when the scheduler wants its next turn
        self._told_s = 0.0  # when it was told something last, or had a turn
        self._away: collections.Counter[str] = collections.Counter()  # by node: its outages that are not over
        self._ground = ground.Ground(given)
        carried = flows.Flows()
        view = self._ground.view
        on = wires.Wires(view, given.settings.network, self._ground.interfaces(), carried)
        self._hauling = hauling.Hauling(view, on, carried, self._time)
        self._stock = stock.Stock(
            self._ground,
            tell=lambda obj: self._tell(events.ObjectSeen(self._time.now_s, obj)),
            time=lambda: clock.text(self._time.now_s),
            confidence=given.settings.expected_confidence,
        )
        asked = pods.asked(given)
        self._errands = errands.Errands(
            grounds=self._ground,
            on=on,
            hauls=self._hauling,
            objects=self._stock,
            to_come=coming.Coming(given.works, asked),
            images={one.name: (one, self._end(one.registry)) for one in given.images},
            keeps_inputs=given.keeps_inputs,
            time=self._time,
            pulled=self._show_node,
        )
        self._pods = pods.Pods(
            given,
            asked,
            grounds=self._ground,
            running=self._errands,
            objects=self._stock,
            time=self._time,
            tell=self._tell,
        )
        self._performers: dict[type[commands.Command], Callable[[Any], None]] = {
            commands.Bind: self._bind,
            commands.AskData: self._answer_data,
            commands.Evict: self._evict,
            commands.LookUp: self._look_up,
            commands.Unplaced: lambda told: self._pods.nominate(told.pod.metadata.uid, told.nominated),
            commands.Nominate: lambda told: self._pods.nominate(told.pod.metadata.uid, told.node),
            commands.Defect: _raise,
            scheduling.Copy: self._copy,
            **dict.fromkeys(_TELL_ONLY, _ignore),
        }

    def run(self) -> outcome.Outcome:
        self._begin()
        ended_s, idle = 0.0, 0
        while True:
            self._settle()
            busy_s = min(self._time.next_s(), self._hauling.next_s())
            if busy_s == math.inf and self._due_s > ended_s + PATIENCE_S:
                break
            self._time.now_s = min(busy_s, self._due_s)
            idle += 1
            before = self._pods.bound
            while self._hauling.catch_up() or self._time.catch_up():
                ended_s, idle = self._time.now_s, 0
            self._settle()
            if self._pods.bound > before:
                ended_s, idle = self._time.now_s, 0
            if idle == _PATIENT_WAITS:
                raise RuntimeError(f"{self._arm} asks for its turn every few moments, and does nothing")
            if self._progress is not None:
                self._progress(self._pods.done, len(self._given.works), self._time.now_s)
        return outcome.Outcome(
            scenario=self._given.name,
            arm=self._arm,
            seed=self._seed,
            ended_s=ended_s,
            pods=self._pods.ran(),
            moves=tuple(self._hauling.moved),
        )

    # --------------------------------------------------------------------------------------------- what is there

    def _begin(self) -> None:
        now_s = self._time.now_s
        there = (*self._given.running, *(work.pod for work in self._given.works))
        for name in sorted({pod.metadata.namespace for pod in there} | {names.HOME_NAMESPACE}):
            labels = {"kubernetes.io/metadata.name": name}
            self._tell(events.NamespaceSeen(now_s, core.Namespace(core.ObjectMeta(name=name, labels=labels))))
        for node in self._ground.nodes.values():
            self._show_node(node)
        for capability in self._ground.capabilities.values():
            self._tell(events.CapabilitySeen(now_s, capability))
        for obj in self._given.objects:
            self._stock.put(ground.undated(obj))
        for one in self._given.controllers:
            meta = one.metadata
            self._tell(events.SelectorSeen(now_s, "ReplicaSet", meta.namespace, meta.name, one.spec.selector))
        for service in self._given.services:
            meta, selector = service.metadata, selects.selector_of(service)
            self._tell(events.SelectorSeen(now_s, selecting.SERVICE, meta.namespace, meta.name, selector))
        self._pods.begin()
        for outage in self._given.outages:
            self._time.at(outage.begins_s, functools.partial(self._lose_node, outage))

    def _end(self, name: str) -> spread.End:
        """A node, or a place outside the cluster."""
        return checking.place(name) or self._ground.slot(name)

    def _show_node(self, node: core.Node) -> None:
        self._tell(events.NodeSeen(self._time.now_s, node))

    def _lose_node(self, outage: scenario.Outage) -> None:
        self._away[outage.node] += 1
        if outage.ends_s < math.inf:
            self._time.at(outage.ends_s, lambda: self._restore_node(outage.node))
        if self._away[outage.node] == 1:
            self._show_node(self._ground.set_up(outage.node, is_up=False))
            self._pods.lose_on(outage.node)
            self._errands.node_lost(self._ground.slot(outage.node))

    def _restore_node(self, node: str) -> None:
        self._away[node] -= 1
        if self._away[node]:
            return
        self._show_node(self._ground.set_up(node, is_up=True))
        self._pods.node_is_back(node)
        self._errands.look_again()

    # --------------------------------------------------------------------------------------------- the scheduler

    def _tell(self, event: events.Event) -> None:
        self._inbox.append(event)

    def _settle(self) -> None:
        """Let the scheduler know and decide all that it can now."""
        idle = 0
        while True:
            now_s = self._time.now_s
            while self._inbox:
                self._told_s = now_s
                self._perform(self._subject.handle(self._inbox.popleft()))
            wait_s = self._subject.wait_s()
            if wait_s is None:
                self._due_s = math.inf
                return
            # A wait that is lost in rounding would be waited for for ever.
            self._due_s = max(self._told_s + wait_s, math.nextafter(self._told_s, math.inf)) if wait_s > 0 else now_s
            if self._due_s > now_s:
                return
            if idle == _PATIENT_STEPS:
                raise RuntimeError(f"{self._arm} asks for its turn over and over, and does nothing")
            idle += 1
            self._told_s = now_s
            followed = self._subject.step(now_s, clock.wall_s(now_s), 1)
            if followed:
                idle = 0
            self._perform(followed)

    def _perform(self, followed: Sequence[commands.Command]) -> None:
        for one in followed:
            perform = self._performers.get(type(one))
            if perform is None:
                raise RuntimeError(f"{self._arm} asks for {type(one).__name__}, which is not simulated")
            perform(one)

    def _bind(self, asked: commands.Bind) -> None:
        self._tell(events.BindAnswered(self._time.now_s, asked.uid, verdicts.Verdict.BOUND))
        problem = self._pods.bind(asked.uid, asked.node)
        if problem:
            raise RuntimeError(f"{self._arm} binds {asked.namespace}/{asked.name} to {asked.node}: {problem}")

    def _answer_data(self, asked: commands.AskData) -> None:
        self._tell(events.DataAnswered(self._time.now_s, asked.pod.metadata.uid, None))

    def _evict(self, asked: commands.Evict) -> None:
        self._tell(events.EvictAnswered(self._time.now_s, asked.pod.metadata.uid, asked.number))
        for victim in asked.victims:
            self._pods.evict(victim.metadata.uid)

    def _look_up(self, asked: commands.LookUp) -> None:
        verdict = self._pods.where(asked.uid, asked.node)
        self._tell(events.LookedUp(self._time.now_s, asked.uid, verdict))

    def _copy(self, asked: scheduling.Copy) -> None:
        self._errands.bring(asked.namespace, asked.urn, self._ground.slot(asked.node))


_TELL_ONLY: Final = (
    commands.Planned,
    commands.Delayed,
    commands.DelayOver,
    commands.Scheduled,
    commands.NotBound,
    commands.Unsettled,
    commands.Displaced,
    commands.BadAnnotations,
    commands.Unreadable,
    commands.Freed,
)


def _ignore(_told: commands.Command) -> None:
    """Is told for people."""


def _raise(told: commands.Defect) -> None:
    raise RuntimeError(f"defect in {told.part} at {told.of}") from told.bug
