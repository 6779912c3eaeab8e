"""The earlier implementation's formula on what is its own benchmark in all but names."""

from __future__ import annotations

import collections
from typing import Any

import pytest

from benchmarks.quality import scenarios
from scheduler.simulate import arms, running
from tests.simulate.arms import feeding
from tests.state import build

MIB = 1024 * 1024
# What was published of it; our twin of the sales pipeline has one pod elsewhere, which costs 40 MB.
PUBLISHED = {"traffic": 120, "sales": 260, "plants": 160, "weather": 340, "meters": 10}


def test_each_pipeline_moves_what_was_published() -> None:
    given = scenarios.pipelines()
    found = running.run(given, arms.make("earlier", given, 1), arm="earlier", seed=1)
    moved: collections.Counter[str] = collections.Counter()
    for move in found.moves:
        if move.source != move.target:
            pipeline = move.pod.removeprefix("default/").partition("-")[0]
            moved[pipeline] += move.size_bytes // MIB
    assert dict(moved) == PUBLISHED | {"sales": 300}


LIKES = {"weight": 7, "preference": {"matchExpressions": [{"key": "x", "operator": "Exists"}]}}
PREFERS = {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [LIKES]}}}
ABLE = {"fast-storage": "true", "gpu-nvidia": "true"}
ALIKE = [build.node("b", region="r", zone="z", cpu="8"), build.node("a", region="r", zone="z", cpu="8")]


@pytest.mark.parametrize(
    ("other", "told", "expected"),
    [
        pytest.param({}, {}, "a", id="the first by name where all are alike"),
        pytest.param({}, {"inputs": ["none/k,5"], "outputs": ["none/k,5"]}, "a", id="what is nowhere says nothing"),
        pytest.param({"labels": {"x": ""}}, {"spec": PREFERS}, "c", id="a preferred label"),
        pytest.param({"zone": "y"}, {"prefer_zone": "y"}, "c", id="a zone"),
        pytest.param({"kind": "edge"}, {"prefer_edge": "true"}, "c", id="an edge node"),
        pytest.param({"kind": "edge"}, {"prefer_cloud": "true"}, "a", id="whatever is not edge is cloud"),
        pytest.param({"can": {"tpu": "true"}}, {"capability_tpu": ""}, "c", id="a wanted capability"),
        pytest.param({"can": ABLE}, {"requires_fast_storage": "true"}, "c", id="fast storage"),
        pytest.param({"can": ABLE}, {}, "a", id="a GPU is not wasted"),
        pytest.param({"cpu": "1"}, {}, "a", id="a node that would be full is the worst"),
    ],
)
def test_each_criterion_decides_where_all_others_are_alike(
    other: dict[str, Any], told: dict[str, Any], expected: str
) -> None:
    nodes = [*ALIKE, build.node("c", **({"region": "r", "zone": "z", "cpu": "8"} | other))]
    one = feeding.pod("p", **told)
    scene = feeding.world(nodes)
    assert feeding.Fed(arms.make("earlier", scene, 1), scene).arrive(one) == {"p": expected}
