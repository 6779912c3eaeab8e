"""What the whole scheduler does for pods, seen from the API server: bindings, Events, conditions, and nothing else."""

import asyncio
import dataclasses
import itertools
import os
import pathlib
import signal
from collections.abc import AsyncIterator

import pytest

from scheduler import config, kubeconfiguration
from scheduler.live import app, kopfwatch
from tests.fakeapi import faults, objects, server
from tests.live import running


def devices_of(resource: str) -> dict[str, object]:
    """A container that asks for an extended resource."""
    return {"name": "main", "resources": {"requests": {resource: "1"}}}


@pytest.fixture
async def fake() -> AsyncIterator[server.FakeApi]:
    async with server.running() as fake:
        fake.store.create("nodes", objects.node("n1", cpu="2"))
        yield fake
        running.never_patched(fake)


@pytest.fixture(params=running.DOORS)
async def world(
    fake: server.FakeApi, tmp_path: pathlib.Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[running.Running]:
    running.through(request.param, monkeypatch)
    async with running.scheduler(fake, tmp_path) as world:
        yield world


async def test_a_pod_is_bound_and_its_event_says_so(world: running.Running) -> None:
    uid = world.create("a")["metadata"]["uid"]
    await world.placed("a")
    await world.until(lambda: world.events("a", "Scheduled"))
    assert world.fake.bindings == [("default", "a", uid, "n1")]
    [event] = world.events("a", "Scheduled")
    assert (event["type"], event["action"]) == ("Normal", "Binding")
    assert event["note"] == "Successfully assigned default/a to n1"
    assert event["reportingController"] == "data-locality-scheduler"


async def test_pods_of_other_schedulers_are_left_alone(world: running.Running) -> None:
    world.create("theirs", spec={"schedulerName": "default-scheduler"})
    world.create("ours")
    await world.placed("ours")
    assert world.node_of("theirs") == ""


@pytest.mark.parametrize("door", running.DOORS)
async def test_with_several_names_the_pods_of_each_are_placed_in_its_name(
    fake: server.FakeApi, tmp_path: pathlib.Path, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.through(door, monkeypatch)
    second = kubeconfiguration.Profile("default-scheduler", config.Plugins())
    async with running.scheduler(fake, tmp_path, dataclasses.replace(running.QUICK, further=(second,))) as world:
        named = {
            "a": "data-locality-scheduler",
            "b": "default-scheduler",
            "c": "somebody-else",
            "d": "default-scheduler",
        }
        for name, scheduler in named.items():
            world.create(name, spec={"schedulerName": scheduler})
        await world.placed("a", "b", "d")
        for name in ("a", "b", "d"):
            await world.until(lambda name=name: world.events(name, "Scheduled"))
            assert world.events(name, "Scheduled")[0]["reportingController"] == named[name]
        assert world.node_of("c") == ""


async def test_what_other_schedulers_place_counts(world: running.Running) -> None:
    world.create("theirs", cpu="1500m", spec={"schedulerName": "default-scheduler", "nodeName": "n1"})
    world.create("ours", cpu="1")
    await world.until(lambda: world.condition("ours"))
    assert world.node_of("ours") == ""


async def test_a_pod_that_fits_nowhere_is_told_so_and_placed_when_room_appears(world: running.Running) -> None:
    world.create("big", cpu="3")
    await world.until(lambda: world.condition("big") and world.events("big", "FailedScheduling"))
    message = (
        "0/1 nodes are available: 1 Insufficient cpu."
        " preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    )
    condition = world.condition("big")
    assert (condition["status"], condition["reason"], condition["message"]) == ("False", "Unschedulable", message)
    assert condition["observedGeneration"] == 1
    [event] = world.events("big", "FailedScheduling")
    assert (event["type"], event["action"], event["note"]) == ("Warning", "Scheduling", message)
    world.fake.store.create("nodes", objects.node("n2", cpu="4"))
    await world.placed("big")
    assert world.node_of("big") == "n2"


async def test_room_is_also_a_pod_that_goes(world: running.Running) -> None:
    world.create("first", cpu="2")
    await world.placed("first")
    world.create("second", cpu="2")
    await world.until(lambda: world.condition("second"))
    world.fake.store.delete("pods", "first", "default")
    await world.placed("second")


async def test_a_finished_pod_makes_room(world: running.Running) -> None:
    world.create("first", cpu="2")
    await world.placed("first")
    world.create("second", cpu="2")
    await world.until(lambda: world.condition("second"))
    world.fake.store.patch("pods", "first", {"status": {"phase": "Succeeded"}}, "default")
    await world.placed("second")


async def test_a_condition_that_says_the_same_is_not_written_again(world: running.Running) -> None:
    world.create("big", cpu="3")
    await world.until(lambda: world.condition("big") and world.events("big", "FailedScheduling"))
    for number in range(3):  # each wakes the pod, which fails as before
        world.fake.store.create("pods", objects.pod(f"goes-{number}", node="n1", scheduler="other"))
        world.fake.store.delete("pods", f"goes-{number}", "default")
        attempts = len(world.events("big", "FailedScheduling"))
        assert attempts == 1, "a repeated Event counts up, it does not multiply"
        await asyncio.sleep(0.1)
    await world.until(lambda: world.events("big", "FailedScheduling")[0].get("series"))
    assert sum(method == "PATCH" and path.endswith("/pods/big/status") for method, path in world.fake.requests) == 1


async def test_a_gated_pod_waits_until_its_gates_are_gone(world: running.Running) -> None:
    world.create("gated", spec={"schedulingGates": [{"name": "example.com/wait"}]})
    world.create("other")
    await world.placed("other")
    assert world.node_of("gated") == ""
    assert world.events("gated", "FailedScheduling") == []
    world.fake.store.patch("pods", "gated", {"spec": {"schedulingGates": []}}, "default")
    await world.placed("gated")


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        pytest.param({"schedulingGroup": {"podGroupName": "g"}}, "spec.schedulingGroup", id="scheduling group"),
        pytest.param({"workloadRef": {"name": "w", "podGroup": "g"}}, "spec.workloadRef", id="workload of 1.35"),
    ],
)
async def test_a_pod_that_needs_what_is_not_built_stays_pending_and_is_told_what(
    world: running.Running, spec: dict[str, object], named: str
) -> None:
    world.create("odd", spec=spec)
    await world.until(lambda: world.condition("odd") and world.events("odd", "FailedScheduling"))
    assert named in world.events("odd", "FailedScheduling")[0]["note"]
    condition = world.condition("odd")
    assert named in condition["message"]
    assert condition["reason"] == "SchedulerError", "an autoscaler must not add nodes for it"
    assert world.node_of("odd") == ""


async def test_pods_of_a_group_are_never_bound_one_by_one(world: running.Running) -> None:
    for number in range(3):
        world.create(f"of-group-{number}", spec={"schedulingGroup": {"podGroupName": "g"}})
    world.create("alone")
    await world.placed("alone")
    for number in range(3):
        name = f"of-group-{number}"
        await world.until(lambda name=name: world.condition(name))
        assert world.node_of(name) == ""
    assert [name for _, name, _, _ in world.fake.bindings] == ["alone"]


async def test_a_resource_that_a_device_class_claims_is_taken_from_a_plugin_where_one_offers_it(
    world: running.Running,
) -> None:
    """The other node leaves it to claims, and has no device."""
    gpu = "example.com/gpu"
    world.fake.store.create("deviceclasses", {"metadata": {"name": "gpus"}, "spec": {"extendedResourceName": gpu}})
    offering = objects.node("n2")
    offering["status"]["allocatable"][gpu] = "2"
    world.fake.store.create("nodes", offering)
    world.create("devices", spec={"containers": [devices_of(gpu)]})
    await world.placed("devices")
    assert world.node_of("devices") == "n2"


async def test_a_pod_waits_for_a_node_that_declares_what_it_needs(world: running.Running) -> None:
    rule = {"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [1]}}
    world.create("restarting", spec={"containers": [{"name": "main", "restartPolicyRules": [rule]}]})
    await world.until(lambda: world.events("restarting", "FailedScheduling"))
    assert "didn't match Pod's required features" in world.events("restarting", "FailedScheduling")[0]["note"]
    features = ["RestartAllContainersOnContainerExits"]
    world.fake.store.patch("nodes", "n1", {"status": {"declaredFeatures": features}})
    await world.placed("restarting")


def near(app: str, **changes: object) -> dict[str, object]:
    """A pod's spec that requires a pod of this app on its node."""
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": app}}} | changes
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


async def test_a_pod_waits_for_the_company_that_it_requires(world: running.Running) -> None:
    world.fake.store.create("nodes", objects.node("n2", labels={"kubernetes.io/hostname": "n2"}))
    world.create("follower", spec=near("leader"))
    await world.until(lambda: world.events("follower", "FailedScheduling"))
    assert "didn't match pod affinity rules" in world.events("follower", "FailedScheduling")[0]["note"]
    world.create(
        "leader", metadata={"labels": {"app": "leader"}}, spec={"nodeSelector": {"kubernetes.io/hostname": "n2"}}
    )
    await world.placed("leader", "follower")
    assert world.node_of("follower") == "n2"


async def test_namespaces_are_selected_by_their_labels(world: running.Running) -> None:
    world.fake.store.create("nodes", objects.node("n2", labels={"kubernetes.io/hostname": "n2"}))
    leader = objects.pod("leader", namespace="other", node="n2")
    leader["metadata"]["labels"] = {"app": "leader"}
    world.fake.store.create("pods", leader)
    world.create("follower", spec=near("leader", namespaceSelector={"matchLabels": {"team": "t"}}))
    await world.until(lambda: world.events("follower", "FailedScheduling"))
    world.fake.store.create("namespaces", {"metadata": {"name": "other", "labels": {"team": "t"}}})
    await world.placed("follower")
    assert world.node_of("follower") == "n2"


async def test_bad_annotations_give_one_event_that_names_all_and_the_pod_is_placed(world: running.Running) -> None:
    annotations = {
        "data.scheduler.thesis/input-1": "bucket/key,12MB",
        "data.scheduler.thesis/input-x": "bucket/other,10",
        "data.scheduler.thesis/input-2": "bucket/fine,10",
    }
    world.create("bad", cpu="3", metadata={"annotations": annotations})
    await world.until(lambda: world.condition("bad"))
    world.fake.store.create("nodes", objects.node("n2", cpu="4"))  # decided again, not reported again
    await world.placed("bad")
    await world.until(lambda: world.events("bad", "Scheduled") and world.events("bad", "BadAnnotation"))
    [event] = world.events("bad", "BadAnnotation")
    assert event["type"] == "Warning"
    assert "input-1" in event["note"]
    assert "12000000" in event["note"]
    assert "input-x" in event["note"]
    assert "series" not in event


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"spec": {"unschedulable": True}}, id="cordoned"),
        pytest.param(None, id="deleted"),
        pytest.param({"status": {"allocatable": {"cpu": "0"}}}, id="shrunk"),
    ],
)
async def test_a_node_that_went_out_of_use_is_not_used(
    world: running.Running, change: dict[str, object] | None
) -> None:
    world.create("before", cpu="10m")
    await world.placed("before")
    if change is None:
        world.fake.store.delete("nodes", "n1")
    else:
        world.fake.store.patch("nodes", "n1", change)
    world.fake.store.create("nodes", objects.node("n2", labels={"later": "yes"}))
    world.create("probe", cpu="10m", spec={"nodeSelector": {"later": "yes"}})
    await world.placed("probe")  # nodes and pods are watched apart, so that what is seen first is not what was first
    names = [f"after-{number}" for number in range(5)]
    for name in names:
        world.create(name, cpu="10m")
    await world.placed(*names)
    assert {world.node_of(name) for name in names} == {"n2"}


