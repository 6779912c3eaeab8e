"""What is compared: each piece of work on each topology it can run on, placed by each arm."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from benchmarks.quality import scenarios
from benchmarks.quality.scenarios import generated, instances, patterns, synthetic, topologies, variants
from scheduler.simulate import scenario

PIPELINES: Final = "pipelines"
OWN: Final = "own"
"""The topology of work that brings its own nodes."""
_BATCHES: Final[Mapping[str, tuple[int, int]]] = {"batch-64x50": (64, 50), "batch-128x60": (128, 60)}
_MIXES: Final = {f"mix-{tasks}": tasks for tasks in generated.TASKS[:2]}  # of a workflow of each recipe, of such a size
_GENERATED: Final = {each.name: each for each in generated.ALL}
_GAPS_S: Final[Mapping[str, float]] = {"bursts": 15.0, "bursts-dense": 3.0}  # between bursts, in the mean
_VARIED: Final = (
    *(one.name for one in generated.ALL if one.tasks == generated.TASKS[0]),
    f"mix-{generated.TASKS[0]}",
    *_GAPS_S,
)
_UNDECLARED: Final = "-undeclared"
_IMAGES: Final = "-images"
_REGISTRIES: Final[Mapping[str, variants.Place]] = {  # by topology; of the cluster as far away as another region
    "cluster": variants.Place("elsewhere", ""),
    "edge": variants.Place("west", "cloud"),
    "regions": variants.Place("america", "america-a"),
}

WORKS: Final = (
    *_GENERATED,
    *instances.NAMES,
    *patterns.NAMES,
    *_MIXES,
    *_GAPS_S,
    *_BATCHES,
    PIPELINES,
    *(f"{work}{variant}" for variant in (_UNDECLARED, _IMAGES) for work in _VARIED),
)


class Case(NamedTuple):
    """A run: what is placed where, by whom, with which draws."""

    work: str
    topology: str
    arm: str
    seed: int

    def __str__(self) -> str:
        return f"{self.work} on {self.topology} by {self.arm}, seed {self.seed}"


def all_of(works: Sequence[str], on: Sequence[str], arms: Sequence[str], seeds: Sequence[int]) -> Iterator[Case]:
    """Every case; those that are compared with each other follow each other, so that an early end leaves whole rows.

    Args:
        works: Patterns of names, as of files.
        on: The topologies.
        arms: Who places.
        seeds: Of all draws.
    """
    for seed in seeds:
        for work in WORKS:
            if not any(fnmatch.fnmatch(work, each) for each in works):
                continue
            for topology in (OWN,) if work in _BATCHES or work == PIPELINES else on:
                for arm in arms:
                    yield Case(work, topology, arm, seed)


def make(case: Case) -> scenario.Scenario:
    """The scenario of a case.

    Raises:
        RuntimeError: its workflow has to be generated, and cannot be.
    """
    if case.work.endswith(_UNDECLARED):
        return variants.undeclared(make(case._replace(work=case.work.removesuffix(_UNDECLARED))))
    if case.work.endswith(_IMAGES):
        plain = make(case._replace(work=case.work.removesuffix(_IMAGES)))
        return variants.with_images(plain, _REGISTRIES[case.topology], case.seed)
    if case.work == PIPELINES:
        return scenarios.pipelines()
    if case.work in _BATCHES:
        pods, nodes = _BATCHES[case.work]
        return synthetic.batch(pods, nodes, case.seed)
    topology = topologies.part(case.topology)
    if case.work in _GAPS_S:
        return synthetic.bursts(topology, case.seed, mean_gap_s=_GAPS_S[case.work])
    if case.work in _MIXES:
        together = [one for one in generated.ALL if one.tasks == _MIXES[case.work]]
        return scenarios.mix(topology, case.seed, together)
    if case.work in _GENERATED:
        found = scenarios.workflows([_GENERATED[case.work]])
    else:
        found = scenarios.real() if case.work in instances.NAMES else scenarios.shapes()
    return dict(found)[case.work](topology)
