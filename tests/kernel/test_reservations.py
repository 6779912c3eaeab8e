"""Claims are bound before their pod is: assumed at once, written, awaited, taken back where that comes to nothing."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from scheduler.api import core, volumes
from scheduler.kernel import commands, events, places, validation
from tests.kernel import running

Place = places.Place
SELECTED, COMPLETED = volumes.SELECTED_NODE, volumes.BIND_COMPLETED


def claim(name: str, *, version: str = "1", volume: str = "", kind: str = "local") -> Any:
    spec = {"storageClassName": kind, "volumeName": volume, "resources": {"requests": {"storage": "1Gi"}}}
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": version}
    body = {"metadata": meta, "spec": spec, "status": {"phase": "Pending"}}
    return core.convert(body, volumes.PersistentVolumeClaim, name)


def volume(name: str, *, version: str = "1", host: str = "n1", of: str = "", uid: str = "") -> Any:
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}]}
    spec: dict[str, Any] = {"storageClassName": "local", "capacity": {"storage": "2Gi"}}
    spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
    if of:
        spec["claimRef"] = {"namespace": "default", "name": of, "uid": uid or f"uid-{of}"}
    body = {"metadata": {"name": name, "resourceVersion": version}, "spec": spec, "status": {"phase": "Available"}}
    return core.convert(body, volumes.PersistentVolume, name)


def storage_class(name: str, provisioner: str) -> Any:
    body = {"metadata": {"name": name}, "provisioner": provisioner, "volumeBindingMode": "WaitForFirstConsumer"}
    return core.convert(body, volumes.StorageClass, name)


def pod(name: str, *claims: str) -> core.Pod:
    listed = [{"name": f"v{at}", "persistentVolumeClaim": {"claimName": each}} for at, each in enumerate(claims)]
    return running.pod(name, volumes=listed)


def seen(bare: running.Bare, *objects: volumes.Object) -> list[commands.Command]:
    return [out for each in objects for out in bare.kernel.handle(events.StorageSeen(bare.now_s, each))]


def written(bare: running.Bare, name: str = "a", problem: str = "", number: int = 1) -> list[commands.Command]:
    return bare.kernel.handle(events.ReserveAnswered(bare.now_s, f"uid-{name}", number, problem, "VolumeBinding"))


@pytest.fixture
def bare(bare: running.Bare) -> running.Bare:
    """Two nodes with a local volume each, and a class that makes volumes."""
    bare.nodes(*(running.node(name, labels={"kubernetes.io/hostname": name}) for name in ("n1", "n2")))
    seen(bare, storage_class("local", volumes.NO_PROVISIONER), storage_class("made", "csi.example.com"))
    return bare


def reserved(given: list[commands.Command]) -> commands.Reserve:
    [found] = running.only(commands.Reserve, given)
    assert not running.bound(given)
    return found


def test_a_volume_is_given_written_awaited_and_then_the_pod_is_bound(bare: running.Bare) -> None:
    seen(bare, volume("v1"), claim("c"))
    bare.pending(pod("a", "c"))
    asked = reserved(bare.step())
    assert (asked.node, [(one.volume, one.claim, one.claim_uid, one.is_ours) for one in asked.given]) == (
        "n1",
        [("v1", "c", "uid-c", True)],
    )
    assert not written(bare)
    assert not seen(bare, volume("v1", version="2", of="c"))
    assert not seen(bare, claim("c", version="2", volume="v1"))
    bound = seen(bare, _completed(claim("c", version="3", volume="v1")))
    assert running.bound(bound) == {"a": "n1"}
    validation.check(bare.kernel)


def _completed(one: volumes.PersistentVolumeClaim, **notes: str) -> volumes.PersistentVolumeClaim:
    annotations = {**one.metadata.annotations, COMPLETED: "yes", **notes}
    return msgspec.structs.replace(one, metadata=msgspec.structs.replace(one.metadata, annotations=annotations))


def test_the_next_pod_sees_the_volume_taken_and_a_failure_gives_it_back(bare: running.Bare) -> None:
    seen(bare, volume("v1"), claim("c"), claim("d"))
    bare.pending(pod("a", "c"), pod("b", "d"))
    given = bare.step()
    reserved(given)
    [waits] = running.only(commands.Unplaced, given)
    assert (waits.pod.metadata.name, waits.record.outcome) == ("b", "unschedulable")
    assert "didn't find available persistent volumes to bind" in waits.record.message
    [told] = running.only(commands.Unplaced, written(bare, problem="the object has been modified"))
    assert told.record.message == 'running PreBind plugin "VolumeBinding": the object has been modified'
    assert (told.record.outcome, bare.place("a")) == ("error", Place.ERROR_BACKOFF)
    assert not bare.kernel.state.is_assumed("uid-a")
    validation.check(bare.kernel)
    assert reserved(bare.later(2)).given[0].volume == "v1", "b was refused, and may have it now"


def test_a_claim_that_a_volume_is_made_for_is_told_the_node(bare: running.Bare) -> None:
    seen(bare, claim("c", kind="made"))
    bare.pending(pod("a", "c"))
    asked = reserved(bare.step())
    assert (asked.given, asked.selected) == ((), (("c", "1"),))
    node = asked.node
    written(bare)
    told = _completed(claim("c", version="2", kind="made", volume="v9"), **{SELECTED: node})
    assert not running.bound(seen(bare, told)), "the volume has not been seen"
    assert running.bound(seen(bare, volume("v9", host=node))) == {"a": node}


def test_a_provisioner_that_gives_up_has_the_pod_tried_anew(bare: running.Bare) -> None:
    seen(bare, claim("c", kind="made"))
    bare.pending(pod("a", "c"))
    reserved(bare.step())
    written(bare)
    [told] = running.only(commands.Unplaced, seen(bare, claim("c", version="3", kind="made")))
    why = 'binding volumes: provisioning failed for PVC "c"'
    assert told.record.message == f'running PreBind plugin "VolumeBinding": {why}'
    assert bare.place("a") is Place.ERROR_BACKOFF
    assert reserved(bare.later(2)).selected == (("c", "3"),)


def test_time_is_up_after_ten_minutes(bare: running.Bare) -> None:
    seen(bare, claim("c", kind="made"))
    bare.pending(pod("a", "c"))
    reserved(bare.step())
    written(bare)
    assert not bare.later(599)
    assert bare.kernel.wait_s() == 1.0
    [told] = running.only(commands.Unplaced, bare.later(1))
    assert told.record.message.endswith("binding volumes: context deadline exceeded")
    assert not bare.kernel.state.is_assumed("uid-a")


def test_an_answer_that_comes_after_all_was_taken_back_is_not_that_to_what_is_written_since(bare: running.Bare) -> None:
    seen(bare, volume("v1"), claim("c"))
    bare.pending(pod("a", "c"))
    first = reserved(bare.step())
    bare.later(600)
    second = reserved(bare.later(2))
    assert first.number != second.number
    seen(bare, volume("v1", version="2", of="c"), _completed(claim("c", version="2", volume="v1")))
    assert not written(bare, number=first.number)
    assert running.bound(written(bare, number=second.number)) == {"a": "n1"}


def test_a_pod_that_is_deleted_meanwhile_gives_all_back(bare: running.Bare) -> None:
    seen(bare, volume("v1"), claim("c"), claim("d"))
    bare.pending(pod("a", "c"))
    reserved(bare.step())
    bare.kernel.handle(events.PendingGone(bare.now_s, "uid-a"))
    validation.check(bare.kernel)
    assert not written(bare), "nobody waits for it"
    bare.pending(pod("b", "d"))
    assert reserved(bare.step()).given[0].volume == "v1"


def test_a_pod_whose_claims_are_bound_already_is_bound_at_once(bare: running.Bare) -> None:
    seen(bare, volume("v1", of="c"), _completed(claim("c", volume="v1")))
    bare.pending(pod("a", "c"))
    assert running.bound(bare.step()) == {"a": "n1"}


def test_one_that_has_to_make_room_is_not_deleted_but_waits_again(bare: running.Bare) -> None:
    seen(bare, volume("v1"), claim("c"))
    bare.pending(pod("a", "c"))
    reserved(bare.step())
    bare.pending(running.pod("urgent", cpu="4", priority=10, nodeSelector={"kubernetes.io/hostname": "n1"}))
    told = bare.step()
    assert running.only(commands.Evict, told) == []
    assert [(one.pod.key, one.by.metadata.name) for one in running.only(commands.Displaced, told)] == [
        ("default/a", "urgent")
    ]
    assert running.bound(told) == {"urgent": "n1"}
    assert bare.place("a") is Place.ERROR_BACKOFF
    assert not written(bare)
    validation.check(bare.kernel)


def test_a_pod_refused_as_a_whole_is_told_what_upstreams_claims_to_devices_make_of_it(bare: running.Bare) -> None:
    """Upstream's DynamicResources fails before preemption is asked, for it has not seen the pod."""
    bare.pending(pod("a", "missing"))
    [told] = running.only(commands.Unplaced, bare.step())
    assert told.record.message == '0/2 nodes are available: persistentvolumeclaim "missing" not found. not found'
    assert told.record.outcome == "unschedulable"
