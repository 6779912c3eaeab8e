"""What a series of measurements of one link says: an average, a lower quantile, and how far to trust them. Pure.

The average moves by ``ALPHA`` of each sample's distance. The lower quantile is that value of the last ``WINDOW``
samples which three of four reach: transfers are planned with what they will meet on a bad day rather than on a mean
one. When two samples in a row lie on the same side of the average by more than ``JUMP``, the link has changed, and
what was measured before is forgotten: a window of old values would hold the figure down (or up) for hours.

Trust is n / (n + 1), with n the number of samples, each counted by its quality and halved for every six hours between
it and the latest: one sample is worth 0.5, three 0.75, seven 0.88. How long ago the latest was taken is left to who
reads the figure, and when.
"""

from __future__ import annotations

import dataclasses
from typing import Final

WINDOW: Final = 8
ALPHA: Final = 0.3
JUMP: Final = 1.3
HALF_LIFE_S: Final = 6 * 3600.0
_QUANTILE: Final = 0.25
_ROUGH: Final = 0.5  # the quality of a transfer that ended before its rate was steady


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """One measurement; ``quality`` is how many ordinary samples it is worth."""

    at_s: float
    value: float
    quality: float = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """The samples that count, oldest first (at least one), their moving average, and how many there ever were."""

    samples: tuple[Sample, ...]
    average: float
    count: int

    @property
    def low(self) -> float:
        values = sorted(sample.value for sample in self.samples)
        return values[int(_QUANTILE * (len(values) - 1))]

    @property
    def latest_s(self) -> float:
        return self.samples[-1].at_s

    @property
    def confidence(self) -> float:
        """How far to trust it at the time of the latest sample, 0 to 1."""
        worth: float = sum(
            sample.quality * 0.5 ** ((self.latest_s - sample.at_s) / HALF_LIFE_S) for sample in self.samples
        )
        return worth / (worth + 1)

    @property
    def is_settled(self) -> bool:
        """Whether there are some samples, and the latest is no surprise."""
        return len(self.samples) >= 3 and _side(self.samples[-1].value, self.average) == 0


def quality(*, steady: bool) -> float:
    return 1.0 if steady else _ROUGH


def observe(series: Series | None, sample: Sample) -> Series:
    """The series with one more sample; one that is older than the latest is not taken."""
    if series is None:
        return Series((sample,), sample.value, 1)
    if sample.at_s < series.latest_s:
        return series
    last = series.samples[-1]
    side = _side(sample.value, series.average)
    if side and side == _side(last.value, series.average) and len(series.samples) > 1:
        return Series((last, sample), (last.value + sample.value) / 2, series.count + 1)
    samples = (*series.samples, sample)[-WINDOW:]
    return Series(samples, series.average + ALPHA * (sample.value - series.average), series.count + 1)


def restored(*, value: float, low: float, confidence: float, count: int, at_s: float) -> Series:
    """A series from what was published of it: one sample that is worth as many as those it stands for."""
    worth = min(confidence / (1 - confidence), WINDOW) if confidence < 1 else WINDOW
    return Series((Sample(at_s, low, worth),), value, max(count, 1))


def _side(value: float, average: float) -> int:
    if value > average * JUMP:
        return 1
    return -1 if value * JUMP < average else 0
