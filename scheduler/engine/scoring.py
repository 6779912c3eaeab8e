"""kube-scheduler's scores of the feasible nodes, and from them the resources and affinity criteria.

The two utilities are upstream's weighted plugin scores, summed over a group and divided by the most that the group can
give. In the profile `plain` the two criteria weigh as their groups do, so that its cost is 1 - total / maximum and its
best set is kube-scheduler's best set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.plugins import contract, registry, request
from scheduler.state import network, snapshot

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Term:
    """A criterion's weight and its utility (0..1) on each feasible node."""

    weight: float
    utility: NDArray[np.float64]

    @property
    def cost(self) -> NDArray[np.float64]:
        """What the criterion adds to each node's cost."""
        return self.weight * (1.0 - self.utility)


@dataclass(frozen=True, slots=True)
class Scores:
    """Plugin scores over the feasible nodes; a skipped plugin is absent.

    Attributes:
        raw: Plugin to scores before normalisation.
        weighted: Plugin to normalised score x plugin weight.
        error: Why upstream would fail the cycle instead of choosing; "" if it would not.
    """

    raw: dict[str, Ints]
    weighted: dict[str, Ints]
    error: str = ""

    def total(self, count: int) -> Ints:
        """Upstream's total of each feasible node."""
        return _sum(self.weighted, tuple(self.weighted), count)


def score(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings, feasible: Ints) -> Scores:
    """Run every enabled score plugin over the feasible nodes (at least one)."""
    raw_scores: dict[str, Ints] = {}
    weighted: dict[str, Ints] = {}
    for plugin in registry.SCORES:
        name = plugin.name
        weight = settings.plugins.score_weights.get(name, 0)
        if not weight:
            continue
        wanted = plugin.compile(asked, settings)
        if isinstance(wanted, contract.Refuse):
            return Scores(raw={}, weighted={}, error=wanted.message)
        if wanted is not None and plugin.resolve is not None:
            wanted = plugin.resolve(wanted, snap)
        if wanted is None:
            continue
        values = plugin.raws(wanted, snap)[feasible]
        least, most = int(values.min()), int(values.max())
        normal = plugin.normalise.all(values, least, most) if plugin.normalise is not None else values
        raw_scores[name] = values
        invalid = normal[(normal < 0) | (normal > contract.MAX_SCORE)]
        if len(invalid):
            rule = f"it should in the range of [0, {contract.MAX_SCORE}] after normalizing"  # upstream's words
            return Scores({}, {}, f'plugin "{name}" returns an invalid score {invalid[0]}, {rule}')
        weighted[name] = normal * weight
    return Scores(raw=raw_scores, weighted=weighted)


def utilities(found: Scores, plugins: config.Plugins, count: int) -> tuple[network.Floats, network.Floats]:
    """The resources and affinity utilities, each 0..1 over the feasible nodes."""
    return (
        _sum(found.weighted, registry.RESOURCES, count) / max(_maximum(plugins, registry.RESOURCES), 1),
        _sum(found.weighted, registry.AFFINITY, count) / max(_maximum(plugins, registry.AFFINITY), 1),
    )


def wishes(
    view: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings, feasible: Ints
) -> dict[str, network.Floats]:
    """By criterion the share of a pod's wishes, 0..1, that each feasible node grants; 1 where it has none."""
    found: dict[str, network.Floats] = {}
    for wish in registry.WISHES:
        wanted = wish.compile(asked, settings)
        found[wish.name] = np.ones(len(feasible)) if wanted is None else wish.shares(wanted, view)[feasible]
    return found


def plain_weights(plugins: config.Plugins) -> config.Weights:
    """The profile of a pod without annotations: each group weighs as its plugins do in kube-scheduler's total."""
    resources, affinity = _maximum(plugins, registry.RESOURCES), _maximum(plugins, registry.AFFINITY)
    whole = max(resources + affinity, 1)
    return config.Weights(
        resources=resources / whole, affinity=affinity / whole, node_type=0.0, capability=0.0, data=0.0
    )


def _maximum(plugins: config.Plugins, group: tuple[str, ...]) -> int:
    return sum(plugins.score_weights.get(plugin, 0) for plugin in group) * contract.MAX_SCORE


def _sum(weighted: dict[str, Ints], group: tuple[str, ...], count: int) -> Ints:
    total = np.zeros(count, np.int64)
    for plugin in group:
        if plugin in weighted:
            total += weighted[plugin]
    return total
