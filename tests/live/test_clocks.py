"""Clocks of API server, stores and nodes may differ by minutes without changing an answer, and it is shown."""

import asyncio
import dataclasses
import datetime
import email.utils
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scheduler.api import core, crd, names
from scheduler.kube import client
from scheduler.live import app, clocks, metrics
from scheduler.state import witnesses
from tests.fakeapi import faults, objects, server
from tests.live import builders, running

Json = dict[str, Any]

HOME = names.HOME_NAMESPACE
URN = "results/out.bin"
PRODUCER = "/api/v1/namespaces/default/pods/producer"
SETTINGS = dataclasses.replace(running.QUICK, data_wait_s=0.0, data_retention_s=0.4)  # looked through every 0.1 s
LASTING = dataclasses.replace(SETTINGS, data_retention_s=4.0)  # longer than a busy machine takes for a look
NOW = datetime.datetime(2026, 6, 1, 12, 0, 0, tzinfo=datetime.UTC)


def text(*, later_s: float = 0) -> str:
    return (NOW + datetime.timedelta(seconds=later_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
async def fake(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[server.FakeApi]:
    monkeypatch.setattr(app, "_now", lambda: NOW)
    async with server.running() as fake:
        fake.store.create("namespaces", {"metadata": {"name": HOME}})
        fake.store.create("nodes", objects.node("n1"))
        fake.store.create("dataobjects", objects.data_object("results", "results", namespace=HOME, nodes=("n1",)))
        yield fake


def promises(fake: server.FakeApi) -> list[Json]:
    found = [obj for obj in fake.store.all("dataobjects") if obj["spec"]["urn"] == URN]
    return [one for obj in found for one in obj.get("status", {}).get("expected", [])]


def produce(fake: server.FakeApi, created: str) -> None:
    """Create the pod, at a time by the API server's clock."""
    pod = objects.pod("producer")
    pod["metadata"]["annotations"] = {f"{names.OUTPUT_PREFIX}1": f"{URN},5"}
    create_at(fake, pod, created)


def create_at(fake: server.FakeApi, pod: Json, created: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake.store, "_now", lambda: created)
        fake.store.create("pods", pod)


async def looked_through(world: running.Running) -> None:
    """Wait until what a producer's end means has certainly been found out: another one, later, has been."""
    pod = objects.pod("marker")
    pod["metadata"]["annotations"] = {f"{names.OUTPUT_PREFIX}1": "results/marker,5"}
    world.fake.store.create("pods", pod)

    def told() -> list[Json]:
        found = [obj for obj in world.fake.store.all("dataobjects") if obj["spec"]["urn"] == "results/marker"]
        return [one for obj in found for one in obj.get("status", {}).get("expected", [])]

    await world.until(told)
    world.fake.store.patch("pods", "marker", {"status": {"phase": "Failed"}}, "default")
    await world.until(lambda: not told())


@pytest.mark.parametrize("ahead_s", [-240, 0, 2, 240])
@pytest.mark.parametrize("restarts", [False, True])
async def test_an_api_server_whose_clock_differs_does_not_make_a_producer_another_pod(
    fake: server.FakeApi, tmp_path: pathlib.Path, ahead_s: float, restarts: bool
) -> None:
    produce(fake, text(later_s=ahead_s))
    async with running.scheduler(fake, tmp_path, LASTING) as world:
        await world.until(lambda: promises(fake))
        if not restarts:
            fake.store.patch("pods", "producer", {"status": {"phase": "Succeeded"}}, "default")
            await looked_through(world)
            assert promises(fake), "what it wrote is waited for"
    if restarts:
        fake.store.patch("pods", "producer", {"status": {"phase": "Succeeded"}}, "default")
        before = len(fake.requests)
        async with running.scheduler(fake, tmp_path, LASTING) as world:
            await world.until(lambda: ("GET", PRODUCER) in fake.requests[before:])
            await looked_through(world)
            assert promises(fake)


async def test_a_pod_made_anew_under_the_producers_name_is_known_by_its_uid_whatever_the_time(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    reader = objects.pod("reader")  # keeps the object
    reader["metadata"]["annotations"] = {f"{names.INPUT_PREFIX}1": f"{URN},5"}
    reader["spec"]["schedulingGates"] = [{"name": "example.com/wait"}]
    fake.store.create("pods", reader)
    produce(fake, text(later_s=-60))
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        await world.until(lambda: promises(fake))
        again = objects.pod("producer", scheduler="other", node="n1")
        fake.faults.append(faults.Fault(method="GET", path=PRODUCER, status=500, times=99))  # the watch has to do
        fake.store.delete("pods", "producer", "default")
        create_at(fake, again, text(later_s=-30))
        await world.until(lambda: not promises(fake))


@pytest.mark.parametrize(
    ("written_s", "ends"),
    [
        pytest.param(-240, True, id="a store whose clock is minutes behind"),
        pytest.param(240, True, id="a store whose clock is minutes ahead"),
        pytest.param(-3600, False, id="an hour ago is before"),
    ],
)
async def test_what_was_written_is_seen_whatever_the_stores_clock(
    fake: server.FakeApi, tmp_path: pathlib.Path, written_s: float, ends: bool
) -> None:
    produce(fake, text())
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        await world.until(lambda: promises(fake))
        [obj] = [obj for obj in fake.store.all("dataobjects") if obj["spec"]["urn"] == URN]
        copy = {"node": "n1", "store": "s", "available": True, "lastModified": text(later_s=written_s)}
        place = obj["metadata"]["name"], {"status": {"replicas": [copy]}}, obj["metadata"]["namespace"]
        fake.store.patch("dataobjects", *place)
        if ends:
            await world.until(lambda: not promises(fake))
        else:
            await looked_through(world)
            assert promises(fake)


@pytest.mark.parametrize("ahead_s", [-300.0, 0.0, 300.0])
async def test_how_far_the_api_servers_clock_is_ahead_is_read_off_its_answers(
    tmp_path: pathlib.Path, ahead_s: float
) -> None:
    """A plain server that dates its answers as it likes; the fake one's are dated by the web server's own clock."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=ahead_s)
        date = email.utils.format_datetime(when, usegmt=True)
        writer.write(f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}".encode())
        writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    file = tmp_path / "kubeconfig"
    file.write_text(
        f'{{"clusters": [{{"name": "c", "cluster": {{"server": "http://127.0.0.1:{port}"}}}}],'
        '"contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}],'
        '"current-context": "c"}'
    )
    api = await client.Api.connect(str(file))
    assert await api.get("/x") == b"{}"
    assert abs(api.ahead_s - ahead_s) <= 30
    await api.close()
    listening.close()
    await listening.wait_closed()


async def test_clocks_that_differ_are_shown_and_said_once_an_hour(
    fake: server.FakeApi, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counters, clock = metrics.Metrics("test"), builders.Clock()
    seen = witnesses.Witnesses(900.0)
    api = await client.Api.connect(fake.kubeconfig(tmp_path))
    api.ahead_s = -200.0
    subject = clocks.Clocks(api=api, seen=seen, counters=counters, clock=clock, now=lambda: NOW)
    seen.set_node(core.Node(metadata=core.ObjectMeta(name="n1")))
    seen.set_stores("n1", (crd.Store(name="s", last_probe_time=text(later_s=90)),))

    def shown(of: str) -> float | None:
        return counters.registry.get_sample_value("data_locality_scheduler_clock_ahead_seconds", {"of": of})

    for _ in range(3):
        subject.sweep()
    assert (shown(clocks.API_SERVER), shown(clocks.DAEMONS)) == (-200.0, 90.0)
    seen.set_stores("n1", (crd.Store(name="s", last_probe_time=text(later_s=-90)),))
    clock.now += clocks.SAID_EVERY_S
    subject.sweep()
    assert shown(clocks.DAEMONS) == 0.0, "an old one may be only old"
    said = "".join(capsys.readouterr())
    assert said.count("clocks differ") == 3
    await api.close()
