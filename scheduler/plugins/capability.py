"""NodeCapability: what a pod's annotations require of a node, and upstream has no filter for.

Required capabilities (present, or with a given value), an accelerator, fast storage, storage on the node. Removing
other pods never helps, so all of these are unresolvable.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from scheduler import config
from scheduler.api import annotations as intents
from scheduler.api import crd
from scheduler.plugins import contract, criteria, events, request
from scheduler.state import changes, labels, snapshot, witnesses


class Asked(NamedTuple):
    """What is required; ``storage_for`` is the namespace whose stores count as storage on the node, if any is."""

    required: tuple[intents.Capability, ...]
    needs_gpu: bool
    needs_fast_storage: bool
    storage_for: str | None


class Resolved(NamedTuple):
    """The same; ``storage`` are the slots where such stores can be had now, which changes with time, too."""

    required: tuple[intents.Capability, ...]
    needs_gpu: bool
    needs_fast_storage: bool
    storage: frozenset[int] | None


def has(view: snapshot.Snapshot, wanted: intents.Capability) -> contract.Mask:
    """Nodes that have a capability, with the wanted value if one is given."""
    column = view.capabilities.column(wanted.name) or labels.Column(view.size)
    return column.present(view.size) if wanted.value is None else column.among((wanted.value,), view.size)


def has_at(view: snapshot.Snapshot, wanted: intents.Capability, slot: int) -> bool:
    """Whether one node has it."""
    value = view.capabilities.of(slot).get(wanted.name)
    return value is not None and (wanted.value is None or value == wanted.value)


def _compile(pod: request.PodRequest, _settings: config.Settings) -> Asked | None:
    intent = pod.intent
    asked = Asked(
        required=intent.required,
        needs_gpu=intent.requires_gpu,
        needs_fast_storage=intent.requires_fast_storage,
        storage_for=pod.pod.metadata.namespace if intent.requires_local_storage else None,
    )
    return None if asked == _NOTHING else asked


def _resolve(asked: Asked, view: snapshot.Snapshot) -> Resolved:
    namespace = asked.storage_for
    storage = view.local_storage(namespace) if namespace is not None else None
    return Resolved(asked.required, asked.needs_gpu, asked.needs_fast_storage, storage)


def _rows(asked: Resolved, view: snapshot.Snapshot) -> contract.Verdict | None:
    """The first lack, in the order of ``Asked``, is the reason."""
    lacks = [(_lacks(wanted), ~has(view, wanted)) for wanted in asked.required]
    if asked.needs_gpu:
        lacks.append((_NO_GPU, ~view.has_gpu))
    if asked.needs_fast_storage:
        lacks.append((_NO_FAST_STORAGE, ~view.has_fast_storage))
    if asked.storage is not None:
        without = np.ones(view.size, np.bool_)
        without[list(asked.storage)] = False
        lacks.append((_NO_STORAGE, without))
    stacked = np.stack([mask for _, mask in lacks])
    refused = stacked.any(axis=0)
    return contract.Verdict(
        code=np.where(refused, np.int8(contract.Code.UNRESOLVABLE), np.int8(contract.Code.SUCCESS)),
        reason=stacked.argmax(axis=0).astype(np.int32),
        reasons=[refusal.reasons for refusal, _ in lacks],
    )


def _cell(asked: Resolved, view: snapshot.Snapshot, slot: int, _delta: contract.Delta) -> contract.Refusal | None:
    for wanted in asked.required:
        if not has_at(view, wanted, slot):
            return _lacks(wanted)
    if asked.needs_gpu and not view.has_gpu.item(slot):
        return _NO_GPU
    if asked.needs_fast_storage and not view.has_fast_storage.item(slot):
        return _NO_FAST_STORAGE
    if asked.storage is not None and slot not in asked.storage:
        return _NO_STORAGE
    return None


def _refusal(text: str) -> contract.Refusal:
    return contract.Refusal(contract.Code.UNRESOLVABLE, (text,))


_NOTHING: Final = Asked((), needs_gpu=False, needs_fast_storage=False, storage_for=None)
_NO_GPU: Final = _refusal("node(s) didn't have a GPU")
_NO_FAST_STORAGE: Final = _refusal("node(s) didn't have fast storage")
_NO_STORAGE: Final = _refusal("node(s) didn't serve local storage")


def _lacks(wanted: intents.Capability) -> contract.Refusal:
    text = wanted.name if wanted.value is None else f"{wanted.name}={wanted.value}"
    return _refusal(f"node(s) didn't have the required capability {text}")


def _wakes(event: events.Event, _asked: Asked) -> bool:
    """What a node can do is told by its labels and its NodeCapability; a store counts while its node is ready."""
    if isinstance(event, events.OwnPodChanged):
        return event.old.metadata.annotations != event.new.metadata.annotations
    if isinstance(event, events.CapabilityChanged):
        return event.old is None or event.came_back or _abilities(event.old) != _abilities(event.new)
    if not isinstance(event, events.NodeChanged):
        return False
    old, new = event.old, event.new
    if old is None or old.metadata.labels != new.metadata.labels or old.status.allocatable != new.status.allocatable:
        return True
    return witnesses.is_ready(new) and not witnesses.is_ready(old)


def _abilities(capability: crd.NodeCapability) -> tuple[object, ...]:
    """What of a NodeCapability decides whether a pod fits; probe times and link rates do not."""
    status = capability.status
    stores = [(store.name, store.namespace, store.available) for store in status.stores]
    return capability.spec, status.node_type, status.capabilities, status.accelerators, stores


FILTER: Final = contract.Filter(
    name="NodeCapability",
    compile=_compile,
    rows=_rows,
    cell=_cell,
    facets=changes.FACTS | changes.ALIVE,
    wakes=_wakes,
    resolve=_resolve,
)


def _wanted(pod: request.PodRequest, _settings: config.Settings) -> tuple[intents.Capability, ...] | None:
    return pod.intent.wanted or None


def _shares(wanted: tuple[intents.Capability, ...], view: snapshot.Snapshot) -> contract.Floats:
    shares: contract.Floats = np.stack([has(view, one) for one in wanted]).mean(axis=0)
    return shares


def _share(wanted: tuple[intents.Capability, ...], view: snapshot.Snapshot, slot: int) -> float:
    return sum(has_at(view, one, slot) for one in wanted) / len(wanted)


WISH: Final = contract.Wish(
    name=criteria.CAPABILITY,
    compile=_wanted,
    shares=_shares,
    share=_share,
    facets=changes.FACTS | changes.ALIVE,
)
