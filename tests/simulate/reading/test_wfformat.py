"""Workflow instances: tasks are pods in their order, with their files, runtimes and requests, in both forms."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import units
from scheduler.simulate import scenario
from tests.simulate.reading import worlds

TOPOLOGY: Any = {"nodes": [{"name": "n", "count": 2, "buckets": ["*"]}]}
NEW: Any = {
    "name": "Two Steps",
    "schemaVersion": "1.5",
    "workflow": {
        "specification": {
            "tasks": [
                {"name": "cut", "id": "Cut_1", "parents": [], "children": ["join_2"], "inputFiles": ["/in/a,b.txt"],
                 "outputFiles": ["mid"]},
                {"name": "join", "id": "join_2", "parents": ["Cut_1"], "inputFiles": ["mid"], "outputFiles": ["out"]},
            ],
            "files": [{"id": "/in/a,b.txt", "sizeInBytes": 7}, {"id": "mid", "sizeInBytes": 8},
                      {"id": "out", "sizeInBytes": 9}],
        },
        "execution": {"makespanInSeconds": 5, "tasks": [
            {"id": "join_2", "runtimeInSeconds": 2.5, "coreCount": 3, "memoryInBytes": 2**30},
            {"id": "Cut_1", "runtimeInSeconds": 4}]},
    },
}  # fmt: skip
OLD: Any = {
    "name": "Two Steps",
    "schemaVersion": "1.4",
    "workflow": {
        "makespanInSeconds": 5,
        "tasks": [
            {"name": "Cut_1", "runtimeInSeconds": 4, "parents": [], "files": [
                {"link": "input", "path": "/in/", "name": "a,b.txt", "sizeInBytes": 7},
                {"link": "output", "name": "mid", "sizeInBytes": 8}]},
            {"name": "join_2", "runtimeInSeconds": 2.5, "cores": 3, "memoryInBytes": 2**30, "parents": ["Cut_1"],
             "files": [{"link": "input", "name": "mid", "sizeInBytes": 8},
                       {"link": "output", "name": "out", "sizeInBytes": 9}]},
        ],
    },
}  # fmt: skip


def requests(work: scenario.Work) -> tuple[int, int]:
    asked = work.pod.spec.containers[0].resources.requests
    return units.quantity_milli(asked["cpu"]), units.quantity(asked["memory"])


@pytest.mark.parametrize("instance", [pytest.param(NEW, id="1.5"), pytest.param(OLD, id="1.4")])
def test_tasks_are_pods_that_come_after_their_parents(tmp_path: Path, instance: Any) -> None:
    world = worlds.read(tmp_path, TOPOLOGY, instance)
    assert world.name == "Two Steps"
    cut, join = world.works
    assert (cut.pod.key, cut.after, cut.works_s) == ("two-steps/cut-1", (), 4.0)
    assert (join.pod.key, join.after, join.works_s) == ("two-steps/join-2", ("two-steps/cut-1",), 2.5)
    assert requests(cut) == (1000, 64 * 2**20)
    assert requests(join) == (3000, 2**30)
    source = "workflow/two-steps/in/a_b.txt"
    assert worlds.intent(world, "two-steps/cut-1") == intents.Intent(
        inputs=(intents.Transfer(source, 7, 4.0),), outputs=(intents.Transfer("workflow/two-steps/mid", 8),)
    )
    assert worlds.intent(world, "two-steps/join-2") == intents.Intent(
        inputs=(intents.Transfer("workflow/two-steps/mid", 8, 2.5),),
        outputs=(intents.Transfer("workflow/two-steps/out", 9),),
    )
    assert [obj.spec.urn for obj in world.objects] == [source]  # all else is yet to be written
    assert worlds.where(world, source, "two-steps") == ("n-1",)


def test_of_a_task_with_too_many_inputs_the_largest_are_named(tmp_path: Path) -> None:
    files = [{"id": f"f{number}", "sizeInBytes": number} for number in range(100)]
    task = {"id": "t", "name": "t", "inputFiles": [file["id"] for file in files]}
    instance = {"schemaVersion": "1.5", "workflow": {"specification": {"tasks": [task], "files": files}}}
    world = worlds.read(tmp_path, TOPOLOGY, instance)
    assert [one.size_bytes for one in worlds.intent(world, "instance/t").inputs] == list(range(36, 100))


def test_names_that_differ_only_in_what_a_name_may_not_hold_stay_apart(tmp_path: Path) -> None:
    tasks = [{"id": f"a{mark}b", "name": "t", "outputFiles": [f"x{mark}y"]} for mark in ("_", ".", " ")]
    files = [{"id": f"x{mark}y", "sizeInBytes": 1} for mark in ("_", ",", " ", ".")]
    tasks[1]["outputFiles"] = ["x,y"]
    instance = {"schemaVersion": "1.5", "workflow": {"specification": {"tasks": tasks, "files": files}}}
    world = worlds.read(tmp_path, TOPOLOGY, instance)
    assert [work.pod.metadata.name for work in world.works] == ["a-b", "a-b-2", "a-b-3"]
    urns = [worlds.intent(world, work.pod.key).outputs[0].urn for work in world.works]
    assert len(set(urns)) == 3


@pytest.mark.parametrize(
    ("task", "message"),
    [
        pytest.param({"id": "b", "parents": ["c"]}, 'tasks[1].parents: "c": no such task', id="parent"),
        pytest.param({"id": "a"}, 'tasks[1].id: "a": another task has the same', id="twice"),
        pytest.param({}, 'tasks[1].id: "": missing', id="nameless"),
        pytest.param({"id": "b", "inputFiles": ["f"]}, 'tasks[1]: file: "f": of unknown size', id="file"),
        pytest.param({"id": "b", "parents": ["b"]}, "comes after itself", id="circle"),
        pytest.param({"id": "b", "runtimeInSeconds": -1}, "tasks[1].runtimeInSeconds", id="runtime"),
    ],
)
def test_a_task_that_cannot_be_used_is_named(tmp_path: Path, task: Any, message: str) -> None:
    instance = {"schemaVersion": "1.5", "workflow": {"specification": {"tasks": [{"id": "a"}, task]}}}
    with pytest.raises(errors.InputError, match=re.escape(message)):
        worlds.read(tmp_path, TOPOLOGY, instance)
