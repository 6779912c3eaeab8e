"""What a pod that fits nowhere gives up: a claim of its own that is in its way is to be given other devices, or to go.

Source: dynamicresources.go (PostFilter), whose words stand before those of preemption.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler.engine import decision
from scheduler.kernel import commands, deviceclaims
from scheduler.plugins.dynamic_resources import freeing
from scheduler.state import snapshot

DEALLOCATED: Final = "deallocation of ResourceClaim completed"
DELETED: Final = "deletion of ResourceClaim completed"


def freed(
    found: decision.Decision, view: snapshot.Snapshot, timeout_s: float
) -> tuple[commands.Deallocate | commands.Release, str] | None:
    """What is to be written where no node was found, and what to say of it; None for nothing.

    Args:
        timeout_s: For how long devices may take until they are ready.
    """
    asked, meta, made_of = found.asked, found.asked.pod.metadata, found.made_of
    names = [row.plugin.name for row in made_of.filters] if made_of is not None else []
    if made_of is None or deviceclaims.PLUGIN not in names:
        return None  # it claims nothing, or that was not known when it was refused
    slots = np.flatnonzero(made_of.refuser == names.index(deviceclaims.PLUGIN)).tolist()
    refusals = ((slot, made_of.refusal(slot)) for slot in slots)
    refused = [slot for slot, one in refusals if one is not None and one[1].reasons == (freeing.UNAVAILABLE,)]
    claim = freeing.in_the_way(asked, view, refused, timeout_s)
    if claim is not None:
        of = claim.metadata
        return commands.Deallocate(of.namespace, of.name, of.resource_version), DEALLOCATED
    claim = freeing.left_over(asked, view)
    if claim is not None:
        held = commands.Held(made=claim.metadata.name)
        return commands.Release(meta.uid, meta.namespace, meta.name, held), DELETED
    return None
