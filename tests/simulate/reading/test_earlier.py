"""The earlier implementation's benchmark: its workloads one after another, its pods in their order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.simulate import reading, scenario
from tests.simulate.reading import worlds

SEED = Path(__file__).parents[4] / "shared" / "seed"
TOPOLOGY: Any = {"nodes": [{"name": "n", "buckets": ["*"]}]}


def pod(name: str) -> Any:
    return {"kind": "Pod", "metadata": {"name": name, "namespace": "ns"}}


def read(folder: Path, configuration: Any, **workloads: list[str]) -> scenario.Scenario:
    (folder / "workloads").mkdir(exist_ok=True)
    for name, pods in workloads.items():
        (folder / "workloads" / f"{name}.yaml").write_text(yaml.safe_dump_all([pod(one) for one in pods]), "utf-8")
    return worlds.read(folder, TOPOLOGY, configuration)


def order(world: scenario.Scenario) -> list[tuple[str, tuple[str, ...]]]:
    return [(work.pod.metadata.name, tuple(key.removeprefix("ns/") for key in work.after)) for work in world.works]


def test_each_workload_begins_when_the_one_before_is_done(tmp_path: Path) -> None:
    configuration = {"name": "b", "workloads": [{"name": "two", "iterations": 2}, {"name": "one"}], "metrics": {}}
    assert order(read(tmp_path, configuration, two=["p", "q"], one=["p"])) == [
        ("p", ()),
        ("q", ()),
        ("p-2", ("p", "q")),
        ("q-2", ("p", "q")),
        ("p-3", ("p-2", "q-2")),
    ]


def test_workloads_begin_together_where_the_configuration_says_so(tmp_path: Path) -> None:
    configuration = {"workloads": [{"name": "a"}, {"name": "b"}], "execution": {"parallel_runs": True}}
    assert order(read(tmp_path, configuration, a=["p"], b=["q"])) == [("p", ()), ("q", ())]


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        pytest.param({"workloads": [{"name": "none"}]}, "workloads/none.yaml", id="no file"),
        pytest.param({"workloads": [{"name": "../x"}]}, "workloads[0].name", id="elsewhere"),
        pytest.param({"workloads": [{"name": "a\0"}]}, "workloads[0].name", id="no file's name"),
        pytest.param({"workloads": [{"name": "a", "iterations": 0}]}, "workloads[0].iterations", id="never"),
        pytest.param({"workloads": 5}, "workloads", id="no list"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, configuration: Any, message: str) -> None:
    with pytest.raises(errors.InputError, match=re.escape(message)):
        read(tmp_path, configuration, a=["p"])


@pytest.mark.skipif(not SEED.is_dir(), reason=f"no benchmark of the earlier implementation at {SEED}")
def test_its_own_files_are_read_unchanged(tmp_path: Path) -> None:
    buckets = ["datasets", "intermediate", "results"], ["edge-data", "region1-bucket"], ["region2-bucket"]
    nodes = [{"name": f"node-{number}", "cpu": 16, "buckets": each} for number, each in enumerate(buckets)]
    (topology,) = worlds.written(tmp_path, {"nodes": nodes})
    world = reading.read([topology, SEED / "benchmark_config.yaml"])
    assert len(world.works) == 22
    asked = [intents.parse(work.pod.metadata.annotations) for work in world.works]
    assert not any(problems for _, problems in asked)
    assert sum(len(intent.inputs) + len(intent.outputs) for intent, _ in asked) == 56
    assert worlds.where(world, "region2-bucket/raw-data-batch.csv", "scheduler-benchmark") == ("node-2",)
    assert all(work.works_s > 0 for work in world.works)
    for path in sorted((SEED / "workloads").glob("*.yaml")):
        manifests = [one for one in yaml.safe_load_all(path.read_text("utf-8")) if one]
        assert len(reading.read([topology, path]).works) == len(manifests) > 0