async def test_data_decides_as_dataobjects_come_and_go(world: running.Running) -> None:
    world.fake.store.create("nodes", objects.node("n2"))
    world.fake.store.create("dataobjects", objects.data_object("o", "bucket/key", nodes=("n2",)))
    inputs = {"annotations": {"data.scheduler.thesis/input-1": "bucket/key,50000000000"}}
    world.create("a", metadata=inputs)
    await world.placed("a")
    assert world.node_of("a") == "n2"
    # Its deletion falls into a gap that Kopf lists over without noticing.
    world.fake.gone_as_event = True
    world.fake.drop_watches()
    world.fake.store.delete("dataobjects", "o", "default")
    world.fake.store.create("dataobjects", objects.data_object("o2", "bucket/key", nodes=("n1",)))
    world.fake.store.compact()
    # It is noticed at the next refresh, and each pod from then on goes where the data is.
    for name in (f"b{number}" for number in itertools.count()):
        world.create(name, metadata=inputs)
        await world.placed(name)
        if world.node_of(name) == "n1":
            break
        await asyncio.sleep(0.05)


async def test_a_pod_whose_deletion_was_lost_is_not_kept(world: running.Running) -> None:
    world.create("ghost", cpu="3")
    await world.until(lambda: world.condition("ghost"))
    world.fake.gone_as_event = True
    world.fake.drop_watches()
    world.fake.store.delete("pods", "ghost", "default")
    world.fake.store.compact()
    world.create("other")
    await world.placed("other")
    world.fake.store.create("nodes", objects.node("n2", cpu="4"))
    world.create("big", cpu="4")  # fits only if the ghost takes nothing
    await world.placed("big")
    assert [pod for _, pod, _, _ in world.fake.bindings] == ["other", "big"]


