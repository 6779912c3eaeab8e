"""What would be decided about a pod now, told to people: the best nodes term by term, and what others lack.

A pod that is placed is asked about as if it were still to be placed, on the state without it. Asking changes nothing
that is decided by: an engine of the moment looks at the state, which is as before once the answer is made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from scheduler import errors
from scheduler.api import core
from scheduler.engine import byname, decision, sheet, standing
from scheduler.kernel import journal, kernel, question
from scheduler.plugins import contract, request
from scheduler.state import snapshot

FITS: Final = "fits"
REFUSED: Final = "refused"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked.

    Attributes:
        best: How many of the best nodes are told of.
        node: One that is told of in any case; "" for none.
        draw: What decides among nodes that tie.
    """

    best: int
    node: str = ""
    draw: int = 0


class Ranked(msgspec.Struct, frozen=True, omit_defaults=True):
    """A node that fits: the terms of its cost, and what would be moved there."""

    node: str
    cost: float
    terms: dict[str, standing.Term]
    data_s: float
    transfers: list[decision.Transfer]
    pulls: list[decision.Transfer] = []


class Refused(msgspec.Struct, frozen=True):
    """How many nodes a filter refuses first for a reason, and one of them."""

    plugin: str
    reason: str
    nodes: int
    example: str


class Said(msgspec.Struct, frozen=True):
    """What a filter says of a node, asked alone; ``code`` in upstream's words."""

    plugin: str
    code: str
    reasons: tuple[str, ...]


class Singled(msgspec.Struct, frozen=True, omit_defaults=True):
    """The node that was asked about.

    Attributes:
        is_known: Whether there is such a node.
        refused: What filters say that refuse it.
        rank: If it fits, its place among those that do, from 1.
        ranked: Likewise what it costs.
    """

    node: str
    is_known: bool
    refused: list[Said] = []
    rank: int = 0
    ranked: Ranked | None = None


class Now(msgspec.Struct, frozen=True, omit_defaults=True):
    """What would be decided.

    Attributes:
        sequence, time: Of the state: how many inputs had been taken in, and when.
        outcome: ``fits``, or ``refused`` where no node does.
        place: Where the pod waits, in the kernel's words; "" where it does not.
        waits_for: The node for which it waits though it could have another one; "" for none.
        node_now: The node that it has; "" for none.
        other_scheduler: Who decides about it instead of us; "" for nobody.
        node, ties, deciding: The choice, as of a decision's record.
        message: Why none fits.
        second_cost: What a second of transfers costs.
        nodes, feasible: How many there are, and how many fit.
        ranking: The best of these, that which would be chosen first.
        refused: Why others do not, the most frequent first.
        singled: The node that was asked about.
    """

    sequence: int
    time: str
    outcome: str
    nodes: int
    feasible: int
    place: str = ""
    waits_for: str = ""
    node_now: str = ""
    other_scheduler: str = ""
    node: str = ""
    ties: int = 0
    deciding: str = ""
    message: str = ""
    profile: str = ""
    profile_why: str = ""
    second_cost: float = 0.0
    ranking: list[Ranked] = []
    refused: list[Refused] = []
    unknown: tuple[str, ...] = ()
    unavailable: dict[str, str] = {}
    problems: tuple[str, ...] = ()
    singled: Singled | None = None


