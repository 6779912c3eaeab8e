"""Transfers under way: each waits out its latency, then shares links with all others, and is told of at its end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from scheduler.plugins.data import moves, spread
from scheduler.simulate import agenda, flows, outcome, wires
from scheduler.state import snapshot


@dataclasses.dataclass(slots=True, eq=False)
class Haul:
    """A transfer.

    Attributes:
        pod: Whose it is, namespace/name.
        then: What follows when all is there.
        flow: Its number while it moves bytes.
    """

    pod: str
    urn: str
    kind: outcome.Kind
    source: spread.End
    target: spread.End
    size_bytes: int
    begun_s: float
    then: Callable[[], None]
    flow: int | None = None
    is_over: bool = False


class Hauling:
    """Has data moved.

    Attributes:
        moved: What came to its end, or was cut off, in this order.
    """

    def __init__(self, view: snapshot.Snapshot, on: wires.Wires, carried: flows.Flows, to_come: agenda.Agenda) -> None:
        self.moved: list[outcome.Moved] = []
        self._view = view
        self._wires = on
        self._flows = carried
        self._agenda = to_come
        self._by_flow: dict[int, Haul] = {}
        self._at: dict[spread.End, dict[Haul, None]] = {}  # of each end: those under way

    def begin(self, haul: Haul) -> None:
        """Have it moved from now on."""
        for end in {haul.source: None, haul.target: None}:
            self._at.setdefault(end, {})[haul] = None
        route = self._wires.route(haul.source, haul.target)

        def move() -> None:
            if haul.is_over:
                return
            if not haul.size_bytes:
                self._end(haul, self._agenda.now_s)
                haul.then()
                return
            haul.flow = self._flows.add(route.links, route.bandwidth_bytes_per_s, haul.size_bytes, self._agenda.now_s)
            self._by_flow[haul.flow] = haul

        self._agenda.at(self._agenda.now_s + route.latency_s, move)

    def cut(self, haul: Haul) -> None:
        """Break it off; nothing follows."""
        if not haul.is_over:
            self._end(haul, None)

    def at(self, end: spread.End) -> list[Haul]:
        """Those that begin or end there."""
        return list(self._at.get(end, ()))

    def catch_up(self) -> bool:
        """Have all end whose time has come; returns whether any has."""
        now_s = self._agenda.now_s
        found = [self._by_flow[flow] for flow in self._flows.ended(now_s)]
        for haul in found:
            self._end(haul, now_s)
        for haul in found:
            haul.then()
        return bool(found)

    def next_s(self) -> float:
        """When the next one is through, as things are; infinite without any."""
        self._flows.settle(self._agenda.now_s)
        return self._flows.next_s()

    def _end(self, haul: Haul, ended_s: float | None) -> None:
        haul.is_over = True
        if haul.flow is not None:
            del self._by_flow[haul.flow]
            self._flows.remove(haul.flow)
        for end in {haul.source: None, haul.target: None}:
            del self._at[end][haul]
        self.moved.append(
            outcome.Moved(
                pod=haul.pod,
                urn=haul.urn,
                kind=haul.kind,
                source=moves.end_name(self._view, haul.source),
                target=moves.end_name(self._view, haul.target),
                distance=self._wires.route(haul.source, haul.target).distance,
                size_bytes=haul.size_bytes,
                begun_s=haul.begun_s,
                ended_s=ended_s,
            )
        )