async def test_who_waits_for_room_is_decided_again_without_a_question_to_the_server(world: running.Running) -> None:
    world.create("first", cpu="2")
    await world.placed("first")
    names = [f"waits-{number}" for number in range(20)]
    for name in names:
        world.create(name, cpu="2")
    await world.until(lambda: all(world.condition(name) for name in names))
    world.fake.faults.append(faults.Fault(method="GET", path="/pods/waits-", delay_s=60.0, times=100))
    before = len(world.fake.requests)
    world.fake.store.delete("pods", "first", "default")
    await world.until(lambda: any(world.node_of(name) for name in names))
    assert not [path for method, path in world.fake.requests[before:] if method == "GET" and "/pods/waits-" in path]


@pytest.mark.parametrize(
    ("fault", "requests", "reported"),
    [
        pytest.param(faults.Fault(drop="after"), 1, "", id="answer-lost"),
        pytest.param(faults.Fault(drop="before"), 2, "", id="request-lost"),
        pytest.param(faults.Fault(status=500), 2, "", id="server-error"),
        pytest.param(faults.Fault(status=429), 2, "", id="throttled"),
        pytest.param(faults.Fault(status=409), 2, "", id="conflict-that-is-none"),
        pytest.param(
            faults.Fault(status=422, message="no such luck"),
            2,
            "binding to n1 was refused: 422 HTTP: no such luck",
            id="refused",
        ),
    ],
)
async def test_a_binding_that_goes_wrong_is_settled_and_repeated_only_if_it_must(
    world: running.Running, fault: faults.Fault, requests: int, reported: str
) -> None:
    world.fake.faults.append(dataclasses.replace(fault, method="POST", path="/binding"))
    world.create("a", cpu="2")
    await world.until(
        lambda: world.events("a", "Scheduled") and len(world.events("a", "FailedScheduling")) >= bool(reported)
    )
    assert sum(path.endswith("/binding") for _, path in world.fake.requests) == requests
    assert [event["note"] for event in world.events("a", "FailedScheduling")] == ([reported] if reported else [])


