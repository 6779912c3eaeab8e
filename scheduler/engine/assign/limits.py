"""What nodes and domains have room for: the limits that may bind, and what follows from them in whole units.

A pod that asks for 2.5 GB takes two whole ones, and where 7.9 GB are free there are seven: counted in units of what
some pod asks for, a limit says more than it does in bytes of how many large pods fit (Gomory's and Chvatal's rounding).
No plan is changed by that, but prices prove far more: of what the bound of few large pods fell short, four fifths.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from scheduler.engine.assign import problem

_UNITS: Final = 6  # of one limit, at most


class Limits(NamedTuple):
    """Resources of nodes and of domains alike.

    Attributes:
        asks: [pods, limits]
        slots: [limits, nodes] index of ``free`` that a pod on the node draws on.
        free: [slots] never negative; more than all pods ask for where nothing limits.
        units: [slots] the most that any pod asks for there.
    """

    asks: problem.Floats
    slots: problem.Ints
    free: problem.Floats
    units: problem.Floats


class _Row(NamedTuple):
    """One limit: what pods ask for, what each node or domain has free, and of which of these a node draws."""

    ask: problem.Floats
    room: problem.Floats
    of: problem.Ints


def binding(given: problem.Problem) -> Limits:
    """Those under which some node or domain cannot take all pods at once."""
    return _made(_binding(_rows(given)), *given.costs.shape)


def in_whole_units(given: problem.Problem) -> Limits:
    """The same, and what follows from them in whole units, so far as that may bind."""
    rows = list(_binding(_rows(given)))
    return _made([*rows, *_binding(_rounded(rows))], *given.costs.shape)


def _rows(given: problem.Problem) -> Iterator[_Row]:
    nodes = np.arange(given.costs.shape[1])
    for ask, room in zip(given.asks.T, given.room.T, strict=True):
        yield _Row(ask.astype(np.float64), room.astype(np.float64), nodes)
    if given.domains is not None:
        for ask, room, of in zip(given.domains.asks.T, given.domains.room, given.domains.of, strict=True):
            yield _Row(ask.astype(np.float64), room.astype(np.float64), of)


def _rounded(rows: list[_Row]) -> Iterator[_Row]:
    for ask, room, of in rows:
        asked = np.sort(ask[ask > 0])
        for unit in np.unique(asked[np.linspace(0, len(asked) - 1, _UNITS).astype(np.int64)]).tolist():
            taken, free = ask // unit, room // unit
            if not (np.array_equal(taken * unit, ask) and np.array_equal(free * unit, room)):
                yield _Row(taken, free, of)


def _binding(rows: Iterator[_Row]) -> Iterator[_Row]:
    for ask, room, of in rows:
        total = float(ask.sum())
        if total > room.min(initial=np.inf):
            yield _Row(ask, np.clip(room, 0, total + 1), of)


def _made(rows: Iterator[_Row] | list[_Row], pods: int, nodes: int) -> Limits:
    asks, slots, free, units = [], [], [], []
    offset = 0
    for ask, room, of in rows:
        asks.append(ask)
        free.append(np.append(room, ask.sum() + 1))  # the last one for nodes that are in no domain
        slots.append(np.where(of < 0, len(room), of) + offset)
        units.append(np.full(len(room) + 1, float(ask.max())))
        offset += len(room) + 1
    return Limits(
        asks=np.stack(asks, 1) if asks else np.zeros((pods, 0)),
        slots=np.stack(slots) if slots else np.zeros((0, nodes), np.int64),
        free=np.concatenate(free) if free else np.zeros(0),
        units=np.concatenate(units) if units else np.zeros(0),
    )
