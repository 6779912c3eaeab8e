"""Of many nodes, preemption finds the same as when each of them is tried by itself, whatever the pods ask for."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler import config
from scheduler.engine import decide
from scheduler.engine.preemption import many, outlook
from scheduler.offline import door
from scheduler.offline import question as questions
from scheduler.plugins import request
from tests import exploring
from tests.parity.hostile import question as hostile

SETTINGS = config.Settings()


def look(asked: questions.Question, draw: int, few: int, tried: int = 100) -> outlook.Outlook | None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "FEW", few)
        patch.setattr(many, "TRIED", tried)
        view = door.state_of(asked, SETTINGS).freeze()
        return decide.Engine(SETTINGS).decide(view, request.prepare(asked.pod), draw).preemption


@settings(max_examples=exploring.examples(300), deadline=None)
@given(seed=st.integers(0, 2**40), draw=st.integers(0, 100))
def test_all_at_once_is_as_one_by_one(seed: int, draw: int) -> None:
    asked = questions.read(json.dumps(hostile.question(seed, ["preemption"])).encode())
    one_by_one, at_once = look(asked, draw, few=1000), look(asked, draw, few=0)
    if one_by_one is None or at_once is None:
        assert one_by_one is at_once
        return
    assert at_once[:2] == one_by_one[:2]
    assert (at_once.selected, at_once.chosen) == (one_by_one.selected, one_by_one.chosen)
    # Where not all that may win are tried, what is found is true all the same, and no worse in the first respects.
    some = look(asked, draw, few=0, tried=1)
    assert some is not None
    assert (some.chosen is None) == (one_by_one.chosen is None)
    if some.chosen is not None and one_by_one.chosen is not None:
        assert some.chosen == one_by_one.candidates[some.chosen.node]
        assert (some.chosen.pdb_violations > 0) == (one_by_one.chosen.pdb_violations > 0)
