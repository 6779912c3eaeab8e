"""NodeCapability: what a pod's annotations require of a node, and upstream has no filter for.

Required capabilities (present, or with a given value), an accelerator, fast storage, storage on the node. Removing
other pods never helps, so all of these are unresolvable.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler import config
from scheduler.api import annotations as intents
from scheduler.engine import request, verdict
from scheduler.state import labels, snapshot

PLUGIN: Final = "NodeCapability"


def has(snap: snapshot.Snapshot, wanted: intents.Capability) -> verdict.Mask:
    """Nodes that have a capability, with the wanted value if one is given."""
    column = snap.capabilities.column(wanted.name) or labels.Column(snap.size)
    return column.present(snap.size) if wanted.value is None else column.among((wanted.value,), snap.size)


def check(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings) -> verdict.Verdict | None:
    """Refuse nodes that lack something required; the first lack, in the order above, is the reason."""
    intent = asked.intent
    lacks: list[tuple[str, verdict.Mask]] = [
        (f"node(s) didn't have the required capability {_text(wanted)}", ~has(snap, wanted))
        for wanted in intent.required
    ]
    if intent.requires_gpu:
        lacks.append(("node(s) didn't have a GPU", ~snap.has_gpu))
    if intent.requires_fast_storage:
        lacks.append(("node(s) didn't have fast storage", ~snap.has_fast_storage))
    if intent.requires_local_storage:
        lacks.append(("node(s) didn't serve local storage", ~snap.has_local_storage(asked.pod.metadata.namespace)))
    if not lacks:
        return None
    stacked = np.stack([mask for _, mask in lacks])
    refused = stacked.any(axis=0)
    return verdict.Verdict(
        plugin=PLUGIN,
        code=np.where(refused, np.int8(verdict.Code.UNRESOLVABLE), np.int8(verdict.Code.SUCCESS)),
        reason=stacked.argmax(axis=0).astype(np.int32),
        reasons=[(text,) for text, _ in lacks],
    )


def _text(wanted: intents.Capability) -> str:
    return wanted.name if wanted.value is None else f"{wanted.name}={wanted.value}"
