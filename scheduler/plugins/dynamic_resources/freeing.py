"""What is given up where a pod fits nowhere: a claim of its own has devices that it cannot use, and may get others.

Source: dynamicresources, PostFilter (deallocateOrDeletePodClaims); of several such claims upstream takes any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scheduler.api import devices
from scheduler.plugins import contract, request
from scheduler.plugins.common import selectors
from scheduler.plugins.dynamic_resources import asking, readiness
from scheduler.state import snapshot

UNAVAILABLE: Final = "resourceclaim not available on the node"


def in_the_way(
    asked: request.PodRequest, view: snapshot.Snapshot, refused: Sequence[int], timeout_s: float
) -> devices.ResourceClaim | None:
    """The claim that is to be given other devices; None for none.

    Args:
        refused: The slots where a claim's devices could not be used.
        timeout_s: For how long devices may take until they are ready.
    """
    read = asking.of_pod(asked)
    claims = asking.claims_of(read, view) if read is not None and refused else []
    if isinstance(claims, contract.Refuse):
        return None
    for claim in claims:
        users = {one.uid for one in claim.status.reserved_for}
        if users <= {asked.pod.metadata.uid} and _is_unusable(claim, view, refused, timeout_s):
            return claim
    return None


def left_over(asked: request.PodRequest, view: snapshot.Snapshot) -> devices.ResourceClaim | None:
    """The claim that an earlier attempt made for the pod's extended resources, which is to go; None for none."""
    read = asking.of_pod(asked)
    found = asking.read(read, view) if read is not None else None
    if not isinstance(found, asking.Reading) or found.extended is None:
        return None
    meta = asked.pod.metadata
    return view.claims.special(meta.uid, meta.name)


def _is_unusable(
    claim: devices.ResourceClaim, view: snapshot.Snapshot, refused: Sequence[int], timeout_s: float
) -> bool:
    allocation = claim.status.allocation
    if allocation is None:
        return False
    if not readiness.is_of_use(claim, view.now_s, timeout_s):
        return True
    selector = allocation.node_selector
    return selector is not None and any(
        not any(
            selectors.term_holds(term, view.names[slot], view.node_labels.of(slot))
            for term in selector.node_selector_terms
        )
        for slot in refused
    )
