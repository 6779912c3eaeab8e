"""What a plugin is: a rule of scheduling as a whole, and how the engine asks it.

A plugin reads of a pod what it needs once (``compile``), as a value: pods of which a plugin reads the same are the same
to it, and share one row of answers over all node slots. A row is made as vectors (``rows``, ``raws``) and kept up to
date slot by slot, in plain integers (``cell``, ``raw``): numpy on one element costs more than the whole rule. The two
must agree on every slot, also on those that no node holds; a law in tests/plugins asks it of every plugin.

``facets`` (scheduler.state.changes) say which changes of a slot may change its cell. Where a change reaches further
than its slot, ``touched`` says how far. ``wakes`` says which events may help a pod that the plugin refused.

What a plugin reserves before a pod is bound (volumes, claims of devices) will stand in its file, too, beside the rest.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from scheduler import config
from scheduler.plugins import events, request
from scheduler.state import snapshot

MAX_SCORE: Final = 100

Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Changes = Mapping[int, int]  # slot -> facets, of those that concern the plugin
A = TypeVar("A", bound=Hashable)  # what a plugin reads of a pod
R = TypeVar("R", bound=Hashable)  # what that comes to in the cluster as it is


class Code(enum.IntEnum):
    """kube-scheduler's status codes that a filter can give, in its numbering (staging kube-scheduler/framework)."""

    SUCCESS = 0
    ERROR = 1
    UNSCHEDULABLE = 2  # removing other pods may help
    UNRESOLVABLE = 3  # UnschedulableAndUnresolvable: removing other pods cannot help

    @property
    def title(self) -> str:
        """The name that upstream prints."""
        return _TITLES[self]


_TITLES = {
    Code.SUCCESS: "Success",
    Code.ERROR: "Error",
    Code.UNSCHEDULABLE: "Unschedulable",
    Code.UNRESOLVABLE: "UnschedulableAndUnresolvable",
}


class Refusal(NamedTuple):
    """Why one node does not take a pod."""

    code: Code
    reasons: tuple[str, ...]


class Refuse(NamedTuple):
    """A filter refuses the pod as a whole; a score cannot be worked out, so that upstream fails the whole cycle.

    ``fails``: the filter cannot be asked at all, so that the cycle fails, too. ``gates``: the pod is not to be tried
    yet, whatever others say, and nobody is told (PreEnqueue).
    """

    message: str
    fails: bool = False
    gates: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """One filter's answer for all slots.

    Attributes:
        code: [slots] Code values.
        reason: [slots] index into ``reasons``; meaningless where the code is SUCCESS.
        reasons: Each a list of messages, shared by all nodes refused alike.
    """

    code: NDArray[np.int8]
    reason: NDArray[np.int32]
    reasons: Sequence[tuple[str, ...]]


def refuse(refused: Mask, refusal: Refusal) -> Verdict | None:
    """A filter that refuses some nodes for one reason; None when it refuses none."""
    if not refused.any():
        return None
    return Verdict(
        code=np.where(refused, np.int8(refusal.code), np.int8(Code.SUCCESS)),
        reason=np.zeros(len(refused), np.int32),
        reasons=(refusal.reasons,),
    )


class Delta:
    """Pods that are thought to be on a node, or gone from it, beside what the view says; immutable.

    First those removed go, then those added come: a pod that is both is there.
    """

    __slots__ = ("_moved", "added", "removed")

    def __init__(self, added: tuple[snapshot.Placed, ...] = (), removed: tuple[snapshot.Placed, ...] = ()) -> None:
        self.added = added
        self.removed = removed
        self._moved: dict[str, int] = {}

    @property
    def moves(self) -> list[tuple[snapshot.Placed, int]]:
        """Each pod in order, with 1 or, where it goes, -1."""
        return [*[(placed, -1) for placed in self.removed], *[(placed, 1) for placed in self.added]]

    def moved(self, resource: str) -> int:
        """How much more is taken of a resource."""
        found = self._moved.get(resource)
        if found is None:
            found = sum([one.asked.amount(resource) for one in self.added])
            found -= sum([one.asked.amount(resource) for one in self.removed])
            self._moved[resource] = found
        return found

    def plus(self, *more: snapshot.Placed) -> Delta:
        """With more pods that come."""
        found = Delta((*self.added, *more), self.removed)
        for resource, amount in self._moved.items():
            found._moved[resource] = amount + sum([one.asked.amount(resource) for one in more])
        return found


