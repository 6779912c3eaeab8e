"""The corpus: small questions on which we and upstream once disagreed, each with upstream's recorded answer."""

from __future__ import annotations

import json

import pytest

from scheduler.offline import door
from tests.parity import compare, differences

CASES = [json.loads(line) for line in compare.CORPUS.read_text().splitlines()]


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{i}-{case['question']['id']}") for i, case in enumerate(CASES)]
)
def test_our_answer_is_the_one_that_upstream_gave(case: dict[str, dict[str, object]]) -> None:
    ours = json.loads(door.answer_line(json.dumps(case["question"]).encode()))
    assert not differences.refused(ours)
    assert [str(one) for one in differences.find(ours, case["answer"])] == []
