"""The pods on the nodes as affinity sees them: who is there, and what those who are there want of a pod to come."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from scheduler.api import core
from scheduler.state import carried, changes, cohorts, labels, podterms, tallies

# Topology keys remembered as asked for; where there are more, every label of a node counts as one.
_KEYS: Final = 256


class Company(NamedTuple):
    """How a pod is counted: with whom, and which terms it carries."""

    cohort: cohorts.Cohort
    repelling: tuple[carried.Carried, ...] = ()
    drawing: tuple[carried.Carried, ...] = ()


class Neighbours:
    """The pods on known nodes.

    Args:
        node_labels: By which nodes form domains.
        log: What changed of the cluster.

    Attributes:
        cohorts: Who is there.
        repelling: Required anti-affinity of those who are there.
        drawing: All their other terms, which move a score.
        namespaces: Labels by namespace.
    """

    def __init__(self, node_labels: labels.LabelTable, log: changes.Log) -> None:
        self.cohorts = cohorts.CohortTable(node_labels, log)
        self.repelling = carried.CarriedTable(node_labels, log)
        self.drawing = carried.CarriedTable(node_labels, log)
        self.namespaces: dict[str, podterms.Labels] = {}
        self._keys: set[str] = set()

    def enter(self, pod: core.Pod, slot: int) -> Company:
        """Count in a pod on a node."""
        cohort = self.cohorts.enter(pod, slot)
        affinity = pod.spec.affinity
        if affinity is None or (affinity.pod_affinity is None and affinity.pod_anti_affinity is None):
            return Company(cohort)
        terms, namespace, enter = podterms.of(pod), pod.metadata.namespace, self.drawing.enter
        drawing = [enter(term, namespace, None, slot) for term in terms.required]
        drawing += [enter(each.pod_affinity_term, namespace, each.weight, slot) for each in terms.preferred]
        drawing += [enter(each.pod_affinity_term, namespace, -each.weight, slot) for each in terms.preferred_anti]
        repelling = [self.repelling.enter(term, namespace, None, slot) for term in terms.required_anti]
        self._keys.update(one.term.topology_key for one in (*repelling, *drawing))
        return Company(cohort, tuple(repelling), tuple(drawing))

    def leave(self, company: Company, slot: int) -> None:
        """Count one out again."""
        self.cohorts.leave(company.cohort, slot)
        for one in company.repelling:
            self.repelling.leave(one, slot)
        for one in company.drawing:
            self.drawing.leave(one, slot)

    def near(self, wanted: Collection[podterms.Wanted], topology_key: str) -> tallies.Tally:
        """The pods that every one of some terms (at least one) means, by the domains of a label.

        It is kept up to date until it is forgotten; so ask again for every decision.
        """
        self._keys.add(topology_key)
        return self.cohorts.tally(tuple(wanted), topology_key)

    def are_asked(self, keys: Collection[str]) -> bool:
        """Whether anybody may know of domains by one of these labels."""
        return len(self._keys) > _KEYS or not self._keys.isdisjoint(keys)

    @staticmethod
    def move(companies: Iterable[Company], slot: int, keys: Collection[str], sign: int) -> None:
        """Count the pods of a node out of its domains by some labels, and in again once the labels have changed."""
        for company in companies:
            for group in company.cohort.groups:
                for key in keys:
                    if key in group.tallies:
                        group.tallies[key].step(slot, sign)
            for one in (*company.repelling, *company.drawing):
                if one.term.topology_key in keys:
                    one.tally.step(slot, sign)
