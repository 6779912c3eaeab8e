"""Counters and histograms that cost a pod next to nothing, read by Prometheus' client when the metrics are scraped.

The client's own take a lock and a walk through the buckets each time, eleven times a pod. Here everything happens on
the loop's thread, so that to count is one addition.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence

import prometheus_client as prometheus
from prometheus_client import core, registry


class Counter(registry.Collector):
    """How often, or how much, by labels.

    Args:
        labels: Names; without any there is one series from the start.
    """

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str] = (), *, among: prometheus.CollectorRegistry
    ) -> None:
        self._about = name, documentation, None, list(labels)
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0.0}
        among.register(self)

    def add(self, *labels: str, by: float = 1.0) -> None:
        """Count, under these values of the labels; with ``by=0`` the series only comes into being."""
        self._values[labels] = self._values.get(labels, 0.0) + by

    def collect(self) -> Iterator[core.Metric]:
        """All series, for the client."""
        family = core.CounterMetricFamily(*self._about)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        yield family


class Histogram(registry.Collector):
    """How values spread over buckets, by labels.

    Args:
        labels: Names; without any there is one series from the start.
        buckets: Upper bounds, ascending, without the infinite one.
    """

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str] = (),
        *,
        buckets: Sequence[float],
        among: prometheus.CollectorRegistry,
    ) -> None:
        self._about = name, documentation, None, None, list(labels)
        self._bounds = list(buckets)
        self._names = [str(float(bound)) for bound in buckets] + ["+Inf"]
        self._counts: dict[tuple[str, ...], list[int]] = {}  # by bucket
        self._sums: dict[tuple[str, ...], float] = {}
        if not labels:
            self.begin()
        among.register(self)

    def begin(self, *labels: str) -> None:
        """Have the series with these values of the labels come into being."""
        self._counts[labels] = [0] * len(self._names)
        self._sums[labels] = 0.0

    def observe(self, value: float, *labels: str) -> None:
        """Count a value, under these values of the labels."""
        if labels not in self._counts:
            self.begin(*labels)
        self._counts[labels][bisect.bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def collect(self) -> Iterator[core.Metric]:
        """All series, for the client."""
        family = core.HistogramMetricFamily(*self._about)
        for labels, counts in self._counts.items():
            buckets = list(zip(self._names, itertools.accumulate(counts), strict=True))
            family.add_metric(labels, buckets, self._sums[labels])
        yield family
