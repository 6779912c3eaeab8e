"""The scripts that kube-scheduler and ours are compared by: one seed, one script, and no ties of their making."""

from __future__ import annotations

import collections

import pytest

from tests.parity.sequences import scripts

SEEDS = range(200)


@pytest.mark.parametrize("seed", range(3))
def test_a_seed_gives_the_same_script(seed: int) -> None:
    assert scripts.draw(seed, 30) == scripts.draw(seed, 30) != scripts.draw(seed + 1, 30)


def test_no_two_pods_of_an_opening_are_as_urgent_and_no_two_nodes_of_one_size() -> None:
    for seed in SEEDS:
        script = scripts.draw(seed, 20)
        opening = [step.body["spec"]["priorityClassName"] for step in script.opening if step.kind == "pods"]
        assert len(set(opening)) == len(opening) == len(scripts.CLASSES)
        for kind, size in (("nodes", ("status", "allocatable", "cpu")), ("volumes", ("spec", "capacity", "storage"))):
            made = [
                step.body for step in (*script.opening, *script.steps) if (step.what, step.kind) == ("create", kind)
            ]
            sizes = [body[size[0]][size[1]][size[2]] for body in made]
            assert len(set(sizes)) == len(sizes)


def test_everything_that_wakes_a_pod_happens_somewhere() -> None:
    seen: collections.Counter[tuple[str, str, str]] = collections.Counter()
    for seed in SEEDS:
        for step in scripts.draw(seed, 20).steps:
            parts = step.body if step.what == "change" else {"": None}
            fields = [f"{part}.{field}" for part, body in parts.items() for field in (body or {"": None})]
            seen.update((step.what, step.kind, field) for field in fields)
    wanted = {
        ("create", "nodes", "."),
        ("create", "pods", "."),
        ("create", "claims", "."),
        ("create", "volumes", "."),
        ("delete", "pods", "."),
        ("change", "nodes", "spec.taints"),
        ("change", "nodes", "spec.unschedulable"),
        ("change", "nodes", "metadata.labels"),
        ("change", "nodes", "status.allocatable"),
        ("change", "pods", "spec.schedulingGates"),
        ("change", "pods", "spec.tolerations"),
        ("change", "pods", "metadata.labels"),
        ("change", "pods", "metadata.annotations"),
    }
    assert {one for one, count in seen.items() if count > 20} >= wanted


@pytest.mark.parametrize(
    ("was", "change", "made"),
    [
        pytest.param({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 4}}, {"a": 1, "b": {"c": 4, "d": 3}}, id="merged"),
        pytest.param({"a": {"b": 1, "c": 2}}, {"a": {"b": None}}, {"a": {"c": 2}}, id="removed"),
        pytest.param({"a": [1]}, {"a": {scripts.ADD: [2]}}, {"a": [1, 2]}, id="added to"),
        pytest.param({}, {"a": {scripts.ADD: [2]}}, {"a": [2]}, id="added to nothing"),
        pytest.param({"a": [1]}, {"a": []}, {"a": []}, id="replaced"),
    ],
)
def test_a_change_says_what_is_other(was: object, change: object, made: object) -> None:
    assert scripts.merged(was, change) == made
