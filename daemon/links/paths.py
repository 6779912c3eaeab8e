"""All that this node knows of its paths: takes in what probes found, and forgets what is old."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Final

from daemon.links import estimate, prober, status
from scheduler.api import crd

_FORGET_S: Final = 48 * 3600.0  # eight half-lives: the scheduler takes no more notice of it


class Paths:
    """Samples and what follows from them, by peer and direction."""

    def __init__(self) -> None:
        self._known: dict[status.Key, status.Path] = {}

    def restore(self, links: Iterable[crd.Link]) -> None:
        """Begin with what was published before; what is known already is not touched."""
        self._known = status.restored(links) | self._known

    def measured(self, peer: str, outcome: prober.Outcome, now_s: float) -> None:
        """Take in a probe."""
        if outcome.latency_s is None:  # which comes first: nothing else was measured
            return
        for direction, rate in (("To", outcome.onward), ("From", outcome.back)):
            if rate is not None:
                sample = estimate.Sample(now_s, rate.bytes_per_s, estimate.quality(steady=rate.steady))
                before = self._known.get((peer, direction))
                self._known[peer, direction] = status.Path(
                    estimate.observe(before.bandwidth if before is not None else None, sample),
                    estimate.observe(
                        before.latency if before is not None else None, estimate.Sample(now_s, outcome.latency_s)
                    ),
                )

    def is_settled(self, peer: str) -> bool:
        """Whether both directions have figures that need no haste."""
        both = [self._known.get((peer, direction)) for direction in ("To", "From")]
        return all(path is not None and path.bandwidth.is_settled for path in both)

    def fastest_bytes_per_s(self) -> float:
        return max((path.bandwidth.average for path in self._known.values()), default=0.0)

    def entries(self, now_s: float) -> tuple[crd.Link, ...]:
        """What is to be published now."""
        self._known = {key: path for key, path in self._known.items() if now_s - path.bandwidth.latest_s < _FORGET_S}
        times = {key: _rfc3339(path.bandwidth.latest_s) for key, path in self._known.items()}
        return status.entries(self._known, times)


def _rfc3339(at_s: float) -> str:
    return datetime.datetime.fromtimestamp(at_s, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
