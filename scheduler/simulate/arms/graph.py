"""A scenario's pods as a graph of who comes after whom, for those whose source is given the workflow beforehand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping

from scheduler.plugins import request
from scheduler.simulate import scenario


@dataclasses.dataclass(frozen=True, slots=True)
class Graph:
    """Pods by number, in an order in which each comes after all that it waits for.

    Attributes:
        works: The pods.
        numbers: By namespace/name.
        before, after: Whose end each waits for, and who waits for its end: by ``after`` of the scenario, and because
            the one reads what the other writes.
        writer: By (namespace, urn), who writes it.
    """

    works: tuple[scenario.Work, ...]
    numbers: Mapping[str, int]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]
    writer: Mapping[tuple[str, str], int]

    def upward(self, own: Callable[[int], float], between: Callable[[int, int], float]) -> list[float]:
        """The longest way from each pod to an end, itself included.

        Args:
            own: What a pod adds to it.
            between: What the step from a pod to one after it adds.
        """
        found = [0.0] * len(self.works)
        for number in reversed(range(len(self.works))):
            further = [between(number, later) + found[later] for later in self.after[number]]
            found[number] = own(number) + max(further, default=0.0)
        return found


def of(given: scenario.Scenario) -> Graph:
    """Put the works of a scenario in order.

    Raises:
        ValueError: some wait for each other.
    """
    by_key = {work.pod.key: work for work in given.works}
    moves = {key: request.prepare(work.pod).transfers for key, work in by_key.items()}
    writer = {
        (by_key[key].pod.metadata.namespace, each.urn): key
        for key, moved in moves.items()
        for each in moved
        if each.is_output
    }
    before: dict[str, list[str]] = {}
    for key, work in by_key.items():
        read = [writer.get((work.pod.metadata.namespace, each.urn)) for each in moves[key] if not each.is_output]
        before[key] = [each for each in dict.fromkeys((*work.after, *read)) if each in by_key and each != key]
    order = _ordered(before)
    numbers = {key: number for number, key in enumerate(order)}
    after: list[list[int]] = [[] for _ in order]
    for key in order:
        for each in before[key]:
            after[numbers[each]].append(numbers[key])
    return Graph(
        works=tuple([by_key[key] for key in order]),
        numbers=numbers,
        before=tuple([tuple([numbers[each] for each in before[key]]) for key in order]),
        after=tuple([tuple(each) for each in after]),
        writer={place: numbers[key] for place, key in writer.items()},
    )


def _ordered(before: Mapping[str, Collection[str]]) -> list[str]:
    """The keys, each after those that it waits for, and else as they come."""
    left = {key: len(waits) for key, waits in before.items()}
    later: dict[str, list[str]] = {key: [] for key in before}
    for key, waits in before.items():
        for each in waits:
            later[each].append(key)
    order = [key for key, count in left.items() if not count]
    for key in order:  # grows
        for each in later[key]:
            left[each] -= 1
            if not left[each]:
                order.append(each)
    if len(order) < len(before):
        raise ValueError(f"pods that wait for each other: {sorted(before.keys() - set(order))[:5]}")
    return order
