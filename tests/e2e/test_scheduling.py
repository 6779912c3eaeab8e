"""What users are promised, on a real API server, under the scheduler's own role: bound once, and told why not."""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import datetime
import itertools
import json
import pathlib
import re
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from scheduler import config, errors
from scheduler.api import core
from scheduler.kube import client, events
from scheduler.live import reports
from tests import clusterfixture
from tests.e2e import process

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

NODES = tuple(topology.Node(name=f"n{number}", cpu="4", memory="8Gi", zone=f"z{number}") for number in range(3))
NAMESPACES = itertools.count()


class World:
    """A cluster, a namespace of the test's own in it, and what became of the pods there."""

    def __init__(self, running: cluster.Cluster, kubeconfig: pathlib.Path, namespace: str) -> None:
        self.cluster = running
        self.kubeconfig = kubeconfig
        self.namespace = namespace
        self.path = f"/api/v1/namespaces/{namespace}"
        self.version = ""

    def body(self, name: str, *, cpu: str = "10m", spec: Json | None = None, annotations: Json | None = None) -> Json:
        container = {"name": "main", "image": "example/main:1", "resources": {"requests": {"cpu": cpu}}}
        return {
            "metadata": {"name": name, "annotations": annotations or {}},
            "spec": {"schedulerName": "data-locality-scheduler", "containers": [container], **(spec or {})},
        }

    def create(self, name: str, **wanted: Any) -> None:
        self.cluster.api.request("POST", f"{self.path}/pods", self.body(name, **wanted))

    def pods(self) -> dict[str, Json]:
        items = self.cluster.api.request("GET", f"{self.path}/pods")["items"]
        return {pod["metadata"]["name"]: pod for pod in items}

    def node_of(self, name: str) -> str:
        return str(self.pods()[name]["spec"].get("nodeName", ""))

    def placed(self, *names: str) -> None:
        def all_have_nodes() -> bool:
            pods = self.pods()
            return all(pods[name]["spec"].get("nodeName") for name in names)

        process.until(all_have_nodes, f"pods are placed: {names[:5]}")

    def condition(self, name: str) -> Json:
        conditions = self.pods()[name]["status"].get("conditions", [])
        return next((each for each in conditions if each["type"] == "PodScheduled"), {})

    def events(self, reason: str) -> list[Json]:
        items = self.cluster.api.request("GET", f"/apis/events.k8s.io/v1/namespaces/{self.namespace}/events")["items"]
        return [event for event in items if event["reason"] == reason]

    def told(self, name: str, reason: str) -> Json:
        """The one Event of that reason about a pod, once it is there."""

        def about() -> list[Json]:
            return [event for event in self.events(reason) if event["regarding"]["name"] == name]

        process.until(about, f"{reason} is reported for {name}")
        [event] = about()
        return event

    def nodes_given(self) -> dict[str, list[str]]:
        """Every change of a pod's node since the namespace was made, by pod: what a second binding would show."""
        now = {pod["metadata"]["uid"]: int(pod["metadata"]["resourceVersion"]) for pod in self.pods().values()}
        for within_s in (2, 10, 60):  # a busy API server may not have said everything before it ends the watch
            told = self._told(within_s)
            seen = {pod["metadata"]["uid"]: int(pod["metadata"]["resourceVersion"]) for pod in told}
            if all(seen.get(uid, 0) >= version for uid, version in now.items()):
                break
        else:
            raise AssertionError("the watch does not tell everything")
        last: dict[str, str] = {}
        given: dict[str, list[str]] = collections.defaultdict(list)
        for pod in told:
            uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName", "")
            if node != last.get(uid, ""):
                given[pod["metadata"]["name"]].append(node)
            last[uid] = node
        return given

    def _told(self, within_s: int) -> list[Json]:
        """The pods of all watch events since the namespace was made, as far as they come within this time."""
        query = f"watch=1&resourceVersion={self.version}&timeoutSeconds={within_s}"
        lines = self.cluster.kubectl("get", "--raw", f"{self.path}/pods?{query}").splitlines()
        return [json.loads(line)["object"] for line in lines]

    def bindings(self) -> collections.Counter[str]:
        """Bindings that the API server has answered, by status."""
        text = self.cluster.kubectl("get", "--raw", "/metrics")
        found: collections.Counter[str] = collections.Counter()
        for labels, count in re.findall(r"^apiserver_request_total\{(.*)\} (\S+)$", text, re.MULTILINE):
            if 'resource="pods"' in labels and 'subresource="binding"' in labels:
                found[re.search(r'code="([^"]*)"', labels)[1]] += int(float(count))  # type: ignore[index]
        return found


