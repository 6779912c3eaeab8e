"""PodTopologySpread's score: the fewer pods the domains of a node have, the better.

Each constraint adds the pods in the node's domain, weighed by the logarithm of how many domains the feasible nodes make
up, so that few large domains are not drowned by many small ones, and ``maxSkew`` - 1, which waters differences down.
Nodes that lack a label of the pod's own constraints are not ranked; by those of the system, they are by what they have.
Of the domains of a hostname each node is one, whatever counts elsewhere.

Source: pkg/scheduler/framework/plugins/podtopologyspread/scoring.go.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from scheduler import config
from scheduler.plugins import contract, request
from scheduler.plugins.common import domains
from scheduler.plugins.topology_spread import constraints
from scheduler.state import changes, labels, snapshot

_ABSENT: Final = -1  # the part of a constraint whose label a node lacks
_INVALID: Final = -1  # a score that upstream takes for that of a node which is not ranked

Weights = tuple[float, ...]


def _compile(pod: request.PodRequest, settings: config.Settings) -> constraints.Asked | contract.Refuse | None:
    asked = constraints.read(pod, settings, constraints.SOFT)
    if asked is not None and asked.problem:
        what = f"calculating preScoreState: obtaining pod's soft topology spread constraints: {asked.problem}"
        return contract.Refuse(f'running PreScore plugin "{constraints.NAME}": {what}')
    return asked


def _resolve(asked: constraints.Asked, view: snapshot.Snapshot) -> constraints.Sought | None:
    found = constraints.resolve(asked, view)
    return found if isinstance(found, constraints.Sought) else None


def _raws(asked: constraints.Sought, view: snapshot.Snapshot) -> contract.Ints:
    """[slots, constraints] the pods in a node's domain."""
    found = np.zeros((view.size, len(asked.constraints)), np.int64, order="F")
    for number, one in enumerate(asked.constraints):
        if one.key != constraints.HOSTNAME:
            found[:, number] = one.spread(view).row(view.size)
        elif (here := view.neighbours.cohorts.per_node(one.counted).row(view.size)) is not None:
            found[:, number] = here
        present = domains.present(view, one.key)
        if not present.all():
            found[~present, number] = _ABSENT
    return found


def _raw(asked: constraints.Sought, view: snapshot.Snapshot, slot: int) -> list[int]:
    node = view.node_labels.of(slot)
    return [
        _ABSENT
        if one.key not in node
        else view.neighbours.cohorts.per_node(one.counted).of(slot)
        if one.key == constraints.HOSTNAME
        else one.spread(view).of(slot)
        for one in asked.constraints
    ]


def _measure(asked: constraints.Sought, view: snapshot.Snapshot, mask: contract.Mask) -> Weights:
    """What each constraint weighs."""
    ranked = mask
    if asked.every_key:
        for one in asked.constraints:
            ranked = ranked & domains.present(view, one.key)
    sizes = [
        int(np.count_nonzero(ranked)) if one.key == constraints.HOSTNAME else _domains(view, one.key, ranked)
        for one in asked.constraints
    ]
    return tuple(math.log(size + 2) for size in sizes)


def _domains(view: snapshot.Snapshot, key: str, ranked: contract.Mask) -> int:
    """How many domains some nodes make up; one without the label has it as if it were empty."""
    column = view.node_labels.column(key) or labels.Column(view.size)
    is_there = np.zeros(column.width + 1, np.bool_)
    is_there[column.ids[: view.size][ranked]] = True
    blank = column.values.get("")
    twice = blank is not None and is_there.item(blank) and is_there.item(-1)
    return int(np.count_nonzero(is_there)) - twice


def _mix(asked: constraints.Sought, parts: contract.Ints, weights: Weights) -> contract.Ints:
    total = np.zeros(len(parts))
    for number, (one, weight) in enumerate(zip(asked.constraints, weights, strict=True)):
        part = parts[:, number]
        score = part * weight + float(one.max_skew - 1)
        if part.min(initial=0) == _ABSENT:
            score[part == _ABSENT] = 0.0
        total += score
    rounded = total.astype(np.int64)  # towards zero
    rest = total - rounded
    rounded += rest >= 0.5
    if total.min(initial=0.0) < 0.0:
        rounded -= rest <= -0.5
    if asked.every_key and parts.min(initial=0) == _ABSENT:
        rounded[(parts == _ABSENT).any(axis=1)] = contract.UNRANKED
    return rounded


def _mix_one(asked: constraints.Sought, parts: Sequence[int], weights: Weights) -> int:
    if asked.every_key and _ABSENT in parts:
        return contract.UNRANKED
    total = 0.0
    for one, part, weight in zip(asked.constraints, parts, weights, strict=True):
        if part != _ABSENT:
            total += part * weight + float(one.max_skew - 1)
    whole = int(total)
    return whole + (total - whole >= 0.5) - (total - whole <= -0.5)


def _touched(
    asked: constraints.Sought, view: snapshot.Snapshot, hits: contract.Changes, since: int
) -> Collection[int] | None:
    """As of the filter, but that the least number of pods does not matter."""
    if any(facets & ~changes.COMPANY & constraints.FACETS for facets in hits.values()) or changes.ALL in hits:
        return None
    keys = [one.key for one in asked.constraints if one.key != constraints.HOSTNAME]
    found = [one for one in asked.constraints if one.key in keys and one.spread(view).changed_seq > since]
    return domains.sharing(view, {one.key for one in found}, hits)


def _normalise(scores: contract.Ints, least: int, most: int) -> contract.Ints:
    """100 for the least, the less the more; those that are not ranked get nothing. Cut towards zero, as Go does."""
    ranked = None
    if scores.min(initial=0) < 0:
        ranked = (scores != contract.UNRANKED) & (scores != _INVALID)
        scores = np.where(ranked, scores, 0)
    if most <= 0:
        found = np.full(len(scores), contract.MAX_SCORE, np.int64)
    else:
        share = contract.MAX_SCORE * (most + least - scores)
        found = share // most
        if share.min(initial=0) < 0:
            found += (share < 0) & (share % most != 0)
    return found if ranked is None else np.where(ranked, found, 0)


def _normalise_one(score: int, least: int, most: int) -> int:
    if score in (contract.UNRANKED, _INVALID):
        return 0
    if most <= 0:
        return contract.MAX_SCORE
    share = contract.MAX_SCORE * (most + least - score)
    return share // most if share >= 0 else -(-share // most)


SCORE: Final = contract.Score(
    name=constraints.NAME,
    compile=_compile,
    resolve=_resolve,
    raws=_raws,
    raw=_raw,
    facets=constraints.FACETS,
    touched=_touched,
    normalise=contract.Normalise(all=_normalise, one=_normalise_one),
    mix=contract.Mix(measure=_measure, all=_mix, one=_mix_one),
)
