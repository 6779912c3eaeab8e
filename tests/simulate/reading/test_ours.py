"""Our own format: what an entry stands for, and what is said of one that cannot be used."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.simulate import reading
from scheduler.simulate.reading import ours
from tests.simulate.reading import worlds

DOCUMENT = Path(__file__).parents[3] / "docs" / "simulate-format.md"
NODE = {"name": "n", "buckets": ["data"]}


def test_the_example_of_the_documentation_is_what_it_says(tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert example is not None
    world = worlds.read(tmp_path, example[1])
    assert world.name == "two-sites"
    assert world.keeps_inputs
    assert [node.metadata.name for node in world.nodes] == ["cloud-1", "cloud-2", "edge-1", "edge-2", "edge-3"]
    assert [pod.key for pod in world.running] == ["default/old-1", "default/old-2"]
    assert {pod.spec.node_name for pod in world.running} == {"cloud-1"}
    detecting = [work for work in world.works if work.pod.metadata.name.startswith("detect")]
    assert len(detecting) == 6
    assert all(0 < work.arrives_s < 120 and work.works_s == 20.0 and not work.after for work in detecting)
    assert worlds.intent(world, "default/detect-2") == intents.Intent(
        inputs=(
            intents.Transfer("camera/gate-2.mp4", 200 * 2**20, 20.0),
            intents.Transfer("models/base.onnx", 2**30),
        ),
        outputs=(intents.Transfer("events/gate-2.json", 10 * 2**20),),
    )
    (train,) = [work for work in world.works if work.pod.metadata.name == "train"]
    assert train.after == tuple(f"default/detect-{number}" for number in range(1, 7))
    assert (train.arrives_s, train.works_s, train.pod.spec.priority) == (5.0, 60.0, 100)
    assert train.pod.spec.tolerations[0].operator == "Exists"
    assert worlds.intent(world, "default/train").prefer_cloud
    assert worlds.where(world, "camera/gate-6.mp4") == ("edge-1",)
    assert worlds.where(world, "models/base.onnx") == ("cloud-1",)
    assert set(worlds.where(world, "results/new")) == {"cloud-1", "cloud-2", "edge-1", "edge-2", "edge-3"}
    assert [(one.node, one.begins_s, one.ends_s) for one in world.outages] == [("edge-3", 30.0, 90.0)]
    assert [(one.name, one.size_bytes, one.registry) for one in world.images] == [("trainer:1", 2**31, "cloud-1")]
    snap = worlds.state(world).freeze()
    index = snap.index_of
    for ends, mbit in ((("cloud-2", "edge-1"), 500), (("edge-1", "cloud-2"), 500), (("edge-2", "cloud-1"), 50)):
        assert snap.reach(index[ends[0]], outward=True)[0][index[ends[1]]] == mbit * 125_000
        assert snap.reach(index[ends[0]], outward=True)[1][index[ends[1]]] == 0.010
    assert (
        snap.reach(index["cloud-1"], outward=True)[0][index["edge-2"]]
        == world.settings.network.same_region.bandwidth_bytes_per_s
    )


def test_pods_come_at_the_same_times_each_time_and_as_often_as_they_are_said_to(tmp_path: Path) -> None:
    pods = {"name": "p", "count": 4000, "arrives": "10s", "arrivals": {"poissonPerSecond": 8, "burst": 4, "seed": 3}}
    first, again = (worlds.read(tmp_path, {"nodes": [NODE], "pods": [pods]}).works for _ in range(2))
    assert first == again
    times_s = [work.arrives_s for work in first]
    assert times_s == sorted(times_s)
    assert times_s[0] > 10
    assert len(set(times_s)) == 1000
    assert math.isclose((times_s[-1] - 10) / 1000, 1 / 8, rel_tol=0.1)
    other = {"name": "p", "count": 4000, "arrivals": {"poissonPerSecond": 8, "burst": 4, "seed": 4}}
    assert [work.arrives_s for work in worlds.read(tmp_path, {"nodes": [NODE], "pods": [other]}).works] != times_s
    steady = {"name": "p", "count": 5, "arrives": 1, "arrivals": {"every": "2s", "burst": 2}}
    works = worlds.read(tmp_path, {"nodes": [NODE], "pods": [steady]}).works
    assert [work.arrives_s for work in works] == [1.0, 1.0, 3.0, 3.0, 5.0]


def test_data_of_which_nobody_says_where_it_lies_is_spread_over_the_stores_of_its_bucket(tmp_path: Path) -> None:
    nodes = {"nodes": [{"name": "n", "count": 3, "buckets": ["*"]}, {"name": "m", "buckets": ["other"]}]}
    made = {"name": "write", "outputs": {"data/made": 5}}
    pods = {"pods": [{"name": "read", "count": 6, "inputs": {"data/part-{n}": 5, "data/made": 5}}, made]}
    world = worlds.read(tmp_path, nodes, pods)
    found = [worlds.where(world, f"data/part-{number}") for number in range(1, 7)]
    assert found == [("n-1",), ("n-2",), ("n-3",)] * 2
    assert "data/made" not in {obj.spec.urn for obj in world.objects}  # as it is still to be written


def test_how_big_data_is_may_stand_in_another_file(tmp_path: Path) -> None:
    told = {"kind": "DataObject", "metadata": {"name": "o"}, "spec": {"urn": "data/listed"}, "status": {"sizeBytes": 7}}
    files: list[Any] = [
        {"pods": [{"name": "p", "inputs": ["data/x", "data/listed", "data/made"]}]},
        {"nodes": [NODE], "objects": [{"urn": "data/x", "size": 5}]},
        told,
        {"pods": [{"name": "q", "outputs": {"data/made": 9}}]},
    ]
    world = worlds.read(tmp_path, *files)
    assert [one.size_bytes for one in worlds.intent(world, "default/p").inputs] == [5, 7, 9]


def test_what_a_pod_says_that_it_works_may_be_wrong(tmp_path: Path) -> None:
    pod = {"name": "p", "works": "1m", "declares": 5, "outputs": {"data/x": 1}}
    world = worlds.read(tmp_path, {"nodes": [NODE], "pods": [pod]})
    assert world.works[0].works_s == 60.0
    assert worlds.intent(world, "default/p").processing_s == 5.0


def test_settings_stand_in_one_file_only(tmp_path: Path) -> None:
    parts: list[Any] = [{"nodes": [NODE], "settings": {"tau": "1s"}}, {"pods": [{"name": "p"}]}]
    assert worlds.read(tmp_path, *parts).settings.tau_s == 1.0
    with pytest.raises(errors.InputError, match=r'1\.yaml: "settings": .*0\.yaml has settings too'):
        worlds.read(tmp_path, parts[0], parts[1] | {"settings": {}})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param({}, "none of the formats", id="empty"),
        pytest.param("# nothing", "nothing in it; write nodes, pods", id="no document"),
        pytest.param({"pods": []}, "no nodes; name a file with nodes too", id="no nodes"),
        pytest.param({"nodes": [{"name": "N"}]}, 'nodes[0].name: "N": not a name', id="name"),
        pytest.param({"nodes": [NODE, NODE]}, ': node: "n": another one has this name; keep one', id="twice"),
        pytest.param(
            {"nodes": [{"name": "n", "cpus": 4}]}, 'nodes[0]: "cpus": unknown key; did you mean cpu?', id="unknown key"
        ),
        pytest.param({"nodes": [{"name": "n", "cpu": "four"}]}, 'nodes[0][cpu]: "four": not a quantity', id="cpu"),
        pytest.param({"nodes": [{"name": "n", "count": 30000}]}, "too many for one simulation", id="many nodes"),
        pytest.param({"nodes": [{"name": "n", "images": ["a"]}]}, "list it under images", id="image"),
        pytest.param(
            {"nodes": [NODE], "links": [{"between": ["n", "m"], "mbitPerSecond": 1}]},
            'links[0].between: "m": no node of this file, nor the zone of one',
            id="link",
        ),
        pytest.param(
            {"nodes": [NODE], "links": [{"between": ["n", "n"], "mbitPerSecond": 1}]}, "both ends are one", id="one end"
        ),
        pytest.param(
            {
                "nodes": [NODE, {"name": "m"}],
                "links": [{"between": [*ends], "mbitPerSecond": 1} for ends in ("nm", "mn")],
            },
            'links[1].between: "m, n": another link says it; keep one',
            id="two links",
        ),
        pytest.param(
            {
                "nodes": [{"name": name, "region": f"r{name}", "zone": "z"} for name in "nm"],
                "links": [{"between": ["n", "z"], "mbitPerSecond": 1}],
            },
            "zones of several regions are called so; write REGION/ZONE",
            id="two zones",
        ),
        pytest.param(
            {
                "nodes": [{"name": "n"}, {"name": "m", "zone": "n"}],
                "links": [{"between": ["n", "m"], "mbitPerSecond": 1}],
            },
            'links[0].between: "n": a node is called so, and a zone with others',
            id="node and zone",
        ),
        pytest.param(
            {"nodes": [NODE], "objects": [{"urn": "data/x", "count": 2, "size": 1}]},
            'objects[0].urn: "data/x": another object has this urn',
            id="two objects",
        ),
        pytest.param(
            {"nodes": [NODE], "objects": [{"urn": "data/x", "size": 1, "at": ["external"]}]},
            "write external:REGION/ZONE",
            id="outside",
        ),
        pytest.param(
            {"nodes": [NODE], "objects": [{"urn": "data/x", "size": 1, "at": ["m"]}]},
            'objects: data/x: "m": no such node; name one of the nodes',
            id="object",
        ),
        pytest.param({"nodes": [NODE], "objects": [{"urn": "x,y", "size": 1}]}, "objects[0].urn", id="urn"),
        pytest.param(
            {"nodes": [NODE], "pods": [{"name": "p", "inputs": ["data/x"]}]},
            'pods[0].inputs[data/x]: "data/x": of unknown size',
            id="size",
        ),
        pytest.param(
            {"nodes": [NODE], "pods": [{"name": "p", "outputs": {f"data/{n}": 1 for n in range(65)}}]},
            "more than a pod may name; write at most 64",
            id="many outputs",
        ),
        pytest.param(
            {"nodes": [NODE], "pods": [{"name": "p", "after": ["q"]}]},
            'default/p: after: "default/q": no such pod',
            id="after nobody",
        ),
        pytest.param(
            {"nodes": [NODE], "pods": [{"name": f"{a}", "after": [b]} for a, b in ("aq", "qp", "pr", "rq")]},
            'default/q: after: "default/q after default/p after default/r after default/q": comes after itself',
            id="circle",
        ),
        pytest.param(
            {"nodes": [NODE], "pods": [{"name": "p", "count": 3000, "after": ["q"]}, {"name": "q", "count": 3000}]},
            'pods[0].after: "3003000": so many waits',
            id="many waits",
        ),
        pytest.param({"nodes": [NODE], "pods": [{"name": "p", "node": "m"}]}, 'pod that runs: "m"', id="runs nowhere"),
        pytest.param({"nodes": [NODE], "pods": [{"name": "p", "works": "soon"}]}, "pods[0].works", id="duration"),
        pytest.param(
            {"nodes": [NODE], "pods": [{"name": "p", "arrives": 1e10}]},
            'pods[0].arrives: "10000000000.0": longer than anything lasts; write at most 1e+09 s',
            id="never",
        ),
        pytest.param({"nodes": [NODE], "pods": [{"name": "p", "arrivals": {}}]}, "either every or poisson", id="pace"),
        pytest.param(
            {"nodes": [NODE], "pods": [{"name": "p", "annotations": {"scheduler.thesis/prefer-zone": "a b"}}]},
            "pods[0].annotations[scheduler.thesis/prefer-zone]",
            id="annotation",
        ),
        pytest.param(
            {
                "nodes": [NODE],
                "pods": [
                    {
                        "name": "p",
                        "inputs": {"data/x": 5},
                        "annotations": {"data.scheduler.thesis/input-1": "data/y,7"},
                    }
                ],
            },
            'pods[0].annotations: "data.scheduler.thesis/input-1": inputs and outputs say it, too',
            id="said twice",
        ),
        pytest.param({"nodes": [NODE], "outages": [{"node": "m", "begins": 1}]}, 'outage: "m"', id="outage"),
        pytest.param(
            {"nodes": [NODE], "outages": [{"node": "n", "begins": 2, "ends": 1}]}, "outages[0].ends", id="no outage"
        ),
    ],
)
def test_what_cannot_be_used_is_named_with_its_place(tmp_path: Path, data: Any, message: str) -> None:
    with pytest.raises(errors.InputError, match=re.escape(message)) as caught:
        worlds.read(tmp_path, data)
    assert str(caught.value).startswith(str(tmp_path / "0.yaml"))


def test_a_file_that_is_not_there_or_no_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.InputError, match="cannot be read: No such file"):
        reading.read([tmp_path / "nothing.yaml"])
    for text in ("a: [", "- 1", "\xff\xfe", "a: 1\n---\n- b"):
        with pytest.raises(errors.InputError, match=r"0\.yaml"):
            worlds.read(tmp_path, text)


def test_the_schema_has_every_key() -> None:
    schema = json.loads(ours.schema())["$defs"]
    assert set(schema["File"]["properties"]) == ours.KEYS
    assert "poissonPerSecond" in schema["Arrivals"]["properties"]
