"""The cluster of a benchmark: etcd and the API server, and what is made and removed in them.

Once everything is installed, the controllers and KWOK are ended: nobody but the contender then works when a pod is
bound, nodes are ready because they say so, and pods are placed but never run. So the CPU that the API server and etcd
spend is spent on the contender, and on one watch that tells when pods are bound, which costs all contenders the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence

from benchmarks.scheduling import api, belongings, plan, procfs, work
from demo import processes
from localcluster import cluster, topology
from scheduler.api import names

PLANE = ("kube-apiserver", "etcd")
PLACED_NAMESPACE = "placed"
QUIET_CORES, QUIET_S, QUIET_LIMIT_S = 0.1, 1.0, 60.0
OBJECTS = f"/apis/{names.API_VERSION}/namespaces/{names.HOME_NAMESPACE}/{names.DATA_OBJECTS}"
_GONE_S = 120.0


class World:
    """One cluster with its nodes, while it runs."""

    def __init__(self, running: cluster.Cluster, client: api.Api, place: plan.Place, seed: int) -> None:
        self.running = running
        self.client = client
        self.nodes = place.nodes
        self.seed = seed
        self._place = place
        self._kind = work.KINDS[place.kind]
        self._belongings = belongings.Belongings(client, self._kind, place.nodes)
        self._numbers = itertools.count()

    async def fill(self) -> None:
        """Make the nodes, the pods on them and what else its kind of work needs."""
        await self.client.create_all("/api/v1/nodes", map(work.node, range(self.nodes)))
        if self._place.placed:
            await self.make_namespace(PLACED_NAMESPACE)
            await self.client.create_all(pods_of(PLACED_NAMESPACE), self._placed(self._place.placed))
        if self._kind.data:
            await self.client.create_all(OBJECTS, work.data_objects(self.scene(-1)))
        for name in self._belongings.namespaces:
            await self.make_namespace(name)
        await self._belongings.fill()

    def scene(self, turn: int) -> work.Scene:
        """What pods of a turn may refer to; the same turn always gives the same."""
        return work.Scene(self.nodes, random.Random(f"{self.seed}/{turn}"))  # noqa: S311 (repeatable, not secret)

    @contextlib.asynccontextmanager
    async def turn_namespace(self, pods: int) -> AsyncIterator[str]:
        """A namespace with all that so many pods need beside themselves; their kind's own, which ends empty of them."""
        name = belongings.NAMESPACE
        if not self._kind.keeps_namespace:
            name = f"turn-{next(self._numbers)}"
            await self.make_namespace(name)
        await self._belongings.restore(pods)
        if self._kind.services:
            path = f"namespaces/{name}"
            await self.client.create_all(f"/api/v1/{path}/services", work.services(pods))
            await self.client.create_all(f"/apis/apps/v1/{path}/replicasets", work.replica_sets(pods))
        yield name
        await self.empty(name)

    async def make_namespace(self, name: str) -> None:
        """A namespace of this name that takes pods, without waiting for a controller to make its account."""
        await self.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        account = {"metadata": {"name": "default"}}
        await self.client.request("POST", f"/api/v1/namespaces/{name}/serviceaccounts", account)

    def _placed(self, count: int) -> Iterator[work.Json]:
        for number in range(count):
            spec = {"nodeName": work.node_name(number % self.nodes)}
            yield work.pod({"name": f"old-{number:06}", "labels": {"app": work.group_name(number // 100)}}, spec)

    async def empty(self, namespace: str) -> None:
        """Remove a turn's pods and Events, several at a time."""
        started_s = time.monotonic()
        paths = [f"/api/v1/namespaces/{namespace}/{plural}" for plural in ("pods", "events", "services")]
        paths.append(f"/apis/apps/v1/namespaces/{namespace}/replicasets")
        while any([await self.client.count(path) for path in paths]):
            if time.monotonic() - started_s > _GONE_S:
                raise TimeoutError(f"namespace {namespace} is not empty after {_GONE_S:.0f} s")
            await asyncio.gather(*(self._delete_all(path) for path in paths))

    async def _delete_all(self, path: str) -> None:
        if path.endswith("/services"):  # they cannot be removed together
            listed = await self.client.request("GET", path)
            for item in listed["items"]:
                await self.client.request("DELETE", f"{path}/{item['metadata']['name']}")
        else:
            await self.client.request("DELETE", path, gracePeriodSeconds="0", propagationPolicy="Background")

    async def until_quiet(self, programs: Sequence[str] = ()) -> None:
        """Wait until the API server, etcd and the named programs have nothing more to do, a minute at most."""
        started_s = time.monotonic()
        before = self.sample(programs)
        while time.monotonic() - started_s < QUIET_LIMIT_S:
            await asyncio.sleep(QUIET_S)
            now = self.sample(programs)
            if sum(now.since(before).values()) < QUIET_CORES * QUIET_S:
                return
            before = now

    def make_busy(self) -> None:
        """Have a process turn round on each core until the end."""
        for core in range(os.cpu_count() or 1):
            self.running.launch(f"busy-{core}", [sys.executable, "-c", "while True: pass"])

    def sample(self, programs: Sequence[str] = ()) -> procfs.Sample:
        """CPU of the API server, etcd and the named programs so far."""
        pids = self.running.pids()
        return procfs.sample({name: pids[name] for name in (*PLANE, *programs) if name in pids})


@contextlib.asynccontextmanager
async def made(place: plan.Place, seed: int) -> AsyncIterator[World]:
    """A cluster of its own, which ends with the context."""
    # It removes a collection one object after the other unless told to use more workers.
    running = cluster.start(topology.Topology(()), apiserver_arguments=("--delete-collection-workers=8",))
    try:
        processes.install(running)
        for program in ("kwok", "kube-controller-manager"):
            running.end(program)
        async with await api.Api.connect(str(running.kubeconfig)) as client:
            scene = World(running, client, place, seed)
            await scene.fill()
            if place.busy:
                scene.make_busy()
            yield scene
    finally:
        running.stop()


def pods_of(namespace: str) -> str:
    """The path of a namespace's pods."""
    return f"/api/v1/namespaces/{namespace}/pods"
