"""A decision as the answer of the offline door, `data-locality-scheduler decide`: names instead of indices.

Nothing is worked out anew here but the filters asked alone, so what it shows is what ranked the nodes: the terms of a
node's criteria add up to its cost.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from scheduler import config
from scheduler.engine import decide, decision, verdict
from scheduler.plugins import contract, criteria, request
from scheduler.plugins.data import cost as data_cost
from scheduler.plugins.data import moves, spread
from scheduler.state import network, replicas, snapshot

Answer = dict[str, Any]
_SOURCES: Final = {int(source): source.name.lower() for source in network.Source}


def answer(
    found: decision.Decision, snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings
) -> Answer:
    """Everything known about a decision, by the keys of the decide format."""
    if found.fault:
        return {"fault": found.fault}
    told: Answer = {}
    refusal = found.pod_verdict
    if refusal is not None and refusal.message:
        told["preFilter"] = {
            "plugin": " ".join(refusal.plugins),
            "code": contract.Code.UNRESOLVABLE.title,
            "reasons": [refusal.message],
        }
        told.update(_nothing_fits(found))
        return told
    if refusal is not None and refusal.only is not None and snap.count:
        told["preFilterNodes"] = sorted(refusal.only)
    told["nodes"] = _first_verdicts(found, snap)
    told["plugins"] = _each_verdict(decide.run_filters(snap, asked, settings), snap)
    names = [snap.names[index] for index in found.feasible.tolist()]
    told["feasible"] = sorted(names)
    if not names:
        told.update(_nothing_fits(found))
        return told
    told.update(_scores(found, names))
    if found.node:
        told["criteria"] = _criteria(found, snap, names)
        told["chosen"] = found.node
        told["best"] = sorted(names[position] for position in found.best.tolist())
        told["deciding"] = found.deciding
    if found.profile is not None:
        told["profile"] = {"name": found.profile.name, "why": found.profile.why}
    if found.data is not None:
        told.update(_doubtful(found.data))
    return told


def _doubtful(found: data_cost.DataCost) -> Answer:
    """What adds nothing on any node, the copies that were not counted, and the sizes that nobody stated."""
    told: Answer = {}
    assumed = {
        move.urn: f"how much of it is read is not declared; {move.size_bytes} bytes are assumed"
        for move in found.moves
        if move.is_assumed
    }
    if assumed:
        told["assumed"] = assumed
    if found.unknown:
        told["unknown"] = list(found.unknown)
    if found.unavailable:
        told["unavailable"] = list(found.unavailable)
    if found.absent:
        told["notCounted"] = {urn: [_absent(one) for one in absent] for urn, absent in found.absent.items()}
    return told


def _absent(one: replicas.Absent) -> Answer:
    return {"node": one.copy.where, "store": one.copy.store, "reason": one.doubt.value, "message": one.doubt.message}


def _nothing_fits(found: decision.Decision) -> Answer:
    told: Answer = {"message": found.message}
    outlook = found.preemption
    if outlook is not None:
        told["preemption"] = {"eligible": outlook.eligible, "why": outlook.text, "candidates": {}, "selected": []}
        if outlook.needed:
            told["fault"] = outlook.text
    return told


def _first_verdicts(found: decision.Decision, snap: snapshot.Snapshot) -> dict[str, Answer]:
    passed = {"code": contract.Code.SUCCESS.title}
    told: dict[str, Answer] = {}
    shared: dict[tuple[int, int, int], Answer] = {}
    for index, (name, number) in enumerate(zip(snap.names, found.refuser.tolist(), strict=True)):
        if number == decision.PASSED:
            told[name] = passed
        elif number == decision.NARROWED and found.pod_verdict is not None:
            told[name] = _narrowed(found.pod_verdict)
        elif number >= 0:
            plugin, one = found.verdicts[number]
            key = (number, int(one.code[index]), int(one.reason[index]))
            if key not in shared:
                shared[key] = {"plugin": plugin, **_code_and_reasons(one, index)}
            told[name] = shared[key]
    return told


def _narrowed(refusal: verdict.PodVerdict) -> Answer:
    return {
        "plugin": " ".join(refusal.plugins),
        "code": contract.Code.UNRESOLVABLE.title,
        "reasons": [refusal.narrowing],
    }


def _each_verdict(verdicts: tuple[verdict.Told, ...], snap: snapshot.Snapshot) -> dict[str, Answer]:
    told: dict[str, Answer] = {}
    for plugin, one in verdicts:
        for index in np.flatnonzero(snap.alive & (one.code != contract.Code.SUCCESS)).tolist():
            told.setdefault(snap.names[index], {})[plugin] = _code_and_reasons(one, index)
    return told


def _code_and_reasons(one: contract.Verdict, index: int) -> Answer:
    return {"code": contract.Code(int(one.code[index])).title, "reasons": list(one.reasons[int(one.reason[index])])}


def _scores(found: decision.Decision, names: list[str]) -> Answer:
    """Upstream's scores; it skips scoring when only one node is feasible."""
    if found.scores is None or len(names) < 2:
        return {}
    if found.scores.error:
        return {"scoreError": found.scores.error} if found.score_error else {}
    return {
        "raw": {plugin: _by_name(names, values) for plugin, values in found.scores.raw.items()},
        "scores": {plugin: _by_name(names, values) for plugin, values in found.scores.weighted.items()},
        "totals": _by_name(names, found.scores.total(len(names))),
    }