async def test_a_pod_that_another_scheduler_bound_meanwhile_is_left_to_it(world: running.Running) -> None:
    world.fake.store.create("nodes", objects.node("n2", cpu="1"))
    world.fake.faults.append(faults.Fault(method="POST", path="/binding", delay_s=0.2))
    world.create("a", cpu="2")
    await world.until(lambda: any(path.endswith("/binding") for _, path in world.fake.requests))
    world.fake.store.patch("pods", "a", {"spec": {"nodeName": "n2"}}, "default")
    world.create("b", cpu="2")  # fits where the other one was meant to go, as soon as that is settled
    await world.placed("b")
    assert (world.node_of("a"), world.node_of("b")) == ("n2", "n1")


async def test_a_pod_made_anew_under_its_name_is_another_pod(world: running.Running) -> None:
    world.fake.faults.append(faults.Fault(method="POST", path="/binding", delay_s=0.2))
    old = world.create("a", cpu="2")["metadata"]["uid"]
    await world.until(lambda: any(path.endswith("/binding") for _, path in world.fake.requests))
    world.fake.store.delete("pods", "a", "default")
    new = world.create("a", cpu="2")["metadata"]["uid"]
    await world.placed("a")
    assert [uid for _, _, uid, _ in world.fake.bindings] == [new]
    assert old != new


