"""PodTopologySpread's filter: with the pod, no domain has more than ``maxSkew`` above the domain that has the fewest.

That of a node without the label is none at all. The fewest counts as 0 while fewer than ``minDomains`` domains have a
node that counts; a domain that has none has no pods, but may be taken. Pods that are being deleted are not counted, but
in what preemption and nominated pods come to: there upstream looks neither at that nor at whether a selector is empty.

Source: pkg/scheduler/framework/plugins/podtopologyspread/filtering.go.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from scheduler import config
from scheduler.plugins import contract, request
from scheduler.plugins.topology_spread import constraints, waking
from scheduler.state import labels, podterms, snapshot, spreads

_UNLABELLED: Final = contract.Refusal(
    contract.Code.UNRESOLVABLE,
    ("node(s) didn't match pod topology spread constraints (missing required label)",),
)
_CROWDED: Final = contract.Refusal(
    contract.Code.UNSCHEDULABLE, ("node(s) didn't match pod topology spread constraints",)
)


def _compile(pod: request.PodRequest, settings: config.Settings) -> constraints.Asked | None:
    return constraints.read(pod, settings, constraints.HARD)


def _rows(asked: constraints.Sought, view: snapshot.Snapshot) -> contract.Verdict | None:
    code = np.zeros(view.size, np.int8)
    for one in asked.constraints:
        spread = one.spread(view)
        column = view.node_labels.column(one.key) or labels.Column(view.size)
        room = one.max_skew - one.means_itself + _least(one, spread, spread.least)
        said = np.where(spread.row(view.size) > room, np.int8(_CROWDED.code), np.int8(contract.Code.SUCCESS))
        said[column.ids[: view.size] < 0] = _UNLABELLED.code
        code = np.where(code == contract.Code.SUCCESS, said, code)
    if not code.any():
        return None
    return contract.Verdict(
        code=code,
        reason=(code == _CROWDED.code).astype(np.int32),
        reasons=(_UNLABELLED.reasons, _CROWDED.reasons),
    )


def _cell(
    asked: constraints.Sought, view: snapshot.Snapshot, slot: int, delta: contract.Delta
) -> contract.Refusal | None:
    node = view.node_labels.of(slot)
    for one in asked.constraints:
        if one.key not in node:
            return _UNLABELLED
        spread = one.spread(view)
        moved = _moved(asked, one, delta) if spread.counts(slot) else 0
        least = spread.least_with(slot, moved) if moved else spread.least
        if spread.of(slot) + moved + one.means_itself - _least(one, spread, least) > one.max_skew:
            return _CROWDED
    return None


def _least(one: constraints.Constraint, spread: spreads.Spread, found: int) -> int:
    return 0 if spread.count < one.min_domains else found


def _moved(asked: constraints.Sought, one: constraints.Constraint, delta: contract.Delta) -> int:
    """How many more pods there are that a constraint means."""
    return _meant(asked, one, delta.added) - _meant(asked, one, delta.removed)


def _meant(asked: constraints.Sought, one: constraints.Constraint, pods: tuple[snapshot.Placed, ...]) -> int:
    metas = [placed.pod.metadata for placed in pods]
    return sum(meta.namespace == asked.namespace and podterms.matches(one.selector, meta.labels) for meta in metas)


FILTER: Final = contract.Filter(
    name=constraints.NAME,
    compile=_compile,
    resolve=constraints.resolve,
    rows=_rows,
    cell=_cell,
    eases=lambda _: True,
    facets=constraints.FACETS,
    touched=constraints.touched,
    wakes=waking.wakes,
)
