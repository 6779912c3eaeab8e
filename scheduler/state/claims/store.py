"""The claims to devices that there are, the devices and their classes, and what was decided about claims meanwhile.

What a pod that is about to be bound was given is in flight: it is taken, and no other pod may use the claim, until it
is let go of. That happens once the API server has shown the claim with its allocation, or when all is taken back. An
allocation that is seen goes before one in flight, so that nothing is taken twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from scheduler.api import core, devices, quantities
from scheduler.state import changes
from scheduler.state.claims import pools, use

Key = tuple[str, str]  # namespace and name; the namespace is "" for what has none


class Flight(NamedTuple):
    """A claim with what a pod's decision gave it; one that is still to be created has no name."""

    claim: devices.ResourceClaim
    allocation: devices.Allocation


class Claims:
    """See the module.

    Args:
        log: Where changes are noted.
        index_of: Slots by the names of nodes.

    Attributes:
        objects: All of them, as they were seen.
        pools: The devices.
        use: Which of them are taken.
        classes_version: Another object after each change of classes.
    """

    def __init__(self, log: changes.Log, index_of: Mapping[str, int]) -> None:
        self.objects: dict[type[devices.Object], dict[Key, Any]] = {kind: {} for kind in devices.KINDS}
        self.pools = pools.Pools()
        self.use = use.Use()
        self._claims: dict[Key, devices.ResourceClaim] = self.objects[devices.ResourceClaim]
        self._classes: dict[Key, devices.DeviceClass] = self.objects[devices.DeviceClass]
        self._flights: dict[str, tuple[Flight, ...]] = {}  # by pod uid
        self._flying: dict[Key, Flight] = {}  # by claim
        self._by_resource: dict[str, devices.DeviceClass] = {}
        self._special: dict[str, dict[Key, devices.ResourceClaim]] = {}  # claims for extended resources, by pod uid
        self._log = log
        self._index_of = index_of
        self.classes_version = object()

    # Reading

    def claim(self, namespace: str, name: str) -> devices.ResourceClaim | None:
        """A claim as the API server has it."""
        return self._claims.get((namespace, name))

    def in_flight(self, claim: devices.ResourceClaim) -> devices.Allocation | None:
        """What a pod's decision gave a claim, as long as that is not seen."""
        flight = self._flying.get(_key(claim))
        return flight.allocation if flight is not None and claim.status.allocation is None else None

    def device_class(self, name: str) -> devices.DeviceClass | None:
        return self._classes.get(("", name))

    def class_of(self, resource: str) -> devices.DeviceClass | None:
        """The class that an extended resource stands for: of several the youngest, then the first by name."""
        return self._by_resource.get(resource)

    def special(self, uid: str, name: str) -> devices.ResourceClaim | None:
        """The claim that was made for the extended resources of the pod of this uid and name."""
        of_pod = self._special.get(uid, {})
        owned = (
            one for one in of_pod.values() if any(_owns(owner, uid, name) for owner in one.metadata.owner_references)
        )
        return next(owned, None)

    def everything(self) -> Iterable[devices.Object]:
        """All objects, as they were seen."""
        return itertools.chain.from_iterable(known.values() for known in self.objects.values())

    def flights(self) -> Mapping[str, tuple[Flight, ...]]:
        """What is in flight, by the uid of the pod that it is for."""
        return self._flights

    # Taking in

    def apply(self, obj: devices.Object) -> devices.Object | None:
        """Add an object or take in its new version; returns the one before.

        Raises:
            InputError: a quantity of it cannot be read; nothing is changed then.
        """
        for quantity in _quantities(obj):
            quantities.nano(quantity)
        return self._replace(type(obj), _key(obj), obj)

    def remove(self, kind: type[devices.Object], namespace: str, name: str) -> devices.Object | None:
        """Forget an object; returns it as it was, None if it is unknown."""
        return self._replace(kind, (namespace, name), None)

    def start(self, uid: str, flights: tuple[Flight, ...]) -> None:
        """Take what was decided for a pod to be so until ``end``."""
        self.end(uid)
        self._flights[uid] = flights
        for flight in flights:
            self._count(flight.claim, -1)
            self._flying[_flying_key(flight.claim, uid)] = flight
            self._count(flight.claim, 1)
            if not flight.claim.metadata.name:
                self._step(flight.allocation, 1)
        self._log.note(changes.ALL, changes.CLAIMS)

    def end(self, uid: str) -> None:
        """Nothing is in flight for a pod any more; if nothing was, that is no error."""
        for flight in self._flights.pop(uid, ()):
            self._count(flight.claim, -1)
            del self._flying[_flying_key(flight.claim, uid)]
            self._count(flight.claim, 1)
            if not flight.claim.metadata.name:
                self._step(flight.allocation, -1)
        self._log.note(changes.ALL, changes.CLAIMS)

    def _replace(self, kind: type[devices.Object], key: Key, obj: devices.Object | None) -> devices.Object | None:
        known = self.objects[kind]
        before: devices.Object | None = known.get(key)
        if before == obj:
            return before
        if kind is devices.ResourceClaim:
            self._replace_claim(key, before, obj)
        else:
            _set(known, key, obj)
        if kind is devices.ResourceSlice:
            self._replace_slice(before, obj)
        elif kind is devices.DeviceTaintRule:
            self.pools.replace_rule(before, obj)  # type: ignore[arg-type]
            self._log.note(changes.ALL, changes.DEVICES)
        elif kind is devices.DeviceClass:
            self._by_resource = _by_resource(self._classes.values())
            self.classes_version = object()
            self._log.note(changes.ALL, changes.CLASSES)
        self._log.note(changes.ALL, changes.CLAIMS)
        return before

    def _replace_claim(self, key: Key, before: Any, after: Any) -> None:  # noqa: ANN401 (claims or None)
        for one, sign in ((before, -1), (after, 1)):
            if one is None:
                continue
            if sign > 0:
                self._claims[key] = one
            self._count(one, sign)
            if sign < 0:
                del self._claims[key]
            if one.metadata.annotations.get(devices.FOR_EXTENDED_RESOURCES) == "true":
                for owner in one.metadata.owner_references:
                    of_pod = self._special.setdefault(owner.uid, {})
                    _set(of_pod, key, one if sign > 0 else None)
                    if not of_pod:
                        del self._special[owner.uid]

    def _replace_slice(self, before: Any, after: Any) -> None:  # noqa: ANN401 (slices or None)
        touched = {(one.spec.driver, one.spec.pool.name) for one in (before, after) if one is not None}
        reached = [self.pools.nodes_of(pool) for pool in touched]
        self.pools.replace(before, after)
        self._note([*reached, *(self.pools.nodes_of(pool) for pool in touched)])

    # Use

    def _count(self, claim: devices.ResourceClaim, sign: int) -> None:
        """Count what a claim has: as it is seen, or as it was decided meanwhile."""
        known = self._claims.get(_key(claim)) if claim.metadata.name else None
        if known is None:
            return
        allocation = known.status.allocation or self.in_flight(known)
        if allocation is not None:
            self._step(allocation, sign)

    def _step(self, allocation: devices.Allocation, sign: int) -> None:
        self._note([self.pools.nodes_of(pool) for pool in self.use.step(allocation, sign)])

    def _note(self, reached: list[Iterable[str] | None]) -> None:
        if None in reached:
            self._log.note(changes.ALL, changes.DEVICES)
            return
        for name in {name for names in reached if names is not None for name in names}:
            slot = self._index_of.get(name)
            if slot is not None:
                self._log.note(slot, changes.DEVICES)