@pytest.fixture(scope="module")
def running(cluster_factory: clusterfixture.ClusterFactory) -> Iterator[tuple[cluster.Cluster, pathlib.Path]]:
    with cluster_factory(topology.Topology(NODES), crds=True) as started:
        yield started, process.account(started)


@pytest.fixture
def world(running: tuple[cluster.Cluster, pathlib.Path]) -> Iterator[World]:
    started, kubeconfig = running
    made = World(started, kubeconfig, f"scheduling-{next(NAMESPACES)}")
    started.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": made.namespace}})
    with contextlib.suppress(errors.ConflictError):  # a controller may be quicker
        started.api.request("POST", f"{made.path}/serviceaccounts", {"metadata": {"name": "default"}})
    made.version = started.api.request("GET", f"{made.path}/pods")["metadata"]["resourceVersion"]
    yield made
    # At once, as those on nodes that are gone have no kubelet to let them go.
    started.api.request("DELETE", f"{made.path}/pods?gracePeriodSeconds=0")
    process.until(lambda: not made.pods(), "the test's pods are gone")


@pytest.fixture
def scheduler(world: World, tmp_path: pathlib.Path) -> Iterator[process.Scheduler]:
    with process.Scheduler(world.kubeconfig, tmp_path) as started:
        yield started


def test_two_hundred_pods_at_once_are_each_bound_once(world: World, scheduler: process.Scheduler) -> None:
    names = [f"p{number}" for number in range(200)]
    before = world.bindings()
    world.cluster.api.create_all(f"{world.path}/pods", [world.body(name) for name in names])
    world.placed(*names)
    given = world.nodes_given()
    assert {name: len(nodes) for name, nodes in given.items()} == dict.fromkeys(names, 1)
    # Counted when it has been answered, which is after the pod has its node.
    process.until(lambda: (world.bindings() - before)["201"] >= 200, "all bindings are counted")
    assert world.bindings() - before == {"201": 200}, "and none of them was sent twice"
    process.until(lambda: len(world.events("Scheduled")) == 200, "all are reported")
    said = {event["note"] for event in world.events("Scheduled") if "series" not in event}
    assert said == {f"Successfully assigned {world.namespace}/{name} to {given[name][0]}" for name in names}
    assert {world.condition(name)["status"] for name in names[:5]} == {"True"}
    text = scheduler.get("/metrics")[1]
    process.until(lambda: 'scheduler_cache_size{type="pods"} 200.0' in scheduler.get("/metrics")[1], "all are counted")
    assert 'scheduler_cache_size{type="nodes"} 3.0' in text
    process.until(lambda: 'scheduler_cache_size{type="assumed_pods"} 0.0' in scheduler.get("/metrics")[1], "confirmed")
    assert scheduler.stop() == 0


def test_in_calm_times_kopf_tells_of_pods(world: World, scheduler: process.Scheduler) -> None:
    def speaks(who: str) -> bool:
        return f'data_locality_watch_source{{source="{who}"}} 1.0' in scheduler.get("/metrics")[1]

    world.create("before")
    world.placed("before")
    process.until(lambda: speaks("kopf"), "kopf watches pods and both custom resources")
    for number in range(3):
        world.create(f"calm-{number}")
        world.placed(f"calm-{number}")
    assert speaks("kopf")
    assert not [entry for entry in scheduler.log() if "kopf" in entry["event"]]  # it would be said if it had failed


