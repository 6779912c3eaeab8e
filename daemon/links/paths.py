"""All that this node knows of its paths: takes in samples of probes and of real transfers, and forgets old ones."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Final

from daemon.links import estimate, meter, prober, publish
from scheduler.api import crd

_FORGET_S: Final = 48 * 3600.0  # eight half-lives: the scheduler takes no more notice of it
_PASSIVE_BYTES: Final = 1_000_000  # below that, a transfer's time is mostly that of asking for it


class Paths:
    """Samples and what follows from them, by peer and direction."""

    def __init__(self) -> None:
        self._known: dict[publish.Key, publish.Path] = {}

    def restore(self, links: Iterable[crd.Link]) -> None:
        """Begin with what was published before; what is known already is not touched."""
        self._known = publish.restored(links) | self._known

    def measured(self, peer: str, outcome: prober.Outcome, now_s: float) -> None:
        """Take in a probe."""
        for direction, rate in (("To", outcome.onward), ("From", outcome.back)):
            if rate is not None:
                self._observe((peer, direction), rate, now_s, outcome.latency_s)

    def transferred(self, peer: str, *, outward: bool, size_bytes: int, seconds: float, now_s: float) -> None:
        """Take in a real transfer to a peer (``outward``) or from it; small ones say nothing of bandwidth."""
        if size_bytes >= _PASSIVE_BYTES and seconds > 0:
            self._observe(
                (peer, "To" if outward else "From"), meter.Rate(size_bytes / seconds, steady=False), now_s, None
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
        return publish.entries(self._known, times)

    def _observe(self, key: publish.Key, rate: meter.Rate, now_s: float, latency_s: float | None) -> None:
        before = self._known.get(key)
        sample = estimate.Sample(now_s, rate.bytes_per_s, estimate.quality(steady=rate.steady))
        latency = before.latency if before is not None else None
        if latency_s is not None:
            latency = estimate.observe(latency, estimate.Sample(now_s, latency_s))
        self._known[key] = publish.Path(
            estimate.observe(before.bandwidth if before is not None else None, sample), latency
        )


def _rfc3339(at_s: float) -> str:
    return datetime.datetime.fromtimestamp(at_s, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
