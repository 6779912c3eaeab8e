"""Claims to devices are written before their pod is bound: taken at once, written, shown, or taken back."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from scheduler import config, kubeconfiguration
from scheduler.api import core, devices, verdicts
from scheduler.kernel import commands, events, kernel, places, validation
from tests.kernel import running

Place = places.Place
DRIVER = "gpu.example.com"


def device_class(name: str = "gpu", **spec: Any) -> Any:
    return core.convert({"metadata": {"name": name}, "spec": spec}, devices.DeviceClass, name)


def published(node: str, *names: str, **more: Any) -> Any:
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    listed = [{"name": each, **more} for each in names]
    spec = {"driver": DRIVER, "nodeName": node, "pool": pool, "devices": listed}
    return core.convert({"metadata": {"name": f"s-{node}"}, "spec": spec}, devices.ResourceSlice, node)


def claim(name: str, *, version: str = "1", of: str = "", status: Any = None, **meta: Any) -> Any:
    """A claim of one device; ``of``: the device on n1 that it has."""
    requests = [{"name": "one", "exactly": {"deviceClassName": "gpu"}}]
    if of:
        result = {"request": "one", "driver": DRIVER, "pool": "n1", "device": of, **meta.pop("result", {})}
        status = {"allocation": {"devices": {"results": [result]}, **meta.pop("allocation", {})}, **(status or {})}
    meta = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": version, **meta}
    body = {"metadata": meta, "spec": {"devices": {"requests": requests}}, "status": status or {}}
    return core.convert(body, devices.ResourceClaim, name)


def pod(name: str, *claims: str, **spec: Any) -> core.Pod:
    listed = [{"name": f"r{at}", "resourceClaimName": each} for at, each in enumerate(claims)]
    return running.pod(name, resourceClaims=listed, **spec)


def users(*names: str) -> dict[str, Any]:
    return {"reservedFor": [{"resource": "pods", "name": name, "uid": f"uid-{name}"} for name in names]}


def seen(bare: running.Bare, *objects: devices.Object) -> list[commands.Command]:
    return [out for each in objects for out in bare.kernel.handle(events.DevicesSeen(bare.now_s, each))]


def written(
    bare: running.Bare, name: str = "a", problem: str = "", held: commands.Held = commands.NOTHING
) -> list[commands.Command]:
    number = getattr(bare.kernel.reservations.get(f"uid-{name}"), "number", 1)
    answer = events.ReserveAnswered(bare.now_s, f"uid-{name}", number, problem, "DynamicResources", held)
    return bare.kernel.handle(answer)


@pytest.fixture
def bare(bare: running.Bare) -> running.Bare:
    """One node with one device."""
    bare.nodes(running.node("n1", labels={"kubernetes.io/hostname": "n1"}))
    seen(bare, device_class(), published("n1", "g0"))
    return bare


def reserved(given: list[commands.Command]) -> commands.Reserve:
    [found] = running.only(commands.Reserve, given)
    assert not running.bound(given)
    return found


HELD = commands.Held((("c", "uid-c"),))


def test_what_a_claim_is_given_is_written_and_then_the_pod_is_bound(bare: running.Bare) -> None:
    seen(bare, claim("c"))
    bare.pending(pod("a", "c"))
    [used] = reserved(bare.step()).used
    assert (used.name, used.uid, used.version) == ("c", "uid-c", "1")
    assert used.allocation is not None
    [given] = used.allocation.devices.results
    assert (given.request, given.driver, given.pool, given.device) == ("one", DRIVER, "n1", "g0")
    assert running.bound(written(bare, held=HELD)) == {"a": "n1"}
    validation.check(bare.kernel)


def test_the_next_pod_sees_the_device_taken_until_the_claim_that_has_it_is_gone(bare: running.Bare) -> None:
    seen(bare, claim("c"), claim("d"))
    bare.pending(pod("a", "c"), pod("b", "d"))
    given = bare.step()
    reserved(given)
    [waits] = running.only(commands.Unplaced, given)
    assert "cannot allocate all claims" in waits.record.message
    written(bare, held=HELD)
    seen(bare, claim("c", version="2", finalizers=[devices.FINALIZER]))
    assert not running.only(commands.Reserve, bare.later(60)), "what is not shown yet is taken all the same"
    seen(bare, claim("c", version="3", of="g0", status=users("a")))
    assert not running.only(commands.Reserve, bare.later(60)), "and what is shown is"
    bare.kernel.handle(events.DevicesGone(bare.now_s, "ResourceClaim", "default", "c"))
    assert reserved(bare.later(60)).used[0].name == "d"
    validation.check(bare.kernel)


def test_what_cannot_be_written_is_given_back_and_taken_back(bare: running.Bare) -> None:
    seen(bare, claim("c"), claim("d"))
    bare.pending(pod("a", "c", "d"))
    bare.pending(pod("b", "d"))
    seen(bare, published("n1", "g0", "g1"))
    reserved(bare.step())
    given = written(bare, problem="claim default/d got allocated elsewhere in the meantime", held=HELD)
    [told] = running.only(commands.Unplaced, given)
    why = "claim default/d got allocated elsewhere in the meantime"
    assert told.record.message == f'running PreBind plugin "DynamicResources": {why}'
    [release] = running.only(commands.Release, given)
    assert (release.uid, release.held) == ("uid-a", HELD)
    assert bare.place("a") is Place.ERROR_BACKOFF
    assert not bare.kernel.state.claims.flights()
    validation.check(bare.kernel)


def test_a_binding_that_is_refused_lets_go_of_the_claims(bare: running.Bare) -> None:
    seen(bare, claim("c"))
    bare.pending(pod("a", "c"))
    reserved(bare.step())
    written(bare, held=HELD)
    [release] = running.only(commands.Release, bare.answer("a", verdicts.Verdict.REFUSED))
    assert release.held == HELD


def test_a_claim_that_has_its_device_is_only_reserved(bare: running.Bare) -> None:
    seen(bare, claim("c", of="g0", status=users("z")))
    bare.pending(pod("a", "c"))
    [used] = reserved(bare.step()).used
    assert used.allocation is None
    assert running.bound(written(bare, held=HELD)) == {"a": "n1"}


def test_a_claim_that_is_the_pods_already_needs_nothing(bare: running.Bare) -> None:
    seen(bare, claim("c", of="g0", status=users("a")))
    bare.pending(pod("a", "c"))
    assert running.bound(bare.step()) == {"a": "n1"}


CONDITIONS = {"bindingConditions": ["up"], "bindingFailureConditions": ["down"]}


def said(kind: str) -> dict[str, Any]:
    condition = {"type": kind, "status": "True", "reason": "Said", "message": "so it is"}
    return {"devices": [{"driver": DRIVER, "pool": "n1", "device": "g0", "conditions": [condition]}]}


def test_a_device_that_is_not_ready_is_awaited(bare: running.Bare) -> None:
    seen(bare, published("n1", "g0", **CONDITIONS), claim("c"))
    bare.pending(pod("a", "c"))
    reserved(bare.step())
    assert not running.bound(written(bare, held=HELD))
    assert not running.bound(seen(bare, claim("c", version="2", of="g0", status=users("a"), result=CONDITIONS)))
    ready = claim("c", version="3", of="g0", status=users("a") | said("up"), result=CONDITIONS)
    assert running.bound(seen(bare, ready)) == {"a": "n1"}


def test_a_device_that_fails_has_the_pod_tried_anew(bare: running.Bare) -> None:
    seen(bare, published("n1", "g0", **CONDITIONS), claim("c"))
    bare.pending(pod("a", "c"))
    reserved(bare.step())
    written(bare, held=HELD)
    failed = claim("c", version="3", of="g0", status=users("a") | said("down"), result=CONDITIONS)
    given = seen(bare, failed)
    [told] = running.only(commands.Unplaced, given)
    why = 'device binding failed: claim=c, reason=Said, message="so it is"'
    assert told.record.message == f'running PreBind plugin "DynamicResources": {why}'
    assert running.only(commands.Release, given)
    given = bare.later(3)
    [told] = running.only(commands.Unplaced, given)
    assert "resourceclaim not available on the node. deallocation of ResourceClaim completed" in told.record.message
    assert running.only(commands.Deallocate, given) == [commands.Deallocate("default", "c", "3")]


def test_time_is_up_after_ten_minutes(bare: running.Bare) -> None:
    seen(bare, published("n1", "g0", **CONDITIONS), claim("c"))
    bare.pending(pod("a", "c"))
    reserved(bare.step())
    bare.later(100)
    written(bare, held=HELD)
    assert not running.only(commands.Unplaced, bare.later(599))
    [told] = running.only(commands.Unplaced, bare.later(1))
    assert told.record.message.endswith("device binding timeout: context deadline exceeded")


def test_time_is_up_when_the_pods_profile_says() -> None:
    hasty = kubeconfiguration.Profile("hasty", config.Plugins(device_bind_timeout_s=30.0))
    bare = running.Bare(kernel.Kernel(dataclasses.replace(running.SETTINGS, further=(hasty,)), "home", seed=1))
    bare.nodes(running.node("n1", labels={"kubernetes.io/hostname": "n1"}))
    seen(bare, device_class(), published("n1", "g0", "g1", **CONDITIONS), claim("c"), claim("d"))
    bare.pending(pod("patient", "c"), pod("hasty", "d", schedulerName="hasty"))
    bare.step()
    for name in ("patient", "hasty"):
        written(bare, name, held=HELD)
    assert not running.only(commands.Unplaced, bare.later(29))
    [told] = running.only(commands.Unplaced, bare.later(1))
    assert told.pod.metadata.name == "hasty"


def test_extended_resources_are_had_by_a_claim_that_is_made(bare: running.Bare) -> None:
    seen(bare, device_class(extendedResourceName="example.com/gpu"))
    requests = {"requests": {"example.com/gpu": "1"}}
    bare.pending(running.pod("a", containers=[{"name": "main", "resources": requests}]))
    made = reserved(bare.step()).extended
    assert made is not None
    assert (made.generate_name, made.mappings) == (
        "a-extended-resources-",
        (("main", "example.com/gpu", "container-0-request-0"),),
    )
    assert running.bound(written(bare, held=commands.Held(made="a-extended-resources-x"))) == {"a": "n1"}
    assert bare.kernel.state.claims.flights()
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "uid-a", "controller": True}
    notes = {devices.FOR_EXTENDED_RESOURCES: "true"}
    seen(bare, claim("a-extended-resources-x", of="g0", ownerReferences=[owner], annotations=notes))
    assert not bare.kernel.state.claims.flights()


def test_a_claim_that_an_earlier_attempt_made_is_deleted_first(bare: running.Bare) -> None:
    seen(bare, device_class(extendedResourceName="example.com/gpu"))
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": "uid-a", "controller": True}
    notes = {devices.FOR_EXTENDED_RESOURCES: "true"}
    seen(bare, claim("left-over", of="g0", ownerReferences=[owner], annotations=notes))
    requests = {"requests": {"example.com/gpu": "1"}}
    bare.pending(running.pod("a", containers=[{"name": "main", "resources": requests}]))
    given = bare.step()
    [told] = running.only(commands.Unplaced, given)
    assert "cannot schedule extended resource claim. deletion of ResourceClaim completed" in told.record.message
    [release] = running.only(commands.Release, given)
    assert release.held == commands.Held(made="left-over")
    bare.kernel.handle(events.DevicesGone(bare.now_s, "ResourceClaim", "default", "left-over"))
    assert reserved(bare.later(60)).extended is not None
