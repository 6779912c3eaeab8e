"""What is to be written of a pod's claims before it is bound, once its node is chosen.

The kernel takes it to be so at once (scheduler.state.claims.store, ``start``), has it written, and lets go of it when
the watch has shown it or it is taken back (``end``). Source: dynamicresources, Reserve and bindClaim.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from scheduler.api import core, devices
from scheduler.plugins import contract, request
from scheduler.plugins.dynamic_resources import asking, extended, filtering, results
from scheduler.state import snapshot

Mapping = extended.Mapping
_PODS: Final = "pods"


class Grant(NamedTuple):
    """What becomes of one claim.

    Attributes:
        claim: As it is known. One for extended resources has no name yet: it is to be created, with the metadata
            (``generateName`` is ``generate_name``), owner, annotation and requests given here.
        allocation: What it is given, to be written to its status with the finalizer in its metadata; None where it has
            an allocation already, so that only the reservation is added. The time of the allocation is the writer's.
        consumer: Who is added to those for whom it is reserved.
        generate_name: Of a claim that is to be created; "" otherwise.
        mappings: Likewise, for the pod's status.extendedResourceClaimStatus.
    """

    claim: devices.ResourceClaim
    allocation: devices.Allocation | None
    consumer: devices.Consumer
    generate_name: str = ""
    mappings: tuple[Mapping, ...] = ()


def allocation_on(asked: request.PodRequest, view: snapshot.Snapshot, slot: int) -> tuple[Grant, ...] | None:
    """What is to be written before a pod that goes to a node is bound; None for nothing."""
    read = asking.of_pod(asked)
    reading = asking.read(read, view) if read is not None else None
    if read is None or reading is None or isinstance(reading, contract.Refuse):
        return None
    found = filtering.on_slot(asking.of_reading(read, reading, view), view, slot)
    if isinstance(found, contract.Refusal):
        return None
    pod = asked.pod
    consumer = devices.Consumer(resource=_PODS, name=pod.metadata.name, uid=pod.metadata.uid)
    grants = [Grant(claim, None, consumer) for claim in reading.held if not claim.is_reserved_for(pod)]
    if found.wanted is not None and found.found.given is not None:
        claims = [*reading.wanting, *([_special(pod, found.made)] if found.made is not None else [])]
        both = zip(claims, found.wanted.claims, found.found.chosen, found.found.given, strict=True)
        for claim, want, chosen, given in both:
            if claim.metadata.name or want.requests:
                identity = claim.metadata.uid or f"{pod.metadata.uid}/extended-resources"
                allocation = results.of_claim(want, chosen, given, view.names[slot], identity)
                grants.append(_grant(claim, allocation, consumer, pod, found.made))
    return tuple(grants) or None


def _grant(
    claim: devices.ResourceClaim,
    allocation: devices.Allocation,
    consumer: devices.Consumer,
    pod: core.Pod,
    made: extended.Made | None,
) -> Grant:
    if claim.metadata.name or made is None:
        return Grant(claim, allocation, consumer)
    return Grant(claim, allocation, consumer, f"{pod.metadata.name}-extended-resources-", made.mappings)


def _special(pod: core.Pod, made: extended.Made) -> devices.ResourceClaim:
    """The claim that is to be created for extended resources."""
    owner = core.OwnerReference("Pod", pod.metadata.name, pod.metadata.uid, "v1", controller=True)
    meta = core.ObjectMeta(
        namespace=pod.metadata.namespace,
        annotations={devices.FOR_EXTENDED_RESOURCES: "true"},
        owner_references=(owner,),
    )
    return devices.ResourceClaim(meta, devices.ClaimSpec(made.spec))
