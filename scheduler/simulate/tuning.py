"""Weights for what an operator wants: settings are tried in simulation, and those that serve the goals best are kept.

Each trial is a run of the scenario under other settings. A goal is a figure of the run, to be made small; it counts as
what it comes to under the settings that are there, so that goals of different units can be weighed against each other:

    score = sum over goals of  weight * figure / figure under the settings that are there

The first half of the trials is drawn at random over all that is varied, each further one around the best so far, and
nearer and nearer to it. All draws are of one seed. Settings that no other trial beats in every goal make the curve that
shows what one goal costs another.

Only the order of nodes is tuned: proportions of weights, and whether seconds or bytes are what data costs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from scheduler import config, errors
from scheduler.simulate import figures, outcome, running, scenario

_PROFILES: Final = tuple(field.name for field in dataclasses.fields(config.Profiles))
# What is varied: in each profile, by what the weights of these two are multiplied; data keeps its own. At most
# eightfold either way, for beyond that a criterion outweighs all others or none.
_VARIED: Final = ("resources", "node_type")
_OCTAVES: Final = 3.0
_MOST_WEIGHT: Final = 1e9
_FIRST_STEP: Final = 1.0  # octaves around the best, when the second half begins; it ends at an eighth of that


class Goal(NamedTuple):
    """What is to be small, and what it counts beside the others."""

    name: str
    weight: float


class Trial(NamedTuple):
    """Settings that were tried, what each goal came to, and the score of all; the first trial's is the goals' weights.

    Runs in which not everybody was done have an infinite score.
    """

    settings: config.Settings
    figures: tuple[float, ...]
    score: float


def _spread(run: outcome.Outcome) -> float:
    """How much more the busiest node works than the mean of those that work at all: 1 if all work alike."""
    busy_s: dict[str, float] = {}
    for one in run.pods:
        if one.bound_s is not None and one.done_s is not None:
            busy_s[one.node] = busy_s.get(one.node, 0.0) + one.done_s - one.bound_s
    total_s = math.fsum(busy_s.values())
    return max(busy_s.values()) * len(busy_s) / total_s if total_s else 1.0


GOALS: Final[Mapping[str, Callable[[outcome.Outcome], float]]] = {
    "makespan": lambda run: run.makespan_s,
    "turnaround": lambda run: figures.of(run).turnaround.mean_s,
    "bytes": lambda run: figures.of(run).moved_bytes,
    "cross-region-bytes": lambda run: figures.of(run).cross_region_bytes,
    "preferences": lambda run: float(sum(one.prefers - one.meets for one in run.pods)),
    "spread": _spread,
}
"""What may be wanted small: seconds, bytes, preferences that are not met, and the busiest node against the mean."""


def goal(text: str) -> Goal:
    """One as it is written: NAME, or NAME=WEIGHT.

    Raises:
        InputError: there is no such goal, or its weight is no number that can be used.
    """
    name, has_weight, weight = text.partition("=")
    if name not in GOALS:
        raise errors.InputError("--goal", text, f"no such goal; write one of {', '.join(GOALS)}")
    try:
        value = float(weight) if has_weight else 1.0
    except ValueError:
        value = math.nan
    if not 0 < value <= _MOST_WEIGHT:
        most = f"its weight is no number above 0 and up to {_MOST_WEIGHT:g}; write such as bytes=0.5"
        raise errors.InputError("--goal", text, most)
    return Goal(name, value)


def tune(
    given: scenario.Scenario, goals: Sequence[Goal], *, trials: int, seed: int, progress: Callable[[int, float], None]
) -> list[Trial]:
    """Try settings; the first trial is of those that the scenario has.

    Args:
        goals: At least one, each of GOALS.
        trials: How many settings are tried.
        seed: Of all draws, those of the runs included.
        progress: Is told, after each trial, how many there were, and the best score.

    Raises:
        InputError: in none of the trials was every pod done, so that there is nothing to choose from.
    """
    chance = np.random.default_rng(seed)
    made: list[Trial] = []
    best = _Point(np.zeros(len(_PROFILES) * len(_VARIED)), given.settings.counts_bytes)
    points = [best]
    for number in range(trials):
        if number:
            is_late = number > trials // 2
            step = _FIRST_STEP / 8 ** ((number - trials // 2) / max(trials - trials // 2, 1))
            points.append(_near(best, step, chance) if is_late else _anywhere(chance))
        trial = _try(given, points[-1], goals, made[0] if made else None, seed)
        made.append(trial)
        best = points[min(range(len(made)), key=lambda each: made[each].score)]
        progress(len(made), min(one.score for one in made))
    if all(one.score == math.inf for one in made):
        remedy = "in none of the trials was every pod done; simulate shows how many are, leave out those that never fit"
        raise errors.InputError(given.name, "", remedy)
    return made


def front(made: Sequence[Trial]) -> list[Trial]:
    """Those that no other beats in one goal without being beaten in another; by the first goal."""
    whole = sorted({one.figures: one for one in reversed(made) if one.score < math.inf}.values(), key=_figures)
    return [one for one in whole if not any(_beats(other, one) for other in whole)]


def as_configuration(found: config.Settings) -> dict[str, object]:
    """What a configuration file says for the settings to be these, as far as they are tuned."""
    told: dict[str, object] = {"dataGoal": "bytes" if found.counts_bytes else "seconds"}
    weights = {
        _key(profile): {
            "resource": getattr(found.weights, profile).resources,
            "nodeType": getattr(found.weights, profile).node_type,
        }
        for profile in _PROFILES
    }
    return {**told, "scheduler": {"weights": weights}}


class _Point(NamedTuple):
    """Where settings lie: octaves by which weights are multiplied, and whether bytes count."""

    octaves: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
    counts_bytes: bool


def _anywhere(chance: np.random.Generator) -> _Point:
    octaves = chance.uniform(-_OCTAVES, _OCTAVES, len(_PROFILES) * len(_VARIED))
    return _Point(octaves, bool(chance.random() < 0.5))


def _near(best: _Point, step: float, chance: np.random.Generator) -> _Point:
    octaves = best.octaves + step * chance.standard_normal(len(best.octaves))
    return _Point(np.clip(octaves, -_OCTAVES, _OCTAVES), best.counts_bytes)


def _try(given: scenario.Scenario, point: _Point, goals: Sequence[Goal], first: Trial | None, seed: int) -> Trial:
    settings = _settings(given.settings, point)
    under = msgspec.structs.replace(given, settings=settings)
    run = running.run(under, running.ours(under, seed), arm="ours", seed=seed)
    found = tuple(GOALS[goal.name](run) for goal in goals)
    score = math.inf
    if all(one.done_s is not None for one in run.pods):
        scale = first.figures if first is not None else found
        # Of what is nothing as it is, one is as much as twice of anything else.
        shares = [(one + (not base)) / (base or 1.0) for one, base in zip(found, scale, strict=True)]
        score = math.fsum(goal.weight * share for goal, share in zip(goals, shares, strict=True))
    return Trial(settings, found, score)


def _settings(base: config.Settings, point: _Point) -> config.Settings:
    factors = iter((2.0**point.octaves).tolist())
    changed = {}
    for name in _PROFILES:
        profile = getattr(base.weights, name)
        # Six digits, so that what is written is what was tried.
        some = {criterion: float(f"{getattr(profile, criterion) * next(factors):.6g}") for criterion in _VARIED}
        changed[name] = dataclasses.replace(profile, **some)
    weights = dataclasses.replace(base.weights, **changed)
    return dataclasses.replace(base, weights=weights, counts_bytes=point.counts_bytes)


def _figures(one: Trial) -> tuple[float, ...]:
    return one.figures


def _beats(one: Trial, other: Trial) -> bool:
    return one.figures != other.figures and all(a <= b for a, b in zip(one.figures, other.figures, strict=True))


def _key(profile: str) -> str:
    first, *rest = profile.split("_")
    return first + "".join(word.capitalize() for word in rest)
