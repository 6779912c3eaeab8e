"""What a pod's claims come to on one node: volumes that are given to them, volumes to be provided, or why neither.

Source: volumebinding/binder.go (FindPodVolumes) and component-helpers/storage/volume/pv_helpers.go.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from scheduler.api import migration, volumes
from scheduler.plugins import contract
from scheduler.plugins.volumes import reading
from scheduler.state import snapshot
from scheduler.state.volumes import mounts, places, storage

CONFLICT: Final = "node(s) didn't match PersistentVolume's node affinity"
UNBOUND: Final = "node(s) didn't find available persistent volumes to bind"
FULL: Final = "node(s) did not have enough free storage"
MISSING: Final = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"


class Stay(NamedTuple):
    """The volume of a claim that is bound: from where it can be reached.

    Attributes:
        is_missing: There is no such volume.
        terms: From where.
        plugin: The old plugin of it, where a driver in its place makes a difference; "" otherwise.
        moved: From where the driver reaches it.
        problem: Why the driver cannot.
    """

    is_missing: bool = False
    terms: places.Terms | None = None
    plugin: str = ""
    moved: places.Terms | None = None
    problem: str = ""


class Provide(NamedTuple):
    """How a volume is made for a claim.

    Attributes:
        is_possible: Whether anybody makes one.
        terms: Where it may be made.
        pools: Where there is room for it; None where that is not asked.
        class_name: The class that the claim itself names.
        size_bytes: How large it is.
    """

    is_possible: bool
    terms: places.Terms | None
    pools: storage.Pools | None
    class_name: str
    size_bytes: int


class Claim(NamedTuple):
    """A claim to be bound once its node is known: a node that is selected, what it may be given, how it is made."""

    selected: str | None
    size: storage.Size
    kept: storage.Offers
    free: storage.Offers
    provide: Provide


class Resolved(NamedTuple):
    """All claims of a pod: those that are bound, as far as that binds the pod, and those that are not."""

    bound: tuple[Stay, ...]
    unbound: tuple[Claim, ...]


class Node(Protocol):
    """A node, as far as claims ask."""

    @property
    def name(self) -> str:
        """Its name."""

    def is_among(self, terms: places.Terms) -> bool:
        """Whether terms mean it."""

    def has_moved(self, plugin: str) -> bool:
        """Whether a driver stands in for an old plugin there."""

    def reached(self, ranked: storage.Offers | storage.Pools) -> Sequence[int]:
        """The places that mean it, as numbers in ``ranked.places``."""


class Plan(NamedTuple):
    """What is done for the claims, by their numbers, if there is no reason against it and no error."""

    reasons: tuple[str, ...] = ()
    error: str = ""
    given: tuple[tuple[int, storage.Offer], ...] = ()
    provided: tuple[tuple[int, storage.Pool | None], ...] = ()


def claims_of(
    asked: reading.Asked, view: snapshot.Snapshot
) -> tuple[list[volumes.PersistentVolumeClaim], list[volumes.PersistentVolumeClaim]] | contract.Refuse:
    """The bound and the unbound claims of a pod, in order; or why it cannot be placed as they are."""
    found = []
    for name, is_own in asked.listed:
        claim = view.storage.claim(asked.namespace, name)
        if claim is None:
            waits = f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
            return contract.Refuse(waits if is_own else reading.not_found(name))
        if claim.status.phase == volumes.LOST:
            lost = f'bound to non-existent persistentvolume "{claim.spec.volume_name}"'
            return contract.Refuse(f'persistentvolumeclaim "{name}" {lost}')
        if claim.metadata.deletion_timestamp:
            return contract.Refuse(f'persistentvolumeclaim "{name}" is being deleted')
        if is_own and not claim.is_for(asked.pod):
            return contract.Refuse(mounts.not_owned(asked.pod, claim))
        found.append(claim)
    unbound = [claim for claim in found if not claim.is_bound]
    is_immediate = False
    for claim in unbound:
        named = view.storage.storage_class(claim.class_name) if claim.class_name else None
        if named is not None and named.volume_binding_mode is None:
            return contract.Refuse(f'VolumeBindingMode not set for StorageClass "{claim.class_name}"', fails=True)
        waits_for_node = named is not None and named.volume_binding_mode == volumes.WAIT_FOR_FIRST_CONSUMER
        is_immediate |= not waits_for_node or bool(claim.spec.volume_name)
    if is_immediate:
        return contract.Refuse("pod has unbound immediate PersistentVolumeClaims")
    return [claim for claim in found if claim.is_bound], unbound


def resolve(asked: reading.Asked, view: snapshot.Snapshot) -> Resolved | contract.Refuse:
    """What the claims come to in the cluster as it is."""
    found = claims_of(asked, view)
    if isinstance(found, contract.Refuse):
        return found
    bound, unbound = found
    stays = (_stay(claim, view) for claim in bound)
    return Resolved(
        bound=tuple(stay for stay in stays if stay != Stay()),
        unbound=tuple(_claim(claim, view) for claim in unbound),
    )


def _stay(claim: volumes.PersistentVolumeClaim, view: snapshot.Snapshot) -> Stay:
    volume = view.storage.volume(claim.spec.volume_name)
    return Stay(is_missing=True) if volume is None else stay_of(volume)


def stay_of(volume: volumes.PersistentVolume) -> Stay:
    """From where a volume can be reached."""
    terms, stand = places.of_volume(volume), migration.of_volume(volume)
    if stand is None:
        return Stay(terms=terms)
    moved = migration.reach(volume)
    if stand.problem:
        return Stay(terms=terms, plugin=stand.plugin, problem=f"could not translate pv: {stand.problem}")
    return Stay(terms=terms, plugin=stand.plugin, moved=moved) if moved != terms else Stay(terms=terms)


def _claim(claim: volumes.PersistentVolumeClaim, view: snapshot.Snapshot) -> Claim:
    known, size = view.storage, storage.size_of(claim.requested)
    selected = claim.metadata.annotations.get(volumes.SELECTED_NODE)
    named = known.storage_class(claim.class_name)
    provisioner = named.provisioner if named is not None else ""
    driver = known.driver(provisioner)
    looks = claim.requested is not None and driver is not None and driver.spec.storage_capacity
    return Claim(
        selected=selected,
        size=size,
        kept=known.kept_for(claim, size) if selected is None else storage.NO_OFFERS,
        free=known.free_for(claim, size) if selected is None else storage.NO_OFFERS,
        provide=Provide(
            is_possible=provisioner not in ("", volumes.NO_PROVISIONER),
            terms=places.of_class(named.allowed_topologies) if named is not None else None,
            pools=known.pools(claim.class_name, size) if looks else None,
            class_name=claim.spec.storage_class_name or "",
            size_bytes=size[0],
        ),
    )


def judge(asked: Resolved, node: Node) -> Plan:
    """What is done on a node, or why the pod cannot go there."""
    told = []
    stay = next((one for one in asked.bound if not can_stay(one, node)), None)
    if stay is not None and stay.problem and node.has_moved(stay.plugin):
        return Plan(error=stay.problem)
    if stay is not None and not stay.is_missing:
        told.append(CONFLICT)
    reasons, given, provided = _bind(asked.unbound, node)
    told += reasons
    if stay is not None and stay.is_missing:
        told.append(MISSING)
    return Plan(tuple(told), given=given, provided=provided)


def can_stay(stay: Stay, node: Node) -> bool:
    """Whether a node reaches the volume of a claim that is bound."""
    if stay.is_missing:
        return False
    terms = stay.terms
    if stay.plugin and node.has_moved(stay.plugin):
        if stay.problem:
            return False
        terms = stay.moved
    return terms is None or node.is_among(terms)


_Given = tuple[tuple[int, storage.Offer], ...]
_Provided = tuple[tuple[int, storage.Pool | None], ...]


def _bind(claims: tuple[Claim, ...], node: Node) -> tuple[list[str], _Given, _Provided]:
    """Give volumes to claims, the smallest claims first, and have made what is left."""
    if any(claim.selected not in (None, node.name) for claim in claims):
        return [UNBOUND], (), ()
    to_make = [number for number, claim in enumerate(claims) if claim.selected is not None]
    given: list[tuple[int, storage.Offer]] = []
    taken: set[str] = set()
    for number in sorted(set(range(len(claims))).difference(to_make), key=lambda one: claims[one].size):
        offer = _offer(claims[number], node, taken)
        if offer is None:
            to_make.append(number)
        else:
            taken.add(offer.volume.metadata.name)
            given.append((number, offer))
    provided: list[tuple[int, storage.Pool | None]] = []
    for number in to_make:
        how = claims[number].provide
        if not how.is_possible or not (how.terms is None or node.is_among(how.terms)):
            return [UNBOUND], tuple(given), ()
        pool = None
        if how.pools is not None:
            first = min(_reached(how.pools, node), default=None)
            if first is None:
                return [FULL], tuple(given), ()
            pool = how.pools.listed[first]
        provided.append((number, pool))
    return [], tuple(given), tuple(provided)


def _offer(claim: Claim, node: Node, taken: set[str]) -> storage.Offer | None:
    """What is kept for a claim, if that can be reached; else the smallest of what is nobody's."""
    for kept in claim.kept.listed:
        if kept.volume.metadata.name not in taken:
            return kept if kept.terms is None or node.is_among(kept.terms) else None
    listed = claim.free.listed
    reached = sorted(_reached(claim.free, node)) if len(taken) else [min(_reached(claim.free, node), default=-1)]
    free = (listed[number] for number in reached if number >= 0)
    return next((offer for offer in free if offer.volume.metadata.name not in taken), None)


def _reached(ranked: storage.Offers | storage.Pools, node: Node) -> Iterator[int]:
    at = ranked.at
    return itertools.chain(ranked.everywhere, *(at[place] for place in node.reached(ranked)))
