"""One contender at one piece of work, from its start to its last Event.

Backlog: the pods are there before the contender is started, so making them takes nothing from it. The rate is that
between the first and the last binding; what comes before is its start, told apart. CPU a pod is counted from the first
binding until the last Event is written, for Events are part of the work. Where pods have to go before any is bound, all
this counts from the first that is gone.

Steady: the contender is up and has bound some pods; then pods are made at a rate, and each pod's time is that between
the API server's answer to whoever made it and its appearance in a watch of pods that have a node; 0 where the watch was
faster.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from benchmarks.scheduling import api, belongings, churn, contenders, figures, plan, procfs, profiles, work, world

BOUND = "spec.nodeName!="
START_LIMIT_S = 60.0  # to the first binding
STALL_S = 120.0  # no further pod is bound for so long: it has given up; a thousand that preempt are all decided first
EVENTS_STALL_S = 5.0  # no further Event is written for so long: the rest was dropped
EVENTS_POLL_S = 0.2
WARM_UP_PODS = 20


@dataclass
class Turn:
    """What was measured in one turn."""

    contender: str
    piece: plan.Piece
    round: int
    figures: dict[str, float] = field(default_factory=dict)
    """By name, with the unit in it."""
    fault: str = ""
    """Why the figures do not count; "" where they do."""

    def as_json(self) -> dict[str, object]:
        """Everything, flat."""
        own = {"contender": self.contender, "round": self.round, "figures": self.figures, "fault": self.fault}
        return self.piece._asdict() | own


class Bindings:
    """When pods of a namespace were first seen in a watch."""

    def __init__(self) -> None:
        self.at_s: dict[str, float] = {}
        self._changed = asyncio.Event()

    async def follow(self, client: api.Api, namespace: str, version: str, selector: str, wanted: str) -> None:
        """Note each pod that comes to match the selector, or of which else the watch tells in that word."""
        async for kind, (_, name), at_s in client.watch(world.pods_of(namespace), version, selector):
            if kind == wanted:
                self.at_s.setdefault(name, at_s)
                self._changed.set()

    async def until(self, count: int, limit_s: float) -> bool:
        """Whether so many were seen, with never more than the limit between one and the next."""
        while len(self.at_s) < count:
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), limit_s)
            except TimeoutError:
                return False
        return True


async def backlog(
    scene: world.World, contender: contenders.Contender, turn: Turn, profile: pathlib.Path | None = None
) -> None:
    """Measure how fast a backlog is bound; with a folder for profiles, where the time goes."""
    kind = work.KINDS[turn.piece.kind]
    async with scene.turn_namespace(turn.piece.pods) as namespace:
        made = work.pods(
            kind, turn.piece.pods, scene.scene(turn.round), contender.scheduler_name, with_data=contender.reads_data
        )
        await scene.client.create_all(world.pods_of(namespace), made)
        await scene.until_quiet()
        async with (
            following(scene.client, namespace, BOUND) as bound,
            _first_done(scene, kind, bound) as begun,
            churn.churning(scene, wanted=kind.churns),
        ):
            before = scene.sample()
            contender.start(scene.running)
            async with _profiling(scene, contender, turn, bound, profile):
                try:
                    await _measure_backlog(
                        scene, contender, turn, namespace=namespace, begun=begun, bound=bound, before=before
                    )
                finally:
                    scene.running.end(contender.program)


@contextlib.asynccontextmanager
async def _first_done(scene: world.World, kind: work.Kind, bound: Bindings) -> AsyncIterator[Bindings]:
    """What shows that the work has begun: bindings, or before them pods that have to go."""
    if not kind.low:
        yield bound
        return
    async with following(scene.client, belongings.LOW_NAMESPACE, "", "DELETED") as gone:
        yield gone


@contextlib.asynccontextmanager
async def _profiling(
    scene: world.World, contender: contenders.Contender, turn: Turn, bound: Bindings, folder: pathlib.Path | None
) -> AsyncIterator[None]:
    if folder is None:
        yield
        return
    name = f"{turn.piece.kind}-{turn.piece.nodes}-{contender.name}-{turn.round + 1}"

    async def of_apiserver() -> None:
        if await bound.until(1, START_LIMIT_S):
            await profiles.of_apiserver(scene.client, folder / f"{name}-apiserver.pprof")

    async with contextlib.AsyncExitStack() as stack:
        group = await stack.enter_async_context(asyncio.TaskGroup())
        group.create_task(of_apiserver())
        if contender.is_python:
            path = folder / f"{name}.stacks"
            await stack.enter_async_context(profiles.of_process(contender.pid(scene.running), path))
        yield


async def _measure_backlog(
    scene: world.World,
    contender: contenders.Contender,
    turn: Turn,
    *,
    namespace: str,
    begun: Bindings,
    bound: Bindings,
    before: procfs.Sample,
) -> None:
    if not await begun.until(1, START_LIMIT_S):
        turn.fault = f"nothing was done: {scene.running.log_tail(contender.program)}"
        return
    first = scene.sample([contender.program])
    if not await bound.until(turn.piece.pods, STALL_S):
        turn.fault = f"{len(bound.at_s)} of {turn.piece.pods} were bound: {scene.running.log_tail(contender.program)}"
        return
    last_s = max(bound.at_s.values())
    first_s = min(begun.at_s.values())
    turn.figures = {
        "pods_per_s": (turn.piece.pods - 1) / max(last_s - first_s, 1e-9),
        "first_bind_s": min(bound.at_s.values()) - before.at_s,
        "drain_s": last_s - before.at_s,
    }
    if contender.writes_events:
        written, written_s = await _until_events(scene, namespace, turn.piece.pods, last_s)
        turn.figures |= {"events_s": max(written_s, last_s) - first_s, "events_missing": turn.piece.pods - written}
    end = scene.sample([contender.program])
    spent_s, whole_s = end.since(first), end.since(before)
    turn.figures |= {
        "scheduler_cpu_ms_per_pod": spent_s[contender.program] / turn.piece.pods * 1000,
        "scheduler_cpu_with_start_ms_per_pod": whole_s[contender.program] / turn.piece.pods * 1000,
        "apiserver_cpu_ms_per_pod": spent_s["kube-apiserver"] / turn.piece.pods * 1000,
        "etcd_cpu_ms_per_pod": spent_s["etcd"] / turn.piece.pods * 1000,
        "peak_memory_mb": procfs.peak_memory_mb(contender.pid(scene.running)),
        "others_cores": end.others_cores(before),
    }


async def steady(scene: world.World, contender: contenders.Contender, turn: Turn) -> None:
    """Measure how long pods wait that come at a rate."""
    kind = work.KINDS[turn.piece.kind]
    async with scene.turn_namespace(WARM_UP_PODS + turn.piece.pods) as namespace:
        path = world.pods_of(namespace)
        await scene.until_quiet()
        async with following(scene.client, namespace, BOUND) as bound, churn.churning(scene, wanted=kind.churns):
            contender.start(scene.running)
            try:
                pods = work.pods(
                    kind,
                    WARM_UP_PODS + turn.piece.pods,
                    scene.scene(turn.round),
                    contender.scheduler_name,
                    with_data=contender.reads_data,
                )
                await scene.client.create_all(path, (next(pods) for _ in range(WARM_UP_PODS)))
                if not await bound.until(WARM_UP_PODS, START_LIMIT_S):
                    turn.fault = f"nothing was bound: {scene.running.log_tail(contender.program)}"
                    return
                await scene.until_quiet()
                before = scene.sample([contender.program])
                made_s = await _create_steadily(scene.client, path, list(pods))
                if not await bound.until(WARM_UP_PODS + turn.piece.pods, STALL_S):
                    turn.fault = f"{len(bound.at_s)} were bound: {scene.running.log_tail(contender.program)}"
                    return
                end = scene.sample([contender.program])
                waited_ms = [max(0.0, bound.at_s[name] - at_s) * 1000 for name, at_s in made_s.items()]
                spent_s = end.since(before)
                turn.figures = {
                    "p50_ms": figures.quantile(waited_ms, 0.5),
                    "p99_ms": figures.quantile(waited_ms, 0.99),
                    "most_ms": max(waited_ms),
                    "scheduler_cpu_ms_per_pod": spent_s[contender.program] / turn.piece.pods * 1000,
                    "apiserver_cpu_ms_per_pod": spent_s["kube-apiserver"] / turn.piece.pods * 1000,
                    "etcd_cpu_ms_per_pod": spent_s["etcd"] / turn.piece.pods * 1000,
                    "peak_memory_mb": procfs.peak_memory_mb(contender.pid(scene.running)),
                    "others_cores": end.others_cores(before),
                }
            finally:
                scene.running.end(contender.program)


async def _create_steadily(client: api.Api, path: str, pods: list[work.Json]) -> dict[str, float]:
    """Make each pod when it is due, however long the others take; returns when each was there (time.monotonic())."""
    made_s: dict[str, float] = {}

    async def create(pod: work.Json) -> None:
        await client.request("POST", path, pod)
        made_s[pod["metadata"]["name"]] = time.monotonic()

    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number, pod in enumerate(pods):
            await asyncio.sleep(max(0.0, began_s + number / plan.STEADY_PER_S - time.monotonic()))
            group.create_task(create(pod))
    return made_s


async def _until_events(scene: world.World, namespace: str, wanted: int, last_s: float) -> tuple[int, float]:
    """How many Events there are in the end, and when the last was seen to be there."""
    path = f"/api/v1/namespaces/{namespace}/events"
    written, at_s = 0, last_s
    while True:
        now = await scene.client.count(path)
        if now > written:
            written, at_s = now, time.monotonic()
        if written >= wanted or time.monotonic() - at_s > EVENTS_STALL_S:
            return min(written, wanted), at_s
        await asyncio.sleep(EVENTS_POLL_S)


@contextlib.asynccontextmanager
async def following(client: api.Api, namespace: str, selector: str, wanted: str = "ADDED") -> AsyncIterator[Bindings]:
    """Watch pods that come to match a selector; with another word of the watch, that end."""
    seen = Bindings()
    version = await client.version(world.pods_of(namespace))
    async with asyncio.TaskGroup() as group:  # should the watch fail, so does the turn
        following = group.create_task(seen.follow(client, namespace, version, selector, wanted))
        yield seen
        following.cancel()
