"""What the engine's benchmark asks is what it says it asks, and the engine answers all of it."""

import random
from collections import Counter

import pytest

from benchmarks.engine import door, kinds, worlds

NODES, PLACED, ASKED = 20, 200, 3


@pytest.fixture(scope="module", params=worlds.WORLDS)
def at_work(request: pytest.FixtureRequest) -> tuple[str, door.Door]:
    """Each world with what some pods of its kinds name."""
    world = str(request.param)
    objects = {name: list(each) for name, each in worlds.WORLDS[world](NODES, PLACED).items()}
    for kind in worlds.KINDS.values():
        if kind.world == world and kind.beside is not None:
            for number in range(ASKED):
                for collection, more in kind.beside(number).items():
                    objects.setdefault(collection, []).extend(more)
    return world, door.Door(objects, seed=1)


def test_every_kind_finds_a_node(at_work: tuple[str, door.Door]) -> None:
    world, engine = at_work
    for name, kind in worlds.KINDS.items():
        if kind.world == world:
            asked = kinds.prepared(engine, kinds.pods(name, kind, ASKED, seed=1))
            assert kinds.decide(engine, asked) is not None, name


def test_a_cohort_keeps_apart_from_the_start() -> None:
    """Else the state would be one that no scheduler could have made."""
    placed: dict[str, list[str]] = {}
    for pod in worlds.cohorts(5000, 5 * worlds.COHORTS)["pods"]:
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


def test_a_group_is_spread_over_all_zones_and_nodes() -> None:
    zones: Counter[int] = Counter()
    nodes = set()
    for pod in worlds.groups(5000, 50_000)["pods"]:
        if pod["metadata"]["labels"]["app"] == "group-7":
            number = int(pod["spec"]["nodeName"].rpartition("-")[2])
            nodes.add(number)
            zones[number % 10] += 1
    assert len(nodes) == sum(zones.values()) == 100
    assert set(zones.values()) == {10}


def test_a_pod_that_is_important_needs_two_to_go() -> None:
    room_milli = 32_000 - 10 * worlds.LOW_CPU_MILLI
    assert room_milli + worlds.LOW_CPU_MILLI < worlds.HIGH_CPU_MILLI <= room_milli + 2 * worlds.LOW_CPU_MILLI
