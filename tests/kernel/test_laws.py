"""Whatever happens, in whatever order: nothing is lost or counted twice, and nobody sleeps who could be placed.

What was recorded of it comes out the same again.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from scheduler import config, kubeplugins
from scheduler.api import core, podgroups, verdicts
from scheduler.engine import decide
from scheduler.kernel import commands, events, kernel, places, recording, validation
from scheduler.plugins import request
from tests import exploring
from tests.kernel import running
from tests.kernel.running import capability, node, pod

Verdict = verdicts.Verdict
Place = places.Place

# A sequence takes 20 ms.
SEQUENCES = hypothesis.settings(max_examples=exploring.examples(500))

SETTINGS = dataclasses.replace(running.SETTINGS, binds_in_flight=4)  # so that bindings are in each other's way

OPEN = tuple(name for name in kubeplugins.POINTS["filter"] if name not in {"NodeUnschedulable", "TaintToleration"})
# What the configuration may say otherwise meanwhile.
OTHERWISE = (
    SETTINGS,
    dataclasses.replace(SETTINGS, binds_in_flight=2, batch_window_s=0.0, backoff_max_s=5.0),
    dataclasses.replace(SETTINGS, plugins=config.Plugins(preempts=False, fit_strategy="MostAllocated")),
    dataclasses.replace(SETTINGS, plugins=config.Plugins(filters=OPEN, prefilters=OPEN), contention=False),
)

NODES = ("n0", "n1", "n2")
NAMES = tuple(f"p{number}" for number in range(6))
EVICTED = core.PodCondition(type="DisruptionTarget", status="True", reason="PreemptionByScheduler")
TAINT: dict[str, Any] = {"taints": [{"key": "k", "effect": "NoSchedule"}]}
CORDON: dict[str, Any] = {"unschedulable": True}


def term(kind: str, app: str) -> dict[str, Any]:
    selector = {"matchLabels": {"app": app}}
    one = {"topologyKey": "zone", "labelSelector": selector}
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [one]}}}


SPECS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {},
    {"nodeSelector": {"zone": "a"}},
    {"tolerations": [{"operator": "Exists"}]},
    {"preemptionPolicy": "Never"},
    term("podAffinity", "x"),
    term("podAffinity", "y"),
    term("podAntiAffinity", "x"),
)

nodes = st.builds(
    lambda name, cpu, zone, spec: node(name, cpu=cpu, labels={"zone": zone}, spec=spec),
    st.sampled_from(NODES),
    st.sampled_from(["1", "2", "3"]),
    st.sampled_from("ab"),
    st.sampled_from([{}, {}, {}, TAINT, CORDON]),
)
MEMBERS: dict[str, dict[str, Any]] = {name: {"schedulingGroup": {"podGroupName": "g"}} for name in NAMES[4:]}
pods = st.builds(
    lambda name, namespace, cpu, app, spec, nominated, annotations: pod(
        name,
        namespace="default" if name in MEMBERS else namespace,
        cpu=cpu,
        priority=int(name[1:]) % 3,  # which no version of a pod changes, nor its group
        labels={"app": app},
        annotations=annotations,
        status={"nominatedNodeName": nominated},
        **spec,
        **MEMBERS.get(name, {}),
    ),
    st.sampled_from(NAMES),
    st.sampled_from(["default", "other"]),
    st.sampled_from(["1", "2", "3"]),
    st.sampled_from("xy"),
    st.sampled_from(SPECS),
    st.sampled_from(["", "", "", *NODES]),
    st.sampled_from([{}, {}, {"data.scheduler.thesis/input-1": "bucket/key,5"}]),
)
others = st.builds(
    lambda number, name, cpu, app: pod(f"other{number}", cpu=cpu, node=name, labels={"app": app}),
    st.integers(0, 3),
    st.sampled_from(NODES),
    st.sampled_from(["1", "2"]),
    st.sampled_from("xy"),
)
ACTS = st.one_of(
    nodes,
    pods,
    pods,
    others,
    st.tuples(st.just("node gone"), st.sampled_from(NODES)),
    st.tuples(st.just("other gone"), st.integers(0, 3)),
    st.tuples(st.just("deleted"), st.sampled_from(NAMES)),
    st.tuples(st.just("step"), st.integers(1, 3)),
    st.tuples(st.just("step"), st.just(10)),
    st.tuples(st.just("answer"), st.sampled_from(list(Verdict))),
    st.tuples(st.just("answer"), st.sampled_from([Verdict.BOUND, Verdict.REFUSED])),
    st.tuples(st.just("later"), st.sampled_from([0.1, 1.0, 40.0])),
    st.tuples(st.just("list"), st.none()),
    st.tuples(st.just("capability"), st.sampled_from(NODES)),
    st.tuples(st.just("groups"), st.none()),
    st.tuples(st.just("gang"), st.integers(0, 3)),
    st.tuples(st.just("evicted"), st.sampled_from(["", "", "409 Conflict"])),
    st.tuples(st.just("evicting"), st.booleans()),
    st.tuples(st.just("patched"), st.none()),
    st.tuples(st.just("settings"), st.sampled_from(OTHERWISE)),
)
# A cluster to begin with, most of whose pods fit nowhere, and then anything.
STEPS = st.tuples(
    st.lists(nodes, min_size=1, max_size=2),
    st.lists(others, max_size=4),
    st.lists(pods, min_size=3, max_size=6),
    st.lists(ACTS, min_size=5, max_size=40),
).map(lambda parts: [*parts[0], *parts[1], *parts[2], ("step", 10), *parts[3]])


class World:
    """An API server so small that it fits in here, and a driver that does what the kernel asks of it.

    It answers bindings as told, but never that a pod is bound that is not there, and shows the kernel what it binds.
    """

    def __init__(self) -> None:
        self.kernel = kernel.Kernel(SETTINGS, "home", seed=3)
        self.now_s = 1000.0
        self.waits: dict[str, core.Pod] = {}  # the pods of ours that have no node, by uid
        self.assigned: dict[str, core.Pod] = {}
        self.unanswered: collections.OrderedDict[str, commands.Bind | commands.LookUp] = collections.OrderedDict()
        self.bound: set[str] = set()
        self.evictions: collections.OrderedDict[int, commands.Evict] = collections.OrderedDict()  # not answered
        self.patches: list[tuple[str, str]] = []  # for which node a pod waits, in the order of writing
        self.lines = [recording.first_line(recording.Header(version="test", settings=SETTINGS, home="home", seed=3))]

    def take(self, event: events.Event) -> None:
        """One input: recorded, its transitions counted, and what follows begun."""
        given = recording.perform(self.kernel, event)
        self.lines.append(recording.line(self.kernel.sequence, event, given))
        assert len(given) <= 3 * (len(NAMES) + 1), "a loop"
        validation.check(self.kernel)
        for one in given:
            if isinstance(one, commands.Bind):
                assert one.uid not in self.unanswered, "two requests for one pod at a time"
            if isinstance(one, commands.Bind | commands.LookUp):
                self.unanswered[one.uid] = one
            if isinstance(one, commands.Evict):
                assert one.victims
                assert one.pod.metadata.uid not in {other.pod.metadata.uid for other in self.evictions.values()}
                self.evictions[one.number] = one
            if isinstance(one, commands.Unplaced) and one.nominated is not None:
                self.patches.append((one.pod.metadata.uid, one.nominated))
            if isinstance(one, commands.Nominate):
                self.patches.append((one.pod.metadata.uid, one.node))
            if isinstance(one, commands.AskData):
                until_s = self.now_s + 5 if one.arrived_s == self.now_s else None
                self.take(events.DataAnswered(self.now_s, one.pod.metadata.uid, until_s))
            assert not isinstance(one, commands.Defect), one

    def step(self, budget: int) -> None:
        self.take(events.Turn(self.now_s, self.now_s, budget))

    def act(self, what: Any) -> None:
        if isinstance(what, core.Node):
            self.take(events.NodeSeen(self.now_s, what))
        elif isinstance(what, core.Pod) and what.spec.node_name:
            self.assigned[what.metadata.uid] = what
            self.take(events.PodSeen(self.now_s, what))
        elif isinstance(what, core.Pod):
            if what.metadata.uid not in self.assigned and what.metadata.uid not in self.bound:
                self.waits[what.metadata.uid] = what
                self.take(events.PendingSeen(self.now_s, what))
        else:
            getattr(self, f"_{what[0].replace(' ', '_')}")(what[1])

    def _node_gone(self, name: str) -> None:
        self.take(events.NodeGone(self.now_s, name))
        for uid in [uid for uid, one in self.assigned.items() if one.spec.node_name == name]:
            del self.assigned[uid]  # as the API server's collector does
            self.take(events.PodGone(self.now_s, uid))

    def _other_gone(self, number: int) -> None:
        if self.assigned.pop(f"uid-other{number}", None) is not None:
            self.take(events.PodGone(self.now_s, f"uid-other{number}"))

    def _deleted(self, name: str) -> None:
        self._delete(f"uid-{name}")

    def _delete(self, uid: str) -> None:
        if self.waits.pop(uid, None) is not None:
            self.take(events.PendingGone(self.now_s, uid))
        if self.assigned.pop(uid, None) is not None:
            self.take(events.PodGone(self.now_s, uid))

    def _evicting(self, is_gone: bool) -> None:
        """The first victim that there is goes, or begins to, before the eviction is answered."""
        for one in self.evictions.values():
            for victim in one.victims:
                uid = victim.metadata.uid
                if is_gone:
                    self._delete(uid)
                elif (placed := self.assigned.get(uid)) is not None:
                    meta = msgspec.structs.replace(placed.metadata, deletion_timestamp="2026-06-01T12:00:00Z")
                    status = msgspec.structs.replace(placed.status, conditions=(EVICTED,))
                    self.assigned[uid] = msgspec.structs.replace(placed, metadata=meta, status=status)
                    self.take(events.PodSeen(self.now_s, self.assigned[uid]))
                return

    def _evicted(self, problem: str) -> None:
        """The last eviction is answered, twice, and after those of its victims have gone who could be deleted."""
        if not self.evictions:
            return
        number, one = self.evictions.popitem()
        for victim in one.victims[1:] if problem else one.victims:
            self._delete(victim.metadata.uid)
        for _ in range(2):
            self.take(events.EvictAnswered(self.now_s, one.pod.metadata.uid, number, problem))

    def _patched(self, _: None) -> None:
        """The API server and then the watch hear for which node a pod waits."""
        if not self.patches:
            return
        uid, name = self.patches.pop(0)
        if (waits := self.waits.get(uid)) is not None:
            status = msgspec.structs.replace(waits.status, nominated_node_name=name)
            self.waits[uid] = msgspec.structs.replace(waits, status=status)
            self.take(events.PendingSeen(self.now_s, self.waits[uid]))

    def _step(self, budget: int) -> None:
        self.step(budget)

    def _later(self, seconds: float) -> None:
        self.now_s += seconds
        self.step(10)

    def _settings(self, settings: config.Settings) -> None:
        self.take(events.SettingsSeen(self.now_s, settings))

    def _list(self, _: None) -> None:
        self.take(events.PendingListed(self.now_s, self.now_s, tuple(self.waits.values())))

    def _groups(self, _: None) -> None:
        self.take(events.GroupsKnown(self.now_s))

    def _gang(self, least: int) -> None:
        """The group of some pods is a gang of so many, or (0) gone."""
        gang = podgroups.Policy(gang=podgroups.Gang(least))
        meta = core.ObjectMeta(name="g", namespace="default")
        seen = events.GroupSeen(self.now_s, podgroups.PodGroup(meta, podgroups.PodGroupSpec(gang)))
        self.take(seen if least else events.GroupGone(self.now_s, "default", "g"))

    def _capability(self, name: str) -> None:
        self.take(events.CapabilitySeen(self.now_s, capability(name, nodeType="edge")))

    def _answer(self, verdict: Verdict) -> None:
        """The next request is answered so, where that can be."""
        if not self.unanswered:
            return
        uid, command = self.unanswered.popitem(last=False)
        if isinstance(command, commands.LookUp):
            verdict = verdict if verdict is Verdict.UNKNOWN else self._truth(uid, command.node)
            self.take(events.LookedUp(self.now_s, uid, verdict))
        else:
            if verdict in {Verdict.BOUND, Verdict.FINISHED} and uid in self.waits:
                self._bind(uid, command.node)
                verdict = Verdict.BOUND if verdict is Verdict.BOUND else Verdict.UNKNOWN  # its answer was lost
            elif verdict in {Verdict.BOUND, Verdict.FINISHED, Verdict.UNBOUND, Verdict.GONE}:
                verdict = Verdict.REFUSED if uid in self.waits else Verdict.GONE
            self.take(events.BindAnswered(self.now_s, uid, verdict))
        if uid in self.assigned:
            self.take(events.PendingGone(self.now_s, uid))
            self.take(events.PodSeen(self.now_s, self.assigned[uid]))

    def _bind(self, uid: str, node: str) -> None:
        assert uid not in self.bound, "bound twice"
        self.bound.add(uid)
        waited = self.waits.pop(uid)
        spec = msgspec.structs.replace(waited.spec, node_name=node)
        self.assigned[uid] = msgspec.structs.replace(waited, spec=spec)

    def _truth(self, uid: str, node: str) -> Verdict:
        if uid in self.assigned:
            return Verdict.BOUND if self.assigned[uid].spec.node_name == node else Verdict.CONFLICT
        return Verdict.UNBOUND if uid in self.waits else Verdict.GONE

    def settle(self) -> None:
        """Let everything end that is under way, and nothing else happen."""
        for _ in range(100):
            self.step(100)
            while self.unanswered:
                self._answer(Verdict.BOUND)
            while self.evictions:
                self._evicted("")
            while self.patches:
                self._patched(None)
            for uid in [uid for uid, one in self.assigned.items() if one.metadata.deletion_timestamp]:
                self._delete(uid)
            self.now_s += 11.0  # past every backoff, and short of the flush of who sleeps
            if not self.kernel.queue.count(*places.AWAKE):
                return
        pytest.fail("it does not come to rest")


@pytest.mark.timeout(600)  # whoever shares the machine
@SEQUENCES
@hypothesis.given(STEPS)
def test_whatever_happens_in_whatever_order(steps: list[Any]) -> None:
    world = World()
    for what in steps:
        world.act(what)
    world.settle()
    scheduling = world.kernel
    # Nobody is lost, and nobody is here who is gone.
    asleep = {entry.uid for entry in scheduling.queue.entries() if entry.place is Place.UNSCHEDULABLE}
    assert asleep == set(world.waits), "who waits is known, and asleep once all has been tried"
    # Nobody sleeps who could be placed: each is decided anew, on the state as it is.
    view = scheduling.state.freeze(world.now_s)
    for uid in asleep:
        found = decide.Engine(scheduling.settings).decide(view, request.prepare(world.waits[uid]), 0)
        assert not found.node, f"{uid} sleeps, and fits on {found.node}"
        assert found.preemption is None or found.preemption.chosen is None, f"{uid} sleeps, and could be made room for"
    # Nobody sleeps whatever happens, and what is kept for whom is what the API server says.
    assert not [entry for entry in scheduling.queue.entries() if entry.is_preempting]
    kept = {uid: one.status.nominated_node_name for uid, one in scheduling.world.nominations.pods.items()}
    said = {uid: one.status.nominated_node_name for uid, one in world.waits.items()}
    assert kept == {uid: name for uid, name in said.items() if name}
    # What is counted is what is there.
    assert set(view.placed) == {uid for uid, one in world.assigned.items()}
    assert not any(one.assumed for one in view.placed.values())
    # And it can be had again.
    again = recording.replay(world.lines)
    assert again.difference is None
    assert again.decisions == scheduling.journal.added