def test_a_recorded_run_decides_the_same_again(world: World, tmp_path: pathlib.Path) -> None:
    """By another process, from what the first one wrote, which was killed while it did."""
    file = tmp_path / "run.jsonl"
    names = [f"p{number}" for number in range(40)]
    with process.Scheduler(world.kubeconfig, tmp_path, process.ALONE, "--record", str(file)) as scheduler:
        world.create("big", cpu="64")
        world.cluster.api.create_all(f"{world.path}/pods", [world.body(name) for name in names])
        world.placed(*names)
        world.told("big", "FailedScheduling")
        scheduler.kill()
    command = (str(process.PROGRAM), "decide", "--replay", str(file))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-2000:]
    found = re.fullmatch(r"\d+ inputs, (\d+) decisions: the same commands followed\n", done.stdout)
    assert found is not None
    assert int(found[1]) > 40


def test_a_kill_in_the_middle_loses_and_doubles_nothing(world: World, tmp_path: pathlib.Path) -> None:
    names = [f"p{number}" for number in range(200)]
    before = world.bindings()

    def bound() -> int:
        return sum(bool(pod["spec"].get("nodeName")) for pod in world.pods().values())

    killed = threading.Event()

    def create() -> None:
        bodies = [world.body(name, cpu="50m") for name in names]
        world.cluster.api.create_all(f"{world.path}/pods", bodies[:150])
        killed.wait()  # so that the kill is never too late, however long it takes to see that some are bound
        world.cluster.api.create_all(f"{world.path}/pods", bodies[150:])

    with process.Scheduler(world.kubeconfig, tmp_path) as first, concurrent.futures.ThreadPoolExecutor(1) as pool:
        creating = pool.submit(create)
        try:
            process.until(lambda: bound() >= 20, "some pods are bound")
        finally:
            first.kill()
            killed.set()
        creating.result()
        assert bound() < 200, "the kill left something to do"
    with process.Scheduler(world.kubeconfig, tmp_path):
        world.placed(*names)
    given = world.nodes_given()
    assert {name: len(nodes) for name, nodes in given.items()} == dict.fromkeys(names, 1)
    # What was on its way at the kill may take effect with nobody there to be answered.
    answered = world.bindings() - before
    assert 200 - config.Settings().binds_in_flight <= answered["201"] <= 200
    assert "409" not in answered, "and no Binding is sent for a pod that has its node"
    load = collections.Counter(nodes[0] for nodes in given.values())
    assert max(load.values()) <= 80, "what was bound before the kill counts: 80 such pods fill a node"


def test_an_api_server_that_restarts_finds_the_scheduler_at_work(world: World, scheduler: process.Scheduler) -> None:
    names = [f"p{number}" for number in range(60)]
    world.cluster.api.create_all(f"{world.path}/pods", [world.body(name) for name in names])
    world.cluster.restart_apiserver()
    later = [f"q{number}" for number in range(20)]
    world.cluster.api.create_all(f"{world.path}/pods", [world.body(name) for name in later])
    world.placed(*names, *later)
    pods = world.pods().values()
    assert {pod["metadata"]["name"] for pod in pods} == {*names, *later}
    process.until(lambda: scheduler.get("/livez")[0] == scheduler.get("/readyz")[0] == 200, "it is live and ready")
    assert scheduler.stop() == 0


