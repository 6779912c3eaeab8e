"""Pods with data that come together, on a real API server: placed together, each bound once; one alone is not held."""

from __future__ import annotations

import collections
import contextlib
import json
import pathlib
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from localcluster import cluster, topology
from scheduler import errors
from tests import clusterfixture
from tests.e2e import process

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

# Two regions, and data on the first nodes of each: more pods want these than fit there.
HOLDERS, OTHERS = 4, 6
ROOM_OF_A_HOLDER = 20
NODES = tuple(
    topology.Node(
        name=f"n{number}",
        cpu=f"{ROOM_OF_A_HOLDER * 100}m" if number < HOLDERS else "16",
        memory="32Gi",
        region=f"r{number % 2}",
        zone=f"z{number}",
    )
    for number in range(HOLDERS + OTHERS)
)
OBJECTS = 20
PODS = 500
NAMESPACE = "joint"
PATH = f"/api/v1/namespaces/{NAMESPACE}"
CONFIGURATION: Json = process.ALONE | {"seed": 1}


def body(name: str, urn: str, size_bytes: int) -> Json:
    container = {"name": "main", "image": "example/main:1", "resources": {"requests": {"cpu": "100m"}}}
    return {
        "metadata": {"name": name, "annotations": {"data.scheduler.thesis/input-1": f"{urn},{size_bytes}"}},
        "spec": {"schedulerName": "data-locality-scheduler", "containers": [container]},
    }


@pytest.fixture
def running(cluster_factory: clusterfixture.ClusterFactory) -> Iterator[cluster.Cluster]:
    with cluster_factory(topology.Topology(NODES), crds=True) as started:
        started.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        with contextlib.suppress(errors.ConflictError):  # a controller may be quicker
            started.api.request("POST", f"{PATH}/serviceaccounts", {"metadata": {"name": "default"}})
        for number in range(OBJECTS):
            obj = {
                "apiVersion": "scheduler.thesis/v1alpha1",
                "kind": "DataObject",
                "metadata": {"name": f"o{number}", "namespace": NAMESPACE},
                "spec": {"urn": f"bucket/{number}", "locations": [{"node": f"n{number % HOLDERS}"}]},
            }
            path = f"/apis/scheduler.thesis/v1alpha1/namespaces/{NAMESPACE}/dataobjects"
            started.api.request("POST", path, obj)
        yield started


def test_many_at_once_are_placed_together_and_each_is_bound_once(
    running: cluster.Cluster, tmp_path: pathlib.Path
) -> None:
    version = running.api.request("GET", f"{PATH}/pods")["metadata"]["resourceVersion"]
    rng = random.Random(1)
    wanted = [
        body(f"p{number:03}", f"bucket/{rng.randrange(OBJECTS)}", int(10 ** rng.uniform(8, 9.7)))
        for number in range(PODS)
    ]
    running.api.create_all(f"{PATH}/pods", wanted)
    with process.Scheduler(process.account(running), tmp_path, CONFIGURATION) as scheduler:
        process.until(
            lambda: all(pod["spec"].get("nodeName") for pod in running.api.request("GET", f"{PATH}/pods")["items"]),
            "all pods are placed",
            within_s=90,
        )
        process.until(lambda: _metric(scheduler, "scheduler_cache_size", type="assumed_pods") == 0, "all are confirmed")
        text = scheduler.get("/metrics")[1]
        told = [json.loads(scheduler.get(f"/explain?pod={NAMESPACE}/p{number:03}")[1]) for number in range(50)]
    given = _nodes_given(running, version)
    assert {name: len(nodes - {""}) for name, nodes in given.items()} == {f"p{number:03}": 1 for number in range(PODS)}
    used = collections.Counter(node for nodes in given.values() for node in nodes if node)
    assert {used[f"n{number}"] for number in range(HOLDERS)} == {ROOM_OF_A_HOLDER}, "where the data is, and no more"
    plans, pods = _read(text, "batch_size_count"), _read(text, "batch_size_sum")
    gap = _read(text, "batch_gap_ratio_sum") / plans
    kept = {
        outcome: _read(text, f'batch_pods_total{{outcome="{outcome}"}}') for outcome in ("kept", "left", "overruled")
    }
    seconds = _read(text, "batch_seconds_sum") / plans
    print(  # noqa: T201 (figures for the log)
        f"{pods:.0f} of {PODS} pods planned for in {plans:.0f} plans of {seconds:.3f} s, "
        f"which cost {gap:.3%} more than the least at most; {kept}"
    )
    assert pods >= 0.9 * PODS, "nearly all of them waited when the scheduler came"
    assert plans <= PODS / 20, "many at a time, however slowly they are heard of"
    assert gap < 0.05, "prices of the holders' room prove nearly all, each pod taking as much of it as any other"
    assert kept["overruled"] == 0, "nothing else happens meanwhile"
    jointly = [one["decisions"][-1]["jointly"] for one in told]
    assert any(one is not None and one["others"] > 0 for one in jointly), "the first ones are in each other's way"


def test_one_alone_is_planned_for_with_nobody(running: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    with process.Scheduler(process.account(running), tmp_path, CONFIGURATION) as scheduler:
        process.until(lambda: '"bucket"' in scheduler.get("/storage-info")[1], "the scheduler knows of the bucket")
        for number in range(3):
            name = f"alone-{number}"
            running.api.request("POST", f"{PATH}/pods", body(name, "bucket/0", 10**9))
            process.until(
                lambda name=name: running.api.request("GET", f"{PATH}/pods/{name}")["spec"].get("nodeName"),  # type: ignore[misc]
                "it is placed",
            )
            told = json.loads(scheduler.get(f"/explain?pod={NAMESPACE}/{name}")[1])["decisions"]
            assert [one["jointly"] for one in told] == [None]
        assert _read(scheduler.get("/metrics")[1], "batch_size_count") == 0


def _nodes_given(running: cluster.Cluster, version: str) -> dict[str, set[str]]:
    """Every node that a pod was ever given since then, by pod; "" stands for none yet."""
    given: dict[str, set[str]] = collections.defaultdict(set)
    for within_s in (5, 20):  # a busy API server may not have said everything before it ends the watch
        query = f"watch=1&resourceVersion={version}&timeoutSeconds={within_s}"
        for line in running.kubectl("get", "--raw", f"{PATH}/pods?{query}").splitlines():
            pod = json.loads(line)["object"]
            given[pod["metadata"]["name"]].add(pod["spec"].get("nodeName", ""))
        if len(given) == PODS and all(nodes - {""} for nodes in given.values()):
            break
    return given


def _metric(scheduler: process.Scheduler, name: str, **labels: str) -> float:
    found = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return _value(scheduler.get("/metrics")[1], f"{name}{{{found}}}")


def _read(text: str, name: str) -> float:
    return _value(text, f"data_locality_scheduler_{name}")


def _value(text: str, series: str) -> float:
    found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
    assert found is not None, series
    return float(found[1])
