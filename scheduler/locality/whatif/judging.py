"""Where recent pods would go in a world: each on its own, with itself taken out, or all in order, one after another.

A pod is decided as it was when it was decided last. Among nodes that tie it is drawn; one that ties where it is now, or
would be without the change, is taken to stay there, as a draw that came out otherwise would tell nothing of the change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from scheduler import errors
from scheduler.api import core
from scheduler.engine import decision
from scheduler.locality.whatif.ground import Ground
from scheduler.offline import world as worlds
from scheduler.plugins import request
from scheduler.state import sites, snapshot

SAME_NODE: Final = "same node"
SAME_ZONE: Final = "same zone"
SAME_REGION: Final = "same region"
CROSS_REGION: Final = "cross-region"
ALL: Final = "all"
CLASSES: Final = (SAME_NODE, SAME_ZONE, SAME_REGION, CROSS_REGION)

Tell = Callable[[int, int], None]
"""Is told how many of how many are done."""


class Subject(NamedTuple):
    """A pod to decide about.

    Attributes:
        pod: As it would be created.
        draw: What decides among nodes that tie.
        stays_on: The node that is taken before others that tie with it; "" for none.
        is_evicted: Whether a change takes its node from it.
    """

    pod: core.Pod
    draw: int
    stays_on: str = ""
    is_evicted: bool = False

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid


class Moved(NamedTuple):
    """What transfers come to."""

    size_bytes: int
    seconds: float


class Transfer(NamedTuple):
    """A transfer of a pod: how far, from or to where."""

    urn: str
    partner: str
    size_bytes: int
    seconds: float
    is_output: bool
    distance: str


class Placing(NamedTuple):
    """Where a pod would go, or why nowhere.

    Attributes:
        node: "" for nowhere.
        message: Why, in kube-scheduler's words.
        cost: What the node costs.
        data_s: Seconds of all its transfers.
        missing: The urns that can be had nowhere, which add nothing.
        there_cost, there_s: Cost and seconds of the node that is taken where nodes tie; infinite where it does not fit.
    """

    node: str
    message: str = ""
    cost: float = 0.0
    data_s: float = 0.0
    transfers: tuple[Transfer, ...] = ()
    missing: tuple[str, ...] = ()
    there_cost: float = math.inf
    there_s: float = math.inf

    @property
    def network_bytes(self) -> int:
        """What goes from one node to another."""
        return sum(one.size_bytes for one in self.transfers if one.distance != SAME_NODE)


def subjects(world: worlds.World, last: int, wanted: Callable[[core.Pod], bool]) -> list[Subject]:
    """The last pods that were decided, each once, as it was decided last; the oldest first."""
    found: dict[str, Subject] = {}
    for one in reversed(world.recent):
        uid = one.pod.metadata.uid
        if len(found) == last:
            break
        if uid not in found and wanted(one.pod):
            found[uid] = Subject(as_created(one.pod), one.decision.draw)
    return list(reversed(found.values()))


def as_created(pod: core.Pod) -> core.Pod:
    """A pod that is still to be placed, and of whom nobody expects anything yet."""
    return msgspec.structs.replace(
        pod,
        spec=msgspec.structs.replace(pod.spec, node_name=""),
        status=core.PodStatus(resource_claim_statuses=pod.status.resource_claim_statuses),
    )


def alone(ground: Ground, asked: Sequence[Subject], tell: Tell) -> list[Placing]:
    """Where each would go if all others stayed where they are."""
    # Pods alike one after another, so that what was worked out for one is at hand for the next.
    order = sorted(range(len(asked)), key=lambda place: msgspec.json.encode(asked[place].pod.spec))
    found: dict[int, Placing] = {}
    for count, place in enumerate(order):
        tell(count, len(asked))
        with ground.without(asked[place].uid):
            found[place] = _decided(ground, asked[place])[0]
    return [found[place] for place in range(len(asked))]


def in_order(ground: Ground, asked: Sequence[Subject], tell: Tell) -> list[Placing]:
    """Where they would go if none of them were there yet, and each took its room before the next one came.

    What those before have under way then does not count for those after them, as nothing tells how far apart they come.
    """
    state = ground.state
    for one in asked:
        state.remove_pod(one.uid)
    told = []
    for count, one in enumerate(asked):
        tell(count, len(asked))
        placing, prepared = _decided(ground, one)
        told.append(placing)
        if placing.node and prepared is not None:
            state.assume(one.pod, placing.node, prepared.asked)
    for one in asked:
        state.remove_pod(one.uid)
    return told


def _decided(ground: Ground, subject: Subject) -> tuple[Placing, request.PodRequest | None]:
    try:
        asked = request.prepare(subject.pod)
    except errors.InputError as error:
        return Placing("", str(error)), None
    view = ground.view()
    found = ground.engines.of(subject.pod).decide(view, asked, subject.draw, is_tried=False)
    if found.choice is None:
        return Placing("", found.why_not), asked
    choice = found.choice
    stays_on = view.index_of.get(subject.stays_on, -1)
    slot = stays_on if stays_on in choice.best else choice.slot
    transfers = tuple(_told(view, one, slot) for one in (*found.transfers(view, slot), *found.pulls(view, slot)))
    placing = Placing(view.names[slot], "", choice.cost.item(slot), choice.data.seconds_at(slot), transfers)
    placing = placing._replace(missing=(*choice.data.unavailable, *choice.data.unknown))
    if stays_on >= 0 and math.isfinite(there_cost := choice.cost.item(stays_on)):
        placing = placing._replace(there_cost=there_cost, there_s=choice.data.seconds_at(stays_on))
    return placing, asked


def _told(view: snapshot.Snapshot, one: decision.Transfer, slot: int) -> Transfer:
    distance = _distance(view, one.partner, slot)
    return Transfer(one.urn, one.partner, one.size_bytes, one.seconds, one.is_output, distance)


def _distance(view: snapshot.Snapshot, partner: str, slot: int) -> str:
    other = view.index_of.get(partner)
    if other == slot:
        return SAME_NODE
    here = _site(view, slot)
    if other is not None:
        there = _site(view, other)
    else:
        region, _, zone = partner.partition(":")[2].partition("/")
        there = sites.Site(region, zone, "")
    if here.zone and (here.region, here.zone) == (there.region, there.zone):
        return SAME_ZONE
    return SAME_REGION if here.region and here.region == there.region else CROSS_REGION


def _site(view: snapshot.Snapshot, slot: int) -> sites.Site:
    return view.links.sites[view.links.site_of.item(slot)]


def total(placings: Sequence[Placing]) -> dict[str, Moved]:
    """What they move, by how far, and in ALL."""
    transfers = [one for placing in placings for one in placing.transfers]
    found = {name: _sum([one for one in transfers if one.distance == name]) for name in CLASSES}
    return {**found, ALL: _sum(transfers)}


def _sum(transfers: Sequence[Transfer]) -> Moved:
    return Moved(sum(one.size_bytes for one in transfers), math.fsum(one.seconds for one in transfers))