def test_a_cordoned_node_is_not_used(world: World, scheduler: process.Scheduler) -> None:
    def taints(node: str) -> list[Json]:
        found: list[Json] = world.cluster.api.request("GET", f"/api/v1/nodes/{node}")["spec"].get("taints", [])
        return found

    world.create("before")
    world.placed("before")
    world.cluster.kubectl("cordon", "n0")
    try:
        avoid(world, scheduler, "n0")
        process.until(lambda: taints("n0"), "a controller has tainted it")
    finally:
        world.cluster.kubectl("uncordon", "n0")
    process.until(lambda: not taints("n0"), "it is as it was for the tests to come")


def test_a_deleted_node_is_not_used(world: World, scheduler: process.Scheduler) -> None:
    # So big that it is preferred while it is there.
    world.cluster.add_node(topology.Node(name="passing", cpu="64", memory="256Gi"))
    settle(world, scheduler)
    world.create("before")
    world.placed("before")
    assert world.node_of("before") == "passing"
    world.cluster.delete_node("passing")
    avoid(world, scheduler, "passing")


def test_a_node_that_others_filled_is_not_used(world: World, scheduler: process.Scheduler) -> None:
    filler = world.body("filler", cpu="4", spec={"schedulerName": "someone-else", "nodeName": "n0"})
    world.cluster.api.request("POST", f"{world.path}/pods", filler)
    avoid(world, scheduler, "n0")


def settle(world: World, scheduler: process.Scheduler) -> None:
    """Wait until the scheduler has seen the nodes and the assigned pods as they are now.

    A watch keeps the order, so that whoever has seen a node that was made last has seen all that came before.
    """
    api = world.cluster.api
    nodes = len(api.request("GET", "/api/v1/nodes")["items"])

    def sees(kind: str, count: int) -> bool:
        return f'scheduler_cache_size{{type="{kind}"}} {count}.0' in scheduler.get("/metrics")[1].splitlines()

    def assigned() -> int:
        return sum(bool(pod["spec"].get("nodeName")) for pod in world.pods().values())

    api.request("POST", "/api/v1/nodes", {"metadata": {"name": "last"}})
    process.until(lambda: sees("nodes", nodes + 1), "it sees the last node")
    api.request("DELETE", "/api/v1/nodes/last")
    process.until(lambda: sees("nodes", nodes), "it sees that node go")
    process.until(lambda: sees("pods", assigned()), "it sees all assigned pods")


def avoid(world: World, scheduler: process.Scheduler, node: str) -> None:
    """Place pods as soon as the scheduler knows of the node; none may land on it."""
    settle(world, scheduler)
    names = [f"after-{number}" for number in range(30)]
    world.cluster.api.create_all(f"{world.path}/pods", [world.body(name) for name in names])
    world.placed(*names)
    pods = world.pods()
    assert node not in {pods[name]["spec"]["nodeName"] for name in names}


