"""The node-type criterion: how many of the pod's wishes for a place (edge or cloud, region, zone) a node grants."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from scheduler import config
from scheduler.plugins import contract, criteria, request
from scheduler.state import changes, facts, network, snapshot


class Asked(NamedTuple):
    """The stated preferences; 0 or "" where there is none."""

    type_code: int
    region: str
    zone: str

    def granted_by(self, site: network.Site) -> int:
        """How many of them, without the type, a place grants."""
        return bool(self.region and site.region == self.region) + bool(self.zone and site.zone == self.zone)

    @property
    def wishes(self) -> int:
        """How many there are."""
        return bool(self.type_code) + bool(self.region) + bool(self.zone)


def _compile(pod: request.PodRequest, _settings: config.Settings) -> Asked | None:
    intent = pod.intent
    code = facts.EDGE if intent.prefer_edge else facts.CLOUD if intent.prefer_cloud else 0
    asked = Asked(code, intent.prefer_region, intent.prefer_zone)
    return asked if asked.wishes else None


def _shares(asked: Asked, view: snapshot.Snapshot) -> contract.Floats:
    by_site = np.array([asked.granted_by(site) for site in view.links.sites])
    granted = by_site[view.links.site_of[: view.size]]
    if asked.type_code:
        granted = granted + (view.node_type == asked.type_code)
    shares: contract.Floats = granted / asked.wishes
    return shares


def _share(asked: Asked, view: snapshot.Snapshot, slot: int) -> float:
    granted = asked.granted_by(view.links.sites[view.links.site_of.item(slot)])
    if asked.type_code:
        granted += view.node_type.item(slot) == asked.type_code
    return granted / asked.wishes


WISH: Final = contract.Wish(
    name=criteria.NODE_TYPE,
    compile=_compile,
    shares=_shares,
    share=_share,
    facets=changes.FACTS | changes.PLACE | changes.ALIVE,
)
