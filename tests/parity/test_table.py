"""The parity table: for each case our `decide` gives the answer of kube-scheduler v1.37.2, to the last integer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from scheduler.offline import door
from tests.parity import cases
from tests.parity.build import Case, Object, Verdict

_TABLE = [pytest.param(case, id=case.id) for case in cases.ALL]
_SCORED = [pytest.param(case, id=case.id) for case in cases.ALL if case.totals is not None or case.score_error]


def _ask(case: Case) -> Object:
    answer: Object = json.loads(door.answer_line(json.dumps(case.question()).encode()))
    assert not answer.get("fault"), answer["fault"]
    return answer


def _verdict(said: Mapping[str, Any], plugin: str | None = None) -> Verdict:
    """What a node or a plugin said as a case writes it; extended resources have no order among the reasons."""
    if said["code"] == "Success":
        return ("Success",)
    return (said["code"], said.get("plugin") or "" if plugin is None else plugin, *sorted(said.get("reasons") or []))


def _sorted(verdict: Verdict) -> Verdict:
    return (*verdict[:2], *sorted(verdict[2:]))


@pytest.mark.parametrize("case", _TABLE)
def test_every_node_is_judged_as_upstream_judges_it(case: Case) -> None:
    answer = _ask(case)
    if case.pre_filter is not None:
        assert _verdict(answer["preFilter"]) == _sorted(case.pre_filter)
    else:
        assert not answer.get("preFilter")
        assert {name: _verdict(said) for name, said in answer.get("nodes", {}).items()} == {
            name: _sorted(verdict) for name, verdict in case.verdicts.items()
        }
    assert sorted(answer.get("preFilterNodes") or []) == list(case.pre_filter_nodes or [])
    assert (answer.get("feasible") or []) == sorted(
        name for name, verdict in case.verdicts.items() if verdict[0] == "Success"
    )
    assert (answer.get("message") or "") == case.message


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in cases.ALL if case.alone is not None])
def test_filters_asked_alone_reject_what_upstreams_reject(case: Case) -> None:
    said = _ask(case).get("plugins") or {}
    assert case.alone is not None
    for name, expected in case.alone.items():
        rejections = {plugin: _verdict(one, plugin) for plugin, one in said.get(name, {}).items()}
        assert rejections == {plugin: _sorted(verdict) for plugin, verdict in expected.items()}


@pytest.mark.parametrize("case", _SCORED)
def test_scores_are_upstreams_integers(case: Case) -> None:
    answer = _ask(case)
    for kind, expected in (("raw", case.raw), ("scores", case.scores)):
        for plugin, by_node in expected.items():
            # A plugin that skips the pod adds nothing: upstream leaves it out, zeros say the same.
            assert (answer[kind].get(plugin) or dict.fromkeys(by_node, 0)) == by_node, (kind, plugin)
    assert bool(answer.get("scoreError")) == case.score_error
    if case.totals is not None:
        assert answer["totals"] == case.totals


@pytest.mark.parametrize("case", _TABLE)
def test_the_best_nodes_are_upstreams(case: Case) -> None:
    assert (_ask(case).get("best") or []) == list(case.best)
