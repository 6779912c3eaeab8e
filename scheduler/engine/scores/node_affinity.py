"""NodeAffinity's score: the weights of the preferred terms that match, the pod's and those the configuration adds."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.api import core
from scheduler.engine import request, scores, selectors
from scheduler.state import snapshot

PLUGIN: Final = "NodeAffinity"

Ints = NDArray[np.int64]


class UnreadableTermError(Exception):
    """A preferred term cannot be read, which upstream answers by failing the whole cycle."""


def raw(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings, feasible: Ints) -> Ints | None:
    """Sum of matching weights; None when there is no preference.

    Raises:
        UnreadableTermError: see there.
    """
    affinity = asked.pod.spec.affinity.node_affinity if asked.pod.spec.affinity else None
    preferred = _preferred(affinity) + _preferred(settings.plugins.added_affinity)
    if not preferred:
        return None
    total = np.zeros(len(feasible), np.int64)
    for term in preferred:
        if term.weight == 0 or not (term.preference.match_expressions or term.preference.match_fields):
            continue
        matched = selectors.match_term(term.preference, snap)
        if matched is None:
            raise UnreadableTermError(f"a preferred node affinity term of weight {term.weight} cannot be read")
        total += np.where(matched[feasible], term.weight, 0)
    return total


def normalise(raw_scores: Ints) -> Ints:
    """100 for the highest sum; zeros stay zeros."""
    most = int(raw_scores.max())
    return raw_scores if most == 0 else scores.MAX_SCORE * raw_scores // most


def _preferred(affinity: core.NodeAffinity | None) -> tuple[core.PreferredSchedulingTerm, ...]:
    return affinity.preferred if affinity is not None else ()
