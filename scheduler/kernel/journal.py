"""The last decisions, kept in memory so that the running scheduler can say why a pod went where it went.

One record per attempt, newest last; the oldest is forgotten. Records hold the facts of the decision as plain values:
the snapshot that it was taken on is not kept, as a thousand of them would be a thousand clusters. A record's sequence
number says after how many inputs to the kernel it was taken: in a recording (scheduler.kernel.recording), the line of
it.
"""

from __future__ import annotations

import collections
import dataclasses
import math
from typing import Final

from scheduler.api import core
from scheduler.engine import decision, joint, standing
from scheduler.plugins import criteria
from scheduler.state import facts, snapshot

CAPACITY = 1000
KEPT: Final = "kept"
LEFT: Final = "left"
OVERRULED: Final = "overruled"
NODE_TYPES: Final = {facts.EDGE: "edge", facts.CLOUD: "cloud"}


@dataclasses.dataclass(frozen=True, slots=True)
class Jointly:
    """A pod's part in a plan for several.

    Attributes:
        others: How many pods it was planned with.
        node: Where it was to go.
        outcome: ``kept``, if it went there; ``left``, if something that nobody else needed was cheaper by then;
            ``overruled``, if that node did not pass the filters any more.
        alone: Where it would have gone if each had taken what is best for it; "" for nowhere.
        forgone_s: By how many seconds of transfers, or what is worth as much, that would have been better for it.
        saved_s: What the plan saves all its pods together, likewise.
        gap_ratio: By what part of it the cost of the plan may be above the least there is.
    """

    others: int
    node: str
    outcome: str
    alone: str
    forgone_s: float
    saved_s: float
    gap_ratio: float


@dataclasses.dataclass(slots=True)
class Record:
    """One attempt to place one pod. ``outcome`` is overwritten as the binding goes on."""

    pod: str  # namespace/name
    uid: str
    time: str  # RFC 3339
    attempt: int
    outcome: str
    sequence: int = 0  # of the kernel's input that it was decided at
    draw: int = 0  # the seed of the draw among nodes that tie: `decide --seed` with it draws the same
    node: str = ""
    node_type: str = "unknown"
    message: str = ""
    profile: str = ""
    profile_why: str = ""
    deciding: str = ""  # the criterion that decided
    cost: float = 0.0
    cost_s: float = 0.0
    second_cost: float = 0.0  # what a second of transfers costs; by it any cost can be read as seconds
    terms: dict[str, standing.Term] = dataclasses.field(default_factory=dict)  # by criterion; they add up to the cost
    runner_up: standing.Standing | None = None  # the best node that does not tie with the chosen one
    ties: int = 0  # nodes among which it was drawn
    refused: dict[str, int] = dataclasses.field(default_factory=dict)  # nodes by the filter that refused them first
    data_s: float = 0.0
    decide_s: float = 0.0  # how long it took, as its driver measured it
    transfers: tuple[decision.Transfer, ...] = ()
    pulls: tuple[decision.Transfer, ...] = ()  # of images that the node has not got
    unknown: tuple[str, ...] = ()  # urns of which nobody knows a copy
    unavailable: dict[str, str] = dataclasses.field(default_factory=dict)  # urns that can be had nowhere now, and why
    problems: tuple[str, ...] = ()  # annotations that were ignored
    jointly: Jointly | None = None  # if it was planned for together with others

    def fill(self, found: decision.Decision, view: snapshot.Snapshot, share: joint.Share | None = None) -> None:
        """Take in what was decided, on the view that it was decided on, with a share in a plan."""
        self.node, self.message = found.node, found.full_message
        choice, compared = found.choice, found.compare()
        if choice is not None and compared is not None:
            self.profile, self.profile_why = choice.profile.name, choice.profile.why
            self.cost, self.cost_s, self.second_cost = choice.chosen_cost, found.chosen_cost_s, choice.data_weight
            self.deciding, self.terms, self.runner_up = compared.deciding, compared.chosen.terms, compared.runner_up
            self.data_s, self.ties = compared.chosen.terms[criteria.DATA].seconds or 0.0, len(choice.best)
        made_of = found.made_of
        if made_of is not None and made_of.count < view.count:
            self.refused = made_of.refusals(found.pod_verdict.who if found.pod_verdict is not None else "")
        data = found.data
        if data is not None and (data.moves or data.unknown or data.unavailable):
            self.transfers = tuple(found.transfers(view))
            self.pulls = tuple(found.pulls(view))
            self.unknown = data.unknown
            self.unavailable = found.unavailable
        if share is not None:
            self.jointly = _jointly(share, found, view)
            if found.node == share.node and share.forgone_s > 0:  # others had their turns first, and are there by now
                self.deciding = decision.JOINT
        if found.node:
            self.node_type = NODE_TYPES.get(view.node_type.item(view.index_of[found.node]), "unknown")


def _jointly(share: joint.Share, found: decision.Decision, view: snapshot.Snapshot) -> Jointly:
    planned = view.index_of.get(share.node, -1)
    passed = planned >= 0 and found.choice is not None and math.isfinite(found.choice.cost.item(planned))
    return Jointly(
        others=share.of.size - 1,
        node=share.node,
        outcome=KEPT if found.node == share.node else LEFT if passed else OVERRULED,
        alone=share.alone,
        forgone_s=share.forgone_s,
        saved_s=share.of.saved_s,
        gap_ratio=share.of.gap_ratio,
    )


class Journal:
    """A ring of records.

    Attributes:
        added: How many records there have been.
        latest: The newest one.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._records: collections.deque[tuple[int, Record, core.Pod | None]] = collections.deque(maxlen=capacity)
        self.added = 0
        self.latest: Record | None = None

    def add(self, record: Record, pod: core.Pod | None = None) -> None:
        """Keep a record, and the pod as it was decided."""
        self.added += 1
        self.latest = record
        self._records.append((self.added, record, pod))

    def of(self, pod: str, after: int = 0) -> list[tuple[int, Record]]:
        """The records of ``namespace/name`` added later than number ``after``, oldest first, with their numbers."""
        return [(number, record) for number, record, _ in self._records if number > after and record.pod == pod]

    def recent(self) -> list[tuple[core.Pod, Record]]:
        """All records, oldest first, with their pods as they were decided."""
        return [(pod, record) for _, record, pod in self._records if pod is not None]
