"""Rates of backlogs as a picture: a bar for each contender, with a line from the least to the most."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Final

from benchmarks.scheduling import figures, plan, report

FIGURE: Final = "pods_per_s"
COLOURS: Final = {"ours": "#0a7d5a", "stock": "#3970c9", "raw": "#b0b0b0", "other": "#c98a39"}
LABEL_PX, BAR_PX, WIDTH_PX, GAP_PX = 330, 16, 480, 14


def svg(pieces: Mapping[plan.Piece, report.Contenders]) -> str:
    """The picture; empty but for its title where there is no backlog."""
    rows = {
        piece: {name: figures.summary([run.figures[FIGURE] for run in runs]) for name, runs in contenders.items()}
        for piece, contenders in pieces.items()
        if piece.mode == "backlog"
    }
    most = max((bar.most for bars in rows.values() for bar in bars.values()), default=1.0)
    body = [_text(8, 20, "pods bound a second (median, least to most)")]
    top_px = 34
    for piece, bars in rows.items():
        size = f"{piece.nodes} nodes, {f'{piece.placed} + ' if piece.placed else ''}{piece.pods} pods"
        body.append(_text(8, top_px + BAR_PX - 4, f"{piece.kind}, {size}{', busy' if piece.busy else ''}"))
        for name, bar in bars.items():
            body += _bar(name, bar, top_px, WIDTH_PX / most)
            top_px += BAR_PX + 2
        top_px += GAP_PX
    size_px = f'width="{LABEL_PX + WIDTH_PX + 140}" height="{top_px}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size_px} font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *body, "</svg>", ""])


def _bar(name: str, bar: figures.Summary, top_px: float, px: float) -> Iterator[str]:
    middle_px = top_px + BAR_PX / 2
    colour = COLOURS.get(name, "black")
    yield f'<rect x="{LABEL_PX}" y="{top_px}" width="{bar.median * px:.1f}" height="{BAR_PX}" fill="{colour}"/>'
    ends = f'x1="{LABEL_PX + bar.least * px:.1f}" x2="{LABEL_PX + bar.most * px:.1f}"'
    yield f'<line {ends} y1="{middle_px}" y2="{middle_px}" stroke="black"/>'
    yield _text(LABEL_PX + bar.most * px + 6, top_px + BAR_PX - 4, f"{name} {bar.median:.0f}")


def _text(x_px: float, y_px: float, words: str) -> str:
    return f'<text x="{x_px:.1f}" y="{y_px:.1f}">{html.escape(words)}</text>'
