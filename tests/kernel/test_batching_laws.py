"""However pods come: none waits longer than the window, none without data waits, and nobody urgent gives way."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, NamedTuple

import hypothesis
from hypothesis import strategies as st

from scheduler.api import core, crd
from scheduler.kernel import commands, events, kernel, recording, validation
from tests.fakeapi import objects
from tests.kernel import running

WINDOW_S = 0.05
SETTINGS = dataclasses.replace(running.SETTINGS, binds_in_flight=1000, batch_window_s=WINDOW_S)
NODES = ("n0", "n1", "n2", "n3")
CPU_OF_A_NODE = 4
GB = 1_000_000_000


class Arrival(NamedTuple):
    """A pod that comes so long after the one before."""

    after_s: float
    priority: int
    urn: str
    gb: int
    cpu: int

    def pod(self, number: int) -> core.Pod:
        notes = {"data.scheduler.thesis/input-1": f"{self.urn},{self.gb * GB}"} if self.urn else {}
        alone: dict[str, Any] = {"preemptionPolicy": "Never"}
        return running.pod(f"p{number}", cpu=str(self.cpu), priority=self.priority, annotations=notes, **alone)


arrivals = st.lists(
    st.builds(
        Arrival,
        after_s=st.sampled_from([0.0, 0.0, 0.001, 0.004, 0.006, 0.03, 0.06]),
        priority=st.integers(0, 2),
        urn=st.sampled_from(["", "bucket/a", "bucket/a", "bucket/b", "elsewhere/c"]),
        gb=st.sampled_from([0, 1, 10, 100]),
        cpu=st.integers(1, 2),
    ),
    min_size=1,
    max_size=20,
)


class Run:
    """A driver that loses no time, and what it saw."""

    def __init__(self) -> None:
        self.kernel = kernel.Kernel(SETTINGS, "home", seed=2)
        self.now_s = 1000.0
        self.lines = [recording.first_line(recording.Header(version="test", settings=SETTINGS, home="home", seed=2))]
        self.waits: dict[str, core.Pod] = {}  # who came, and was not decided about yet
        self.came_s: dict[str, float] = {}
        self.node_of: dict[str, str] = {}

    def take(self, event: events.Event) -> None:
        given = recording.perform(self.kernel, event)
        self.lines.append(recording.line(self.kernel.sequence, event, given))
        validation.check(self.kernel)
        for one in given:
            assert not isinstance(one, commands.Defect), one
            if isinstance(one, commands.AskData):
                self.take(events.DataAnswered(self.now_s, one.pod.metadata.uid, None))
            elif isinstance(one, commands.Bind):
                assert one.uid not in self.node_of, "bound twice"
                self.node_of[one.uid] = one.node
                self._decided(one.uid)
            elif isinstance(one, commands.Unplaced):
                self._decided(one.pod.metadata.uid)
            elif isinstance(one, commands.Planned):
                assert one.bound <= one.cost + 1e-9
                assert one.saved_s >= -1e-6

    def _decided(self, uid: str) -> None:
        pod = self.waits.pop(uid, None)
        if pod is None:
            return  # it did not fit, and is tried again
        waited_s = self.now_s - self.came_s[uid]
        assert waited_s <= (WINDOW_S + 1e-9 if pod.metadata.annotations else 0.0)
        assert all(other.spec.priority <= pod.spec.priority for other in self.waits.values()), "somebody urgent waits"

    def until(self, then_s: float) -> None:
        """Decide whatever there is to decide until then."""
        while (wait_s := self.kernel.wait_s()) is not None and self.kernel.now_s + wait_s <= then_s:
            self.now_s = max(self.now_s, self.kernel.now_s + wait_s)
            self.take(events.Turn(self.now_s, self.now_s, 1))
        self.now_s = then_s

    def come(self, pod: core.Pod) -> None:
        self.waits[pod.metadata.uid], self.came_s[pod.metadata.uid] = pod, self.now_s
        self.take(events.PendingSeen(self.now_s, pod))


@hypothesis.given(arrivals)
def test_however_pods_come(given: list[Arrival]) -> None:
    run = Run()
    for number, name in enumerate(NODES):
        region = {"topology.kubernetes.io/region": f"r{number % 2}"}
        run.take(events.NodeSeen(run.now_s, running.node(name, cpu=str(CPU_OF_A_NODE), labels=region)))
    for name, holder in (("a", "n0"), ("b", "n1")):
        body = objects.data_object(name, f"bucket/{name}", nodes=(holder,))
        run.take(events.ObjectSeen(run.now_s, core.convert(body, crd.DataObject, name)))
    cpu_of: dict[str, int] = {}
    for number, one in enumerate(given):
        run.until(run.now_s + one.after_s)
        run.come(one.pod(number))
        cpu_of[f"uid-p{number}"] = one.cpu
    run.until(run.now_s + WINDOW_S)
    assert run.waits == {}, "all have had their turn"
    used: collections.Counter[str] = collections.Counter()
    for uid, node in run.node_of.items():
        used[node] += cpu_of[uid]
    assert max(used.values(), default=0) <= CPU_OF_A_NODE
    assert recording.replay(run.lines).difference is None
