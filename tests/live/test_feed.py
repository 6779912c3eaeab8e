"""What the feeds let through to the kernel, and what they leave out."""

import pathlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scheduler import config
from scheduler.api import core
from scheduler.kernel import commands, kernel
from scheduler.kube import client
from scheduler.live import driver, feed, metrics, podfeed, twodoors
from tests.fakeapi import objects, server
from tests.live import builders

Json = dict[str, Any]


class Parts:
    """A kernel and its feeds."""

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
        self.switch = twodoors.Switch(clock=clock)
        self.resources = feed.CustomResources(scheduling, counters, self.switch)
        self.pending = podfeed.PendingPods(api, ("data-locality-scheduler",), scheduling, counters, self.switch)


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
    "body",
    [
        pytest.param(
            {"metadata": {"name": "a", "uid": "u"}, "spec": {"priority": "high"}, "status": []}, id="wrong-type"
        ),
        pytest.param({"metadata": {"name": "a", "uid": "u"}, "spec": []}, id="no-spec"),
    ],
)
async def test_what_cannot_be_read_is_left_out(parts: Parts, body: Json) -> None:
    parts.switch.hand_over()
    parts.pending.event("ADDED", body)
    parts.resources.objects.event("ADDED", body)
    parts.resources.nodes.event("ADDED", body)
    assert len(parts.queue) == 0
    assert parts.resources.data_objects() == []


async def test_a_quantity_that_cannot_be_read_leaves_only_its_node_out(parts: Parts) -> None:
    parts.nodes.apply(node(status={"allocatable": {"cpu": "lots"}}))
    parts.nodes.apply(core.convert(objects.node("n2"), core.Node, "n2"))
    assert set(parts.cluster.freeze().index_of) == {"n2"}
