"""What the workflows and the image take from elsewhere is named by its digest, and by a version for people."""

import pathlib
import re
from typing import Any

import pytest
import yaml

ROOT = pathlib.Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
USES = re.compile(r"uses: (\S+)(.*)$", re.MULTILINE)


def workflow(path: pathlib.Path) -> dict[Any, Any]:
    read: dict[Any, Any] = yaml.safe_load(path.read_text())
    return read


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_each_action_is_a_commit_with_its_version_beside_it(path: pathlib.Path) -> None:
    for action, comment in USES.findall(path.read_text()):
        if action.startswith("./"):
            continue
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), f"{action}: say which version that is"


def test_an_action_is_the_same_commit_wherever_it_is_used() -> None:
    used: dict[str, set[str]] = {}
    for path in WORKFLOWS:
        for action, _ in USES.findall(path.read_text()):
            name, _, commit = action.partition("@")
            used.setdefault(name, set()).add(commit)
    assert [name for name, commits in used.items() if len(commits) > 1] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_read_and_nothing_else_unless_a_job_says_why(path: pathlib.Path) -> None:
    read = workflow(path)
    assert read["permissions"] == {"contents": "read"}
    written = {name for name, job in read["jobs"].items() if "write" in job.get("permissions", {}).values()}
    assert written == ({"release"} if path.stem == "release" else set())
    for job in read["jobs"].values():
        if "uses" not in job:
            assert job["timeout-minutes"] <= 330
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_nothing_that_others_write_is_pasted_into_a_command() -> None:
    for path in WORKFLOWS:
        for job in workflow(path)["jobs"].values():
            assert [step for step in job.get("steps", []) if "${{" in step.get("run", "")] == [], path
