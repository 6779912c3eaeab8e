"""What a NodeCapability says, when it is written, and what people are told about stores."""

import dataclasses
from typing import Any

import msgspec
import pytest

from daemon.facts import machine, network
from daemon.status import dataobject, nodecapability
from daemon.stores import contents, model
from scheduler.api import core, crd, names

NOW = "2026-01-02T03:04:05Z"
LATER = "2026-01-02T03:04:35Z"
MUCH_LATER = "2026-01-02T03:10:05Z"
STORE = model.Store("storage", "minio", "uid", "http://minio:9000", "secret")
UP = contents.Listing("minio", {"b": contents.Content(1, 1), "a": contents.Content(1, 1)})
DOWN = contents.Failure("Unreachable", "http://minio:9000 cannot be reached: Connection refused")
MACHINE = machine.Machine(
    boot_id="boot-1",
    cpu=crd.Cpu("Fast 9000", 4, 8, 3000, ("avx2",)),
    memory_kind="DDR4",
    disks=(crd.Disk("nvme0n1", "nvme", 10**12),),
    network=network.Network((crd.Interface("eth0", 10_000),), "eth0", "eth0"),
    os=crd.OperatingSystem("linux", "debian", "6.1", False),
)


def node(
    resources: dict[str, str] | None = None, *, labels: dict[str, str] | None = None, boot_id: str = ""
) -> core.Node:
    amounts: dict[str, Any] = {"cpu": "8", "memory": "16Gi", **(resources or {})}
    status = core.NodeStatus(allocatable=amounts, capacity=amounts, node_info=core.NodeSystemInfo(boot_id))
    return core.Node(core.ObjectMeta(name="n1", uid="node-uid", labels=labels or {}), status=status)


def views(outcome: contents.Listing | contents.Failure, at: str = NOW) -> dict[str, dataobject.View]:
    return {STORE.name: dataobject.View(STORE, outcome, at)}


def fresh() -> crd.NodeCapability:
    return crd.NodeCapability(core.ObjectMeta(name="n1", uid="u", generation=1))


def after(
    before: crd.NodeCapability,
    outcome: contents.Listing | contents.Failure | None = UP,
    *,
    of: core.Node | None = None,
    at: str = NOW,
    discovered: tuple[model.Store, ...] = (STORE,),
) -> crd.NodeCapability | None:
    """The NodeCapability after a round, None where the round writes nothing."""
    seen = views(outcome, at) if outcome is not None else {}
    body = nodecapability.status_to_apply(
        before, node=of or node(), seen=MACHINE, discovered=discovered, views=seen, now=at
    )
    if body is None:
        return None
    for entry in body["status"].get("stores", ()):
        entry.setdefault("role", "Stores")  # as the API server does
    # Through JSON, as it comes back: equal texts are then other objects.
    status = msgspec.json.decode(msgspec.json.encode(body["status"]), type=crd.NodeCapabilityStatus)
    return msgspec.structs.replace(before, status=status)


def written(*arguments: Any, **more: Any) -> crd.NodeCapabilityStatus:
    found = after(*arguments, **more)
    assert found is not None
    return found.status


def conditions(status: crd.NodeCapabilityStatus) -> dict[str, tuple[str, str]]:
    return {condition.type: (condition.status, condition.reason) for condition in status.conditions}


