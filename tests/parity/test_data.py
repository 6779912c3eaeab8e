"""A pod with data obeys all that others do: what fits, and why the rest does not, is the same as without."""

from __future__ import annotations

import json

import pytest

from scheduler.offline import door
from tests.parity import differences
from tests.parity.hostile import dress, question
from tests.parity.hostile.chance import Object
from tests.parity.test_corpus import CASES

_SEEDS = range(77_000_000, 77_000_000 + 15)


def _ask(asked: Object) -> Object:
    told: Object = json.loads(door.answer_line(json.dumps(asked).encode()))
    return told


@pytest.mark.parametrize("number", range(len(CASES)))
def test_data_changes_nothing_of_what_upstream_says(number: int) -> None:
    case = CASES[number]
    ours = _ask(dress.with_data(number, case["question"]))
    assert [str(one) for one in differences.find(ours, case["answer"], has_data=True)] == []


@pytest.mark.parametrize("theme", question.THEMES)
def test_data_changes_nothing_but_the_choice(theme: str) -> None:
    chosen = 0
    for seed in _SEEDS:
        plain = question.question(seed, [theme])
        ours, expected = _ask(dress.with_data(seed, plain)), _ask(plain)
        assert [str(one) for one in differences.find(ours, expected, has_data=True)] == [], seed
        chosen += "chosen" in ours
    assert chosen, "some are placed"
