"""What can be said of the pods on the nodes in terms of affinity: who is there, and what those who are there want.

Pods with the same namespace and labels are one cohort: a selector is judged once for all of them, and only for cohorts
that carry one of its labels. Terms that read alike are kept once too, under one of the labels that they ask for, so
that a pod to place is shown only the terms that may mean it. Each cohort and each term counts its pods by node slot.

Few clusters use affinity, and fewer pods do. The cohorts are made when a term first asks for them and are kept up to
date from then on; until then a pod costs nothing here.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

import msgspec

from scheduler.api import core
from scheduler.state import podterms

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scheduler.state import snapshot

K = TypeVar("K")
V = TypeVar("V")

Pair = tuple[str, str]
PodsAt = dict[int, int]  # node slot -> pods there, never 0


class Cohort:
    """Pods of one namespace with the same labels."""

    __slots__ = ("at", "labels", "namespace")

    def __init__(self, namespace: str, labels: podterms.Labels) -> None:
        self.namespace = namespace
        self.labels = labels
        self.at: PodsAt = {}


class Carried:
    """A term that pods of one namespace carry.

    ``weight`` is that of a preferred term, negative for anti-affinity; None for a required term.
    """

    __slots__ = ("at", "label", "namespace", "term", "weight")

    def __init__(self, term: core.PodAffinityTerm, namespace: str, weight: int | None, label: Pair | None) -> None:
        self.term = term
        self.namespace = namespace
        self.weight = weight
        self.label = label
        self.at: PodsAt = {}


class CohortTable:
    """All pods on known nodes, by namespace and labels.

    Attributes:
        is_made: Whether anybody has asked yet; until then nothing is added.
    """

    def __init__(self, placed: Mapping[str, snapshot.Placed]) -> None:
        self._placed = placed
        self.is_made = False
        self._cohorts: dict[tuple[str, frozenset[Pair]], Cohort] = {}
        self._by_label: dict[Pair, set[Cohort]] = {}
        self._by_namespace: dict[str, set[Cohort]] = {}

    def find(self, wanted: Sequence[podterms.Wanted]) -> list[Cohort]:
        """The cohorts that every one of some terms (at least one) means."""
        if not self.is_made:
            for placed in self._placed.values():
                if placed.index >= 0:
                    self.add(placed.pod, placed.index, 1)
            self.is_made = True
        nearest = min((self._candidates(term) for term in wanted), key=len)
        return [cohort for cohort in nearest if all(term.means(cohort.namespace, cohort.labels) for term in wanted)]

    def _candidates(self, wanted: podterms.Wanted) -> Collection[Cohort]:
        """The smallest of the collections known to hold every cohort that a term means."""
        if wanted.selector is None:
            return ()
        found: list[Collection[Cohort]] = [self._cohorts.values()]
        found += [self._by_label.get(pair, ()) for pair in wanted.selector.match_labels.items()]
        for requirement in wanted.selector.match_expressions:
            if requirement.operator == "In":
                pairs = ((requirement.key, value) for value in set(requirement.values))
                found.append(_together(self._by_label.get(pair, ()) for pair in pairs))
        if wanted.namespaces is not None:
            found.append(_together(self._by_namespace.get(name, ()) for name in wanted.namespaces))
        return min(found, key=len)

    def add(self, pod: core.Pod, index: int, sign: int) -> None:
        """Count a pod on node ``index`` in (sign 1) or out (sign -1)."""
        namespace, labels = pod.metadata.namespace, pod.metadata.labels
        key = (namespace, frozenset(labels.items()))
        cohort = self._cohorts.get(key)
        if cohort is None:
            cohort = self._cohorts[key] = Cohort(namespace, labels)
            self._by_namespace.setdefault(namespace, set()).add(cohort)
            for pair in labels.items():
                self._by_label.setdefault(pair, set()).add(cohort)
        _step(cohort.at, index, sign)
        if not cohort.at:
            del self._cohorts[key]
            _discard(self._by_namespace, namespace, cohort)
            for pair in labels.items():
                _discard(self._by_label, pair, cohort)


class CarriedTable:
    """Terms of the pods on known nodes, each kept once for all pods of a namespace that carry it."""

    def __init__(self) -> None:
        self._terms: dict[tuple[str, int | None, bytes], Carried] = {}
        self._by_label: dict[Pair | None, set[Carried]] = {}  # None: terms that ask for no single label

    def add(self, term: core.PodAffinityTerm, namespace: str, weight: int | None, at: tuple[int, int]) -> None:
        """Count a pod that carries a term in or out; ``at`` is its node's index, and 1 or -1."""
        key = (namespace, weight, _ENCODER.encode(term))
        carried = self._terms.get(key)
        if carried is None:
            label = min(_labels_of(term), key=lambda pair: len(self._by_label.get(pair, ())), default=None)
            carried = self._terms[key] = Carried(term, namespace, weight, label)
            self._by_label.setdefault(label, set()).add(carried)
        _step(carried.at, *at)
        if not carried.at:
            del self._terms[key]
            _discard(self._by_label, carried.label, carried)

    def meaning(self, pod: core.Pod, known: podterms.Namespaces) -> list[Carried]:
        """The terms that mean a pod to place."""
        if not self._terms:
            return []
        labels: Iterable[Pair | None] = itertools.chain((None,), pod.metadata.labels.items())
        return [
            carried
            for label in labels
            for carried in self._by_label.get(label, ())
            if podterms.means(carried.term, carried.namespace, pod, known)
        ]


class Neighbours:
    """The pods on known nodes as affinity sees them.

    Attributes:
        cohorts: Who is there.
        repelling: Required anti-affinity of those who are there.
        drawing: All their other terms, which move a score.
        namespaces: Labels by namespace.
    """

    def __init__(self, placed: Mapping[str, snapshot.Placed]) -> None:
        self.cohorts = CohortTable(placed)
        self.repelling = CarriedTable()
        self.drawing = CarriedTable()
        self.namespaces: dict[str, podterms.Labels] = {}

    def add(self, pod: core.Pod, index: int, sign: int) -> None:
        """Count a pod on node ``index`` in (sign 1) or out (sign -1)."""
        if self.cohorts.is_made:
            self.cohorts.add(pod, index, sign)
        if pod.spec.affinity is None:
            return
        terms, namespace, at = podterms.of(pod), pod.metadata.namespace, (index, sign)
        for term in terms.required_anti:
            self.repelling.add(term, namespace, None, at)
        for term in terms.required:
            self.drawing.add(term, namespace, None, at)
        for weighted in terms.preferred:
            self.drawing.add(weighted.pod_affinity_term, namespace, weighted.weight, at)
        for weighted in terms.preferred_anti:
            self.drawing.add(weighted.pod_affinity_term, namespace, -weighted.weight, at)


_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def _labels_of(term: core.PodAffinityTerm) -> list[Pair]:
    """The labels that every pod carries that a term means."""
    selector = term.label_selector
    if selector is None:
        return []
    single = [each for each in selector.match_expressions if each.operator == "In" and len(each.values) == 1]
    return [*selector.match_labels.items(), *((each.key, each.values[0]) for each in single)]


def _together(parts: Iterable[Iterable[Cohort]]) -> list[Cohort]:
    return list(itertools.chain.from_iterable(parts))


def _step(at: PodsAt, index: int, sign: int) -> None:
    count = at.get(index, 0) + sign
    if count:
        at[index] = count
    else:
        del at[index]


def _discard(sets: dict[K, set[V]], key: K, value: V) -> None:
    members = sets[key]
    members.discard(value)
    if not members:
        del sets[key]
