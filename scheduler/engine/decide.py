"""One pod, one snapshot, one decision: filters, scores, criteria, the weighted sum, the choice among the best.

    cost(n) = w_data * t(n) / tau + sum over the other criteria of w_i * (1 - u_i(n))

with t(n) the seconds of the pod's transfers on node n and u_i in 0..1; the least cost wins, and ties are broken at
random from the given generator, as upstream does, for an order by name would pile pods up. Pure: the same snapshot,
pod, settings and generator state give the same decision, live and offline.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.engine import criteria, decision, preemption, profiles, request, scoring, unsupported, verdict
from scheduler.engine.criteria import capability as wanted_capability
from scheduler.engine.criteria import data, place
from scheduler.engine.filters import (
    capability,
    cordon,
    declared_features,
    node_affinity,
    node_name,
    pod_affinity,
    ports,
    resources,
    taints,
)
from scheduler.state import snapshot

Ints = NDArray[np.int64]

# In upstream's default order, ours last.
FILTERS: Final = (
    (node_name.PLUGIN, node_name.check),
    (cordon.PLUGIN, cordon.check),
    (taints.PLUGIN, taints.check),
    (node_affinity.PLUGIN, node_affinity.check),
    (ports.PLUGIN, ports.check),
    (resources.PLUGIN, resources.check),
    (pod_affinity.PLUGIN, pod_affinity.check),
    (declared_features.PLUGIN, declared_features.check),
    (capability.PLUGIN, capability.check),
)
# Those that look at the pod before any node, in the same order.
_POD_FILTERS: Final = (
    (node_name.PLUGIN, node_name.check_pod),
    (node_affinity.PLUGIN, node_affinity.check_pod),
    (pod_affinity.PLUGIN, pod_affinity.check_pod),
)
# Costs nearer than this are equal. The smallest step of a plugin score is 1/1200, the smallest transfer worth a
# difference is far above the 10 ns that this is in seconds; rounding of sums is far below.
_TIE: Final = 1e-9


def decide(
    snap: snapshot.Snapshot,
    asked: request.PodRequest,
    settings: config.Settings,
    rng: np.random.Generator,
) -> decision.Decision:
    """Choose a node for a pod, or say why there is none."""
    fault = unsupported.find(asked, snap)
    if fault:
        return decision.Decision(fault=fault, asked=asked)
    refusal = _refuse_pod(snap, asked, settings)
    if refusal is not None and refusal.message:
        return decision.Decision(
            asked=asked,
            pod_verdict=refusal,
            message=decision.pod_message(snap, refusal),
            preemption=preemption.outlook(asked.pod, snap, np.zeros(snap.size, np.bool_)) if snap.count else None,
        )
    verdicts = _run_filters_twice(snap, asked, settings)
    refuser, feasible = _fold(snap, verdicts, refusal)
    if not len(feasible):
        return decision.Decision(
            asked=asked,
            pod_verdict=refusal,
            verdicts=verdicts,
            refuser=refuser,
            message=decision.nodes_message(snap, verdicts, refuser, refusal),
            preemption=_outlook(snap, asked, verdicts, refuser) if snap.count else None,
        )
    return _choose(
        snap,
        settings,
        rng,
        decision.Decision(asked=asked, pod_verdict=refusal, verdicts=verdicts, refuser=refuser, feasible=feasible),
    )


def run_filters(
    snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings
) -> tuple[verdict.Verdict, ...]:
    """The verdicts of all enabled filters that refuse some node, in order."""
    found = (
        check(snap, asked, settings) for plugin, check in FILTERS if plugin not in settings.plugins.disabled_filters
    )
    return tuple(one for one in found if one is not None)


def _refuse_pod(
    snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings
) -> verdict.PodVerdict | None:
    gates = asked.pod.spec.scheduling_gates
    if gates:
        names = " ".join(gate.name for gate in gates)
        return verdict.PodVerdict(("SchedulingGates",), message=f"waiting for scheduling gates: [{names}]")
    if not snap.count:
        return None  # upstream gives up before it looks at the pod
    found: verdict.PodVerdict | None = None
    for plugin, check_pod in _POD_FILTERS:
        if plugin in settings.plugins.disabled_filters:
            continue
        one = check_pod(asked)
        if one is not None and one.message:
            return one
        found = verdict.narrow(found, one)
        if found is not None and found.message:
            return found
    return found


def _run_filters_twice(
    snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings
) -> tuple[verdict.Verdict, ...]:
    """The filters' verdicts, counting pods of at least this priority where they are nominated to.

    Upstream filters such a node twice, with and without them. They take room and ports, so that what fits with them
    fits without. Only as company that the pod requires may they be missed: that alone is asked once more.
    """
    pod = asked.pod
    arriving = [
        (snap.index_of[other.status.nominated_node_name], other)
        for uid, other in snap.nominated_pods.items()
        if uid != pod.metadata.uid
        and other.spec.priority >= pod.spec.priority
        and other.status.nominated_node_name in snap.index_of
    ]
    if not arriving:
        return run_filters(snap, asked, settings)
    verdicts = run_filters(snap.with_pods(arriving), asked, settings)
    if not asked.terms.required or pod_affinity.PLUGIN in settings.plugins.disabled_filters:
        return verdicts
    without = pod_affinity.check(snap, asked, settings)
    return verdicts if without is None else (*verdicts, without)


def _fold(
    snap: snapshot.Snapshot, verdicts: tuple[verdict.Verdict, ...], narrowed: verdict.PodVerdict | None
) -> tuple[NDArray[np.int16], Ints]:
    """Which filter refused each slot first, and the indices of the nodes that none did.

    Returns:
        [slots] index into ``verdicts``, decision.PASSED, decision.NARROWED or decision.NO_NODE; and feasible indices.
    """
    refuser = np.where(snap.alive, np.int16(decision.PASSED), np.int16(decision.NO_NODE))
    if narrowed is not None and narrowed.only is not None:
        kept = np.zeros(snap.size, np.bool_)
        kept[[snap.index_of[name] for name in narrowed.only if name in snap.index_of]] = True
        refuser[snap.alive & ~kept] = decision.NARROWED
    for number, one in enumerate(verdicts):
        refuser[(refuser == decision.PASSED) & (one.code != verdict.Code.SUCCESS)] = number
    return refuser, np.flatnonzero(refuser == decision.PASSED)


def _outlook(
    snap: snapshot.Snapshot,
    asked: request.PodRequest,
    verdicts: tuple[verdict.Verdict, ...],
    refuser: NDArray[np.int16],
) -> preemption.Outlook:
    resolvable = np.zeros(snap.size, np.bool_)
    for number, one in enumerate(verdicts):
        resolvable |= (refuser == number) & (one.code == verdict.Code.UNSCHEDULABLE)
    return preemption.outlook(asked.pod, snap, resolvable)


def _choose(
    snap: snapshot.Snapshot, settings: config.Settings, rng: np.random.Generator, found: decision.Decision
) -> decision.Decision:
    asked, feasible = found.asked, found.feasible
    count = len(feasible)
    scores = scoring.score(snap, asked, settings, feasible)
    nominated = snap.index_of.get(asked.pod.status.nominated_node_name, -1)
    if scores.error and count > 1 and nominated not in feasible:
        return decision.replace(found, scores=scores, message=scores.error)
    moves = data.cost(snap, asked, settings, feasible)
    profile = profiles.choose(asked.intent, moves, settings)
    resources_u, affinity_u = scoring.utilities(scores, settings.plugins, count)
    weights = profile.weights
    terms = {
        criteria.RESOURCES: criteria.Term(weights.resources, resources_u),
        criteria.AFFINITY: criteria.Term(weights.affinity, affinity_u),
        criteria.NODE_TYPE: criteria.Term(weights.node_type, place.utility(snap, asked.intent, feasible)),
        criteria.CAPABILITY: criteria.Term(weights.capability, wanted_capability.utility(snap, asked.intent, feasible)),
    }
    cost = weights.data * moves.seconds / settings.tau_s
    for term in terms.values():
        cost = cost + term.cost
    best = np.flatnonzero(cost <= cost.min() + _TIE)
    if nominated in feasible:
        # Upstream tries the node that preemption made room on before any other, and takes it if it passes.
        best = np.flatnonzero(feasible == nominated)
    position = int(best[0] if len(best) == 1 else best[rng.integers(len(best))])
    return decision.replace(
        found,
        scores=scores,
        profile=profile,
        terms=terms,
        data=moves,
        data_weight=weights.data / settings.tau_s,
        cost=cost,
        best=best,
        position=position,
        node=snap.names[int(feasible[position])],
    )
