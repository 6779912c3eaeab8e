"""The capability criterion: how many of the capabilities that a pod wants, but does not require, a node has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scheduler.api import annotations as intents
from scheduler.plugins import capability
from scheduler.state import network, snapshot

Ints = NDArray[np.int64]


def utility(snap: snapshot.Snapshot, intent: intents.Intent, feasible: Ints) -> network.Floats:
    """The share of wanted capabilities that each node has, 0..1; 1 for all nodes when none is wanted."""
    return share([capability.has(snap, wanted)[feasible] for wanted in intent.wanted], len(feasible))


def share(granted: Sequence[NDArray[np.bool_]], count: int) -> network.Floats:
    """The share of wishes that each node grants; 1 where there are no wishes."""
    if not granted:
        return np.ones(count)
    total: network.Floats = np.stack(granted).mean(axis=0)
    return total
