"""Which weights a pod gets, by what it says of itself, else by the ratio of its transfers to its processing."""

from __future__ import annotations

import pytest

from scheduler import config
from tests.engine.asking import ask, question
from tests.state.build import Object, data, data_object, node, pod

NODES = [node(name, region="r", zone="z") for name in "abc"]
# Three nodes: local on one and the same zone on two, so the median is 0.001 s + 2 s.
GIB = "logs/k,1000000000"
MEDIAN_S = 2.001

RULES = [
    pytest.param({}, "plain", "annotation", id="no annotation"),
    pytest.param({"input-1": "x"}, "plain", "annotation", id="somebody else's annotation"),
    pytest.param({"scheduler.thesis/pipeline": "p"}, "plain", "annotation", id="a mark of the user's own"),
    pytest.param(data(inputs=["no size"]), "plain", "annotation", id="nothing usable"),
    pytest.param(data(data_intensive="false"), "plain", "annotation", id="a flag set to false"),
    pytest.param(data(prefer_region="r"), "default", "no inputs", id="a preference alone"),
    pytest.param(data(capability_x="1"), "default", "no inputs", id="a capability alone"),
    pytest.param(data(data_sources="logs"), "default", "no inputs", id="sources alone"),
    pytest.param(data(inputs=[GIB]), "default", "no processing", id="no processing seconds"),
    pytest.param(data(inputs=[f"{GIB},1.0"]), "data-intensive", "2 s", id="above 2"),
    pytest.param(data(inputs=[f"{GIB},1.0006"]), "default", "2 s", id="just below 2"),
    pytest.param(data(inputs=[f"{GIB},10"]), "default", "2 s", id="just above 0.2"),
    pytest.param(data(inputs=[f"{GIB},10.01"]), "compute-intensive", "2 s", id="below 0.2"),
    pytest.param(
        data(inputs=["logs/k,0,5"], outputs=["logs/k,0,6"]), "compute-intensive", "11 s", id="processing adds up"
    ),
    pytest.param(data(inputs=["unknown/k,5,1"]), "default", "says nothing", id="unknown data says nothing"),
    pytest.param(data(outputs=["unknown/k,5,1"]), "default", "says nothing", id="nor does it as an output"),
    pytest.param(
        data(inputs=[f"{GIB}", "unknown/k,5,1000"]), "default", "says nothing", id="nor how long it takes to process"
    ),
    pytest.param(
        data(inputs=[f"{GIB},1.0", "unknown/k,5,1000"]), "data-intensive", "2 s", id="known data alone is compared"
    ),
    pytest.param(data(inputs=["lost/k,5,1"]), "default", "says nothing", id="data that cannot be had says nothing"),
    pytest.param(data(inputs=[f"{GIB},1000"], data_intensive=""), "data-intensive", "annotated", id="annotated data"),
    pytest.param(
        data(inputs=[f"{GIB},0.1"], compute_intensive="true"), "compute-intensive", "annotated", id="annotated compute"
    ),
    pytest.param(data(workload_type="compute-intensive"), "compute-intensive", "annotated", id="as workload type"),
    pytest.param(
        data(data_intensive="", compute_intensive=""), "data-and-compute-intensive", "mean", id="annotated both"
    ),
]
WEIGHTS = {  # resources, affinity, node type, capability, data
    "plain": (0.25, 0.75, 0, 0, 0),
    "default": (0.15, 0.10, 0.15, 0.10, 0.50),
    "data-intensive": (0.10, 0.05, 0.05, 0.05, 0.75),
    "compute-intensive": (0.40, 0.15, 0.10, 0.15, 0.20),
    "data-and-compute-intensive": (0.25, 0.10, 0.075, 0.10, 0.475),
}
CRITERIA = ("resources", "affinity", "nodeType", "capability", "data")


def weights(answer: Object) -> tuple[float, ...]:
    (of_node, *_) = answer["criteria"].values()
    return tuple(of_node[criterion]["weight"] for criterion in CRITERIA)


def place(notes: dict[str, str], settings: Object | None = None) -> Object:
    objects = [data_object("logs/k", at=["a"]), data_object("lost/k", gone=["a"])]
    return ask(question(NODES, pod(notes=notes), objects=objects, settings=settings))


@pytest.mark.parametrize(("notes", "name", "why"), RULES)
def test_each_rule_gives_its_weights_and_says_why(notes: dict[str, str], name: str, why: str) -> None:
    answer = place(notes)
    assert answer["profile"]["name"] == name
    assert why in answer["profile"]["why"]
    assert weights(answer) == pytest.approx(WEIGHTS[name], abs=1e-15)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        pytest.param({"dataIntensiveRatio": 2.5}, "default", id="a higher threshold"),
        pytest.param({"dataIntensiveRatio": 0.3, "computeIntensiveRatio": 0.1}, "data-intensive", id="a lower one"),
    ],
)
def test_thresholds_are_the_operators(settings: Object, name: str) -> None:
    assert place(data(inputs=[f"{GIB},0.9"]), settings)["profile"]["name"] == name


def test_the_median_is_over_the_feasible_nodes_only() -> None:
    far = [node(f"far{number}", region="s", cordoned=True) for number in range(7)]
    pod_ = pod(notes=data(inputs=[f"{GIB},1.0006"]))
    answer = ask(question([*NODES, *far], pod_, objects=[data_object("logs/k", at=["a"])]))
    assert answer["profile"]["name"] == "default"


def test_weights_are_the_operators() -> None:
    settings = {"dataLocalityWeight": 0.9, "resourceWeight": 0.1, "nodeAffinityWeight": 0, "nodeTypeWeight": 0,
                "capabilitiesWeight": 0}  # fmt: skip
    assert weights(place(data(prefer_region="r"), settings)) == (0.1, 0, 0, 0, 0.9)
    assert weights(place({}, settings)) == WEIGHTS["plain"], "a plain pod is placed as kube-scheduler does"


def test_the_plain_profile_weighs_as_the_plugins_do() -> None:
    plugins = config.Plugins(score_weights=config.Plugins().score_weights | {"TaintToleration": 13, "ImageLocality": 0})  # type: ignore[operator]
    answer = ask(question(NODES, pod()), settings=config.Settings(plugins=plugins))
    assert weights(answer) == pytest.approx((2 / 21, 19 / 21, 0, 0, 0), abs=1e-15)
