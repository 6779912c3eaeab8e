"""What is not built is never passed over in silence: the pod gets no node, and the feature is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scheduler.offline import door
from tests.engine import asking
from tests.state.build import Object, container, data, node, pod

NODES = [node("a"), node("b")]


def ask(asked: Object, *others: Object) -> Object:
    line = json.dumps(asking.question(NODES, asked, pods=others)).encode()
    answer: Object = json.loads(door.answer_line(line))
    return answer


def volume(**source: Any) -> Object:
    return pod(volumes=[{"name": "v", **source}])


NEEDS = [
    pytest.param(pod(schedulingGroup={"podGroupName": "g"}), "spec.schedulingGroup", id="group"),
    pytest.param(pod(workloadRef={"name": "w", "podGroup": "g"}), "spec.workloadRef", id="workload of 1.35"),
]


@pytest.mark.parametrize(("asked", "feature"), NEEDS)
@pytest.mark.parametrize("notes", [{}, data(inputs=["logs/k,5"])], ids=["plain", "with data"])
def test_a_need_that_is_not_built_is_named(asked: Object, feature: str, notes: dict[str, str]) -> None:
    answer = ask(asked | {"metadata": asked["metadata"] | {"annotations": notes}})
    assert feature in answer["fault"]
    assert "not supported" in answer["fault"]
    assert set(answer) == {"id", "fault"}
    decision = asking.decide_on(asking.state_of(asking.question(NODES, asked)).freeze(), asked)
    assert (decision.node, decision.message) == ("", "")


@pytest.mark.parametrize(
    "source",
    [
        {"emptyDir": {}},
        {"hostPath": {"path": "/"}},
        {"configMap": {"name": "c"}},
        {"secret": {"secretName": "s"}},
        {"projected": {"sources": []}},
        {"downwardAPI": {}},
        {"nfs": {"server": "s", "path": "/"}},
        {"csi": {"driver": "d"}},
        {"image": {"reference": "app:1"}},
    ],
    ids=lambda source: next(iter(source)),
)
def test_volumes_that_bind_to_no_place_are_no_need(source: Object) -> None:
    assert ask(volume(**source))["chosen"] in {"a", "b"}


def test_the_fault_is_the_pods_own_and_no_other_pays_for_it() -> None:
    other = pod(
        "other", container(cpu="1"), on="a", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    )
    assert ask(pod(), other)["chosen"] in {"a", "b"}
