"""What the demo prints at the end: placements side by side, both totals, and where to look next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One pod under both schedulers; bytes that crossed the network, seconds of its transfers."""

    stage: str
    pod: str
    stock_node: str
    stock_bytes: int
    stock_s: float
    node: str
    moved_bytes: int
    seconds: float
    deciding: str


def table(rows: Sequence[Row]) -> str:
    """The placements, stage by stage, with totals."""
    cells = [
        (
            row.pod,
            row.stock_node,
            _megabytes(row.stock_bytes),
            f"{row.stock_s:.2f} s",
            row.node,
            _megabytes(row.moved_bytes),
            f"{row.seconds:.2f} s",
            row.deciding,
        )
        for row in rows
    ]
    total = (
        "total",
        "",
        _megabytes(sum(row.stock_bytes for row in rows)),
        f"{sum(row.stock_s for row in rows):.2f} s",
        "",
        _megabytes(sum(row.moved_bytes for row in rows)),
        f"{sum(row.seconds for row in rows):.2f} s",
        "",
    )
    head = ("pod", "node", "moved", "transfers", "node", "moved", "transfers", "decided by")
    widths = [max(len(line[column]) for line in (head, total, *cells)) for column in range(len(head))]
    stock_width = sum(widths[1:4]) + 4
    lines = [
        f"{'':{widths[0]}}  | {'kube-scheduler':{stock_width}} | data-locality-scheduler",
        _line(head, widths),
        _rule(widths),
    ]
    stage = rows[0].stage if rows else ""
    for row, line in zip(rows, cells, strict=True):
        if row.stage != stage:
            stage = row.stage
            lines.append(_rule(widths, "."))
        lines.append(_line(line, widths))
    return "\n".join([*lines, _rule(widths), _line(total, widths)])


def comparison(rows: Sequence[Row]) -> str:
    """Both totals in one sentence."""
    stock, ours = sum(row.stock_bytes for row in rows), sum(row.moved_bytes for row in rows)
    stock_s, ours_s = sum(row.stock_s for row in rows), sum(row.seconds for row in rows)
    return (
        f"Over the network: {_megabytes(stock)} with kube-scheduler's placements, {_megabytes(ours)} with ours"
        f" ({_share(ours, stock)}). Transfers: {stock_s:.1f} s and {ours_s:.1f} s ({_share(ours_s, stock_s)})."
    )


def _share(ours: float, stock: float) -> str:
    return f"{100 * ours / stock:.0f} %" if stock else "nothing to compare"


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.0f} MB" if size_bytes else "-"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        f"{cell:>{width}}" if column in (2, 3, 5, 6) else f"{cell:{width}}"
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"{padded[0]}  | {'  '.join(padded[1:4])} | {'  '.join(padded[4:])}".rstrip()


def _rule(widths: Sequence[int], mark: str = "-") -> str:
    left, middle, right = widths[0] + 2, sum(widths[1:4]) + 6, sum(widths[4:]) + 7
    return f"{mark * left}|{mark * middle}|{mark * right}"
