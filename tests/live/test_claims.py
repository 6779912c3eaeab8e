"""Claims to devices seen from the API server: what is written for them before their pod is bound, and taken back."""

from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog

from scheduler.api import devices
from tests.fakeapi import faults, objects, server
from tests.live import running

Json = dict[str, Any]
DRIVER = "gpu.example.com"


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    """One node with two devices."""
    async with server.running() as fake:
        fake.store.create("nodes", objects.node("n1"))
        pool = {"name": "n1", "generation": 1, "resourceSliceCount": 1}
        spec = {"driver": DRIVER, "nodeName": "n1", "pool": pool, "devices": [{"name": "g0"}, {"name": "g1"}]}
        fake.store.create("resourceslices", {"metadata": {"name": "s"}, "spec": spec})
        named = {"extendedResourceName": "example.com/gpu"}
        fake.store.create("deviceclasses", {"metadata": {"name": "gpu"}, "spec": named})
        yield fake


def claim(fake: server.FakeApi, name: str) -> None:
    requests = [{"name": "one", "exactly": {"deviceClassName": "gpu"}}]
    fake.store.create("resourceclaims", {"metadata": {"name": name}, "spec": {"devices": {"requests": requests}}})


def using(*names: str) -> Json:
    return {"resourceClaims": [{"name": f"r{at}", "resourceClaimName": name} for at, name in enumerate(names)]}


def claimed(world: running.Running, name: str) -> Json:
    return world.fake.store.get("resourceclaims", name, "default")


async def test_a_claim_is_given_a_device_and_the_pod_that_uses_it(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    claim(fake, "c")
    async with running.scheduler(fake, tmp_path) as world:
        pod = world.create("a", spec=using("c"))
        await world.placed("a")
        found = claimed(world, "c")
        assert found["metadata"]["finalizers"] == [devices.FINALIZER]
        assert found["status"]["allocation"].pop("allocationTimestamp")
        results = [{"request": "one", "driver": DRIVER, "pool": "n1", "device": "g0"}]
        assert found["status"]["allocation"]["devices"] == {"results": results}
        assert found["status"]["reservedFor"] == [{"resource": "pods", "name": "a", "uid": pod["metadata"]["uid"]}]
        running.never_patched(fake)


async def test_pods_that_want_the_same_devices_take_turns(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with running.scheduler(fake, tmp_path) as world:
        for name in ("a", "b", "c"):
            claim(fake, name)
            world.create(name, spec=using(name))
        await world.until(lambda: sum(bool(world.node_of(name)) for name in "abc") == 2)
        [left] = [name for name in "abc" if not world.node_of(name)]
        await world.until(lambda: "cannot allocate all claims" in str(world.condition(left)))
        first = "abc".replace(left, "")[0]
        fake.store.delete("pods", first, "default")
        fake.store.delete("resourceclaims", first, "default")
        await world.placed(left)


async def test_a_conflict_is_tried_again_on_the_fresh_claim(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    claim(fake, "c")
    fake.faults.append(faults.Fault("PATCH", r"/resourceclaims/c/status$", status=409, times=2))
    async with running.scheduler(fake, tmp_path) as world:
        world.create("a", spec=using("c"))
        await world.placed("a")
        assert len(claimed(world, "c")["status"]["reservedFor"]) == 1


async def test_what_was_written_is_taken_back_where_another_claim_fails(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    claim(fake, "c")
    claim(fake, "d")
    fault = faults.Fault("PATCH", r"/resourceclaims/d/status$", status=403, times=1)
    fake.faults.append(fault)
    async with running.scheduler(fake, tmp_path) as world:
        world.create("a", spec=using("c", "d"))
        await world.until(lambda: 'running PreBind plugin "DynamicResources"' in str(world.condition("a")))
        await world.placed("a")
        assert all(len(claimed(world, name)["status"]["reservedFor"]) == 1 for name in ("c", "d"))


async def test_a_claim_is_made_for_extended_resources_and_deleted_where_the_pod_is_not_bound(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    fake.faults.append(faults.Fault("POST", r"/pods/a/binding$", status=403, times=1))
    async with running.scheduler(fake, tmp_path) as world:
        limits = {"limits": {"example.com/gpu": "1"}, "requests": {"example.com/gpu": "1"}}
        world.create("a", spec={"containers": [{"name": "main", "resources": limits}]})
        await world.placed("a")
        told = world.pod("a")["status"]["extendedResourceClaimStatus"]
        [mapping] = told["requestMappings"]
        assert mapping == {
            "containerName": "main",
            "resourceName": "example.com/gpu",
            "requestName": "container-0-request-0",
        }
        await world.until(lambda: len(fake.store.all("resourceclaims")) == 1)
        [made] = fake.store.all("resourceclaims")
        assert made["metadata"]["name"] == told["resourceClaimName"]
        assert made["metadata"]["annotations"] == {devices.FOR_EXTENDED_RESOURCES: "true"}
        assert made["status"]["allocation"]["devices"]["results"][0]["device"] in {"g0", "g1"}


async def test_what_cannot_be_listed_is_said_once_and_pods_with_claims_wait(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    fake.faults.append(faults.Fault("GET", r"/(resourceclaims|devicetaintrules)", status=403, times=10**6))
    claim(fake, "c")
    with structlog.testing.capture_logs() as logs:
        async with running.scheduler(fake, tmp_path) as world:
            world.create("plain")
            world.create("a", spec=using("c"))
            await world.placed("plain")
            world.create("b")
            await world.placed("b")
            assert world.node_of("a") == ""
    told = [line for line in logs if line["event"].startswith("not followed")]
    assert [line["kind"] for line in told] == ["ResourceClaim", "DeviceTaintRule"]
