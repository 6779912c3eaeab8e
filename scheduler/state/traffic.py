"""The transfers that pods are thought to have under way, and what these share with others.

Once a pod is assumed on a node, what its decision expects it to move goes over passages that others go over, too: the
way out of the source node, the link between two sites, the way into the target node; on one node alone, its own store.
Each transfer is kept as a flow, with its bytes and from when to when it is expected. At a moment t in between

    left(t) = size * (end - t) / (end - begin)

is what remains of it, and nothing before and after. A passage shared fairly serves a transfer of b bytes beside these
as if it had b + sum of min(left, b) to move: whoever has less left is done before it, and of who has more it waits for
as much as it moves itself.

A flow ends when its time is over, when its pod is gone or taken back, or when a node at one of its ends is. Nothing is
kept of it then, nor of a passage that no flow goes over. No clock is known here: moments come in.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scheduler.state import fetched, network, sites

_FIRST_ROWS: Final = 16
_VIA: Final = 3  # passages that a flow goes over at most
_MOMENTS: Final = 16
_NOWHERE: Final = 0  # the number that stands where there is no passage
NO_SLOT: Final = 1 << 31  # stands for what is no node where slots are asked for

Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]
Slots = NDArray[np.intp]
End = int | sites.Site
"""A node's slot, or a place outside the cluster."""


class Kind(enum.IntEnum):
    """What is shared."""

    STORE = 1  # a node's own, by those who read or write there
    OUT = 2  # of a node
    IN = 3
    LINK = 4  # from one site to another

    __hash__ = int.__hash__  # that of an enum takes longer than all else of a look-up


_OF_NODES: Final = (Kind.STORE, Kind.OUT, Kind.IN)


class Passage(NamedTuple):
    """Something that transfers share: of a node's slot, or from one site to another."""

    kind: Kind
    at: End
    to: sites.Site | None = None


class Flow(NamedTuple):
    """A transfer, from when to when it is expected.

    Attributes:
        via: What it goes over, and at how many bytes per second that serves everybody together.
        begins_s, ends_s: Seconds since 1970.
    """

    via: tuple[tuple[Passage, float], ...]
    size_bytes: int
    begins_s: float
    ends_s: float


class Expected(NamedTuple):
    """What a pod is expected to move, and what of it stays where it is moved to."""

    flows: tuple[Flow, ...] = ()
    fetches: tuple[fetched.Fetch, ...] = ()


NOTHING: Final = Expected()


def link(source: sites.Site, target: sites.Site) -> Passage | None:
    """What all share that goes from one site to another; None within a zone, where nodes share only their own ways."""
    if (source.region, source.zone) == (target.region, target.zone):
        return None
    return Passage(Kind.LINK, source, target)


class Moment:
    """The flows that are under way at a moment. Valid until the traffic changes, but for flows that begin.

    Attributes:
        is_calm: Whether there are none.
    """

    def __init__(self, of: Traffic, now_s: float) -> None:
        self.is_calm = True
        self._of = of
        self._now_s = now_s
        self._left: Floats = np.zeros(0)  # by flow, 0 for those that are not under way
        self.take_in()

    def take_in(self) -> None:
        """Reckon with flows that were begun since: they come behind all others."""
        known = len(self._left)
        if known == len(self._of):
            return
        sizes, begins, ends = self._of.spans[:, known:]
        now_s = self._now_s
        left = np.maximum(np.minimum(sizes * ((ends - now_s) / (ends - begins)), sizes), 0.0)
        if self._of.last_begin_s > now_s:
            left[begins > now_s] = 0.0
        self.is_calm = self.is_calm and not left.any()
        self._left = np.concatenate((self._left, left)) if known else left

    @property
    def left_bytes(self) -> float:
        """What all of them have still to move."""
        return float(self._left.sum())

    @property
    def rates(self) -> Floats:
        """[passages] bytes per second."""
        return self._of.rates

    def shared_bytes(self, size_bytes: int) -> Floats:
        """[passages] what a transfer of that size has to share each with."""
        only: Floats = self.shared(np.array((size_bytes,), np.float64))[0]
        return only

    def shared(self, sizes: Floats) -> Floats:
        """[sizes, passages] what a transfer of each size has to share each with."""
        passages = len(self.rates)
        via = self._of.via.ravel()
        if len(sizes) == 1:
            found = np.bincount(via, np.minimum(self._left, sizes).repeat(_VIA), passages)
        else:
            beside = np.minimum(self._left, sizes[:, np.newaxis]).repeat(_VIA, axis=1).ravel()
            apart = (via + passages * np.arange(len(sizes))[:, np.newaxis]).ravel()
            found = np.bincount(apart, beside, passages * len(sizes))
        shared = np.asarray(found, np.float64).reshape(len(sizes), passages)  # no flow at all: bincount gives integers
        shared[:, _NOWHERE] = 0.0
        return shared

    def number(self, passage: Passage) -> int:
        """That of a passage in all that is by passage."""
        return self._of.numbers.get(passage, _NOWHERE)

    def links(self, end: sites.Site, between: network.Network, *, outward: bool) -> Numbers:
        """[sites] the numbers of the links from a site to all, or from all to it."""
        return self._of.links(end, between, outward=outward)

    def nodes(self, kind: Kind) -> tuple[Numbers, Numbers]:
        """The slots whose passage of that kind some flow goes over, and the numbers of these."""
        return self._of.nodes(kind)

    def at_nodes(self, kind: Kind, slots: Slots) -> Numbers:
        """The numbers of that kind's passages of some slots; ``NO_SLOT`` has none."""
        return self._of.at_nodes(kind).take(slots, mode="clip")


