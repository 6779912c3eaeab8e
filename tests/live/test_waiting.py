"""Pods that wait for a better node, or for the others of their gang, as their users see it."""

from __future__ import annotations

import pathlib
from collections.abc import AsyncIterator

import pytest

from scheduler.api import names
from tests.fakeapi import objects, server
from tests.live import running

GB = 1_000_000_000


@pytest.fixture
async def world(tmp_path: pathlib.Path) -> AsyncIterator[running.Running]:
    async with server.running() as fake:
        for name in ("near", "far"):
            fake.store.create("nodes", objects.node(name, cpu="2", labels={names.REGION_LABEL: f"region-{name}"}))
        fake.store.create("dataobjects", objects.data_object("o", "bucket/key", nodes=("near",)))
        async with running.scheduler(fake, tmp_path) as world:
            yield world
        running.never_patched(fake)


def reading(processing_s: int) -> dict[str, dict[str, str]]:
    """The metadata of a pod that reads 10 GB: 200 s from far, 10 s from near."""
    return {"annotations": {f"{names.INPUT_PREFIX}1": f"bucket/key,{10 * GB},{processing_s}"}}


async def test_a_pod_waits_for_room_near_its_data_and_says_so_once(world: running.Running) -> None:
    world.create("first", cpu="2", metadata=reading(5))
    await world.placed("first")
    assert world.node_of("first") == "near"
    # What the first one's transfers take counts, too, so that it is there for 15 s.
    waits = reading(5)
    waits["annotations"][names.MAX_DELAY_SECONDS] = "60"
    world.create("second", cpu="2", metadata=waits)
    await world.until(lambda: world.events("second", "WaitingForNode"))
    [event] = world.events("second", "WaitingForNode")
    assert event["type"] == "Normal"
    assert "s for room on near, which saves " in event["note"]
    assert event["note"].endswith(" s of transfers against far")
    assert world.node_of("second") == ""
    world.fake.store.patch("pods", "first", {"status": {"phase": "Succeeded"}}, "default")
    await world.placed("second")
    assert world.node_of("second") == "near"
    assert len(world.events("second", "WaitingForNode")) == 1


async def test_a_gang_is_told_who_is_missing_and_bound_when_it_is_there(world: running.Running) -> None:
    gang = {"annotations": {names.GANG: "g", names.GANG_SIZE: "2", names.GANG_TIMEOUT_SECONDS: "0.1"}}
    world.create("a", metadata=gang)
    await world.until(lambda: world.events("a", "FailedScheduling"))
    assert world.condition("a")["message"] == "gang g: 1 of 2 pods are there, after 0.1 s"
    world.create("b", metadata=gang)
    await world.placed("a", "b")
