"""Which changes of the cluster wake the pods that fit nowhere, and which are noise."""

import pathlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from scheduler import config
from scheduler.api import core
from scheduler.kernel import commands, kernel, queue
from scheduler.kube import client, informer
from scheduler.live import driver, feed, metrics, podfeed
from tests.fakeapi import objects, server
from tests.live import builders

Json = dict[str, Any]


class Parts:
    """A queue with one sleeper, and the feeds that may wake it."""

    def __init__(self, api: client.Api) -> None:
        clock = self.clock = builders.Clock()
        counters = metrics.Metrics("test")
        scheduling = driver.Driver(
            kernel.Kernel(config.Settings(), "home", seed=0), clock=clock, wall=lambda: 0.0, counters=counters
        )
        scheduling.on(commands.Unreadable, lambda told: None)
        self.cluster, self.queue = scheduling.kernel.state, scheduling.kernel.queue
        self.nodes = feed.Nodes(scheduling)
        self.namespaces = feed.Namespaces(scheduling)
        self.pods = feed.AssignedPods(scheduling, counters)
        self.resources = feed.CustomResources(api, scheduling, counters)
        self.pending = podfeed.PendingPods(api, "data-locality-scheduler", scheduling, counters, clock=clock)

    def sleep(self, affinity: core.Affinity | None = None, refused_by: str = "NodeResourcesFit") -> None:
        pod = builders.pod("sleeper")
        self.queue.observe(msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, affinity=affinity)))
        entry = self.queue.pop()
        assert entry is not None
        self.queue.put_back(entry, frozenset({refused_by}))

    def is_awake(self) -> bool:
        return self.queue.count(queue.Place.UNSCHEDULABLE) == 0


@pytest.fixture
async def parts(tmp_path: pathlib.Path) -> AsyncIterator[Parts]:
    async with server.running() as fake:
        api = await client.Api.connect(fake.kubeconfig(tmp_path))
        yield Parts(api)
        await api.close()


def node(**changes: Json) -> core.Node:
    body = objects.node("n1", labels={"zone": "a"})
    for key, value in changes.items():
        body[key] = body.get(key, {}) | value
    return core.convert(body, core.Node, "n1")


@pytest.mark.parametrize(
    ("after", "wakes"),
    [
        pytest.param(node(metadata={"name": "n1", "resourceVersion": "7", "labels": {"zone": "a"}}), False, id="same"),
        pytest.param(
            node(metadata={"name": "n1", "annotations": {"a": "b"}, "labels": {"zone": "a"}}), False, id="note"
        ),
        pytest.param(node(metadata={"name": "n1", "labels": {"zone": "b"}}), True, id="label"),
        pytest.param(node(spec={"unschedulable": True}), True, id="cordon"),
        pytest.param(node(spec={"taints": [{"key": "k", "effect": "NoSchedule"}]}), True, id="taint"),
        pytest.param(node(status={"allocatable": {"cpu": "8"}}), True, id="allocatable"),
    ],
)
async def test_a_node_wakes_by_what_it_offers(parts: Parts, after: core.Node, wakes: bool) -> None:
    parts.nodes.apply(node())
    parts.sleep()
    parts.nodes.apply(after)
    assert parts.is_awake() is wakes


def assigned(cpu: str = "2", phase: str = "Running", **status: Any) -> core.Pod:
    body = objects.pod("a", node="n1")
    body["metadata"]["uid"] = "u"
    body["spec"]["containers"][0]["resources"] = {"requests": {"cpu": cpu}}
    body["status"] = {"phase": phase, **status}
    return core.convert(body, core.Pod, "a")


GRANTED = [{"name": "main", "allocatedResources": {"cpu": "2"}}]


@pytest.mark.parametrize(
    ("before", "after", "wakes"),
    [
        pytest.param(assigned(phase="Pending"), assigned(containerStatuses=GRANTED), False, id="starts"),
        pytest.param(assigned(), assigned(conditions=[{"type": "Ready", "status": "True"}]), False, id="ready"),
        pytest.param(assigned(), assigned(cpu="1"), True, id="asks-less"),
        pytest.param(
            assigned(containerStatuses=GRANTED),
            assigned(containerStatuses=[{"name": "main", "allocatedResources": {"cpu": "1"}}]),
            True,
            id="granted-less",
        ),
    ],
)
async def test_an_assigned_pod_wakes_by_what_it_gives_back(
    parts: Parts,
    before: core.Pod,
    after: core.Pod,
    wakes: bool,
) -> None:
    parts.pods.apply(before)
    parts.sleep()
    parts.pods.apply(after)
    assert parts.is_awake() is wakes