class Traffic:
    """All flows, in rows; one writer.

    Attributes:
        fetched: What nodes have of it, or are getting, that keep what is fetched.
        numbers: Of the passages that some flow goes over.
        rates: [passages] by number, bytes per second.
        last_begin_s: When the last of them begins, or earlier ones did.
    """

    def __init__(self) -> None:
        self.fetched = fetched.Fetched()
        self.numbers: dict[Passage, int] = {}
        self.rates = np.full(1, math.inf)
        self._uses = [0]
        self._unused: list[int] = []
        self._passages: list[Passage | None] = [None]
        self._rows = np.zeros((3, _FIRST_ROWS))
        self._via = np.zeros((_FIRST_ROWS, _VIA), np.intp)
        self._owners: list[str] = []  # by row, uids of pods
        self._rows_of: dict[str, set[int]] = {}
        self.last_begin_s = -math.inf
        self._first_end_s = math.inf
        self._now_s = 0.0  # when it was last looked what is over
        self._moments: dict[float, Moment] = {}
        self._links: dict[tuple[sites.Site, bool], Numbers] = {}
        self._links_between = -1  # the sites as of which they are numbered
        self._at_nodes = {kind: np.zeros(2, np.intp) for kind in _OF_NODES}  # by slot; the last one is none's
        self._nodes: dict[Kind, tuple[Slots, Numbers]] = {}

    def __len__(self) -> int:
        return len(self._owners)

    @property
    def spans(self) -> Floats:
        """[3, flows] sizes in bytes, begins and ends."""
        return self._rows[:, : len(self._owners)]

    @property
    def via(self) -> Numbers:
        """[flows, 3] the numbers of the passages that each goes over, 0 for none."""
        return self._via[: len(self._owners)]

    @property
    def is_calm(self) -> bool:
        """Whether nothing is or was under way that anybody would notice."""
        return not self._owners and not self.fetched

    def begin(self, uid: str, expected: Expected) -> None:
        """Add what a pod is expected to move."""
        for fetch in expected.fetches:
            self.fetched.begin(uid, fetch)
            self._first_end_s = min(self._first_end_s, fetch.ends_s)
        for flow in expected.flows:
            if flow.size_bytes <= 0 or flow.ends_s <= flow.begins_s:
                continue
            row = len(self._owners)
            if row == len(self._via):
                self._resize(2 * row)
            self._rows[:, row] = flow.size_bytes, flow.begins_s, flow.ends_s
            self._via[row] = _NOWHERE
            for place, (passage, rate) in enumerate(flow.via):
                self._via[row, place] = self._take(passage, rate)
            self._owners.append(uid)
            self._rows_of.setdefault(uid, set()).add(row)
            self._first_end_s = min(self._first_end_s, flow.ends_s)
            self.last_begin_s = max(self.last_begin_s, flow.begins_s)

    def end(self, uid: str) -> None:
        """A pod moves nothing any more; one that moved nothing is no error."""
        for row in sorted(self._rows_of.get(uid, ()), reverse=True):
            self._remove(row)
        self.fetched.end(uid, self._now_s)

    def leave(self, slot: int) -> None:
        """A node is gone, and with it all that goes there or comes from there."""
        for kind in (Kind.STORE, Kind.OUT, Kind.IN):
            number = self.numbers.get(Passage(kind, slot))
            if number is not None:
                self._remove_all((self.via == number).any(axis=1))
        self.fetched.leave(slot)

    def sweep(self, now_s: float) -> None:
        """Let go of what is over."""
        self._now_s = now_s
        if now_s < self._first_end_s:
            return
        self._remove_all(self.spans[2] <= now_s)
        self.fetched.sweep(now_s)
        self._first_end_s = min(float(self.spans[2].min()) if self._owners else math.inf, self.fetched.first_end_s)

    def at(self, now_s: float) -> Moment:
        """What is under way at a time."""
        found = self._moments.get(now_s)
        if found is None:
            if len(self._moments) >= _MOMENTS:
                self._moments.clear()
            found = self._moments[now_s] = Moment(self, now_s)
        else:
            found.take_in()
        return found

    def links(self, end: sites.Site, between: network.Network, *, outward: bool) -> Numbers:
        """See ``Moment.links``."""
        if self._links_between != between.sites_version:
            self._links.clear()
            self._links_between = between.sites_version
        found = self._links.get((end, outward))
        if found is None:
            pairs = [link(end, other) if outward else link(other, end) for other in between.sites]
            numbers = [self.numbers.get(one, _NOWHERE) if one is not None else _NOWHERE for one in pairs]
            found = self._links[end, outward] = np.array(numbers, np.intp)
        return found

    def nodes(self, kind: Kind) -> tuple[Slots, Numbers]:
        """See ``Moment.nodes``."""
        found = self._nodes.get(kind)
        if found is None:
            numbers = self._at_nodes[kind]
            slots = numbers.nonzero()[0]
            found = self._nodes[kind] = slots, numbers[slots]
        return found

    def at_nodes(self, kind: Kind) -> Numbers:
        """[slots and more] the numbers of that kind's passages; the last one stands for no node, and all beyond it."""
        return self._at_nodes[kind]

    def movers(self) -> AbstractSet[str]:
        """The pods that have any, by uid."""
        return self._rows_of.keys()

    def flows_of(self, uid: str) -> list[Flow]:
        """Those of a pod, as they were given, in no order."""
        return [self._flow(row) for row in self._rows_of.get(uid, ())]

    def _flow(self, row: int) -> Flow:
        size_bytes, begins_s, ends_s = self._rows[:, row].tolist()
        via = [(self._passages[number], self.rates.item(number)) for number in self._via[row].tolist() if number]
        known = tuple([(passage, rate) for passage, rate in via if passage is not None])
        return Flow(known, int(size_bytes), begins_s, ends_s)

    def _take(self, passage: Passage, rate: float) -> int:
        """The number of a passage that is used once more; it serves at the rate that was told last."""
        number = self.numbers.get(passage)
        if number is None:
            number = self._unused.pop() if self._unused else len(self._uses)
            if number == len(self._uses):
                self._uses.append(0)
                self._passages.append(None)
                if number == len(self.rates):
                    self._room(2 * number)
            self.numbers[passage] = number
            self._passages[number] = passage
            self._renumber(passage, number)
        self._uses[number] += 1
        self.rates[number] = rate
        return number

    def _release(self, number: int) -> None:
        self._uses[number] -= 1
        passage = self._passages[number]
        if self._uses[number] or passage is None:
            return
        del self.numbers[passage]
        self._passages[number] = None
        self.rates[number] = math.inf
        self._unused.append(number)
        self._renumber(passage, _NOWHERE)
        if not self.numbers:
            self.last_begin_s = -math.inf
            self._uses, self._passages = [0], [None]
            self._unused.clear()
            self._room(1)

    def _renumber(self, passage: Passage, number: int) -> None:
        """Keep the number of a node's passage by its slot; of a link, look it up anew from both its ends."""
        kind, at, to = passage
        if isinstance(at, int):
            numbers = self._at_nodes[kind]
            if at >= len(numbers) - 1:
                numbers = self._at_nodes[kind] = np.pad(numbers, (0, at + 1))
            numbers[at] = number
            self._nodes.pop(kind, None)
        elif to is not None:
            self._links.pop((at, True), None)
            self._links.pop((to, False), None)

    def _remove_all(self, over: NDArray[np.bool_]) -> None:
        for row in over.nonzero()[0][::-1].tolist():
            self._remove(row)

    def _remove(self, row: int) -> None:
        """Free a row; the last one takes its place. Who removes several begins with the last of them."""
        for number in self._via[row].tolist():
            if number:
                self._release(number)
        owner, last = self._owners[row], len(self._owners) - 1
        self._rows_of[owner].discard(row)
        if not self._rows_of[owner]:
            del self._rows_of[owner]
        moved = self._owners.pop()
        if row != last:
            self._rows[:, row], self._via[row] = self._rows[:, last], self._via[last]
            self._owners[row] = moved
            self._rows_of[moved].discard(last)
            self._rows_of[moved].add(row)
        if _FIRST_ROWS <= len(self._owners) * 4 <= len(self._via):
            self._resize(len(self._via) // 2)
        self._moments.clear()

    def _resize(self, rows: int) -> None:
        kept = min(rows, len(self._via))
        spans, via = np.zeros((3, rows)), np.zeros((rows, _VIA), np.intp)
        spans[:, :kept], via[:kept] = self._rows[:, :kept], self._via[:kept]
        self._rows, self._via = spans, via

    def _room(self, passages: int) -> None:
        """Have room for so many passages."""
        more = max(passages - len(self.rates), 0)
        self.rates = np.pad(self.rates[:passages], (0, more), constant_values=math.inf)
