"""Turns as JSON and as Markdown."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks import conditions
from benchmarks.scheduling import figures, turns

Json = dict[str, Any]
Group = tuple[str, str, int, int, int]
"""Kind, mode, nodes, placed, pods."""


def grouped(done: Sequence[turns.Turn]) -> dict[Group, dict[str, list[turns.Turn]]]:
    """Turns that count, by piece of work and contender."""
    found: dict[Group, dict[str, list[turns.Turn]]] = collections.defaultdict(lambda: collections.defaultdict(list))
    for turn in done:
        if not turn.fault:
            found[turn.kind, turn.mode, turn.nodes, turn.placed, turn.pods][turn.contender].append(turn)
    return found


def as_json(about: Json, done: Sequence[turns.Turn]) -> Json:
    """Everything that was measured, and what it comes to."""
    return {
        "conditions": about,
        "summaries": [
            {
                "kind": kind, "mode": mode, "nodes": nodes, "placed": placed, "pods": pods, "contender": contender,
                "figures": {name: dataclasses.asdict(each) for name, each in summaries(runs).items()},
            }
            for (kind, mode, nodes, placed, pods), contenders in grouped(done).items()
            for contender, runs in contenders.items()
        ],
        "turns": [dataclasses.asdict(turn) for turn in done],
    }  # fmt: skip


def summaries(runs: Sequence[turns.Turn]) -> dict[str, figures.Summary]:
    """By name of figure."""
    return {name: figures.summary([run.figures[name] for run in runs]) for name in runs[0].figures}


def as_markdown(about: Json, done: Sequence[turns.Turn]) -> str:
    """Conditions and a table for each piece of work."""
    return "\n".join(
        [
            *conditions.lines(about),
            *(line for group in grouped(done).items() for line in _table(*group)),
            *_faults(done),
        ]
    )


def _table(group: Group, contenders: Mapping[str, Sequence[turns.Turn]]) -> Iterator[str]:
    kind, mode, nodes, placed, pods = group
    yield ""
    yield f"### {kind}, {mode}: {nodes} nodes, {placed} pods placed, {pods} pods"
    yield ""
    columns = {name: summaries(runs) for name, runs in contenders.items()}
    has_ratio = {"ours", "stock"} <= set(columns)
    yield "| figure | " + " | ".join([*columns, *(["ours / stock"] if has_ratio else [])]) + " |"
    yield "| --- |" + " ---: |" * (len(columns) + has_ratio)
    for figure in dict.fromkeys(name for each in columns.values() for name in each):
        cells = [_cell(each.get(figure)) for each in columns.values()]
        if has_ratio:
            cells.append(_ratio(columns["ours"].get(figure), columns["stock"].get(figure)))
        yield f"| {figure} | {' | '.join(cells)} |"


def _cell(value: figures.Summary | None) -> str:
    if value is None:
        return ""
    spread = f" ({value.least:.3g}-{value.most:.3g})" if value.runs > 1 else ""
    return f"{value.median:.3g}{spread}" if value.median < 1000 else f"{value.median:.0f}{spread}"


def _ratio(ours: figures.Summary | None, stock: figures.Summary | None) -> str:
    return f"{ours.median / stock.median:.2f}" if ours and stock and stock.median else ""


def _faults(done: Sequence[turns.Turn]) -> Iterator[str]:
    for turn in done:
        if turn.fault:
            yield f"\n{turn.contender}, {turn.kind}, {turn.mode}, round {turn.round + 1} does not count: {turn.fault}"
