"""On-demand objects stand where the pods that name them look, are shared out fairly, and buckets that are gone go."""

import dataclasses
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scheduler.api import names
from scheduler.live import ondemand, room
from tests.fakeapi import faults, objects, server
from tests.live import running

Json = dict[str, Any]

HOME = names.HOME_NAMESPACE
NEVER = dataclasses.replace(running.QUICK, data_wait_s=0.0)
QUICKLY = dataclasses.replace(NEVER, data_retention_s=0.4)  # looked through every 0.1 s


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with server.running() as fake:
        for namespace in (HOME, "a", "b"):
            fake.store.create("namespaces", {"metadata": {"name": namespace}})
        fake.store.create("nodes", objects.node("n1"))
        yield fake


def create(fake: server.FakeApi, namespace: str, name: str, *urns: str, kind: str = names.INPUT_PREFIX) -> Json:
    pod = objects.pod(name, namespace=namespace)
    pod["metadata"]["annotations"] = {f"{kind}{number}": f"{urn},1" for number, urn in enumerate(urns)}
    return fake.store.create("pods", pod)


def keys(fake: server.FakeApi) -> set[tuple[str, str]]:
    """Where there are objects of keys: namespace and urn."""
    found = fake.store.all("dataobjects")
    return {(obj["metadata"]["namespace"], obj["spec"]["urn"]) for obj in found if "/" in obj["spec"]["urn"]}


def bucket(namespace: str, urn: str, labels: dict[str, str] | None = None, *, nodes: tuple[str, ...] = ("n1",)) -> Json:
    obj = objects.data_object(f"o-{urn.replace('/', '-')}", urn, namespace=namespace, nodes=nodes)
    obj["metadata"]["labels"] = {names.BUCKET_LABEL: urn.partition("/")[0], **(labels or {})}
    return obj


@pytest.mark.parametrize("kind", [names.INPUT_PREFIX, names.OUTPUT_PREFIX])
async def test_an_object_is_made_where_the_bucket_is_known_the_pods_own_namespace_first(
    fake: server.FakeApi, tmp_path: pathlib.Path, kind: str
) -> None:
    for namespace, urn in ((HOME, "shared"), ("a", "private"), (HOME, "both"), ("a", "both"), ("b", "theirs")):
        fake.store.create("dataobjects", bucket(namespace, urn))
    async with running.scheduler(fake, tmp_path, NEVER) as world:
        urns = ("shared/k", "private/k", "both/k", "theirs/k")
        for namespace in ("a", "b"):
            create(fake, namespace, "pod", *urns, kind=kind)
        wanted = {(HOME, "shared/k"), ("a", "private/k"), ("a", "both/k"), (HOME, "both/k"), ("b", "theirs/k")}
        await world.until(lambda: keys(fake) == wanted)
        create(fake, "a", "marker", "shared/later")
        await world.until(lambda: (HOME, "shared/later") in keys(fake))
        assert keys(fake) == wanted | {(HOME, "shared/later")}
    for obj in fake.store.all("dataobjects", "a"):
        if "/" in obj["spec"]["urn"]:
            assert obj["metadata"]["labels"][names.ON_DEMAND_LABEL] == "true"
            assert obj["metadata"]["annotations"][names.ON_DEMAND_FOR] == "a"


@pytest.mark.parametrize("kind", [names.INPUT_PREFIX, names.OUTPUT_PREFIX])
async def test_the_home_namespaces_object_is_none_of_a_namespace_with_such_a_bucket_of_its_own(
    fake: server.FakeApi, tmp_path: pathlib.Path, kind: str
) -> None:
    for namespace in (HOME, "a"):
        fake.store.create("dataobjects", bucket(namespace, "both"))
    async with running.scheduler(fake, tmp_path, NEVER) as world:
        for count, namespace in enumerate(("b", "a"), 1):
            create(fake, namespace, "pod", "both/k", kind=kind)
            await world.until(lambda count=count: len(keys(fake)) == count)
    assert keys(fake) == {(HOME, "both/k"), ("a", "both/k")}


