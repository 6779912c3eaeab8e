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
from typing import Final, NamedTuple

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


class Resolved(NamedTuple):
    """The terms of the three rules.

    Attributes:
        asked: The pod, for those of whom it is not yet known whether they mean it.
        required, averse: Its terms.
        leads: Whether it matches its own required terms, so that it may be the first of a series.
        carried: Terms of others that mean it, of pods that share a domain with some node.
    """

    asked: terms.Asked
    required: tuple[terms.Sought, ...]
    averse: tuple[terms.Sought, ...]
    leads: bool
    carried: tuple[carriers.Carried, ...]


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
    required = tuple(terms.seek(asked, term, view) for term in own.required)
    meta = asked.pod.metadata
    return Resolved(
        asked=asked,
        required=required,
        averse=tuple(terms.seek(asked, term, view) for term in own.required_anti),
        leads=bool(required) and all(one.wanted.means(meta.namespace, meta.labels) for one in required),
        carried=carried,
    )


def _rows(asked: Resolved, view: snapshot.Snapshot) -> contract.Verdict | None:
    alone = _lonely(view, asked)
    crowded = _near_any(view, [term.tally(view) for term in asked.averse])
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
    if not asked.required:
        return np.zeros(view.size, np.bool_)
    labelled, met = np.ones(view.size, np.bool_), np.ones(view.size, np.bool_)
    is_anywhere = False
    for key in {term.topology_key for term in asked.required}:
        here = _company(view, asked, key).row(view.size)
        is_anywhere |= here is not None
        labelled &= domains.present(view, key)
        met &= here > 0 if here is not None else False
    if asked.leads and not is_anywhere:
        return ~labelled
    return ~(labelled & met)


def _company(view: snapshot.Snapshot, asked: Resolved, key: str) -> tallies.Tally:
    """The pods that match all the required terms, by the domains of a label."""
    return view.neighbours.near([term.wanted for term in asked.required], key)


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
    if asked.required and _is_alone(asked, view, slot, delta):
        return _ALONE
    for term in asked.averse:
        if term.topology_key in labels:
            count = term.tally(view).of(slot)
            if count + _moved(delta, (term.wanted,)) > 0:
                return _CROWDED
    held = [(one.term.topology_key, one.tally.of(slot)) for one in asked.carried if one.term.topology_key in labels]
    for placed, sign in _moves(delta):
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
    keys = {term.topology_key for term in asked.required}
    if any(key not in labels for key in keys):
        return True
    company = [_company(view, asked, key) for key in keys]
    moved = _moved(delta, [term.wanted for term in asked.required])
    if all(tally.of(slot) + moved > 0 for tally in company):
        return False
    if not asked.leads:
        return True
    if moved >= 0:
        return any(tally.total for tally in company)
    here = _company(view, asked, tallies.BY_SLOT).of(slot)
    return here + moved > 0 or any(tally.total > here for tally in company)


def _moved(delta: contract.Delta, wanted: Sequence[podterms.Wanted]) -> int:
    """How many more pods there are that every term means."""
    return sum(
        sign
        for placed, sign in _moves(delta)
        if all(term.means(placed.pod.metadata.namespace, placed.pod.metadata.labels) for term in wanted)
    )


def _moves(delta: contract.Delta) -> list[tuple[snapshot.Placed, int]]:
    return [*((placed, 1) for placed in delta.added), *((placed, -1) for placed in delta.removed)]


def _touched(asked: Resolved, view: snapshot.Snapshot, hits: contract.Changes, _since: int) -> Collection[int] | None:
    """Who shares a domain with a node that changed; all, where it matters whether there is any company at all."""
    if changes.ALL in hits or asked.leads:
        return None
    keys = {term.topology_key for term in (*asked.required, *asked.averse)}
    return domains.sharing(view, keys | {one.term.topology_key for one in asked.carried}, hits)


FILTER: Final = contract.Filter(
    name=terms.NAME,
    compile=_compile,
    resolve=_resolve,
    rows=_rows,
    cell=_cell,
    facets=changes.COMPANY | changes.LABELS | changes.ALIVE,
    touched=_touched,
    wakes=waking.wakes,
)
