"""The API's objects: what kubectl lists is a cluster with its work, and manifests are work."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from scheduler import errors
from tests.simulate.reading import worlds

NODES: Any = [{"kind": "Node", "metadata": {"name": name}, "status": {"allocatable": {"cpu": "4"}}} for name in "ab"]


def pod(name: str, *, spec: Any = None, phase: str = "Pending", **notes: str) -> Any:
    prefix = "data.scheduler.thesis/"
    told = {f"{prefix}{key.replace('_', '-')}": text for key, text in notes.items()}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "ns", "uid": f"uid-{name}", "annotations": told},
        "spec": {"schedulerName": "data-locality-scheduler", "containers": [{"name": "c"}]} | (spec or {}),
        "status": {"phase": phase},
    }


def listed(*items: Any) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def test_pods_that_run_stay_those_that_wait_come_and_finished_ones_are_over(tmp_path: Path) -> None:
    world = worlds.read(
        tmp_path,
        listed(
            *NODES,
            pod("runs", spec={"nodeName": "a"}, phase="Running"),
            pod("waits", input_1="data/x,5,30", output_1="data/y,6,2"),
            pod("done", spec={"nodeName": "a"}, phase="Succeeded"),
            pod("failed", phase="Failed"),
            pod("deleted") | {"metadata": {"name": "deleted", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
            {"kind": "ConfigMap", "metadata": {"name": "of no interest"}, "data": 5},
        ),
    )
    assert [(one.key, one.spec.node_name) for one in world.running] == [("ns/runs", "a")]
    assert [(work.pod.key, work.pod.metadata.uid, work.works_s) for work in world.works] == [
        ("ns/waits", "uid-waits", 32.0)
    ]


def test_data_lies_where_the_cluster_says_and_nothing_is_added_to_that(tmp_path: Path) -> None:
    store = {"name": "s", "available": True, "buckets": ["data"]}
    replica = {"node": "b", "available": True, "sizeBytes": 5}
    link = {"peer": "b", "bandwidthBytesPerSecond": 77}
    capability = {"kind": "NodeCapability", "metadata": {"name": "a"}, "status": {"stores": [store], "links": [link]}}
    obj = {"kind": "DataObject", "metadata": {"name": "o", "namespace": "ns"}, "spec": {"urn": "data/x"},
           "status": {"replicas": [replica]}}  # fmt: skip
    read = pod("p", input_1="data/x,5", input_2="data/other,5")
    world = worlds.read(tmp_path, listed(*NODES, read), listed(capability), listed(obj))
    state = worlds.state(world)
    assert state.replicas.resolve("ns", "data/x", 0.0).nodes == ("b",)  # type: ignore[union-attr]
    assert state.replicas.resolve("ns", "data/other", 0.0).nodes == ("a",)  # type: ignore[union-attr]
    assert len(world.objects) == 1
    snap = state.freeze(0.0)
    assert snap.reach(snap.index_of["a"], outward=True)[0][snap.index_of["b"]] == 77


def test_lists_of_one_kind_need_not_name_it_again(tmp_path: Path) -> None:
    nodes = json.dumps(
        {"kind": "NodeList", "items": [{key: one[key] for key in one if key != "kind"} for one in NODES]}
    )
    assert [node.metadata.name for node in worlds.read(tmp_path, nodes).nodes] == ["a", "b"]


def test_what_selects_pods_is_kept(tmp_path: Path) -> None:
    service = {"kind": "Service", "metadata": {"name": "web", "namespace": "ns"}, "spec": {"selector": {"app": "web"}}}
    owner = {"kind": "ReplicaSet", "metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}}
    world = worlds.read(tmp_path, listed(*NODES, service, owner))
    assert [one.spec.selector for one in world.services] == [{"app": "web"}]
    assert [one.spec.selector.match_labels for one in world.controllers] == [{"app": "web"}]


def test_manifests_are_work_and_their_simulator_says_for_how_long(tmp_path: Path) -> None:
    container = {"name": "c", "env": [{"name": "WORKLOAD_DURATION", "value": "45"}, {"name": "OTHER"}]}
    first = pod("first", spec={"containers": [container]}, input_1="data/x,5,30")
    documents = "---\n".join(json.dumps(one) + "\n" for one in (first, pod("second", input_1="data/x,5,30")))
    topology = {"nodes": [{"name": "n", "buckets": ["data"]}]}
    world = worlds.read(tmp_path, topology, documents)
    assert [(work.pod.key, work.works_s) for work in world.works] == [("ns/first", 45.0), ("ns/second", 30.0)]
    assert worlds.where(world, "data/x", "ns") == ("n",)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        pytest.param({"kind": "Pod", "metadata": {"name": "p"}, "spec": 5}, "items[2] p: spec", id="type"),
        pytest.param({"kind": "Node", "metadata": {}}, "items[2]: metadata.name", id="nameless"),
        pytest.param(pod("p", spec={"nodeName": "c"}), 'pod that runs: "c": no such node', id="elsewhere"),
        pytest.param(5, 'items[2]: "5": write an object', id="no object"),
        pytest.param(
            pod("p", spec={"containers": [{"env": [{"name": "WORKLOAD_DURATION", "value": "soon"}]}]}),
            'items[2] p: WORKLOAD_DURATION: "soon": not a duration',
            id="duration",
        ),
    ],
)
def test_an_object_that_cannot_be_used_is_named(tmp_path: Path, item: Any, message: str) -> None:
    with pytest.raises(errors.InputError, match=re.escape(message)):
        worlds.read(tmp_path, listed(*NODES, item))
