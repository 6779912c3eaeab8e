"""HEFT: a plan for the whole workflow, made beforehand: the longest way to the end first, each where it ends earliest.

    rank(i) = w(i) + max over those after it of (c(i, j) + rank(j)),  c = mean latency + bytes / mean bandwidth

In the order of their ranks, pods are put where they would end first, between others where there is room for them
(insertion). What a pod takes on a node is what its inputs take from where they will lie, its work, and its outputs.
Then each goes where the plan says, and of those that wait for one node the one that was planned first.

Source: Topcuoglu, Hariri and Wu, IEEE TPDS 13(3), 2002. It differs in that a node is as many processors as pods fit on
it, and that data goes by way of the stores of its bucket, as it does here. Where the plan cannot be kept, as a node is
gone, is taken by others, or refuses the pod for another reason than room, it goes where its transfers take the least.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from scheduler.plugins.data import spread, wanted
from scheduler.simulate import scenario
from scheduler.simulate.arms import base, graph, seen, timeline
from scheduler.state import snapshot


class Heft:
    """See the module."""

    def __init__(self, given: scenario.Scenario) -> None:
        self._graph = graph.of(given)
        self._plan: dict[str, tuple[float, str]] | None = None  # by namespace/name: when it begins, and where

    def place(self, see: seen.Seen, waiting: Sequence[seen.Waiting]) -> Iterator[base.To]:
        if self._plan is None:  # now that the cluster is known
            self._plan = _Planning(self._graph, see).plan()
        plan = self._plan
        for one in sorted(waiting, key=lambda one: plan.get(one.key, (one.since_s, ""))):
            _, node = plan.get(one.key, (0.0, ""))
            view, slots = see.view, see.feasible(one)
            if view.index_of.get(node, -1) in slots:
                yield base.To(one, view.index_of[node])
            elif len(slots) and not self._is_taken(view, one, node):
                yield base.To(one, int(slots[see.cost(one).seconds[slots].argmin()]))

    def _is_taken(self, view: snapshot.Snapshot, one: seen.Waiting, node: str) -> bool:
        """Whether a node has no room for a pod as others of the plan are there, so that there will be some."""
        slot, here = view.index_of.get(node), view.placed_on.get(node, {})
        if slot is None or not any(each.pod.key in self._graph.numbers for each in here.values()):
            return False
        free = (view.offered - view.taken)[seen.ROWS, slot]
        return bool((free < one.asked.asked.vector[seen.ROWS]).any())

    def again_s(self) -> None:
        """Time changes nothing."""


class _Planning:
    """The making of a plan."""

    def __init__(self, of: graph.Graph, see: seen.Seen) -> None:
        self._graph = of
        self._see = see
        self._view = see.view
        self._site_of = self._view.links.site_of[: self._view.size]
        self._lies: dict[tuple[str, str], spread.End] = {}  # by namespace and urn: where what is planned is written to
        self._from: dict[spread.End, spread.Way] = {}
        free = (self._view.offered - self._view.taken)[seen.ROWS]
        self._nodes = [timeline.Timeline(free[:, slot]) for slot in range(self._view.size)]

    def plan(self) -> dict[str, tuple[float, str]]:
        works = self._graph.works
        rank = ranks(self._graph, self._see)
        ends_s = [0.0] * len(works)
        found = {}
        for number in sorted(range(len(works)), key=lambda number: (-rank[number], number)):
            work = works[number]
            one = self._see.waiting(work.pod, work.arrives_s)
            slots = self._see.feasible(one)
            if not len(slots):
                continue
            ready_s = max([work.arrives_s, *(ends_s[each] for each in self._graph.before[number])])
            lasts_s = self._lasts_s(one, work.works_s)
            begin_s, slot = self._earliest(one, slots, ready_s, lasts_s)
            ends_s[number] = begin_s + lasts_s.item(slot)
            self._nodes[slot].take(begin_s, one.asked.asked.vector[seen.ROWS], lasts_s.item(slot))
            found[work.pod.key] = begin_s, self._view.names[slot]
            for move in self._see.cost(one).moves:
                if move.is_output:
                    end = move.nearest.end(move.size_bytes, slot, self._site_of.item(slot))
                    self._lies[work.pod.metadata.namespace, move.urn] = end
        return found

    def _earliest(self, one: seen.Waiting, slots: seen.Ints, ready_s: float, lasts_s: seen.Floats) -> tuple[float, int]:
        """When a pod begins where it ends first, and where that is."""
        best = np.inf, 0.0, -1
        for slot in slots[np.argsort(lasts_s[slots], kind="stable")].tolist():
            if ready_s + lasts_s.item(slot) >= best[0]:
                break  # nor does it end earlier on any of the rest
            begin_s = self._nodes[slot].earliest(ready_s, one.asked.asked.vector[seen.ROWS], lasts_s.item(slot))
            if begin_s + lasts_s.item(slot) < best[0]:
                best = begin_s + lasts_s.item(slot), begin_s, slot
        return best[1:]

    def _lasts_s(self, one: seen.Waiting, works_s: float) -> seen.Floats:
        """[slots] how long a pod is on a node."""
        namespace = one.asked.pod.metadata.namespace
        lasts_s = np.full(self._view.size, float(works_s))
        for move in self._see.cost(one).moves:
            if move.is_output or (namespace, move.urn) not in self._lies:
                lasts_s += spread.over(move.seconds, self._site_of)
        for each in one.asked.transfers:
            if not each.is_output and (namespace, each.urn) in self._lies:
                lasts_s += self._fetch_s(self._lies[namespace, each.urn], each)
        return lasts_s

    def _fetch_s(self, end: spread.End, each: wanted.Wanted) -> seen.Floats:
        if end not in self._from:
            self._from[end] = spread.way(self._view, end, outward=True)
        return spread.over(spread.nearest([self._from[end]], each.size_bytes, self._site_of), self._site_of)


def ranks(of: graph.Graph, see: seen.Seen) -> list[float]:
    """Each pod's upward rank, in seconds."""
    bandwidth_bytes_per_s, latency_s = seen.mean_link(see.view)
    reads: dict[tuple[int, int], int] = {}
    for number, work in enumerate(of.works):
        for each in see.waiting(work.pod, 0.0).asked.transfers:
            writer = of.writer.get((work.pod.metadata.namespace, each.urn))
            if writer is not None and not each.is_output:
                reads[writer, number] = reads.get((writer, number), 0) + each.size_bytes

    def between(number: int, later: int) -> float:
        size_bytes = reads.get((number, later))
        return latency_s + size_bytes / bandwidth_bytes_per_s if size_bytes is not None else 0.0

    return of.upward(lambda number: of.works[number].works_s, between)
