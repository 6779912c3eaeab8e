"""Hostile questions: whatever a line holds, it gets one line of answer, and no line suffers for another."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click import testing
from hypothesis import given
from hypothesis import strategies as st

from scheduler import cli
from scheduler.offline import door
from tests.engine.asking import question
from tests.state.build import Object, capability, container, data, data_object, link, node, pod

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
RESOURCES: Object = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2"}}
SELECTOR: Object = {"matchLabels": {"app": "x"}, "matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]}
NODE_TERM: Object = {"matchExpressions": [{"key": "k", "operator": "Gt", "values": ["1"]}],
                     "matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}  # fmt: skip
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
COMPANY: Object = {"topologyKey": "zone", "labelSelector": SELECTOR, "namespaces": ["n"], "namespaceSelector": SELECTOR}
AFFINITY: Object = {
    "nodeAffinity": {
        REQUIRED: {"nodeSelectorTerms": [NODE_TERM, {}]},
        PREFERRED: [{"weight": 1, "preference": NODE_TERM}],
    },
    "podAffinity": {REQUIRED: [COMPANY], PREFERRED: [{"weight": 3, "podAffinityTerm": COMPANY}]},
    "podAntiAffinity": {REQUIRED: [COMPANY], PREFERRED: [{"weight": 3, "podAffinityTerm": COMPANY}]},
}
FULL: Object = question(
    [
        node("a", labels={"zone": "z", "k": "5"}, taints=[{"key": "t", "effect": "NoSchedule"}], images={"app:1": 9}),
        node("b", can={"bandwidth-to-a": "5"}),
    ],
    pod(
        "new",
        container(ports=[{"hostPort": 80, "hostIP": "", "protocol": "TCP"}]) | {"resources": RESOURCES},
        notes=data(inputs=["logs/k,5,1"], outputs=["logs/o,1"], capability_x="y"),
        affinity=AFFINITY,
        tolerations=[{"key": "t", "operator": "Equal", "value": "", "effect": "", "tolerationSeconds": 5}],
        nodeSelector={"k": "5"},
        initContainers=[container("i") | {"restartPolicy": "Always", "restartPolicyRules": [{"action": "x"}]}],
        overhead={"cpu": "1m"},
        resources=RESOURCES,
        hostUsers=False,
        volumes=[{"name": "v", "image": {"reference": "app:1"}}],
        preemptionPolicy="Never",
        schedulingGates=[],
    ),
    pods=[
        pod("p", container(cpu="1"), on="a", affinity=AFFINITY, labels={"app": "x"}, status={
            "containerStatuses": [{"name": "main", "allocatedResources": {"cpu": "1"}, "resources": RESOURCES}],
            "conditions": [{"type": "PodResizePending", "reason": "Infeasible", "status": "True"}],
            "allocatedResources": {"cpu": "1"}, "resources": RESOURCES, "phase": "Running"}),
        pod("q", status={"nominatedNodeName": "b"}, priority=5),
    ],
    objects=[data_object("logs/k", at=["a"], size=5), data_object("logs", at=["b"], declared=["a"])],
    capabilities=[capability("b", stores=[{"name": "s", "available": True, "buckets": ["x"]}], links=[link("a")])],
    settings={"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", "profiles": [
        {"pluginConfig": [{"name": "NodeAffinity", "args": {"addedAffinity": AFFINITY["nodeAffinity"]}}]}]},
) | {
    "namespaces": [{"metadata": {"name": "n", "labels": {"team": "t"}}}],
    "deviceClasses": [{"metadata": {"name": "d"}, "spec": {"extendedResourceName": "example.com/gpu"}}],
    "now": "2026-01-02T03:04:05Z",
}  # fmt: skip

# What may stand in the place of any value, as it would be written on a line.
STRANGE = [
    *(
        "null",
        "true",
        '""',
        '"x"',
        '"\\u0000"',
        '"-1"',
        '"16Ei"',
        '"1e999999999"',
        "{}",
        "[]",
        "[[]]",
        '{"":null}',
        "[null]",
    ),
    *("0", "-1", "-0.0", "1.5", "1e308", "1e400", "-1e400", "NaN", "Infinity", "9" * 400, "9" * 5000),
    *(str(2**31), str(-(2**63) - 1), str(2**64), '"\\ud800"', '"\\ud83d\\ude00"', '"\udcff"', '"' + "x" * 3000 + '"'),
    *("[" * 300 + "]" * 300, "[" * 20_000 + "]" * 20_000, '{"a":' * 300 + "1" + "}" * 300, "tru", ""),
]
MARK = "\x01mark\x01"


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, child in children for place in _places(child, (*path, key)))]


def _child(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    return value[key] if isinstance(value, list) and isinstance(key, int) and key < len(value) else None


PLACES = _places(FULL)[1:]


@st.composite
def hostile_lines(draw: st.DrawFn) -> bytes:
    made: Any = json.loads(json.dumps(FULL))
    for *path, last in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2)):
        here = made
        for key in path:
            here = _child(here, key)
        if _child(here, last) is None:
            continue  # the first change has taken it away
        if draw(st.booleans()) and isinstance(here, dict):
            here[draw(st.sampled_from(["", "x" * 300, "a\nb", last]))] = here.pop(last)
        else:
            here[last] = MARK
    text = json.dumps(made)
    while json.dumps(MARK) in text:
        text = text.replace(json.dumps(MARK), draw(st.sampled_from(STRANGE)), 1)
    raw = text.encode("utf-8", "surrogateescape")
    if draw(st.integers(0, 9)) == 0:
        cut = draw(st.integers(0, len(raw)))
        raw = draw(st.sampled_from([raw[:cut], raw[cut:], raw[:cut] + b"\xff" + raw[cut:], raw + raw]))
    return raw.replace(b"\n", b" ").replace(b"\r", b" ")


def test_the_full_question_is_answered() -> None:
    assert "fault" not in json.loads(door.answer_line(json.dumps(FULL).encode()))


@pytest.mark.parametrize("number", ["9" * 300, str(-(2**63) - 1)], ids=["300", "-2^63"])
def test_a_number_that_nothing_holds_is_refused_or_read_as_the_greatest_wherever_it_stands(number: str) -> None:
    written = json.dumps(MARK)
    for *path, last in PLACES:
        made: Any = json.loads(json.dumps(FULL))
        here = made
        for key in path:
            here = here[key]
        here[last] = MARK
        told = json.loads(door.answer_line(json.dumps(made).replace(written, number).encode()))
        assert "internal error" not in told.get("fault", ""), (path, last, told)


@given(lines=st.lists(hostile_lines(), min_size=1, max_size=4))
def test_every_line_gets_one_line_whatever_it_holds(lines: list[bytes]) -> None:
    """And none of them meets a defect: those would be told as internal errors."""
    plain = question([node("a"), node("b")], pod())
    first, last = (json.dumps(plain | {"id": identity}).encode() for identity in ("first", "last"))
    result = testing.CliRunner().invoke(cli.main, ["decide"], input=b"\n".join([first, *lines, last]))
    assert result.exit_code == 0, result.output
    told = [json.loads(line) for line in result.stdout_bytes.splitlines()]
    assert len(told) == 2 + sum(bool(line.strip()) for line in lines)
    assert (told[0]["id"], told[-1]["id"]) == ("first", "last")
    for one in told:
        assert "fault" in one or "chosen" in one or one.get("message") or "scoreError" in one or "preFilter" in one
        assert "internal error" not in one.get("fault", ""), one
        assert len(one.get("fault", "")) < 3000
    assert told[0]["chosen"] == told[-1]["chosen"]
