"""Images as data: what a node has not got counts in seconds beside the data of a pod that has some, and only there."""

from __future__ import annotations

import pytest

from scheduler import config, errors
from tests.engine.asking import ask, question, seconds
from tests.state.build import Object, container, data, data_object, node, pod

GB = 1_000_000_000
IMAGE = "registry.example:5000/team/app:1"
NODES = [
    node("a", region="r", zone="z", images={IMAGE: 5 * GB, "small:1": 25_000_000}),
    node("b", region="r", zone="z"),
    node("c", region="s", zone="x"),
]
OBJECTS = [data_object("logs/k", at=["b"])]
FAR = 0.030 + 5 * GB / 50e6


def place(*images: str, settings: Object | None = None, **notes: object) -> Object:
    containers = [container(f"c{number}", image=image) for number, image in enumerate(images)]
    chosen = {"imagePullAsData": True} | (settings or {})
    return ask(question(NODES, pod("new", *containers, notes=data(**notes)), objects=OBJECTS, settings=chosen))  # type: ignore[arg-type]


def test_an_image_counts_with_all_its_bytes_where_it_is_not() -> None:
    answer = place(IMAGE, inputs=["logs/k,1000000"])
    alone = seconds(place("unknown:1", inputs=["logs/k,1000000"]))
    expected = {"a": alone["a"], "b": alone["b"] + FAR, "c": alone["c"] + FAR}
    assert seconds(answer) == pytest.approx(expected, rel=1e-12)
    assert answer["chosen"] == "a"
    told = {name: one["data"].get("images") for name, one in answer["criteria"].items()}
    pull = {"image": IMAGE, "from": "external:/", "bytes": 5 * GB, "seconds": pytest.approx(FAR, rel=1e-12)}
    assert told == {"a": [], "b": [pull], "c": [pull]}


def test_each_image_counts_once() -> None:
    answer = place(IMAGE, IMAGE, "small", inputs=["logs/k,0"])
    assert seconds(answer)["c"] == pytest.approx(0.030 + FAR, rel=1e-12), "small:latest is another one, of unknown size"


def test_it_stands_in_for_the_score_of_images_and_not_beside_it() -> None:
    answer = place(IMAGE, inputs=["logs/k,1000000"])
    assert "ImageLocality" not in answer["scores"]
    fits = answer["scores"]["NodeResourcesFit"]
    given = {name: one["resources"]["u"] for name, one in answer["criteria"].items()}
    assert given == {name: score / 200 for name, score in fits.items()}, "of what two plugins can give"
    without = place(IMAGE, inputs=["logs/k,1000000"], settings={"imagePullAsData": False})
    assert "ImageLocality" in without["scores"]
    assert "images" not in without["criteria"]["b"]["data"]


@pytest.mark.parametrize("notes", [{}, {"prefer_region": "r"}])
def test_a_pod_without_data_is_placed_as_before(notes: Object) -> None:
    found, before = (place(IMAGE, settings={"imagePullAsData": on}, **notes) for on in (True, False))
    assert found == before
    assert "ImageLocality" in found["scores"]


@pytest.mark.parametrize(
    ("registry", "expected"),
    [
        pytest.param({"region": "s", "zone": "x"}, {"b": FAR, "c": 0.001 + 5 * GB / 500e6}, id="near c"),
        pytest.param(
            {"region": "s", "zone": "x", "bandwidthBytesPerSecond": 1e9},
            {"b": 0.030 + 5.0, "c": 0.001 + 5.0},
            id="at a rate of its own",
        ),
        pytest.param({"host": "docker.io", "region": "s"}, {"b": FAR, "c": FAR}, id="another one"),
    ],
)
def test_an_image_comes_from_where_its_registry_is(registry: Object, expected: dict[str, float]) -> None:
    told = {"host": "registry.example:5000"} | registry
    found = seconds(place(IMAGE, inputs=["none/x,0"], settings={"registries": [told]}))
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)
    assert found["a"] == 0


@pytest.mark.parametrize(
    ("registries", "word"),
    [
        pytest.param([{"region": "s"}], "host", id="no host"),
        pytest.param([{"host": "a.example"}, {"host": "a.example"}], "twice", id="twice"),
        pytest.param([{"host": "a.example", "bandwidth": 5}], "bandwidth", id="an unknown key"),
        pytest.param([{"host": "a.example", "bandwidthBytesPerSecond": 0}], "number", id="no rate"),
    ],
)
def test_a_registry_that_cannot_be_used_is_refused(registries: list[Object], word: str) -> None:
    with pytest.raises(errors.InputError, match=word):
        config.parse({"registries": registries}, "config")
