"""The claims and volumes that there are, what says which can be had where, and what was decided about them meanwhile.

A volume that was given to a claim, and a claim that a node was selected for, are assumed so until the API server shows
another version, or until it is taken back: as kube-scheduler's assume cache, by resource versions.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from scheduler.api import core, requirements, units, volumes
from scheduler.state import changes, podterms
from scheduler.state.volumes import drivers, places, use

ClaimKey = tuple[str, str]  # namespace and name
Key = tuple[str, str]  # likewise; the namespace is "" for what has none
O = TypeVar("O", volumes.PersistentVolumeClaim, volumes.PersistentVolume)  # noqa: E741 (a type, not a number)

# Sizes, for an order that is exact where quantities are: in units and in thousandths, both rounded up.
Size = tuple[int, int]
NO_SIZE: Final = (0, 0)


def size_of(quantity: core.Quantity | None) -> Size:
    """A size as it is compared; none is 0.

    Raises:
        InputError: it cannot be read.
    """
    return NO_SIZE if quantity is None else (units.quantity(quantity), units.quantity_milli(quantity))


class Offer(NamedTuple):
    """A volume that a claim may be given."""

    terms: places.Terms | None
    volume: volumes.PersistentVolume
    size: Size


class Pool(NamedTuple):
    """What can be had of a class."""

    terms: places.Terms | None
    capacity_bytes: int


T = TypeVar("T", Offer, Pool)


class Ranked(Generic[T]):
    """What may be chosen from, the first that can be reached before the others.

    No two are equal, so that what is worked out of one may be kept by it.

    Attributes:
        listed: All of it.
        places: From where any of it can be reached, each once.
        at: By place, what can be reached from there, as numbers in ``listed``.
        everywhere: What can be reached from all nodes, likewise.
    """

    __slots__ = ("at", "everywhere", "listed", "places")

    def __init__(self, listed: Iterable[T]) -> None:
        self.listed: tuple[T, ...] = tuple(listed)
        self.everywhere: list[int] = []
        at: dict[places.Terms, list[int]] = {}
        for number, one in enumerate(self.listed):
            (self.everywhere if one.terms is None else at.setdefault(one.terms, [])).append(number)
        self.places = tuple(at)
        self.at = tuple(at.values())


Offers = Ranked[Offer]
Pools = Ranked[Pool]
NO_OFFERS: Final[Offers] = Ranked(())
NO_POOLS: Final[Pools] = Ranked(())


class _Class:
    """What is known of a class, by what was asked of it; forgotten when it changes."""

    __slots__ = ("capacities", "free", "kept", "offers", "pools")

    def __init__(self) -> None:
        self.free: dict[str, volumes.PersistentVolume] = {}  # volumes of nobody
        self.kept: dict[ClaimKey, dict[str, volumes.PersistentVolume]] = {}  # those of a claim
        self.capacities: dict[Key, volumes.CSIStorageCapacity] = {}
        self.offers: dict[object, Offers] = {}
        self.pools: dict[Size, Pools] = {}

    def is_empty(self) -> bool:
        return not (self.free or self.kept or self.capacities)


class Storage:
    """See the module.

    Args:
        log: Where changes are noted.
        index_of: Slots by the names of nodes.

    Attributes:
        use: What the pods on the nodes use.
        drivers: What CSI drivers say of the nodes.
    """

    def __init__(self, log: changes.Log, index_of: Mapping[str, int]) -> None:
        self.objects: dict[type[volumes.Object], dict[Key, Any]] = {kind: {} for kind in volumes.KINDS}
        self._claims: dict[Key, volumes.PersistentVolumeClaim] = self.objects[volumes.PersistentVolumeClaim]
        self._volumes: dict[Key, volumes.PersistentVolume] = self.objects[volumes.PersistentVolume]
        self._assumed_claims: dict[Key, volumes.PersistentVolumeClaim] = {}
        self._assumed_volumes: dict[Key, volumes.PersistentVolume] = {}
        self._attached_at: dict[str, dict[str, volumes.VolumeAttachment]] = {}
        self._attached: dict[str, dict[str, volumes.VolumeAttachment]] = {}  # by volume
        self._classes: dict[str, _Class] = {}
        self._log = log
        self.use = use.Use(self, log, index_of)
        self.drivers = drivers.Drivers(self.csi_node, self.use, log)

    # Reading

    def claim(self, namespace: str, name: str) -> volumes.PersistentVolumeClaim | None:
        """A claim, as it will be once what was decided is done."""
        return _current((namespace, name), self._claims, self._assumed_claims)

    def volume(self, name: str) -> volumes.PersistentVolume | None:
        """A volume, likewise."""
        return _current(("", name), self._volumes, self._assumed_volumes)

    def seen(self, obj: O) -> O | None:
        """A claim or volume as the API server has it now."""
        found: O | None = self.objects[type(obj)].get(_key(obj))
        return found

    def is_so(self, obj: volumes.Object) -> bool:
        """Whether an object is already as given."""
        return self.objects[type(obj)].get(_key(obj)) == obj

    def storage_class(self, name: str) -> volumes.StorageClass | None:
        return self.objects[volumes.StorageClass].get(("", name))

    def driver(self, name: str) -> volumes.CSIDriver | None:
        return self.objects[volumes.CSIDriver].get(("", name))

    def csi_node(self, name: str) -> volumes.CSINode | None:
        """What drivers say of a node."""
        return self.objects[volumes.CSINode].get(("", name))

    def attachments(self, node: str) -> Mapping[str, volumes.VolumeAttachment]:
        """Those of a node, by name."""
        return self._attached_at.get(node, {})

    def kept_for(self, claim: volumes.PersistentVolumeClaim, size: Size) -> Offers:
        """The volumes of its class that are kept for a claim and suit it, but for where they are."""
        known = self._classes.get(claim.class_name)
        kept = known.kept.get((claim.metadata.namespace, claim.metadata.name)) if known is not None else None
        if not kept:
            return NO_OFFERS
        fitting = (one for one in kept.values() if one.is_kept_for(claim))
        return Ranked(sorted(_suiting(claim, size, fitting), key=_name))

    def free_for(self, claim: volumes.PersistentVolumeClaim, size: Size) -> Offers:
        """The volumes of its class that are nobody's and suit a claim, but for where they are."""
        known = self._classes.get(claim.class_name)
        if known is None or not known.free:
            return NO_OFFERS
        spec = claim.spec
        wanted = _encode((size, spec.access_modes, spec.selector, spec.volume_mode, spec.volume_attributes_class_name))
        found = known.offers.get(wanted)
        if found is None:
            modes, selector = set(spec.access_modes), spec.selector
            is_readable = not requirements.selector_problem(selector)
            listed = sorted(
                (
                    one
                    for one in _suiting(claim, size, known.free.values())
                    if one.volume.status.phase == volumes.AVAILABLE
                    and modes.issubset(one.volume.spec.access_modes)
                    and (selector is None or (is_readable and podterms.matches(selector, one.volume.metadata.labels)))
                ),
                key=lambda one: (one.size, _name(one)),
            )
            found = known.offers[wanted] = Ranked(listed) if listed else NO_OFFERS
        return found

    def pools(self, class_name: str, size: Size) -> Pools:
        """Where so much of a class can be had."""
        known = self._classes.get(class_name)
        if known is None:
            return NO_POOLS
        found = known.pools.get(size)
        if found is None:
            large = [
                Pool(places.of_selector(one.node_topology), size_of(one.capacity)[0])
                for _, one in sorted(known.capacities.items(), key=operator.itemgetter(0))
                if one.limit is not None and size_of(one.limit)[0] >= size[0]
            ]
            found = known.pools[size] = Ranked(one for one in large if one.terms != places.NOWHERE)
        return found

    def everything(self) -> Iterable[volumes.Object]:
        """All objects, as they were seen."""
        return itertools.chain.from_iterable(known.values() for known in self.objects.values())

    def assumed(self) -> Iterable[volumes.PersistentVolumeClaim | volumes.PersistentVolume]:
        """What is assumed of some."""
        return itertools.chain(self._assumed_claims.values(), self._assumed_volumes.values())

    def by_class(self) -> dict[str, tuple[set[str], dict[ClaimKey, set[str]], set[Key]]]:
        """By class, the names of the volumes of nobody, of those of each claim, and of the capacities."""
        return {
            name: (set(known.free), {claim: set(kept) for claim, kept in known.kept.items()}, set(known.capacities))
            for name, known in self._classes.items()
        }

    # Taking in

    def apply(self, obj: volumes.Object) -> volumes.Object | None:
        """Add an object or take in its new version; returns the one before.

        Raises:
            InputError: a size of it cannot be read; nothing is changed then.
        """
        _check(obj)
        return self._replace(type(obj), _key(obj), obj)

    def remove(self, kind: type[volumes.Object], namespace: str, name: str) -> volumes.Object | None:
        """Forget an object; returns it as it was, None if it is unknown."""
        return self._replace(kind, (namespace, name), None)

    def assume(self, obj: volumes.PersistentVolumeClaim | volumes.PersistentVolume) -> None:
        """Take a claim or volume to be so, until another version of it is seen or this is taken back."""
        self._assume(obj, obj)

    def restore(self, obj: volumes.PersistentVolumeClaim | volumes.PersistentVolume) -> None:
        """Take that back, unless another version was seen or assumed meanwhile."""
        self._assume(obj, None)

    def _assume(self, obj: volumes.PersistentVolumeClaim | volumes.PersistentVolume, to: Any) -> None:  # noqa: ANN401 (obj or None)
        key = _key(obj)
        if to is None and obj not in (self._assumed_claims.get(key), self._assumed_volumes.get(key)):
            return
        if isinstance(obj, volumes.PersistentVolume):
            before = self.volume(key[1])
            _set(self._assumed_volumes, key, to)
            self._regroup(before, self.volume(key[1]))
        else:
            _set(self._assumed_claims, key, to)
        self._log.note(changes.ALL, changes.STORAGE)

    def _replace(self, kind: type[volumes.Object], key: Key, obj: volumes.Object | None) -> volumes.Object | None:
        known = self.objects[kind]
        before: volumes.Object | None = known.get(key)
        if before == obj:
            return before
        was = self.volume(key[1]) if kind is volumes.PersistentVolume else None
        _set(known, key, obj)
        if kind is volumes.PersistentVolume:
            self._expire(key, self._volumes, self._assumed_volumes)
            self._regroup(was, self.volume(key[1]))
            self.use.note_attached(self._attached.get(key[1], {}))
        elif kind is volumes.PersistentVolumeClaim:
            self._expire(key, self._claims, self._assumed_claims)
        elif kind is volumes.CSIStorageCapacity:
            self._capacity_changed(key, before, obj)
        elif kind is volumes.VolumeAttachment:
            self._attachment_changed(before, obj)
        self.use.replaced(before, obj)
        self._log.note(changes.ALL, changes.STORAGE)
        return before

    @staticmethod
    def _expire(key: Key, seen: dict[Key, O], assumed: dict[Key, O]) -> None:
        if key in assumed and _current(key, seen, assumed) is not assumed[key]:
            del assumed[key]

    def _attachment_changed(self, before: volumes.Object | None, after: volumes.Object | None) -> None:
        for one, is_there in ((before, False), (after, True)):
            if isinstance(one, volumes.VolumeAttachment):
                name, spec = one.metadata.name, one.spec
                for known, key in (
                    (self._attached_at, spec.node_name),
                    (self._attached, spec.source.persistent_volume_name),
                ):
                    _set(known.setdefault(key, {}), name, one if is_there else None)
                    if not known[key]:
                        del known[key]

    # Classes

    def _regroup(self, before: volumes.PersistentVolume | None, after: volumes.PersistentVolume | None) -> None:
        """Sort a volume in by its class and who has it."""
        for one, act in ((before, _leave), (after, _enter)):
            if one is not None:
                known = self._classes.setdefault(one.class_name, _Class())
                act(known, one)
                if known.is_empty():
                    del self._classes[one.class_name]

    def _capacity_changed(self, key: Key, before: volumes.Object | None, after: volumes.Object | None) -> None:
        for one in (before, after):
            if isinstance(one, volumes.CSIStorageCapacity):
                known = self._classes.setdefault(one.storage_class_name, _Class())
                _set(known.capacities, key, one if one is after else None)
                known.pools.clear()
                if known.is_empty():
                    del self._classes[one.storage_class_name]


