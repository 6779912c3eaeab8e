"""The shape of a pod: all that decides about it but the data that it moves. Pods of one template have one shape.

A shape holds what each plugin reads of the pod, worked out once. Pods whose plugins read the same share it under one
number, whoever owns them; so do pods that differ only in labels, as long as no term of pod affinity tells them apart:
what such a plugin makes of the labels is looked up for each decision (``resolve`` in the plugins' contract).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from scheduler import config, kubeplugins
from scheduler.api import core, sources
from scheduler.engine import unsupported, verdict
from scheduler.plugins import contract, registry, request
from scheduler.plugins.common import lately
from scheduler.state import selecting

# Of pods seen of late that differ in something that a plugin reads. Each may hold a pod of some 3 kB, beside what was
# read of it and the key: enough for 1,000 or so, each of which is read anew in 50 us.
_KEPT_BYTES: Final = 6 << 20
_SHAPE_BYTES: Final = 5000
_NUMBER_BYTES: Final = 500
_GATES: Final = "DynamicResources"  # the filter that may say that a pod is not to be tried yet
_ENCODE: Final = msgspec.msgpack.Encoder().encode

AskedFilter = tuple[contract.Filter[Any, Any], Any]
AskedScore = tuple[contract.Score[Any, Any], Any]
AskedWish = tuple[contract.Wish[Any], Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """What is asked of every node.

    Attributes:
        number: Shapes of which no plugin reads a difference but by way of ``resolve`` have the same.
        gated: It is not to be scheduled yet.
        refused: The pod as a whole is refused, or narrowed to some nodes.
        may_lack: Whether it may need something that is not built.
        filters, scores, wishes: The plugins that have something to say, with what they read.
        open: Those of them for which that must be resolved in the cluster as it is.
        prepared: Likewise filters that are off, and may refuse the pod as a whole all the same.
        gating: Likewise those after a filter that refuses the pod, which may say that it is not to be tried yet.
        error: Why upstream cannot score nodes for it; ``scores`` is empty then.
    """

    number: int
    gated: verdict.PodVerdict | None
    refused: verdict.PodVerdict | None
    may_lack: bool
    filters: tuple[AskedFilter, ...]
    scores: tuple[AskedScore, ...]
    wishes: tuple[AskedWish, ...]
    error: str
    open: tuple[AskedFilter | AskedScore, ...]
    prepared: tuple[AskedFilter, ...]
    gating: tuple[AskedFilter, ...]


class Shapes:
    """The shapes of the pods seen of late.

    Args:
        settings: Which plugins there are, and what they are told.
    """

    def __init__(self, settings: config.Settings) -> None:
        plugins = settings.plugins
        self._settings = settings
        off = kubeplugins.FILTERS.difference(plugins.filters, plugins.prefilters)
        self._filters = _in_order(
            [one for one in registry.filters(plugins.extensions) if one.name not in off], plugins.prefilters
        )
        self._position = {name: position for position, name in enumerate(plugins.filters)}
        self._scores = [
            one
            for one in registry.scores(plugins.extensions)
            if plugins.score_weights.get(one.name, 0) or one.name in plugins.prescores
        ]
        self._shapes: lately.Lately[Shape] = lately.Lately(_KEPT_BYTES)
        self._numbers: lately.Lately[int] = lately.Lately(_KEPT_BYTES * _NUMBER_BYTES // _SHAPE_BYTES)
        self._next = 0

    def of(self, pod: request.PodRequest) -> Shape:
        """The shape of a pod."""
        key = _key(pod)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._read(pod)
            self._shapes.put(key, shape, len(key) + _SHAPE_BYTES)
        return shape

    def _read(self, pod: request.PodRequest) -> Shape:
        settings = self._settings
        refused: verdict.PodVerdict | None = None
        filters: list[AskedFilter] = []
        prepared: list[AskedFilter] = []
        later = iter(self._filters)
        for plugin in later:
            asked = plugin.compile(pod, settings)
            if isinstance(asked, contract.Refuse):
                refused = verdict.PodVerdict((plugin.name,), message=asked.message)
                break
            if asked is None:
                continue
            if plugin.name in self._position or plugin.name not in kubeplugins.FILTERS:
                filters.append((plugin, asked))
            elif plugin.resolve is not None:
                prepared.append((plugin, asked))
            only = plugin.narrows(asked) if plugin.narrows is not None else None
            if only is not None:
                refused = verdict.narrow(refused, verdict.PodVerdict((plugin.name,), only=only))
                if refused is not None and refused.message:
                    break
        # Whether the pod is to be tried at all is asked before any filter is.
        gating = [
            (plugin, asked)
            for plugin in later
            if plugin.name == _GATES
            and plugin.resolve is not None
            and (asked := plugin.compile(pod, settings)) is not None
        ]
        filters.sort(
            key=lambda one: self._position.get(one[0].name, len(self._position))
        )  # what narrows or refuses the pod keeps its order
        scores: list[AskedScore] = []
        error = ""
        for scoring in self._scores:
            asked = scoring.compile(pod, settings)
            if isinstance(asked, contract.Refuse):
                scores, error = [], asked.message
                break
            if asked is not None and settings.plugins.score_weights.get(scoring.name, 0):
                scores.append((scoring, asked))
        wishes = [(wish, asked) for wish in registry.WISHES if (asked := wish.compile(pod, settings)) is not None]
        may_lack = unsupported.may_lack(pod)
        gated = _gated(pod.pod)
        same = (
            gated, refused, may_lack, error,
            *((plugin.name, asked if plugin.resolve is None else None) for plugin, asked in filters), None,
            *((plugin.name, asked if plugin.resolve is None else None) for plugin, asked in scores), None,
            *((wish.name, asked) for wish, asked in wishes),
        )  # fmt: skip
        number = self._numbers.get(same)
        if number is None:
            number = self._next
            self._next += 1
            self._numbers.put(same, number, _NUMBER_BYTES)
        return Shape(
            number=number,
            gated=gated,
            refused=refused,
            may_lack=may_lack,
            filters=tuple(filters),
            scores=tuple(scores),
            wishes=tuple(wishes),
            error=error,
            open=(
                *(one for one in filters if one[0].resolve is not None),
                *(one for one in scores if one[0].resolve is not None),
            ),
            prepared=tuple(prepared),
            gating=tuple(gating),
        )


def _in_order(plugins: list[contract.Filter[Any, Any]], order: Sequence[str]) -> list[contract.Filter[Any, Any]]:
    """The plugins with those that ``order`` names in its order; all others keep their places."""
    named = iter(sorted((one for one in plugins if one.name in order), key=lambda one: order.index(one.name)))
    return [next(named) if one.name in order else one for one in plugins]


def _gated(pod: core.Pod) -> verdict.PodVerdict | None:
    gates = pod.spec.scheduling_gates
    if not gates:
        return None
    names = " ".join(gate.name for gate in gates)
    return verdict.PodVerdict(("SchedulingGates",), message=f"waiting for scheduling gates: [{names}]")


def _key(pod: request.PodRequest) -> bytes:
    """All that a plugin may read of a pod. Each pod has a volume of its own for its token, which nobody reads."""
    meta, spec, intent = pod.pod.metadata, pod.pod.spec, pod.intent
    hints = () if intent.is_plain else msgspec.structs.replace(intent, inputs=(), outputs=(), sources=())
    volumes = [volume for volume in spec.volumes if volume != sources.Volume(name=volume.name)] if spec.volumes else ()
    claims, scalars = spec.resource_claims, pod.asked.scalars
    is_own = claims or any(volume.ephemeral is not None for volume in volumes) or any("/" in name for name in scalars)
    own = (meta.name, meta.uid) if is_own else ()
    made = pod.pod.status.resource_claim_statuses if claims else ()
    return _ENCODE(
        (
            meta.namespace, meta.labels, hints, volumes, own, spec.node_name, spec.node_selector, spec.affinity,
            spec.tolerations, spec.containers, spec.init_containers, spec.ephemeral_containers, spec.overhead,
            spec.resources, spec.scheduling_gates, spec.topology_spread_constraints, claims, made,
            selecting.owner_of(meta), spec.host_network, spec.host_users, spec.scheduling_group, spec.workload_ref,
            bool(pod.transfers),
        )
    )  # fmt: skip
