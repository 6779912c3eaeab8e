"""Whether a pod affinity term speaks of a given pod: enough to see that it does; counting domains is not built."""

from __future__ import annotations

from collections.abc import Iterator

from scheduler.api import core


def all_terms(pod: core.Pod) -> Iterator[core.PodAffinityTerm]:
    """Every affinity and anti-affinity term of a pod, required and preferred."""
    affinity = pod.spec.affinity
    if affinity is None:
        return
    for kind in (affinity.pod_affinity, affinity.pod_anti_affinity):
        if kind is not None:
            yield from kind.required
            yield from (weighted.pod_affinity_term for weighted in kind.preferred)


def concerns(term: core.PodAffinityTerm, owner: core.Pod, pod: core.Pod) -> bool:
    """Whether a term of ``owner`` may match ``pod``. A selector over namespace labels counts as matching."""
    if term.label_selector is None:
        return False
    if not term.namespaces and term.namespace_selector is None:
        in_namespace = owner.metadata.namespace == pod.metadata.namespace
    else:
        in_namespace = pod.metadata.namespace in term.namespaces or term.namespace_selector is not None
    return in_namespace and _matches(term.label_selector, pod.metadata.labels)


def _matches(selector: core.LabelSelector, labels: dict[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.match_labels.items()) and all(
        _holds(requirement, labels) for requirement in selector.match_expressions
    )


def _holds(requirement: core.Requirement, labels: dict[str, str]) -> bool:
    value = labels.get(requirement.key)
    if requirement.operator == "In":
        return value is not None and value in requirement.values
    if requirement.operator == "NotIn":
        return value is None or value not in requirement.values
    return (value is not None) == (requirement.operator == "Exists")
