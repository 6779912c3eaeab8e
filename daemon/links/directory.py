"""Finds out whom to probe, with reads whose sum does not grow with the square of the nodes.

Every NodeCapability carries its node's region and zone as labels. A daemon lists those of its own zone; from them each
works out alike who represents it. A representative says so by a label on its own object, and only representatives list
those that carry it, which are three of each zone. Nothing is watched, everything comes from the API server's watch
cache, and nobody has to keep a common list: see docs/decisions/0002-who-probes-whom.md.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from daemon.links import schedule
from daemon.stores import addresses
from scheduler.api import core, crd, names, units
from scheduler.kube import client, reading

_COLLECTION: Final = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"
_TRUE: Final = "true"
_LABELS: Final = (names.REGION_LABEL, names.ZONE_LABEL, names.PROBES_LABEL)


_LOOPBACK: Final = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
_OFF: Final = frozenset({"off", "false", "no"})


class Directory:
    """Reads and writes of one node's daemon."""

    def __init__(self, api: client.Api, node: str) -> None:
        self._api = api
        self._node = node

    async def own(self) -> crd.NodeCapability | None:
        """This node's NodeCapability, None while nobody has made it."""
        return await reading.get(self._api, f"{_COLLECTION}/{self._node}", crd.NodeCapability)

    async def is_off(self) -> bool:
        """Whether a label of the Node keeps its links from being measured."""
        node = await reading.get(self._api, f"/api/v1/nodes/{self._node}", core.Node)
        return node is None or node.metadata.labels.get(names.LINK_PROBES_LABEL, "").lower() in _OFF

    async def stand_down(self, own: crd.NodeCapability) -> None:
        """Represent no zone any more."""
        place = {names.REGION_LABEL: own.status.region, names.ZONE_LABEL: own.status.zone}
        await self._label(own, {key: value for key, value in place.items() if value})

    async def look(self, own: crd.NodeCapability) -> list[schedule.Duty]:
        """Say in which zone this node is and whether it represents it, and work out its duties.

        Raises:
            ApiError: as by the client; then nothing is concluded, least of all that there is nobody else.
        """
        place = {names.REGION_LABEL: own.status.region, names.ZONE_LABEL: own.status.zone}
        selector = ",".join(f"{key}={value}" if value else f"!{key}" for key, value in place.items())
        guard = _guard(own)
        neighbours = {member.node: member for member in await self._members(selector, guard)}
        neighbours[self._node] = _member(own)
        stands = any(member.node == self._node for member in schedule.representatives(neighbours.values()))
        labels = {key: value for key, value in place.items() if value} | ({names.PROBES_LABEL: _TRUE} if stands else {})
        await self._label(own, labels)
        if not stands:
            return []
        everybody = {member.node: member for member in await self._members(f"{names.PROBES_LABEL}={_TRUE}", guard)}
        everybody[self._node] = neighbours[self._node]
        return schedule.duties(self._node, _capped(everybody.values()))

    async def publish(self, own: crd.NodeCapability, probe: crd.Probe | None, links: Iterable[crd.Link]) -> None:
        """Write where this node can be probed, if it can, and what it measured.

        Raises:
            ApiError: as by the client.
        """
        status = {
            **({"probe": msgspec.to_builtins(probe)} if probe is not None else {}),
            "links": [{"direction": link.direction, **msgspec.to_builtins(link)} for link in links],
        }
        await self._apply(f"{_COLLECTION}/{self._node}/status", {"name": own.metadata.name}, {"status": status})

    async def _label(self, own: crd.NodeCapability, labels: dict[str, str]) -> None:
        if labels == {key: own.metadata.labels[key] for key in _LABELS if key in own.metadata.labels}:
            return
        # With the uid, so that an object that was deleted meanwhile is not made anew by its labels alone.
        metadata = {"name": own.metadata.name, "uid": own.metadata.uid, "labels": labels}
        await self._apply(f"{_COLLECTION}/{self._node}", metadata, {})

    async def _apply(self, path: str, metadata: dict[str, Any], rest: dict[str, Any]) -> None:
        body = {"apiVersion": names.API_VERSION, "kind": "NodeCapability", "metadata": metadata, **rest}
        params = {"fieldManager": names.LINKS_FIELD_MANAGER, "force": "true"}
        await self._api.patch(path, msgspec.json.encode(body), client.APPLY_PATCH, params=params)

    async def _members(self, selector: str, guard: addresses.Guard) -> list[schedule.Member]:
        params = {"labelSelector": selector, "resourceVersion": "0"}
        found = await reading.list_all(self._api, _COLLECTION, crd.NodeCapability, params)
        return [_member(capability) for capability in found if _can_be_probed(capability, guard)]


def _guard(own: crd.NodeCapability) -> addresses.Guard:
    """What may be probed: where other nodes' daemons can be. On a loopback address only from one, on one machine."""
    probe = own.status.probe
    here = addresses.literal(probe.address) if probe is not None else None
    is_one_machine = here is not None and here.is_loopback
    return addresses.Guard(allowed=_LOOPBACK if is_one_machine else ())


def _can_be_probed(capability: crd.NodeCapability, guard: addresses.Guard) -> bool:
    """Whether it names an address, none by a name that somebody would have to resolve, and none that nobody probes.

    Whoever took a node over could otherwise have all others talk to the metadata service of their cloud.
    """
    probe = capability.status.probe
    return probe is not None and addresses.literal(probe.address) is not None and not guard.fault(probe.address)


def _member(capability: crd.NodeCapability) -> schedule.Member:
    status = capability.status
    probe = status.probe or crd.Probe("", 0)
    times = ((link.peer, units.time_s(link.last_probe_time)) for link in status.links)
    return schedule.Member(
        node=capability.metadata.name,
        zone=(status.region, status.zone),
        address=probe.address,
        port=probe.port,
        has_store=any(store.available for store in status.stores),
        measured={peer: at_s for peer, at_s in times if at_s is not None},
    )


def _capped(everybody: Iterable[schedule.Member]) -> list[schedule.Member]:
    """At most as many of each zone as may stand for it: an old label of somebody else is one too many."""
    zones: dict[schedule.Zone, list[schedule.Member]] = {}
    for member in everybody:
        zones.setdefault(member.zone, []).append(member)
    return [member for members in zones.values() for member in schedule.representatives(members)]
