"""TaintToleration: a pod goes only where it tolerates every hard taint (NoSchedule, NoExecute).

As a score, it goes rather where it tolerates the soft ones (PreferNoSchedule).
Nodes with the same taints share one entry of the taint-set table, so each set is judged once for all of them.
Source: pkg/scheduler/framework/plugins/tainttoleration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from scheduler import config
from scheduler.api import core
from scheduler.plugins import contract, events, request
from scheduler.plugins.common import tolerations
from scheduler.state import changes, snapshot

_NAME: Final = "TaintToleration"
_HARD: Final = ("NoSchedule", "NoExecute")
_SOFT: Final = "PreferNoSchedule"
_REFUSAL: Final = contract.Refusal(contract.Code.UNRESOLVABLE, ("node(s) had untolerated taint(s)",))

Given = tuple[core.Toleration, ...]
Taints = tuple[core.Taint, ...]


def _compile(pod: request.PodRequest, _settings: config.Settings) -> Given:
    return pod.pod.spec.tolerations


def _is_refused(given: Given, taints: Taints) -> bool:
    return any(taint.effect in _HARD and not tolerations.tolerates(given, taint) for taint in taints)


def _rows(given: Given, view: snapshot.Snapshot) -> contract.Verdict | None:
    refused = np.array([_is_refused(given, taints) for taints in view.taint_sets], np.bool_)
    return contract.refuse(refused[view.taint_set], _REFUSAL) if refused.any() else None


def _cell(given: Given, view: snapshot.Snapshot, slot: int, _delta: contract.Delta) -> contract.Refusal | None:
    return _REFUSAL if _is_refused(given, view.taints_of(slot)) else None


def _wakes(event: events.Event, given: Given) -> bool:
    if isinstance(event, events.OwnPodChanged):
        return event.old.spec.tolerations != event.new.spec.tolerations
    return _is_freed(event, lambda node: not _is_refused(given, node.spec.taints))


def _is_freed(event: events.Event, passes: Callable[[core.Node], bool]) -> bool:
    if not isinstance(event, events.NodeChanged) or not passes(event.new):
        return False
    return event.old is None or not passes(event.old)


def _compile_soft(pod: request.PodRequest, _settings: config.Settings) -> Given:
    return tuple(toleration for toleration in pod.pod.spec.tolerations if toleration.effect in ("", _SOFT))


def _count(given: Given, taints: Taints) -> int:
    """Soft taints that are not tolerated."""
    return sum(taint.effect == _SOFT and not tolerations.tolerates(given, taint) for taint in taints)


def _raws(given: Given, view: snapshot.Snapshot) -> contract.Ints:
    counts = np.array([_count(given, taints) for taints in view.taint_sets], np.int64)
    found: contract.Ints = counts[view.taint_set]
    return found


def _raw(given: Given, view: snapshot.Snapshot, slot: int) -> int:
    return _count(given, view.taints_of(slot))


def _normalise(counts: contract.Ints, _least: int, most: int) -> contract.Ints:
    """100 for the fewest: 100 - 100 * n / max, and 100 for all when nobody has one."""
    if most == 0:
        return np.full(len(counts), contract.MAX_SCORE, np.int64)
    return contract.MAX_SCORE - contract.MAX_SCORE * counts // most


def _normalise_one(count: int, _least: int, most: int) -> int:
    return contract.MAX_SCORE - contract.MAX_SCORE * count // most if most else contract.MAX_SCORE


FILTER: Final = contract.Filter(
    name=_NAME,
    compile=_compile,
    rows=_rows,
    cell=_cell,
    facets=changes.TAINTS | changes.ALIVE,
    wakes=_wakes,
)
SCORE: Final = contract.Score(
    name=_NAME,
    compile=_compile_soft,
    raws=_raws,
    raw=_raw,
    facets=changes.TAINTS | changes.ALIVE,
    normalise=contract.Normalise(all=_normalise, one=_normalise_one),
)
