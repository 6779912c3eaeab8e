"""The pods of a scenario, as the API server has them: created, gated, bound, lost and created anew, done."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import core, verdicts
from scheduler.kernel import events
from scheduler.plugins import request
from scheduler.simulate import agenda, clock, coming, errands, ground, lives, outcome, scenario, stock
from scheduler.state import facts

_GATE: Final = core.SchedulingGate(name="scheduler.thesis/after")
_TYPES: Final = {facts.EDGE: "edge", facts.CLOUD: "cloud"}


@dataclasses.dataclass(slots=True, eq=False)
class _One:
    """A pod of the scenario through all that becomes of it.

    Attributes:
        work: None for one that is there from the beginning and stays.
        pod: As the API server has it.
        after: Whose end it still waits for.
        times: When it reached which stage.
    """

    work: scenario.Work | None
    pod: core.Pod
    asked: request.PodRequest
    after: dict[str, None]
    times: dict[str, float] = dataclasses.field(default_factory=dict)
    life: lives.Life | None = None
    attempts: int = 0
    created: int = 0
    meets: int = 0


class Pods:
    """All of them.

    Attributes:
        done, bound: How many have come to their end, and how often any was bound.

    Raises:
        InputError: what one of them asks for cannot be read.
    """

    def __init__(
        self,
        given: scenario.Scenario,
        grounds: ground.Ground,
        time: agenda.Agenda,
        tell: Callable[[events.Event], None],
    ) -> None:
        self.done = self.bound = 0
        self._ground = grounds
        self._time = time
        self._tell = tell
        self._sizes = {one.name: one.size_bytes for one in given.images}
        self._running = [_One(None, one, _asked(one), {}) for one in given.running]
        self._works = [_One(work, work.pod, _asked(work.pod), dict.fromkeys(work.after)) for work in given.works]
        self._followers: dict[str, list[_One]] = {}
        for one in self._works:
            for before in one.after:
                self._followers.setdefault(before, []).append(one)
        self._by_uid: dict[str, _One] = {}
        self._on: dict[str, dict[_One, None]] = {}  # by node

    def all(self) -> Iterator[core.Pod]:
        return (one.pod for one in (*self._running, *self._works))

    def coming(self) -> coming.Coming:
        """What they are to write."""
        return coming.Coming(
            {one.pod.key: [each.urn for each in one.asked.transfers if each.is_output] for one in self._works},
            {one.pod.key: tuple(one.after) for one in self._works},
        )

    def equip(self, running: errands.Errands, objects: stock.Stock) -> None:
        """With what pods move their data."""
        self._errands = running
        self._stock = objects

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
            if one.work is not None:
                self._time.at(one.work.arrives_s, functools.partial(self._arrive, one))

    def bind(self, uid: str, node: str) -> str:
        """A pod goes to a node, if that is possible; returns why it is not."""
        one = self._by_uid.get(uid)
        if one is None or one.work is None or one.pod.spec.node_name or one.pod.spec.scheduling_gates:
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
        one.times["bound"] = now_s
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
                released_s=one.times.get("released"),
                bound_s=one.times.get("bound"),
                node=one.pod.spec.node_name,
                began_s=one.times.get("began"),
                worked_s=one.times.get("worked"),
                done_s=one.times.get("done"),
                attempts=one.attempts,
                prefers=_wishes(one.asked.intent),
                meets=one.meets,
            )
            for one in self._works
            if one.work is not None
        )

    # ------------------------------------------------------------------------------------------------------- inside

    def _arrive(self, one: _One) -> None:
        """It is created, for the first time or again."""
        if one.work is None:
            return
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
            one.times.setdefault("released", now_s)
        self._by_uid[uid] = one
        self._tell(events.PendingSeen(now_s, one.pod))

    def _lose(self, one: _One) -> None:
        self._leave(one)
        if one.life is not None:
            one.life.lose()
            one.life = None
        for stage in ("bound", "began", "worked"):
            one.times.pop(stage, None)
        one.meets = 0
        self._arrive(one)

    def _leave(self, one: _One) -> None:
        """It is not on its node any more."""
        uid = one.pod.metadata.uid
        del self._on[one.pod.spec.node_name][one]
        del self._by_uid[uid]
        self._ground.remove_pod(uid)
        self._tell(events.PodGone(self._time.now_s, uid))

    def _reach(self, one: _One, stage: str) -> None:
        now_s = self._time.now_s
        one.times[stage] = now_s
        if stage != "done":
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
                follower.times["released"] = now_s
                self._tell(events.PendingSeen(now_s, follower.pod))

    def _meets(self, intent: intents.Intent, node: str) -> int:
        found = facts.of(self._ground.nodes[node], self._ground.capabilities.get(node))
        kind = "edge" if intent.prefer_edge else "cloud" if intent.prefer_cloud else ""
        return (
            (kind != "" and _TYPES.get(found.type_code) == kind)
            + (intent.prefer_region != "" and found.site.region == intent.prefer_region)
            + (intent.prefer_zone != "" and found.site.zone == intent.prefer_zone)
        )


def _asked(pod: core.Pod) -> request.PodRequest:
    try:
        return request.prepare(pod)
    except errors.InputError as error:
        raise error.at(f"pod {pod.key}: {error.where}") from error


def _wishes(intent: intents.Intent) -> int:
    return (intent.prefer_edge or intent.prefer_cloud) + bool(intent.prefer_region) + bool(intent.prefer_zone)


def _with(pod: core.Pod, *, uid: str, created: str = "") -> core.Pod:
    meta = msgspec.structs.replace(pod.metadata, uid=uid, creation_timestamp=created or pod.metadata.creation_timestamp)
    return msgspec.structs.replace(pod, metadata=meta)
