"""Who runs where, as affinity asks it: pods by namespace and labels, and tallies of those that terms mean.

Pods with the same namespace and labels are one cohort, on which a selector is judged once for all of them. A cohort is
found by each of its labels; pods of a StatefulSet have one that is unique to each, so that there may be as many cohorts
as pods, and a cohort of one pod is kept small.

Pods that are being deleted are cohorts of their own: affinity counts them, spreading does not.

What some terms together mean is a group: its tallies (one a topology) are made when first asked for, which takes time
in proportion to the cohorts that may be meant, and are kept up to date from then on by the cohorts, which know the
groups that mean them. The groups that nobody asked for longest are forgotten.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from scheduler.api import core
from scheduler.state import carried, changes, labels, podterms, spreads, tallies

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")
# Groups kept, and domains counted in all their tallies together (about 100 bytes each).
_KEPT_GROUPS: Final = 1024
_KEPT_DOMAINS: Final = 1_000_000
# Domains are counted at one in so many tallies and spreads that are made: to count them takes time with every group.
_COUNTED_AT: Final = 32
# Spreads of one group, each for other nodes that count.
_KEPT_SPREADS: Final = 16

Key = tuple[str, ...]
Meant = frozenset[tuple[bytes, frozenset[str] | None]] | bytes  # selector as written, namespaces; or that of Living
_GOING: Final = " going"  # after the namespace, in the key of a cohort whose pods are being deleted


@dataclass(frozen=True, slots=True)
class Living:
    """The pods of a namespace that a selector means, but for those that are being deleted; ``key`` tells them apart."""

    key: bytes
    wanted: podterms.Wanted = field(compare=False)

    @classmethod
    def of(cls, namespace: str, selector: core.LabelSelector | None) -> Living:
        return cls(
            _ENCODER.encode((namespace, selector)), podterms.Wanted(selector, frozenset((namespace,)), tallies.BY_SLOT)
        )


class Group:
    """The pods that every one of some terms means.

    Attributes:
        tallies: By topology key.
        spreads: By topology key and a name for the nodes that count; the longest unasked first.
        is_living: Pods that are being deleted do not belong to it.
        members: Who belongs to it, from when they were looked for until they were counted.
    """

    __slots__ = ("is_living", "label", "members", "spreads", "tallies", "wanted")

    def __init__(self, wanted: Sequence[podterms.Wanted], *, is_living: bool = False) -> None:
        self.wanted = tuple(wanted)
        self.is_living = is_living
        self.members: list[Cohort] | None = None
        self.label: carried.Pair | None = None
        self.tallies: dict[str, tallies.Tally] = {}
        self.spreads: dict[tuple[str, Hashable], spreads.Spread] = {}

    def step(self, slot: int, pods: int) -> None:
        """Count pods on a node in or, where negative, out."""
        for tally in self.tallies.values():
            tally.step(slot, pods)
        for spread in self.spreads.values():
            spread.step(slot, pods)

    @property
    def domains(self) -> int:
        """How many are counted in all."""
        return sum(map(len, self.tallies.values())) + sum(map(len, self.spreads.values()))

    def means(self, cohort: Cohort) -> bool:
        """Whether a cohort's pods belong to it."""
        if self.is_living and cohort.is_going:
            return False
        for term in self.wanted:  # noqa: SIM110 (as in podterms.matches)
            if not term.means(cohort.namespace, cohort.labels):
                return False
        return True


class Cohort:
    """Pods of one namespace with the same labels, on known nodes; ``groups`` are those that mean it.

    ``is_going``: they are being deleted.
    """

    __slots__ = ("_at", "groups", "is_going", "key", "labels", "namespace")

    def __init__(self, key: Key, namespace: str, its_labels: podterms.Labels, *, is_going: bool) -> None:
        self.key = key
        self.namespace = namespace
        self.labels = its_labels
        self.is_going = is_going
        self.groups: tuple[Group, ...] = ()
        self._at: int | dict[int, int] | None = None  # the slot of its only pod, or pods by slot

    @property
    def pods(self) -> int:
        """How many there are."""
        return sum(self._at.values()) if isinstance(self._at, dict) else int(self._at is not None)

    def put_into(self, slots: list[int], pods: list[int]) -> None:
        """Add the slots where its pods are, and how many are on each."""
        at = self._at
        if isinstance(at, int):
            slots.append(at)
            pods.append(1)
        elif at is not None:
            slots.extend(at)
            pods.extend(at.values())

    def step(self, slot: int, sign: int) -> bool:
        """Count a pod in or out; returns whether any is left."""
        at = self._at
        if at is None:
            self._at = slot
            return True
        if isinstance(at, int):
            if sign < 0:
                self._at = None
                return False
            at = self._at = {at: 1}
        count = at.get(slot, 0) + sign
        if count:
            at[slot] = count
        else:
            del at[slot]
        return bool(at)


