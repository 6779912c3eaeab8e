"""Questions that were once answered wrongly, with their right answers: one a line of cases.jsonl, with what it shows.

Of an answer only the fields given count; see ``check``. Values that are kube-scheduler's are those of 1.37.
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from scheduler.engine import door

Object = dict[str, Any]
CASES: list[Object] = [
    json.loads(line) for line in pathlib.Path(__file__).with_name("cases.jsonl").read_text().splitlines()
]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_what_was_wrong_is_right(case: Object) -> None:
    answer: Object = json.loads(door.answer_line(json.dumps(case["question"]).encode()))
    expected = dict(case["expect"])
    assert expected.pop("fault", "") in answer.get("fault", "")
    assert ("fault" in answer) == ("fault" in case["expect"])
    for field, right in expected.items():
        check(answer, field, right)


def check(answer: Object, field: str, right: Any) -> None:
    criteria: dict[str, Object] = answer.get("criteria", {})
    match field:
        case "feasible":
            assert answer["feasible"] == right
        case "nodes":
            assert {name: answer["nodes"][name] for name in right} == right
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
