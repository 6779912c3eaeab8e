"""docs/operations.md and the README tell what the manifests ask for and what the kept runs measured."""

import pathlib
import re
from typing import Any

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text()
PARTS = ["scheduler", "daemon", "webhook"]


def workload(part: str) -> Any:
    documents = yaml.safe_load_all((ROOT / f"manifests/base/{part}.yaml").read_text())
    return next(one for one in documents if one["kind"] in {"Deployment", "DaemonSet"})


@pytest.mark.parametrize("part", PARTS)
def test_what_a_part_asks_for(part: str) -> None:
    (container,) = workload(part)["spec"]["template"]["spec"]["containers"]
    asked = container["resources"]
    row = f"| {part} | {asked['requests']['cpu']}, {asked['requests']['memory']} | {asked['limits']['memory']} |"
    assert row in PAGE


@pytest.mark.parametrize("part", ["scheduler", "webhook"])
def test_how_many_there_are(part: str) -> None:
    replicas = workload(part)["spec"]["replicas"]
    assert re.search(rf"^\| {part} \| {replicas}, ", PAGE, re.MULTILINE)
    shown = (ROOT / "README.md").read_text()
    assert re.search(rf"data-locality-{part} +{replicas}/{replicas} +{replicas} +{replicas} ", shown)


@pytest.mark.parametrize("run", re.findall(r"^\| `([a-z0-9-]+)`: ", PAGE, re.MULTILINE))
def test_what_was_measured(run: str) -> None:
    found = re.search(rf"^\| `{run}`: [^|]*\| ([\d.]+) MB \| (?:([\d.]+) ms)?", PAGE, re.MULTILINE)
    assert found is not None
    results = (ROOT / f"benchmarks/results/{run}/results.md").read_text()
    for figure, told in zip(("peak_memory_mb", "scheduler_cpu_ms_per_pod"), found.groups(), strict=True):
        measured = re.search(rf"^\| {figure} \| [^|]*\| ([\d.]+)", results, re.MULTILINE)  # of the first kind of pod
        assert measured is not None
        assert told is None or float(told) == float(measured[1])
