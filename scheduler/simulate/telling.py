"""What simulated runs came to, for people and for programs: figures side by side, or all of a run on one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from scheduler.simulate import figures, outcome

_MB: Final = 10**6
Distance = outcome.Distance


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / _MB:,.1f}"


def _pair(first_s: float, second_s: float) -> str:
    return f"{first_s:,.2f} / {second_s:,.2f}"


_ROWS: Final[tuple[tuple[str, Callable[[figures.Figures], str]], ...]] = (
    ("pods done", lambda one: f"{one.done} of {one.pods}"),
    ("makespan, s", lambda one: f"{one.makespan_s:,.2f}"),
    ("read and written, MB", lambda one: _mb(one.data_bytes)),
    ("moved between nodes, MB", lambda one: _mb(one.moved_bytes)),
    ("  in a zone", lambda one: _mb(one.bytes_by_distance[Distance.SAME_ZONE])),
    ("  in a region", lambda one: _mb(one.bytes_by_distance[Distance.SAME_REGION])),
    ("  between regions", lambda one: _mb(one.bytes_by_distance[Distance.CROSS_REGION])),
    ("  between edge and cloud", lambda one: _mb(one.bytes_by_distance[Distance.EDGE_CLOUD])),
    ("accesses on the node", lambda one: f"{one.local_accesses} of {one.accesses}"),
    ("bytes on the node, mean of pods, %", lambda one: f"{100 * one.mean_local_share:.2f}"),
    ("transfers, s in all", lambda one: f"{one.transfer_s:,.2f}"),
    ("images pulled, MB", lambda one: _mb(one.image_bytes)),
    ("waiting, s, mean / p95", lambda one: _pair(one.waiting.mean_s, one.waiting.p95_s)),
    ("turnaround, s, mean / p95", lambda one: _pair(one.turnaround.mean_s, one.turnaround.p95_s)),
    ("preferences met", lambda one: f"{one.meets} of {one.prefers}"),
    ("bindings", lambda one: str(one.attempts)),
    ("transfers broken off", lambda one: str(one.cut)),
)


def table(runs: Sequence[outcome.Outcome]) -> str:
    """The figures of several runs of one scenario, a column each."""
    found = [figures.of(run) for run in runs]
    rows = [["", *(one.arm for one in found)], *([label, *map(tell, found)] for label, tell in _ROWS)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for label, *cells in rows:
        told = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([label.ljust(widths[0]), *told]).rstrip())
    return "\n".join(lines)


def as_json(runs: Sequence[outcome.Outcome]) -> bytes:
    """The same figures as a list."""
    return msgspec.json.format(msgspec.json.encode([figures.of(run) for run in runs]), indent=2)


def as_line(run: outcome.Outcome) -> bytes:
    """One run on one line: every pod with its times, and every transfer."""
    return msgspec.json.encode(run)