NOTHING: Final = Delta()

Compile = Callable[[request.PodRequest, config.Settings], A | Refuse | None]
Touched = Callable[[R, snapshot.Snapshot, Changes, int], Collection[int] | None]
Resolve = Callable[[A, snapshot.Snapshot], R | Refuse | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter(Generic[A, R]):
    """A hard rule. R is A where there is no ``resolve``.

    Attributes:
        name: Upstream's where there is one, so that users, autoscalers and dashboards read what they know.
        compile: What it reads of a pod; None: it lets the pod pass everywhere, whatever happens; Refuse: nowhere.
        resolve: What that comes to in a cluster; None: the pod passes everywhere at the moment; Refuse: nowhere, which
            ``wakes`` may end. Asked for every decision, so cheap; the rows are kept by its result.
        rows: What it says of every slot; None: it refuses none.
        cell: The same of one slot with pods added or taken away there, in plain integers.
        facets: The changes of a slot after which its cell may be another.
        touched: Which slots to ask again after such changes, all of them later than a state of the log that is given,
            too; None: all. Without it, those that changed, and all after a change that is noted for all.
        wakes: Whether an event may help a pod that it refused on some node.
        eases: Whether, asked so, a pod that passes on a node also passes there with fewer other pods. None: never.
        narrows: The names of the only nodes that are looked at; None for all.
    """

    name: str
    compile: Compile[A]
    rows: Callable[[R, snapshot.Snapshot], Verdict | None]
    cell: Callable[[R, snapshot.Snapshot, int, Delta], Refusal | None]
    facets: int
    wakes: Callable[[events.Event, A], bool]
    resolve: Resolve[A, R] | None = None
    touched: Touched[R] | None = None
    eases: Callable[[R], bool] | None = None
    narrows: Callable[[A], frozenset[str] | None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalise:
    """How raw scores become 0..100, by the least and the greatest of the feasible nodes.

    Attributes:
        all: Of many: (values, least, greatest).
        one: The same of one.
    """

    all: Callable[[Ints, int, int], Ints]
    one: Callable[[int, int, int], int]


# The score of a node that is not ranked: 0 in the end, whatever the others have.
UNRANKED: Final = -(2**63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix(Generic[R]):
    """How a score's parts become one score, where that depends on which nodes are feasible.

    Attributes:
        measure: What it depends on, of the feasible nodes; it stays as it is while these and their labels do.
        all: The scores of all slots, of their parts [slots, parts]; UNRANKED where one is not ranked.
        one: The same of one slot.
    """

    measure: Callable[[R, snapshot.Snapshot, Mask], Hashable]
    all: Callable[[R, Ints, Any], Ints]
    one: Callable[[R, Sequence[int], Any], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score(Generic[A, R]):
    """One of kube-scheduler's integer scores. All arithmetic is upstream's, so that totals are equal to the last bit.

    Attributes:
        name: Upstream's.
        compile, resolve, facets, touched: As of a filter; None: upstream skips the plugin for this pod. Only a filter
            refuses by ``resolve``.
        raws: [slots] the scores before they are normalised; with a ``mix``, its [slots, parts].
        raw: That of one slot, in plain integers.
        normalise: None where the raw scores are 0..100 already.
        mix: None where a node's raw score does not depend on which others are feasible; such a score is normalised.
    """

    name: str
    compile: Compile[A]
    raws: Callable[[R, snapshot.Snapshot], Ints]
    raw: Callable[[R, snapshot.Snapshot, int], int | Sequence[int]]
    facets: int
    resolve: Resolve[A, R] | None = None
    touched: Touched[R] | None = None
    normalise: Normalise | None = None
    mix: Mix[R] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish(Generic[A]):
    """A criterion of ours beside upstream's scores and the data: the share, 0..1, of a pod's wishes that a node grants.

    Attributes:
        name: The criterion's (scheduler.plugins.criteria).
        compile, facets: As of a filter; None: the pod has no such wish, which every node grants.
        shares: [slots] the granted share.
        share: That of one slot.
    """

    name: str
    compile: Callable[[request.PodRequest, config.Settings], A | None]
    shares: Callable[[A, snapshot.Snapshot], Floats]
    share: Callable[[A, snapshot.Snapshot, int], float]
    facets: int
