"""What a daemon cannot read, it leaves as it was and says so: nothing true is written over, whatever fails."""

import asyncio
import contextlib
import pathlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from scheduler.api import names
from scheduler.kube import client
from tests.daemon import agents
from tests.fakeapi import faults, server

FOREVER = 10**9


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[server.FakeApi]:
    """A server with one node, a pod on it before a Service that announces a store, and what is known of the store."""
    async with server.running() as running:
        for namespace in (agents.HOME, "team"):
            running.store.create("namespaces", {"metadata": {"name": namespace}})
        running.store.create("nodes", agents.node())
        for namespace in (agents.HOME, "team"):
            running.store.create("pods", agents.pod("p", namespace, part="store"))
            running.store.create("services", agents.store_service("s3", namespace, part="store"))
        running.store.create(
            names.NODE_CAPABILITIES,
            agents.capability([agents.entry(f"{agents.HOME}/s3", "photos"), agents.entry("team/s3", "scans")]),
        )
        running.store.create(names.DATA_OBJECTS, agents.data_object("photos", store=f"{agents.HOME}/s3"))
        running.store.create(names.DATA_OBJECTS, agents.data_object("scans/a", store="team/s3", namespace="team"))
        yield running


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with serving() as running:
        yield running


async def at_once(
    directory: pathlib.Path,
    paths: tuple[str, ...],
    check: Callable[[server.FakeApi, client.Api, pathlib.Path, str], Awaitable[None]],
) -> None:
    """Check for each path that a daemon may not read, before a server of its own: together, because all mostly wait."""

    async def one(number: int, path: str) -> None:
        (own := directory / str(number)).mkdir()
        async with serving() as fake:
            connected = await client.Api.connect(fake.kubeconfig(own))
            try:
                await check(fake, connected, own, path)
            except BaseException as error:
                error.add_note(f"where {path} cannot be read")
                raise
            finally:
                await connected.close()

    async with asyncio.TaskGroup() as tasks:
        for number, path in enumerate(paths):
            tasks.create_task(one(number, path))


@pytest.fixture
async def api(fake: server.FakeApi, tmp_path: pathlib.Path) -> AsyncIterator[client.Api]:
    connected = await client.Api.connect(fake.kubeconfig(tmp_path))
    yield connected
    await connected.close()


def refuse(fake: server.FakeApi, path: str, status: int = 403, **fields: Any) -> faults.Fault:
    fault = faults.Fault("GET", path, FOREVER, status=status, reason="Forbidden" if status == 403 else "", **fields)
    fake.faults.append(fault)
    return fault


def facts(fake: server.FakeApi) -> dict[str, Any]:
    """All that is known of stores and data, without what sums it up and says how sure it is."""
    stores = fake.store.get(names.NODE_CAPABILITIES, "n1")["status"].get("stores")
    objects = {
        item["metadata"]["name"]: item.get("status", {}).get("replicas") for item in fake.store.all(names.DATA_OBJECTS)
    }
    return {"stores": stores, "objects": objects}


async def test_what_cannot_be_read_at_the_start_changes_nothing(tmp_path: pathlib.Path) -> None:
    named = {r"/api/v1/pods": "pods", r"/services": "Services of team", r"/api/v1/nodes": "Node"}

    async def changes_nothing(fake: server.FakeApi, api: client.Api, directory: pathlib.Path, path: str) -> None:
        before = facts(fake)
        fault = refuse(fake, path)
        async with agents.running(fake, api, directory) as daemon:
            await server.until(lambda: daemon.condition()[:2] == ("Unknown", "ClusterUnread"))
            await daemon.rounds(3)
            assert named[path] in daemon.condition()[2]
            assert "403 Forbidden" in daemon.condition()[2]
            assert daemon.condition("StoresAvailable")[:2] == ("Unknown", "ClusterUnread")
            assert facts(fake) == before
            assert daemon.figure("cluster_unread") > 0
            # Once it can be read, what is true is written down: nobody listens at either store's address.
            fault.times = 0
            await server.until(lambda: daemon.condition()[:2] == ("False", "StoreUnavailable"))

    await at_once(tmp_path, tuple(named), changes_nothing)