async def test_events_of_a_pod_that_is_being_bound_do_not_bind_it_again(world: running.Running) -> None:
    world.fake.faults.append(faults.Fault(method="POST", path="/binding", delay_s=0.3))
    world.create("a")
    await world.until(lambda: any(path.endswith("/binding") for _, path in world.fake.requests))
    for number in range(5):
        world.fake.store.patch("pods", "a", {"metadata": {"labels": {"round": str(number)}}}, "default")
        world.fake.store.patch("nodes", "n1", {"metadata": {"labels": {"round": str(number)}}})
        await asyncio.sleep(0.02)
    await world.placed("a")
    assert sum(path.endswith("/binding") for _, path in world.fake.requests) == 1


async def test_bindings_under_way_are_waited_for_at_the_end(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("BINDS_WITHIN_S", "REPORTS_WITHIN_S"):  # what a busy machine may exceed
        monkeypatch.setattr(app, limit, 60.0)
    fake.faults.append(faults.Fault(method="POST", path="/binding", delay_s=0.5))
    async with running.scheduler(fake, tmp_path) as world:
        world.create("a")
        await world.until(lambda: any(path.endswith("/binding") for _, path in fake.requests))
    assert fake.store.get("pods", "a", "default")["spec"]["nodeName"] == "n1"
    assert world.events("a", "Scheduled"), "Events are written before the end"


async def test_an_api_server_that_was_away_finds_it_at_work(world: running.Running) -> None:
    world.create("before")
    await world.placed("before")
    world.fake.faults.append(faults.Fault(method="POST", path="/binding", drop="before", times=3))
    world.create("meanwhile")
    await world.until(lambda: any("meanwhile/binding" in path for _, path in world.fake.requests))
    await world.fake.stop()
    world.fake.store.create("nodes", objects.node("n2", cpu="8"))
    await asyncio.sleep(0.5)
    await world.fake.start()
    world.create("after", cpu="6")
    await world.placed("meanwhile", "after")
    assert world.node_of("after") == "n2"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
async def test_a_signal_ends_it_in_order(world: running.Running, number: signal.Signals) -> None:
    world.create("a")
    await world.placed("a")
    os.kill(os.getpid(), number)
    assert await world.task == app.OK


async def test_it_ends_with_an_error_when_a_part_does(
    fake: server.FakeApi, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = asyncio.Event()

    async def end(_watch: kopfwatch.KopfWatch) -> None:
        await ends.wait()

    monkeypatch.setattr(kopfwatch.KopfWatch, "run", end)
    stop = asyncio.Event()
    options = app.Options(kubeconfig=fake.kubeconfig(tmp_path), health_host="127.0.0.1")
    task = asyncio.create_task(app.run(running.QUICK, options, stop))
    world = running.Running(fake, stop, task)
    world.create("a")
    await world.placed("a")
    ends.set()
    assert await task == app.FAILED


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        pytest.param(faults.Fault(path="/apis/scheduler.thesis/v1alpha1$", status=404), "kubectl apply", id="no-crds"),
        pytest.param(
            faults.Fault(
                method="POST",
                path="selfsubjectaccessreviews",
                times=100,
                status=201,
                body=b'{"status":{"allowed":false}}',
            ),
            "RBAC does not allow to create pods/binding",
            id="no-rights",
        ),
        pytest.param(faults.Fault(status=401, times=100), "credentials", id="no-credentials"),
    ],
)
async def test_it_does_not_start_where_it_cannot_work(
    fake: server.FakeApi, tmp_path: pathlib.Path, fault: faults.Fault, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.faults.append(fault)
    code = await app.run(running.QUICK, app.Options(kubeconfig=fake.kubeconfig(tmp_path)))
    assert code == app.CANNOT_START
    assert words in capsys.readouterr().out
