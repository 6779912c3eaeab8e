"""Questions that `decide` once got wrong get their right answers, from one run of the program for all of them.

Of an answer only the fields that a case expects count; values that are kube-scheduler's are those of 1.37.
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
from typing import Any

import pytest

from tests.cases import reading

PROGRAM = pathlib.Path(sys.executable).parent / "data-locality-scheduler"
CASES = reading.cases("decide.jsonl")

Answer = dict[str, Any]


@pytest.fixture(scope="module")
def answers() -> dict[str, Answer]:
    """The answer to each case."""
    lines = "".join(json.dumps(case["question"]) + "\n" for case in CASES)
    done = subprocess.run([PROGRAM, "decide"], input=lines, capture_output=True, text=True, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return {case["id"]: answer for case, answer in zip(CASES, told, strict=True)}


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_what_was_answered_wrongly_is_answered_right(case: reading.Case, answers: dict[str, Answer]) -> None:
    answer, expected = answers[case["id"]], dict(case["expect"])
    assert expected.pop("fault", "") in answer.get("fault", "")
    assert ("fault" in answer) == ("fault" in case["expect"])
    for field, right in expected.items():
        check(answer, field, right)


def check(answer: Answer, field: str, right: Any) -> None:
    criteria: Answer = answer.get("criteria", {})
    match field:
        case "feasible":
            assert answer["feasible"] == sorted(right)
        case "nodes":
            for name, verdict in right.items():
                assert answer["nodes"][name].items() >= verdict.items()
        case "chosen":
            assert answer.get("chosen") == right
        case "scoreError":
            assert bool(answer.get("scoreError")) == right
        case "transfers_not_from":
            sources = {move["from"] for one in criteria.values() for move in one["data"]["transfers"] if "from" in move}
            assert criteria
            assert sources.isdisjoint(right)
        case "seconds":
            for name, (least, most) in right.items():
                assert least <= criteria[name]["data"]["seconds"] <= most, name
        case "profile_not":
            assert answer["profile"]["name"] != right
        case _:
            pytest.fail(f"nobody knows how to check {field}")
