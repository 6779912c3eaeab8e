"""What a pod claims, and what that comes to in the cluster as it is. Source: dynamicresources, PreFilter.

Claims that want the same are the same to the plugin, whatever they are called, so that pods of one template share their
rows: names are told only where a failure names them.
"""

from __future__ import annotations

import dataclasses
import weakref
from dataclasses import field
from typing import Final, NamedTuple

from scheduler import config
from scheduler.api import core, devices
from scheduler.plugins import contract, request
from scheduler.plugins.dynamic_resources import extended, readiness, wanted
from scheduler.state import demand, snapshot
from scheduler.state.claims import store

# k8s.io/api/resource/v1 FirstAvailableDeviceRequestMaxSize
MOST_WAYS: Final = 8

_READERS: Final[weakref.WeakKeyDictionary[store.Claims, wanted.Reader]] = weakref.WeakKeyDictionary()


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """The claims that a pod names and those that are made for it, and what may stand for devices.

    Attributes:
        namespace: Of the claims.
        claims: By the pod's own name for it, the claim and whether it must be the pod's; with a problem, none.
        identity: The pod's name and uid.
        scalars: Extended resources that it asks for, with how many, where a class may stand for them.
        timeout_s: For how long devices may take until they are ready.
    """

    namespace: str
    claims: tuple[tuple[str, str, bool], ...]
    problem: str
    identity: tuple[str, str]
    scalars: tuple[tuple[str, int], ...]
    timeout_s: float
    pod: core.Pod = field(compare=False)


class Held(NamedTuple):
    """A claim that has its devices.

    Attributes:
        node_selector: From where they can be used; None for everywhere.
        is_of_use: Whether they are of use at all.
        preference: How much preferred they are among the ways in which its requests can be met.
    """

    node_selector: core.NodeSelector | None
    is_of_use: bool
    preference: int


@dataclasses.dataclass(frozen=True, slots=True)
class Resolved:
    """What a pod's claims come to.

    Attributes:
        wanted: What is to be allocated; None where nothing is.
        held: The claims that have their devices.
        names: Of the claims to be allocated, where a failure names them; none otherwise.
        extended: What is to be had by a claim for extended resources; None where nothing may be.
        called: The names, in any case, with that of the claim for extended resources.
    """

    wanted: wanted.Wanted | None
    held: tuple[Held, ...]
    names: tuple[str, ...]
    extended: extended.Asked | None
    called: tuple[str, ...] = field(compare=False)


def compile_pod(pod: request.PodRequest, settings: config.Settings) -> Asked | None:
    """The same, with what the settings say."""
    return of_pod(pod, settings.plugins.device_bind_timeout_s)


def of_pod(pod: request.PodRequest, timeout_s: float = config.Plugins.device_bind_timeout_s) -> Asked | None:
    """What a pod asks for; None where nothing that it asks for is of devices."""
    meta, spec = pod.pod.metadata, pod.pod.spec
    scalars = tuple(
        (name, amount)
        for name, amount in sorted(pod.asked.scalars.items())
        if amount > 0 and (demand.is_extended(name) or name.startswith(devices.CLASS_RESOURCE))
    )
    if not spec.resource_claims and not scalars:
        return None
    claims: list[tuple[str, str, bool]] = []
    problem = ""
    made = {one.name: one.resource_claim_name for one in reversed(pod.pod.status.resource_claim_statuses)}
    for one in spec.resource_claims:
        if one.resource_claim_name is not None:
            claims.append((one.name, one.resource_claim_name, False))
        elif one.resource_claim_template_name is None:
            place = f'pod "{pod.pod.key}", spec.resourceClaim "{one.name}"'
            problem = f"{place}: none of the supported fields are set"
            break
        elif one.name not in made:
            problem = f'pod "{pod.pod.key}": ResourceClaim not created yet'
            break
        elif (name := made[one.name]) is not None:
            claims.append((one.name, name, True))
    return Asked(meta.namespace, tuple(claims), problem, (meta.name, meta.uid), scalars, timeout_s, pod.pod)


