"""Configuration files that upstream read, with what it made of them: we read them alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.parity import configuring

CASES = [json.loads(line) for line in configuring.CORPUS.read_text().splitlines()]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["id"]) for case in CASES])
def test_a_file_comes_to_what_upstream_made_of_it(case: dict[str, Any]) -> None:
    our, their = configuring.ours(case["text"]), configuring.theirs(case["answer"], case["text"])
    assert list(configuring.differences(our, their)) == []
    assert not (their.told and our.refusal), "the corpus holds no file that we refuse by name"
