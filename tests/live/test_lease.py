"""Several schedulers of one name: one places pods, the others are ready to."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import pathlib
import sys
import tempfile
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from scheduler import config
from scheduler.api import names
from scheduler.live import access, app
from tests.fakeapi import faults, objects, server
from tests.live import running

PATIENT = {"leaseDuration": "1h", "renewDeadline": "30m", "retryPeriod": "100ms"}
"""A lease that no test outlives: whoever gets it was given it."""

HASTY = {"leaseDuration": "2s", "renewDeadline": "1s", "retryPeriod": "100ms"}
LEASE = config.LeaderElection().name
PROGRAM = pathlib.Path(sys.executable).parent / "data-locality-scheduler"


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with server.running() as made:
        made.store.create("namespaces", {"metadata": {"name": names.HOME_NAMESPACE}})
        for number in range(3):
            made.store.create("nodes", objects.node(f"n{number}"))
        yield made


@dataclasses.dataclass
class Replica:
    """One scheduler in a process of its own; ``port`` is that of its health server."""

    process: asyncio.subprocess.Process
    log: pathlib.Path
    port: int = 0

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def has_said(self, event: str) -> bool:
        assert self.process.returncode is None, self.log.read_text()
        return any(line["event"] == event for line in self.lines())

    async def get(self, path: str) -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            return answer.status, await answer.text()

    async def leads(self) -> bool:
        return f'leader_election_master_status{{name="{LEASE}"}} 1.0' in (await self.get("/metrics"))[1]

    async def ended(self) -> int:
        """The exit code, once there is one."""
        async with asyncio.timeout(60):
            return await self.process.wait()

    async def end(self) -> int:
        self.process.terminate()
        return await self.ended()


@contextlib.asynccontextmanager
async def replica(
    fake: server.FakeApi, tmp_path: pathlib.Path, election: dict[str, str] = PATIENT
) -> AsyncIterator[Replica]:
    """Started, and ready: it leads or follows."""
    directory = pathlib.Path(tempfile.mkdtemp(dir=tmp_path))
    (directory / "config.yaml").write_text(json.dumps({"leaderElection": election}))
    options: list[str | pathlib.Path] = [
        "--kubeconfig",
        fake.kubeconfig(directory),
        "--config",
        directory / "config.yaml",
    ]
    log = directory / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            PROGRAM, "run", *options, "--health-host=127.0.0.1", "--health-port=0", stdout=output, stderr=output
        )
    started = Replica(process, log)
    try:
        await server.until(lambda: started.has_said("following"))
        started.port = next(line["port"] for line in started.lines() if line["event"] == "health server listens")
        async with asyncio.timeout(60):
            while (await started.get("/readyz"))[0] != 200:  # noqa: ASYNC110 (in another process)
                await asyncio.sleep(0.01)
        yield started
    except BaseException:
        print(log.read_text()[-20_000:])  # noqa: T201 (pytest shows it with the failure)
        raise
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def holder(fake: server.FakeApi) -> str:
    leases = {each["metadata"]["name"]: each for each in fake.store.all("leases", names.HOME_NAMESPACE)}
    return str((leases.get(LEASE, {}).get("spec") or {}).get("holderIdentity") or "")


def writes(fake: server.FakeApi) -> list[tuple[str, str]]:
    """All but reviews and those of the Lease itself."""
    return [
        (method, path)
        for method, path in fake.requests
        if method != "GET" and "/leases" not in path and "reviews" not in path
    ]


def bound(fake: server.FakeApi, *pods: str) -> bool:
    return all(fake.store.get("pods", pod, "default")["spec"].get("nodeName") for pod in pods)


async def test_a_scheduler_alone_leads_and_gives_the_lease_back(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with replica(fake, tmp_path) as alone:
        fake.store.create("pods", objects.pod("p"))
        await server.until(lambda: bound(fake, "p"))
        assert await alone.leads()
        assert holder(fake)
        assert await alone.end() == app.OK
        assert holder(fake) == ""


async def test_who_follows_is_ready_writes_nothing_and_takes_over_at_once(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    too_big = objects.pod("too-big")
    too_big["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1000"}}
    fake.store.create("pods", too_big)
    async with replica(fake, tmp_path) as first:
        await server.until(lambda: holder(fake))
        await server.until(lambda: any("/status" in path for _, path in writes(fake)))
        async with replica(fake, tmp_path) as second:
            assert [await each.leads() for each in (first, second)] == [True, False]
            status, text = await second.get("/explain?pod=default/too-big")
            assert status == 404
            assert f"ask {holder(fake).rpartition('_')[0]}" in text
            assert 'scheduler_cache_size{type="nodes"} 3.0' in (await second.get("/metrics"))[1]
            fake.store.create("pods", objects.pod("p1"))
            await server.until(lambda: bound(fake, "p1"))
            before = holder(fake)
            assert await first.end() == app.OK
            fake.store.create("pods", objects.pod("p2"))
            await server.until(lambda: bound(fake, "p2"))
            assert await second.leads()
            assert holder(fake) not in {"", before}
    assert len(fake.bindings) == 2


async def test_of_two_started_at_once_one_leads(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        both = await asyncio.gather(*(stack.enter_async_context(replica(fake, tmp_path)) for _ in range(2)))
        fake.store.create("pods", objects.pod("p"))
        await server.until(lambda: bound(fake, "p"))
        assert sorted([await each.leads() for each in both]) == [False, True]


async def test_a_scheduler_that_loses_the_lease_ends_and_sends_nothing_more(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    async with replica(fake, tmp_path) as first:
        fake.store.create("pods", objects.pod("p1"))
        await server.until(lambda: bound(fake, "p1"))
        # Somebody takes it by force, and a pod comes at the same time.
        stolen = {"spec": {"holderIdentity": "thief_1", "leaseDurationSeconds": 3600}}
        fake.store.patch("leases", LEASE, stolen, names.HOME_NAMESPACE)
        assert await first.ended() == app.FAILED
        before = writes(fake)
        fake.store.create("pods", objects.pod("p2"))
        assert holder(fake) == "thief_1"
    assert not bound(fake, "p2")
    assert writes(fake) == before


async def test_an_api_server_that_takes_no_renewals_ends_the_leader_and_another_one_leads_afterwards(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    async with replica(fake, tmp_path, HASTY) as first:
        await server.until(lambda: holder(fake))
        async with replica(fake, tmp_path, HASTY) as second:
            away = faults.Fault(method="PATCH", path="/leases", times=10**9, drop="before")
            fake.faults.append(away)
            assert await first.ended() == app.FAILED
            assert not await second.leads()
            fake.faults.clear()
            fake.store.create("pods", objects.pod("p"))
            await server.until(lambda: bound(fake, "p"))
            assert await second.leads()


async def test_without_election_nobody_asks_for_a_lease(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with running.scheduler(fake, tmp_path) as world:
        world.create("p")
        await world.placed("p")
    assert [path for _, path in fake.requests if "/leases" in path] == []


@pytest.mark.parametrize(
    ("terms", "where", "name"),
    [
        pytest.param(config.LeaderElection(), "home", "data-locality-scheduler", id="defaults"),
        pytest.param(config.LeaderElection(name="x", namespace="y"), "y", "x", id="chosen"),
        pytest.param(config.LeaderElection(is_on=False), "", "", id="off"),
    ],
)
def test_the_rights_to_the_lease_are_checked_where_it_is(terms: config.LeaderElection, where: str, name: str) -> None:
    rights = [right for right in access.needed(terms, "home") if right.resource == "leases"]
    found: dict[str, Any] = {right.verb: (right.namespace, right.name) for right in rights}
    named = dict.fromkeys(("get", "list", "watch", "patch"), (where, name)) if name else {}
    assert found == named | ({"create": (where, "")} if name else {})


async def test_the_file_of_a_running_process_counts_as_it_changes(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with replica(fake, tmp_path) as one:
        file = one.log.parent / "config.yaml"
        assert "data_locality_scheduler_config_last_reload_success 1.0" in (await one.get("/metrics"))[1]
        file.write_text(json.dumps({"leaderElection": PATIENT, "profiles": [{"extensions": [{"name": "NoSuch"}]}]}))
        async with asyncio.timeout(60):
            while "config_last_reload_success 0.0" not in (await one.get("/metrics"))[1]:  # noqa: ASYNC110 (likewise)
                await asyncio.sleep(0.01)
        assert one.has_said("configuration not taken over, the last good one stays")
        file.write_text(json.dumps({"leaderElection": PATIENT, "tau": "2s", "healthServerPort": 9}))
        await server.until(lambda: one.has_said("configuration keys that take effect at the next start"))
        told = (await one.get("/metrics"))[1]
        assert "data_locality_scheduler_config_last_reload_success 1.0" in told
        assert "data_locality_scheduler_config_keys_waiting_for_restart 1.0" in told
        assert await one.end() == 0
