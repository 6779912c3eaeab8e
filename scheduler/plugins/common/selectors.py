"""Node selectors, over all nodes at once and for one.

Meanings are those of k8s.io/component-helpers/scheduling/corev1/nodeaffinity. A term whose requirement cannot be read
(scheduler.api.requirements) never matches. Whether that is an error is for the caller to say: with preferred terms it
is, with required ones it is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from scheduler.api import core, requirements
from scheduler.state import labels, snapshot

Mask = NDArray[np.bool_]
Pairs = tuple[tuple[str, str], ...]
_NAME_FIELD = "metadata.name"


def match_pairs(pairs: Iterable[tuple[str, str]], snap: snapshot.Snapshot) -> Mask:
    """Nodes whose labels hold every pair ("" is a value like any other)."""
    matched = np.ones(snap.size, np.bool_)
    for key, value in pairs:
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
    if not _can_match(term):
        return np.zeros(snap.size, np.bool_)
    matched = np.ones(snap.size, np.bool_)
    for requirement in term.match_expressions:
        matched &= _match_expression(requirement, snap)
    for requirement in term.match_fields:
        matched &= _match_field(requirement, snap)
    return matched


def term_holds(term: core.NodeSelectorTerm, name: str, labels_of: Mapping[str, str]) -> bool:
    """Whether a term matches one node; ``match_term`` of one slot."""
    return (
        _can_match(term)
        and all(_expression_holds(requirement, labels_of) for requirement in term.match_expressions)
        and all(_field_holds(requirement, name) for requirement in term.match_fields)
    )


def pairs_hold(pairs: Pairs, labels_of: Mapping[str, str]) -> bool:
    """Whether the labels of one node hold every pair."""
    return all(labels_of.get(key) == value for key, value in pairs)


def _can_match(term: core.NodeSelectorTerm) -> bool:
    return bool(term.match_expressions or term.match_fields) and requirements.is_readable(term)


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


def _expression_holds(requirement: core.Requirement, labels_of: Mapping[str, str]) -> bool:
    value = labels_of.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case operator:
            number = requirements.parse_int64(value) if value is not None else None
            bound = requirements.parse_int64(requirement.values[0]) or 0
            return number is not None and (number > bound if operator == "Gt" else number < bound)


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


def _field_holds(requirement: core.Requirement, name: str) -> bool:
    (value,) = requirement.values
    holds = bool(name) and value == name if requirement.key == _NAME_FIELD else not value
    return holds == (requirement.operator == "In")


def named_nodes(term: core.NodeSelectorTerm) -> frozenset[str] | None:
    """The node names to which a term's matchFields narrow it; None when they do not."""
    names: frozenset[str] | None = None
    for requirement in term.match_fields:
        if requirement.key == _NAME_FIELD and requirement.operator == "In":
            values = frozenset(requirement.values)
            names = values if names is None else names & values
    return names
