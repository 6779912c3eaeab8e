"""Outputs that do not exist yet draw their consumers, until they exist or will not come."""

import dataclasses
import datetime
import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scheduler.api import names
from scheduler.live import departed, expected, ondemand
from tests.fakeapi import faults, objects, server
from tests.live import running

Json = dict[str, Any]

HOME = names.HOME_NAMESPACE
URN = "results/run 7/out.bin"
SETTINGS = dataclasses.replace(running.QUICK, data_wait_s=60.0, data_retention_s=0.4)  # looked through every 0.1 s
SIZE = 1_000_000_000


def labelled(obj: Json) -> Json:
    obj["metadata"]["labels"] = {names.BUCKET_LABEL: obj["spec"]["urn"].partition("/")[0]}
    return obj


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    """Three nodes in three regions; the bucket of raw data lies on the first, that of results on the other two."""
    async with server.running() as fake:
        fake.store.create("namespaces", {"metadata": {"name": HOME}})
        for number in (1, 2, 3):
            labels = {names.REGION_LABEL: f"r{number}", names.ZONE_LABEL: f"z{number}"}
            fake.store.create("nodes", objects.node(f"n{number}", labels=labels))
        for bucket, nodes in (("raw", ("n1",)), ("results", ("n2", "n3"))):
            fake.store.create("dataobjects", labelled(objects.data_object(bucket, bucket, namespace=HOME, nodes=nodes)))
        status = {"stores": [{"name": "minio", "available": True, "buckets": ["results"]}]}
        fake.store.create("nodecapabilities", {"metadata": {"name": "n3"}, "status": status})
        yield fake
        running.never_patched(fake)


@pytest.fixture
async def world(fake: server.FakeApi, tmp_path: pathlib.Path) -> AsyncIterator[running.Running]:
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        yield world


def notes(*, inputs: tuple[str, ...] = (), outputs: tuple[str, ...] = (), size: int = SIZE) -> Json:
    made = {f"{names.INPUT_PREFIX}{number}": f"{urn},{size}" for number, urn in enumerate(inputs)}
    made |= {f"{names.OUTPUT_PREFIX}{number}": f"{urn},{size}" for number, urn in enumerate(outputs)}
    return {"annotations": made}


def on(node: str) -> Json:
    return {"nodeSelector": {names.ZONE_LABEL: node.replace("n", "z")}}


def found(fake: server.FakeApi, urn: str = URN) -> Json | None:
    return next((obj for obj in fake.store.all("dataobjects") if obj["spec"]["urn"] == urn), None)


def promises(fake: server.FakeApi, urn: str = URN) -> list[Json]:
    obj = found(fake, urn)
    entries: list[Json] = obj.get("status", {}).get("expected", []) if obj else []
    return entries


async def produce(world: running.Running, name: str = "producer", node: str = "n3") -> Json:
    """Bind a pod that will write the output, and return what is expected of it."""
    world.create(name, metadata=notes(outputs=(URN,)), spec=on(node))
    await world.placed(name)
    await world.until(lambda: any(each["producer"] == f"default/{name}" for each in promises(world.fake)))
    [entry] = [each for each in promises(world.fake) if each["producer"] == f"default/{name}"]
    return entry


async def test_a_bound_pods_output_is_expected_at_the_store_nearest_to_it(world: running.Running) -> None:
    entry = await produce(world)
    since = datetime.datetime.fromisoformat(entry.pop("since"))
    assert abs((datetime.datetime.now(datetime.UTC) - since).total_seconds()) < 60
    assert entry == {
        "node": "n3",
        "store": "minio",
        "producer": "default/producer",
        "confidence": 0.8,
        "sizeBytes": SIZE,
    }
    obj = found(world.fake)
    assert obj is not None
    assert (obj["metadata"]["namespace"], obj["metadata"]["name"]) == (HOME, ondemand.name_of(URN))
    assert obj["metadata"]["labels"] == {names.BUCKET_LABEL: "results", names.ON_DEMAND_LABEL: "true"}


async def test_neither_buckets_nor_prefixes_nor_what_no_store_takes_is_expected(world: running.Running) -> None:
    urns = ("results", "results/prefix/", "nowhere/key", "results/key")
    world.create("producer", metadata=notes(outputs=urns))
    await world.placed("producer")
    await world.until(lambda: promises(world.fake, "results/key"))
    assert {obj["spec"]["urn"] for obj in world.fake.store.all("dataobjects")} == {"raw", "results", "results/key"}


