"""Pods of one pipeline have their turns by how much comes after them; nobody else's turn changes by that."""

from __future__ import annotations

from scheduler.api import core
from scheduler.engine import urgency
from scheduler.state import durations, pipelines
from tests.state import build


def test_those_of_a_pipeline_swap_their_turns_by_what_comes_after_them() -> None:
    known = pipelines.Pipelines(durations.Durations())

    def waiting(name: str, *, writes: str = "", reads: str = "", works_s: int = 0) -> core.Pod:
        notes = build.data(
            inputs=[f"mid/{reads},1"] if reads else [], outputs=[f"mid/{writes},1,{works_s}"] if writes else []
        )
        made = build.as_pod(build.pod(name, notes=notes))
        known.waits(made)
        return made

    given = [
        waiting("short", writes="a", works_s=10),
        waiting("stranger", writes="x", works_s=5),
        waiting("long", writes="b", works_s=1000),
        waiting("middling", writes="c", works_s=20),
        waiting("longer", writes="y", works_s=5000),
    ]
    for number, one in enumerate("abc"):
        waiting(f"between{number}", reads=one, writes="end")
    waiting("last", reads="end")
    named = [(one, one.metadata.name) for one in given]
    assert urgency.in_order(known, named) == ["long", "stranger", "middling", "short", "longer"]
