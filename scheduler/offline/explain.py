"""A decision as the answer of the offline door, `data-locality-scheduler decide`: names instead of indices.

Nothing is worked out anew here but the filters asked alone, so what it shows is what ranked the nodes: the terms of a
node's criteria add up to its cost.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
import numpy as np

from scheduler.api import devices
from scheduler.engine import decision, sheet, verdict
from scheduler.plugins import contract, criteria
from scheduler.plugins.data import cost as data_cost
from scheduler.plugins.data import loaded, moves, spread
from scheduler.plugins.dynamic_resources import extended, granting
from scheduler.state import network, replicas, snapshot

Answer = dict[str, Any]
_SOURCES: Final = {int(source): source.name.lower() for source in network.Source}


def answer(found: decision.Decision, snap: snapshot.Snapshot) -> Answer:
    """Everything known about a decision, by the keys of the decide format."""
    if found.fault:
        return {"fault": found.fault}
    told: Answer = {}
    refusal = found.pod_verdict
    if refusal is not None and refusal.message:
        told["preFilter"] = {
            "plugin": " ".join(refusal.plugins),
            "code": (contract.Code.ERROR if found.is_failed else contract.Code.UNRESOLVABLE).title,
            "reasons": [refusal.message],
        }
        told.update(_nothing_fits(found))
        return told
    if refusal is not None and refusal.only is not None and snap.count:
        told["preFilterNodes"] = sorted(refusal.only)
    told["nodes"] = _first_verdicts(found, snap)
    told["plugins"] = _each_verdict(found, snap)
    names = [snap.names[index] for index in found.feasible.tolist()]
    told["feasible"] = sorted(names)
    if not names or found.is_failed:
        told.update(_nothing_fits(found))
        return told
    told.update(_scores(found, names))
    if given := _allocations(found, snap, names):
        told["allocations"] = given
    if found.choice is not None:
        told["criteria"] = _criteria(found, snap, names)
        told["chosen"] = found.node
        told["best"] = sorted(snap.names[slot] for slot in found.choice.best)
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
    told: Answer = {"message": found.message} if found.message else {}
    outlook = found.preemption
    if outlook is not None:
        told["preemption"] = {
            "eligible": outlook.eligible,
            "why": outlook.text,
            "candidates": {
                name: {
                    "pods": [f"{victim.namespace}/{victim.name}" for victim in candidate.victims],
                    "numPDBViolations": candidate.pdb_violations,
                }
                for name, candidate in outlook.candidates.items()
            },
            "selected": list(outlook.selected),
        }
    return told


def _first_verdicts(found: decision.Decision, snap: snapshot.Snapshot) -> dict[str, Answer]:
    if found.made_of is None:
        return {}
    passed = {"code": contract.Code.SUCCESS.title}
    told: dict[str, Answer] = {}
    for slot, number in enumerate(found.made_of.refuser.tolist()):
        if number == sheet.PASSED:
            told[snap.names[slot]] = passed
        elif number == sheet.NARROWED and found.pod_verdict is not None:
            told[snap.names[slot]] = _narrowed(found.pod_verdict)
        elif (first := found.made_of.refusal(slot)) is not None:
            told[snap.names[slot]] = {"plugin": first[0], **_code_and_reasons(_in_cycle(*first))}
    return told


def _in_cycle(plugin: str, refusal: contract.Refusal) -> contract.Refusal:
    """What a filter that cannot tell of a node fails the cycle with."""
    if refusal.code != contract.Code.ERROR:
        return refusal
    return refusal._replace(reasons=tuple(sheet.failed(plugin, reason) for reason in refusal.reasons))


def _narrowed(refusal: verdict.PodVerdict) -> Answer:
    return {
        "plugin": " ".join(refusal.plugins),
        "code": contract.Code.UNRESOLVABLE.title,
        "reasons": [refusal.narrowing],
    }


def _each_verdict(found: decision.Decision, snap: snapshot.Snapshot) -> dict[str, Answer]:
    """Each filter asked alone, about the pods that are there."""
    told: dict[str, Answer] = {}
    for row in found.made_of.filters if found.made_of is not None else ():
        for slot in row.refused():
            refusal = row.at(slot)
            if refusal is not None and snap.alive[slot]:
                told.setdefault(snap.names[slot], {})[row.plugin.name] = _code_and_reasons(refusal)
    return told


def _code_and_reasons(refusal: contract.Refusal) -> Answer:
    return {"code": refusal.code.title, "reasons": list(refusal.reasons)}


def _scores(found: decision.Decision, names: list[str]) -> Answer:
    """Upstream's scores; it skips scoring when only one node is feasible."""
    if found.score_error:
        return {"scoreError": found.score_error}
    if len(names) < 2 or found.made_of is None or found.made_of.error:
        return {}
    scores = found.made_of.scores(found.feasible)
    return {
        "raw": {plugin: _by_name(names, values) for plugin, values in scores.raw.items()},
        "scores": {plugin: _by_name(names, values) for plugin, values in scores.weighted.items()},
        "totals": _by_name(names, scores.total(len(names))),
    }


