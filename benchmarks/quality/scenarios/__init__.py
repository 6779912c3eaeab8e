"""What placing is measured on: workflows, pipelines, batches, bursts and a crowd, on clusters of several kinds.

Each is a scenario of the simulator, the same from the same seed. What can run on any cluster is a maker that takes one
(benchmarks.quality.scenarios.topologies).
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from benchmarks.quality.scenarios import generated, patterns, topologies
from scheduler import sections
from scheduler.simulate import reading, scenario
from scheduler.simulate.reading import assembling, wfformat

_FOLDER: Final = pathlib.Path(__file__).parent

Maker = Callable[[assembling.Part], scenario.Scenario]


def workflows(asked: Sequence[generated.Workflow] = generated.ALL) -> Iterator[tuple[str, Maker]]:
    """By name, what makes a scenario of a workflow on a topology.

    Raises:
        RuntimeError: the workflows have to be generated, and cannot be.
    """
    folder = generated.folder(asked)
    for workflow in asked:
        path = folder / f"{workflow.name}.json"
        yield workflow.name, _on(workflow.name, wfformat.part(sections.load(path), path.name))


def shapes(seed: int = 1) -> Iterator[tuple[str, Maker]]:
    """By name, what makes a scenario of a small workflow of one shape (benchmarks.quality.scenarios.patterns)."""
    for name in patterns.NAMES:
        yield name, _on(name, patterns.part(name, seed))


def pipelines() -> scenario.Scenario:
    """Our equivalent of the earlier implementation's benchmark: 22 pods on six nodes in two regions."""
    found = reading.read([topologies.path("six"), _FOLDER / "pipelines.yaml"])
    return msgspec.structs.replace(found, name="five pipelines on six nodes")


def _on(name: str, work: assembling.Part) -> Maker:
    def make(topology: assembling.Part) -> scenario.Scenario:
        found = assembling.assemble([topology, work])
        return msgspec.structs.replace(found, name=f"{name} on {topology.name}")

    return make
