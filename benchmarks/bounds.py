"""What figures are to be, read from bounds.yaml, and whether they are."""

from __future__ import annotations

import pathlib
import statistics
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import yaml

FILE: Final = pathlib.Path(__file__).with_name("bounds.yaml")
ROUNDS: Final = 5
"""So many have to speak before a ratio counts."""


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What runs gave when the bound was last looked at."""

    mean: float
    deviation: float
    runs: int
    on: str


class Bound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the file; what is None fits all."""

    kind: str
    figure: str
    because: str
    mode: str = ""
    nodes: int | None = None
    placed: int | None = None
    busy: bool = False
    is_absolute: bool = msgspec.field(name="absolute", default=False)
    """Whether it bounds our own figure, of turns; else its ratio to stock's."""
    at_least: float | None = None
    at_most: float | None = None
    measured: Measured | None = None

    def holds(self, value: float) -> bool:
        """Whether a figure is within."""
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)

    def words(self) -> str:
        """The bound for people."""
        sides = ((">=", self.at_least), ("<=", self.at_most))
        return " and ".join(f"{sign} {limit:g}" for sign, limit in sides if limit is not None)


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    turns: tuple[Bound, ...]
    decisions: tuple[Bound, ...]


def load() -> Bounds:
    """Read the file; raises msgspec.ValidationError where it says something unknown."""
    return msgspec.convert(yaml.safe_load(FILE.read_text()), Bounds)


class Verdict(msgspec.Struct, frozen=True):
    """A bound, and the figures of all rounds."""

    what: str
    values: tuple[float, ...]
    bound: Bound
    rounds: int = ROUNDS
    """How many were wanted."""

    @property
    def value(self) -> float:
        """The one that counts."""
        return statistics.median(self.values)

    @property
    def is_met(self) -> bool:
        """Whether the figure is within the bound."""
        return self.bound.holds(self.value)

    def as_json(self) -> dict[str, object]:
        """With what `measured` wants to know."""
        return {
            "what": self.what,
            "value": self.value,
            "wanted": self.bound.words(),
            "met": self.is_met,
            "mean": statistics.mean(self.values),
            "deviation": statistics.stdev(self.values) if len(self.values) > 1 else 0.0,
            "runs": len(self.values),
        }


def table(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """The verdicts in Markdown; few rounds are named, as they prove little."""
    if not verdicts:
        return
    yield from ("", "| bound | figure | wanted | | when last looked at |", "| --- | ---: | ---: | --- | --- |")
    for each in verdicts:
        runs, last = len(each.values), each.bound.measured
        few = f" ({runs} of {each.rounds} rounds)" if runs < each.rounds else ""
        said = f"{'met' if each.is_met else 'NOT met'}{few}"
        before = f"{last.mean:.3g} ± {last.deviation:.2g}, {last.runs} runs on {last.on}" if last else ""
        yield f"| {each.what} | {each.value:.3g} | {each.bound.words()} | {said} | {before} |"
