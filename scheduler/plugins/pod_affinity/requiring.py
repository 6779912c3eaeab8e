"""InterPodAffinity: what the pod requires of pods near a node, and what pods near it require of the pod.

Three rules in upstream's order. Required affinity: in each term's domain runs a pod that matches *all* the terms; as
long as no pod on a node with one of the labels does, the first of a series, which matches its own terms, may go
wherever the labels are. Required anti-affinity: no pod in the domain matches. Symmetry: no pod in the domain has
anti-affinity against this one. A node without the label fails the first rule and passes the other two. Terminating pods
count.

Source: pkg/scheduler/framework/plugins/interpodaffinity/filtering.go.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from scheduler import config
from scheduler.plugins import contract, request
from scheduler.plugins.common import domains
from scheduler.plugins.pod_affinity import terms, waking
from scheduler.state import carried as carriers
from scheduler.state import changes, podterms, snapshot, tallies

_ALONE: Final = contract.Refusal(contract.Code.UNRESOLVABLE, ("node(s) didn't match pod affinity rules",))
_CROWDED: Final = contract.Refusal(contract.Code.UNSCHEDULABLE, ("node(s) didn't match pod anti-affinity rules",))
_UNWELCOME: Final = contract.Refusal(
    contract.Code.UNSCHEDULABLE, ("node(s) didn't satisfy existing pods anti-affinity rules",)
)


@dataclass(frozen=True, slots=True)
class Resolved:
    """What the terms of the three rules come to.

    Attributes:
        asked: The pod, for those of whom it is not yet known whether they mean it.
        company: The pods that match all its required terms, by each of their labels.
        averse: The pods that each of its anti-affinity terms means.
        carried: Terms of others that mean it, of pods that share a domain with some node.
        leads: Whether it matches its own required terms, so that it may be the first of a series.
        is_first: Whether it leads, and no pod on a node with one of the labels matches all the terms.
        required, shunned: Its terms; those of ``averse`` in the same order.
    """

    asked: terms.Asked
    company: tuple[tallies.Tally, ...]
    averse: tuple[tallies.Tally, ...]
    carried: tuple[carriers.Carried, ...]
    leads: bool
    is_first: bool
    required: tuple[podterms.Wanted, ...] = field(compare=False)
    shunned: tuple[podterms.Wanted, ...] = field(compare=False)


def _compile(pod: request.PodRequest, _settings: config.Settings) -> terms.Asked | contract.Refuse:
    problem = pod.terms.problem
    return contract.Refuse(f"parsing pod: {problem}") if problem else terms.read(pod)


def _resolve(asked: terms.Asked, view: snapshot.Snapshot) -> Resolved | None:
    """Upstream asks nothing, not even of pods nominated to a node, where there is nothing to ask of those on nodes."""
    own = asked.terms
    carried = tuple(
        one for one in view.neighbours.repelling.meaning(asked.pod, view.neighbours.namespaces) if one.tally.total
    )
    if not (own.required or own.required_anti or carried):
        return None
    required = tuple([terms.want(asked, term, view) for term in own.required])
    shunned = tuple([terms.want(asked, term, view) for term in own.required_anti])
    keys = dict.fromkeys([term.topology_key for term in required])
    company = tuple([view.neighbours.near(required, key) for key in keys])
    meta = asked.pod.metadata
    leads = bool(required) and all(one.means(meta.namespace, meta.labels) for one in required)
    return Resolved(
        asked=asked,
        company=company,
        averse=tuple([terms.meant(one, view) for one in shunned]),
        carried=carried,
        leads=leads,
        is_first=leads and not any(tally.total for tally in company),
        required=required,
        shunned=shunned,
    )


def _rows(asked: Resolved, view: snapshot.Snapshot) -> contract.Verdict | None:
    alone = _lonely(view, asked)
    crowded = _near_any(view, asked.averse)
    unwelcome = _near_any(view, [one.tally for one in asked.carried])
    refused = alone | crowded | unwelcome
    if not refused.any():
        return None
    code = np.where(alone, np.int8(contract.Code.UNRESOLVABLE), np.int8(contract.Code.UNSCHEDULABLE))
    return contract.Verdict(
        code=np.where(refused, code, np.int8(contract.Code.SUCCESS)),
        reason=np.where(alone, 0, np.where(crowded, 1, 2)).astype(np.int32),
        reasons=(_ALONE.reasons, _CROWDED.reasons, _UNWELCOME.reasons),
    )


def _lonely(view: snapshot.Snapshot, asked: Resolved) -> contract.Mask:
    """Nodes where a required affinity is not met."""
    if not asked.company:
        return np.zeros(view.size, np.bool_)
    met = np.ones(view.size, np.bool_)
    for tally in asked.company:
        if asked.is_first:
            met &= domains.present(view, tally.key)
        else:
            here = tally.row(view.size)
            met &= here > 0 if here is not None else False
    return ~met


def _near_any(view: snapshot.Snapshot, counted: Sequence[tallies.Tally]) -> contract.Mask:
    """Nodes that share a domain, each by its own label, with a pod that is counted."""
    found = np.zeros(view.size, np.bool_)
    for tally in counted:
        here = tally.row(view.size)
        if here is not None:
            found |= here > 0
    return found


def _cell(asked: Resolved, view: snapshot.Snapshot, slot: int, delta: contract.Delta) -> contract.Refusal | None:
    """One node; pods that come or go do so on it, and as if there were no others to come."""
    labels = view.node_labels.of(slot)
    if asked.company and _is_alone(asked, view, slot, delta):
        return _ALONE
    for tally, term in zip(asked.averse, asked.shunned, strict=True):
        if tally.key in labels and tally.of(slot) + _moved(delta, (term,)) > 0:
            return _CROWDED
    held = [(one.term.topology_key, one.tally.of(slot)) for one in asked.carried if one.term.topology_key in labels]
    for placed, sign in delta.moves:
        meta = placed.pod.metadata
        held += [
            (term.topology_key, sign)
            for term in podterms.of(placed.pod).required_anti
            if term.topology_key in labels
            and podterms.means(term, meta.namespace, asked.asked.pod, view.neighbours.namespaces)
        ]
    return _UNWELCOME if sum(count for _, count in held) > 0 else None


def _is_alone(asked: Resolved, view: snapshot.Snapshot, slot: int, delta: contract.Delta) -> bool:
    labels = view.node_labels.of(slot)
    company = asked.company
    if any(tally.key not in labels for tally in company):
        return True
    moved = _moved(delta, asked.required)
    if all(tally.of(slot) + moved > 0 for tally in company):
        return False
    if not asked.leads:
        return True
    if moved >= 0:
        return not asked.is_first
    here = view.neighbours.near(asked.required, tallies.BY_SLOT).of(slot)
    return here + moved > 0 or any(tally.total > here for tally in company)


def _moved(delta: contract.Delta, wanted: Sequence[podterms.Wanted]) -> int:
    """How many more pods there are that every term means."""
    return sum(
        sign
        for placed, sign in delta.moves
        if all(term.means(placed.pod.metadata.namespace, placed.pod.metadata.labels) for term in wanted)
    )


def _touched(asked: Resolved, view: snapshot.Snapshot, hits: contract.Changes, since: int) -> Collection[int] | None:
    return terms.touched([*asked.company, *asked.averse, *(one.tally for one in asked.carried)], view, hits, since)


FILTER: Final = contract.Filter(
    name=terms.NAME,
    compile=_compile,
    resolve=_resolve,
    rows=_rows,
    cell=_cell,
    eases=lambda asked: not asked.company,
    facets=changes.COMPANY | changes.LABELS | changes.ALIVE,
    touched=_touched,
    wakes=waking.wakes,
)
