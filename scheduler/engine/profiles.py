"""Which weights a pod's criteria get: by its annotations, else by its own numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from scheduler import config
from scheduler.api import annotations as intents
from scheduler.engine import scoring
from scheduler.plugins import contract, registry
from scheduler.plugins.data import cost

PLAIN: Final = "plain"
DEFAULT: Final = "default"
DATA_INTENSIVE: Final = "data-intensive"
COMPUTE_INTENSIVE: Final = "compute-intensive"
MIXED: Final = "data-and-compute-intensive"


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile's name, why it was chosen, and its weights."""

    name: str
    why: str
    weights: config.Weights


def plain(plugins: config.Plugins, group: tuple[str, ...] = registry.RESOURCES) -> Profile:
    """That of a pod without annotations; ``group``: the scores that make up the resources."""
    return Profile(PLAIN, "no data, capability or preference annotation", scoring.plain_weights(plugins, group))


def choose(
    intent: intents.Intent,
    moves: cost.DataCost,
    feasible: contract.Mask,
    settings: config.Settings,
    *,
    learned_s: float | None = None,
) -> Profile:
    """Pick the profile of a pod that is not plain.

    Args:
        intent: What its annotations ask for.
        moves: Its transfers, as far as they are known.
        feasible: [slots] the nodes that can be chosen.
        settings: Weights and thresholds.
        learned_s: How long pods of its kind were seen to work, where it does not say it.
    """
    known = settings.weights
    if intent.data_intensive and intent.compute_intensive:
        mean = _mean(known.data_intensive, known.compute_intensive)
        return Profile(MIXED, "annotated both data-intensive and compute-intensive: the mean of both", mean)
    if intent.data_intensive:
        return Profile(DATA_INTENSIVE, "annotated data-intensive", known.data_intensive)
    if intent.compute_intensive:
        return Profile(COMPUTE_INTENSIVE, "annotated compute-intensive", known.compute_intensive)
    return _by_numbers(intent, moves, feasible, settings, learned_s)


def _by_numbers(
    intent: intents.Intent,
    moves: cost.DataCost,
    feasible: contract.Mask,
    settings: config.Settings,
    learned_s: float | None,
) -> Profile:
    known = settings.weights
    if not (intent.inputs or intent.outputs):
        return Profile(DEFAULT, "no inputs or outputs", known.default)
    if not moves.moves:
        return Profile(DEFAULT, "none of its data can be had at a known place, which says nothing", known.default)
    if intent.processing_s <= 0 and learned_s is None:
        return Profile(DEFAULT, "no processing seconds declared to compare its transfers with", known.default)
    # Data that nobody can place takes no known time to fetch; that it takes long to process proves nothing then.
    work_s = moves.processing_s if learned_s is None else learned_s
    if work_s <= 0:
        why = "processing seconds are declared only for data that can be had at no known place, which says nothing"
        return Profile(DEFAULT, why, known.default)
    ordered = np.sort(moves.seconds[feasible])  # np.median costs 20 times as much, for checks that are not needed here
    median_s = float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    ratio = median_s / work_s
    why = f"transfers take {median_s:.3g} s (median over nodes) for {work_s:.3g} s of processing"
    if learned_s is not None:
        why += ", as pods of its kind took before"
    if ratio > settings.data_ratio:
        return Profile(DATA_INTENSIVE, why, known.data_intensive)
    if ratio < settings.compute_ratio:
        return Profile(COMPUTE_INTENSIVE, why, known.compute_intensive)
    return Profile(DEFAULT, why, known.default)


def _mean(first: config.Weights, second: config.Weights) -> config.Weights:
    return config.Weights(
        resources=(first.resources + second.resources) / 2,
        affinity=(first.affinity + second.affinity) / 2,
        node_type=(first.node_type + second.node_type) / 2,
        capability=(first.capability + second.capability) / 2,
        data=(first.data + second.data) / 2,
    )