def wants(*kinds: str, **term: Any) -> core.Affinity:
    """Affinity of those kinds for pods of app x."""
    term = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"app": "x"}}} | term
    required = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    return core.convert(dict.fromkeys(kinds, required), core.Affinity, "affinity")


def running(namespace: str = "ns", **labels: str) -> core.Pod:
    body = objects.pod("a", node="n1", namespace=namespace)
    body["metadata"] |= {"uid": "u", "labels": labels}
    body["status"] = {"phase": "Running"}
    return core.convert(body, core.Pod, "a")


NEAR, FAR = "podAffinity", "podAntiAffinity"


@pytest.mark.parametrize(
    ("waits_for", "refused_by", "before", "after", "wakes"),
    [
        pytest.param(wants(NEAR), "InterPodAffinity", None, running(app="x"), True, id="company comes"),
        pytest.param(wants(NEAR), "InterPodAffinity", None, running(app="y"), False, id="another comes"),
        pytest.param(wants(NEAR), "InterPodAffinity", None, running("other", app="x"), False, id="it comes elsewhere"),
        pytest.param(
            wants(NEAR, namespaces=["other"]),
            "InterPodAffinity",
            None,
            running("other", app="x"),
            True,
            id="named there",
        ),
        pytest.param(
            wants(NEAR, namespaceSelector={"matchLabels": {"team": "t"}}),
            "InterPodAffinity",
            None,
            running("other", app="x"),
            True,
            id="perhaps selected there",
        ),
        pytest.param(wants(FAR), "InterPodAffinity", None, running(app="x"), False, id="what it flees comes"),
        pytest.param(None, "InterPodAffinity", None, running(app="x"), False, id="flees nobody itself"),
        pytest.param(wants(NEAR), "NodeResourcesFit", None, running(app="x"), False, id="waits for room"),
        pytest.param(
            wants(NEAR), "InterPodAffinity", running(app="y"), running(app="x"), True, id="relabelled to company"
        ),
        pytest.param(
            wants(FAR), "InterPodAffinity", running(app="x"), running(app="y"), True, id="relabelled from what it flees"
        ),
        pytest.param(
            wants(NEAR), "NodeResourcesFit", running(app="y"), running(app="x"), False, id="relabelled, waits for room"
        ),
        pytest.param(wants(NEAR), "InterPodAffinity", running(app="x"), running(app="x"), False, id="nothing new"),
    ],
)
async def test_an_assigned_pod_wakes_those_that_wait_for_its_company(
    parts: Parts,
    waits_for: core.Affinity | None,
    refused_by: str,
    before: core.Pod | None,
    after: core.Pod,
    wakes: bool,
) -> None:
    if before is not None:
        parts.pods.apply(before)
    parts.sleep(waits_for, refused_by)
    parts.pods.apply(after)
    assert parts.is_awake() is wakes


def namespace(**labels: str) -> core.Namespace:
    return core.Namespace(metadata=core.ObjectMeta(name="ns", labels=labels))


async def test_a_namespace_is_known_and_wakes_by_its_labels(parts: Parts) -> None:
    parts.namespaces.apply(namespace(team="t"))
    parts.sleep(wants(NEAR), "InterPodAffinity")
    parts.namespaces.apply(namespace(team="t"))
    assert not parts.is_awake()
    parts.namespaces.apply(namespace(team="u"))
    assert parts.is_awake()
    assert parts.cluster.freeze().neighbours.namespaces == {"ns": {"team": "u"}}
    parts.namespaces.remove(informer.Key("", "ns", ""))
    assert parts.cluster.freeze().neighbours.namespaces == {}


async def test_a_pod_that_goes_wakes(parts: Parts) -> None:
    parts.pods.apply(assigned())
    parts.sleep()
    parts.pods.remove(informer.Key("default", "a", "u"))
    assert parts.is_awake()


