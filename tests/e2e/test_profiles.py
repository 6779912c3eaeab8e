"""One process places the pods of two names: its own and ``default-scheduler``, each by its own plugins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from tests import clusterfixture
from tests.e2e import process

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

OURS, DEFAULT = "data-locality-scheduler", "default-scheduler"
NODES = tuple(
    topology.Node(name=name, cpu="8", memory="16Gi", labels={"disk": disk})
    for name, disk in (("n0", "ssd"), ("n1", "hdd"), ("n2", "hdd"))
)
PODS = "/api/v1/namespaces/default/pods"
EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"
# For pods of default-scheduler nothing counts but what they prefer of nodes; for those of the other all but that.
CONFIGURATION: Json = {
    **process.ALONE,
    "percentageOfNodesToScore": 50,
    "profiles": [
        {"schedulerName": OURS, "plugins": {"score": {"disabled": [{"name": "NodeAffinity"}]}}},
        {
            "schedulerName": DEFAULT,
            "plugins": {"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "NodeAffinity", "weight": 2}]}},
        },
    ],
}


class World:
    """A cluster without kube-scheduler, whose node n0 is labelled and full to the half."""

    def __init__(self, running: cluster.Cluster, scheduler: process.Scheduler) -> None:
        self.api, self.scheduler = running.api, scheduler

    def pod(self, name: str, scheduler: str, **spec: Any) -> None:
        container = {"name": "main", "image": "example/main:1", "resources": {"requests": {"cpu": "1"}}}
        body = {"metadata": {"name": name}, "spec": {"schedulerName": scheduler, "containers": [container], **spec}}
        self.api.request("POST", PODS, body)

    def node_of(self, name: str) -> str:
        return str(self.api.request("GET", f"{PODS}/{name}")["spec"].get("nodeName", ""))

    def heard(self, name: str, reason: str) -> set[str]:
        """Who says so of a pod, once somebody does."""
        process.until(lambda: self._speakers(name, reason), f"an Event says {reason} of {name}")
        return self._speakers(name, reason)

    def _speakers(self, name: str, reason: str) -> set[str]:
        events = self.api.request("GET", EVENTS)["items"]
        return {
            one["reportingController"] for one in events if one["regarding"]["name"] == name and one["reason"] == reason
        }


@pytest.fixture(scope="module")
def world(cluster_factory: clusterfixture.ClusterFactory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("profiles")
    with (
        cluster_factory(topology.Topology(NODES), crds=True) as running,
        process.Scheduler(process.account(running), directory, CONFIGURATION) as scheduler,
    ):
        made = World(running, scheduler)
        made.pod("heavy", OURS, nodeName="n0", containers=[_container("4")])
        yield made


def _container(cpu: str) -> Json:
    return {"name": "main", "image": "example/main:1", "resources": {"requests": {"cpu": cpu}}}


PREFERENCE: Json = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 100,
                "preference": {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]},
            }
        ]
    }
}


def test_pods_of_both_names_are_placed_each_by_the_scores_of_its_profile(world: World) -> None:
    named = {"a": OURS, "b": DEFAULT, "c": OURS, "d": DEFAULT}
    for name, scheduler in named.items():
        world.pod(name, scheduler, affinity=PREFERENCE)
    process.until(lambda: all(map(world.node_of, named)), "all pods are placed")
    assert {name: world.node_of(name) == "n0" for name in named} == {"a": False, "b": True, "c": False, "d": True}
    for name, scheduler in named.items():
        assert world.heard(name, "Scheduled") == {scheduler}


def test_a_pod_that_fits_nowhere_hears_it_from_the_scheduler_that_it_names(world: World) -> None:
    for name, scheduler in (("big", OURS), ("large", DEFAULT)):
        world.pod(name, scheduler, containers=[_container("100")])
        assert world.heard(name, "FailedScheduling") == {scheduler}


def test_attempts_are_counted_by_profile(world: World) -> None:
    _, metrics = world.scheduler.get("/metrics")
    for scheduler in (OURS, DEFAULT):
        line = f'scheduler_schedule_attempts_total{{profile="{scheduler}",result="scheduled"}}'
        swapped = f'scheduler_schedule_attempts_total{{result="scheduled",profile="{scheduler}"}}'
        [count] = [one.split()[-1] for one in metrics.splitlines() if one.startswith((line, swapped))]
        assert float(count) >= 2


def test_what_has_no_effect_is_said_once(world: World) -> None:
    [line] = [one for one in world.scheduler.log() if one["event"] == "configuration keys without an effect here"]
    assert line["keys"] == {"percentageOfNodesToScore": "every node is looked at, always"}


def test_the_pods_of_others_are_left_alone(world: World) -> None:
    world.pod("foreign", "somebody-else")
    world.pod("own", DEFAULT)
    process.until(lambda: world.node_of("own"), "the next pod is placed")
    assert world.node_of("foreign") == ""
