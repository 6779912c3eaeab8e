"""The earlier implementation (davidandw190/data-locality-scheduler, in Go): a weighted sum of five scores of 0..100.

Each score is drawn out to 0..1 over the nodes that take the pod, counts with its weight in the pod's profile, and the
sum is cut to a whole number of 0..100; of those that tie, the first by name is taken. The score of data:

    input     100 exp(-t / 5), 0 from 20 s on; x1.4 with a copy in the node's zone, else x1.5 with one in its region;
              100 with three times the weight where it lies on the node itself
    output    100 exp(-t / 5) to the nearest node of its bucket
    both      0.7 input + 0.3 output, each the mean of all, weighted by ln(1 + MiB) and more factors

with t from size, bandwidth and latency, x1.1 over 10 MiB, x1.5 between regions, x1.2 from edge to cloud, x1.3 the other
way. What does not exist yet is where its bucket is. Source: pkg/scheduler/{scheduler,datalocality}.go.

On its own benchmark it moves to the megabyte what was published of four of the five pipelines, and of the fifth 300 MB
instead of 260, as one pod goes elsewhere.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from scheduler import config
from scheduler.api import annotations as intents
from scheduler.api import core
from scheduler.plugins import capability
from scheduler.plugins.common import selectors
from scheduler.simulate.arms import base, seen
from scheduler.state import facts, snapshot

_MIB: Final = 1024 * 1024
_MOST, _NEUTRAL = 100, 50  # MaxScore and DefaultScore of constants.go
_DECAY_S, _SLOW_S = 5.0, 20.0
_ON_NODE_S: Final = 0.001
_BOOST_ABOVE, _BOOST = 0.7, 1.3  # what the data criterion counts more where it is good
# Those of its config/scheduler-config.yaml, with which it was run: for data-intensive pods, not those of its constants.
_PROFILES: Final = config.Profiles(
    data_intensive=config.Weights(resources=0.10, affinity=0.05, node_type=0.10, capability=0.05, data=0.70)
)


def strategy() -> base.OneByOne:
    """One after the other."""

    def choose(see: seen.Seen, one: seen.Waiting, slots: seen.Ints) -> int:
        score = total(see.view, one, slots)
        names = [see.view.names[slot] for slot in slots.tolist()]
        return int(slots[np.lexsort((names, -score))[0]])

    return base.OneByOne(choose)


def total(view: snapshot.Snapshot, one: seen.Waiting, slots: seen.Ints) -> seen.Ints:
    """[len(slots)] the sum."""
    weights = _weights(one.asked.intent)
    scores = [of(view, one, slots) for of in (_resources, _affinity, _node_type, _capabilities, _data)]
    whole = np.zeros(len(slots))
    for number, (score, weight) in enumerate(zip(scores, weights, strict=True)):
        share = (score - score.min()) / max(int(score.max() - score.min()), 1)
        if number == len(scores) - 1:
            share = np.where(share > _BOOST_ABOVE, share * _BOOST, share)
        whole += weight * share
    return (whole / sum(weights) * _MOST).astype(np.int64)


def _weights(intent: intents.Intent) -> tuple[float, ...]:
    """getWeightsForPod; the factors on the wrong criterion (a region is affinity's) are its own."""
    chosen = [_PROFILES.default]
    if intent.data_intensive or intent.compute_intensive:
        chosen = [_PROFILES.data_intensive] * intent.data_intensive
        chosen += [_PROFILES.compute_intensive] * intent.compute_intensive
    mean = [
        sum([getattr(weights, name) for weights in chosen]) / len(chosen)
        for name in ("resources", "affinity", "node_type", "capability", "data")
    ]
    mean[1] *= 1.3 if intent.prefer_region else 1.0
    mean[2] *= 1.5 if intent.prefer_edge else 1.0
    return tuple(mean)


def _resources(view: snapshot.Snapshot, one: seen.Waiting, slots: seen.Ints) -> seen.Ints:
    """calculateBalancedResourceScore: how alike the pod's shares of cpu and memory are, of the whole node."""
    asked, offered = one.asked.asked, np.maximum(view.offered[:2, slots], 1)
    cpu, memory = asked.nonzero_cpu_milli / offered[0], asked.nonzero_memory_bytes / offered[1]
    usage = (cpu + memory) / 2
    spare = np.where(usage < 0.1, 0.9 + usage, np.where(usage > 0.7, 1 - (usage - 0.7) * 2, 1.0))
    score = np.clip(_whole(((1 - abs(cpu - memory)) * 0.7 + spare * 0.3) * _MOST), 0, _MOST)
    score[(cpu >= 1) | (memory >= 1)] = 0
    needs = one.asked.intent
    score += np.where(view.has_gpu[slots], 20 if needs.requires_gpu else -5, -50 if needs.requires_gpu else 0)
    if needs.requires_fast_storage:
        score += np.where(view.has_fast_storage[slots], 15, -30)
    return np.clip(score, 0, _MOST)


def _affinity(view: snapshot.Snapshot, one: seen.Waiting, slots: seen.Ints) -> seen.Ints:
    """scoreNodeAffinity: the share of the preferred terms' weights."""
    terms: tuple[core.PreferredSchedulingTerm, ...] = ()
    affinity = one.asked.pod.spec.affinity
    if affinity is not None and affinity.node_affinity is not None:
        terms = affinity.node_affinity.preferred
    most = sum([term.weight for term in terms])
    if not most:
        return np.full(len(slots), _NEUTRAL)
    got = sum([term.weight * selectors.match_any((term.preference,), view)[slots].astype(np.int64) for term in terms])
    return np.asarray(got * 100 // most)


def _node_type(view: snapshot.Snapshot, one: seen.Waiting, slots: seen.Ints) -> seen.Ints:
    """scoreNodeType: edge or cloud counts 2, the region 3, the zone 4. A node that is not edge is cloud."""
    intent, sites = one.asked.intent, [view.links.sites[site] for site in view.links.site_of[slots].tolist()]
    is_edge = view.node_type[slots] == facts.EDGE
    wishes: list[tuple[int, seen.Mask]] = []
    if intent.prefer_edge or intent.prefer_cloud:
        wishes.append((2, is_edge if intent.prefer_edge else ~is_edge))
    if intent.prefer_region:
        wishes.append((3, np.array([site.region == intent.prefer_region for site in sites])))
    if intent.prefer_zone:
        wishes.append((4, np.array([site.zone == intent.prefer_zone for site in sites])))
    if not wishes:
        return np.full(len(slots), _NEUTRAL)
    got = sum([weight * _MOST * granted.astype(np.int64) for weight, granted in wishes])
    return np.asarray(got // sum([weight for weight, _ in wishes]))


def _capabilities(view: snapshot.Snapshot, one: seen.Waiting, slots: seen.Ints) -> seen.Ints:
    """scoreNodeCapabilities: the share of those that are wanted, and more for what must be there anyway."""
    intent = one.asked.intent
    score = np.full(len(slots), _NEUTRAL)
    if wanted := (*intent.required, *intent.wanted):
        score = np.sum([capability.has(view, each)[slots] for each in wanted], axis=0) * 100 // len(wanted)
    score = score + 20 * (intent.requires_gpu & view.has_gpu[slots])
    score = score + 10 * (intent.requires_fast_storage & view.has_fast_storage[slots])
    capped: seen.Ints = np.minimum(score, _MOST)
    return capped


def _data(view: snapshot.Snapshot, one: seen.Waiting, slots: seen.Ints) -> seen.Ints:
    intent, namespace = one.asked.intent, one.asked.pod.metadata.namespace
    if not (intent.inputs or intent.outputs):
        return np.full(len(slots), _NEUTRAL)
    inputs = _mean([_input(view, namespace, each, slots) for each in intent.inputs])
    outputs = _mean([_output(view, namespace, each, slots) for each in intent.outputs])
    if intent.inputs and intent.outputs:
        return _whole(inputs * 0.7 + outputs * 0.3)
    return inputs if intent.inputs else outputs


def _mean(told: list[tuple[seen.Ints, seen.Floats]]) -> seen.Ints:
    """Of scores with weights, as a whole number."""
    if not told:
        return np.zeros(0, np.int64)
    weight = np.sum([each for _, each in told], axis=0)
    return _whole(np.sum([score * each for score, each in told], axis=0) / weight)


def _input(
    view: snapshot.Snapshot, namespace: str, one: intents.Transfer, slots: seen.Ints
) -> tuple[seen.Ints, seen.Floats]:
    """[len(slots)] an input's score, and what that counts."""
    weight = max(math.log1p(one.size_bytes / _MIB), 1.0)
    if one.processing_s > 0:
        weight *= 1 + math.log1p(one.processing_s) / 5
    sources = _nodes(view, namespace, one.urn)
    if not sources:
        return np.full(len(slots), _NEUTRAL), np.full(len(slots), weight)
    seconds = np.min([transfer_s(view, one.size_bytes, source, inward=True)[slots] for source in sources], axis=0)
    score = _of_seconds(seconds)
    sites = [view.links.sites[site] for site in view.links.site_of[: view.size].tolist()]
    regions = {sites[source].region for source in sources} - {""}
    zones = {(sites[source].region, sites[source].zone) for source in sources if sites[source].zone}
    here = [sites[slot] for slot in slots.tolist()]
    in_region = np.array([site.region in regions for site in here])
    in_zone = in_region & np.array([(site.region, site.zone) in zones for site in here])
    score = np.minimum(_whole(np.where(in_zone, score * 1.4, np.where(in_region, score * 1.5, score))), _MOST)
    factor = (1.5 if one.size_bytes > 50 * _MIB else 1.0) * (1 + min(one.processing_s / 60, 0.5))
    on_node = np.isin(slots, sources)
    return np.where(on_node, _MOST, score), np.where(on_node, weight * 3, weight * factor)


def _output(
    view: snapshot.Snapshot, namespace: str, one: intents.Transfer, slots: seen.Ints
) -> tuple[seen.Ints, seen.Floats]:
    weight = max(math.log1p(one.size_bytes / _MIB), 1.0)
    targets = _nodes(view, namespace, one.bucket)
    if not targets:
        return np.full(len(slots), _NEUTRAL), np.full(len(slots), weight)
    seconds = np.min([transfer_s(view, one.size_bytes, target, inward=False)[slots] for target in targets], axis=0)
    seconds[np.isin(slots, targets)] = _ON_NODE_S
    return _of_seconds(seconds), np.full(len(slots), weight * (1.3 if one.size_bytes > 100 * _MIB else 1.0))


def _nodes(view: snapshot.Snapshot, namespace: str, urn: str) -> list[int]:
    """The slots of nodes that hold something, else of those of its bucket; it knows of no place outside the cluster."""
    entry = view.where_is(namespace, urn)
    return [view.index_of[node] for node in entry.nodes] if entry is not None else []


def transfer_s(view: snapshot.Snapshot, size_bytes: int, end: int, *, inward: bool) -> seen.Floats:
    """[slots] EstimateTransferTimeBetweenNodes, from a node to all others (``inward`` to these) or the other way."""
    if size_bytes <= 0:
        return np.zeros(view.size)
    bandwidth, latency = view.reach(end, outward=inward)
    seconds = size_bytes / bandwidth + latency
    if size_bytes > 10 * _MIB:
        seconds *= 1.1
    sites, own = view.links.sites, view.links.sites[view.links.site_of.item(end)]
    site_of = view.links.site_of[: view.size]
    is_far = np.array([bool(site.region and own.region) and site.region != own.region for site in sites])[site_of]
    seconds[is_far] *= 1.5
    edge, cloud = view.node_type == facts.EDGE, view.node_type == facts.CLOUD
    if view.node_type.item(end) == facts.EDGE:
        seconds[cloud] *= 1.2 if inward else 1.3
    elif view.node_type.item(end) == facts.CLOUD:
        seconds[edge] *= 1.3 if inward else 1.2
    return seconds


def _of_seconds(seconds: seen.Floats) -> seen.Ints:
    """From how long a transfer takes (calculateScoreFromTransferTime)."""
    score = np.where(seconds >= _SLOW_S, 0, _whole(_MOST * np.exp(-seconds / _DECAY_S)))
    return np.where(seconds <= 0.01, _MOST, score)


def _whole(values: seen.Floats) -> seen.Ints:
    """Cut to whole numbers, as Go's int()."""
    return values.astype(np.int64)
