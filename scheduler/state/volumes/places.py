"""From which nodes something can be reached, in one form for all: node selector terms, None for everywhere.

What cannot be read reaches no node, as for node selectors.
"""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.api import core, volumes

Terms = tuple[core.NodeSelectorTerm, ...]
NOWHERE: Terms = ()


def of_volume(volume: volumes.PersistentVolume) -> Terms | None:
    """From where a volume can be reached."""
    affinity = volume.spec.node_affinity
    return affinity.required.node_selector_terms if affinity is not None and affinity.required is not None else None


def of_class(allowed: Iterable[volumes.TopologyTerm]) -> Terms | None:
    """Where volumes of a class can be provided; no terms allow all, a term without labels none."""
    terms = tuple(
        core.NodeSelectorTerm(
            match_expressions=tuple(
                core.Requirement(key=one.key, operator="In", values=one.values) for one in term.match_label_expressions
            )
        )
        for term in allowed
    )
    return terms or None


def of_selector(selector: core.LabelSelector | None) -> Terms | None:
    """The nodes that a label selector selects: none without one, all by an empty one."""
    if selector is None:
        return NOWHERE
    pairs = (core.Requirement(key=key, operator="In", values=(value,)) for key, value in selector.match_labels.items())
    wanted = (*pairs, *selector.match_expressions)
    return (core.NodeSelectorTerm(match_expressions=wanted),) if wanted else None
