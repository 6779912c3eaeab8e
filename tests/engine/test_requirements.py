"""Selectors that cannot be read, where upstream's words alone are too many of them."""

from __future__ import annotations

import json
import tracemalloc

from scheduler.api import core, requirements
from scheduler.offline import door
from tests.engine.asking import question
from tests.state.build import node, pod

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def test_a_pod_of_nothing_but_problems_gets_a_message_that_can_be_read() -> None:
    bad = {"key": "k", "operator": "NotIn", "values": [f"-{number}" for number in range(100_000)]}
    asked = pod(affinity={"nodeAffinity": {PREFERRED: [{"weight": 1, "preference": {"matchExpressions": [bad]}}]}})
    told = json.loads(door.answer_line(json.dumps(question([node("a"), node("b")], asked)).encode()))
    assert told["scoreError"].count("Invalid value") == 10
    assert told["scoreError"].endswith(", and more]")
    far = {"topologyKey": "z", "labelSelector": {"matchExpressions": [bad, {"key": "-" * 10**6, "operator": "Exists"}]}}
    asked = pod(affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [far]}})
    told = json.loads(door.answer_line(json.dumps(question([node("a")], asked)).encode()))
    assert len(told["message"]) < 5000


def test_long_keys_and_values_are_not_kept() -> None:
    def judge(number: int) -> str:
        long = f"{number}-" + "x" * 100_000
        wanted = core.Requirement(key=long, operator="In", values=(long,))
        return requirements.selector_problem(core.LabelSelector(match_expressions=(wanted,)))

    assert len(judge(0)) < 5000
    tracemalloc.start()
    try:
        for number in range(300):
            assert judge(number)
        held_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 2_000_000
