"""Transfers that share links by max-min fairness: no share can grow without shrinking that of one who has no more.

A flow goes over up to three links and never faster than its own cap. It has a bottleneck: its cap, or a link that is
full and on which nobody is faster. An allocation in which everybody has one is max-min fair, and there is only one
(Bertsekas and Gallager, Data Networks, 1992, 6.5.2). So when flows come or go, only those need new rates whose
bottleneck is not one any more: they are filled anew beside the others, whoever thereby loses its bottleneck joins them,
and so on until everybody has one. Most changes concern nobody else, or those on one full link.

Filling raises all rates together. A link whose share is the least that any of its flows has on its way is full at that
share, for shares elsewhere only grow; so all such links are taken at once, and few rounds do.

Flows are numbers, as are links; what they have stands in arrays by these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WAY: Final = 3  # links at most
_NO_LINK: Final = 0  # fills up the way of a flow over fewer; never full
_OWN: Final = -1  # the bottleneck of a flow that is as fast as it can be
_ALIKE: Final = 1e-9  # rates and loads that differ by less, relatively, differ by rounding
_FIRST_ROOM: Final = 64


class Flows:
    """The flows under way.

    Between calls of `settle` flows may come and go; rates and ends are then those from before.
    """

    def __init__(self) -> None:
        self._capacity: Floats = np.full(1, np.inf)
        self._load: Floats = np.zeros(1)  # of each link: the rates of its flows
        self._on: list[dict[int, None]] = [{}]  # of each link: its flows, in the order in which they came
        self._way: Ints = np.zeros((_FIRST_ROOM, WAY), np.int64)
        self._cap: Floats = np.zeros(_FIRST_ROOM)
        self._rate: Floats = np.zeros(_FIRST_ROOM)
        self._left: Floats = np.zeros(_FIRST_ROOM)  # bytes, as of ``since``
        self._since_s: Floats = np.zeros(_FIRST_ROOM)
        self._end_s: Floats = np.full(_FIRST_ROOM, np.inf)
        self._bottleneck: Ints = np.full(_FIRST_ROOM, _OWN)
        self._free = list(range(_FIRST_ROOM - 1, -1, -1))
        self._new: dict[int, None] = {}  # flows that have no rate yet
        self._eased: dict[int, None] = {}  # links that were full before a flow left

    def link(self, capacity_bytes_per_s: float) -> int:
        """A new link; returns its number."""
        number = len(self._on)
        if number == len(self._capacity):
            self._capacity = np.concatenate([self._capacity, np.zeros(number)])
            self._load = np.concatenate([self._load, np.zeros(number)])
        self._capacity[number] = capacity_bytes_per_s
        self._on.append({})
        return number

    def widen(self, link: int, capacity_bytes_per_s: float) -> None:
        """Have a link carry at least so much."""
        if capacity_bytes_per_s > self._capacity.item(link):
            if self._is_full(link):
                self._eased[link] = None
            self._capacity[link] = capacity_bytes_per_s

    def add(self, links: Sequence[int], cap_bytes_per_s: float, size_bytes: float, now_s: float) -> int:
        """A flow begins; returns its number, which is free again when it has ended."""
        if not self._free:
            self._grow()
        flow = self._free.pop()
        self._way[flow] = _NO_LINK
        self._way[flow, : len(links)] = links
        for link in links:
            self._on[link][flow] = None
        self._cap[flow], self._rate[flow], self._left[flow] = cap_bytes_per_s, 0.0, size_bytes
        self._since_s[flow], self._end_s[flow], self._bottleneck[flow] = now_s, np.inf, _OWN
        self._new[flow] = None
        return flow

    def remove(self, flow: int) -> None:
        """A flow is over, at its end or before."""
        rate = self._rate.item(flow)
        for link in self._way[flow].tolist():
            if link == _NO_LINK:
                continue
            if self._is_full(link):
                self._eased[link] = None
            here = self._on[link]
            del here[flow]
            self._load[link] = self._load.item(link) - rate if here else 0.0
        self._end_s[flow] = np.inf
        self._new.pop(flow, None)
        self._free.append(flow)

    def rate(self, flow: int) -> float:
        """Bytes per second, as of the last `settle`."""
        return self._rate.item(flow)

    def next_s(self) -> float:
        """When the next flow is through; infinite without any."""
        return float(self._end_s.min())

    def ended(self, now_s: float) -> list[int]:
        """The flows that are through by now; they are still to be removed."""
        found: list[int] = np.flatnonzero(self._end_s <= now_s).tolist()
        return found

    def settle(self, now_s: float) -> None:
        """Give everybody the rate that is fair now."""
        crowded = [flow for flow in self._new if not self._fits(flow, now_s)]
        self._new.clear()
        eased = [flow for link in self._eased for flow in self._on[link] if self._bottleneck.item(flow) == link]
        self._eased.clear()
        joining = dict.fromkeys([*crowded, *eased])
        if not joining:
            return
        chosen = np.zeros(len(self._cap), np.bool_)
        flows: Ints = np.zeros(0, np.int64)
        while joining:
            more = np.fromiter(joining, np.int64, len(joining))
            chosen[more] = True
            flows = np.concatenate([flows, more])
            joining = self._refill(flows, chosen, now_s)

    # ------------------------------------------------------------------------------------------------------- inside

    def _fits(self, flow: int, now_s: float) -> bool:
        """Give a new flow all that it can take, if that leaves everybody else what they have."""
        cap = self._cap.item(flow)
        way = [link for link in self._way[flow].tolist() if link != _NO_LINK]
        if any(self._load.item(link) + cap > self._capacity.item(link) * (1 + _ALIKE) for link in way):
            return False
        for link in way:
            self._load[link] += cap
        self._rate[flow] = cap
        self._end_s[flow] = now_s + self._left.item(flow) / cap
        return True

    def _refill(self, flows: Ints, chosen: NDArray[np.bool_], now_s: float) -> dict[int, None]:
        """Give some flows the rates that are fair beside all others; returns who has no bottleneck any more."""
        before = self._rate[flows]
        ways = self._way[flows]
        links, index = np.unique(ways, return_inverse=True)
        index = index.reshape(ways.shape)
        was_full = self._are_full(links)
        loads = self._load[links] - np.bincount(index.ravel(), np.repeat(before, WAY), len(links))
        rates, bottleneck = _fill(np.maximum(self._capacity[links] - loads, 0.0), index, self._cap[flows])
        self._load[links] = loads + np.bincount(index.ravel(), np.repeat(rates, WAY), len(links))
        self._load[_NO_LINK] = 0.0
        changed = rates != before
        self._take(flows[changed], rates[changed], now_s)
        self._bottleneck[flows] = np.where(bottleneck == _OWN, _OWN, links[bottleneck])
        top, least = np.zeros(len(links)), np.full(len(links), np.inf)
        np.maximum.at(top, index.ravel(), np.repeat(rates, WAY))
        held = bottleneck != _OWN
        np.minimum.at(least, bottleneck[held], rates[held])
        is_full = self._are_full(links)
        found: dict[int, None] = {}
        for at in np.flatnonzero(was_full | is_full).tolist():
            link = int(links[at])
            others = [flow for flow in self._on[link] if not chosen[flow]]
            if not others:
                continue
            beside = np.array(others, np.int64)
            theirs = self._rate[beside]
            loses = (self._bottleneck[beside] == link) & (not is_full[at] or theirs < top[at] * (1 - _ALIKE))
            has_more = theirs > least[at] * (1 + _ALIKE)
            found.update(dict.fromkeys(beside[loses | has_more].tolist()))
        return found

    def _take(self, flows: Ints, rates: Floats, now_s: float) -> None:
        """Let flows go on at other rates."""
        self._left[flows] = np.maximum(self._left[flows] - self._rate[flows] * (now_s - self._since_s[flows]), 0.0)
        self._since_s[flows] = now_s
        self._rate[flows] = rates
        with np.errstate(divide="ignore", invalid="ignore"):
            self._end_s[flows] = np.where(rates > 0, now_s + self._left[flows] / rates, np.inf)

    def _is_full(self, link: int) -> bool:
        return self._load.item(link) >= self._capacity.item(link) * (1 - _ALIKE)

    def _are_full(self, links: Ints) -> NDArray[np.bool_]:
        full: NDArray[np.bool_] = self._load[links] >= self._capacity[links] * (1 - _ALIKE)
        return full

    def _grow(self) -> None:
        room = len(self._cap)
        self._way = np.concatenate([self._way, np.zeros((room, WAY), np.int64)])
        self._bottleneck = np.concatenate([self._bottleneck, np.full(room, _OWN)])
        self._cap, self._rate, self._left, self._since_s = (
            np.concatenate([one, np.zeros(room)]) for one in (self._cap, self._rate, self._left, self._since_s)
        )
        self._end_s = np.concatenate([self._end_s, np.full(room, np.inf)])
        self._free = list(range(2 * room - 1, room - 1, -1))


def _fill(room: Floats, index: Ints, cap: Floats) -> tuple[Floats, Ints]:
    """Fair rates of flows among themselves.

    Args:
        room: [links] what they may take together.
        index: [flows, WAY] the links of each.
        cap: [flows] what each may take.

    Returns:
        [flows] the rates, and where the bottleneck of each is: a link, or _OWN.
    """
    rates, bottleneck = np.zeros(len(cap)), np.full(len(cap), _OWN)
    room = room.copy()
    waiting = np.arange(len(cap))
    while len(waiting):
        ways = index[waiting]
        count = np.bincount(ways.ravel(), minlength=len(room))
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(count > 0, room / count, np.inf)
        shares = share[ways]
        lowest = shares.argmin(axis=1)
        level = np.minimum(shares.min(axis=1), cap[waiting])
        least = np.full(len(room), np.inf)
        np.minimum.at(least, ways.ravel(), np.repeat(level, WAY))
        is_ripe = least >= share * (1 - 1e-12)
        held = is_ripe[ways] & (shares <= level[:, None] * (1 + 1e-12))
        is_own = cap[waiting] <= level
        done = is_own | held.any(axis=1)
        found = waiting[done]
        rates[found] = level[done]
        at = np.where(held.any(axis=1), held.argmax(axis=1), lowest)
        bottleneck[found] = np.where(is_own, _OWN, ways[np.arange(len(waiting)), at])[done]
        taken = np.bincount(ways[done].ravel(), np.repeat(level[done], WAY), len(room))
        room = np.maximum(room - taken, 0.0)
        waiting = waiting[~done]
    return rates, bottleneck
