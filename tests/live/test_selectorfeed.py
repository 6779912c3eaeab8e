"""Pods of a Service or a controller are spread by default, as far as these can be seen."""

import collections
import pathlib
from collections.abc import AsyncIterator

import pytest
import structlog

from tests.fakeapi import faults, objects, server
from tests.live import running

ZONE = "topology.kubernetes.io/zone"
NAMES = [f"p{number}" for number in range(6)]


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    """One node a zone, of which one has so much more room that all pods would go there."""
    async with server.running() as fake:
        for name, cpu in (("n1", "4"), ("n2", "4"), ("n3", "400")):
            labels = {ZONE: name, "kubernetes.io/hostname": name}
            fake.store.create("nodes", objects.node(name, labels=labels, cpu=cpu, memory="800Gi"))
        yield fake


def service(name: str = "web") -> running.Json:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"selector": {"app": "web"}}}


async def where(world: running.Running, **metadata: object) -> dict[str, int]:
    """How many of the pods each node gets."""
    for name in NAMES:
        world.create(name, cpu="500m", metadata={"labels": {"app": "web"}} | metadata)
        await world.placed(name)
    return dict(collections.Counter(world.node_of(name) for name in NAMES))


async def test_pods_that_nothing_selects_go_where_there_is_room(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with running.scheduler(fake, tmp_path) as world:
        assert await where(world) == {"n3": 6}


async def test_pods_of_a_service_are_spread(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    fake.store.create("services", service())
    async with running.scheduler(fake, tmp_path) as world:
        assert await where(world) == {"n1": 2, "n2": 2, "n3": 2}


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet"])
async def test_pods_of_a_controller_are_spread(kind: str, fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with running.scheduler(fake, tmp_path) as world:
        selector = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
        controller = {"metadata": {"name": "c", "namespace": "default"}, "spec": {"selector": selector}}
        fake.store.create(f"{kind.lower()}s", controller)
        owner = {"apiVersion": "apps/v1", "kind": kind, "name": "c", "uid": "u", "controller": True}
        assert await where(world, ownerReferences=[owner]) == {"n1": 2, "n2": 2, "n3": 2}


async def test_what_cannot_be_listed_is_said_once_and_the_rest_counts(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    fake.faults.append(faults.Fault(method="GET", path="replicasets", status=403, reason="Forbidden", times=99))
    fake.faults.append(
        faults.Fault(method="GET", path="replicationcontrollers", status=404, reason="NotFound", times=9)
    )
    fake.store.create("services", service())
    with structlog.testing.capture_logs() as told:
        async with running.scheduler(fake, tmp_path) as world:
            assert await where(world) == {"n1": 2, "n2": 2, "n3": 2}
    said = [each for each in told if each["event"].startswith("not followed: pods are not spread")]
    assert sorted(each["kind"] for each in said) == ["ReplicaSet", "ReplicationController"]
