"""What figures are to be, read from bounds.yaml, whether they are, and what they were in the runs that are kept."""

from __future__ import annotations

import pathlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
import yaml

FILE: Final = pathlib.Path(__file__).with_name("bounds.yaml")
RESULTS: Final = pathlib.Path(__file__).with_name("results")
"""Runs that are kept in the repository."""
ROUNDS: Final = 5
"""So many have to speak before a ratio counts."""


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
        """With how far chance goes, which is what later runs are seen beside."""
        return {
            "what": self.what,
            "value": self.value,
            "wanted": self.bound.words(),
            "met": self.is_met,
            "mean": statistics.mean(self.values),
            "deviation": statistics.stdev(self.values) if len(self.values) > 1 else 0.0,
            "runs": len(self.values),
        }


class Measured(msgspec.Struct, frozen=True):
    """What a run that is kept says of one bound; the rest of the file is not looked at."""

    what: str
    mean: float
    deviation: float
    runs: int


class _Conditions(msgspec.Struct, frozen=True):
    commit: str


class _Kept(msgspec.Struct, frozen=True):
    conditions: _Conditions
    bounds: tuple[Measured, ...]


def measured(folder: pathlib.Path = RESULTS) -> dict[str, str]:
    """By what was measured, what the runs that are kept gave, so that it shows how far chance alone goes."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.json")):
        kept = msgspec.json.decode(path.read_bytes(), type=_Kept)
        for each in kept.bounds:
            spread = f"{each.mean:.3g} ± {each.deviation:.2g}, {each.runs} runs"
            found[each.what] = f"{spread} at {kept.conditions.commit}"
    return found


def table(verdicts: Sequence[Verdict], last: Mapping[str, str]) -> Iterator[str]:
    """The verdicts in Markdown, beside those of runs that are kept; few rounds are named, as they prove little."""
    if not verdicts:
        return
    yield from ("", "| bound | figure | wanted | | in a run that is kept |", "| --- | ---: | ---: | --- | --- |")
    for each in verdicts:
        runs = len(each.values)
        few = f" ({runs} of {each.rounds} rounds)" if runs < each.rounds else ""
        said = f"{'met' if each.is_met else 'NOT met'}{few}"
        yield f"| {each.what} | {each.value:.3g} | {each.bound.words()} | {said} | {last.get(each.what, '')} |"