def test_the_columns_are_filled_from_the_node_and_its_stores() -> None:
    labels = {names.NODE_TYPE_LABEL: "edge", names.REGION_LABEL: "west", names.ZONE_LABEL: "west-1"}
    status = written(fresh(), of=node({"nvidia.com/gpu": "2"}, labels=labels))
    assert (status.node_type, status.region, status.zone) == ("edge", "west", "west-1")
    assert (status.cpu, status.memory_bytes) == (crd.Cpu(threads=8), 16 * 2**30)
    assert (status.store_count, status.stores_text, status.accelerators_text) == (
        1,
        "storage/minio",
        "2x nvidia.com/gpu",
    )
    (store,) = status.stores
    assert store == crd.Store(
        "storage/minio",
        endpoint="http://minio:9000",
        technology="minio",
        available=True,
        buckets=("a", "b"),
        last_probe_time=NOW,
    )
    assert conditions(status) == {"Ready": ("True", "Inspected"), "StoresAvailable": ("True", "AllAvailable")}
    assert status.capabilities == {
        "cpu-threads": "8",
        "compute-score": "45",
        "memory-bytes": str(16 * 2**30),
        "memory-gb": "16",
        "memory-score": "41",
        "storage-service": "true",
        "storage-type": "object",
        "storage-technology": "minio",
        "gpu-nvidia": "true",
        "gpu-accelerated": "true",
    }


@pytest.mark.parametrize(
    ("boot_id", "is_ours"),
    [
        pytest.param("boot-1", True, id="our own machine"),
        pytest.param("boot-2", False, id="another machine"),
        pytest.param("", False, id="emulated node"),
    ],
)
def test_the_machine_is_believed_only_of_its_own_node(boot_id: str, is_ours: bool) -> None:
    status = written(fresh(), of=node(boot_id=boot_id))
    found = (status.cpu, status.disks, status.interfaces, status.os)
    of_machine = {"cpu-model", "cpu-cores", "memory-type", "fast-storage", "network-speed-mbps", "kernel-version"}
    if is_ours:
        assert found == (MACHINE.cpu, MACHINE.disks, MACHINE.network.interfaces, MACHINE.os)
        assert of_machine <= set(status.capabilities)
    else:
        assert found == (crd.Cpu(threads=8), (), (), crd.OperatingSystem())
        assert of_machine.isdisjoint(status.capabilities)


def test_a_machine_whose_boot_id_cannot_be_read_is_that_of_no_node() -> None:
    emulated = node(boot_id="")
    body = nodecapability.status_to_apply(
        fresh(), node=emulated, seen=dataclasses.replace(MACHINE, boot_id=""), discovered=(), views={}, now=NOW
    )
    assert body is not None
    assert "disks" not in body["status"]


def test_what_the_kubelet_says_of_the_system_is_enough() -> None:
    info = core.NodeSystemInfo("", operating_system="linux", kernel_version="5.15")
    of = msgspec.structs.replace(node(), status=core.NodeStatus(node_info=info))
    status = written(fresh(), of=of)
    assert status.os == crd.OperatingSystem("linux", "", "5.15")
    assert (status.capabilities["os-type"], status.capabilities["kernel-version"]) == ("linux", "5.15")


@pytest.mark.parametrize(
    ("resources", "shown"),
    [
        pytest.param({"amd.com/gpu": "1"}, {"gpu-amd", "gpu-accelerated"}, id="amd"),
        pytest.param({"gpu.intel.com/i915": "1"}, {"gpu-intel", "gpu-accelerated"}, id="intel"),
        pytest.param({"google.com/tpu": "4"}, {"tpu-accelerated"}, id="tpu"),
        pytest.param({"xilinx.com/fpga-u250": "1"}, {"fpga-accelerated"}, id="fpga"),
        pytest.param({"nvidia.com/gpu": "0"}, set(), id="none left"),
        pytest.param({"example.com/widget": "1", "ephemeral-storage": "1Gi"}, set(), id="no accelerator"),
        pytest.param({"nvidia.com/gpu": "many"}, set(), id="no number"),
    ],
)
def test_accelerators_become_capabilities(resources: dict[str, str], shown: set[str]) -> None:
    found = written(fresh(), of=node(resources)).capabilities
    assert {name for name in found if "accelerated" in name or name.startswith("gpu")} == shown


def test_nothing_is_written_for_time_alone_until_the_probe_is_stale() -> None:
    first = after(fresh())
    assert first is not None
    assert after(first, at=LATER) is None
    second = after(first, at=MUCH_LATER)
    assert second is not None
    assert second.status.stores[0].last_probe_time == MUCH_LATER
    assert {condition.last_transition_time for condition in second.status.conditions} == {NOW}


