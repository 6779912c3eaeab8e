"""Worlds as a scheduler hands them out that has decided pods of all kinds, by chance from a seed."""

from __future__ import annotations

import functools
from typing import Any

import msgspec

from scheduler.api import core
from scheduler.kernel import question as asking
from scheduler.locality.whatif import changes, comparing
from scheduler.offline import door, question
from scheduler.offline import world as worlds
from tests.kernel import runs

PODS = 120


@functools.lru_cache(maxsize=8)
def file(seed: int) -> bytes:
    """What /world says."""
    run = runs.Run(seed)
    for _ in run.decisions(PODS):
        pass
    return b"".join(asking.whole(run.bare.kernel, run.bare.now_s))


@functools.lru_cache(maxsize=8)
def world(seed: int) -> worlds.World:
    return worlds.read(file(seed))


def wanted(*options: str) -> list[changes.Change]:
    """Changes as they are written: ``cordon n1``."""
    return [one for option in options for one in changes.of_option(*option.split(" ", 1))]


def compared(
    of: worlds.World, told: list[changes.Change], *, last: int = 100, is_replayed: bool = False
) -> comparing.Compared:
    return comparing.compare(
        of, told, last=last, meant=lambda _: True, is_replayed=is_replayed, tell=lambda _done, _of: None
    )


def decided(of: worlds.World, pod: core.Pod, draw: int) -> dict[str, Any]:
    """What `decide` answers about a pod in a world, in which it does not count itself."""
    asked = {name: getattr(of, name) for name in question.Cluster.__struct_fields__}
    uid = pod.metadata.uid
    asked["pods"] = tuple(one for one in of.pods if one.metadata.uid != uid)
    asked["transfers"] = tuple(one for one in of.transfers if one.uid != uid)
    asked["fetched"] = tuple(one for one in of.fetched if one.uid != uid)
    answer: dict[str, Any] = msgspec.to_builtins(
        door.answer(question.Question(pod=pod, **asked), of.settings, draw), str_keys=True
    )
    return answer
