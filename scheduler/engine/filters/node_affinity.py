"""NodeAffinity: node selector, required node affinity, and the affinity that the configuration adds for everybody."""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler import config
from scheduler.api import core
from scheduler.engine import request, selectors, verdict
from scheduler.state import snapshot

PLUGIN: Final = "NodeAffinity"
_ADDED_REASON: Final = "node(s) didn't match scheduler-enforced node affinity"
_OWN_REASON: Final = "node(s) didn't match Pod's node affinity/selector"


def check_pod(asked: request.PodRequest) -> verdict.PodVerdict | None:
    """Narrow the pod to the nodes that all its terms name, or refuse it when the names contradict each other."""
    affinity = asked.pod.spec.affinity
    required = affinity.node_affinity.required if affinity and affinity.node_affinity else None
    if required is None or not required.node_selector_terms:
        return None
    names: frozenset[str] = frozenset()
    for term in required.node_selector_terms:
        named = selectors.named_nodes(term)
        if named is None:
            return None
        names |= named
    if not names:
        return verdict.PodVerdict((PLUGIN,), message="pod affinity terms conflict")
    return verdict.PodVerdict((PLUGIN,), only=names)


def check(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings) -> verdict.Verdict | None:
    """Refuse nodes that the selectors do not match; the added affinity is asked first."""
    spec = asked.pod.spec
    enforced = _match_required(settings.plugins.added_affinity, snap)
    own = selectors.match_pairs(spec.node_selector, snap)
    own &= _match_required(spec.affinity.node_affinity if spec.affinity else None, snap)
    refused = ~(enforced & own)
    if not refused.any():
        return None
    return verdict.Verdict(
        plugin=PLUGIN,
        code=np.where(refused, np.int8(verdict.Code.UNRESOLVABLE), np.int8(verdict.Code.SUCCESS)),
        reason=enforced.astype(np.int32),
        reasons=((_ADDED_REASON,), (_OWN_REASON,)),
    )


def _match_required(affinity: core.NodeAffinity | None, snap: snapshot.Snapshot) -> verdict.Mask:
    if affinity is None or affinity.required is None:
        return np.ones(snap.size, np.bool_)
    return selectors.match_any(affinity.required.node_selector_terms, snap)