_encode: Final[Callable[[object], bytes]] = msgspec.msgpack.Encoder(order="deterministic").encode


def _key(obj: volumes.Object) -> Key:
    return obj.metadata.namespace, obj.metadata.name


def _name(offer: Offer) -> str:
    return offer.volume.metadata.name


def _set(known: dict[Any, Any], key: object, value: object) -> None:
    if value is None:
        known.pop(key, None)
    else:
        known[key] = value


def _current(key: Key, seen: Mapping[Key, O], assumed: Mapping[Key, O]) -> O | None:
    found, thought = seen.get(key), assumed.get(key)
    if found is None or thought is None or found.metadata.resource_version != thought.metadata.resource_version:
        return found
    return thought


def _enter(known: _Class, one: volumes.PersistentVolume) -> None:
    ref, name = one.spec.claim_ref, one.metadata.name
    if ref is None:
        known.free[name] = one
        known.offers.clear()
    else:
        known.kept.setdefault((ref.namespace, ref.name), {})[name] = one


def _leave(known: _Class, one: volumes.PersistentVolume) -> None:
    ref, name = one.spec.claim_ref, one.metadata.name
    if ref is None:
        del known.free[name]
        known.offers.clear()
        return
    claim = (ref.namespace, ref.name)
    del known.kept[claim][name]
    if not known.kept[claim]:
        del known.kept[claim]


def _suiting(
    claim: volumes.PersistentVolumeClaim, size: Size, listed: Iterable[volumes.PersistentVolume]
) -> Iterable[Offer]:
    """Those that are large enough, of its mode and attributes, and not being deleted."""
    spec = claim.spec
    for one in listed:
        its_size = size_of(one.capacity)
        if (
            its_size >= size
            and one.spec.volume_mode == spec.volume_mode
            and one.spec.volume_attributes_class_name == spec.volume_attributes_class_name
            and not one.metadata.deletion_timestamp
        ):
            yield Offer(places.of_volume(one), one, its_size)


def _check(obj: volumes.Object) -> None:
    """Read what is read later."""
    match obj:
        case volumes.PersistentVolumeClaim():
            size_of(obj.requested)
        case volumes.PersistentVolume():
            size_of(obj.capacity)
        case volumes.CSIStorageCapacity():
            size_of(obj.capacity)
            size_of(obj.maximum_volume_size)
