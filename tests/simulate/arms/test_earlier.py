"""The earlier implementation's formula on what is its own benchmark in all but names."""

from __future__ import annotations

import collections

from benchmarks.quality import scenarios
from scheduler.simulate import arms, running

MIB = 1024 * 1024
# What was published of it; our twin of the sales pipeline has one pod elsewhere, which costs 40 MB.
PUBLISHED = {"traffic": 120, "sales": 260, "plants": 160, "weather": 340, "meters": 10}


def test_each_pipeline_moves_what_was_published() -> None:
    given = scenarios.pipelines()
    found = running.run(given, arms.make("earlier", given, 1), arm="earlier", seed=1)
    moved: collections.Counter[str] = collections.Counter()
    for move in found.moves:
        if move.source != move.target:
            pipeline = move.pod.removeprefix("default/").partition("-")[0]
            moved[pipeline] += move.size_bytes // MIB
    assert dict(moved) == PUBLISHED | {"sales": 300}
