"""Agents in this process, before a fake API server that counts what is asked and refuses what the test says."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import msgspec
import yaml

from daemon import agent, config, metrics
from daemon.status import summary
from daemon.stores import contents
from scheduler.api import crd, names
from scheduler.kube import client, events
from tests.fakeapi import server

HOME = names.HOME_NAMESPACE
Json = dict[str, Any]


class Running:
    """One agent at work."""

    def __init__(self, worker: agent.Agent, figures: metrics.Metrics, node: str, fake: server.FakeApi) -> None:
        self.worker = worker
        self.figures = figures
        self._node = node
        self._fake = fake

    def figure(self, name: str, **labels: str) -> float:
        return self.figures.registry.get_sample_value(f"data_locality_daemon_{name}", labels) or 0.0

    async def rounds(self, number: int) -> None:
        """Wait until it has ended so many more regular rounds."""
        wanted = self.figure("rounds_total") + number
        await server.until(lambda: self.figure("rounds_total") >= wanted)

    def status(self) -> Json:
        """Of its NodeCapability, as far as there is one."""
        found = {item["metadata"]["name"]: item for item in self._fake.store.all(names.NODE_CAPABILITIES)}
        return dict(found.get(self._node, {}).get("status", {}))

    def condition(self, kind: str = "Ready") -> tuple[str, str, str]:
        found = {one["type"]: one for one in self.status().get("conditions", ())}
        one = found.get(kind, {})
        return one.get("status", ""), one.get("reason", ""), one.get("message", "")


@contextlib.asynccontextmanager
async def running(
    fake: server.FakeApi,
    api: client.Api,
    directory: pathlib.Path,
    *,
    node: str = "n1",
    interval_s: float = 0.3,
    settings: Mapping[str, object] | None = None,
) -> AsyncIterator[Running]:
    """An agent of ``node`` with a configuration file of ``settings``."""
    file = directory / f"{node}.yaml"
    file.write_text(yaml.safe_dump(dict(settings or {})))
    figures = metrics.Metrics()
    worker = agent.Agent(
        api,
        agent.Settings(
            node=node,
            namespace=HOME,
            interval_s=interval_s,
            limits=contents.Limits(timeout_s=5.0, max_keys=1000),
            has_host_files=False,
            configuration=config.Source(str(file)),
        ),
        events.EventSink(api, names.DAEMON_FIELD_MANAGER, "test"),
        figures,
    )
    task = asyncio.create_task(worker.run())
    try:
        yield Running(worker, figures, node, fake)
        assert not task.done(), "the agent ended"
    finally:
        task.cancel()
        await asyncio.wait([task])


def bucket(directory: pathlib.Path, name: str, size_bytes: int = 10) -> Json:
    """A directory that stands for a bucket, as an entry of ``paths``."""
    folder = directory / name
    folder.mkdir(exist_ok=True)
    (folder / "part").write_bytes(b"x" * size_bytes)
    return {"bucket": name, "path": str(folder)}


def node(name: str = "n1", **labels: str) -> Json:
    return {"metadata": {"name": name, "labels": labels}, "status": {"capacity": {"cpu": "4", "memory": "8Gi"}}}


def pod(name: str, namespace: str, *, node: str = "n1", **labels: str) -> Json:
    return {
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "none"}]},
        "status": {"phase": "Running", "podIP": "10.0.0.9", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def store_service(name: str, namespace: str, **selector: str) -> Json:
    """A Service that announces a store at which nobody listens."""
    annotations = {names.STORAGE_SERVICE: "true", names.STORAGE_ENDPOINT: "http://127.0.0.1:9"}
    return {
        "metadata": {"name": name, "namespace": namespace, "annotations": annotations},
        "spec": {"selector": selector, "clusterIP": "10.9.9.9", "ports": [{"name": "s3", "port": 9000}]},
    }


def capability(stores: Sequence[Json], name: str = "n1") -> Json:
    """A NodeCapability as a daemon left it."""
    conditions = [
        {"type": kind, "status": "True", "reason": "AllAvailable", "message": "", "lastTransitionTime": TIME}
        for kind in ("Ready", "StoresAvailable")
    ]
    return {"metadata": {"name": name}, "status": {"stores": list(stores), "conditions": conditions}}


TIME = "2026-01-01T00:00:00Z"


def entry(name: str, *buckets: str) -> Json:
    """A store of a NodeCapability."""
    return {"name": name, "available": True, "role": "Stores", "buckets": list(buckets), "lastProbeTime": TIME}


def data_object(urn: str, *, store: str = "", node: str = "n1", namespace: str = HOME) -> Json:
    """A DataObject of which ``store`` on ``node`` has a copy, as its daemon left it."""
    metadata = {
        "name": urn.replace("/", "-"),
        "namespace": namespace,
        "labels": {names.BUCKET_LABEL: urn.partition("/")[0]},
    }
    made = {"metadata": metadata, "spec": {"urn": urn}}
    if not store:
        return made
    replica = {"node": node, "store": store, "role": "Stores", "sizeBytes": 5, "available": True, "lastProbeTime": TIME}
    item = msgspec.convert({"metadata": {**metadata, "generation": 1}, "spec": {"urn": urn}}, crd.DataObject)
    copies = [msgspec.convert(replica, crd.Replica)]
    sums = summary.of(item, replicas=copies, counted={}, forgets=False, now=TIME)
    return {**made, "status": {"replicas": [replica], **sums}}