def test_links_and_conditions_of_others_do_not_make_the_daemon_write() -> None:
    first = after(fresh())
    assert first is not None
    foreign = crd.Condition("LinksMeasured", "True", "Measured", "", NOW)
    status = msgspec.structs.replace(
        first.status,
        probe=crd.Probe("10.0.0.7", 8082),
        links=(crd.Link("n2"),),
        conditions=(*first.status.conditions, foreign),
    )
    assert after(msgspec.structs.replace(first, status=status), at=LATER) is None


def test_a_store_that_fails_keeps_its_buckets_and_says_why() -> None:
    first = after(fresh())
    assert first is not None
    status = written(first, DOWN, at=LATER)
    (store,) = status.stores
    assert (store.available, store.buckets, store.message) == (False, ("a", "b"), DOWN.message)
    assert conditions(status) == {
        "Ready": ("False", "StoreUnavailable"),
        "StoresAvailable": ("False", "StoreUnavailable"),
    }
    assert {condition.last_transition_time for condition in status.conditions} == {LATER}
    assert status.store_count == 0
    assert "storage-service" not in status.capabilities
    back = written(msgspec.structs.replace(first, status=status), UP, at=MUCH_LATER)
    assert back.stores[0].available
    assert conditions(back)["Ready"] == ("True", "Inspected")


@pytest.mark.parametrize(
    ("discovered", "outcome", "expected"),
    [
        pytest.param((), None, ("True", "NoStores"), id="no store"),
        pytest.param((STORE,), None, ("Unknown", "Probing"), id="not asked yet"),
        pytest.param((STORE,), DOWN, ("False", "StoreUnavailable"), id="down"),
        pytest.param((STORE,), UP, ("True", "AllAvailable"), id="up"),
    ],
)
def test_conditions(discovered: tuple[model.Store, ...], outcome: Any, expected: tuple[str, str]) -> None:
    assert conditions(written(fresh(), outcome, discovered=discovered))["StoresAvailable"] == expected


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        pytest.param(None, UP, [], id="found and up"),
        pytest.param(None, DOWN, [DOWN], id="found and down"),
        pytest.param(UP, DOWN, [DOWN], id="went down"),
        pytest.param(DOWN, DOWN, [], id="still down, also after a restart"),
        pytest.param(DOWN, contents.Failure("Timeout", "silent"), [], id="the same outage, another reason"),
        pytest.param(DOWN, UP, [None], id="came back"),
        pytest.param(UP, UP, [], id="still up"),
    ],
)
def test_people_are_told_once(before: Any, now: Any, told: list[Any]) -> None:
    standing = fresh().status if before is None else written(fresh(), before)
    found = nodecapability.transitions(standing, (STORE,), views(now))
    assert [transition.failure for transition in found] == told


def test_a_bucket_that_may_not_be_read_is_named() -> None:
    outcome = contents.Listing("s3", {"open": contents.Content(1, 1), "closed": None})
    assert written(fresh(), outcome).stores[0].message == "may not be listed with these credentials: closed"


def test_more_buckets_than_the_schema_holds() -> None:
    outcome = contents.Listing("s3", {f"b{i:04}": contents.Content(1, 1) for i in range(1200)})
    (store,) = written(fresh(), outcome).stores
    assert len(store.buckets) == 1000
    assert store.message == "1200 buckets, of which the first 1000 are shown"


def test_it_belongs_to_its_node() -> None:
    (owner,) = nodecapability.to_create(node())["metadata"]["ownerReferences"]
    assert owner == {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "node-uid"}


