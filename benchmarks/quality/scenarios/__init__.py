"""What placing is measured on: workflows, pipelines, batches, bursts and a crowd, on clusters of several kinds.

Each is a scenario of the simulator, the same from the same seed. What can run on any cluster is a maker that takes one
(benchmarks.quality.scenarios.topologies).
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
import numpy as np

from benchmarks.quality.scenarios import generated, instances, patterns, topologies
from scheduler import sections
from scheduler.simulate import reading, scenario
from scheduler.simulate.reading import assembling, wfformat

_FOLDER: Final = pathlib.Path(__file__).parent
_MEAN_GAP_S: Final = 60.0  # between workflows that come at random

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


def real() -> Iterator[tuple[str, Maker]]:
    """By name, what makes a scenario of a workflow that was really run (benchmarks.quality.scenarios.instances)."""
    for name in instances.NAMES:
        yield name, _on(name, instances.part(name))


def mix(topology: assembling.Part, seed: int, asked: Sequence[generated.Workflow]) -> scenario.Scenario:
    """Workflows that come one after another at random, and run beside each other; of each recipe one at most.

    Raises:
        RuntimeError: the workflows have to be generated, and cannot be.
    """
    folder = generated.folder(asked)
    chance = np.random.default_rng(seed)
    parts = [topology]
    arrives_s = 0.0
    for number in chance.permutation(len(asked)):
        path = folder / f"{asked[number].name}.json"
        part = wfformat.part(sections.load(path), path.name)
        works = tuple(msgspec.structs.replace(work, arrives_s=arrives_s) for work in part.works)
        parts.append(msgspec.structs.replace(part, works=works))
        arrives_s += float(chance.exponential(_MEAN_GAP_S))
    found = assembling.assemble(parts)
    return msgspec.structs.replace(found, name=f"{len(asked)} workflows on {topology.name}, seed {seed}")


def pipelines() -> scenario.Scenario:
    """Our equivalent of the earlier implementation's benchmark: 22 pods on six nodes in two regions."""
    found = reading.read([topologies.path("six"), _FOLDER / "pipelines.yaml"])
    return msgspec.structs.replace(found, name="five pipelines on six nodes")


def _on(name: str, work: assembling.Part) -> Maker:
    def make(topology: assembling.Part) -> scenario.Scenario:
        found = assembling.assemble([topology, work])
        return msgspec.structs.replace(found, name=f"{name} on {topology.name}")

    return make