def _allocations(found: decision.Decision, snap: snapshot.Snapshot, names: list[str]) -> Answer:
    """By node, the devices that the pod's claims would be given there."""
    told: Answer = {}
    for name in names:
        for grant in granting.allocation_on(found.asked, snap, snap.index_of[name]) or ():
            if grant.allocation is not None:
                told.setdefault(name, []).append(_allocation(grant, grant.allocation))
    return told


def _allocation(grant: granting.Grant, allocation: devices.Allocation) -> Answer:
    results = [msgspec.structs.replace(one, share_id=None) for one in allocation.devices.results]  # a random one
    given = msgspec.structs.replace(allocation.devices, results=tuple(results))
    told: Answer = {"claim": grant.claim.metadata.name or extended.NAME}
    if not grant.claim.metadata.name:
        told["requests"] = msgspec.to_builtins(grant.claim.spec.devices.requests)
    return {**told, "allocation": msgspec.to_builtins(msgspec.structs.replace(allocation, devices=given))}


def _by_name(names: list[str], values: np.ndarray[tuple[int, ...], np.dtype[Any]]) -> dict[str, Any]:
    return dict(zip(names, values.tolist(), strict=True))


def _criteria(found: decision.Decision, snap: snapshot.Snapshot, names: list[str]) -> dict[str, Answer]:
    """Per feasible node: each criterion's utility and weight, the transfers, and the cost they add up to."""
    choice = found.choice
    if choice is None:
        return {}
    data_weight, per_second = choice.profile.weights.data, choice.data_weight
    utilities = [(name, term.weight, term.utility.tolist()) for name, term in found.terms.items()]
    moves = [_transfers(move, snap, found.feasible) for move in choice.data.moves]
    later = choice.ahead
    told: dict[str, Answer] = {}
    rows = zip(names, choice.cost[found.feasible].tolist(), choice.data.seconds[found.feasible].tolist(), strict=True)
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
        if choice.data.pulls:
            told[name][criteria.DATA]["images"] = _images(choice.data, snap, snap.index_of[name])
        if later is not None:
            told[name][criteria.AHEAD] = {
                "seconds": later.seconds_at(snap.index_of[name]),
                "weight": data_weight,
                "readers": later.readers,
            }
    return told


def _images(found: data_cost.DataCost, snap: snapshot.Snapshot, slot: int) -> list[Answer]:
    """The images that a node has not got."""
    site = snap.links.site_of.item(slot)
    return [
        {
            "image": one.move.urn,
            "from": moves.end_name(snap, one.move.nearest.end(one.move.size_bytes, slot, site)),
            "bytes": one.move.size_bytes,
            "seconds": one.seconds_at(slot, site),
        }
        for one in found.pulls
        if not one.held.item(slot)
    ]


def _transfers(move: moves.Move, snap: snapshot.Snapshot, feasible: contract.Ints) -> list[Answer]:
    """One input or output as it would be on each feasible node; column by column, for there may be thousands."""
    shared: Answer = {"urn": move.urn, "bytes": move.size_bytes}
    if move.is_expected:
        shared |= {"expected": True, "confidence": move.confidence}
    if move.is_assumed:
        shared["assumed"] = True
    direction = "to" if move.is_output else "from"
    seconds_by_slot = spread.over(move.seconds, snap.links.site_of)
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
    if move.nearest.load is not None or move.nearest.kept:
        for entry, slot in zip(told, feasible.tolist(), strict=True):
            entry.update(_beside_others(move.nearest, direction, snap, slot))
    return told


def _beside_others(nearest: moves.Nearest, direction: str, snap: snapshot.Snapshot, slot: int) -> Answer:
    """What others have to do with a transfer to or from one node."""
    if slot in nearest.kept:
        bandwidth = snap.links.local.bandwidth_bytes_per_s
        return {direction: snap.names[slot], "kept": True, "bandwidthBytesPerSecond": bandwidth, "source": "local"}
    due = nearest.due(slot, snap.links.site_of.item(slot))
    if due.passage is None:
        return {}
    return {"queuedSeconds": due.seconds, "queuedOn": loaded.passage_name(snap, due.passage)}


def _choice(
    nearest: moves.Nearest, move: moves.Move, snap: snapshot.Snapshot, feasible: contract.Ints
) -> tuple[list[str], list[network.Row], contract.Ints]:
    """The ends by name, how they are reached, and [feasible] which of them is the best."""
    ends = [way.end for way in nearest.ways]
    rows = [snap.links_of(end, outward=not move.is_output) for end in ends]
    load = nearest.load
    if load is None:
        times = [row.latency[feasible] + move.size_bytes / row.bandwidth[feasible] for row in rows]
    else:
        at = [(slot, snap.links.site_of.item(slot)) for slot in feasible.tolist()]
        times = [np.array([load.seconds(way, *one) for one in at]) for way in nearest.ways]
    return [moves.end_name(snap, end) for end in ends], rows, np.stack(times).argmin(axis=0)
