"""Conditions and times in statuses, and the rule that keeps watchers quiet: nothing is written for time alone.

A condition's transition time moves only with its status. A probe time is refreshed together with something else that
changed, or when it is stale, which tells a living daemon from a dead one without a heartbeat that every watcher of the
object would have to read.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from scheduler.api import core, crd

STALE_S: Final = 300.0


def rfc3339(when: datetime.datetime) -> str:
    return when.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_stale(written: str, now: str, *, stale_s: float = STALE_S) -> bool:
    """Whether a probe time is so old (or unreadable) that it should be written again."""
    try:
        age = datetime.datetime.fromisoformat(now) - datetime.datetime.fromisoformat(written)
    except (ValueError, TypeError):
        return True
    return abs(age.total_seconds()) >= stale_s


def merged(
    before: Sequence[crd.Condition], found: Iterable[crd.Condition], metadata: core.ObjectMeta, now: str
) -> list[dict[str, Any]]:
    """``found`` as JSON, each with the transition time that stands in ``before`` unless its status differs."""
    old = {condition.type: condition for condition in before}
    return built(
        msgspec.structs.replace(
            condition,
            observed_generation=metadata.generation,
            last_transition_time=(
                old[condition.type].last_transition_time
                if condition.type in old and old[condition.type].status == condition.status
                else now
            ),
        )
        for condition in found
    )


def built(found: Iterable[crd.Condition]) -> list[dict[str, Any]]:
    """Conditions as JSON, in the order of their types, so that two lists can be compared."""
    return [msgspec.to_builtins(condition) for condition in sorted(found, key=lambda condition: condition.type)]


def cut(text: str, limit: int = 1024) -> str:
    """``text``, at most ``limit`` characters long."""
    return text if len(text) <= limit else f"{text[: limit - 4]} ..."
