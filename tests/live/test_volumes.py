"""Claims seen from the API server: what is written for them, and that their pod is bound once they are."""

from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scheduler.api import volumes
from tests.fakeapi import objects, server
from tests.live import running

Json = dict[str, Any]


@pytest.fixture
async def world(tmp_path: pathlib.Path) -> AsyncIterator[running.Running]:
    async with server.running() as fake:
        fake.store.create("nodes", objects.node("n1"))
        async with running.scheduler(fake, tmp_path) as world:
            yield world


def claim(name: str, kind: str, **more: Any) -> Json:
    spec = {"storageClassName": kind, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec | more, "status": {"phase": "Pending"}}


def storage_class(name: str, provisioner: str) -> Json:
    return {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer"}


def mounting(name: str) -> Json:
    return {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": name}}]}


def bind(world: running.Running, name: str, volume: str) -> None:
    """What the volume controller does."""
    change: Json = {"metadata": {"annotations": {volumes.BIND_COMPLETED: "yes"}}, "spec": {"volumeName": volume}}
    world.fake.store.patch("persistentvolumeclaims", name, change, "default")


async def test_a_volume_is_made_the_claims_and_the_pod_follows_once_they_are_bound(world: running.Running) -> None:
    store = world.fake.store
    store.create("storageclasses", storage_class("local", volumes.NO_PROVISIONER))
    claimed = store.create("persistentvolumeclaims", claim("c", "local"))
    spec = {"storageClassName": "local", "capacity": {"storage": "2Gi"}, "accessModes": ["ReadWriteOnce"]}
    store.create("persistentvolumes", {"metadata": {"name": "v"}, "spec": spec, "status": {"phase": "Available"}})
    world.create("a", spec=mounting("c"))
    await world.until(lambda: "claimRef" in store.get("persistentvolumes", "v")["spec"])
    written = store.get("persistentvolumes", "v")
    assert written["spec"]["claimRef"]["uid"] == claimed["metadata"]["uid"]
    assert written["metadata"]["annotations"] == {volumes.BOUND_BY_CONTROLLER: "yes"}
    assert world.node_of("a") == ""
    bind(world, "c", "v")
    await world.placed("a")


async def test_a_claim_is_told_its_node_and_one_that_is_missing_is_waited_for(world: running.Running) -> None:
    store = world.fake.store
    world.create("a", spec=mounting("c"))
    await world.until(lambda: 'persistentvolumeclaim "c" not found' in str(world.condition("a")))
    store.create("storageclasses", storage_class("made", "csi.example.com"))
    store.create("persistentvolumeclaims", claim("c", "made"))

    def node() -> str:
        notes: Json = store.get("persistentvolumeclaims", "c", "default")["metadata"].get("annotations", {})
        return str(notes.get(volumes.SELECTED_NODE, ""))

    await world.until(node)
    store.create("persistentvolumes", {"metadata": {"name": "v"}, "spec": {"storageClassName": "made"}})
    bind(world, "c", "v")
    await world.placed("a")
    assert world.node_of("a") == node()
