"""VolumeBinding: the pod's claims are bound to volumes that its node reaches, or can be bound to some there.

As a score, how full the volumes given to its claims are, or the pools that some are made in: the fuller the better.
Nodes that are alike in all that the claims ask are judged once.

Source: pkg/scheduler/framework/plugins/volumebinding.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from scheduler import config
from scheduler.api import volumes
from scheduler.plugins import contract, events, request
from scheduler.plugins.common import int64, selectors
from scheduler.plugins.volumes import matching, reading
from scheduler.state import changes, snapshot
from scheduler.state.volumes import places, storage

_NAME: Final = "VolumeBinding"
_SHAPE_SCALE: Final = 10  # shape scores are given as 0..10, node scores run to 100

Shape = tuple[tuple[int, int], ...]


class Binding(NamedTuple):
    """What is to be bound before the pod is: volumes given to claims, and claims that volumes are made for."""

    given: tuple[tuple[volumes.PersistentVolumeClaim, volumes.PersistentVolume], ...]
    provided: tuple[volumes.PersistentVolumeClaim, ...]


def _compile(pod: request.PodRequest, _settings: config.Settings) -> reading.Asked | None:
    return reading.claims(pod)


def _resolve(asked: reading.Asked, view: snapshot.Snapshot) -> matching.Resolved | contract.Refuse | None:
    found = matching.resolve(asked, view)
    return found if isinstance(found, contract.Refuse) or found.bound or found.unbound else None


def binding_on(asked: request.PodRequest, view: snapshot.Snapshot, slot: int) -> Binding | None:
    """What is to be bound before a pod that goes to a node is; None for nothing."""
    read = reading.claims(asked)
    found = matching.claims_of(read, view) if read is not None else None
    if read is None or found is None or isinstance(found, contract.Refuse) or not found[1]:
        return None
    resolved = matching.resolve(read, view)
    if isinstance(resolved, contract.Refuse):
        return None
    plan, unbound = matching.judge(resolved, _One(view, slot)), found[1]
    return Binding(
        given=tuple((unbound[number], offer.volume) for number, offer in plan.given),
        provided=tuple(unbound[number] for number, _ in plan.provided),
    )


def reaches(volume: volumes.PersistentVolume, view: snapshot.Snapshot, slot: int) -> bool:
    """Whether a node reaches a volume."""
    return matching.can_stay(matching.stay_of(volume), _One(view, slot))


class _One:
    """One node, asked in plain Python."""

    def __init__(self, view: snapshot.Snapshot, slot: int) -> None:
        self.name = view.names[slot]
        self._labels = view.node_labels.of(slot)
        self._csi_node = view.storage.csi_node(self.name)

    def is_among(self, terms: places.Terms) -> bool:
        return _means(terms, self._labels)

    def has_moved(self, plugin: str) -> bool:
        return self._csi_node is not None and plugin in self._csi_node.migrated

    def reached(self, ranked: storage.Offers | storage.Pools) -> Sequence[int]:
        return [number for number, terms in enumerate(ranked.places) if _means(terms, self._labels)]


def _means(terms: places.Terms, labels: Mapping[str, str]) -> bool:
    """Whether terms mean a node by its labels; its name is not looked at, as upstream does not pass it on."""
    return any(selectors.term_holds(term, "", labels) for term in terms)


class _Alike:
    """One of the nodes that are alike, by what was found of all of them."""

    def __init__(self, many: _Many, slot: int, name: str) -> None:
        self.name = name
        self._many = many
        self._slot = slot

    def is_among(self, terms: places.Terms) -> bool:
        return bool(self._many.terms[terms][self._slot])

    def has_moved(self, plugin: str) -> bool:
        return bool(self._many.moved[plugin][self._slot])

    def reached(self, ranked: storage.Offers | storage.Pools) -> Sequence[int]:
        found: list[int] = np.flatnonzero(self._many.reached[ranked][:, self._slot]).tolist()
        return found


class _Many:
    """Which nodes each term of some claims means.

    Attributes:
        terms, moved, reached: [slots] by terms and by plugin, [places, slots] by what may be chosen from.
    """

    def __init__(self, asked: matching.Resolved, view: snapshot.Snapshot) -> None:
        self.terms: dict[places.Terms, contract.Mask] = {}
        self.moved: dict[str, contract.Mask] = {}
        self.reached: dict[storage.Offers | storage.Pools, contract.Mask] = {}
        rows: list[contract.Mask] = []
        for stay in asked.bound:
            self._look(view, stay.terms)
            self._look(view, stay.moved)
            if stay.plugin and stay.plugin not in self.moved:
                self.moved[stay.plugin] = _moved(view, stay.plugin)
        for claim in asked.unbound:
            if claim.selected is not None:
                rows.append(_named(view, claim.selected))
            self._look(view, claim.provide.terms)
            for kept in claim.kept.listed:
                self._look(view, kept.terms)
            for ranked in (claim.free, claim.provide.pools):
                if ranked is not None and ranked not in self.reached:
                    found = [_mask(view, terms) for terms in ranked.places]
                    self.reached[ranked] = np.array(found, np.bool_).reshape(len(found), view.size)
        rows += [*self.terms.values(), *self.moved.values()]
        whole = np.concatenate([np.array(rows, np.bool_).reshape(len(rows), view.size), *self.reached.values()])
        packed = np.packbits(whole, axis=0)
        _, self.first, self.group = np.unique(packed, axis=1, return_index=True, return_inverse=True)

    def _look(self, view: snapshot.Snapshot, terms: places.Terms | None) -> None:
        if terms is not None and terms not in self.terms:
            self.terms[terms] = _mask(view, terms)


def _mask(view: snapshot.Snapshot, terms: places.Terms) -> contract.Mask:
    if any(term.match_fields for term in terms):
        return np.array([_means(terms, view.node_labels.of(slot)) for slot in range(view.size)], np.bool_)
    return selectors.match_any(terms, view)


def _moved(view: snapshot.Snapshot, plugin: str) -> contract.Mask:
    found = (view.storage.csi_node(name) for name in view.names)
    return np.array([node is not None and plugin in node.migrated for node in found], np.bool_)


def _named(view: snapshot.Snapshot, name: str) -> contract.Mask:
    mask = np.zeros(view.size, np.bool_)
    if name in view.index_of:
        mask[view.index_of[name]] = True
    return mask


def _plans(asked: matching.Resolved, view: snapshot.Snapshot) -> tuple[list[matching.Plan], contract.Ints]:
    """The plans for nodes that are alike, and [slots] the number of each node's."""
    many = _Many(asked, view)
    nodes = (_Alike(many, slot, view.names[slot]) for slot in many.first.tolist())
    return [matching.judge(asked, node) for node in nodes], many.group.reshape(-1)


