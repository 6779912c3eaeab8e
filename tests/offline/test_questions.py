"""Questions that cannot be answered: one fault each, which names object and field, and nothing else suffers for it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click import testing

from scheduler import cli
from scheduler.engine import decide
from scheduler.offline import door
from tests.engine.asking import question
from tests.state.build import Object, capability, container, data_object, node, pod

GOOD: Object = question([node("a"), node("b")], pod())


def fault(**changes: Any) -> str:
    told: Object = json.loads(door.answer_line(json.dumps(GOOD | changes).encode()))
    assert set(told) == {"id", "fault"}
    found: str = told["fault"]
    return found


def with_status(name: str, **status: Any) -> Object:
    return {"metadata": {"name": name}, "status": status}


NO_QUANTITY = 'not a quantity; write a number such as "500m", "2" or "1Gi"'
OTHERS = [node("a"), node("b"), node("c")]
TERM: Object = {"podAffinityTerm": {"topologyKey": "zone", "labelSelector": {}}}
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"nodes": [*OTHERS, node("worker-7", memory="x")]},
         f'nodes[3] worker-7: status.allocatable[memory]: "x": {NO_QUANTITY}'),
        ({"nodes": [*OTHERS, with_status("w", allocatable={"cpu": ["1"]})]}, "nodes[3] w: status.allocatable[cpu]: "),
        ({"nodes": [node("a"), {"metadata": {"name": "b", "labels": {"x": "1", "y": 2}}}]},
         'nodes[1] b: metadata.labels[y]: "2": Expected `str`, got `int`'),
        ({"nodes": [{"metadata": {"name": "a"}, "spec": {"taints": [{}, {"key": 5}]}}]},
         'nodes[0] a: spec.taints[1].key: "5": Expected `str`, got `int`'),
        ({"nodes": [None, {"spec": {}}]}, 'nodes[1]: "": Object missing required field `metadata`'),
        ({"nodes": [{"metadata": {}}]}, 'nodes[0]: metadata.name: "": missing; write one'),
        ({"pods": [pod("p", on="a"), pod("q", container(cpu="x"), on="a")]},
         f'pods[1] default/q: spec.containers[0].resources.requests[cpu]: "x": {NO_QUANTITY}'),
        ({"pods": [pod("p", on="a", priority=2**31)]}, "pods[0] default/p: spec.priority: "),
        ({"namespaces": [{"metadata": {"name": "n", "labels": 5}}]}, 'namespaces[0] n: metadata.labels: "5": '),
        ({"deviceClasses": [{"metadata": {"name": "d"}, "spec": {"extendedResourceName": 5}}]},
         'deviceClasses[0] d: spec.extendedResourceName: "5": '),
        ({"dataObjects": [{"metadata": {"name": "o", "namespace": "n"}, "spec": {"urn": 5}}]},
         'dataObjects[0] n/o: spec.urn: "5": '),
        ({"nodeCapabilities": [{"metadata": {"name": "a"}, "status": {"links": [{"peer": 1}]}}]},
         'nodeCapabilities[0] a: status.links[0].peer: "1": '),
        ({"pod": pod("p", container(memory="1 Gi"))},
         f'pod default/p: spec.containers[0].resources.requests[memory]: "1 Gi": {NO_QUANTITY}'),
        ({"pod": {"metadata": {"name": "p"}, "spec": {"tolerations": "all"}}},
         'pod p: spec.tolerations: "all": Expected `array`, got `str`'),
        ({"config": {"tau": -1}}, 'config: tau: "-1": '),
        ({"config": "x"}, 'config: "x": Expected `object`, got `str`'),
        ({"now": 5}, 'now: "5": Expected `str`, got `int`'),
        ({"nodes": {"a": 1}}, 'nodes: "": write a list of objects'),
    ],
)  # fmt: skip
def test_a_fault_names_object_and_field(changes: Object, text: str) -> None:
    assert fault(**changes).startswith(text)


BEYOND_INT32, BEYOND_INT64 = 2**31, 2**63


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"priority": BEYOND_INT32}, "spec.priority"),
        ({"affinity": {"podAffinity": {PREFERRED: [TERM | {"weight": BEYOND_INT32}]}}}, "[0].weight"),
        ({"affinity": {"podAntiAffinity": {PREFERRED: [TERM | {"weight": BEYOND_INT32}]}}}, "[0].weight"),
        ({"affinity": {"nodeAffinity": {PREFERRED: [{}, {"weight": BEYOND_INT32}]}}}, "[1].weight"),
        ({"containers": [{"ports": [{"hostPort": BEYOND_INT32}]}]}, "spec.containers[0].ports[0].hostPort"),
        ({"containers": [{"ports": [{"containerPort": BEYOND_INT32}]}]}, "spec.containers[0].ports[0].containerPort"),
        ({"topologySpreadConstraints": [{"maxSkew": BEYOND_INT32}]}, "spec.topologySpreadConstraints[0].maxSkew"),
        ({"topologySpreadConstraints": [{"minDomains": BEYOND_INT32}]}, "spec.topologySpreadConstraints[0].minDomains"),
        ({"tolerations": [{"tolerationSeconds": BEYOND_INT64}]}, "spec.tolerations[0].tolerationSeconds"),
        ({"terminationGracePeriodSeconds": BEYOND_INT64}, "spec.terminationGracePeriodSeconds"),
        ({"activeDeadlineSeconds": BEYOND_INT64}, "spec.activeDeadlineSeconds"),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_number_that_the_api_cannot_hold_is_a_fault(spec: Object, field: str, sign: int) -> None:
    """On either side: an anti-affinity weight below int32 ended the process."""
    text = json.dumps(spec)
    for bound in (BEYOND_INT32, BEYOND_INT64):
        text = re.sub(rf"\b{bound}\b", str(bound if sign > 0 else -bound - 1), text)
    told = fault(pod={"metadata": {"name": "p"}, "spec": json.loads(text)})
    assert told.startswith("pod p: ")
    assert f"{field}: " in told


@pytest.mark.parametrize("weight", [2**31 - 1, -(2**31), -1, 101])
def test_every_weight_that_the_api_can_hold_is_answered(weight: int) -> None:
    """The API server takes 1 to 100 only; upstream fails the cycle where a score ends up out of its range."""
    labelled = [node(name, labels={"zone": name}) for name in "ab"]
    for kind in ("podAffinity", "podAntiAffinity"):
        asked = pod("p", affinity={kind: {PREFERRED: [TERM | {"weight": weight}]}})
        told = json.loads(door.answer_line(json.dumps(question(labelled, asked, pods=[pod("o", on="a")])).encode()))
        assert told["chosen"] == ("a" if (weight > 0) == (kind == "podAffinity") else "b")
    term = {"weight": weight, "preference": {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}}
    asked = pod("p", affinity={"nodeAffinity": {PREFERRED: [term]}})
    told = json.loads(door.answer_line(json.dumps(question(labelled, asked)).encode()))
    if weight > 0:
        assert told["chosen"] == "a"
    else:
        assert told["scoreError"].startswith(f'plugin "NodeAffinity" returns an invalid score {weight}, it should')


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"nodes": [node("a"), node("b"), node("a")]},
         'nodes[2] a: metadata.name: "a": duplicate: nodes[0] a has the same; keep one'),
        ({"pods": [pod("p"), pod("p", on="a")]},
         'pods[1] default/p: metadata.name: "p": duplicate: pods[0] default/p has'),
        ({"namespaces": [{"metadata": {"name": "n"}}] * 2},
         'namespaces[1] n: metadata.name: "n": duplicate: namespaces[0] n has'),
        ({"dataObjects": [data_object("logs")] * 2}, "duplicate: dataObjects[0]"),
        ({"nodeCapabilities": [capability("a")] * 2}, "duplicate: nodeCapabilities[0] a has"),
        ({"deviceClasses": [{"metadata": {"name": "d"}}] * 2}, "duplicate: deviceClasses[0] d has"),
        ({"pods": [{"metadata": {"name": "p", "uid": "u"}}, {"metadata": {"name": "q", "uid": "u"}}]},
         'pods[1] q: metadata.uid: "u": duplicate: pods[0] p has the same; keep one'),
        ({"dataObjects": [{"metadata": {}}]}, 'dataObjects[0]: metadata.name: "": missing; write one'),
        ({"pods": [{"metadata": {}}]}, 'pods[0]: metadata.name: "": missing; write one'),
        ({"pods": [pod("new", on="b")]},
         'pods[0] default/new: spec.nodeName: "b": the pod to place runs there; leave it out of pods'),
    ],
)  # fmt: skip
def test_what_one_cluster_cannot_hold_side_by_side_is_a_fault(changes: Object, text: str) -> None:
    assert text in fault(**changes)


def test_pods_of_one_name_in_two_namespaces_are_two() -> None:
    pods = [pod("p", on="a"), pod("p", on="a", namespace="other") | {"metadata": {"name": "p", "namespace": "other"}}]
    asked = question([node("a", pods="2")], pod(), pods=pods)
    assert json.loads(door.answer_line(json.dumps(asked).encode()))["message"].endswith("1 Too many pods.")


def test_the_pod_to_place_may_be_listed_as_long_as_it_runs_nowhere() -> None:
    pods = [pod(), pod("done", on="a", status={"phase": "Succeeded"})]
    for listed, asked in ((pods, pod()), (pods, pod("done"))):
        line = json.dumps(question([node("a")], asked, pods=listed)).encode()
        assert json.loads(door.answer_line(line))["chosen"] == "a"


@pytest.mark.parametrize(
    ("key", "text"),
    [("node", "did you mean nodes?"), ("dataobjects", "did you mean dataObjects?"), ("xyz", "write one of config, ")],
)
def test_a_key_that_nobody_knows_is_a_fault(key: str, text: str) -> None:
    told = fault(**{key: []})
    assert told.startswith(f'question: "{key}": unknown key; ')
    assert text in told


# ------------------------------------------------------------------------------------------- extended resources of DRA


GPU = "example.com/gpu"
CLASS: Object = {"metadata": {"name": "gpus"}, "spec": {"extendedResourceName": GPU}}


@pytest.mark.parametrize(
    ("offers", "classes", "count", "chosen"),
    [
        pytest.param(["2", None], [CLASS], "1", "a", id="one node leaves it to claims, and has no device"),
        pytest.param(["2", "0"], [CLASS], "1", "a", id="none of it is not offered"),
        pytest.param([None, None], [CLASS], "1", None, id="all leave it to claims, and have no device"),
        pytest.param(["2", "0"], [], "1", "a", id="no class claims it"),
        pytest.param(["2", "1"], [CLASS], "2", "a", id="every node offers it"),
        pytest.param(["2", "0"], [{"metadata": {"name": "gpus"}}], "1", "a", id="the class claims nothing"),
        pytest.param([None, None], [CLASS], "0", "ab", id="none is asked for"),
    ],
)
def test_an_extended_resource_that_a_device_class_claims_is_had_by_a_claim_where_no_plugin_offers_it(
    offers: list[str | None], classes: list[Object], count: str, chosen: str | None
) -> None:
    nodes = [node(name, more={} if offer is None else {GPU: offer}) for name, offer in zip("ab", offers, strict=True)]
    asked = question(nodes, pod("new", container() | {"resources": {"requests": {GPU: count}}}))
    told = json.loads(door.answer_line(json.dumps(asked | {"deviceClasses": classes}).encode()))
    if chosen is None:
        assert told["message"] == "0/2 nodes are available: 2 cannot allocate all claims."
    else:
        assert told["chosen"] in chosen


# ------------------------------------------------------------------------------------------------------ the command


def run(*arguments: str, lines: list[bytes], end: bytes = b"\n") -> testing.Result:
    return testing.CliRunner().invoke(cli.main, ["decide", *arguments], input=end.join(lines))


def line_of(identity: object, **changes: Any) -> bytes:
    return json.dumps(GOOD | {"id": identity} | changes).encode()


@pytest.mark.parametrize("_before", range(2))
def test_a_defect_costs_the_question_that_meets_it(monkeypatch: pytest.MonkeyPatch, _before: int) -> None:
    """And is told, though the process met one before."""
    real = decide.Engine.decide

    def sometimes(*arguments: Any) -> Any:
        if arguments[2].pod.metadata.name == "bad":
            raise ZeroDivisionError("a defect")
        return real(*arguments)

    monkeypatch.setattr(decide.Engine, "decide", sometimes)
    result = run(lines=[line_of(1), line_of(2, pod=pod("bad")), line_of(3)])
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["id"] for one in told] == [1, 2, 3]
    assert told[1]["fault"] == 'internal error, see standard error: ZeroDivisionError: "a defect"'
    assert told[0]["chosen"] == told[2]["chosen"]
    assert "question not answered" in result.stderr
    assert "ZeroDivisionError: a defect" in result.stderr


@pytest.mark.parametrize("seed", ["-1", str(2**63), "x", "1.5"])
def test_a_seed_that_is_none_is_refused_by_name(seed: str) -> None:
    result = run("--seed", seed, lines=[line_of(1)])
    assert result.exit_code == cli.CANNOT_START
    assert result.stdout == ""
    assert "'--seed'" in result.stderr
    assert seed in result.stderr


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_marks_and_ends_of_lines_of_other_systems_are_taken(end: bytes) -> None:
    result = run(lines=[b"\xef\xbb\xbf" + line_of(1), b"", b"  ", line_of(2), b""], end=end)
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["id"] for one in told] == [1, 2]
    assert all(one["chosen"] for one in told)
