"""Whatever a file holds, it is a scenario or a refusal."""

from __future__ import annotations

import copy
import json
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from scheduler import errors
from scheduler.simulate import reading, scenario

OURS: Any = {
    "name": "x",
    "settings": {"tau": 5},
    "nodes": [{"name": "n", "count": 2, "zone": "z{n}", "buckets": ["*"], "mbitPerSecond": 10, "images": ["i"],
               "taints": [{"key": "k", "effect": "NoSchedule"}], "resources": {"a/b": 1}}],
    "links": [{"between": ["z1", "n-2"], "mbitPerSecond": 1.5, "latency": "5ms"}],
    "images": [{"name": "i", "size": 5, "registry": "external:r/z"}],
    "objects": [{"urn": "data/{n}", "count": 2, "size": "1Mi", "at": ["n-1"]}, {"urn": "data/more", "size": 5}],
    "pods": [
        {"name": "p", "count": 2, "inputs": ["data/{n}"], "outputs": {"data/o{n}": 5}, "works": "5s", "after": ["q"],
         "arrivals": {"poissonPerSecond": 1, "burst": 2, "seed": 1}, "annotations": {"scheduler.thesis/x": "y"},
         "spec": {"tolerations": [{}]}},
        {"name": "q", "node": "", "arrives": 1, "inputs": {"data/more": 5}, "labels": {"a": "b"}},
    ],
    "outages": [{"node": "n-1", "begins": 1, "ends": 2}],
}  # fmt: skip
LISTED: Any = {"kind": "List", "items": [
    {"kind": "Node", "metadata": {"name": "n"}},
    {"kind": "NodeCapability", "metadata": {"name": "n"},
     "status": {"stores": [{"name": "s", "buckets": ["data"], "lastProbeTime": "x"}], "links": [{"peer": "m"}]}},
    {"kind": "DataObject", "metadata": {"name": "o"}, "spec": {"urn": "data/x"},
     "status": {"replicas": [{"node": "n", "sizeBytes": 5}]}},
    {"kind": "Pod", "metadata": {"name": "p", "annotations": {"data.scheduler.thesis/input-1": "data/x,5,6"}},
     "spec": {"containers": [{"name": "c", "env": [{"name": "WORKLOAD_DURATION", "value": "5"}]}]}},
    {"kind": "Pod", "metadata": {"name": "q"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}},
    {"kind": "Service", "metadata": {"name": "s"}, "spec": {"selector": {"a": "b"}}},
    {"kind": "ReplicaSet", "metadata": {"name": "r"}, "spec": {"selector": {"matchLabels": {"a": "b"}}}},
]}  # fmt: skip
INSTANCE: Any = {"name": "w", "schemaVersion": "1.5", "workflow": {
    "specification": {
        "tasks": [{"id": "a", "name": "t", "outputFiles": ["f"]},
                  {"id": "b", "name": "t", "parents": ["a"], "inputFiles": ["f"]}],
        "files": [{"id": "f", "sizeInBytes": 5}]},
    "execution": {"tasks": [{"id": "a", "runtimeInSeconds": 1.5, "coreCount": 2, "memoryInBytes": 5}]}}}  # fmt: skip
OLD: Any = {"name": "w", "schemaVersion": "1.4", "workflow": {"tasks": [
    {"name": "a", "runtimeInSeconds": 1, "files": [{"link": "output", "name": "f", "sizeInBytes": 5}]},
    {"name": "b", "parents": ["a"], "files": [{"link": "input", "name": "f", "sizeInBytes": 5}]}]}}  # fmt: skip
BENCHMARK: Any = {"name": "b", "workloads": [{"name": "w", "iterations": 1}], "execution": {"parallel_runs": False}}

STRANGE: st.SearchStrategy[Any] = st.sampled_from([
    None, True, -1, 0, 1e300, 2**70, "", "x", "{n}", "*", "a,b", "../x",
    "\x00", "\ud800", [], {}, [None], {"x": 1}, [[]],
    "1e999", "external:", ["*"], {"": ""}, {"data/x": "1Gi"}, 70_000,
])  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def read(*files: bytes) -> scenario.Scenario | None:
    """The scenario; None where it is refused, as only an InputError refuses."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.yaml" for number in range(len(files))]
        for path, content in zip(paths, files, strict=True):
            path.write_bytes(content)
        try:
            return reading.read(paths)
        except errors.InputError:
            return None


def encoded(data: Any) -> bytes:
    return json.dumps(data).encode("utf-8")


def places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value within."""
    found = [at] if at else []
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return found + [place for key, value in pairs for place in places(value, (*at, key))]


@st.composite
def damaged(draw: st.DrawFn, data: Any) -> Any:
    """The same with a few values replaced, left out or moved to another key."""
    data = copy.deepcopy(data)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(places(data) or [()]))
        if not place:
            break
        inner = data
        for step in place[:-1]:
            inner = inner[step]
        match draw(st.sampled_from(["replace", "drop", "rename"])):
            case "drop":
                del inner[place[-1]]
            case "rename" if isinstance(inner, dict):
                inner[draw(st.text(max_size=8))] = inner.pop(place[-1])
            case _:
                inner[place[-1]] = copy.deepcopy(draw(STRANGE | ANYTHING))
    return data


@given(st.sampled_from([OURS, LISTED, INSTANCE, OLD, BENCHMARK]).flatmap(damaged))
def test_a_damaged_file_is_a_scenario_or_refused(data: Any) -> None:
    read(encoded({"nodes": [{"name": "n", "buckets": ["*"]}]}), encoded(data))
    read(encoded(data))


@given(ANYTHING)
def test_any_json_is_a_scenario_or_refused(data: Any) -> None:
    read(encoded(data))


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_text_is_a_scenario_or_refused(content: bytes) -> None:
    read(content)


def test_what_is_damaged_there_is_whole_before() -> None:
    """So that the damage is what is tested."""
    nodes = encoded({"nodes": [{"name": "m", "buckets": ["*"]}]})
    for data in (OURS, LISTED, INSTANCE, OLD):
        assert read(nodes, encoded(data)) is not None
        assert read(nodes, yaml.safe_dump(data).encode()) is not None
