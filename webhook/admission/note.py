"""The annotation that tells people what the webhook added to a pod, and from where.

input-1, prefer-region from Knative Service default/fmask; input-2 from events for default/fmask; scheduler x
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from scheduler.api import names

MAX_BYTES: Final = 1024
# Of one source; the annotations themselves tell the rest.
_MAX_NAMES: Final = 12


def of(previous: str, origins: Iterable[tuple[str, str]], scheduler_name: str | None) -> str:
    """The note on what was added now, after what an earlier one says if there is room.

    Args:
        previous: The earlier note, or "".
        origins: Each annotation that was added, and the title of its source.
        scheduler_name: The scheduler, if it was set.
    """
    by_title: dict[str, list[str]] = {}
    for key, title in origins:
        short = key.removeprefix(names.DATA_PREFIX).removeprefix(names.HINT_PREFIX)
        by_title.setdefault(title, []).append(short)
    parts = [f"{_enumerated(found)} from {title}" for title, found in by_title.items()]
    if scheduler_name:
        parts.append(f"schedulerName {scheduler_name}")
    text = _cut("; ".join(parts))
    both = f"{previous}; {text}"
    return both if previous and _cut(both) == both else text


def _enumerated(found: list[str]) -> str:
    more = len(found) - _MAX_NAMES
    return ", ".join(found) if more <= 0 else f"{', '.join(found[:_MAX_NAMES])} and {more} more"


def _cut(text: str) -> str:
    data = text.encode("utf-8", "replace")
    if len(data) > MAX_BYTES:
        data = data[: MAX_BYTES - 3] + b"..."
    return data.decode("utf-8", "ignore")
