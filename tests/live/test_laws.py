"""Bindings under any mix of failures: every pod is bound once, nothing stays taken, nothing else is written."""

import collections
import dataclasses
import pathlib
from collections.abc import AsyncIterator

import hypothesis
import pytest
from hypothesis import strategies as st

from tests import exploring
from tests.fakeapi import faults, objects, server
from tests.live import running

NODES = ("n0", "n1")
PODS_PER_NODE = 2
PODS = tuple(f"p{number}" for number in range(6))  # two more than fit

STATUSES = st.sampled_from([400, 403, 404, 409, 422, 429, 500, 503, 504])
ANSWERS = st.builds(faults.Fault, status=STATUSES, delay_s=st.sampled_from([0.0, 0.02]))
LOST = st.builds(faults.Fault, drop=st.sampled_from(["before", "after"]))
LATE = st.builds(faults.Fault, delay_s=st.sampled_from([0.01, 0.1]))
TARGETS = st.sampled_from([("POST", "/binding"), ("GET", r"/pods/p\d+$"), ("PATCH", "/status"), ("POST", "/events")])
TROUBLES = st.lists(
    st.builds(
        lambda target, fault, times: dataclasses.replace(fault, method=target[0], path=target[1], times=times),
        TARGETS,
        ANSWERS | LOST | LATE,
        st.integers(1, 3),
    ),
    max_size=6,
)


@pytest.fixture
async def world(tmp_path: pathlib.Path) -> AsyncIterator[running.Running]:
    async with server.running() as fake:
        for name in NODES:
            fake.store.create("nodes", objects.node(name, cpu=str(PODS_PER_NODE)))
        async with running.scheduler(fake, tmp_path) as world:
            yield world
        running.never_patched(fake)


@pytest.mark.timeout(600)  # sixty scenarios, each with pauses of its own
@hypothesis.given(TROUBLES)
@hypothesis.settings(
    max_examples=exploring.examples(60),
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture, hypothesis.HealthCheck.too_slow],
)
async def test_whatever_goes_wrong_each_pod_is_bound_once_and_no_capacity_leaks(
    world: running.Running, troubles: list[faults.Fault]
) -> None:
    fake = world.fake
    before = len(fake.bindings)
    fake.faults[:] = [dataclasses.replace(trouble) for trouble in troubles]
    for name in PODS:
        world.create(name, cpu="1")
    room = len(NODES) * PODS_PER_NODE
    await world.until(lambda: sum(bool(world.node_of(name)) for name in PODS) == room)
    load = collections.Counter(world.node_of(name) for name in PODS)
    assert all(load[node] == PODS_PER_NODE for node in NODES), "no node is filled beyond what it has"
    fake.faults.clear()
    for name in PODS:
        if world.node_of(name):
            fake.store.delete("pods", name, "default")
    left = [pod["metadata"]["name"] for pod in fake.store.all("pods")]
    await world.placed(*left)
    for name in left:
        fake.store.delete("pods", name, "default")
    # A node's worth each: placed only if the scheduler counts nothing that is not there any more.
    for number in range(len(NODES)):
        world.create(f"whole-{number}", cpu=str(PODS_PER_NODE))
    whole = [f"whole-{number}" for number in range(len(NODES))]
    await world.placed(*whole)
    for name in whole:
        fake.store.delete("pods", name, "default")
    bound = collections.Counter(uid for _, _, uid, _ in fake.bindings[before:])
    assert len(bound) == len(PODS) + len(whole)
    assert set(bound.values()) == {1}
