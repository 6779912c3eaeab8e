"""DynamicResources: a node that a pod's claims can be used from, or get their devices on.

As a score, how much preferred the ways are in which requests are met, where there are several.

Source: pkg/scheduler/framework/plugins/dynamicresources, Filter and Score.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from scheduler.api import core
from scheduler.plugins import contract
from scheduler.plugins.common import selectors
from scheduler.plugins.dynamic_resources import asking, extended, outcome, search, waking, wanted
from scheduler.state import changes, snapshot

_NAME: Final = "DynamicResources"
_LEFT_OVER: Final = contract.Refusal(contract.Code.UNRESOLVABLE, ("cannot schedule extended resource claim",))
_NOT_OFFERED: Final = contract.Refusal(contract.Code.UNRESOLVABLE, ("cannot fit resource",))
_NOT_HERE: Final = contract.Refusal(contract.Code.UNRESOLVABLE, ("resourceclaim not available on the node",))
_TOO_FEW: Final = contract.Refusal(contract.Code.UNRESOLVABLE, ("cannot allocate all claims",))


class Outcome(NamedTuple):
    """What becomes of a pod's claims on a node.

    Attributes:
        wanted: What is allocated there; None where nothing is.
        found: The devices.
        made: The claim for extended resources, the last of what is wanted; None where none is made.
    """

    wanted: wanted.Wanted | None
    found: outcome.Found
    made: extended.Made | None


_NOTHING: Final = Outcome(None, outcome.NOTHING, None)
_FACETS: Final = changes.DEVICES | changes.CLASSES | changes.LABELS | changes.OFFER | changes.ALIVE


def on_slot(asked: asking.Resolved, view: snapshot.Snapshot, slot: int) -> Outcome | contract.Refusal:
    """What becomes of a pod's claims on a node, or why it cannot be there."""
    want, made = asked.wanted, None
    if asked.extended is not None:
        if asked.extended.is_left_over:
            return _LEFT_OVER
        lacking = extended.lacking(asked.extended, view, slot)
        if lacking is None:
            return _NOT_OFFERED
        if not lacking and want is None and not asked.held:
            return _NOTHING
        made, want = asking.reader_of(view).with_extended(want, asked.extended, lacking, view)
    node = _Node(view, slot)
    found = outcome.NOTHING
    if want is not None:
        where = outcome.Node(node.name, view.claims.pools.at(node.name, node.is_meant), node.is_meant, view.claims.use)
        found = search.on_node(want, asked.called, where)
        if found.given is None:
            if not found.problem:
                return _TOO_FEW
            if not found.is_error:
                return contract.Refusal(contract.Code.UNRESOLVABLE, (found.problem,))
            if asked.wanted is not None:
                asked.wanted.names_are_told = True
            return contract.Refusal(contract.Code.ERROR, (found.problem,))
    for held in asked.held:
        if not held.is_of_use or (held.node_selector is not None and not node.is_meant(held.node_selector)):
            return _NOT_HERE
    return Outcome(want, found, made)


class _Node:
    """A node, as selectors mean it."""

    def __init__(self, view: snapshot.Snapshot, slot: int) -> None:
        self.name = view.names[slot]
        self._view = view
        self._slot = slot

    def is_meant(self, selector: core.NodeSelector) -> bool:
        labels = self._view.node_labels.of(self._slot)
        return any(selectors.term_holds(term, self.name, labels) for term in selector.node_selector_terms)


def _rows(asked: asking.Resolved, view: snapshot.Snapshot) -> contract.Verdict | None:
    code, reason = np.zeros(view.size, np.int8), np.zeros(view.size, np.int32)
    numbers: dict[tuple[str, ...], int] = {}
    for slot in np.flatnonzero(view.alive).tolist():
        refusal = on_slot(asked, view, slot)
        if isinstance(refusal, contract.Refusal):
            code[slot] = refusal.code
            reason[slot] = numbers.setdefault(refusal.reasons, len(numbers))
    return contract.Verdict(code, reason, tuple(numbers)) if numbers else None


def _cell(
    asked: asking.Resolved, view: snapshot.Snapshot, slot: int, _delta: contract.Delta
) -> contract.Refusal | None:
    """Pods that come or go leave claims as they are."""
    if not view.alive.item(slot):
        return None
    found = on_slot(asked, view, slot)
    return found if isinstance(found, contract.Refusal) else None


def _resolve_score(asked: asking.Asked, view: snapshot.Snapshot) -> asking.Resolved | None:
    """None, as good as zeros, where each request can be met in one way only."""
    found = asking.resolve(asked, view)
    if not isinstance(found, asking.Resolved):
        return None
    has_ways = (found.wanted is not None and found.wanted.has_ways) or any(held.preference for held in found.held)
    is_given = found.wanted is not None or found.extended is not None  # what is held already has no node to choose
    return found if has_ways and is_given else None


def _raws(asked: asking.Resolved, view: snapshot.Snapshot) -> contract.Ints:
    return np.array([_raw(asked, view, slot) for slot in range(view.size)], np.int64)


def _raw(asked: asking.Resolved, view: snapshot.Snapshot, slot: int) -> int:
    found = on_slot(asked, view, slot) if view.alive.item(slot) else None
    if not isinstance(found, Outcome) or found.wanted is None:
        return 0
    total = sum(held.preference for held in asked.held)
    for claim, chosen in zip(found.wanted.claims, found.found.chosen, strict=True):
        for ways, number in zip(claim.requests, chosen, strict=True):
            if ways[number].parent and found.found.given is not None:
                total += asking.MOST_WAYS - number
    return total


def _normal(values: contract.Ints, _least: int, most: int) -> contract.Ints:
    return values * contract.MAX_SCORE // most if most else values


def _normal_one(value: int, _least: int, most: int) -> int:
    return value * contract.MAX_SCORE // most if most else value


FILTER: Final = contract.Filter(
    name=_NAME,
    compile=asking.compile_pod,
    resolve=asking.resolve,
    rows=_rows,
    cell=_cell,
    facets=_FACETS,
    wakes=waking.wakes,
)
SCORE: Final = contract.Score(
    name=_NAME,
    compile=asking.compile_pod,
    resolve=_resolve_score,
    raws=_raws,
    raw=_raw,
    facets=_FACETS,
    normalise=contract.Normalise(all=_normal, one=_normal_one),
)
