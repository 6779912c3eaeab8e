"""What is to be written of a pod's claims before it is bound, once its node is chosen.

The kernel takes it to be so at once (scheduler.state.claims.store, ``start``), has it written, and lets go of it when
the watch has shown it or it is taken back (``end``). ``allocation_on(asked, view, slot)`` will say what is to be
written: None, or a Grant for each claim of the pod that is not reserved for it yet.

Source: dynamicresources, Reserve and bindClaim.
"""

from __future__ import annotations

from typing import NamedTuple

from scheduler.api import devices


class Mapping(NamedTuple):
    """Which request of the claim for extended resources stands for what a container asks for."""

    container: str
    resource: str
    request: str


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
