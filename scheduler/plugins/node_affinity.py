"""NodeAffinity: node selector, required node affinity, and the affinity that the configuration adds for everybody.

As a score, the weights of the preferred terms that match.
Source: pkg/scheduler/framework/plugins/nodeaffinity.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from scheduler import config
from scheduler.api import core, requirements
from scheduler.plugins import contract, events, request
from scheduler.plugins.common import selectors
from scheduler.state import changes, snapshot

_NAME: Final = "NodeAffinity"
_ADDED: Final = contract.Refusal(contract.Code.UNRESOLVABLE, ("node(s) didn't match scheduler-enforced node affinity",))
_OWN: Final = contract.Refusal(contract.Code.UNRESOLVABLE, ("node(s) didn't match Pod's node affinity/selector",))

Terms = tuple[core.NodeSelectorTerm, ...]


class Asked(NamedTuple):
    """Required: the configuration's terms, the pod's selector and the pod's terms; None where there are no terms."""

    added: Terms | None
    pairs: selectors.Pairs
    own: Terms | None


def _compile(pod: request.PodRequest, settings: config.Settings) -> Asked | contract.Refuse | None:
    spec = pod.pod.spec
    asked = Asked(
        added=_required(settings.plugins.added_affinity),
        pairs=tuple(sorted(spec.node_selector.items())),
        own=_required(spec.affinity.node_affinity if spec.affinity else None),
    )
    if asked.own and _narrows(asked) == frozenset():
        return contract.Refuse("pod affinity terms conflict")
    return None if asked == (None, (), None) else asked


def _required(affinity: core.NodeAffinity | None) -> Terms | None:
    return affinity.required.node_selector_terms if affinity is not None and affinity.required is not None else None


def _narrows(asked: Asked) -> frozenset[str] | None:
    """The nodes that all its terms name, if all do."""
    if not asked.own:
        return None
    names: frozenset[str] = frozenset()
    for term in asked.own:
        named = selectors.named_nodes(term)
        if named is None:
            return None
        names |= named
    return names


def _rows(asked: Asked, view: snapshot.Snapshot) -> contract.Verdict | None:
    """The added affinity is asked first."""
    enforced = _match_required(asked.added, view)
    own = selectors.match_pairs(asked.pairs, view) & _match_required(asked.own, view)
    refused = ~(enforced & own)
    if not refused.any():
        return None
    return contract.Verdict(
        code=np.where(refused, np.int8(contract.Code.UNRESOLVABLE), np.int8(contract.Code.SUCCESS)),
        reason=enforced.astype(np.int32),
        reasons=(_ADDED.reasons, _OWN.reasons),
    )


def _match_required(terms: Terms | None, view: snapshot.Snapshot) -> contract.Mask:
    return np.ones(view.size, np.bool_) if terms is None else selectors.match_any(terms, view)


def _cell(asked: Asked, view: snapshot.Snapshot, slot: int, _delta: contract.Delta) -> contract.Refusal | None:
    return _judge(asked, view.names[slot], view.node_labels.of(slot))


def _judge(asked: Asked, name: str, labels: Mapping[str, str]) -> contract.Refusal | None:
    if not _any_holds(asked.added, name, labels):
        return _ADDED
    return None if selectors.pairs_hold(asked.pairs, labels) and _any_holds(asked.own, name, labels) else _OWN


def _any_holds(terms: Terms | None, name: str, labels: Mapping[str, str]) -> bool:
    return terms is None or any(selectors.term_holds(term, name, labels) for term in terms)


def _wakes(event: events.Event, asked: Asked) -> bool:
    if isinstance(event, events.OwnPodChanged):  # which the API server lets happen only while it is gated
        before, now = event.old.spec, event.new.spec
        return (before.node_selector, before.affinity) != (now.node_selector, now.affinity)
    if not isinstance(event, events.NodeChanged):
        return False
    old, new = event.old, event.new
    if _fits(asked, new):
        return old is None or not _fits(asked, old)
    # Of a term that cannot be read, upstream's hint cannot tell, so that it wakes.
    return (
        (old is None or old.metadata.labels != new.metadata.labels)
        and not all(requirements.is_readable(term) for term in asked.own or ())
        and _any_holds(asked.added, new.metadata.name, new.metadata.labels)
        and selectors.pairs_hold(asked.pairs, new.metadata.labels)
    )


def _fits(asked: Asked, node: core.Node) -> bool:
    return _judge(asked, node.metadata.name, node.metadata.labels) is None


Preferences = tuple[core.PreferredSchedulingTerm, ...]


def _compile_preferred(pod: request.PodRequest, settings: config.Settings) -> Preferences | contract.Refuse | None:
    """The pod's and those that the configuration adds, which were read with it."""
    affinity = pod.pod.spec.affinity
    own = affinity.node_affinity.preferred if affinity is not None and affinity.node_affinity is not None else ()
    if own and (problem := requirements.aggregate(requirements.preferred_problems(own))):
        return contract.Refuse(f'running PreScore plugin "{_NAME}": {problem}')
    added = settings.plugins.added_affinity
    return (*own, *(added.preferred if added is not None else ())) or None


def _raws(preferred: Preferences, view: snapshot.Snapshot) -> contract.Ints:
    total = np.zeros(view.size, np.int64)
    for term in preferred:
        if term.weight:
            total += np.where(selectors.match_term(term.preference, view), term.weight, 0)
    return total


def _raw(preferred: Preferences, view: snapshot.Snapshot, slot: int) -> int:
    name, labels = view.names[slot], view.node_labels.of(slot)
    return sum(term.weight for term in preferred if selectors.term_holds(term.preference, name, labels))


def _normalise(sums: contract.Ints, _least: int, most: int) -> contract.Ints:
    """100 for the highest sum; zeros stay zeros. A division as Go's, which cuts towards zero."""
    return sums if most <= 0 else np.sign(sums) * (contract.MAX_SCORE * np.abs(sums) // most)


def _normalise_one(total: int, _least: int, most: int) -> int:
    if most <= 0:
        return total
    share = contract.MAX_SCORE * abs(total) // most
    return share if total >= 0 else -share


FILTER: Final = contract.Filter(
    name=_NAME,
    compile=_compile,
    rows=_rows,
    cell=_cell,
    facets=changes.LABELS | changes.ALIVE,
    wakes=_wakes,
    narrows=_narrows,
)
SCORE: Final = contract.Score(
    name=_NAME,
    compile=_compile_preferred,
    raws=_raws,
    raw=_raw,
    facets=changes.LABELS | changes.ALIVE,
    normalise=contract.Normalise(all=_normalise, one=_normalise_one),
)
