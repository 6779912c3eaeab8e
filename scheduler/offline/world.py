"""A world, as the running scheduler hands it out at /world: a cluster, the settings, and the last decisions.

It is a question without a pod to place, of which as many can be made as there are pods: the cluster as it was when it
was asked for. Format: docs/decide.md.
"""

from __future__ import annotations

from typing import Final

import msgspec

from scheduler import config, errors
from scheduler.api import core
from scheduler.kernel import journal
from scheduler.offline import question

_HOW: Final = "kubectl locality world > world.json"


class Decided(msgspec.Struct, frozen=True):
    """A pod, as it was when it was decided, and what came of it."""

    pod: core.Pod
    decision: journal.Record


class World(question.Cluster, frozen=True, kw_only=True):
    """What decisions read, and the last of them.

    Attributes:
        settings: What they are decided by.
        recent: Oldest first; a pod that was tried several times is there as often.
    """

    settings: config.Settings = config.Settings()
    recent: tuple[Decided, ...] = ()


def read(data: bytes) -> World:
    """Read what /world says.

    Raises:
        InputError: it is no world, or one of a scheduler that says it otherwise.
    """
    try:
        found = msgspec.json.decode(data, type=World)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        remedy = f"no world ({error}); write one with {_HOW}, of the same version as this program"
        raise errors.InputError("world", "", remedy) from error
    question.check(found)
    return found
