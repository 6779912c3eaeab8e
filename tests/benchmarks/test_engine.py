"""What the engine's benchmark asks is what it says it asks, and the engine answers all of it."""

import random

import pytest

from benchmarks.engine import door, worlds

NODES, PLACED = 20, 200


@pytest.fixture(scope="module", params=[False, True], ids=["groups", "cohorts"])
def at_work(request: pytest.FixtureRequest) -> tuple[bool, door.Door]:
    make = worlds.in_cohorts if request.param else worlds.grouped
    made = door.Door(worlds.nodes(NODES), make(PLACED, NODES), worlds.objects(NODES, 1), seed=1)
    return bool(request.param), made


@pytest.mark.parametrize("name", worlds.KINDS)
def test_every_kind_finds_a_node(name: str, at_work: tuple[bool, door.Door]) -> None:
    kind, (_, engine) = worlds.KINDS[name], at_work
    rng = random.Random(1)
    for number in range(3):
        assert engine.place(engine.prepare(kind.make(f"{name}-{number}", number, rng)))


def test_a_cohort_keeps_apart_from_the_start() -> None:
    """Else the state would be one that no scheduler could have made."""
    placed: dict[str, list[str]] = {}
    for pod in worlds.in_cohorts(5 * worlds.COHORTS, 5000):
        placed.setdefault(pod["metadata"]["labels"]["app"], []).append(pod["spec"]["nodeName"])
    assert len(placed) == worlds.COHORTS
    assert all(len(set(nodes)) == len(nodes) == 5 for nodes in placed.values())


def test_a_new_shape_is_new_each_time() -> None:
    rng = random.Random(1)
    pods = [worlds.KINDS["plain-new"].make("x", number, rng) for number in range(2000)]
    assert len({str(pod["spec"]) for pod in pods}) == len(pods)


def test_a_known_shape_is_one() -> None:
    rng = random.Random(1)
    pods = [worlds.KINDS["plain-known"].make("x", number, rng) for number in range(10)]
    assert len({str(pod) for pod in pods}) == 1
