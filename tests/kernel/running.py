"""A bare kernel for tests: events go in, commands come out, and time passes when told."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from scheduler import config
from scheduler.api import core, crd, verdicts
from scheduler.kernel import commands, events, kernel, places
from tests.fakeapi import objects

C = TypeVar("C", bound=commands.Command)
Json = dict[str, Any]

SETTINGS = config.Settings(backoff_initial_s=1, backoff_max_s=10, seed=1)


def node(name: str, *, cpu: str = "4", labels: dict[str, str] | None = None, **changes: Json) -> core.Node:
    """A node; ``changes`` are those of its spec, status and metadata."""
    body = objects.node(name, cpu=cpu, labels=labels)
    for part, change in changes.items():
        body[part] = body[part] | change
    return core.convert(body, core.Node, name)


def pod(
    name: str,
    *,
    cpu: str = "1",
    node: str = "",
    namespace: str = "default",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    status: Json | None = None,
    **spec: Any,
) -> core.Pod:
    body = objects.pod(name, namespace=namespace, node=node)
    body["metadata"] |= {"uid": f"uid-{name}", "labels": labels or {}, "annotations": annotations or {}}
    body["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    body["spec"] |= spec
    body["status"] = {"phase": "Pending"} | (status or {})
    return core.convert(body, core.Pod, name)


def capability(name: str, **status: Any) -> crd.NodeCapability:
    return core.convert({"metadata": {"name": name}, "status": status}, crd.NodeCapability, name)


@dataclasses.dataclass
class Bare:
    """A kernel and its clock."""

    kernel: kernel.Kernel
    now_s: float = 1000.0

    def place(self, name: str) -> places.Place:
        entry = self.kernel.queue.get(f"uid-{name}")
        return entry.place if entry is not None else places.Place.GONE

    def nodes(self, *nodes: core.Node) -> None:
        for one in nodes:
            self.kernel.handle(events.NodeSeen(self.now_s, one))

    def pending(self, *pods: core.Pod) -> list[commands.Command]:
        return [out for one in pods for out in self.kernel.handle(events.PendingSeen(self.now_s, one))]

    def seen(self, *pods: core.Pod) -> list[commands.Command]:
        return [out for one in pods for out in self.kernel.handle(events.PodSeen(self.now_s, one))]

    def gone(self, name: str) -> list[commands.Command]:
        return self.kernel.handle(events.PodGone(self.now_s, f"uid-{name}"))

    def step(self, budget: int = 1000) -> list[commands.Command]:
        return self.kernel.step(self.now_s, self.now_s, budget)

    def later(self, seconds: float) -> list[commands.Command]:
        """What follows when so much time has passed."""
        self.now_s += seconds
        return self.step()

    def answer(self, name: str, verdict: verdicts.Verdict, *, after_s: float = 0.0) -> list[commands.Command]:
        return self.kernel.handle(events.BindAnswered(self.now_s, f"uid-{name}", verdict, "words", after_s))

    def looked_up(self, name: str, verdict: verdicts.Verdict, *, after_s: float = 0.0) -> list[commands.Command]:
        return self.kernel.handle(events.LookedUp(self.now_s, f"uid-{name}", verdict, "words", after_s))


def only(kind: type[C], given: list[commands.Command]) -> list[C]:
    """Those commands that are of a kind."""
    return [one for one in given if isinstance(one, kind)]


def bound(given: list[commands.Command]) -> dict[str, str]:
    """Which pod is to be bound to which node."""
    return {one.name: one.node for one in only(commands.Bind, given)}
