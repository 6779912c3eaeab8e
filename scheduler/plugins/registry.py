"""The one list of plugins. To add a rule, write one file like its neighbours here, and name it in one line below.

Weights of scores and which filters are off are settings (scheduler.kubeconfiguration), by the names given there. What
packages from outside bring comes after these, as far as the settings ask for it (scheduler.plugins.extending).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from scheduler.plugins import (
    capability,
    contract,
    cordon,
    declared_features,
    extending,
    image_locality,
    node_affinity,
    node_name,
    place,
    ports,
    taints,
)
from scheduler.plugins.dynamic_resources import filtering
from scheduler.plugins.pod_affinity import preferring, requiring
from scheduler.plugins.resources import balance, fullness, room
from scheduler.plugins.topology_spread import preferring as spread_preferred
from scheduler.plugins.topology_spread import requiring as spread_required
from scheduler.plugins.volumes import binding, limits, restrictions, zone

# In upstream's default order, ours last. The first that refuses a node is the one that is told.
FILTERS: Final[tuple[contract.Filter[Any, Any], ...]] = (
    node_name.FILTER,
    cordon.FILTER,
    taints.FILTER,
    node_affinity.FILTER,
    ports.FILTER,
    room.FILTER,
    restrictions.FILTER,
    limits.FILTER,
    binding.FILTER,
    zone.FILTER,
    spread_required.FILTER,
    requiring.FILTER,
    filtering.FILTER,
    declared_features.FILTER,
    capability.FILTER,
)

# In upstream's default order: the first that cannot be worked out is the one that is told.
SCORES: Final[tuple[contract.Score[Any, Any], ...]] = (
    taints.SCORE,
    node_affinity.SCORE,
    fullness.SCORE,
    binding.SCORE,
    spread_preferred.SCORE,
    preferring.SCORE,
    filtering.SCORE,
    balance.SCORE,
    image_locality.SCORE,
)

# In the order in which they are explained.
WISHES: Final[tuple[contract.Wish[Any], ...]] = (place.WISH, capability.WISH)

# The criteria that upstream's scores make up, by the names that their weights have in the settings.
RESOURCES: Final = (fullness.SCORE.name, balance.SCORE.name, image_locality.SCORE.name)
# Of a pod with data images count there.
IMAGES: Final = image_locality.SCORE.name
WITHOUT_IMAGES: Final = (fullness.SCORE.name, balance.SCORE.name)
AFFINITY: Final = (taints.SCORE.name, node_affinity.SCORE.name, spread_preferred.SCORE.name, preferring.SCORE.name)
# Those of the resources, too, that are asked only of pods with claims.
OF_CLAIMS: Final = (binding.SCORE.name, filtering.SCORE.name)


def filters(extensions: Sequence[str]) -> tuple[contract.Filter[Any, Any], ...]:
    """All filters, with those of plugins from outside."""
    return (*FILTERS, *(one for name in extensions for one in extending.load(name).filters))


def scores(extensions: Sequence[str]) -> tuple[contract.Score[Any, Any], ...]:
    """All scores, likewise; those from outside count with the resources."""
    return (*SCORES, *(one for name in extensions for one in extending.load(name).scores))
