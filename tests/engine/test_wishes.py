"""What pods require of nodes, and are refused without; and what they merely want, and nodes are preferred for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.asking import ask, question, reasons, utilities
from tests.state.build import Object, capability, data, node, pod, store

NODES = [
    node("bare"),
    node("edge", kind="edge", region="r1", zone="z1", can={"tpu": "v2", "fast-storage": "true"}),
    node("cloud", kind="cloud", region="r1", zone="z2", can={"tpu": "v3"}, more={"nvidia.com/gpu": "2"}),
    node("store", kind="cloud", region="r2", zone="z1"),
    node("denied", can={"tpu": "false", "fast-storage": "False", "gpu-nvidia": "false", "storage-service": "false"}),
]
CAPABILITIES = [
    capability("store", stores=[store("logs")], found={"tpu": "v1"}),
    capability("denied", found={"tpu": "v3", "fast-storage": "true", "gpu-nvidia": "true", "storage-service": "x"}),
]
TPU = "node(s) didn't have the required capability tpu"


def place(notes: dict[str, str], nodes: list[Object] = NODES, **spec: Any) -> Object:
    return ask(question(nodes, pod(notes=notes, **spec), capabilities=CAPABILITIES))


@pytest.mark.parametrize(
    ("notes", "feasible", "reason"),
    [
        pytest.param(data(required_capability="tpu"), ["cloud", "edge", "store"], TPU, id="present"),
        pytest.param(data(required_capability="tpu=v3"), ["cloud"], f"{TPU}=v3", id="with a value"),
        pytest.param(data(required_capability="tpu=V3"), [], f"{TPU}=V3", id="values tell upper from lower case"),
        pytest.param(
            data(capability_requirements="fast-storage,tpu=v2"),
            ["edge"],
            "node(s) didn't have the required capability fast-storage",
            id="several",
        ),
        pytest.param(data(requires_gpu=""), ["cloud"], "node(s) didn't have a GPU", id="GPU"),
        pytest.param(data(requires_fast_storage=""), ["edge"], "node(s) didn't have fast storage", id="fast storage"),
        pytest.param(
            data(requires_local_storage="true"), ["store"], "node(s) didn't serve local storage", id="local storage"
        ),
        pytest.param(data(requires_gpu="false"), ["bare", "cloud", "denied", "edge", "store"], "", id="not required"),
    ],
)
def test_what_is_required_and_lacking_refuses(notes: dict[str, str], feasible: list[str], reason: str) -> None:
    answer = place(notes)
    assert answer["feasible"] == feasible
    refused = [name for name in sorted(answer["nodes"]) if name not in feasible]
    for name in refused:
        said = answer["nodes"][name]
        assert (said["plugin"], said["code"]) == ("NodeCapability", "UnschedulableAndUnresolvable")
        assert answer["plugins"][name]["NodeCapability"]["reasons"] == said["reasons"]
    assert reasons(answer).get("bare", [""]) == [reason]
    if not feasible:
        assert answer["message"] == f"0/5 nodes are available: 5 {reason}."


def test_the_first_lack_is_the_reason() -> None:
    answer = place(data(required_capability="tpu", requires_gpu="", requires_fast_storage=""))
    assert reasons(answer) == {
        "bare": [TPU],
        "denied": [TPU],
        "edge": ["node(s) didn't have a GPU"],
        "store": ["node(s) didn't have a GPU"],
        "cloud": ["node(s) didn't have fast storage"],
    }
    message = (
        "0/5 nodes are available: 1 node(s) didn't have fast storage, 2 node(s) didn't have a GPU, "
        "2 node(s) didn't have the required capability tpu."
    )
    assert answer["message"] == message


def test_upstreams_filters_go_first() -> None:
    nodes = [node("a", cordoned=True), node("b", cpu="1")]
    answer = place(data(requires_gpu=""), nodes)
    assert answer["nodes"]["a"]["plugin"] == "NodeUnschedulable"
    assert answer["nodes"]["b"]["plugin"] == "NodeCapability"


@pytest.mark.parametrize(
    ("notes", "granted"),
    [
        pytest.param(data(capability_tpu=""), ("edge", "cloud", "store"), id="any value"),
        pytest.param(data(capability_tpu="v3"), ("cloud",), id="a value"),
        pytest.param(data(capability_nothing="1"), (), id="what nobody has"),
    ],
)
def test_wanted_capabilities_prefer_and_never_refuse(notes: dict[str, str], granted: tuple[str, ...]) -> None:
    answer = place(notes)
    assert utilities(answer, "capability") == {one["metadata"]["name"]: float(one["metadata"]["name"] in granted)
                                               for one in NODES}  # fmt: skip


def test_wishes_count_by_their_share() -> None:
    answer = place(
        data(**{"capability_tpu": "v2", "capability_fast-storage": "", "capability_x": "", "capability_y": ""})
    )
    assert utilities(answer, "capability") == {"bare": 0, "edge": 0.5, "cloud": 0, "store": 0, "denied": 0}
    assert answer["chosen"] == "edge"


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        pytest.param(data(prefer_edge=""), {"edge": 1}, id="edge"),
        pytest.param(data(prefer_cloud=""), {"cloud": 1, "store": 1}, id="cloud"),
        pytest.param(data(prefer_region="r1"), {"edge": 1, "cloud": 1}, id="region"),
        pytest.param(data(prefer_zone="z1"), {"edge": 1, "store": 1}, id="zone"),
        pytest.param(data(prefer_region="R1"), {}, id="a region that is not there"),
        pytest.param(
            data(prefer_cloud="", prefer_region="r1"), {"edge": 0.5, "cloud": 1, "store": 0.5}, id="two of them"
        ),
        pytest.param(
            data(prefer_edge="", prefer_region="r1", prefer_zone="z2"),
            {"edge": 2 / 3, "cloud": 2 / 3},
            id="three of them",
        ),
    ],
)
def test_places_are_preferred_by_their_share(notes: dict[str, str], expected: dict[str, float]) -> None:
    answer = place(notes)
    assert utilities(answer, "nodeType") == pytest.approx(
        {one["metadata"]["name"]: expected.get(one["metadata"]["name"], 0.0) for one in NODES}, abs=1e-15
    )


def test_without_wishes_all_nodes_are_alike() -> None:
    answer = place(data(data_intensive=""))
    for criterion in ("nodeType", "capability"):
        assert set(utilities(answer, criterion).values()) == {1.0}


def test_edge_and_cloud_at_once_is_told_and_counts_for_neither() -> None:
    answer = place(data(prefer_edge="", prefer_cloud=""))
    assert set(utilities(answer, "nodeType").values()) == {1.0}
    assert "exclude each other" in answer["problems"][0]


def test_a_node_capability_gives_the_place_that_labels_leave_open() -> None:
    nodes = [node("a"), node("b", region="r2")]
    capabilities = [capability(name, kind="edge", region="r1", zone="z") for name in "ab"]
    answer = ask(question(nodes, pod(notes=data(prefer_region="r1", prefer_edge="")), capabilities=capabilities))
    assert utilities(answer, "nodeType") == {"a": 1.0, "b": 0.5}