async def test_a_store_of_ones_own_is_known_before_its_bucket_has_an_object(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    status = {"stores": [{"name": "s", "namespace": "a", "available": True, "buckets": ["mine"]},
                         {"name": "t", "available": True, "buckets": ["ours"]}]}  # fmt: skip
    fake.store.create("nodecapabilities", {"metadata": {"name": "n1"}, "status": status})
    async with running.scheduler(fake, tmp_path, NEVER) as world:
        for namespace in ("b", "a"):
            create(fake, namespace, "pod", "mine/k", "ours/k")
        await world.until(lambda: keys(fake) == {("a", "mine/k"), (HOME, "ours/k")})


async def test_an_object_serves_the_pods_of_its_namespace_only(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    for namespace in ("a", "b"):
        fake.store.create("dataobjects", bucket(namespace, "same"))
    async with running.scheduler(fake, tmp_path, QUICKLY) as world:
        for namespace in ("a", "b"):
            create(fake, namespace, "pod", "same/k")
        await world.until(lambda: keys(fake) == {("a", "same/k"), ("b", "same/k")})
        fake.store.delete("pods", "pod", "a")
        await world.until(lambda: keys(fake) == {("b", "same/k")})


async def test_what_people_made_is_not_taken_for_ours_whatever_its_label(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    fake.store.create("dataobjects", bucket("a", "people/k", {names.ON_DEMAND_LABEL: "true"}))
    ours = bucket("a", "people/ours", {names.ON_DEMAND_LABEL: "true"})
    ours["metadata"]["name"] = ondemand.name_of("people/ours")
    fake.store.create("dataobjects", ours)
    async with running.scheduler(fake, tmp_path, QUICKLY) as world:
        await world.until(lambda: ("a", "people/ours") not in keys(fake))
    assert keys(fake) == {("a", "people/k")}


async def test_a_refusal_in_one_namespace_is_none_in_another(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    """Such as a quota of one tenant, which used to end it for all."""
    for namespace in ("a", "b"):
        fake.store.create("dataobjects", bucket(namespace, "same"))
    path = "/namespaces/a/dataobjects"
    fake.faults.append(faults.Fault(method="POST", path=path, status=403, reason="Forbidden", times=99))
    async with running.scheduler(fake, tmp_path, NEVER) as world:
        create(fake, "a", "pod", "same/k")
        await world.until(lambda: any(method == "POST" and path in one for method, one in fake.requests))
        create(fake, "b", "pod", "same/k")
        await world.until(lambda: keys(fake) == {("b", "same/k")})


async def test_one_tenants_pods_leave_room_for_anothers_and_are_told_so(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LIMIT", 6)
    monkeypatch.setattr(ondemand, "FULL_S", 0.0)
    fake.store.create("dataobjects", bucket(HOME, "lake"))

    def told(namespace: str) -> list[Json]:
        found = [one for one in fake.store.all("events") if one["reason"] == "KeysNotLookedUp"]
        return [one for one in found if one["regarding"]["namespace"] == namespace]

    async with running.scheduler(fake, tmp_path, NEVER) as world:
        for number in range(8):
            create(fake, "a", f"pod{number}", f"lake/a{number}")
            waits = objects.pod(f"waits{number}", namespace="a")
            waits["metadata"]["annotations"] = {f"{names.INPUT_PREFIX}1": f"lake/w{number},1"}
            waits["spec"]["schedulingGates"] = [{"name": "example.com/wait"}]
            fake.store.create("pods", waits)
        await world.until(lambda: len(keys(fake)) == 6 and told("a"))
        for number in range(3):
            create(fake, "b", f"pod{number}", f"lake/b{number}")
        await world.until(lambda: sum("/b" in urn for _, urn in keys(fake)) == 3)
        assert len(keys(fake)) == 6
        assert "share of" in told("a")[0]["note"]
        assert len(told("a")) == 1, "once for a namespace, not for each key"
        assert not told("b")


def gone(namespace: str, urn: str, **changes: Any) -> Json:
    """A DataObject of a bucket that daemons made and that no store has any more, but for the changes."""
    obj = bucket(namespace, urn, {names.MANAGED_BY_LABEL: names.DAEMON_FIELD_MANAGER}, nodes=())
    ready = {"type": "Ready", "status": "False", "reason": "NotFound"}
    obj["status"] = {"replicas": [], "conditions": [ready | changes.pop("ready", {})]} | changes.pop("status", {})
    obj["spec"] |= changes.pop("spec", {})
    obj["metadata"]["labels"] |= changes.pop("labels", {})
    return obj


async def test_buckets_that_are_gone_and_that_nobody_names_go_and_nothing_else_does(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    goes = {(HOME, "gone"), ("a", "gone")}
    for namespace, urn in goes:
        fake.store.create("dataobjects", gone(namespace, urn))
    stays = [
        gone(HOME, "people", labels={names.MANAGED_BY_LABEL: "kubectl"}),
        gone(HOME, "pinned", spec={"sizeBytes": 5}),
        gone(HOME, "declared", spec={"locations": [{"node": "n1"}]}),
        gone(HOME, "down", status={"replicas": [{"node": "n1", "store": "s"}]}),
        gone(HOME, "unknown", ready={"status": "Unknown"}),
        gone(HOME, "other-reason", ready={"reason": "Unavailable"}),
        gone(HOME, "there", ready={"status": "True"}),
        gone(HOME, "named"),
        gone("a", "named"),
        gone(HOME, "served"),
        gone("b", "mine"),
    ]
    for obj in stays:
        fake.store.create("dataobjects", obj)
    status = {"stores": [{"name": "s", "available": False, "buckets": ["served"]},
                         {"name": "t", "namespace": "b", "available": True, "buckets": ["mine"]}]}  # fmt: skip
    fake.store.create("nodecapabilities", {"metadata": {"name": "n1"}, "status": status})
    create(fake, "a", "pod", "named", "named/prefix/")
    async with running.scheduler(fake, tmp_path, QUICKLY) as world:
        fake.store.create("dataobjects", gone(HOME, "later"))
        expected = {(obj["metadata"]["namespace"], obj["spec"]["urn"]) for obj in stays}

        def left() -> set[tuple[str, str]]:
            found = fake.store.all("dataobjects")
            return {
                (obj["metadata"]["namespace"], obj["spec"]["urn"]) for obj in found if "/" not in obj["spec"]["urn"]
            }

        await world.until(lambda: left() == expected)
        fake.store.delete("pods", "pod", "a")
        await world.until(lambda: left() == expected - {(HOME, "named"), ("a", "named")})


async def test_a_bucket_that_is_found_again_at_the_last_moment_stays(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    """The scheduler has not heard of it when it deletes: the version of what it knew stands in the request."""
    fake.store.create("dataobjects", gone(HOME, "back"))
    sent: list[Json] = []
    fake.faults.append(faults.Fault(method="DELETE", path="/dataobjects/o-back", status=409, reason="Conflict"))
    async with running.scheduler(fake, tmp_path, QUICKLY) as world:
        await world.until(lambda: any(method == "DELETE" and "o-back" in path for method, path in fake.requests))
        sent.append(fake.store.get("dataobjects", "o-back", HOME))
        fake.store.patch("dataobjects", "o-back", {"status": {"replicas": [{"node": "n1", "available": True}]}}, HOME)
        deleted = sum(method == "DELETE" for method, _ in fake.requests)
        create(fake, "a", "pod", "back/k")
        await world.until(lambda: (HOME, "back/k") in keys(fake))
        assert sum(method == "DELETE" for method, _ in fake.requests) - deleted <= 1
    assert fake.store.get("dataobjects", "o-back", HOME)


async def test_an_output_is_expected_in_the_store_that_speaks_for_its_pods(
    fake: server.FakeApi, tmp_path: pathlib.Path
) -> None:
    stores = [
        {"name": "theirs", "namespace": "b", "available": True, "buckets": ["same"]},
        {"name": "everybodys", "available": True, "buckets": ["same"]},
        {"name": "own", "namespace": "a", "available": True, "buckets": ["same"]},
    ]
    fake.store.create("nodecapabilities", {"metadata": {"name": "n1"}, "status": {"stores": stores}})
    async with running.scheduler(fake, tmp_path, NEVER) as world:
        for namespace in ("a", "default"):
            create(fake, namespace, "pod", "same/k", kind=names.OUTPUT_PREFIX)

        def expected() -> dict[str, str]:
            found = [obj for obj in fake.store.all("dataobjects") if obj.get("status", {}).get("expected")]
            return {obj["metadata"]["namespace"]: obj["status"]["expected"][0]["store"] for obj in found}

        await world.until(lambda: expected() == {"a": "own", HOME: "everybodys"})