def test_for_whom_a_store_speaks_stands_beside_it() -> None:
    private = dataclasses.replace(STORE, speaks_for="storage")
    seen = {STORE.name: dataobject.View(private, UP, NOW)}
    body = nodecapability.status_to_apply(
        fresh(), node=node(), seen=MACHINE, discovered=(private,), views=seen, now=NOW
    )
    assert body is not None
    assert body["status"]["stores"][0]["namespace"] == "storage"
    assert "storage-service" not in body["status"]["capabilities"], "that says it to everybody"
    standing = msgspec.convert(body["status"], crd.NodeCapabilityStatus)
    unasked = nodecapability.status_to_apply(
        msgspec.structs.replace(fresh(), status=standing),
        node=node(),
        seen=MACHINE,
        discovered=(STORE,),
        views={},
        now=NOW,
    )
    assert unasked is not None
    assert "namespace" not in unasked["status"]["stores"][0], "it follows the namespace's label at once"


def test_buckets_that_no_urn_can_name_are_counted_and_some_of_them_named() -> None:
    told = frozenset({"My_Photos", "UPPER", "a", "x\x1b[31m\nEvil " + "y" * 200, "z..z"})
    (store,) = written(fresh(), dataclasses.replace(UP, unnameable=told)).stores
    assert "5 with names that no urn can have" in store.message
    assert "My_Photos, UPPER, a, ..." in store.message
    (odd,) = written(fresh(), dataclasses.replace(UP, unnameable=frozenset({"x\x1b[31m\nEvil " + "y" * 200}))).stores
    assert odd.message.isprintable()
    assert len(odd.message) < 250


def test_stores_without_room_are_told_of_as_long_as_there_are_any() -> None:
    left = [model.Store("greedy", f"s{number}", "u", "http://s", "") for number in range(5)]
    body = nodecapability.status_to_apply(
        fresh(), node=node(), seen=MACHINE, discovered=(STORE,), views=views(UP), now=NOW, left_out=left
    )
    assert body is not None
    said = next(c for c in body["status"]["conditions"] if c["type"] == "StoresComplete")
    assert (said["status"], said["reason"]) == ("False", "TooManyStores")
    assert "5 are left out: greedy/s0, greedy/s1, greedy/s2, ..." in said["message"]
    for entry in body["status"]["stores"]:
        entry.setdefault("role", "Stores")
    status = msgspec.json.decode(msgspec.json.encode(body["status"]), type=crd.NodeCapabilityStatus)
    assert "StoresComplete" not in conditions(written(msgspec.structs.replace(fresh(), status=status), UP))


def tainted(key: str) -> core.Node:
    return msgspec.structs.replace(node(), spec=core.NodeSpec(taints=(core.Taint(key=key),)))


def saying(ready: str) -> core.Node:
    status = msgspec.structs.replace(node().status, conditions=(core.NodeCondition("Ready", ready),))
    return msgspec.structs.replace(node(), status=status)


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param(tainted("node.kubernetes.io/not-ready"), id="tainted as not ready"),
        pytest.param(tainted("node.kubernetes.io/unreachable"), id="tainted as unreachable"),
        pytest.param(saying("False"), id="it says so itself"),
        pytest.param(saying("Unknown"), id="nobody has heard of it"),
    ],
)
def test_a_node_that_is_not_ready_is_said_where_people_look(gone: core.Node) -> None:
    first = written(fresh(), of=gone)
    assert conditions(first)["Ready"] == ("False", "NodeNotReady")
    assert conditions(first)["StoresAvailable"] == ("True", "AllAvailable")
    assert conditions(written(msgspec.structs.replace(fresh(), status=first)))["Ready"] == ("True", "Inspected")


WAITING = contents.Failure(contents.POD_NOT_READY, "its pod storage/p on this node is not ready")


def test_a_pod_that_starts_is_no_outage_and_one_that_fails_is() -> None:
    assert nodecapability.transitions(fresh().status, (STORE,), views(WAITING)) == []
    (told,) = nodecapability.transitions(written(fresh(), UP), (STORE,), views(WAITING))
    assert told.failure == WAITING
    (store,) = written(fresh(), WAITING).stores
    assert (store.available, "not ready" in store.message) == (False, True)
