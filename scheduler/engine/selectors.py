"""Node selectors over all nodes at once, with the meanings of k8s.io/component-helpers/scheduling/corev1/nodeaffinity.

A term whose requirement cannot be read (Gt of "abc") never matches: it is None here, so that callers can tell "matches
nothing" from "is an error", as preferred terms must.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scheduler.api import core
from scheduler.state import labels, snapshot

Mask = NDArray[np.bool_]
_NAME_FIELD = "metadata.name"


def match_pairs(pairs: dict[str, str], snap: snapshot.Snapshot) -> Mask:
    """Nodes whose labels hold every pair ("" is a value like any other)."""
    matched = np.ones(snap.size, np.bool_)
    for key, value in pairs.items():
        column = snap.node_labels.column(key)
        matched &= column.among((value,), snap.size) if column is not None else False
    return matched


def match_any(terms: tuple[core.NodeSelectorTerm, ...], snap: snapshot.Snapshot) -> Mask:
    """Nodes that at least one term matches; no terms match no node."""
    matched = np.zeros(snap.size, np.bool_)
    for term in terms:
        mask = match_term(term, snap)
        if mask is not None:
            matched |= mask
    return matched


def match_term(term: core.NodeSelectorTerm, snap: snapshot.Snapshot) -> Mask | None:
    """Nodes that a term matches: none if it is empty; None if a requirement of it cannot be read."""
    if not term.match_expressions and not term.match_fields:
        return np.zeros(snap.size, np.bool_)
    matched = np.ones(snap.size, np.bool_)
    for requirement in term.match_expressions:
        mask = _match_expression(requirement, snap)
        if mask is None:
            return None
        matched &= mask
    for requirement in term.match_fields:
        mask = _match_field(requirement, snap)
        if mask is None:
            return None
        matched &= mask
    return matched


def _match_expression(requirement: core.Requirement, snap: snapshot.Snapshot) -> Mask | None:
    operator, values = requirement.operator, requirement.values
    column = snap.node_labels.column(requirement.key) or labels.Column(snap.size)
    if operator in ("In", "NotIn") and values:
        mask = column.among(values, snap.size)
        return mask if operator == "In" else ~mask
    if operator in ("Exists", "DoesNotExist") and not values:
        mask = column.present(snap.size)
        return mask if operator == "Exists" else ~mask
    if operator in ("Gt", "Lt") and len(values) == 1:
        bound = labels.parse_int64(values[0])
        return None if bound is None else column.compare(bound, above=operator == "Gt", size=snap.size)
    return None


def _match_field(requirement: core.Requirement, snap: snapshot.Snapshot) -> Mask | None:
    if requirement.key != _NAME_FIELD or requirement.operator not in ("In", "NotIn") or len(requirement.values) != 1:
        return None
    mask = np.zeros(snap.size, np.bool_)
    index = snap.index_of.get(requirement.values[0])
    if index is not None:
        mask[index] = True
    return mask if requirement.operator == "In" else ~mask


def named_nodes(term: core.NodeSelectorTerm) -> frozenset[str] | None:
    """The node names to which a term's matchFields narrow it; None when they do not."""
    names: frozenset[str] | None = None
    for requirement in term.match_fields:
        if requirement.key == _NAME_FIELD and requirement.operator == "In":
            values = frozenset(requirement.values)
            names = values if names is None else names & values
    return names
