"""Which pieces of work are measured, in what order, and how long that takes about.

Pieces that need the same cluster follow each other, and each kind of work has a cluster of its own: what one leaves
behind, say 10,000 DataObjects, is nothing that another has to read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from benchmarks import bounds
from benchmarks.scheduling import work

OF_KINDS: Final = ("backlog", "steady")
MODES: Final = (*OF_KINDS, "start", "takeover")
SIZES: Final = (1000, 5000)
BACKLOG_PODS: Final = 3000  # at least: a larger cluster gets a pod for each node
STEADY_PER_S: Final = 100
STEADY_S: Final = 20

# About, of two cores with two contenders in turn; what is left is told by how long the turns before took.
_WORLD_S, _NODES_PER_S, _PLACED_PER_S, _OBJECTS_PER_S = 10.0, 400, 600, 700
_TURN_S, _PODS_PER_S, _BUSY = 8.0, 150, 2.5
_STEADY_REST_S, _TAKEOVER_S = 8.0, 45.0


class Place(NamedTuple):
    """What tells one cluster from another."""

    nodes: int
    placed: int
    busy: bool
    kind: str


class Piece(NamedTuple):
    """One piece of work, which every contender does in turn."""

    kind: str
    mode: str
    nodes: int
    placed: int
    pods: int
    busy: bool

    def __str__(self) -> str:
        beside = ", beside busy loops" if self.busy else ""
        return f"{self.kind}, {self.mode}: {self.nodes} nodes, {self.placed} pods placed, {self.pods} pods{beside}"

    @property
    def place(self) -> Place:
        """Where it is done."""
        return Place(self.nodes, self.placed, self.busy, self.kind)

    @property
    def turn_s(self) -> float:
        """How long a turn takes, about."""
        slower = _BUSY if self.busy else 1.0
        match self.mode:
            case "backlog":
                return slower * (_TURN_S + self.pods / _PODS_PER_S)
            case "steady":
                return slower * (_TURN_S + _STEADY_REST_S) + self.pods / STEADY_PER_S
            case "start":
                return slower * _TURN_S
            case _:
                return slower * _TAKEOVER_S

    @property
    def world_s(self) -> float:
        """How long its cluster takes to be made, about."""
        kind = work.KINDS[self.kind]
        objects = work.DATA_OBJECTS if kind.data else 0
        objects += work.LOW_PODS * self.nodes if kind.low else 0
        objects += self.nodes + 2 * self.pods if kind.keeps_namespace else 0
        return _WORLD_S + self.nodes / _NODES_PER_S + self.placed / _PLACED_PER_S + objects / _OBJECTS_PER_S


def pieces(
    kinds: Sequence[str],
    modes: Sequence[str],
    sizes: Sequence[int],
    *,
    placed: int = 0,
    busy: bool = False,
    pods: int | None = None,
    seconds: int = STEADY_S,
) -> list[Piece]:
    """Every kind in every mode at every size; how soon somebody schedules has nothing to do with kinds."""
    found = (
        Piece(kind, mode, nodes, placed, _pods(kind, mode, nodes, pods, seconds), busy)
        for nodes in sizes
        for mode in modes
        for kind in (kinds if mode in OF_KINDS else ["plain"])
    )
    return _by_place(found)


def of_bounds(wanted: Sequence[bounds.Bound]) -> list[Piece]:
    """What the bounds speak of.

    One that names no size is judged wherever others of its kind and mode are; where there are none, at every size.
    """
    return _by_place(piece for bound in wanted for piece in _of_bound(bound, wanted))


def _of_bound(bound: bounds.Bound, wanted: Sequence[bounds.Bound]) -> Iterator[Piece]:
    like = {
        other.nodes
        for other in wanted
        if (other.kind, other.mode, other.busy) == (bound.kind, bound.mode, bound.busy) and other.nodes
    }
    if bound.nodes or not like:
        yield from pieces(
            [bound.kind],
            [bound.mode],
            [bound.nodes] if bound.nodes else SIZES,
            placed=bound.placed or 0,
            busy=bound.busy,
        )


def _pods(kind: str, mode: str, nodes: int, pods: int | None, seconds: int) -> int:
    match mode:
        case "backlog":
            return pods or work.KINDS[kind].most_pods or max(BACKLOG_PODS, nodes)
        case "steady":
            return seconds * STEADY_PER_S
        case _:
            return 1


def _by_place(found: Iterable[Piece]) -> list[Piece]:
    """Each once; the small clusters first, and kinds in their order."""
    kinds = list(work.KINDS)
    unique = dict.fromkeys(found)
    return sorted(
        unique,
        key=lambda piece: (piece.nodes, piece.placed, piece.busy, kinds.index(piece.kind), MODES.index(piece.mode)),
    )


class Ahead:
    """How much of the work is done, and how long the rest takes: as much longer than thought as what is done did."""

    def __init__(self, planned: Sequence[Piece]) -> None:
        """The piece of each turn, in their order."""
        self._planned = planned
        self._done = 0
        self.left_s = _thought_s(planned)

    def turn(self, elapsed_s: float) -> None:
        """The next turn is done, so long after the start."""
        self._done += 1
        whole_s, past_s = _thought_s(self._planned), _thought_s(self._planned[: self._done])
        self.left_s = (whole_s - past_s) * elapsed_s / past_s

    def __str__(self) -> str:
        return f"[{self._done}/{len(self._planned)} turns, about {self.left_s / 60:.0f} min left]"


def _thought_s(turns: Sequence[Piece]) -> float:
    worlds = {piece.place: piece.world_s for piece in turns}
    return sum(worlds.values()) + sum(piece.turn_s for piece in turns)
