"""The offline door: whatever a line holds, it gets one line of answer with its id, and the next one is answered too."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click import testing
from hypothesis import given
from hypothesis import strategies as st

from scheduler import cli, config
from scheduler.offline import door
from tests.engine.asking import question
from tests.state.build import Object, capability, container, data, data_object, link, node, pod

GOOD: Object = question([node("a"), node("b")], pod())
POD = b'"pod":{"metadata":{"name":"p"}}'


def answer(line: bytes | Object) -> Object:
    """One line of JSON, whatever was asked."""
    told = door.answer_line(line if isinstance(line, bytes) else json.dumps(line).encode())
    assert b"\n" not in told
    read: Object = json.loads(told)
    return read


def asked(**changes: Any) -> Object:
    """A question that would be answered but for the changes."""
    return GOOD | {"id": 7} | changes


def deep(opening: bytes, closing: bytes, depth: int = 100_000) -> bytes:
    return opening * depth + closing * depth


# Lines whose id cannot be known.
SENSELESS = [
    pytest.param(b"hello", id="no JSON"),
    pytest.param(b'{"id":7,"pod":', id="cut off"),
    pytest.param(b'{"id":7,' + POD + b"} trailing", id="something follows"),
    pytest.param(b'{"id":7,' + POD + b',"x":' + deep(b"[", b"]") + b"}", id="nested lists without end"),
    pytest.param(
        b'{"id":7,' + POD + b',"x":' + deep(b'{"a":', b"}").replace(b":}", b":1}") + b"}", id="nested objects"
    ),
    pytest.param(deep(b"[", b"]"), id="nothing but nesting"),
    pytest.param(b'{"id":7,"pod":{"metadata":{"name":"p\xff"}}}', id="not UTF-8"),
    pytest.param(b'{"id":7,"pod":{"metadata":{"name":"\\ud800"}}}', id="half a surrogate pair"),
    pytest.param(b'{"id":7,"pod":{"metadata":{"name":"p"},"spec":{"priority":NaN}}}', id="NaN"),
    pytest.param(b'{"id":7,"pod":{"metadata":{"name":"p"},"spec":{"priority":-Infinity}}}', id="infinity"),
    pytest.param(b"[1,2]", id="a list"),
    pytest.param(b"null", id="null"),
    pytest.param(b"7", id="a number"),
    pytest.param(b'"text"', id="a text"),
    pytest.param(b"{}", id="nothing"),
    pytest.param(b"\xef\xbb\xbf{}", id="a byte order mark"),
    pytest.param(b'{"id":7,' + POD.replace(b'p"', b'\x00"') + b"}", id="a raw control character"),
]

HUGE = 10**400

# Lines with an id and something that cannot be used, and a word that the fault must hold.
FAULTY = [
    pytest.param({"id": 7}, "pod", id="no pod"),
    pytest.param(asked(pod=None), "pod", id="a null for the pod"),
    pytest.param(asked(pod=[]), "pod", id="a list for the pod"),
    pytest.param(asked(pod={"metadata": None}), "metadata", id="a null for metadata"),
    pytest.param(asked(pod={"metadata": {"name": 5}}), "name", id="a number for a name"),
    pytest.param(asked(nodes={"a": 1}), "nodes", id="an object for a list"),
    pytest.param(asked(nodes=[{"metadata": {}}, node("b")]), "metadata.name", id="a node without a name"),
    pytest.param(asked(nodes=["a"]), "nodes", id="names for nodes"),
    pytest.param(asked(nodes=[node("a", cpu="four")]), "four", id="a node's quantity"),
    pytest.param(asked(pod=pod("p", container(cpu="-1"))), "-1", id="a negative quantity"),
    pytest.param(asked(pod=pod("p", container(memory="1 Gi"))), "1 Gi", id="a quantity with a space"),
    pytest.param(asked(pod=pod(priority=1.5)), "priority", id="half a priority"),
    pytest.param(asked(pod=pod(priority="high")), "priority", id="a word for a priority"),
    pytest.param(asked(pod=pod(overhead={"cpu": "much"})), "much", id="an overhead"),
    pytest.param(asked(pods=[pod("p", container(cpu="x"), on="a")]), "x", id="another pod's quantity"),
    pytest.param(asked(config={"nope": 1}), "nope", id="an unknown setting"),
    pytest.param(asked(config=["nope"]), "config", id="a list for the configuration"),
    pytest.param(asked(config={"tau": HUGE}), "tau", id="a huge setting"),
    pytest.param(asked(config={"scheduler": {"weights": {"default": {"resource": -1}}}}), "resource", id="a weight"),
    pytest.param(asked(dataObjects=[{"spec": {"urn": "logs"}}]), "metadata", id="an object without metadata"),
    pytest.param(asked(dataObjects=[data_object("logs") | {"spec": {"urn": ["logs"]}}]), "urn", id="a list for a urn"),
    pytest.param(asked(nodeCapabilities=[{"metadata": {"name": "a"}, "status": {"links": [{}]}}]), "peer", id="a link"),
    pytest.param(asked(now="noon"), "noon", id="a word for a time"),
    pytest.param(asked(now="2026-01-02T03:04:05"), "2026-01-02T03:04:05Z", id="a time without a zone"),
]

# Numbers that fit JSON and nothing else; each may be answered or refused, as long as it is told.
LARGE = [
    pytest.param(asked(pod=pod(priority=HUGE)), id="priority"),
    pytest.param(asked(nodes=[node("a", images={"app:1": HUGE}), node("b")]), id="image size"),
    pytest.param(asked(nodes=[node("a", images={"app:1": -1}), node("b")]), id="negative image size"),
    pytest.param(asked(nodes=[node("a", images={"app:1": 10**30}), node("b")]), id="image size beyond int64"),
    pytest.param(
        asked(
            pod=pod(notes=data(inputs=["logs/k,0"])),
            dataObjects=[data_object("logs/k", at=["a"], pinned=HUGE)],
        ),
        id="data size",
    ),
    pytest.param(
        asked(
            pod=pod(notes=data(inputs=["logs/k,5"])),
            dataObjects=[data_object("logs/k", at=["a"])],
            nodeCapabilities=[capability("a", links=[link("b", bandwidth=HUGE)])],
        ),
        id="bandwidth",
    ),
    pytest.param(asked(pod=pod("p", container(ports=[{"hostPort": HUGE}]))), id="port"),
    pytest.param(
        asked(
            pod=pod(affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": HUGE, "preference": {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}}]}})
        ),
        id="weight",
    ),
    pytest.param(
        asked(pod=pod("p", container(cpu="1e400", memory="9223372036854775807Ei")), nodes=[node("a", cpu="1e400")]),
        id="quantities",
    ),
]  # fmt: skip


def test_a_good_question_is_answered_with_its_id() -> None:
    for identity in (7, "text", 0, 1.5, False, ["a", 1], {"k": None}):
        told = answer(GOOD | {"id": identity})
        assert told["id"] == identity
        assert told["chosen"] in {"a", "b"}
    assert "id" not in answer({key: value for key, value in GOOD.items() if key != "id"})


@pytest.mark.parametrize("line", SENSELESS)
def test_a_line_without_sense_is_a_fault(line: bytes) -> None:
    told = answer(line)
    assert set(told) <= {"id", "fault"}
    assert told.get("id", 7) == 7
    assert 0 < len(told["fault"]) < 2000


@pytest.mark.parametrize(("line", "word"), FAULTY)
def test_what_cannot_be_used_is_a_fault_that_names_it(line: Object, word: str) -> None:
    told = answer(line)
    assert set(told) == {"id", "fault"}
    assert told["id"] == 7
    assert word in told["fault"]
    assert len(told["fault"]) < 2000


@pytest.mark.parametrize("line", LARGE)
def test_numbers_beyond_all_bounds_are_told(line: Object) -> None:
    told = answer(line)
    assert told["id"] == 7
    assert "fault" in told or told.get("chosen") in {"a", "b"} or told["message"]


def test_nulls_count_as_absent() -> None:
    nothing = asked(pods=None, dataObjects=None, nodeCapabilities=None, config=None, services=None)
    nothing["nodes"] = [
        {"metadata": {"name": "a", "labels": None, "annotations": None}, "spec": None, "status": {
            "allocatable": {"cpu": "1", "memory": "1Gi", "pods": "5", "example.com/gpu": None}, "images": None}}
    ]  # fmt: skip
    nothing["pod"] = {
        "metadata": {"name": "p", "annotations": None, "labels": None, "ownerReferences": None},
        "spec": {"containers": [{"name": "c", "resources": None, "ports": None}], "volumes": None, "affinity": None,
                 "tolerations": None, "nodeSelector": None, "initContainers": None, "topologySpreadConstraints": None},
        "status": None,
    }  # fmt: skip
    assert answer(nothing)["chosen"] == "a"


@pytest.mark.parametrize(
    "notes",
    [
        pytest.param({"note": "x" * 2**20}, id="somebody else's"),
        pytest.param({"data.scheduler.thesis/input-1": "x" * 2**20}, id="an input"),
        pytest.param({"data.scheduler.thesis/input-1": "logs/k,5," + "9" * 2**20}, id="processing seconds"),
        pytest.param({"scheduler.thesis/data-sources": "logs," * 200_000}, id="sources"),
        pytest.param({"knative.event-data": "[" * 2**20}, id="an event"),
        pytest.param({f"data.scheduler.thesis/input-{n}": "logs/k,1" for n in range(20_000)}, id="thousands of inputs"),
    ],
)
def test_a_megabyte_of_annotation_harms_nobody(notes: dict[str, str]) -> None:
    told = answer(asked(pod=pod(notes=notes)))
    assert told["chosen"] in {"a", "b"}
    assert all(len(problem) < 1000 for problem in told.get("problems", []))


def test_a_bad_annotation_is_told_and_the_rest_counts() -> None:
    notes = data(inputs=["logs/k,12MB", "logs/k,1000000000"])
    told = answer(asked(pod=pod(notes=notes), dataObjects=[data_object("logs/k", at=["b"])]))
    assert told["chosen"] == "b"
    (problem,) = told["problems"]
    assert "input-1" in problem
    assert "12000000" in problem


def test_nothing_is_carried_over_from_question_to_question() -> None:
    first = door.answer_line(json.dumps(GOOD).encode(), seed=3)
    door.answer_line(json.dumps(asked(config={"seed": 1}, nodes=[node("z")])).encode(), seed=3)
    door.answer_line(b"hello", seed=3)
    assert door.answer_line(json.dumps(GOOD).encode(), seed=3) == first


def test_a_questions_own_configuration_goes_before_the_default() -> None:
    default = config.Settings(weights=config.Profiles(default=config.Weights(1, 0, 0, 0, 0)))
    notes = data(prefer_region="r")

    def weight(question_: Object) -> float:
        told = json.loads(door.answer_line(json.dumps(question_).encode(), default))
        found: float = told["criteria"]["a"]["resources"]["weight"]
        return found

    assert weight(asked(pod=pod(notes=notes))) == 1
    assert weight(asked(pod=pod(notes=notes), config={"resourceWeight": 0.3})) == 0.3


def test_pods_without_a_uid_are_told_apart_by_name() -> None:
    pods = [pod(name, on="a") for name in ("x", "y")] + [pod("x", on="a", namespace="other")]
    for one in pods:
        del one["metadata"]["uid"]
    told = answer(asked(nodes=[node("a", pods="3")], pods=pods))
    assert told["message"] == "0/1 nodes are available: 1 Too many pods."


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data(), value=json_values)
def test_anything_anywhere_is_answered(data: st.DataObject, value: Any) -> None:
    """Put any JSON in the place of any part of a rich question."""
    rich: Any = json.loads(json.dumps(RICH))
    here = rich
    for _ in range(data.draw(st.integers(0, 6))):
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            break
        key = data.draw(st.sampled_from(keys))
        if not isinstance(here[key], dict | list) or not here[key]:
            here[key] = value
            break
        here = here[key]
    else:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if keys:
            here[data.draw(st.sampled_from(keys))] = value
    told = answer(rich)
    assert "fault" in told or "chosen" in told or told["message"] or "scoreError" in told


RICH = question(
    [node("a", region="r", zone="z", can={"bandwidth-to-b": "5000"}, images={"app:1": 10**9}), node("b")],
    pod(
        "new",
        container(cpu="1", memory="1Gi", ports=[{"hostPort": 80, "hostIP": "1.2.3.4", "protocol": "UDP"}]),
        notes=data(inputs=["logs/k,5000,3"], outputs=["logs/o,1"], prefer_zone="z", capability_x="y"),
        tolerations=[{"key": "k", "operator": "Exists"}],
        initContainers=[container(cpu="1") | {"restartPolicy": "Always"}],
        overhead={"cpu": "1m"},
        affinity={"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 5, "preference": {"matchExpressions": [{"key": "k", "operator": "NotIn", "values": ["v"]}]}}]}},
    ),
    pods=[pod("p", container(cpu="1"), on="a", priority=3), pod("q", status={"nominatedNodeName": "b"})],
    objects=[data_object("logs/k", at=["a"], size=5), data_object("logs", at=["b"], declared=["a"])],
    capabilities=[capability("b", stores=[{"name": "s", "available": True, "buckets": ["x"]}], links=[link("a")])],
    settings={"tau": 5, "resourceWeight": 0.1},
)  # fmt: skip


def test_the_rich_question_is_answered() -> None:
    assert answer(RICH)["chosen"] in {"a", "b"}


def test_the_command_goes_on_after_a_bad_line() -> None:
    good = json.dumps(GOOD | {"id": "good"}).encode()
    lines = [good, b"hello", b"", b'{"id":"deep","x":' + deep(b"[", b"]") + b"}", b'{"id":"none"}', b"\xff\xfe", good]
    result = testing.CliRunner().invoke(cli.main, ["decide", "--seed", "5"], input=b"\n".join(lines))
    assert result.exit_code == 0, result.output
    told = [json.loads(line) for line in result.stdout_bytes.splitlines()]
    assert [one.get("id") for one in told] in (
        ["good", None, "deep", "none", None, "good"],
        ["good", None, None, "none", None, "good"],
    )
    assert ["fault" in one for one in told] == [False, True, True, True, True, False]
    assert told[0] == told[-1]
