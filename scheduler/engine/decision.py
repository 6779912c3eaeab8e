"""What was decided about one pod, and the sentences that tell it: names come back here."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scheduler.engine import preemption, profiles, scoring, verdict
from scheduler.plugins import criteria, request
from scheduler.plugins.data import cost, moves
from scheduler.state import network, replicas, snapshot

PASSED: Final = -1
NARROWED: Final = -2
NO_NODE: Final = -3

NO_NODES_TEXT: Final = "no nodes available to schedule pods"
ONLY_NODE: Final = "only node"
TIE: Final = "tie"
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


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for one pod; arrays are over slots or over feasible nodes, as said.

    Attributes:
        asked: The pod.
        fault: Why no decision can be made (a feature that is not built); "" otherwise.
        pod_verdict: The whole pod was refused or narrowed to some nodes.
        verdicts, refuser: Filters that refuse some node, and [slots] which of them did so first.
        feasible: Indices of the nodes that pass all filters.
        scores, profile, terms, data, data_weight, cost: Over feasible nodes; data_weight is per second.
        best, position: Positions in ``feasible`` that tie for the least cost, and the one taken (-1: none).
        node: The chosen node, or "".
        message: Why there is none, in kube-scheduler's words.
        preemption: What preemption could do about it.
    """

    asked: request.PodRequest
    fault: str = ""
    pod_verdict: verdict.PodVerdict | None = None
    verdicts: tuple[verdict.Told, ...] = ()
    refuser: NDArray[np.int16] = field(default_factory=lambda: np.zeros(0, np.int16))
    feasible: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    scores: scoring.Scores | None = None
    profile: profiles.Profile | None = None
    terms: dict[str, scoring.Term] = field(default_factory=dict)
    data: cost.DataCost | None = None
    data_weight: float = 0.0
    cost: network.Floats = field(default_factory=lambda: np.zeros(0))
    best: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    position: int = -1
    node: str = ""
    message: str = ""
    preemption: preemption.Outlook | None = None

    @property
    def unschedulable_plugins(self) -> frozenset[str]:
        """The filters that refused some node first."""
        if self.pod_verdict is not None and self.pod_verdict.message:
            return frozenset(self.pod_verdict.plugins)
        found = {self.verdicts[number].plugin for number in np.unique(self.refuser) if number >= 0}
        if self.pod_verdict is not None and (self.refuser == NARROWED).any():
            found.update(self.pod_verdict.plugins)
        return frozenset(found)

    @property
    def score_error(self) -> str:
        """Why upstream fails the cycle (reason SchedulerError); "" when it does not."""
        return self.scores.error if self.scores is not None and not self.node else ""

    @property
    def full_message(self) -> str:
        """The text for the Event and the condition: the message and what preemption says."""
        return f"{self.message} {self.preemption.text}" if self.preemption is not None else self.message

    @property
    def data_s(self) -> float:
        """Seconds of all transfers on the chosen node."""
        return self.data.seconds.item(self.feasible.item(self.position)) if self.data is not None and self.node else 0.0

    @property
    def unavailable(self) -> dict[str, str]:
        """The urns that are known and can be had nowhere now: some of their copies, and why those do not count."""
        if self.data is None:
            return {}
        return {urn: _sentence(self.data.absent.get(urn, ())) for urn in self.data.unavailable}

    @property
    def chosen_cost(self) -> float:
        """Cost of the chosen node."""
        return float(self.cost[self.position]) if self.node else 0.0

    @property
    def chosen_cost_s(self) -> float:
        """The same in seconds of transfer; 0 where data has no weight."""
        return self.chosen_cost / self.data_weight if self.data_weight else 0.0

    @property
    def deciding(self) -> str:
        """The criterion that speaks most for the chosen node against the runner-up; ``only node`` or ``tie``."""
        if not self.node or len(self.feasible) == 1:
            return ONLY_NODE if self.node else ""
        others = self.cost.copy()
        others[self.best] = np.inf
        runner_up = int(others.argmin())
        if others[runner_up] == np.inf:
            return TIE
        gains = {name: float(term.cost[runner_up] - term.cost[self.position]) for name, term in self.terms.items()}
        if self.data is not None:
            there_s, here_s = self.data.seconds[self.feasible[[runner_up, self.position]]].tolist()
            gains[criteria.DATA] = self.data_weight * (there_s - here_s)
        return max(gains, key=lambda name: gains[name])

    def transfers(self, snap: snapshot.Snapshot) -> list[Transfer]:
        """The pod's transfers on the chosen node."""
        if not self.node or self.data is None:
            return []
        here = self.feasible.item(self.position)
        site = snap.links.site_of.item(here)
        told = []
        for move in self.data.moves:
            end = move.nearest.end(move.size_bytes, here, site)
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
                )
            )
        return told


def replace(found: Decision, **changes: Any) -> Decision:
    """The decision with some fields changed."""
    return dataclasses.replace(found, **changes)


def _sentence(absent: tuple[replicas.Absent, ...]) -> str:
    told = [f"{one.copy.store or 'data'} on {one.copy.where}: {one.doubt.message}" for one in absent[:_FEW]]
    if len(absent) > _FEW:
        told.append(f"and {len(absent) - _FEW} more copies")
    return "; ".join(told)


def pod_message(snap: snapshot.Snapshot, refusal: verdict.PodVerdict) -> str:
    """The FailedScheduling text for a pod that was refused as a whole."""
    return f"0/{snap.count} nodes are available: {refusal.message}." if snap.count else NO_NODES_TEXT


def nodes_message(
    snap: snapshot.Snapshot,
    verdicts: tuple[verdict.Told, ...],
    refuser: NDArray[np.int16],
    narrowed: verdict.PodVerdict | None,
) -> str:
    """The FailedScheduling text: each reason with the number of nodes that gave it, sorted as text, like upstream."""
    if not snap.count:
        return NO_NODES_TEXT
    counts: Counter[str] = Counter()
    if narrowed is not None:
        counts[narrowed.narrowing] = int((refuser == NARROWED).sum())
    for number, (_, one) in enumerate(verdicts):
        per_reason = np.bincount(one.reason[refuser == number], minlength=len(one.reasons))
        for reasons, nodes in zip(one.reasons, per_reason.tolist(), strict=False):
            for reason in reasons:
                counts[reason] += nodes
    return verdict.count_text(snap.count, counts)
