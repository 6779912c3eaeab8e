"""The affinity terms of the pods on the nodes, each kept once for all pods of a namespace that carry it.

A term is filed under one of the labels that it asks for, so that a pod to place is shown only the terms that may mean
it, and tallies its carriers by the domains of its own topology.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Final, TypeVar

import msgspec

from scheduler.api import core
from scheduler.state import changes, labels, podterms, tallies

K = TypeVar("K")
V = TypeVar("V")

Pair = tuple[str, str]

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


class Carried:
    """A term that pods of one namespace carry.

    Attributes:
        term, namespace: The term, and whose it is.
        weight: That of a preferred term, negative for anti-affinity; None for a required term.
        tally: Its carriers by the term's domains.
        pods: Its carriers, on whatever node.
    """

    __slots__ = ("key", "label", "namespace", "pods", "tally", "term", "weight")

    def __init__(self, key: tuple[str, int | None, bytes], term: core.PodAffinityTerm, tally: tallies.Tally) -> None:
        self.key = key
        self.namespace, self.weight, _ = key
        self.term = term
        self.tally = tally
        self.label: Pair | None = None
        self.pods = 0


class CarriedTable:
    """Terms by what they ask for."""

    def __init__(self, node_labels: labels.LabelTable, log: changes.Log) -> None:
        self._labels = node_labels
        self._log = log
        self._terms: dict[tuple[str, int | None, bytes], Carried] = {}
        self._by_label: dict[Pair | None, set[Carried]] = {}  # None: terms that ask for no single label

    def enter(self, term: core.PodAffinityTerm, namespace: str, weight: int | None, slot: int) -> Carried:
        """Count in a pod on a node that carries a term."""
        key = (namespace, weight, _ENCODER.encode(term))
        carried = self._terms.get(key)
        if carried is None:
            carried = self._terms[key] = Carried(key, term, tallies.Tally(term.topology_key, self._labels, self._log))
            carried.label = least_common(labels_of(term.label_selector), self._by_label)
            self._by_label.setdefault(carried.label, set()).add(carried)
        carried.pods += 1
        carried.tally.step(slot, 1)
        return carried

    def leave(self, carried: Carried, slot: int) -> None:
        """Count one out again."""
        carried.pods -= 1
        carried.tally.step(slot, -1)
        if not carried.pods:
            del self._terms[carried.key]
            discard(self._by_label, carried.label, carried)

    def terms(self) -> Iterable[Carried]:
        """All of them."""
        return self._terms.values()

    def meaning(self, pod: core.Pod, known: podterms.Namespaces) -> list[Carried]:
        """The terms that mean a pod to place."""
        if not self._terms:
            return []
        pairs: Iterable[Pair | None] = itertools.chain((None,), pod.metadata.labels.items())
        return [
            carried
            for pair in pairs
            for carried in self._by_label.get(pair, ())
            if podterms.means(carried.term, carried.namespace, pod, known)
        ]


def labels_of(selector: core.LabelSelector | None) -> list[Pair]:
    """The labels that every pod has that a selector selects."""
    if selector is None:
        return []
    single = [each for each in selector.match_expressions if each.operator == "In" and len(each.values) == 1]
    return [*selector.match_labels.items(), *((each.key, each.values[0]) for each in single)]


def least_common(pairs: Iterable[Pair], filed: dict[Pair | None, set[V]]) -> Pair | None:
    """The label under which least is filed so far; None where there is none to choose from."""
    return min(pairs, key=lambda pair: len(filed.get(pair, ())), default=None)


def discard(sets: dict[K, set[V]], key: K, value: V) -> None:
    """Take a value out of the set of a key, and with the last one the set."""
    members = sets[key]
    members.discard(value)
    if not members:
        del sets[key]
