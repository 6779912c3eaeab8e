"""All that this node knows of its paths: takes in samples of probes and of real transfers, and forgets old ones."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Final

from daemon.links import estimate, prober, schedule, status
from scheduler.api import crd

_FORGET_S: Final = 48 * 3600.0  # eight half-lives: the scheduler takes no more notice of it
_PASSIVE_BYTES: Final = 1_000_000  # below that, a transfer's time is mostly that of asking for it
_SUPPORT_S: Final = 900.0  # half the probes' period: of the samples in a window, more than two are probes then


class Paths:
    """Samples and what follows from them, by peer and direction."""

    def __init__(self) -> None:
        self._known: dict[status.Key, status.Path] = {}

    def restore(self, links: Iterable[crd.Link]) -> None:
        """Begin with what was published before; what is known already is not touched."""
        self._known = status.restored(links) | self._known

    def measured(self, peer: str, outcome: prober.Outcome, now_s: float) -> None:
        """Take in a probe."""
        for direction, rate in (("To", outcome.onward), ("From", outcome.back)):
            if rate is not None:
                sample = estimate.Sample(now_s, rate.bytes_per_s, estimate.quality(steady=rate.steady))
                self._observe((peer, direction), sample, outcome.latency_s)

    def transferred(self, peer: str, *, outward: bool, size_bytes: int, seconds: float, now_s: float) -> bool:
        """Take in a real transfer to a peer (``outward``) or from it; returns whether it counts.

        The application may have been slower than the link, so a transfer says that the link is at least as fast. One
        that is slower than the lower quantile says nothing, and would draw it down; it counts only when nothing has
        been measured for ``STAND_IN_S``. A faster one supports what was probed: seldom enough for probes to remain in
        the window and hold the quantile, and as no more than what ``estimate`` takes for the same link, so that no
        report, however wrong, makes probes forgotten. Where nothing was probed, the fastest of the last hours stands
        alone, as one rough sample however many there were, and gives way to the first probe.
        """
        if size_bytes < _PASSIVE_BYTES or seconds <= 0:
            return False
        key = (peer, "To" if outward else "From")
        before, value = self._known.get(key), size_bytes / seconds
        if before is not None and now_s - before.bandwidth.latest_s < schedule.STAND_IN_S:
            if value < before.bandwidth.low:
                return False
            if _is_probed(before):
                if now_s - before.bandwidth.latest_s < _SUPPORT_S:
                    return False
                value = min(value, before.bandwidth.average * estimate.JUMP)
        self._observe(key, estimate.Sample(now_s, value, estimate.quality(steady=False)), None)
        return True

    def is_probed(self, peer: str) -> bool:
        """Whether this node itself has probed the path."""
        return any(_is_probed(path) for (other, _), path in self._known.items() if other == peer)

    def is_settled(self, peer: str) -> bool:
        """Whether both directions have figures that need no haste."""
        both = [self._known.get((peer, direction)) for direction in ("To", "From")]
        return all(path is not None and path.bandwidth.is_settled for path in both)

    def fastest_bytes_per_s(self) -> float:
        return max((path.bandwidth.average for path in self._known.values() if _is_probed(path)), default=0.0)

    def entries(self, now_s: float) -> tuple[crd.Link, ...]:
        """What is to be published now; paths that were never probed only where there is room for them."""
        self._known = {
            key: path
            for key, path in self._known.items()
            if now_s - path.bandwidth.latest_s < (_FORGET_S if _is_probed(path) else schedule.STAND_IN_S)
        }
        told = [key for key, path in self._known.items() if not _is_probed(path)]
        told.sort(key=lambda key: self._known[key].bandwidth.latest_s)
        for key in told[: max(len(self._known) - status.MAX_ENTRIES, 0)]:
            del self._known[key]
        times = {key: _rfc3339(path.bandwidth.latest_s) for key, path in self._known.items()}
        return status.entries(self._known, times)

    def _observe(self, key: status.Key, sample: estimate.Sample, latency_s: float | None) -> None:
        before = self._known.get(key)
        if before is not None and not _is_probed(before):
            before = None
        latency = before.latency if before is not None else None
        if latency_s is not None:
            latency = estimate.observe(latency, estimate.Sample(sample.at_s, latency_s))
        self._known[key] = status.Path(
            estimate.observe(before.bandwidth if before is not None else None, sample), latency
        )


def _is_probed(path: status.Path) -> bool:
    return path.latency is not None  # which a transfer does not tell


def _rfc3339(at_s: float) -> str:
    return datetime.datetime.fromtimestamp(at_s, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
