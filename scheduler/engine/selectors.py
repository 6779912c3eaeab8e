"""Node selectors over all nodes at once, with the meanings of k8s.io/component-helpers/scheduling/corev1/nodeaffinity.

A term whose requirement cannot be read (scheduler.api.requirements) never matches. Whether that is an error is for the
caller to say: with preferred terms it is, with required ones it is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scheduler.api import core, requirements
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
        matched |= match_term(term, snap)
    return matched


def match_term(term: core.NodeSelectorTerm, snap: snapshot.Snapshot) -> Mask:
    """Nodes that a term matches: none if it is empty or cannot be read."""
    if not (term.match_expressions or term.match_fields) or not requirements.is_readable(term):
        return np.zeros(snap.size, np.bool_)
    matched = np.ones(snap.size, np.bool_)
    for requirement in term.match_expressions:
        matched &= _match_expression(requirement, snap)
    for requirement in term.match_fields:
        matched &= _match_field(requirement, snap)
    return matched


def _match_expression(requirement: core.Requirement, snap: snapshot.Snapshot) -> Mask:
    operator, values = requirement.operator, requirement.values
    column = snap.node_labels.column(requirement.key) or labels.Column(snap.size)
    match operator:
        case "In" | "NotIn":
            mask = column.among(values, snap.size)
            return mask if operator == "In" else ~mask
        case "Exists" | "DoesNotExist":
            mask = column.present(snap.size)
            return mask if operator == "Exists" else ~mask
        case _:
            bound = requirements.parse_int64(values[0])
            return column.compare(bound or 0, above=operator == "Gt", size=snap.size)


def _match_field(requirement: core.Requirement, snap: snapshot.Snapshot) -> Mask:
    """Nodes by name; a field that nodes do not have is empty on all of them."""
    (value,) = requirement.values
    if requirement.key != _NAME_FIELD:
        mask = np.full(snap.size, not value)
    else:
        mask = np.zeros(snap.size, np.bool_)
        index = snap.index_of.get(value)
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