def _key(obj: devices.Object) -> Key:
    return obj.metadata.namespace, obj.metadata.name


def _flying_key(claim: devices.ResourceClaim, uid: str) -> Key:
    """No claim has such a name as stands for one that is still to be created."""
    return claim.metadata.namespace, claim.metadata.name or f"<{uid}>"


def _set(known: dict[Any, Any], key: object, value: object) -> None:
    if value is None:
        known.pop(key, None)
    else:
        known[key] = value


def _owns(owner: Any, uid: str, name: str) -> bool:  # noqa: ANN401
    return bool(owner.controller) and owner.uid == uid and owner.name == name


def _by_resource(classes: Iterable[devices.DeviceClass]) -> dict[str, devices.DeviceClass]:
    """Source: deviceclass/extendedresourcecache; a class stands for its own name, too."""
    found: dict[str, devices.DeviceClass] = {}
    for one in sorted(classes, key=lambda one: one.metadata.name, reverse=True):
        found[devices.CLASS_RESOURCE + one.metadata.name] = one
        resource = one.spec.extended_resource_name
        if resource is None:
            continue
        other = found.get(resource)
        if other is None or one.metadata.creation_timestamp >= other.metadata.creation_timestamp:
            found[resource] = one
    return found


def _quantities(obj: devices.Object) -> Iterator[core.Quantity]:
    if isinstance(obj, devices.ResourceSlice):
        for counted in obj.spec.shared_counters:
            yield from (counter.value for counter in counted.counters.values())
        for device in obj.spec.devices:
            for taken in device.consumes_counters:
                yield from (counter.value for counter in taken.counters.values())
            for capacity in device.capacity.values():
                yield capacity.value
                yield from _of_policy(capacity.request_policy or devices.RequestPolicy())
    elif isinstance(obj, devices.ResourceClaim):
        for request in obj.spec.devices.requests:
            for asked in (request.exactly, *request.first_available):
                if asked is not None and asked.capacity is not None:
                    yield from asked.capacity.requests.values()
        given = obj.status.allocation.devices.results if obj.status.allocation is not None else ()
        for result in given:
            yield from result.consumed_capacity.values()


def _of_policy(policy: devices.RequestPolicy) -> Iterator[core.Quantity]:
    limits = policy.valid_range or devices.ValidRange()
    for one in (policy.default, *policy.valid_values, limits.min, limits.max, limits.step):
        if one is not None:
            yield one