def test_an_unschedulable_pod_is_told_why_and_placed_as_soon_as_room_appears(
    world: World, scheduler: process.Scheduler
) -> None:
    world.create("big", cpu="20")
    message = (
        "0/3 nodes are available: 3 Insufficient cpu."
        " preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )
    event = world.told("big", "FailedScheduling")
    assert (event["type"], event["action"], event["note"]) == ("Warning", "Scheduling", message)
    process.until(lambda: world.condition("big").get("message") == message, "the condition says so")
    condition = world.condition("big")
    assert (condition["status"], condition["reason"], condition["observedGeneration"]) == ("False", "Unschedulable", 1)
    status, text = scheduler.get(f"/explain?pod={world.namespace}/big")
    assert status == 200
    assert message in text
    # A node that changed meanwhile has it tried again.
    line = 'scheduler_pending_pods{queue="unschedulable"} 1.0'
    process.until(lambda: line in scheduler.get("/metrics")[1], "it is counted")
    world.cluster.add_node(topology.Node(name="roomy", cpu="32", memory="64Gi"))
    try:
        world.placed("big")
        assert world.node_of("big") == "roomy"
        assert world.condition("big")["status"] == "True"
    finally:
        world.cluster.delete_node("roomy")


def test_a_condition_that_comes_late_never_contradicts_a_binding(world: World, scheduler: process.Scheduler) -> None:
    names = [f"p{number}" for number in range(60)]  # twelve fit
    world.cluster.api.create_all(f"{world.path}/pods", [world.body(name, cpu="900m") for name in names])
    process.until(lambda: len(world.events("FailedScheduling")) > 10, "most fit nowhere")
    world.cluster.add_node(topology.Node(name="roomy", cpu="64", memory="64Gi"))  # while conditions are being written
    try:
        world.placed(*names)
        assert {name: len(nodes) for name, nodes in world.nodes_given().items()} == dict.fromkeys(names, 1)
        assert {name: world.condition(name)["status"] for name in names} == dict.fromkeys(names, "True")
    finally:
        world.cluster.delete_node("roomy")


@pytest.mark.parametrize("bound", [True, False], ids=["bound-meanwhile", "changed-meanwhile"])
async def test_a_condition_from_before_a_change_is_written_only_where_it_still_holds(
    world: World, *, bound: bool
) -> None:
    world.create("a", spec={"schedulerName": "nobody"})
    pod = core.convert(world.pods()["a"], core.Pod, "a")
    if bound:
        binding = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": "n0"}}
        world.cluster.api.request("POST", f"{world.path}/pods/a/binding", binding)
    else:
        world.cluster.kubectl("label", "pod", "a", "-n", world.namespace, "x=y")
    api = await client.Api.connect(str(world.kubeconfig))
    sink = events.EventSink(api, "data-locality-scheduler", "test")
    reporter = reports.Reporter(api=api, sink=sink, now=lambda: datetime.datetime.now(datetime.UTC))
    writing = asyncio.create_task(reporter.run())
    try:
        reporter.unschedulable(pod, "0/3 nodes are available: 3 Insufficient cpu.")
        await reporter.drain(60)
    finally:
        writing.cancel()
        await asyncio.wait([writing])
        await api.close()
    assert world.condition("a")["status"] == ("True" if bound else "False")
    assert reporter.dropped == 0


def test_a_gated_pod_waits_until_it_is_let_go(world: World, scheduler: process.Scheduler) -> None:
    world.create("gated", spec={"schedulingGates": [{"name": "example.com/wait"}]})
    world.create("other")
    world.placed("other")
    assert world.condition("gated")["reason"] == "SchedulingGated"
    line = 'scheduler_pending_pods{queue="gated"} 1.0'
    process.until(lambda: line in scheduler.get("/metrics")[1], "it is counted")
    patch = '{"spec":{"schedulingGates":null}}'
    world.cluster.kubectl("patch", "pod", "gated", "-n", world.namespace, "--type=merge", "-p", patch)
    world.placed("gated")
    assert world.events("FailedScheduling") == []


def test_bad_annotations_give_one_event_and_the_pod_is_placed(world: World, scheduler: process.Scheduler) -> None:
    annotations = {
        "data.scheduler.thesis/input-1": "bucket/key,12MB",
        "data.scheduler.thesis/output-1": "bucket/out,-5",
    }
    world.create("bad", annotations=annotations)
    world.placed("bad")
    event = world.told("bad", "BadAnnotation")
    assert event["type"] == "Warning"
    assert "input-1" in event["note"]
    assert "12000000" in event["note"]
    assert "output-1" in event["note"]
    assert "series" not in event
    assert 'data_locality_scheduler_bad_inputs_total{kind="annotation"} 1.0' in scheduler.get("/metrics")[1]


def test_data_decides(world: World, scheduler: process.Scheduler) -> None:
    obj = {
        "apiVersion": "scheduler.thesis/v1alpha1",
        "kind": "DataObject",
        "metadata": {"name": "big", "namespace": world.namespace},
        "spec": {"urn": "bucket/key", "sizeBytes": 10**11, "locations": [{"node": "n2"}]},
    }
    world.cluster.api.request("POST", f"/apis/scheduler.thesis/v1alpha1/namespaces/{world.namespace}/dataobjects", obj)
    process.until(lambda: '"bucket"' in scheduler.get("/storage-info")[1], "the scheduler knows of the bucket")
    world.create("reader", annotations={"data.scheduler.thesis/input-1": "bucket/key,100000000000"})
    world.placed("reader")
    assert world.node_of("reader") == "n2"
    process.until(
        lambda: '"outcome":"bound"' in scheduler.get(f"/explain?pod={world.namespace}/reader")[1], "it can say so"
    )
    explained = json.loads(scheduler.get(f"/explain?pod={world.namespace}/reader")[1])["decisions"][-1]
    assert (explained["node"], explained["deciding"]) == ("n2", "data")
    assert [transfer["urn"] for transfer in explained["transfers"]] == ["bucket/key"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("patch", "{pods}/mine", b'{"metadata":{"labels":{"x":"y"}}}', id="patch-pod-metadata"),
        pytest.param("patch", "{pods}/mine", b'{"spec":{"activeDeadlineSeconds":5}}', id="patch-pod-spec"),
        pytest.param("delete", "{pods}", b"", id="delete-all-pods"),
        pytest.param("delete", "/api/v1/nodes/n0", b"", id="delete-node"),
        pytest.param("patch", "/api/v1/nodes/n0", b'{"metadata":{"labels":{"x":"y"}}}', id="patch-node"),
        pytest.param("get", "/api/v1/secrets", b"", id="read-secrets"),
    ],
)
async def test_the_role_allows_no_more_than_the_work_needs(world: World, method: str, path: str, body: bytes) -> None:
    world.create("mine")
    api = await client.Api.connect(str(world.kubeconfig))
    try:
        with pytest.raises(errors.DeniedError, match="cannot"):
            await getattr(api, method)(path.format(pods=f"{world.path}/pods"), *([body] if body else []))
    finally:
        await api.close()