def _rows(asked: matching.Resolved, view: snapshot.Snapshot) -> contract.Verdict | None:
    plans, group = _plans(asked, view)
    refusals = [_refusal(plan) for plan in plans]
    if not any(refusals):
        return None
    codes = np.array([one.code if one is not None else contract.Code.SUCCESS for one in refusals], np.int8)
    return contract.Verdict(
        code=codes[group],
        reason=group.astype(np.int32),
        reasons=tuple(one.reasons if one is not None else () for one in refusals),
    )


def _refusal(plan: matching.Plan) -> contract.Refusal | None:
    if plan.error:
        return contract.Refusal(contract.Code.ERROR, (plan.error,))
    return contract.Refusal(contract.Code.UNRESOLVABLE, plan.reasons) if plan.reasons else None


def _cell(
    asked: matching.Resolved, view: snapshot.Snapshot, slot: int, _delta: contract.Delta
) -> contract.Refusal | None:
    return _refusal(matching.judge(asked, _One(view, slot)))


def _wakes(event: events.Event, asked: reading.Asked) -> bool:
    match event:
        case events.NodeChanged(old, new):
            return old is None or old.metadata.labels != new.metadata.labels
        case events.StorageChanged(old, volumes.PersistentVolumeClaim() as new):
            return asked.has(new)
        case events.StorageChanged(_, volumes.PersistentVolume()):
            return True
        case events.StorageChanged(old, volumes.StorageClass() as new):
            return not isinstance(old, volumes.StorageClass) or old.allowed_topologies != new.allowed_topologies
        case events.StorageChanged(old, volumes.CSINode() as new):
            return not isinstance(old, volumes.CSINode) or _plugins(old) != _plugins(new)
        case events.StorageChanged(volumes.CSIDriver() as old, volumes.CSIDriver() as new):
            is_off = old.spec.storage_capacity and not new.spec.storage_capacity
            return is_off and new.metadata.name in asked.drivers
        case events.StorageChanged(old, volumes.CSIStorageCapacity() as new):
            return not isinstance(old, volumes.CSIStorageCapacity) or (
                new.limit is not None
                and (old.limit is None or storage.size_of(new.limit)[0] > storage.size_of(old.limit)[0])
            )
        case _:
            return False


