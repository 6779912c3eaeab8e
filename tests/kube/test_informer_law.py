"""The law of the informer: after any mix of changes and failures, the cache equals the server."""

from __future__ import annotations

import asyncio
import random

import hypothesis
import pytest
from hypothesis import strategies

from scheduler.api import core
from scheduler.kube import client, informer
from tests import eventloop, exploring
from tests.fakeapi import faults, objects, server, watches
from tests.kube import mirrors

PODS = "/api/v1/pods"
ASSIGNED = {"fieldSelector": "spec.nodeName!="}


@pytest.mark.timeout(600)
@hypothesis.settings(max_examples=exploring.examples(25))
@hypothesis.given(seed=strategies.integers(0, 2**32 - 1), selected=strategies.booleans())
def test_cache_equals_server_after_anything(
    tmp_path_factory: pytest.TempPathFactory, seed: int, selected: bool
) -> None:
    hypothesis.note(f"seed {seed}")
    eventloop.run(_storm(random.Random(seed), tmp_path_factory, selected=selected))


async def _storm(chance: random.Random, paths: pytest.TempPathFactory, *, selected: bool) -> None:
    """Change objects and break connections at random, then let it calm down and compare."""
    async with server.running() as fake:
        fake.bookmark_s = 0.02
        api = await client.Api.connect(fake.kubeconfig(paths.mktemp("storm")))
        mirror = mirrors.Mirror()
        following = informer.Informer(
            api, PODS, core.Pod, mirror, ASSIGNED if selected else None, silence_s=0.1, chunk=3, backoff_max_s=0.05
        )
        async with mirrors.running(following):
            for _ in range(chance.randint(10, 60)):
                _change(fake, chance)
                if chance.random() < 0.4:
                    _harm(fake, chance)
                await asyncio.sleep(chance.choice([0, 0, 0, 0.001, 0.01]))
            fake.faults.clear()
            fake.hung = False
            expected = mirrors.on_server(fake, lambda pod: not selected or bool(pod["spec"].get("nodeName")))
            await server.until(lambda: mirror.view() == expected)
        await api.close()


def _change(fake: server.FakeApi, chance: random.Random) -> None:
    held = [pod["metadata"]["name"] for pod in fake.store.all("pods")]
    free = [name for name in (f"p{n}" for n in range(12)) if name not in held]
    action = chance.choice(["create", "create", "assign", "label", "delete"])
    if action == "create" and free:
        fake.store.create("pods", objects.pod(chance.choice(free), node=chance.choice(["", "n1"])))
    elif action == "assign" and held:
        fake.store.patch("pods", chance.choice(held), {"spec": {"nodeName": chance.choice(["n1", None])}}, "default")
    elif action == "label" and held:
        label = {"metadata": {"labels": {"n": str(chance.random())}}}
        fake.store.patch("pods", chance.choice(held), label, "default")
    elif action == "delete" and held:
        fake.store.delete("pods", chance.choice(held), "default")


def _harm(fake: server.FakeApi, chance: random.Random) -> None:
    kinds: list[faults.Fault] = [
        faults.Fault(drop="before"),
        faults.Fault(drop="after"),
        faults.Fault(status=chance.choice([403, 404, 429, 500, 503])),
        faults.Fault(status=410, reason="Expired"),
        faults.Fault(path="watch=1", delay_s=0.02),
        faults.Fault(path="continue=", delay_s=0.02),
        faults.Fault(path="watch=1", status=200, body=b""),
    ]
    harm = chance.choice(["fault", "fault", "drop", "end", "hang", "compact", "half", "error"])
    if harm == "fault":
        fake.faults.append(chance.choice(kinds))
    elif harm == "drop":
        fake.drop_watches()
    elif harm == "end":
        fake.end_watches()
    elif harm == "hang":
        fake.hung = not fake.hung
    elif harm == "compact":
        fake.gone_as_event = chance.random() < 0.5
        fake.store.compact()
    elif harm == "half":
        fake.send_to_watches(b'{"type":"ADDED","obj')
        fake.drop_watches()
    else:
        fake.send_to_watches(watches.error_event(chance.choice([410, 500]), "Expired", "injected"))