async def test_an_object_of_the_pods_own_namespace_goes_first(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    fake.store.create("dataobjects", labelled(objects.data_object("mine", URN)))
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        await produce(world)
    obj = found(fake)
    assert obj is not None
    assert obj["metadata"]["name"] == "mine"


async def test_a_pipeline_that_arrives_at_once_follows_its_data(world: running.Running) -> None:
    """The consumers come first; nothing of what they read exists."""
    stages = 6
    for number in reversed(range(1, stages)):
        metadata = notes(inputs=(f"results/{number - 1}",), outputs=(f"results/{number}",))
        world.create(f"stage-{number}", metadata=metadata)
    world.create("stage-0", metadata=notes(inputs=("raw/start",), outputs=("results/0",)), spec=on("n3"))
    nowhere = {"conditions": [{"type": "Ready", "status": "False", "reason": "NotFound", "message": ""}]}
    there = {"replicas": [{"node": "n1", "store": "s", "available": True}], "conditions": []}

    def all_are_placed() -> bool:
        """Say meanwhile what a daemon says at once, and truthfully: there is no such key."""
        for obj in world.fake.store.all("dataobjects", HOME):
            if "conditions" not in obj.get("status", {}):
                status = there if obj["spec"]["urn"] == "raw/start" else nowhere
                world.fake.store.patch("dataobjects", obj["metadata"]["name"], {"status": status}, HOME)
        return all(world.node_of(name) for name in names_)

    names_ = [f"stage-{number}" for number in range(stages)]
    await world.until(all_are_placed)
    # By the buckets alone, n2 would have been as good, and was drawn half of the time at each stage.
    assert {world.node_of(name) for name in names_} == {"n3"}


async def test_a_consumer_is_told_what_was_expected(world: running.Running) -> None:
    await produce(world)
    world.create("consumer", metadata=notes(inputs=(URN,)))
    await world.placed("consumer")
    assert world.node_of("consumer") == "n3"


COPY = {"node": "n2", "store": "s", "available": True, "sizeBytes": 5}


@pytest.mark.parametrize(
    ("copy", "ends"),
    [
        pytest.param({"lastModified": "2100-01-01T00:00:00Z"}, True, id="written since"),
        pytest.param({"lastProbeTime": "2100-01-01T00:00:00Z"}, True, id="without a date, but seen since"),
        pytest.param(
            {"lastModified": "2001-01-01T00:00:00Z", "lastProbeTime": "2100-01-01T00:00:00Z"}, False, id="old"
        ),
        pytest.param({"lastModified": "2100-01-01T00:00:00Z", "available": False}, False, id="not to be had"),
    ],
)
async def test_an_output_that_is_there_is_no_longer_expected(world: running.Running, copy: Json, ends: bool) -> None:
    await produce(world)
    obj = found(world.fake)
    assert obj is not None
    world.fake.store.patch("dataobjects", obj["metadata"]["name"], {"status": {"replicas": [COPY | copy]}}, HOME)
    if ends:
        await world.until(lambda: not promises(world.fake))
        assert found(world.fake)["status"]["replicas"] == [COPY | copy]  # type: ignore[index]
    else:
        await settle(world)
        assert promises(world.fake)


async def settle(world: running.Running) -> None:
    """Wait until the scheduler has certainly seen, and done, all that came before."""
    before = promises(world.fake, "results/settled")
    world.create("settled", metadata=notes(outputs=("results/settled",)))
    await world.until(lambda: promises(world.fake, "results/settled") != before)


async def test_a_pod_that_failed_is_not_waited_for(world: running.Running) -> None:
    await produce(world)
    world.fake.store.patch("pods", "producer", {"status": {"phase": "Failed"}}, "default")
    await world.until(lambda: found(world.fake) is None or not promises(world.fake))


async def test_a_pod_that_is_gone_is_not_waited_for(world: running.Running) -> None:
    await produce(world)
    world.create("reader", cpu="100", metadata=notes(inputs=(URN,)))  # keeps the object
    world.fake.store.delete("pods", "producer", "default")
    await world.until(lambda: not promises(world.fake))
    assert found(world.fake) is not None


async def test_what_a_pod_that_succeeded_wrote_is_waited_for_but_not_for_ever(
    world: running.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.create("reader", cpu="100", metadata=notes(inputs=(URN,)))
    await produce(world)
    world.fake.store.patch("pods", "producer", {"status": {"phase": "Succeeded"}}, "default")
    await settle(world)
    assert promises(world.fake)
    monkeypatch.setattr(expected, "LOOKED_S", 0.1)
    await world.until(lambda: not promises(world.fake))


async def test_two_producers_are_both_expected_and_each_ends_by_itself(world: running.Running) -> None:
    await produce(world, "first", "n2")
    await produce(world, "second", "n3")
    assert [each["node"] for each in promises(world.fake)] == ["n2", "n3"]
    world.fake.store.delete("pods", "first", "default")
    await world.until(lambda: [each["node"] for each in promises(world.fake)] == ["n3"])


async def test_a_restart_finds_out_what_became_of_the_producers(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        world.create("reader", cpu="100", metadata=notes(inputs=(URN,)))
        await produce(world, "first", "n2")
        await produce(world, "second", "n3")
    fake.store.delete("pods", "first", "default")
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        await world.until(lambda: [each["node"] for each in promises(fake)] == ["n3"])
        fake.store.patch("pods", "second", {"status": {"phase": "Failed"}}, "default")
        await world.until(lambda: not promises(fake))


async def test_a_store_outside_is_expected_by_its_place(fake: server.FakeApi, tmp_path: pathlib.Path) -> None:
    copy = {"node": "external", "region": "r3", "zone": "z9", "available": True}
    fake.store.create("dataobjects", labelled(objects.data_object("far", "far", namespace=HOME)))
    fake.store.patch("dataobjects", "far", {"status": {"replicas": [copy]}}, HOME)
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        world.create("producer", metadata=notes(outputs=("far/key",)))
        await world.placed("producer")
        assert world.node_of("producer") == "n3"
        await world.until(lambda: promises(fake, "far/key"))
    [entry] = promises(fake, "far/key")
    assert (entry["node"], entry["region"], entry["zone"]) == ("external", "r3", "z9")


async def test_where_it_may_not_be_written_pods_are_placed_all_the_same(
    fake: server.FakeApi, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.faults.append(faults.Fault(method="PATCH", path="dataobjects", status=403, reason="Forbidden", times=999))
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        for number in range(3):
            world.create(f"p{number}", metadata=notes(outputs=(f"results/{number}",)))
        await world.placed("p0", "p1", "p2")
        await world.until(lambda: all(found(fake, f"results/{number}") for number in range(3)))
    said = capsys.readouterr()
    assert (said.out + said.err).count("DataObject not written") == 1


async def test_copies_are_cleared_away_where_the_names_of_those_that_stay_do_not_fit(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The column has 4,096 characters: the API server would refuse a longer one, and with it the clearing away."""
    monkeypatch.setattr(departed, "ABSENT_S", 0.3)
    staying = [f"ip-10-0-{number}-0.eu-west-1.compute.internal" for number in range(120)]
    obj = labelled(objects.data_object("wide", "raw/wide"))
    obj["status"] = {"replicas": [{"node": node, "store": "s", "available": True} for node in [*staying, "left"]]}
    fake.store.create("dataobjects", obj)

    def status() -> Json:
        return dict(fake.store.get("dataobjects", "wide", "default")["status"])

    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        for node in staying:
            fake.store.create("nodes", objects.node(node))
        await world.until(lambda: len(status()["replicas"]) == len(staying))
    assert len(status()["nodesText"]) <= 4096
    assert status()["replicaCount"] == len(staying)


async def test_copies_on_nodes_that_cannot_be_read_are_left(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That a node cannot be read does not mean that it is gone."""
    monkeypatch.setattr(departed, "ABSENT_S", 0.3)
    for node, allocatable in (("odd", {"memory": "plenty"}), ("strange", "plenty")):
        fake.store.create("nodes", objects.node(node) | {"status": {"allocatable": allocatable}})
    copies = {
        "a": [{"node": node, "store": "s", "available": True} for node in ("odd", "strange")],
        "b": [{"node": "left", "store": "s", "available": True}],
    }
    for name, replicas in copies.items():
        obj = labelled(objects.data_object(name, f"raw/{name}"))
        fake.store.create("dataobjects", obj | {"status": {"replicas": replicas}})
    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        await world.until(lambda: not fake.store.get("dataobjects", "b", "default")["status"]["replicas"])
    assert fake.store.get("dataobjects", "a", "default")["status"]["replicas"] == copies["a"]


async def test_copies_on_nodes_that_are_gone_are_cleared_away(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(departed, "ABSENT_S", 0.3)
    ready = {"type": "Ready", "status": "True", "reason": "Available", "message": "fine"}
    outside = {"node": "external", "store": "s", "region": "r", "available": True}
    left = {"node": "left", "store": "s", "available": True, "aFieldOfTheFuture": 1}
    here = {"node": "n1", "store": "s", "available": True, "aFieldOfTheFuture": 2}
    for name, replicas in (("both", [left, here, outside]), ("one", [left])):
        obj = labelled(objects.data_object(name, f"raw/{name}"))
        obj["status"] = {"replicas": replicas, "replicaCount": len(replicas), "nodesText": "?", "conditions": [ready]}
        fake.store.create("dataobjects", obj)
    fake.store.create("dataobjects", labelled(objects.data_object("back", "raw/back", nodes=("briefly",))))

    def status(name: str) -> Json:
        return dict(fake.store.get("dataobjects", name, "default")["status"])

    async with running.scheduler(fake, tmp_path, SETTINGS) as world:
        fake.store.create("nodes", objects.node("briefly"))
        await world.until(lambda: status("one")["replicas"] == [] and status("both")["replicas"] == [here, outside])
    assert (status("both")["replicaCount"], status("both")["nodesText"]) == (2, "external,n1")
    assert status("both")["conditions"] == [ready]
    [condition] = status("one")["conditions"]
    assert (status("one")["replicaCount"], status("one")["nodesText"]) == (0, "")
    assert (condition["status"], condition["reason"]) == ("False", "NotFound")
    assert condition["lastTransitionTime"]
    assert status("back")["replicas"], "a node that came is a node"
