"""What lies on a node counts as long as the node is ready and its daemon is heard from; live, with real stores.

Two regions, each with a store that has the same key. The western one goes: first its node dies, then only its daemon
falls silent. Each time the pods of the west fetch from the east as soon as they should, people can see why, and all is
as it was when the west is back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from localcluster import topology
from tests import clusterfixture
from tests.e2e import process, test_data_decides

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

Json = dict[str, Any]

URN = "shared/movie.bin"
DEAD = "store-west"
# The least that can be set: daemons that are alive tell it every five minutes, or with whatever else they have to tell.
MAX_AGE_MINUTES = 1


@pytest.fixture(scope="module")
def world(
    cluster_factory: clusterfixture.ClusterFactory, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[test_data_decides.World]:
    with cluster_factory(topology.Topology(test_data_decides.NODES)) as running:
        settings = {**test_data_decides.CONFIGURATION, "maxWitnessAgeMinutes": MAX_AGE_MINUTES}
        made = test_data_decides.World(running, tmp_path_factory.mktemp("scheduler"), settings)
        for store in made.stores.values():
            store.upload("shared", "movie.bin", 5_000_000)
        process.until(lambda: len(made.holders("shared")) == 2, "the bucket is known")
        made.place(made.body(inputs=(f"{URN},{test_data_decides.GB}",)))
        process.until(lambda: len(made.holders(URN)) == 2, "both copies are found")
        yield made


@pytest.fixture
def heard(world: test_data_decides.World) -> Callable[[str], None]:
    """Have a daemon tell something: with it, it tells that it lives."""
    number = 0

    def tell(side: str) -> None:
        nonlocal number
        number += 1
        bucket = f"news-{side}-{number}"
        world.stores[side].upload(bucket, "news", 1)
        process.until(lambda: bucket in buckets_of(world, f"store-{side}"), f"the daemon of {side} has told of it")

    return tell


def buckets_of(world: test_data_decides.World, node: str) -> list[str]:
    (found,) = (each for each in world.items(test_data_decides.CAPABILITIES) if each["metadata"]["name"] == node)
    return [bucket for store in found["status"].get("stores", []) for bucket in store.get("buckets", [])]


def source(world: test_data_decides.World) -> str:
    """From which store a pod of the west gets the key."""
    west: Json = {"topology.kubernetes.io/zone": "west-1"}
    body = world.body(inputs=(f"{URN},{test_data_decides.GB}",), **west)
    (move,) = world.place(body)["transfers"]
    return str(move["partner"])


def available(world: test_data_decides.World) -> Json:
    """The condition that says whether all copies count; empty where nothing was to be said yet."""
    found = world.object(URN)["status"]["conditions"]
    return next((condition for condition in found if condition["type"] == "Available"), {})


def test_a_dead_node_draws_no_pods_and_draws_again_after_it_returns(
    world: test_data_decides.World, heard: Callable[[str], None]
) -> None:
    heard("west")
    heard("east")
    assert source(world) == DEAD
    world.running.end(f"daemon-{DEAD}")
    world.stores["west"].crash()
    world.kubelet_of(DEAD, plays=False)
    world.say_ready(DEAD, "Unknown")
    process.until(lambda: available(world).get("status") == "Unknown", "people are told")
    assert available(world)["reason"] == "NodeNotReady"
    assert DEAD in available(world)["message"]
    assert source(world) == "store-east"
    assert world.served_by(DEAD) == {True}, "nobody there says otherwise"

    world.stores["west"].start()
    world.start_daemon(DEAD)
    world.kubelet_of(DEAD, plays=True)
    process.until(lambda: not world.is_away(DEAD), "the node is back")
    heard("west")
    process.until(lambda: available(world).get("status") != "Unknown", "it is told that all is well again")
    heard("east")
    assert source(world) == DEAD


def test_a_node_whose_daemon_is_silent_draws_no_pods_until_it_is_heard_again(
    world: test_data_decides.World, heard: Callable[[str], None]
) -> None:
    heard("west")
    heard("east")
    assert source(world) == DEAD
    world.running.end(f"daemon-{DEAD}")

    def told() -> bool:
        time.sleep(5)
        heard("east")
        return available(world).get("status") == "Unknown" and DEAD in available(world)["message"]

    process.until(told, "people are told", within_s=240.0)
    assert available(world)["reason"] == "WitnessSilent"
    assert source(world) == "store-east"

    world.start_daemon(DEAD)
    heard("west")
    process.until(lambda: available(world).get("status") != "Unknown", "it is told that all is well again")
    heard("east")
    assert source(world) == DEAD
