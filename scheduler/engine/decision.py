"""What was decided about one pod, and the sentences that tell it: names come back here."""

from __future__ import annotations

import functools
import types
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.engine import profiles, ranking, scoring, sheet, standing, verdict
from scheduler.engine.preemption import outlook
from scheduler.plugins import contract, criteria, request
from scheduler.plugins.data import ahead, cost, flows, loaded, moves
from scheduler.state import replicas, snapshot, traffic

NO_NODES_TEXT: Final = "no nodes available to schedule pods"
ONLY_NODE: Final = "only node"
TIE: Final = "tie"
JOINT: Final = "joint"
_NOBODY: Final[Mapping[str, Hashable]] = types.MappingProxyType({})
# Copies that are told of in a sentence.
_FEW: Final = 4

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer of the pod on the chosen node.

    Attributes:
        partner: Where it comes from or goes to: a node, or ``external:REGION/ZONE``.
        bandwidth_bytes_per_s, source, age_s: At what rate, where that comes from (local, declared, measured, prior),
            and how old a measured one is.
        expected, confidence: Whether the data is still to be written there, and how sure that is (1 if it is there).
        otherwise: Where it is looked for if it will not be there; "" where nothing is known of that.
        assumed: Whether ``size_bytes`` is an assumption, as nobody said how much is read of a bucket or prefix.
        queued_s, queued_on: How many of the seconds are due to what others have under way, and on what; 0 and "" where
            none are.
    """

    urn: str
    partner: str
    size_bytes: int
    seconds: float
    remote: bool
    is_output: bool
    bandwidth_bytes_per_s: float
    source: str
    age_s: float | None = None
    expected: bool = False
    confidence: float = 1.0
    otherwise: str = ""
    assumed: bool = False
    queued_s: float = 0.0
    queued_on: str = ""


class Choice(NamedTuple):
    """How a node was chosen among the feasible ones; arrays are over slots.

    Attributes:
        profile, data: The pod's weights, and what its transfers take.
        data_weight: What a second of transfer costs.
        tau_s: How long a transfer costs as much as the whole weight of data.
        cost: What each node costs; infinite where it is not feasible.
        best: The slots that tie for the least cost.
        slot, chosen_cost: The one taken, and what it costs.
        ahead: What a node costs those who read what the pod writes; None where that makes no difference.
        is_shared: Whether ``best`` are those that a plan for several pods leaves to this one.
    """

    profile: profiles.Profile
    data: cost.DataCost
    data_weight: float
    tau_s: float
    cost: contract.Floats
    best: ranking.Slots
    slot: int
    chosen_cost: float
    ahead: ahead.Ahead | None = None
    is_shared: bool = False


class Decision:
    """The outcome for one pod.

    What only explanations need is worked out when it is asked for, of the sheet and the view that the decision was made
    of. It can be asked for as long as the state stays as it was then, that is: in the step that decided.

    Attributes:
        asked: The pod.
        fault: Why no decision can be made (a feature that is not built); "" otherwise.
        pod_verdict: The whole pod was refused or narrowed to some nodes.
        node: The chosen node, or "".
        message: Why there is none, in kube-scheduler's words.
        score_error: Why upstream fails the cycle (reason SchedulerError) over scores; "" when it does not.
        is_failed: Whether it fails it over a filter that cannot tell, for which ``message`` says why.
        preemption: What preemption could do about it.
        refusers: By name the filters that refused some node first, or the pod as a whole, with what they asked or
            why they refused it: which events may help the pod is theirs to say.
        choice: How the node was chosen; None where there is none.
    """

    def __init__(
        self,
        asked: request.PodRequest,
        view: snapshot.Snapshot,
        *,
        made_of: sheet.Sheet | None = None,
        choice: Choice | None = None,
        fault: str = "",
        pod_verdict: verdict.PodVerdict | None = None,
        message: str = "",
        score_error: str = "",
        is_failed: bool = False,
        preemption: outlook.Outlook | None = None,
        refusers: Mapping[str, Hashable] = _NOBODY,
    ) -> None:
        self.asked = asked
        self.fault = fault
        self.pod_verdict = pod_verdict
        self.node = view.names[choice.slot] if choice is not None else ""
        self.message = message
        self.score_error = score_error
        self.is_failed = is_failed
        self.preemption = preemption
        self.refusers = refusers
        self.choice = choice
        self._made_of = made_of
        self._view = view
        self._seq = view.changes.seq

    @property
    def is_gated(self) -> bool:
        """Whether the pod is not to be tried yet, of which nobody is told."""
        verdict = self.pod_verdict
        return verdict is not None and bool(verdict.message) and not self.message

    @property
    def made_of(self) -> sheet.Sheet | None:
        """What filters and scores said; None where no node was looked at.

        Raises:
            RuntimeError: the state has changed since, and with it the sheet.
        """
        if self._view.changes.seq != self._seq:
            raise RuntimeError("the state has changed since this was decided")
        return self._made_of

    @functools.cached_property
    def feasible(self) -> Ints:
        """The slots that passed all filters."""
        return (
            np.flatnonzero(self.made_of.refuser == sheet.PASSED) if self.made_of is not None else np.zeros(0, np.int64)
        )

    @property
    def profile(self) -> profiles.Profile | None:
        """The pod's weights, if nodes were weighed."""
        return self.choice.profile if self.choice is not None else None

    @property
    def data(self) -> cost.DataCost | None:
        """Its transfers, likewise."""
        return self.choice.data if self.choice is not None else None

    @property
    def terms(self) -> dict[str, scoring.Term]:
        """By criterion but data, its weight and [feasible] utility."""
        if self.choice is None or self.made_of is None:
            return {}
        weights = self.choice.profile.weights
        return {
            name: scoring.Term(scoring.weight_of(weights, name), utility)
            for name, utility in self.made_of.utilities(self.feasible).items()
        }

    @property
    def full_message(self) -> str:
        """The text for the Event and the condition: the message and what preemption says."""
        said = self.preemption.said() if self.preemption is not None else ""
        return f"{self.message} {said}" if said else self.message

    @property
    def why_not(self) -> str:
        """Why there is no node, also where it was not the pod's turn; without what preemption might do about it."""
        if self.node:
            return ""
        whole, made_of = self.pod_verdict, self.made_of
        said = self.fault or self.message or (whole.message if whole is not None else "")
        return said or (nodes_message(self._view, made_of, made_of.refused()[0], whole) if made_of is not None else "")

    @property
    def data_s(self) -> float:
        """Seconds of all transfers on the chosen node."""
        return self.choice.data.seconds_at(self.choice.slot) if self.choice is not None else 0.0

    @property
    def ahead_s(self) -> float:
        """Seconds that the chosen node costs those who read what the pod writes."""
        later = self.choice.ahead if self.choice is not None else None
        return later.seconds_at(self.choice.slot) if self.choice is not None and later is not None else 0.0

    @property
    def unavailable(self) -> dict[str, str]:
        """The urns that are known and can be had nowhere now: some of their copies, and why those do not count."""
        if self.data is None:
            return {}
        return {urn: _sentence(self.data.absent.get(urn, ())) for urn in self.data.unavailable}

    @property
    def chosen_cost(self) -> float:
        """Cost of the chosen node."""
        return self.choice.chosen_cost if self.choice is not None else 0.0

    @property
    def chosen_cost_s(self) -> float:
        """The same in seconds of transfer; 0 where data has no weight."""
        return (
            self.chosen_cost / self.choice.data_weight if self.choice is not None and self.choice.data_weight else 0.0
        )

    @property
    def deciding(self) -> str:
        """The criterion that speaks most for the chosen node against the runner-up; ``only node`` or ``tie``.

        ``joint`` where that is no cheaper than another, which is left to pods that are placed together with this one.
        """
        compared = self.compare()
        return compared.deciding if compared is not None else ""

    def compare(self) -> standing.Compared | None:
        """The chosen node and the runner-up, term by term; None where no node was chosen."""
        choice, made_of = self.choice, self.made_of
        if choice is None or made_of is None:
            return None
        chosen, count = _standing(self._view, made_of, choice, choice.slot), made_of.count
        if count == 1 or count == len(choice.best):
            return standing.Compared(chosen, None, ONLY_NODE if count == 1 else TIE)
        others = choice.cost.copy()
        others[np.asarray(choice.best)] = np.inf
        runner_up = int(others.argmin())
        if others[runner_up] == np.inf:
            return standing.Compared(chosen, None, TIE)
        other = _standing(self._view, made_of, choice, runner_up)
        if choice.is_shared and other.cost <= choice.chosen_cost + ranking.TIE:
            return standing.Compared(chosen, other, JOINT)
        gains = {name: other.terms[name].cost - term.cost for name, term in chosen.terms.items()}
        return standing.Compared(chosen, other, max(gains, key=gains.__getitem__))

    def stands(self, slot: int) -> standing.Standing:
        """What a feasible node costs, term by term.

        Raises:
            ValueError: no node was chosen, so that none was weighed.
        """
        choice, made_of = self.choice, self.made_of
        if choice is None or made_of is None:
            raise ValueError("no node was weighed")
        return _standing(self._view, made_of, choice, slot)

    def expected(self) -> traffic.Expected:
        """What is under way once the pod is on the chosen node, as far as it is known when."""
        if self.choice is None or not (self.choice.data.moves or self.choice.data.pulls):
            return traffic.NOTHING
        return flows.of(self._view, self.asked.pod, self.choice.data, self.choice.slot)

    def transfers(self, snap: snapshot.Snapshot, slot: int | None = None) -> list[Transfer]:
        """The pod's transfers of data on a node; None: the chosen one."""
        choice = self.choice
        return _told(snap, choice.data.moves, choice.slot if slot is None else slot) if choice is not None else []

    def pulls(self, snap: snapshot.Snapshot, slot: int | None = None) -> list[Transfer]:
        """The images that a node has not got, likewise."""
        choice = self.choice
        if choice is None:
            return []
        here = choice.slot if slot is None else slot
        return _told(snap, [one.move for one in choice.data.pulls if not one.held.item(here)], here)