def _plugins(node: volumes.CSINode) -> str | None:
    return node.metadata.annotations.get(volumes.MIGRATED_PLUGINS)


@dataclasses.dataclass(frozen=True, slots=True)
class Scored:
    """A pod's claims, and how the score follows the share that is taken."""

    claims: reading.Asked
    shape: Shape


class ScoredNow(NamedTuple):
    """What they come to."""

    claims: matching.Resolved
    shape: Shape


def _compile_score(pod: request.PodRequest, settings: config.Settings) -> Scored | None:
    claims = reading.claims(pod)
    return Scored(claims, settings.plugins.volume_shape) if claims is not None else None


def _resolve_score(asked: Scored, view: snapshot.Snapshot) -> ScoredNow | None:
    """None, as good as zeros, for claims that are all bound; refused pods are not scored."""
    found = matching.resolve(asked.claims, view)
    return None if isinstance(found, contract.Refuse) or not found.unbound else ScoredNow(found, asked.shape)


def _raws(asked: ScoredNow, view: snapshot.Snapshot) -> contract.Ints:
    plans, group = _plans(asked.claims, view)
    return np.array([_score(asked, plan) for plan in plans], np.int64)[group]


def _raw(asked: ScoredNow, view: snapshot.Snapshot, slot: int) -> int:
    return _score(asked, matching.judge(asked.claims, _One(view, slot)))


def _score(asked: ScoredNow, plan: matching.Plan) -> int:
    """The mean over classes, rounded half up; volumes that are given go before those that are made."""
    if plan.reasons or plan.error:
        return 0
    asks: dict[str, list[int]] = {}  # class -> what is asked for and what there is
    for number, offer in plan.given:
        both = asks.setdefault(offer.volume.spec.storage_class_name, [0, 0])
        both[0] += asked.claims.unbound[number].size[0]
        both[1] += offer.size[0]
    if not plan.given:
        for number, pool in plan.provided:
            how = asked.claims.unbound[number].provide
            if pool is not None:
                both = asks.setdefault(how.class_name, [0, 0])
                both[0] += how.size_bytes
                both[1] = pool.capacity_bytes
    scores = [_share(asked.shape, int64.wrap(wanted), int64.wrap(there)) for wanted, there in asks.values()]
    return math.floor(sum(scores) / len(scores) + 0.5) if scores else 0


def _share(shape: Shape, wanted: int, there: int) -> int:
    """The score of a share, along a line of points; a division as Go's, which cuts towards zero."""
    full = there == 0 or wanted > there
    x = 100 if full else _cut(int64.wrap(wanted * 100), there)
    if x <= shape[0][0]:
        return shape[0][1] * _SHAPE_SCALE
    for (x0, y0), (x1, y1) in itertools.pairwise(shape):
        if x <= x1:
            return y0 * _SHAPE_SCALE + _cut((y1 - y0) * _SHAPE_SCALE * (x - x0), x1 - x0)
    return shape[-1][1] * _SHAPE_SCALE


def _cut(above: int, below: int) -> int:
    quotient = abs(above) // abs(below)
    return quotient if (above < 0) == (below < 0) else -quotient


FILTER: Final = contract.Filter(
    name=_NAME,
    compile=_compile,
    resolve=_resolve,
    rows=_rows,
    cell=_cell,
    eases=lambda _: True,
    facets=changes.LABELS | changes.MOUNTS | changes.ALIVE,
    wakes=_wakes,
)
SCORE: Final = contract.Score(
    name=_NAME,
    compile=_compile_score,
    resolve=_resolve_score,
    raws=_raws,
    raw=_raw,
    facets=changes.LABELS | changes.MOUNTS | changes.ALIVE,
)
