"""One pod, one snapshot, one decision: filters, scores, criteria, the weighted sum, the choice among the best.

    cost(n) = w_data * t(n) / tau + sum over the other criteria of w_i * (1 - u_i(n))

with t(n) the seconds of the pod's transfers on node n and u_i in 0..1; the least cost wins, and ties are broken at
random from the given generator, as upstream does, for an order by name would pile pods up. Pure: the same snapshot,
pod, settings and generator state give the same decision, live and offline.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.api import core
from scheduler.engine import decision, preemption, profiles, scoring, unsupported, verdict
from scheduler.plugins import contract, criteria, registry, request
from scheduler.plugins.data import cost
from scheduler.plugins.pod_affinity import requiring
from scheduler.state import demand, snapshot

Ints = NDArray[np.int64]

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
) -> tuple[verdict.Told, ...]:
    """The verdicts of all enabled filters that refuse some node, in order."""
    found: list[verdict.Told] = []
    for plugin in registry.FILTERS:
        if plugin.name not in settings.plugins.disabled_filters:
            one = _rows(plugin, snap, asked, settings)
            if one is not None:
                found.append(verdict.Told(plugin.name, one))
    return tuple(found)


def _rows(
    plugin: contract.Filter[Any, Any], snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings
) -> contract.Verdict | None:
    wanted = _wanted(plugin, snap, asked, settings)
    return None if wanted is None else plugin.rows(wanted, snap)


def _wanted(
    plugin: contract.Filter[Any, Any], snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings
) -> Any:  # noqa: ANN401 (each plugin's own)
    wanted = plugin.compile(asked, settings)
    if wanted is None or isinstance(wanted, contract.Refuse):
        return None
    return wanted if plugin.resolve is None else plugin.resolve(wanted, snap)


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
    for plugin in registry.FILTERS:
        if plugin.name in settings.plugins.disabled_filters:
            continue
        wanted = plugin.compile(asked, settings)
        if isinstance(wanted, contract.Refuse):
            return verdict.PodVerdict((plugin.name,), message=wanted.message)
        only = plugin.narrows(wanted) if plugin.narrows is not None and wanted is not None else None
        if only is not None:
            found = verdict.narrow(found, verdict.PodVerdict((plugin.name,), only=only))
        if found is not None and found.message:
            return found
    return found


def _run_filters_twice(
    snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings
) -> tuple[verdict.Told, ...]:
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
    found: list[verdict.Told] = []
    for plugin in registry.FILTERS:
        if plugin.name in settings.plugins.disabled_filters:
            continue
        wanted = _wanted(plugin, snap, asked, settings)
        if wanted is not None:
            one = _with_arriving(plugin, wanted, snap, arriving)
            found.append(verdict.Told(plugin.name, one))
    if not asked.terms.required or requiring.FILTER.name in settings.plugins.disabled_filters:
        return tuple(found)
    without = _rows(requiring.FILTER, snap, asked, settings)
    return tuple(found) if without is None else (*found, verdict.Told(requiring.FILTER.name, without))


def _with_arriving(
    plugin: contract.Filter[Any, Any], wanted: object, snap: snapshot.Snapshot, arriving: list[tuple[int, core.Pod]]
) -> contract.Verdict:
    row = plugin.rows(wanted, snap)
    code = row.code.copy() if row is not None else np.zeros(snap.size, np.int8)
    reason = row.reason.copy() if row is not None else np.zeros(snap.size, np.int32)
    reasons = list(row.reasons) if row is not None else []
    for slot in {slot for slot, _ in arriving}:
        added = tuple(
            snapshot.Placed(pod, "", slot, demand.of(pod), demand.host_ports(pod), assumed=False)
            for at, pod in arriving
            if at == slot
        )
        refusal = plugin.cell(wanted, snap, slot, contract.Delta(added=added))
        code[slot] = contract.Code.SUCCESS if refusal is None else refusal.code
        if refusal is not None:
            reason[slot] = len(reasons)
            reasons.append(refusal.reasons)
    return contract.Verdict(code, reason, reasons)


def _fold(
    snap: snapshot.Snapshot, verdicts: tuple[verdict.Told, ...], narrowed: verdict.PodVerdict | None
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
        refuser[(refuser == decision.PASSED) & (one.verdict.code != contract.Code.SUCCESS)] = number
    return refuser, np.flatnonzero(refuser == decision.PASSED)


def _outlook(
    snap: snapshot.Snapshot,
    asked: request.PodRequest,
    verdicts: tuple[verdict.Told, ...],
    refuser: NDArray[np.int16],
) -> preemption.Outlook:
    resolvable = np.zeros(snap.size, np.bool_)
    for number, one in enumerate(verdicts):
        resolvable |= (refuser == number) & (one.verdict.code == contract.Code.UNSCHEDULABLE)
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
    moves = cost.Kept(settings).cost(snap, asked)
    seconds = moves.seconds[feasible]
    profile = profiles.choose(asked.intent, moves, seconds, settings)
    weights = profile.weights
    resources_u, affinity_u = scoring.utilities(scores, settings.plugins, count)
    granted = scoring.wishes(snap, asked, settings, feasible)
    terms = {
        criteria.RESOURCES: scoring.Term(weights.resources, resources_u),
        criteria.AFFINITY: scoring.Term(weights.affinity, affinity_u),
        criteria.NODE_TYPE: scoring.Term(weights.node_type, granted[criteria.NODE_TYPE]),
        criteria.CAPABILITY: scoring.Term(weights.capability, granted[criteria.CAPABILITY]),
    }
    costs = weights.data * seconds / settings.tau_s
    for term in terms.values():
        costs = costs + term.cost
    best = np.flatnonzero(costs <= costs.min() + _TIE)
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
        cost=costs,
        best=best,
        position=position,
        node=snap.names[int(feasible[position])],
    )
