"""The terms of pod affinity and anti-affinity: which ones a pod carries, and which pods a term means.

Meanings are kube-scheduler 1.37's (staging kube-scheduler/framework/types.go). matchLabelKeys and mismatchLabelKeys are
not read, as there: the API server writes them into the label selector when it creates the pod.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from scheduler.api import core, requirements

Labels = Mapping[str, str]
Namespaces = Mapping[str, Labels]  # name -> labels


class Terms(NamedTuple):
    """All terms of one pod. A list that holds an unreadable selector is empty, and ``problem`` says what is wrong."""

    required: tuple[core.PodAffinityTerm, ...] = ()
    required_anti: tuple[core.PodAffinityTerm, ...] = ()
    preferred: tuple[core.WeightedPodAffinityTerm, ...] = ()
    preferred_anti: tuple[core.WeightedPodAffinityTerm, ...] = ()
    problem: str = ""


NONE: Final = Terms()
_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")
_KEPT: Final = 4096  # of some 1 kB each
_read: Final[dict[bytes, Terms]] = {}  # by the terms as written
_NOTHING: Final = core.PodAffinity()


def of(pod: core.Pod) -> Terms:
    """The terms that a pod carries; they are read once for all pods that carry the same."""
    affinity = pod.spec.affinity
    if affinity is None or (affinity.pod_affinity is None and affinity.pod_anti_affinity is None):
        return NONE
    key = _ENCODER.encode((affinity.pod_affinity, affinity.pod_anti_affinity))
    found = _read.get(key)
    if found is None:
        if len(_read) >= _KEPT:
            _read.clear()
        found = _read[key] = _of(affinity)
    return found


def _of(affinity: core.Affinity) -> Terms:
    near, far = affinity.pod_affinity or _NOTHING, affinity.pod_anti_affinity or _NOTHING
    problems = {
        "requiredAffinityTerms": _first_problem(near.required),
        "requiredAntiAffinityTerms": _first_problem(far.required),
        "preferredAffinityTerms": _first_problem(weighted.pod_affinity_term for weighted in near.preferred),
        "preferredAntiAffinityTerms": _first_problem(weighted.pod_affinity_term for weighted in far.preferred),
    }
    if not any(problems.values()):
        return Terms(near.required, far.required, near.preferred, far.preferred)
    return Terms(
        required=() if problems["requiredAffinityTerms"] else near.required,
        required_anti=() if problems["requiredAntiAffinityTerms"] else far.required,
        preferred=() if problems["preferredAffinityTerms"] else near.preferred,
        preferred_anti=() if problems["preferredAntiAffinityTerms"] else far.preferred,
        problem=requirements.aggregate(f"{name}: {problem}" for name, problem in problems.items() if problem),
    )


def matches(selector: core.LabelSelector | None, labels: Labels) -> bool:
    """Whether a readable selector selects what has these labels; an empty one selects all, none nothing."""
    if selector is None:
        return False
    # Loops, as this is asked of tens of thousands of pods at once, and a generator costs more than what it yields.
    for key, value in selector.match_labels.items():
        if labels.get(key) != value:
            return False
    for requirement in selector.match_expressions:  # noqa: SIM110
        if not _holds(requirement, labels):
            return False
    return True


class Wanted(NamedTuple):
    """A term of the pod to place, with its namespaces looked up; ``namespaces`` None stands for all there are."""

    selector: core.LabelSelector | None
    namespaces: frozenset[str] | None
    topology_key: str

    def means(self, namespace: str, labels: Labels) -> bool:
        """Whether a pod of that namespace with these labels is meant."""
        return (self.namespaces is None or namespace in self.namespaces) and matches(self.selector, labels)


def want(term: core.PodAffinityTerm, owner: core.Pod, known: Namespaces) -> Wanted:
    """Look up the namespaces of a term of the pod to place; an empty selector means all, known or not."""
    selector = term.namespace_selector
    if selector is None:
        return Wanted(term.label_selector, frozenset(term.namespaces or (owner.metadata.namespace,)), term.topology_key)
    if not selector.match_labels and not selector.match_expressions:
        return Wanted(term.label_selector, None, term.topology_key)
    selected = {name for name, labels in known.items() if matches(selector, labels)}
    return Wanted(term.label_selector, frozenset(selected.union(term.namespaces)), term.topology_key)


def means(term: core.PodAffinityTerm, namespace: str, pod: core.Pod, known: Namespaces) -> bool:
    """Whether a term of a pod that runs in ``namespace`` means the pod to place; an unknown namespace has no labels."""
    theirs, selector = pod.metadata.namespace, term.namespace_selector
    if selector is None:
        included = theirs in term.namespaces if term.namespaces else theirs == namespace
    else:
        included = theirs in term.namespaces or matches(selector, known.get(theirs, {}))
    return included and matches(term.label_selector, pod.metadata.labels)


def _holds(requirement: core.Requirement, labels: Labels) -> bool:
    value = labels.get(requirement.key)
    if requirement.operator == "In":
        return value is not None and value in requirement.values
    if requirement.operator == "NotIn":
        return value is None or value not in requirement.values
    return (value is not None) == (requirement.operator == "Exists")


def _first_problem(terms: Iterable[core.PodAffinityTerm]) -> str:
    for term in terms:
        for selector in (term.label_selector, term.namespace_selector):
            if problem := requirements.selector_problem(selector):
                return problem
    return ""
