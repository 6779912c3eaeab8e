"""Skippy: the same nodes as its own package chooses, pod by pod."""

from __future__ import annotations

import json
import pathlib
import subprocess
from typing import Any

import msgspec
import numpy as np
import pytest

from benchmarks import tools
from scheduler.api import core
from scheduler.simulate import arms, checking, scenario
from tests.simulate.arms import feeding
from tests.state import build

ORACLE = pathlib.Path(__file__).with_name("skippy_oracle.py")
MIB = 1024 * 1024
ZONES = [("r", "z"), ("r", "y"), ("s", "x")]
BUCKETS, CAPABILITIES, IMAGES = ("raw", "mid", "out"), ("gpu", "tpu"), {"app:1": 700 * MIB, "app:2": 90 * MIB}
REGISTRY = "external:s/x"
Json = dict[str, Any]


def world(seed: int) -> Json:
    """A cluster and pods, as both are told them."""
    drawn = np.random.default_rng(seed)
    nodes = []
    for number in range(drawn.integers(2, 7)):
        region, zone = ZONES[drawn.integers(3)]
        nodes.append(
            {
                "name": f"n{number}", "region": region, "zone": zone, "kind": ["edge", "cloud"][drawn.integers(2)],
                "cpu_milli": int(drawn.choice([2000, 4000])), "memory_bytes": int(drawn.choice([2048, 4096])) * MIB,
                "can": [name for name in CAPABILITIES if drawn.random() < 0.4],
            }
        )  # fmt: skip
    names = [str(node["name"]) for node in nodes]
    buckets = {bucket: sorted(drawn.choice(names, drawn.integers(1, 3), replace=False).tolist()) for bucket in BUCKETS}
    items = [(bucket, f"k{n}", int(10 ** drawn.uniform(6, 10))) for bucket in BUCKETS for n in range(3)]
    known = [f"{bucket}/{name}" for bucket, name, _ in items]
    pods = [
        {
            "name": f"p{number}", "image": str(drawn.choice([*IMAGES])),
            "cpu_milli": int(drawn.choice([250, 500, 1000])), "memory_bytes": int(drawn.choice([128, 512, 1024])) * MIB,
            "reads": str(drawn.choice([*known, "raw/none", ""])), "writes": str(drawn.choice([*known, "out/new", ""])),
            "wants": [name for name in CAPABILITIES if drawn.random() < 0.4],
        }
        for number in range(10)
    ]  # fmt: skip
    return {"nodes": nodes, "buckets": buckets, "items": items, "images": IMAGES, "pods": pods}


def as_scenario(told: Json) -> scenario.Scenario:
    nodes = [
        build.node(
            node["name"],
            cpu=f"{node['cpu_milli']}m",
            memory=str(node["memory_bytes"]),
            region=node["region"],
            zone=node["zone"],
            kind=node["kind"],
            can=dict.fromkeys(node["can"], "true"),
        )
        for node in told["nodes"]
    ]
    objects = [build.data_object(bucket, at=nodes) for bucket, nodes in told["buckets"].items()]
    objects += [
        build.data_object(f"{bucket}/{name}", at=told["buckets"][bucket], size=size)
        for bucket, name, size in told["items"]
    ]
    images = [scenario.Image(name=name, size_bytes=size, registry=REGISTRY) for name, size in IMAGES.items()]
    return msgspec.structs.replace(feeding.world(nodes, objects=objects), images=tuple(images))


def as_pod(each: Json) -> core.Pod:
    told: Json = {f"capability_{name}": "true" for name in each["wants"]}
    told["inputs"] = [f"{each['reads']},1"] if each["reads"] else []
    told["outputs"] = [f"{each['writes']},1"] if each["writes"] else []
    made = feeding.pod(each["name"], **told)
    requests: core.ResourceList = {"cpu": f"{each['cpu_milli']}m", "memory": str(each["memory_bytes"])}
    container = core.Container(name="main", image=each["image"], resources=core.Resources(requests=requests))
    return msgspec.structs.replace(made, spec=msgspec.structs.replace(made.spec, containers=(container,)))


def bandwidth(told: Json) -> Json:
    """Bytes per second from each node, and from the registry, to each node."""
    view = build.state([msgspec.to_builtins(node) for node in as_scenario(told).nodes]).freeze(0.0)
    rows = {name: view.reach(slot, outward=True)[0] for name, slot in view.index_of.items()}
    registry = checking.place(REGISTRY)
    assert registry is not None
    rows["registry"] = view.reach_place(registry, outward=True)[0]
    return {end: {name: float(row[slot]) for name, slot in view.index_of.items()} for end, row in rows.items()}


def test_it_chooses_as_its_own_package_does() -> None:
    try:
        python = tools.environment("edgerun-skippy-core", "0.1.1") / "python"
    except RuntimeError as error:
        pytest.skip(str(error))
    worlds = [world(seed) for seed in range(60)]
    asked = json.dumps([told | {"bandwidth": bandwidth(told)} for told in worlds])
    done = subprocess.run([str(python), str(ORACLE)], input=asked, capture_output=True, text=True, check=True)
    for told, expected in zip(worlds, json.loads(done.stdout), strict=True):
        scene = as_scenario(told)
        fed = feeding.Fed(arms.make("skippy", scene, 1), scene)
        assert [fed.arrive(as_pod(each)).get(each["name"]) for each in told["pods"]] == expected, told
        assert len(set(expected)) > 1