async def test_one_namespace_that_cannot_be_read_does_not_blind_the_daemon_for_the_others(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    fault = refuse(fake, r"/namespaces/team/services", status=500)
    async with agents.running(fake, api, tmp_path) as daemon:
        await server.until(lambda: stores(fake)[f"{agents.HOME}/s3"] is False)
        await server.until(lambda: daemon.condition()[1] == "ClusterUnread")
        assert stores(fake)["team/s3"] is True
        assert daemon.condition()[1:] == ("ClusterUnread", "cannot be read: Services of team (500 HTTP)")
        fault.times = 0
        await server.until(lambda: stores(fake)["team/s3"] is False)
        await server.until(lambda: daemon.condition()[1] == "StoreUnavailable")


async def test_a_store_of_one_namespace_is_not_everybodys_because_it_cannot_be_looked_for(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    private = {**agents.entry("team/s3", "scans"), "namespace": "team", "technology": "minio"}
    fake.store.patch(names.NODE_CAPABILITIES, "n1", {"status": {"stores": [private]}})
    fault = refuse(fake, r"/namespaces/team/services")
    async with agents.running(fake, api, tmp_path) as daemon:
        await server.until(lambda: daemon.condition()[:2] == ("Unknown", "ClusterUnread"))
        await server.until(lambda: f"{agents.HOME}/s3" in stores(fake))
        await daemon.rounds(2)
        (team,) = [store for store in facts(fake)["stores"] if store["name"] == "team/s3"]
        assert team == private
        assert "storage-service" not in daemon.status()["capabilities"]
        assert f"{names.STORAGE_BUCKET_PREFIX}scans" not in fake.store.get("nodes", "n1")["metadata"]["labels"]
        fault.times = 0


def stores(fake: server.FakeApi) -> dict[str, bool]:
    """What is said of each store's being available."""
    found = fake.store.get(names.NODE_CAPABILITIES, "n1")["status"].get("stores", ())
    return {store["name"]: store["available"] for store in found}


async def test_where_nobody_knows_for_whom_a_store_speaks_it_is_left_as_it_was(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    fault = refuse(fake, r"/api/v1/namespaces\?")
    before = facts(fake)
    async with agents.running(fake, api, tmp_path) as daemon:
        await server.until(lambda: stores(fake)[f"{agents.HOME}/s3"] is False)
        await server.until(lambda: "namespaces (403 Forbidden)" in daemon.condition()[2])
        await daemon.rounds(2)
        (team,) = [store for store in facts(fake)["stores"] if store["name"] == "team/s3"]
        assert team in before["stores"]
        assert facts(fake)["objects"]["scans-a"] == before["objects"]["scans-a"]
        fault.times = 0


@pytest.mark.parametrize(
    ("plural", "name", "broken", "kept", "gone"),
    [
        pytest.param("services", "s3", {"spec": {"ports": [{"port": "x"}]}}, "team/s3", "team/old", id="Service"),
        pytest.param("pods", "p", {"metadata": {"labels": {"part": 7}}}, "team/s3", "elsewhere/s3", id="pod"),
    ],
)
async def test_what_does_not_fit_is_unknown_and_what_is_surely_gone_goes(
    fake: server.FakeApi,
    api: client.Api,
    tmp_path: pathlib.Path,
    plural: str,
    name: str,
    broken: dict[str, Any],
    kept: str,
    gone: str,
) -> None:
    fake.store.patch(plural, name, broken, "team")
    standing = [agents.entry(one, "b") for one in (kept, gone)]
    fake.store.patch(names.NODE_CAPABILITIES, "n1", {"status": {"stores": standing}})
    async with agents.running(fake, api, tmp_path) as daemon:
        await server.until(lambda: gone not in stores(fake))
        assert stores(fake)[kept] is True
        assert "cannot be decoded, such as team/" in daemon.condition()[2]
        assert fake.store.get(names.DATA_OBJECTS, "scans-a", "team")["status"]["replicas"][0]["available"]
        # With the broken object gone, so is the store.
        fake.store.delete(plural, name, "team")
        await server.until(lambda: kept not in stores(fake))
        await server.until(lambda: daemon.condition()[1] != "ClusterUnread")


async def test_volumes_that_cannot_be_read_keep_their_stores(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    standing = [agents.entry("volume:disk", "photos"), agents.entry("path:/srv/gone", "scans")]
    fake.store.patch(names.NODE_CAPABILITIES, "n1", {"status": {"stores": standing}})
    refuse(fake, r"/persistentvolumes", status=500)
    async with agents.running(fake, api, tmp_path) as daemon:
        # A directory that the configuration no longer names is surely none of ours: the configuration was read.
        await server.until(lambda: "path:/srv/gone" not in stores(fake))
        assert stores(fake)["volume:disk"] is True
        assert "PersistentVolumes (500 HTTP)" in daemon.condition()[2]


async def test_its_own_description_is_not_written_over_while_it_cannot_be_read(
    fake: server.FakeApi, api: client.Api, tmp_path: pathlib.Path
) -> None:
    before = fake.store.get(names.NODE_CAPABILITIES, "n1")
    fault = refuse(fake, rf"/{names.NODE_CAPABILITIES}/n1", status=403)
    settings = {"paths": [agents.bucket(tmp_path, "lake")]}
    async with agents.running(fake, api, tmp_path, settings=settings) as daemon:
        # What the stores hold is written down all the same.
        await server.until(lambda: "lake" in facts(fake)["objects"] and replica(fake, "lake")["available"])
        assert fake.store.get(names.NODE_CAPABILITIES, "n1") == before
        assert daemon.worker.last_round_s is None, "not ready"
        fault.times = 0
        await server.until(lambda: stores(fake)[f"{agents.HOME}/s3"] is False)


def replica(fake: server.FakeApi, name: str, namespace: str = agents.HOME) -> dict[str, Any]:
    found = fake.store.get(names.DATA_OBJECTS, name, namespace).get("status", {}).get("replicas", [])
    return dict(found[0]) if found else {"available": None}


async def test_what_was_read_once_stays_when_it_is_refused_later(tmp_path: pathlib.Path) -> None:
    async def stays(fake: server.FakeApi, api: client.Api, directory: pathlib.Path, path: str) -> None:
        async with agents.running(fake, api, directory) as daemon:
            await server.until(lambda: set(stores(fake).values()) == {False})
            refuse(fake, path)
            fake.store.compact()
            fake.drop_watches()
            await daemon.rounds(4)
            assert set(stores(fake)) == {f"{agents.HOME}/s3", "team/s3"}
            assert replica(fake, "photos")["store"] == f"{agents.HOME}/s3"
            assert replica(fake, "scans-a", "team")["store"] == "team/s3"

    paths = (r"/api/v1/pods", r"/services", r"/api/v1/nodes", r"/api/v1/namespaces\?", r"/dataobjects")
    await at_once(tmp_path, paths, stays)
