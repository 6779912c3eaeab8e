"""Whatever departs takes with it all that it brought: nothing grows with what was here once."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from scheduler.state import cluster, usage, validation
from tests.state import build
from tests.state.build import Object

MANY = 600


def asking(resource: str) -> Object:
    return build.container() | {"resources": {"requests": {resource: "1"}}}


def size(of: cluster.Cluster) -> int:
    """Entries in the matrices."""
    snap = of.freeze()
    return snap.offered.size + snap.taken.size


def test_resources_that_nobody_has_any_more_take_no_room() -> None:
    made = build.state([build.node("a", more={"example.com/gpu": "1"}), build.node("b")])
    before = size(made)
    pods = [build.pod(f"p{number}", asking(f"example.com/r{number}"), on="b") for number in range(MANY)]
    for obj in pods:
        made.apply_pod(build.as_pod(obj))
    snap = made.freeze()
    assert snap.taken[snap.resource_row[f"example.com/r{MANY - 1}"]].tolist() == [0, 1]
    for obj in pods:
        made.remove_pod(obj["metadata"]["uid"])
    assert set(made.freeze().resource_row) == {"cpu", "memory", "ephemeral-storage", "pods", "example.com/gpu"}
    assert size(made) <= 4 * before
    validation.check(made)


def test_a_resource_keeps_its_amounts_while_others_come_and_go() -> None:
    made = build.state([build.node("a", more={"example.com/gpu": "4"})])
    for turn in range(40):
        made.apply_node(build.as_node(build.node("a", more={f"example.com/x{turn}": "9", "example.com/gpu": "4"})))
        made.apply_pod(build.as_pod(build.pod("p", asking(f"example.com/y{turn}"), on="a")))
        snap = made.freeze()
        amounts = {name: (snap.offer_of(0)[row], snap.use_of(0)[row]) for name, row in snap.resource_row.items()}
        assert amounts["example.com/gpu"] == (4, 0)
        assert amounts[f"example.com/x{turn}"] == (9, 0)
        assert amounts[f"example.com/y{turn}"] == (0, 1)
        assert len(amounts) == 7
        validation.check(made)


def changing(kind: str) -> Iterable[Object]:
    for number in range(MANY):
        match kind:
            case "taints":
                yield build.node("a", taints=[{"key": "since", "value": str(number), "effect": "NoSchedule"}])
            case "labels":
                yield build.node("a", labels={f"label-{number}": "x"})
            case "values":
                yield build.node("a", labels={"since": str(number)})
            case "images":
                yield build.node("a", images={f"app:{number}": 5})
            case _:
                yield build.node("a", region="r", zone=str(number))


@pytest.mark.parametrize("kind", ["taints", "labels", "values", "images", "sites"])
def test_what_changes_all_the_time_leaves_nothing_behind(kind: str) -> None:
    made = build.state()
    for obj in changing(kind):
        made.apply_node(build.as_node(obj))
    snap = made.freeze()
    since = snap.node_labels.column("since")
    assert len(snap.taint_sets) <= 3
    assert len(snap.node_labels.columns()) <= 2
    assert since is None or since.width <= 2
    assert len(snap.images) <= 1
    assert len(snap.links.sites) <= 3
    validation.check(made)


def test_ports_are_kept_for_the_nodes_that_use_them() -> None:
    made = build.state([build.node("a"), build.node("b")])
    for number in range(1, MANY):
        pod = build.pod(f"p{number}", build.container(ports=[{"hostPort": number}]), on="b")
        made.apply_pod(build.as_pod(pod))
    assert made.freeze().ports["TCP", 80] == {"0.0.0.0": {1: 1}}  # noqa: S104
    made.remove_node("b")
    assert not made.freeze().ports
    made.apply_node(build.as_node(build.node("c")))
    assert not made.freeze().ports
    made.apply_node(build.as_node(build.node("b")))
    assert len(made.freeze().ports) == MANY - 1
    validation.check(made)


def test_a_doubted_state_says_what_is_wrong() -> None:
    made = build.state([build.node("a")], pods=[build.pod("p", build.container(cpu="1"), on="a")])
    assert validation.problems(made) == []
    taken = np.asarray(made.freeze().taken.base)  # what nobody else writes to
    taken[usage.CPU, 0] += 1
    (found,) = validation.problems(made)
    assert "node a" in found
    with pytest.raises(AssertionError, match="should be"):
        validation.check(made)