def claims_of(asked: Asked, view: snapshot.Snapshot) -> list[devices.ResourceClaim] | contract.Refuse:
    """The claims, in order; the first that cannot be used refuses the pod."""
    found = []
    for _, name, must_be_own in asked.claims:
        claim = view.claims.claim(asked.namespace, name)
        if claim is None:
            return contract.Refuse(f'could not find ResourceClaim "{asked.namespace}/{name}"', gates=True)
        if claim.metadata.deletion_timestamp:
            return contract.Refuse(f'resourceclaim "{name}" is being deleted', gates=True)
        if must_be_own and not claim.is_for(asked.pod):
            place, pod = f"{claim.metadata.namespace}/{name}", asked.pod.key
            return contract.Refuse(
                f"ResourceClaim {place} was not created for Pod {pod} (Pod is not owner)", gates=True
            )
        found.append(claim)
    return contract.Refuse(asked.problem, gates=True) if asked.problem else found


class Reading(NamedTuple):
    """A pod's claims: those that have their devices, and those that are to get some."""

    held: list[devices.ResourceClaim]
    wanting: list[devices.ResourceClaim]
    extended: extended.Asked | None


def read(asked: Asked, view: snapshot.Snapshot) -> Reading | contract.Refuse | None:
    """The same, as far as the pod can go on with them; None where there are none."""
    claims = claims_of(asked, view)
    if isinstance(claims, contract.Refuse):
        return claims
    special = extended.of_pod(asked.pod, asked.scalars, view)
    if not claims and special is None:
        return None
    held: list[devices.ResourceClaim] = []
    wanting: list[devices.ResourceClaim] = []
    for claim in claims:
        if claim.status.allocation is not None:
            held.append(claim)
            continue
        if view.claims.in_flight(claim) is not None:
            place = f"{claim.metadata.namespace}/{claim.metadata.name}"
            return contract.Refuse(f"resource claim {place} is in the process of being allocated")
        refusal = _unusable(claim, view)
        if refusal is not None:
            return refusal
        wanting.append(claim)
    return Reading(held, wanting, special)


def _unusable(claim: devices.ResourceClaim, view: snapshot.Snapshot) -> contract.Refuse | None:
    """Why nothing can be allocated, as upstream looks at it before it looks at any node."""
    for one in claim.spec.devices.requests:
        asked = [(one.name, one.exactly)] if one.exactly is not None else []
        asked += [(f"{one.name}/{part.name}", part) for part in one.first_available if one.exactly is None]
        if not asked:
            place = f"{claim.metadata.namespace}/{claim.metadata.name}"
            return contract.Refuse(f"resource claim {place}, request {one.name}: unknown request type")
        for name, each in asked:
            if not each.device_class_name:
                return contract.Refuse(f"request {name}: unsupported request type", fails=True)
            if view.claims.device_class(each.device_class_name) is None:
                return contract.Refuse(f"request {name}: device class {each.device_class_name} does not exist")
    return None


def resolve(asked: Asked, view: snapshot.Snapshot) -> Resolved | contract.Refuse | None:
    """What a pod's claims come to."""
    found = read(asked, view)
    return found if found is None or isinstance(found, contract.Refuse) else of_reading(asked, found, view)


def of_reading(asked: Asked, found: Reading, view: snapshot.Snapshot) -> Resolved:
    """The same of claims that can be gone on with."""
    held = tuple(
        Held(
            claim.status.allocation.node_selector,
            readiness.is_of_use(claim, view.now_s, asked.timeout_s),
            _preference(claim),
        )
        for claim in found.held
        if claim.status.allocation is not None
    )
    special = f"{asked.namespace}/{extended.NAME}"
    if not found.wanting:
        return Resolved(None, held, (), found.extended, (special,))
    want = reader_of(view).read(tuple(one.spec.devices for one in found.wanting), view.claims)
    names = tuple(f"{one.metadata.namespace}/{one.metadata.name}" for one in found.wanting)
    return Resolved(want, held, names if want.names_are_told else (), found.extended, (*names, special))


def reader_of(view: snapshot.Snapshot) -> wanted.Reader:
    """What was read of what claims of a cluster want."""
    found = _READERS.get(view.claims)
    if found is None:
        found = _READERS[view.claims] = wanted.Reader()
    return found


def _preference(claim: devices.ResourceClaim) -> int:
    allocation = claim.status.allocation
    given = {result.request for result in allocation.devices.results} if allocation is not None else set()
    return sum(
        MOST_WAYS - number
        for one in claim.spec.devices.requests
        if one.exactly is None
        for number, part in enumerate(one.first_available)
        if f"{one.name}/{part.name}" in given
    )