def _told(snap: snapshot.Snapshot, told_of: Sequence[moves.Move], here: int) -> list[Transfer]:
    site = snap.links.site_of.item(here)
    told = []
    for move in told_of:
        end = move.nearest.end(move.size_bytes, here, site)
        due = move.nearest.due(here, site)
        used = snap.link_of(end, here, outward=not move.is_output)
        otherwise = move.otherwise.end(move.size_bytes, here, site) if move.otherwise is not None else None
        told.append(
            Transfer(
                urn=move.urn,
                partner=moves.end_name(snap, end),
                size_bytes=move.size_bytes,
                seconds=move.seconds.at(here, site),
                remote=end != here,
                is_output=move.is_output,
                bandwidth_bytes_per_s=used.bandwidth_bytes_per_s,
                source=used.source.name.lower(),
                age_s=used.age_s,
                expected=move.is_expected,
                confidence=move.confidence,
                otherwise=moves.end_name(snap, otherwise) if otherwise is not None else "",
                assumed=move.is_assumed,
                queued_s=due.seconds,
                queued_on=loaded.passage_name(snap, due.passage) if due.passage is not None else "",
            )
        )
    return told


def _standing(view: snapshot.Snapshot, made_of: sheet.Sheet, choice: Choice, slot: int) -> standing.Standing:
    weights = choice.profile.weights
    terms = made_of.terms(weights, slot)
    seconds = choice.data.seconds_at(slot)
    terms[criteria.DATA] = standing.Term(weights.data, weights.data * seconds / choice.tau_s, None, seconds)
    if choice.ahead is not None:
        later_s = choice.ahead.seconds_at(slot)
        terms[criteria.AHEAD] = standing.Term(weights.data, choice.data_weight * later_s, None, later_s)
    return standing.Standing(view.names[slot], choice.cost.item(slot), terms)


def _sentence(absent: tuple[replicas.Absent, ...]) -> str:
    told = [f"{one.copy.store or 'data'} on {one.copy.where}: {one.doubt.message}" for one in absent[:_FEW]]
    if len(absent) > _FEW:
        told.append(f"and {len(absent) - _FEW} more copies")
    return "; ".join(told)


def pod_message(snap: snapshot.Snapshot, refusal: verdict.PodVerdict) -> str:
    """The FailedScheduling text for a pod that was refused as a whole."""
    return f"0/{snap.count} nodes are available: {refusal.message}." if snap.count else NO_NODES_TEXT


def nodes_message(
    snap: snapshot.Snapshot, made_of: sheet.Sheet, reasons: Counter[str], narrowed: verdict.PodVerdict | None
) -> str:
    """The FailedScheduling text: each reason with the number of nodes that gave it, sorted as text, like upstream."""
    if not snap.count:
        return NO_NODES_TEXT
    if narrowed is not None:
        reasons[narrowed.narrowing] += int((made_of.refuser == sheet.NARROWED).sum())
    return verdict.count_text(snap.count, reasons)