@pytest.mark.parametrize(
    ("status", "wakes"),
    [
        pytest.param({"stores": [{"name": "s", "available": True, "lastProbeTime": "t2"}]}, False, id="probed"),
        pytest.param({"stores": [{"name": "s", "available": False}]}, True, id="store-gone"),
        pytest.param({"capabilities": {"avx": "true"}}, True, id="capability"),
    ],
)
async def test_a_capability_wakes_by_what_the_node_can_do(parts: Parts, status: Json, wakes: bool) -> None:
    stores = {"stores": [{"name": "s", "available": True, "lastProbeTime": "t1"}]}
    parts.resources.capability_event("ADDED", {"metadata": {"name": "n1"}, "status": stores})
    parts.sleep()
    parts.resources.capability_event("MODIFIED", {"metadata": {"name": "n1"}, "status": stores | status})
    assert parts.is_awake() is wakes


def probed(at: str, namespace: str = "") -> Json:
    store = {"name": "s", "namespace": namespace, "available": True, "lastProbeTime": at}
    return {"metadata": {"name": "n1"}, "status": {"stores": [store]}}


@pytest.mark.parametrize(
    ("after", "wakes"),
    [
        pytest.param(probed("2026-01-01T00:05:00Z"), False, id="as every five minutes"),
        pytest.param(probed("2026-01-01T00:16:00Z"), True, id="after a silence"),
        pytest.param(probed("2026-01-01T00:05:00Z", "team"), True, id="now speaks for somebody else"),
    ],
)
async def test_a_daemon_that_speaks_again_wakes_those_who_wait_for_storage(
    parts: Parts, after: Json, wakes: bool
) -> None:
    parts.nodes.apply(node())
    parts.resources.capability_event("ADDED", probed("2026-01-01T00:00:00Z"))
    parts.sleep(refused_by="NodeCapability")
    parts.resources.capability_event("MODIFIED", after)
    assert parts.is_awake() is wakes


@pytest.mark.parametrize(("refused_by", "wakes"), [("NodeCapability", True), ("NodeResourcesFit", False)])
async def test_a_node_that_is_ready_again_wakes_those_who_wait_for_its_storage(
    parts: Parts, refused_by: str, wakes: bool
) -> None:
    parts.nodes.apply(node(status={"conditions": [{"type": "Ready", "status": "Unknown"}]}))
    parts.sleep(refused_by=refused_by)
    parts.nodes.apply(node(status={"conditions": [{"type": "Ready", "status": "Unknown"}]}))
    assert not parts.is_awake()
    parts.nodes.apply(node(status={"conditions": [{"type": "Ready", "status": "True"}]}))
    assert parts.is_awake() is wakes


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(
            {"metadata": {"name": "a", "uid": "u"}, "spec": {"priority": "high"}, "status": []}, id="wrong-type"
        ),
        pytest.param({"metadata": {"name": "a", "uid": "u"}, "spec": []}, id="no-spec"),
    ],
)
async def test_what_cannot_be_read_is_left_out(parts: Parts, body: Json) -> None:
    parts.pending.event("ADDED", body)
    parts.resources.data_object_event("ADDED", body)
    parts.resources.capability_event("ADDED", body)
    assert len(parts.queue) == 0
    assert parts.resources.data_objects() == []


async def test_a_quantity_that_cannot_be_read_leaves_only_its_node_out(parts: Parts) -> None:
    parts.nodes.apply(node(status={"allocatable": {"cpu": "lots"}}))
    parts.nodes.apply(core.convert(objects.node("n2"), core.Node, "n2"))
    assert set(parts.cluster.freeze().index_of) == {"n2"}


async def test_a_list_drops_what_the_watch_has_not_spoken_of_since_it_was_asked_for(parts: Parts) -> None:
    await parts.resources.refresh()
    parts.resources.data_object_event("ADDED", objects.data_object("o", "bucket/key"))
    [found] = parts.resources.data_objects()
    await parts.resources.refresh()  # may have been answered before the object was made
    assert parts.resources.data_objects() == [found]
    parts.clock.now += 1
    await parts.resources.refresh()
    assert parts.resources.data_objects() == []