class CohortTable:
    """All pods on known nodes, by namespace and labels."""

    def __init__(self, node_labels: labels.LabelTable, log: changes.Log) -> None:
        self._labels = node_labels
        self._log = log
        self._cohorts: dict[Key, Cohort] = {}
        self._by_label: dict[str, dict[str, Cohort | set[Cohort]]] = {}  # label -> value -> one or several
        self._by_namespace: dict[str, set[Cohort]] = {}
        self._groups: dict[Meant, Group] = {}  # the longest unasked first
        self._made = 0  # tallies and spreads
        self._filed: dict[carried.Pair | None, set[Group]] = {}  # by a label that all they mean have

    def enter(self, pod: core.Pod, slot: int) -> Cohort:
        """Count in a pod on a node."""
        meta = pod.metadata
        # The API server hands out labels in order; in another order they make another cohort, which counts as well.
        is_going = bool(meta.deletion_timestamp)
        key = (meta.namespace + _GOING if is_going else meta.namespace, *meta.labels, *meta.labels.values())
        cohort = self._cohorts.get(key)
        if cohort is None:
            cohort = self._add(Cohort(key, meta.namespace, meta.labels, is_going=is_going))
        cohort.step(slot, 1)
        for group in cohort.groups:
            group.step(slot, 1)
        return cohort

    def leave(self, cohort: Cohort, slot: int) -> None:
        """Count one out again."""
        if not cohort.step(slot, -1):
            self._remove(cohort)
        for group in cohort.groups:
            group.step(slot, -1)

    def counts(self) -> dict[Key, int]:
        """Pods by namespace and labels."""
        return {key: cohort.pods for key, cohort in self._cohorts.items()}

    def kept(self) -> list[tuple[Sequence[podterms.Wanted], str]]:
        """The terms and topology keys whose tallies are kept up to date at the moment; not those of the living."""
        return [(group.wanted, key) for group in self._groups.values() if not group.is_living for key in group.tallies]

    def tally(self, wanted: Sequence[podterms.Wanted], topology_key: str) -> tallies.Tally:
        """The pods that every one of some terms (at least one) means, by the domains of a label."""
        meant = frozenset([(_ENCODER.encode(term.selector), term.namespaces) for term in wanted])
        return self._tally(self._group(meant, wanted), topology_key)

    def per_node(self, living: Living) -> tallies.Tally:
        """The living pods of each node."""
        return self._tally(self._group(living.key, (living.wanted,), is_living=True), tallies.BY_SLOT)

    def spread(
        self,
        living: Living,
        topology_key: str,
        among: Hashable,
        counted: Callable[[], NDArray[np.bool_]],
        *,
        with_blank: bool = False,
    ) -> spreads.Spread:
        """How the living pods are spread.

        Args:
            among: Tells the nodes that count from others.
            counted: Which these are; asked where it is not known.
            with_blank: See spreads.Spread.
        """
        group = self._group(living.key, (living.wanted,), is_living=True)
        key = topology_key, among
        found = group.spreads.pop(key, None)
        if found is not None and found.holds:
            group.spreads[key] = found  # now the last
            return found
        found = spreads.Spread(self._labels.column(topology_key), counted(), self._log, with_blank=with_blank)
        found.fill(*self._where(group))
        group.spreads[key] = found
        if len(group.spreads) > _KEPT_SPREADS:
            del group.spreads[next(iter(group.spreads))]
        self._forget_groups()
        return found

    def _group(self, meant: Meant, wanted: Sequence[podterms.Wanted], *, is_living: bool = False) -> Group:
        """The group, which is now the one asked for last."""
        group = self._groups.pop(meant, None)
        if group is None:
            group = self._make_group(Group(wanted, is_living=is_living))
        else:
            group.members = None
        self._groups[meant] = group
        return group

    def _tally(self, group: Group, topology_key: str) -> tallies.Tally:
        tally = group.tallies.get(topology_key)
        if tally is None:
            tally = group.tallies[topology_key] = tallies.Tally(topology_key, self._labels, self._log)
            tally.fill(*self._where(group))
            self._forget_groups()
        return tally

    def _where(self, group: Group) -> tuple[list[int], list[int]]:
        """Where the pods of a group are: slots, and how many are there."""
        slots: list[int] = []
        pods: list[int] = []
        members, group.members = group.members, None
        for cohort in self._meant_by(group) if members is None else members:
            cohort.put_into(slots, pods)
        return slots, pods

    def _find(self, group: Group) -> list[Cohort]:
        """Who belongs to a group, of whom it may have to be asked as many as there are pods."""
        nearest = min((self._candidates(term) for term in group.wanted), key=len)
        only = group.wanted[0]
        if len(group.wanted) > 1 or group.is_living or only.selector is None or only.selector.match_expressions:
            return [cohort for cohort in nearest if group.means(cohort)]
        found: Iterable[Cohort] = nearest
        spaces = only.namespaces
        if spaces is not None:
            found = [cohort for cohort in found if cohort.namespace in spaces]
        for key, value in only.selector.match_labels.items():
            found = [cohort for cohort in found if cohort.labels.get(key) == value]
        return list(found)

    def _make_group(self, group: Group) -> Group:
        members = group.members = self._find(group)
        joined: dict[tuple[Group, ...], tuple[Group, ...]] = {}  # cohorts that the same groups mean share one tuple
        for cohort in members:
            more = joined.get(cohort.groups)
            if more is None:
                more = joined[cohort.groups] = (*cohort.groups, group)
            cohort.groups = more
        pairs = itertools.chain.from_iterable(carried.labels_of(term.selector) for term in group.wanted)
        group.label = carried.least_common(pairs, self._filed)
        self._filed.setdefault(group.label, set()).add(group)
        return group

    def _meant_by(self, group: Group) -> list[Cohort]:
        nearest = min((self._candidates(term) for term in group.wanted), key=len)
        return [cohort for cohort in nearest if group in cohort.groups]

    def _forget_groups(self) -> None:
        self._made += 1
        counted = sum([group.domains for group in self._groups.values()]) if self._made % _COUNTED_AT == 0 else 0
        while len(self._groups) > 1 and (len(self._groups) > _KEPT_GROUPS or counted > _KEPT_DOMAINS):
            oldest = self._groups.pop(next(iter(self._groups)))
            counted -= oldest.domains
            carried.discard(self._filed, oldest.label, oldest)
            for cohort in self._meant_by(oldest):
                cohort.groups = tuple([group for group in cohort.groups if group is not oldest])

    def _candidates(self, wanted: podterms.Wanted) -> Collection[Cohort]:
        """The smallest of the collections known to hold every cohort that a term means."""
        selector = wanted.selector
        if selector is None:
            return ()
        found: list[Collection[Cohort]] = [self._cohorts.values()]
        found += [self._labelled(key, (value,)) for key, value in selector.match_labels.items()]
        for requirement in selector.match_expressions:
            if requirement.operator == "In":
                found.append(self._labelled(requirement.key, set(requirement.values)))
            elif requirement.operator == "Exists":
                by_value = self._by_label.get(requirement.key, {})
                if len(by_value) < len(self._cohorts) // 2:  # else nearly all of them have it
                    found.append(self._labelled(requirement.key, by_value))
        if wanted.namespaces is not None:
            parts = [self._by_namespace.get(name, ()) for name in wanted.namespaces]
            found.append(parts[0] if len(parts) == 1 else list(itertools.chain.from_iterable(parts)))
        return min(found, key=len)

    def _labelled(self, key: str, values: Iterable[str]) -> Collection[Cohort]:
        """The cohorts that have a label with one of those values."""
        by_value = self._by_label.get(key)
        if by_value is None:
            return ()
        parts = [by_value[value] for value in values if value in by_value]
        if len(parts) == 1 and isinstance(parts[0], set):
            return parts[0]
        return list(_flat(parts))

    def _add(self, cohort: Cohort) -> Cohort:
        its_labels = cohort.labels
        self._cohorts[cohort.key] = cohort
        self._by_namespace.setdefault(cohort.namespace, set()).add(cohort)
        for label, value in its_labels.items():
            by_value = self._by_label.setdefault(label, {})
            others = by_value.get(value)
            if others is None:
                by_value[value] = cohort
            elif isinstance(others, set):
                others.add(cohort)
            else:
                by_value[value] = {others, cohort}
        if self._groups:
            pairs: Iterable[carried.Pair | None] = itertools.chain((None,), its_labels.items())
            filed = itertools.chain.from_iterable([self._filed.get(pair, ()) for pair in pairs])
            cohort.groups = tuple([group for group in filed if group.means(cohort)])
        return cohort

    def _remove(self, cohort: Cohort) -> None:
        del self._cohorts[cohort.key]
        carried.discard(self._by_namespace, cohort.namespace, cohort)
        for label, value in cohort.labels.items():
            by_value = self._by_label[label]
            others = by_value[value]
            if isinstance(others, set):
                others.discard(cohort)
            if others is cohort or not others:
                del by_value[value]
                if not by_value:
                    del self._by_label[label]


def _flat(parts: Iterable[Cohort | set[Cohort]]) -> Iterator[Cohort]:
    for part in parts:
        if isinstance(part, set):
            yield from part
        else:
            yield part
