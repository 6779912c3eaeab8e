"""Whom events wake, as kube-scheduler's own plugins said when asked; `make parity-waking` asks them anew."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scheduler import config
from tests.parity import waking

CASES = [json.loads(line) for line in waking.CORPUS.read_text().splitlines()]


@pytest.mark.parametrize("told", [pytest.param(one, id=f"{one['id']}-{one['event']['resource']}") for one in CASES])
def test_ours_wake_whenever_upstreams_do_and_where_else_is_known(told: dict[str, Any]) -> None:
    for said in waking.compared(told, told, config.Settings()):
        is_more = said.ours and (said.plugin, said.resource) in waking.MORE
        assert said.theirs == said.ours or is_more, said
