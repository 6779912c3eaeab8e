"""Turns as JSON and as Markdown, with what is to hold beside what was measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import bounds, conditions
from benchmarks.scheduling import figures, plan, turns

Json = dict[str, Any]
Contenders = Mapping[str, Sequence[turns.Turn]]

RIVALS = ("stock", "other")
"""What ours is compared with."""


def pieces(done: Sequence[turns.Turn]) -> Mapping[plan.Piece, Contenders]:
    """Turns that count, by piece of work and contender."""
    found: dict[plan.Piece, dict[str, list[turns.Turn]]] = {}
    for turn in done:
        if not turn.fault:
            found.setdefault(turn.piece, {}).setdefault(turn.contender, []).append(turn)
    return found


def as_json(about: Json, done: Sequence[turns.Turn]) -> Json:
    """Everything that was measured, and what it comes to."""
    return {
        "conditions": about,
        "summaries": [
            piece._asdict() | {
                "contender": contender,
                "figures": {name: dataclasses.asdict(each) for name, each in summaries(runs).items()},
            }
            for piece, contenders in pieces(done).items()
            for contender, runs in contenders.items()
        ],
        "bounds": [each.as_json() for each in verdicts(done, bounds.load().turns)],
        "turns": [turn.as_json() for turn in done],
    }  # fmt: skip


def summaries(runs: Sequence[turns.Turn]) -> dict[str, figures.Summary]:
    """By name of figure."""
    return {name: figures.summary([run.figures[name] for run in runs]) for name in runs[0].figures}


def as_markdown(about: Json, done: Sequence[turns.Turn]) -> str:
    """Conditions, a table for each piece of work, and the bounds."""
    lines = [*conditions.lines(about)]
    for piece, contenders in pieces(done).items():
        lines += ["", f"### {piece}", "", *_table(contenders)]
    lines += bounds.table(list(verdicts(done, bounds.load().turns)), bounds.measured())
    for turn in done:
        if turn.fault:
            lines.append(f"\n{turn.contender}, {turn.piece}, round {turn.round + 1} fails: {turn.fault}")
    return "\n".join(lines)


def verdicts(done: Sequence[turns.Turn], wanted: Sequence[bounds.Bound]) -> Iterator[bounds.Verdict]:
    """What was measured of what is bounded."""
    for piece, contenders in pieces(done).items():
        for bound in wanted:
            if not _concerns(bound, piece):
                continue
            found = ratios(contenders, bound.figure, "stock")
            what = f"{piece}: {bound.figure}, ours / stock"
            if bound.is_absolute:
                found = [run.figures[bound.figure] for run in contenders.get("ours", ())]
                what = f"{piece}: {bound.figure}, ours"
            if found:
                yield bounds.Verdict(what, tuple(found), bound)


def _concerns(bound: bounds.Bound, piece: plan.Piece) -> bool:
    return (
        (bound.kind, bound.mode, bound.busy) == (piece.kind, piece.mode, piece.busy)
        and bound.nodes in {None, piece.nodes}
        and bound.placed in {None, piece.placed}
    )


def ratios(contenders: Contenders, figure: str, rival: str) -> list[float]:
    """Ours to a rival's in each round that has both: what disturbs a round disturbs both alike."""
    ours, theirs = (
        {run.round: run.figures.get(figure, 0.0) for run in contenders.get(name, ())} for name in ("ours", rival)
    )
    return [ours[number] / theirs[number] for number in sorted(ours) if theirs.get(number)]


def _table(contenders: Contenders) -> Iterator[str]:
    columns = {name: summaries(runs) for name, runs in contenders.items()}
    rivals = [rival for rival in RIVALS if rival in columns and "ours" in columns]
    yield "| figure | " + " | ".join([*columns, *(f"ours / {rival}" for rival in rivals)]) + " |"
    yield "| --- |" + " ---: |" * (len(columns) + len(rivals))
    for figure in dict.fromkeys(name for each in columns.values() for name in each):
        cells = [_cell(each[figure]) if figure in each else "" for each in columns.values()]
        for rival in rivals:
            found = ratios(contenders, figure, rival)
            cells.append(_cell(figures.summary(found)) if found else "")
        yield f"| {figure} | {' | '.join(cells)} |"


def _cell(value: figures.Summary) -> str:
    spread = f" ({_short(value.least)}-{_short(value.most)})" if value.runs > 1 else ""
    return f"{_short(value.median)}{spread}"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