class Asking:
    """Answers about the pods of a kernel, by the settings that it decides by now."""

    def __init__(self, subject: kernel.Kernel) -> None:
        self._kernel = subject

    def of(self, pod: str, asked: Asked, wall_s: float) -> Now | None:
        """About ``namespace/name``; None where there is no such pod, as far as is known."""
        subject, view = self._kernel, self._kernel.state.freeze(wall_s)
        entry = next((one for one in subject.queue.entries() if one.pod.key == pod), None)
        placed = view.placed.get(entry.uid) if entry is not None else self._placed(pod, view)
        if placed is not None:
            told = self.about(question.still_to_be_placed(placed.pod), asked, wall_s)
            return msgspec.structs.replace(told, node_now=placed.node)
        if entry is None:
            return None
        told = self.about(entry.pod, asked, wall_s)
        waits_for = subject.delaying.waiting().get(entry.uid, "")
        return msgspec.structs.replace(told, place=entry.place.value, waits_for=waits_for)

    def _placed(self, pod: str, view: snapshot.Snapshot) -> snapshot.Placed | None:
        decided = self._kernel.journal.of(pod)
        if decided and (found := view.placed.get(decided[-1][1].uid)) is not None:
            return found
        namespace, _, name = pod.partition("/")
        for one in view.placed.values():  # of whom nothing was decided here, or long ago
            meta = one.pod.metadata
            if meta.name == name and meta.namespace == namespace:
                return one
        return None

    def about(self, pod: core.Pod, asked: Asked, wall_s: float) -> Now:
        """About any pod, known or not."""
        try:
            return self._decided(pod, asked, wall_s)
        except (errors.InputError, errors.PluginError) as error:
            subject = self._kernel
            nodes, time = subject.state.counts().nodes, subject.world.time()
            return Now(subject.sequence, time, REFUSED, nodes, feasible=0, message=str(error))

    def _decided(self, pod: core.Pod, asked: Asked, wall_s: float) -> Now:
        subject = self._kernel
        ready = request.prepare(subject.groups.read(pod))
        named = pod.spec.scheduler_name
        with subject.state.without(pod.metadata.uid, wall_s) as view:
            found = byname.Engines(subject.settings).of(pod).decide(view, ready, asked.draw, is_tried=False)
            record = journal.Record(pod=pod.key, uid="", time=subject.world.time(), attempt=0, outcome="")
            record.fill(found, view)
            return Now(
                sequence=subject.sequence,
                time=record.time,
                outcome=FITS if found.node else REFUSED,
                nodes=view.count,
                feasible=len(found.feasible),
                other_scheduler=named if named not in subject.settings.scheduler_names else "",
                node=found.node,
                ties=record.ties,
                deciding=record.deciding,
                message=found.why_not,
                profile=record.profile,
                profile_why=record.profile_why,
                second_cost=record.second_cost,
                ranking=[_ranked(found, view, slot) for slot in _best(found, asked.best)],
                refused=_refused(found, view),
                unknown=record.unknown,
                unavailable=record.unavailable,
                problems=tuple(str(problem) for problem in ready.problems),
                singled=_singled(found, view, asked.node) if asked.node else None,
            )


def _best(found: decision.Decision, most: int) -> list[int]:
    """The slots that cost least; the chosen one is the first."""
    choice = found.choice
    if choice is None or most < 1:
        return []
    feasible = found.feasible
    ordered = feasible[np.argsort(choice.cost[feasible], kind="stable")][:most].tolist()
    return [choice.slot, *(slot for slot in ordered if slot != choice.slot)][:most]


def _ranked(found: decision.Decision, view: snapshot.Snapshot, slot: int) -> Ranked:
    stands = found.stands(slot)
    return Ranked(
        node=stands.node,
        cost=stands.cost,
        terms=stands.terms,
        data_s=found.choice.data.seconds_at(slot) if found.choice is not None else 0.0,
        transfers=found.transfers(view, slot),
        pulls=found.pulls(view, slot),
    )


def _refused(found: decision.Decision, view: snapshot.Snapshot) -> list[Refused]:
    counted: dict[tuple[str, str], tuple[int, str]] = {}
    for slot, said in _refusals(found, view):
        for reason in said.reasons:
            nodes, example = counted.get((said.plugin, reason), (0, view.names[slot]))
            counted[said.plugin, reason] = nodes + 1, example
    told = [Refused(plugin, reason, *said) for (plugin, reason), said in counted.items()]
    return sorted(told, key=lambda one: (-one.nodes, one.plugin, one.reason))


def _refusals(found: decision.Decision, view: snapshot.Snapshot) -> Iterator[tuple[int, Said]]:
    """What the filter says that refuses a node first, by slot."""
    made_of, whole = found.made_of, found.pod_verdict
    if made_of is None:
        if whole is not None:
            for slot in np.flatnonzero(view.alive).tolist():
                yield slot, Said(whole.who, contract.Code.UNRESOLVABLE.title, (whole.message,))
        return
    for slot in np.flatnonzero((made_of.refuser != sheet.PASSED) & (made_of.refuser != sheet.NO_NODE)).tolist():
        first = made_of.refusal(slot)
        if first is not None:
            yield slot, Said(first[0], first[1].code.title, first[1].reasons)
        elif whole is not None:
            yield slot, Said(whole.who, contract.Code.UNRESOLVABLE.title, (whole.narrowing,))


def _singled(found: decision.Decision, view: snapshot.Snapshot, node: str) -> Singled:
    slot = view.index_of.get(node)
    if slot is None:
        return Singled(node, is_known=False)
    choice, made_of = found.choice, found.made_of
    if choice is not None and np.isfinite(choice.cost.item(slot)):
        rank = 1 + int(np.count_nonzero(choice.cost < choice.cost.item(slot)))
        return Singled(node, is_known=True, rank=rank, ranked=_ranked(found, view, slot))
    said = [one for at, one in _refusals(found, view) if at == slot]
    for row in made_of.filters if made_of is not None else ():
        refusal = row.at(slot)
        if refusal is not None and all(one.plugin != row.plugin.name for one in said):
            said.append(Said(row.plugin.name, refusal.code.title, refusal.reasons))
    return Singled(node, is_known=True, refused=said)
