"""Medians, spreads and ratios over turns."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """What several turns say together."""

    median: float
    least: float
    most: float
    deviation: float
    """Standard deviation of the sample; 0 for a single turn."""
    runs: int


def summary(values: Sequence[float]) -> Summary:
    """Of at least one value."""
    return Summary(
        median=statistics.median(values),
        least=min(values),
        most=max(values),
        deviation=statistics.stdev(values) if len(values) > 1 else 0.0,
        runs=len(values),
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The least value that so large a share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1)]
