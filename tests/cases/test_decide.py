"""Questions that `decide` once got wrong get their right answers, through the program itself."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from tests.cases.reading import Case, cases

PROGRAM = pathlib.Path(sys.executable).parent / "data-locality-scheduler"
KNOWN = {"feasible", "nodes", "scoreError", "fault", "chosen", "transfers_not_from", "seconds", "profile_not"}


def answered(question: Case) -> dict[str, Any]:
    """The answer to a question, which is followed by one that must be answered, too."""
    following = {"id": "after", "pod": {"metadata": {"name": "after"}}}
    lines = "".join(json.dumps(one) + "\n" for one in (question, following))
    done = subprocess.run([PROGRAM, "decide"], input=lines, capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one.get("id") for one in told] == [question.get("id"), "after"]
    assert "fault" not in told[1]
    first: dict[str, Any] = told[0]
    return first


@pytest.mark.parametrize("case", cases("decide.jsonl"))
def test_reported_questions_get_their_right_answers(case: Case) -> None:
    told, wanted = answered(case["question"]), case["expect"]
    assert wanted.keys() <= KNOWN, "an expectation that this test does not know"
    if "fault" in wanted:
        assert wanted["fault"] in told["fault"]
        return
    assert "fault" not in told
    if "feasible" in wanted:
        assert told["feasible"] == sorted(wanted["feasible"])
    for node, verdict in wanted.get("nodes", {}).items():
        assert told["nodes"][node].items() >= verdict.items()
    if "scoreError" in wanted:
        assert bool(told.get("scoreError")) == wanted["scoreError"]
    if "chosen" in wanted:
        assert told.get("chosen") == wanted["chosen"]
    criteria = told.get("criteria", {})
    assert criteria or not wanted.keys() & {"transfers_not_from", "seconds"}
    sources = {transfer.get("from") for one in criteria.values() for transfer in one["data"]["transfers"]}
    assert sources.isdisjoint(wanted.get("transfers_not_from", ()))
    for node, (least, most) in wanted.get("seconds", {}).items():
        assert least <= criteria[node]["data"]["seconds"] <= most
    if "profile_not" in wanted:
        assert told["profile"]["name"] != wanted["profile_not"]
