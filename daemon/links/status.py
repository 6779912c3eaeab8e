"""Measured paths as entries of a NodeCapability's status, and when they are worth a write. Pure.

Every write reaches every watcher of NodeCapabilities, so it has to tell something: another path, a figure that moved by
more than a tenth, a trust that passed from one class to another, or, once in ``REFRESH_S``, that a figure still holds.
The scheduler lets figures fade with half-lives of hours, so an hour more or less is worth little to it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Final

from daemon.links import estimate
from scheduler.api import crd, units

MAX_ENTRIES: Final = 64  # the schema's bound
REFRESH_S: Final = 3600.0

_CHANGE: Final = 0.1
_LATENCY_S: Final = 0.0002  # differences below that are the clock's and the event loop's
_CLASSES: Final = (0.45, 0.7, 0.85)

Key = tuple[str, str]
"""A peer, and "To" or "From" it."""


@dataclasses.dataclass(frozen=True)
class Path:
    """What is known of one directed path; the latency is that of both directions."""

    bandwidth: estimate.Series
    latency: estimate.Series


def entries(paths: Mapping[Key, Path], rfc3339: Mapping[Key, str]) -> tuple[crd.Link, ...]:
    """The entries to publish, in order; of too many the latest measured.

    Args:
        paths: What is known.
        rfc3339: The time of each path's latest sample, as text.
    """
    latest = sorted(paths, key=lambda key: paths[key].bandwidth.latest_s, reverse=True)[:MAX_ENTRIES]
    return tuple(_entry(key, paths[key], rfc3339[key]) for key in sorted(latest))


def _entry(key: Key, path: Path, at: str) -> crd.Link:
    series = path.bandwidth
    return crd.Link(
        peer=key[0],
        direction=key[1],
        bandwidth_bytes_per_second=max(round(series.average), 1),
        bandwidth_low_bytes_per_second=max(round(series.low), 1),
        latency_seconds=round(path.latency.average, 7),
        samples=series.count,
        confidence=round(series.confidence, 3),
        last_probe_time=at,
    )


def is_worth_writing(before: Iterable[crd.Link], after: Iterable[crd.Link]) -> bool:
    """Whether what stands there says something else than what is known now; what somebody vouches for is left out."""
    ours = (link for link in before if link.confidence is not None)
    old, new = ({(link.peer, link.direction): link for link in links} for links in (ours, after))
    return old.keys() != new.keys() or any(_differs(old[key], link) for key, link in new.items())


def _differs(old: crd.Link, new: crd.Link) -> bool:
    was_s, is_s = units.time_s(old.last_probe_time), units.time_s(new.last_probe_time)
    return (
        _moved(old.bandwidth_bytes_per_second, new.bandwidth_bytes_per_second)
        or _moved(old.bandwidth_low_bytes_per_second, new.bandwidth_low_bytes_per_second)
        or (
            _moved(old.latency_seconds, new.latency_seconds)
            and abs(old.latency_seconds - new.latency_seconds) > _LATENCY_S
        )
        or _class_of(old) != _class_of(new)
        or was_s is None
        or (is_s is not None and is_s - was_s >= REFRESH_S)
    )


def _moved(old: float, new: float) -> bool:
    return abs(new - old) > _CHANGE * old


def _class_of(link: crd.Link) -> int:
    return sum((link.confidence or 0.0) >= limit for limit in _CLASSES)


def restored(links: Iterable[crd.Link]) -> dict[Key, Path]:
    """What was known before the daemon was started anew, as far as it was published."""
    paths: dict[Key, Path] = {}
    for link in links:
        at_s = units.time_s(link.last_probe_time)
        if at_s is None or link.confidence is None or not link.bandwidth_bytes_per_second or not link.latency_seconds:
            continue  # not of our making, or no probe's: each probe knows a latency
        series = estimate.restored(
            value=float(link.bandwidth_bytes_per_second),
            low=float(link.bandwidth_low_bytes_per_second or link.bandwidth_bytes_per_second),
            confidence=link.confidence,
            count=link.samples,
            at_s=at_s,
        )
        latency = estimate.restored(
            value=link.latency_seconds,
            low=link.latency_seconds,
            confidence=link.confidence,
            count=link.samples,
            at_s=at_s,
        )
        paths[link.peer, link.direction] = Path(series, latency)
    return paths