def _by_name(names: list[str], values: np.ndarray[tuple[int, ...], np.dtype[Any]]) -> dict[str, Any]:
    return dict(zip(names, values.tolist(), strict=True))


def _criteria(found: decision.Decision, snap: snapshot.Snapshot, names: list[str]) -> dict[str, Answer]:
    """Per feasible node: each criterion's utility and weight, the transfers, and the cost they add up to."""
    if found.data is None or found.profile is None:
        return {}
    data_weight, per_second = found.profile.weights.data, found.data_weight
    utilities = [(name, term.weight, term.utility.tolist()) for name, term in found.terms.items()]
    moves = [_transfers(move, snap, found.feasible) for move in found.data.moves]
    told: dict[str, Answer] = {}
    rows = zip(names, found.cost.tolist(), found.data.seconds[found.feasible].tolist(), strict=True)
    for position, (name, cost, seconds) in enumerate(rows):
        told[name] = {
            **{criterion: {"u": values[position], "weight": weight} for criterion, weight, values in utilities},
            criteria.DATA: {
                "seconds": seconds,
                "weight": data_weight,
                "transfers": [transfers[position] for transfers in moves],
            },
            "cost": cost,
            "costSeconds": cost / per_second if per_second else None,
        }
    return told


def _transfers(move: moves.Move, snap: snapshot.Snapshot, feasible: decision.Ints) -> list[Answer]:
    """One input or output as it would be on each feasible node; column by column, for there may be thousands."""
    shared: Answer = {"urn": move.urn, "bytes": move.size_bytes}
    if move.is_expected:
        shared |= {"expected": True, "confidence": move.confidence}
    if move.is_assumed:
        shared["assumed"] = True
    direction = "to" if move.is_output else "from"
    seconds_by_slot = spread.over([move.seconds], snap.links.site_of)
    ends, rows, choice = _choice(move.nearest, move, snap, feasible)
    bandwidth = np.stack([row.bandwidth[feasible] for row in rows])[choice, np.arange(len(feasible))]
    source = np.stack([row.source[feasible] for row in rows])[choice, np.arange(len(feasible))]
    told = [
        {
            **shared,
            direction: ends[end],
            "seconds": seconds,
            "bandwidthBytesPerSecond": bytes_per_s,
            "source": _SOURCES[kind],
        }
        for end, seconds, bytes_per_s, kind in zip(
            choice.tolist(), seconds_by_slot[feasible].tolist(), bandwidth.tolist(), source.tolist(), strict=True
        )
    ]
    for position in np.flatnonzero(source == network.Source.MEASURED).tolist():
        used = rows[int(choice[position])].used(int(feasible[position]))
        told[position] |= {"weight": used.weight, "ageSeconds": used.age_s}
    if move.otherwise is not None:
        ends, _, choice = _choice(move.otherwise, move, snap, feasible)
        for entry, end in zip(told, choice.tolist(), strict=True):
            entry["otherwise"] = ends[end]
    return told


def _choice(
    nearest: moves.Nearest, move: moves.Move, snap: snapshot.Snapshot, feasible: decision.Ints
) -> tuple[list[str], list[network.Row], decision.Ints]:
    """The ends by name, how they are reached, and [feasible] which of them is the best."""
    ends = [way.end for way in nearest.ways]
    rows = [snap.links_of(end, outward=not move.is_output) for end in ends]
    times = [row.latency[feasible] + move.size_bytes / row.bandwidth[feasible] for row in rows]
    return [moves.end_name(snap, end) for end in ends], rows, np.stack(times).argmin(axis=0)
