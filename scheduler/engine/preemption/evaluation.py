"""Whether a pod that no node takes may push out others, where, and whom: kube-scheduler's words and choice.

Source: pkg/scheduler/framework/plugins/defaultpreemption (PodEligibleToPreemptOthers) and
pkg/scheduler/framework/preemption (findCandidates, SelectCandidate).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

import numpy as np

from scheduler.api import core, requirements
from scheduler.engine import sheet, verdict
from scheduler.engine.preemption import dryrun, many, occupants, outlook, residents
from scheduler.plugins import contract
from scheduler.state import snapshot

_NEVER: Final = "Never"
_NO_HELP: Final = "Preemption is not helpful for scheduling"


# In upstream, what looks after claims to devices goes before preemption, and knows nothing of a pod that an earlier
# plugin refused as a whole: its error, "not found", is all that the Event then says (dynamicresources.go, PostFilter).
_UNKNOWN: Final = "not found"


def refused(view: snapshot.Snapshot, pod: core.Pod, *, is_known: bool) -> outlook.Outlook:
    """What there is for a pod that is refused as a whole: to remove others helps it nowhere.

    Args:
        is_known: Whether upstream's DynamicResources has seen the pod, or is off.
    """
    found = _ineligible(view, pod, is_hopeless=True) or _no_candidate(view, Counter())
    return found if is_known else found._replace(instead=_UNKNOWN)


def look(
    view: snapshot.Snapshot,
    pod: core.Pod,
    made_of: sheet.Sheet,
    resolvable: contract.Mask,
    *,
    arriving: Mapping[int, contract.Delta],
    chance: int,
    known: residents.Residents,
) -> outlook.Outlook:
    """What there is for a pod that no node takes.

    Args:
        view: The cluster.
        pod: The pod.
        made_of: What filters say of it.
        resolvable: [slots] nodes that refuse it in a way that removing pods may change.
        arriving: By slot the other pods of at least its priority that are nominated there.
        chance: Decides among nodes that tie: 0 and up.
        known: The pods of the nodes, as they were at some time.
    """
    nominated = view.index_of.get(pod.status.nominated_node_name, -1)
    ineligible = _ineligible(view, pod, is_hopeless=nominated < 0 or not resolvable.item(nominated))
    if ineligible is not None:
        return ineligible
    trial = dryrun.DryRun(view, pod, made_of.filters, arriving)
    hopeful = np.flatnonzero(resolvable)
    if len(hopeful) > many.FEW:
        known.catch_up(view)
        search = many.Search(view, pod, made_of.filters, arriving=arriving, known=known, trial=trial)
        occupied = hopeful[view.priorities.below(pod.spec.priority, view.size)[hopeful] > 0]
        best = search.best(occupied, chance) if len(occupied) else Counter()
        if isinstance(best, many.Best):
            return _choose_one(view, best, chance)
        if best is not None:
            best[dryrun.NO_VICTIMS] += len(hopeful) - len(occupied)
            return _no_candidate(view, best, explicit=len(hopeful))
    reasons: Counter[str] = Counter()
    failures: list[str] = []
    found: list[dryrun.Cleared] = []
    for slot in hopeful.tolist():
        said = trial.at(slot)
        if isinstance(said, dryrun.Cleared):
            found.append(said)
            continue
        reasons.update(said.reasons)
        if said.code == contract.Code.ERROR:
            failures += said.reasons
    if found:
        return _choose(view, found, chance)
    if failures:
        return outlook.Outlook(eligible=True, text=f"preemption: {requirements.aggregate(failures)}")
    return _no_candidate(view, reasons, explicit=len(hopeful))


def _ineligible(view: snapshot.Snapshot, pod: core.Pod, *, is_hopeless: bool) -> outlook.Outlook | None:
    """Why a pod may not preempt; ``is_hopeless``: to remove pods from the node that it is nominated to is of no use."""
    if pod.spec.preemption_policy == _NEVER:
        return outlook.Outlook(eligible=False, text=f"preemption: not eligible due to preemptionPolicy={_NEVER}.")
    if is_hopeless:
        return None
    here = view.placed_on.get(pod.status.nominated_node_name, {}).values()
    if any(one.pod.spec.priority < pod.spec.priority and _is_evicted(one.pod) for one in here):
        return outlook.Outlook(
            eligible=False, text="preemption: not eligible due to a terminating pod on the nominated node."
        )
    return None


def _is_evicted(pod: core.Pod) -> bool:
    """Whether a pod ends because a scheduler made room."""
    if not pod.metadata.deletion_timestamp:
        return False
    first = next((one for one in pod.status.conditions if one.type == "DisruptionTarget"), None)
    return first is not None and first.status == "True" and first.reason == "PreemptionByScheduler"


def _no_candidate(view: snapshot.Snapshot, reasons: Counter[str], explicit: int = 0) -> outlook.Outlook:
    reasons[_NO_HELP] += view.count - explicit
    return outlook.Outlook(eligible=True, text=f"preemption: {verdict.count_text(view.count, reasons)}")


def _choose_one(view: snapshot.Snapshot, best: many.Best, chance: int) -> outlook.Outlook:
    """Of many nodes only the chosen one is told with its victims."""
    selected = sorted([view.names[slot] for slot in best.slots])
    node = selected[chance % len(selected)]
    victims = best.victims(view.index_of[node])
    chosen = outlook.Candidate(node, tuple([one.victim for one in victims]), best.rank.violations)
    return outlook.Outlook(eligible=True, text="", candidates={node: chosen}, selected=tuple(selected), chosen=chosen)


def _choose(view: snapshot.Snapshot, found: list[dryrun.Cleared], chance: int) -> outlook.Outlook:
    ranks = [occupants.rank(one.victims, one.violations) for one in found]
    best = min(ranks)
    candidates = {
        view.names[one.slot]: outlook.Candidate(
            view.names[one.slot], tuple([each.victim for each in one.victims]), one.violations
        )
        for one in found
    }
    selected = sorted([view.names[one.slot] for one, its in zip(found, ranks, strict=True) if its == best])
    return outlook.Outlook(
        eligible=True,
        text="",
        candidates=candidates,
        selected=tuple(selected),
        chosen=candidates[selected[chance % len(selected)]],
    )
