"""A scheduler that is fed by hand: what it binds is bound at once, and time passes when told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from scheduler import config
from scheduler.api import core, crd, names, verdicts
from scheduler.kernel import commands, events
from scheduler.simulate import scenario, scheduling
from tests.state import build

Object = dict[str, Any]
SETTINGS = config.Settings(seed=1)


def world(
    nodes: Iterable[Object],
    *,
    objects: Iterable[Object] = (),
    works: Iterable[scenario.Work] = (),
    settings: config.Settings = SETTINGS,
) -> scenario.Scenario:
    return scenario.Scenario(
        name="tiny",
        settings=settings,
        nodes=tuple(build.as_node(each) for each in nodes),
        objects=tuple(build.as_data_object(each) for each in objects),
        works=tuple(works),
    )


def pod(name: str, *, cpu: str = "1", labels: dict[str, str] | None = None, **told: Any) -> core.Pod:
    """A pod of ours; ``told`` are its inputs, outputs and hints (see build.data), and ``spec`` more of its spec."""
    spec = told.pop("spec", {})
    body = build.pod(
        name,
        build.container(cpu=cpu, memory="1Mi"),
        notes=build.data(**told),
        labels=labels,
        status={"phase": "Pending"},
        schedulerName=names.SCHEDULER_NAME,
        **spec,
    )
    return build.as_pod(body)


class Fed:
    """See the module.

    Attributes:
        on: Where each pod is, by name, for as long as it is there.
        copies: The copies that were asked for.
    """

    def __init__(self, subject: scheduling.Scheduling, given: scenario.Scenario) -> None:
        self._subject = subject
        self._now_s = 1.0
        self._pods: dict[str, core.Pod] = {}
        self.on: dict[str, str] = {}
        self.copies: list[scheduling.Copy] = []
        self._objects: dict[str, crd.DataObject] = {}
        for node in given.nodes:
            self._handle(events.NodeSeen(self._now_s, node))
        for obj in given.objects:
            self.data(obj)

    def data(self, obj: crd.DataObject) -> None:
        self._objects[obj.spec.urn] = obj
        self._handle(events.ObjectSeen(self._now_s, obj))

    def arrive(self, *pods: core.Pod) -> dict[str, str]:
        """Pods come together; returns where all are once nothing more is to be done at once."""
        for one in pods:
            self._pods[one.metadata.name] = one
            self._handle(events.PendingSeen(self._now_s, one))
        return self.turn()

    def copied(self) -> dict[str, str]:
        """All copies that were asked for are there; returns likewise."""
        while self.copies:
            copy = self.copies.pop(0)
            obj = self._objects[copy.urn]
            replicas = (*obj.status.replicas, crd.Replica(node=copy.node, available=True))
            self.data(msgspec.structs.replace(obj, status=msgspec.structs.replace(obj.status, replicas=replicas)))
        return self.turn()

    def done(self, *pods: str) -> dict[str, str]:
        """Pods have done their work; returns likewise."""
        for name in pods:
            del self.on[name]
            self._handle(events.PodGone(self._now_s, f"uid-{name}"))
        return self.turn()

    def lost(self, node: str) -> None:
        """A node is gone, and all pods on it."""
        self._handle(events.NodeGone(self._now_s, node))
        self.done(*[name for name, where in self.on.items() if where == node])

    def later(self, seconds: float) -> dict[str, str]:
        self._now_s += seconds
        return self.turn()

    def wait_s(self) -> float | None:
        return self._subject.wait_s()

    def turn(self, budget: int = 1000) -> dict[str, str]:
        self._perform(self._subject.step(self._now_s, self._now_s, budget))
        for _ in range(1000):
            wait_s = self._subject.wait_s()
            if wait_s is None or wait_s > 0:
                return self.on
            self._perform(self._subject.step(self._now_s, self._now_s, budget))
        raise AssertionError("it wants a turn for ever")

    def _handle(self, event: events.Event) -> None:
        self._perform(self._subject.handle(event))

    def _perform(self, given: Iterable[commands.Command]) -> None:
        for command in given:
            if isinstance(command, scheduling.Copy):
                self.copies.append(command)
            elif isinstance(command, commands.AskData):
                self._handle(events.DataAnswered(self._now_s, command.pod.metadata.uid, None))
            elif isinstance(command, commands.Bind):
                assert command.name not in self.on, "bound twice"
                self.on[command.name] = command.node
                self._handle(events.BindAnswered(self._now_s, command.uid, verdicts.Verdict.BOUND))
                self._handle(events.PodSeen(self._now_s, _on(self._pods[command.name], command.node)))
                self._handle(events.PendingGone(self._now_s, command.uid))


def _on(pod: core.Pod, node: str) -> core.Pod:
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, node_name=node))
