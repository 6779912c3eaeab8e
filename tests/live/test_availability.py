"""An operator sees which copies do not count, why and since when: the condition Available of DataObjects."""

import dataclasses
import datetime
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scheduler.api import names
from scheduler.kube import client
from scheduler.live import app, availability
from tests.fakeapi import objects, server
from tests.live import running

Json = dict[str, Any]

HOME = names.HOME_NAMESPACE
# Looked through every 0.1 s; witnesses may be five minutes old.
SETTINGS = dataclasses.replace(running.QUICK, data_wait_s=0.0, data_retention_s=0.4, witness_max_age_s=300.0)


class TimeOfDay:
    """The scheduler's; it can be set."""

    def __init__(self) -> None:
        self.now = datetime.datetime(2026, 6, 1, 12, 0, 0, tzinfo=datetime.UTC)

    def __call__(self) -> datetime.datetime:
        return self.now

    def text(self, *, ago_s: float = 0) -> str:
        return (self.now - datetime.timedelta(seconds=ago_s)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> TimeOfDay:
    found = TimeOfDay()
    monkeypatch.setattr(app, "_now", found)
    return found


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with server.running() as fake:
        fake.store.create("namespaces", {"metadata": {"name": HOME}})
        for number in (1, 2):
            fake.store.create("nodes", objects.node(f"n{number}"))
        yield fake


def put(fake: server.FakeApi, name: str, *copies: Json, conditions: tuple[Json, ...] = ()) -> None:
    obj = objects.data_object(name, f"bucket/{name}", namespace=HOME)
    obj["metadata"]["labels"] = {names.BUCKET_LABEL: "bucket"}
    obj["status"] = {"replicas": list(copies), "conditions": list(conditions)}
    fake.store.create("dataobjects", obj)


def copy(node: str, store: str = "minio", **changes: Any) -> Json:
    return {"node": node, "store": store, "available": True, "sizeBytes": 5, **changes}


def available(fake: server.FakeApi, name: str) -> Json:
    conditions = fake.store.get("dataobjects", name, HOME)["status"].get("conditions", [])
    return next((one for one in conditions if one["type"] == availability.AVAILABLE), {})


def ready(fake: server.FakeApi, node: str, status: str) -> None:
    fake.store.patch("nodes", node, {"status": {"conditions": [{"type": "Ready", "status": status}]}})


def writes(fake: server.FakeApi, name: str = "") -> int:
    return sum(method == "PATCH" and f"/dataobjects/{name}" in path for method, path in fake.requests)


async def test_a_node_that_is_not_ready_is_told_on_its_copies_and_taken_back_when_it_is(
    fake: server.FakeApi, tmp_path: pathlib.Path, time: TimeOfDay
) -> None:
    standing = {"type": "Ready", "status": "True", "reason": "x", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    put(fake, "there", copy("n1"), copy("n2", "disk"), conditions=(standing,))
    put(fake, "elsewhere", copy("n1"))
    ready(fake, "n2", "Unknown")
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        began = time.text()
        await world.until(lambda: available(fake, "there"))
        assert available(fake, "there") == {
            "type": "Available",
            "status": "Unknown",
            "reason": "NodeNotReady",
            "message": f"copies that do not count: disk on n2 (node not ready since {began})",
            "lastTransitionTime": began,
            "observedGeneration": 1,
        }
        assert standing in fake.store.get("dataobjects", "there", HOME)["status"]["conditions"]
        time.now += datetime.timedelta(minutes=4)
        ready(fake, "n1", "False")  # the status stays, what it says does not
        await world.until(lambda: available(fake, "elsewhere") and "minio on n1" in available(fake, "there")["message"])
        assert available(fake, "there")["lastTransitionTime"] == began
        assert f"disk on n2 (node not ready since {began})" in available(fake, "there")["message"]
        assert f"minio on n1 (node not ready since {time.text()})" in available(fake, "there")["message"]
        for node in ("n1", "n2"):
            ready(fake, node, "True")
        await world.until(
            lambda: available(fake, "there")["status"] == available(fake, "elsewhere")["status"] == "True"
        )
        assert available(fake, "there")["lastTransitionTime"] == time.text()
        assert writes(fake, "there") == 3


async def test_a_node_that_went_while_it_was_not_ready_is_not_remembered(
    fake: server.FakeApi, tmp_path: pathlib.Path, time: TimeOfDay
) -> None:
    """Nodes of an autoscaler go so, each under a name of its own that never comes back."""
    put(fake, "there", copy("n2"))
    ready(fake, "n2", "Unknown")
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        await world.until(lambda: f"not ready since {time.text()}" in available(fake, "there").get("message", ""))
        fake.store.delete("nodes", "n2")
        await world.until(lambda: available(fake, "there")["status"] == "True")
        time.now += datetime.timedelta(hours=1)
        fake.store.create("nodes", objects.node("n2"))
        ready(fake, "n2", "Unknown")
        await world.until(lambda: available(fake, "there")["status"] == "Unknown")
        assert f"not ready since {time.text()}" in available(fake, "there")["message"]


async def test_a_silent_witness_is_told_and_a_fresh_one_is_not_named(
    fake: server.FakeApi, tmp_path: pathlib.Path, time: TimeOfDay
) -> None:
    put(fake, "silent", copy("n1", lastProbeTime=time.text(ago_s=3600)), copy("n2", lastProbeTime=time.text()))
    put(fake, "ahead", copy("n1", lastProbeTime=time.text(ago_s=-7200)))
    put(fake, "by-hand", copy("n1", "other"))
    put(fake, "stale", copy("n1", lastProbeTime=time.text()) | {"available": False})
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        await world.until(lambda: available(fake, "silent") and available(fake, "ahead"))
        found = available(fake, "silent")
        assert (found["status"], found["reason"]) == ("Unknown", "WitnessSilent")
        assert found["message"] == f"copies that do not count: minio on n1 (not seen since {time.text(ago_s=3600)})"
        assert "dated ahead of this clock" in available(fake, "ahead")["message"]
        stores = [{"name": "minio", "available": True, "buckets": [], "lastProbeTime": time.text()}]
        fake.store.create("nodecapabilities", {"metadata": {"name": "n1"}, "status": {"stores": stores}})
        await world.until(lambda: available(fake, "silent")["status"] == "True")
        assert not available(fake, "by-hand")
        assert not available(fake, "stale"), "what its daemon says is not said again"


async def test_what_is_said_already_is_not_written_again_not_even_after_a_restart(
    fake: server.FakeApi, tmp_path: pathlib.Path, time: TimeOfDay
) -> None:
    for node in range(12):
        fake.store.create("nodes", objects.node(f"down{node}"))
        ready(fake, f"down{node}", "Unknown")
    for number in range(30):
        put(fake, f"k{number}", *(copy(f"down{node}", f"s{node}") for node in range(12)))
    put(fake, "marker", copy("n2"))
    for status, shown in (("False", "Unknown"), ("True", "True")):
        async with running.scheduler(fake, tmp_path, SETTINGS) as world:
            await world.until(lambda: all(available(fake, f"k{number}") for number in range(30)))
            time.now += datetime.timedelta(minutes=1)
            ready(fake, "n2", status)
            await world.until(lambda shown=shown: available(fake, "marker").get("status") == shown)
        assert writes(fake, "k") == 30
    assert "and 2 more" in available(fake, "k0")["message"]
    assert available(fake, "k0")["reason"] == "NodeNotReady"


async def test_writes_leave_the_rest_of_the_status_to_its_owners(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[str, bytes, dict[str, str]]] = []
    patch = client.Api.patch

    async def record(api: client.Api, path: str, body: bytes, kind: str = "", **rest: Any) -> bytes:
        sent.append((kind, body, rest["params"]))
        return await patch(api, path, body, kind, **rest)

    monkeypatch.setattr(client.Api, "patch", record)
    obj = objects.data_object("k", "bucket/k", namespace=HOME)
    obj["spec"]["locations"] = [{"node": "gone"}]
    fake.store.create("dataobjects", obj)
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        await world.until(lambda: available(fake, "k"))
        assert "on gone (node not in the cluster since" in available(fake, "k")["message"]
    [(kind, body, params)] = [one for one in sent if b"Available" in one[1]]
    assert kind == client.APPLY_PATCH
    assert params["fieldManager"] not in {names.SCHEDULER_FIELD_MANAGER, names.DAEMON_FIELD_MANAGER}, (
        "applied under the name that owns status.expected, it would take that away"
    )
    assert b"replicas" not in body
