"""A scenario's pods as a graph of who comes after whom, for those whose source is given the workflow beforehand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from scheduler.plugins import request
from scheduler.simulate import order, scenario


@dataclasses.dataclass(frozen=True, slots=True)
class Graph:
    """Pods by number, in an order in which each comes after all that it waits for.

    Attributes:
        works: The pods.
        numbers: By namespace/name.
        before, after: Whose end each waits for, and who waits for its end: by ``after`` of the scenario, and because
            the one reads what the other writes, unless it can only read what was there before.
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
        ValueError: some come after themselves.
    """
    by_key = {work.pod.key: work for work in given.works}
    moves = {key: request.prepare(work.pod).transfers for key, work in by_key.items()}
    writer = {
        (by_key[key].pod.metadata.namespace, each.urn): key
        for key, moved in moves.items()
        for each in moved
        if each.is_output
    }
    reads: dict[str, list[str]] = {}
    for key, work in by_key.items():
        of = [writer.get((work.pod.metadata.namespace, each.urn)) for each in moves[key] if not each.is_output]
        reads[key] = [each for each in of if each is not None]
    in_order = order.ordered({key: work.after for key, work in by_key.items()}, reads)
    if len(in_order) < len(by_key):
        raise ValueError(f"pods that come after themselves: {sorted(by_key.keys() - set(in_order))[:5]}")
    numbers = {key: number for number, key in enumerate(in_order)}
    before = [
        [numbers[each] for each in dict.fromkeys((*by_key[key].after, *reads[key])) if numbers[each] < numbers[key]]
        for key in in_order
    ]
    after: list[list[int]] = [[] for _ in in_order]
    for number, waits in enumerate(before):
        for each in waits:
            after[each].append(number)
    return Graph(
        works=tuple([by_key[key] for key in in_order]),
        numbers=numbers,
        before=tuple([tuple(each) for each in before]),
        after=tuple([tuple(each) for each in after]),
        writer={place: numbers[key] for place, key in writer.items()},
    )
