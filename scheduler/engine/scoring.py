"""kube-scheduler's total, and how the criteria are made of it.

The two utilities of upstream's scores are its weighted plugin scores, summed over a group and divided by the most that
the group can give. In the profile `plain` the two criteria weigh as their groups do, so that its cost is
1 - total / maximum and its best set is kube-scheduler's best set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scheduler import config
from scheduler.plugins import contract, criteria, registry


@dataclass(frozen=True, slots=True)
class Term:
    """A criterion's weight and its utility (0..1) on each feasible node."""

    weight: float
    utility: contract.Floats

    @property
    def cost(self) -> contract.Floats:
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

    raw: dict[str, contract.Ints]
    weighted: dict[str, contract.Ints]
    error: str = ""

    def total(self, count: int) -> contract.Ints:
        """Upstream's total of each feasible node."""
        total = np.zeros(count, np.int64)
        for values in self.weighted.values():
            total += values
        return total


def invalid(plugin: str, score: int) -> str:
    """Why upstream fails a cycle over a score that is out of range, in its words."""
    rule = f"it should in the range of [0, {contract.MAX_SCORE}] after normalizing"
    return f'plugin "{plugin}" returns an invalid score {score}, {rule}'


def most(plugins: config.Plugins, group: tuple[str, ...]) -> int:
    """The most that a group of scores can give; 1 for a group that is off."""
    return max(_most(plugins, group), 1)


def _most(plugins: config.Plugins, group: tuple[str, ...]) -> int:
    return sum(plugins.score_weights.get(plugin, 0) for plugin in group) * contract.MAX_SCORE


def plain_weights(plugins: config.Plugins, group: tuple[str, ...]) -> config.Weights:
    """The profile of a pod without annotations: each group weighs as its plugins do in kube-scheduler's total.

    Args:
        group: The scores that make up the resources.
    """
    resources, affinity = _most(plugins, group), _most(plugins, registry.AFFINITY)
    whole = max(resources + affinity, 1)
    return config.Weights(
        resources=resources / whole, affinity=affinity / whole, node_type=0.0, capability=0.0, data=0.0
    )


def weight_of(weights: config.Weights, criterion: str) -> float:
    """What a criterion counts in a profile."""
    match criterion:
        case criteria.RESOURCES:
            return weights.resources
        case criteria.AFFINITY:
            return weights.affinity
        case criteria.NODE_TYPE:
            return weights.node_type
        case criteria.CAPABILITY:
            return weights.capability
        case _:
            return weights.data
