"""InterPodAffinity: what the pod requires of pods near a node, and what pods near it require of the pod.

Three rules in upstream's order. Required affinity: in each term's domain runs a pod that matches *all* the terms; as
long as no pod on a node with one of the labels does, the first of a series, which matches its own terms, may go
wherever the labels are. Required anti-affinity: no pod in the domain matches. Symmetry: no pod in the domain has
anti-affinity against this one. A node without the label fails the first rule and passes the other two. Terminating pods
count.

Source: pkg/scheduler/framework/plugins/interpodaffinity/filtering.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from scheduler import config
from scheduler.engine import domains, request, verdict
from scheduler.state import podterms, snapshot

PLUGIN: Final = "InterPodAffinity"
_REASONS: Final = (
    ("node(s) didn't match pod affinity rules",),
    ("node(s) didn't match pod anti-affinity rules",),
    ("node(s) didn't satisfy existing pods anti-affinity rules",),
)


def check_pod(asked: request.PodRequest) -> verdict.PodVerdict | None:
    """Refuse a pod whose terms cannot be read."""
    problem = asked.terms.problem
    return verdict.PodVerdict((PLUGIN,), message=f"parsing pod: {problem}") if problem else None


def check(snap: snapshot.Snapshot, asked: request.PodRequest, settings: config.Settings) -> verdict.Verdict | None:
    """Refuse nodes by the first of the three rules that they break.

    Pods that arrive count on their own node only: each node is looked at as if no others had come. Upstream does not
    ask about them at all where, without them, there would be nothing to ask.
    """
    known = snap.neighbours.namespaces
    required = [podterms.want(term, asked.pod, known) for term in asked.terms.required]
    averse = [podterms.want(term, asked.pod, known) for term in asked.terms.required_anti]
    unwelcome = _unwelcome(snap, asked)
    if unwelcome is None and not required and not averse:
        return None
    alone = _lonely(snap, asked, required)
    crowded = _crowded(snap, averse)
    if unwelcome is None:
        unwelcome = np.zeros(snap.size, np.bool_)
    for index, other in snap.arriving:
        labels, namespace = other.metadata.labels, other.metadata.namespace
        for term in averse:
            crowded[index] |= term.means(namespace, labels) and _has(snap, index, term.topology_key)
        for repelling in podterms.of(other).required_anti:
            if podterms.means(repelling, namespace, asked.pod, known):
                unwelcome[index] |= _has(snap, index, repelling.topology_key)
    refused = alone | crowded | unwelcome
    if not refused.any():
        return None
    code = np.where(alone, np.int8(verdict.Code.UNRESOLVABLE), np.int8(verdict.Code.UNSCHEDULABLE))
    return verdict.Verdict(
        plugin=PLUGIN,
        code=np.where(refused, code, np.int8(verdict.Code.SUCCESS)),
        reason=np.where(alone, 0, np.where(crowded, 1, 2)).astype(np.int32),
        reasons=_REASONS,
    )


def _lonely(snap: snapshot.Snapshot, asked: request.PodRequest, required: Sequence[podterms.Wanted]) -> verdict.Mask:
    """Nodes where a required affinity is not met."""
    if not required:
        return np.zeros(snap.size, np.bool_)
    groups = [cohort.at for cohort in snap.neighbours.cohorts.find(required)]
    wanted = [
        index
        for index, other in snap.arriving
        if all(term.means(other.metadata.namespace, other.metadata.labels) for term in required)
    ]
    labelled, met = np.ones(snap.size, np.bool_), np.ones(snap.size, np.bool_)
    is_anywhere = False
    for key in {term.topology_key for term in required}:
        has = domains.present(snap, key)
        here = domains.near(snap, key, groups)
        is_anywhere |= here is not None
        company = np.zeros(snap.size, np.bool_) if here is None else here > 0
        company[wanted] |= has[wanted]
        labelled &= has
        met &= company
    pod = asked.pod.metadata
    if not is_anywhere and all(term.means(pod.namespace, pod.labels) for term in required):
        return ~labelled  # the first of its series; where one has arrived that matches, it has company
    return ~(labelled & met)


def _crowded(snap: snapshot.Snapshot, averse: Sequence[podterms.Wanted]) -> verdict.Mask:
    """Nodes where a pod runs that the pod's anti-affinity means."""
    refused = np.zeros(snap.size, np.bool_)
    for term in averse:
        groups = [cohort.at for cohort in snap.neighbours.cohorts.find((term,))]
        here = domains.near(snap, term.topology_key, groups)
        if here is not None:
            refused |= here > 0
    return refused


def _unwelcome(snap: snapshot.Snapshot, asked: request.PodRequest) -> verdict.Mask | None:
    """Nodes where a pod runs whose anti-affinity means this one; None if there is no such node."""
    refused: verdict.Mask | None = None
    for carried in snap.neighbours.repelling.meaning(asked.pod, snap.neighbours.namespaces):
        here = domains.near(snap, carried.term.topology_key, (carried.at,))
        if here is not None:
            refused = here > 0 if refused is None else refused | (here > 0)
    return refused


def _has(snap: snapshot.Snapshot, index: int, key: str) -> bool:
    return bool(domains.present(snap, key)[index])
