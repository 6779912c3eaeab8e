"""The node-type criterion: how many of the pod's wishes for a place (edge or cloud, region, zone) a node grants."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scheduler.api import annotations as intents
from scheduler.engine.criteria import capability
from scheduler.state import facts, network, snapshot

Ints = NDArray[np.int64]


def utility(snap: snapshot.Snapshot, intent: intents.Intent, feasible: Ints) -> network.Floats:
    """The granted share of the stated preferences, 0..1; 1 for all nodes when there are none."""
    granted = []
    if intent.prefer_edge or intent.prefer_cloud:
        granted.append(snap.node_type[feasible] == (facts.EDGE if intent.prefer_edge else facts.CLOUD))
    sites, site_of = snap.links.sites, snap.links.site_of[feasible]
    if intent.prefer_region:
        granted.append(np.array([site.region == intent.prefer_region for site in sites], np.bool_)[site_of])
    if intent.prefer_zone:
        granted.append(np.array([site.zone == intent.prefer_zone for site in sites], np.bool_)[site_of])
    return capability.share(granted, len(feasible))