def spread_over_zones(world: World, *, spec: Json, labels: Json) -> list[int]:
    """How many of nine pods each zone gets, where a node has much more room than those of the other two zones."""
    for number in range(2):
        name = f"ballast-{number}"
        world.create(name, cpu="1", spec={"nodeSelector": {"kubernetes.io/hostname": f"n{number}"}})
    world.placed("ballast-0", "ballast-1")
    names = [f"p{number}" for number in range(9)]
    bodies = [world.body(name, spec=spec) for name in names]
    for body in bodies:
        body["metadata"]["labels"] = labels
    world.cluster.api.create_all(f"{world.path}/pods", bodies)
    world.placed(*names)
    pods = world.pods()
    counted = collections.Counter(pods[name]["spec"]["nodeName"] for name in names)
    return [counted[node.name] for node in NODES]


def test_pods_that_must_be_spread_over_the_zones_are(world: World, scheduler: process.Scheduler) -> None:
    constraint = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}},
    }
    spec = {"topologySpreadConstraints": [constraint]}
    assert spread_over_zones(world, spec=spec, labels={"app": "web"}) == [3, 3, 3]


def test_pods_of_a_service_are_spread_by_default(world: World, scheduler: process.Scheduler) -> None:
    service = {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
    world.cluster.api.request("POST", f"/api/v1/namespaces/{world.namespace}/services", service)
    assert spread_over_zones(world, spec={}, labels={"app": "web"}) == [3, 3, 3]
    assert spread_over_zones_plainly(world) == [0, 0, 3], "what nothing selects goes where there is room"


def spread_over_zones_plainly(world: World) -> list[int]:
    names = [f"plain-{number}" for number in range(3)]
    world.cluster.api.create_all(f"{world.path}/pods", [world.body(name) for name in names])
    world.placed(*names)
    counted = collections.Counter(world.node_of(name) for name in names)
    return [counted[node.name] for node in NODES]
