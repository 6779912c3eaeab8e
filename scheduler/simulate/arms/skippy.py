"""Skippy: the sum of five scores of 0..10, each as good as the others; of those that tie, the first in turn.

    resources    10 less the distance between the shares of cpu and memory that the pod takes of what is free
    image        how soon what is missing of its image is there, in whole seconds
    type         10 on an edge node
    data         how soon its input is there and its output at its store, in whole seconds
    capability   how many of the wanted ones the node has

Source: edgerun-skippy-core 0.1.1 (Rausch, Rashed and Dustdar, FGCS 114, 2021), whose own code the tests compare with.
A pod of it has one input and one output: here, the largest of each. Data lies wherever its bucket does, and comes from
the slowest of these nodes, as in that code; what does not exist yet costs nothing. Its labels are ours here: node-type
for the locality type, capabilities as in our annotations. Its rule that no pod runs on a node with the label
``data.skippy.io/storage`` keeps nobody off here, as nodes have no such label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from scheduler.plugins import capability
from scheduler.plugins.data import spread, wanted
from scheduler.simulate import checking, scenario
from scheduler.simulate.arms import base, seen
from scheduler.state import facts, snapshot, usage

_MOST: Final = 10  # ClusterContext.max_priority


def strategy(images: Sequence[scenario.Image]) -> base.OneByOne:
    """One after the other; ``images`` are those that nodes may have to pull."""
    return base.OneByOne(_Turns({image.name: image for image in images}).choose)


class _Turns:
    """What is left of one pod for the next: the images it brought, and where the look at the nodes begins.

    The latter decides among nodes that tie.
    """

    def __init__(self, images: Mapping[str, scenario.Image]) -> None:
        self._images = images
        self._brought: dict[str, set[str]] = {name: set() for name in images}  # to which nodes
        self._first = 0

    def choose(self, see: seen.Seen, one: seen.Waiting, slots: seen.Ints) -> int:
        ahead = slots >= self._first
        in_turn = np.concatenate([slots[ahead], slots[~ahead]])
        self._first = int(in_turn[-1] + 1) % see.view.size
        pull_s = self._pull_s(see.view, one)[in_turn]
        slot = int(in_turn[total(see.view, one, in_turn, pull_s).argmax()])
        for container in one.asked.pod.spec.containers:
            if container.image in self._images:
                self._brought[container.image].add(see.view.names[slot])
        return slot

    def _pull_s(self, view: snapshot.Snapshot, one: seen.Waiting) -> seen.Ints:
        """[slots] LatencyAwareImageLocalityPriority."""
        seconds = np.zeros(view.size)
        for container in one.asked.pod.spec.containers:
            image = self._images.get(container.image)
            if image is not None:
                held, brought = view.images.get(image.name), self._brought[image.name]
                lacks = ~held.held[: view.size] if held is not None else np.ones(view.size, np.bool_)
                lacks[[view.index_of[node] for node in brought if node in view.index_of]] = False
                end = checking.place(image.registry) or view.index_of[image.registry]
                seconds += lacks * image.size_bytes / _from(view, end)
        return seconds.astype(np.int64)


def total(view: snapshot.Snapshot, one: seen.Waiting, slots: seen.Ints, pull_s: seen.Ints) -> seen.Ints:
    """[len(slots)] the sum; ``pull_s`` of the same: how long it takes to pull the images."""
    liked = (*one.asked.intent.required, *one.asked.intent.wanted)
    has = sum([capability.has(view, each)[slots].astype(np.int64) for each in liked], np.zeros(len(slots), np.int64))
    data_s = _data_s(view, one)[slots]
    return (
        _balance(view, one, slots)
        + _sooner(pull_s)
        + np.where(view.node_type[slots] == facts.EDGE, _MOST, 0)
        + _drawn_out(data_s, worst=int(data_s.max()), best=int(data_s.min()))
        + _drawn_out(has, worst=int(has.min()), best=int(has.max()))
    )


def _balance(view: snapshot.Snapshot, one: seen.Waiting, slots: seen.Ints) -> seen.Ints:
    """BalancedResourcePriority, of what is left."""
    asked = one.asked.asked
    left = view.offered[[usage.CPU, usage.MEMORY]] - view.taken[[usage.NONZERO_CPU, usage.NONZERO_MEMORY]]
    cpu, memory = np.where(left[:, slots] == 0, 1, left[:, slots])
    cpu, memory = asked.nonzero_cpu_milli / cpu, asked.nonzero_memory_bytes / memory
    score = ((1 - abs(cpu - memory)) * float(_MOST)).astype(np.int64)
    return np.where((cpu >= 1) | (memory >= 1), 0, score)


def _sooner(seconds: seen.Ints) -> seen.Ints:
    """LocalityPriority.reduce_mapped_score."""
    most, least = int(seconds.max()), int(seconds.min())
    if not most:
        return np.zeros(len(seconds), np.int64)
    return (_MOST * (most - seconds + least) / most).astype(np.int64)


def _data_s(view: snapshot.Snapshot, one: seen.Waiting) -> seen.Ints:
    """[slots] DataLocalityPriority."""
    seconds = np.zeros(view.size, np.int64)
    for is_output in (False, True):
        told = [each for each in one.asked.transfers if each.is_output == is_output]
        if told:
            seconds += _move_s(view, one.asked.pod.metadata.namespace, max(told, key=lambda each: each.size_bytes))
    return seconds


def _move_s(view: snapshot.Snapshot, namespace: str, each: wanted.Wanted) -> seen.Ints:
    item, bucket = view.where_is(namespace, each.urn), view.where_is(namespace, each.urn.partition("/")[0])
    if item is None or item.urn != each.urn or not item.is_there:
        return np.zeros(view.size, np.int64)
    nodes = [view.index_of[node] for node in (bucket.nodes if bucket is not None and bucket.nodes else item.nodes)]
    if not nodes:
        return np.zeros(view.size, np.int64)
    slowest = np.min([view.reach(node, outward=not each.is_output)[0] for node in nodes], axis=0)
    seconds: seen.Ints = ((item.size_bytes or each.size_bytes) / slowest).astype(np.int64)
    seconds[nodes] = 0
    return seconds


def _from(view: snapshot.Snapshot, end: spread.End) -> seen.Floats:
    """[slots] how fast data comes from an end, in bytes per second."""
    if isinstance(end, int):
        return view.reach(end, outward=True)[0]
    return view.reach_place(end, outward=True)[0]


def _drawn_out(values: seen.Ints, *, worst: int, best: int) -> seen.Ints:
    """To 0..10 over these nodes; 0 where all are alike (_scale_scores and _scale_scores_inverse)."""
    if worst == best:
        return np.zeros(len(values), np.int64)
    return (((values - worst) / (best - worst)) * _MOST).astype(np.int64)
