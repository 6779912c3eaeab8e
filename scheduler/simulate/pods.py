"""The pods of a scenario, as the API server has them: created, gated, bound, lost and created anew, done."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import core, verdicts
from scheduler.kernel import events
from scheduler.plugins import request
from scheduler.simulate import agenda, clock, errands, ground, lives, outcome, scenario, stock
from scheduler.state import facts

Stage = lives.Stage

_GATE: Final = core.SchedulingGate(name="scheduler.thesis/after")
_TYPES: Final = {facts.EDGE: "edge", facts.CLOUD: "cloud"}


@dataclasses.dataclass(slots=True, eq=False)
class _One:
    """A pod of the scenario through all that becomes of it.

    Attributes:
        work: As it is given.
        is_there: Whether it is there from the beginning: then it does nothing, and does not come again once it is lost.
        pod: As the API server has it.
        after: Whose end it still waits for.
        times_s: When it reached which stage.
    """

    work: scenario.Work
    is_there: bool
    pod: core.Pod
    asked: request.PodRequest
    after: dict[str, None]
    times_s: dict[Stage, float] = dataclasses.field(default_factory=dict)
    life: lives.Life | None = None
    attempts: int = 0
    created: int = 0
    meets: int = 0


def asked(given: scenario.Scenario) -> dict[str, request.PodRequest]:
    """What each pod asks for, by namespace/name.

    Raises:
        InputError: what one asks for cannot be read.
    """
    found = {}
    for pod in (*given.running, *(work.pod for work in given.works)):
        try:
            found[pod.key] = request.prepare(pod)
        except errors.InputError as error:
            raise error.at(f"pod {pod.key}: {error.where}") from error
    return found


class Pods:
    """All of them.

    Args:
        asked: By namespace/name, what each asks for.
        running: Has their data moved.
        tell: Told of all that the API server tells of pods.

    Attributes:
        done, bound: How many have come to their end, and how often any was bound.
    """

    def __init__(
        self,
        given: scenario.Scenario,
        asked: Mapping[str, request.PodRequest],
        *,
        grounds: ground.Ground,
        running: errands.Errands,
        objects: stock.Stock,
        time: agenda.Agenda,
        tell: Callable[[events.Event], None],
    ) -> None:
        self.done = self.bound = 0
        self._ground = grounds
        self._errands = running
        self._stock = objects
        self._time = time
        self._tell = tell
        self._sizes = {one.name: one.size_bytes for one in given.images}
        there = [scenario.Work(pod=pod) for pod in given.running]
        self._running = [_One(work, True, work.pod, asked[work.pod.key], {}) for work in there]
        self._works = [
            _One(work, False, work.pod, asked[work.pod.key], dict.fromkeys(work.after)) for work in given.works
        ]
        self._followers: dict[str, list[_One]] = {}
        for one in self._works:
            for before in one.after:
                self._followers.setdefault(before, []).append(one)
        self._by_uid: dict[str, _One] = {}
        self._on: dict[str, dict[_One, None]] = {}  # by node

    def begin(self) -> None:
        """Those that run are there, and the others come when it is their time."""
        for one in self._running:
            uid = one.pod.metadata.uid or f"{one.pod.key}#0"
            one.pod = _with(one.pod, uid=uid)
            self._by_uid[uid] = one
            self._on.setdefault(one.pod.spec.node_name, {})[one] = None
            self._ground.put_pod(one.pod)
            self._tell(events.PodSeen(self._time.now_s, one.pod))
        for one in self._works:
            self._time.at(one.work.arrives_s, functools.partial(self._arrive, one))

    def bind(self, uid: str, node: str) -> str:
        """A pod goes to a node, if that is possible; returns why it is not."""
        one = self._by_uid.get(uid)
        if one is None or one.pod.spec.node_name or one.pod.spec.scheduling_gates:
            return "no pod of that uid waits"
        if node not in self._ground.nodes:
            return "no such node"
        if lack := self._ground.lacks(one.asked, node):
            return lack
        now_s = self._time.now_s
        spec = msgspec.structs.replace(one.pod.spec, node_name=node)
        status = msgspec.structs.replace(one.pod.status, phase="Running", start_time=clock.text(now_s))
        one.pod = msgspec.structs.replace(one.pod, spec=spec, status=status)
        one.attempts += 1
        self.bound += 1
        one.times_s[Stage.BOUND] = now_s
        one.meets = self._meets(one.asked.intent, node)
        self._on.setdefault(node, {})[one] = None
        self._ground.put_pod(one.pod)
        self._tell(events.PodSeen(now_s, one.pod))
        self._tell(events.PendingGone(now_s, uid))
        images = (each.image for each in (*one.pod.spec.init_containers, *one.pod.spec.containers))
        one.life = lives.Life(
            pod=one.pod,
            asked=one.asked,
            works_s=one.work.works_s,
            images={image: self._sizes[image] for image in images if image in self._sizes},
            grounds=self._ground,
            running=self._errands,
            objects=self._stock,
            time=self._time,
            tell=lambda stage: self._reach(one, stage),
        )
        one.life.begin()
        return ""

    def nominate(self, uid: str, node: str | None) -> None:
        """Write for which node a pod waits, "" for none; None leaves it as it is."""
        one = self._by_uid.get(uid)
        if one is not None and node is not None and not one.pod.spec.node_name:
            status = msgspec.structs.replace(one.pod.status, nominated_node_name=node)
            one.pod = msgspec.structs.replace(one.pod, status=status)
            self._tell(events.PendingSeen(self._time.now_s, one.pod))

    def evict(self, uid: str) -> None:
        """A pod has to go, and comes again as a new one."""
        one = self._by_uid.get(uid)
        if one is not None and one.pod.spec.node_name:
            self._lose(one)

    def lose_on(self, node: str) -> None:
        """All pods of a node are lost, and come again."""
        for one in list(self._on.get(node, ())):
            self._lose(one)

    def node_is_back(self, node: str) -> None:
        """Those that were bound there meanwhile can begin."""
        for one in list(self._on.get(node, ())):
            if one.life is not None:
                one.life.node_is_back()

    def where(self, uid: str, node: str) -> verdicts.Verdict:
        """What there is to read of a pod that was to be on a node."""
        one = self._by_uid.get(uid)
        if one is None:
            return verdicts.Verdict.GONE
        if not one.pod.spec.node_name:
            return verdicts.Verdict.UNBOUND
        return verdicts.Verdict.BOUND if one.pod.spec.node_name == node else verdicts.Verdict.REFUSED

    def ran(self) -> tuple[outcome.Ran, ...]:
        """What became of those that came, in their order."""
        return tuple(
            outcome.Ran(
                pod=one.pod.key,
                arrived_s=one.work.arrives_s,
                released_s=one.times_s.get(Stage.RELEASED),
                bound_s=one.times_s.get(Stage.BOUND),
                node=one.pod.spec.node_name,
                began_s=one.times_s.get(Stage.BEGAN),
                worked_s=one.times_s.get(Stage.WORKED),
                done_s=one.times_s.get(Stage.DONE),
                attempts=one.attempts,
                prefers=_wishes(one.asked.intent),
                meets=one.meets,
            )
            for one in self._works
        )

    # ------------------------------------------------------------------------------------------------------- inside

    def _arrive(self, one: _One) -> None:
        """It is created, for the first time or again."""
        now_s = self._time.now_s
        one.created += 1
        uid = f"{one.pod.key}#{one.created}"
        one.pod = _with(one.work.pod, uid=uid, created=clock.text(now_s))
        if one.after:
            gates = (*one.pod.spec.scheduling_gates, _GATE)
            one.pod = msgspec.structs.replace(
                one.pod, spec=msgspec.structs.replace(one.pod.spec, scheduling_gates=gates)
            )
        else:
            one.times_s.setdefault(Stage.RELEASED, now_s)
        self._by_uid[uid] = one
        self._tell(events.PendingSeen(now_s, one.pod))

    def _lose(self, one: _One) -> None:
        self._leave(one)
        if one.life is not None:
            one.life.lose()
            one.life = None
        for stage in (Stage.BOUND, Stage.BEGAN, Stage.WORKED):
            one.times_s.pop(stage, None)
        one.meets = 0
        if not one.is_there:
            self._arrive(one)

    def _leave(self, one: _One) -> None:
        """It is not on its node any more."""
        uid = one.pod.metadata.uid
        del self._on[one.pod.spec.node_name][one]
        del self._by_uid[uid]
        self._ground.remove_pod(uid)
        self._tell(events.PodGone(self._time.now_s, uid))

    def _reach(self, one: _One, stage: Stage) -> None:
        now_s = self._time.now_s
        one.times_s[stage] = now_s
        if stage is not Stage.DONE:
            return
        self.done += 1
        self._leave(one)
        one.life = None
        for follower in self._followers.get(one.pod.key, ()):
            del follower.after[one.pod.key]
            if not follower.after and _GATE in follower.pod.spec.scheduling_gates:
                gates = tuple(gate for gate in follower.pod.spec.scheduling_gates if gate != _GATE)
                spec = msgspec.structs.replace(follower.pod.spec, scheduling_gates=gates)
                follower.pod = msgspec.structs.replace(follower.pod, spec=spec)
                follower.times_s[Stage.RELEASED] = now_s
                self._tell(events.PendingSeen(now_s, follower.pod))

    def _meets(self, intent: intents.Intent, node: str) -> int:
        found = facts.of(self._ground.nodes[node], self._ground.capabilities.get(node))
        kind = "edge" if intent.prefer_edge else "cloud" if intent.prefer_cloud else ""
        return (
            (kind != "" and _TYPES.get(found.type_code) == kind)
            + (intent.prefer_region != "" and found.site.region == intent.prefer_region)
            + (intent.prefer_zone != "" and found.site.zone == intent.prefer_zone)
        )


def _wishes(intent: intents.Intent) -> int:
    return (intent.prefer_edge or intent.prefer_cloud) + bool(intent.prefer_region) + bool(intent.prefer_zone)


def _with(pod: core.Pod, *, uid: str, created: str = "") -> core.Pod:
    meta = msgspec.structs.replace(pod.metadata, uid=uid, creation_timestamp=created or pod.metadata.creation_timestamp)
    return msgspec.structs.replace(pod, metadata=meta)
