"""The benchmark of the earlier implementation: its configuration names workloads, whose manifests lie beside it.

The workloads come one after another, as its runner waits for one before it begins the next (unless ``parallel_runs``),
each as often as its ``iterations`` say; the pods of one come at once, in the order of their file. Pods of several
workloads may have one name, as they never met there: from the second on, the name gets a number. What its runner sets
up otherwise (storage, schedulers, metrics) is the topology's business and the simulator's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from scheduler import errors, sections
from scheduler.api import decoding
from scheduler.simulate import scenario
from scheduler.simulate.reading import assembling, listed, making

_WORKLOADS: Final = "workloads"
_MAX_ITERATIONS: Final = 1000


class _Workload(msgspec.Struct, frozen=True):
    name: str
    iterations: int = 1


class _Execution(msgspec.Struct, frozen=True):
    parallel_runs: bool = False


class _Configuration(msgspec.Struct, frozen=True):
    """What is read of the configuration."""

    workloads: tuple[_Workload, ...]
    name: str = ""
    execution: _Execution = _Execution()


def is_configuration(document: Mapping[str, Any]) -> bool:
    """Whether a file's content is such a configuration."""
    return _WORKLOADS in document


def part(document: Mapping[str, Any], path: Path) -> assembling.Part:
    """The pods of all workloads that the configuration at ``path`` lists.

    Raises:
        InputError: it, or a workload's file, cannot be read.
    """
    configuration = decoding.convert(document, _Configuration, str(path))
    works: list[scenario.Work] = []
    taken: dict[str, int] = {}
    before: tuple[str, ...] = ()
    for index, workload in enumerate(configuration.workloads):
        at = f"{path}: workloads[{index}]"
        if not 1 <= workload.iterations <= _MAX_ITERATIONS:
            most = f"write a number from 1 to {_MAX_ITERATIONS}"
            raise errors.InputError(f"{at}.iterations", workload.iterations, most)
        pods = _pods(workload.name, path, at)
        for _ in range(workload.iterations):
            these = [msgspec.structs.replace(_renamed(work, taken), after=before) for work in pods]
            if not configuration.execution.parallel_runs:
                before = tuple(work.pod.key for work in these) or before
            works += these
            if len(works) > making.MAX_PODS:
                most = f"so many pods in all are too many for one simulation; have them be {making.MAX_PODS} at most"
                raise errors.InputError(f"{at}.iterations", len(works), most)
    return assembling.Part(where=str(path), name=configuration.name, works=tuple(works))


def _pods(workload: str, path: Path, at: str) -> list[scenario.Work]:
    if Path(workload).name != workload or not workload.isprintable():
        raise errors.InputError(
            f"{at}.name", workload, f"not the name of a file in {_WORKLOADS}/; write one without .yaml"
        )
    file = path.parent / _WORKLOADS / f"{workload}.yaml"
    return list(listed.part(sections.load_all(file), str(file)).works)


def _renamed(work: scenario.Work, taken: dict[str, int]) -> scenario.Work:
    """With a name, and the uid that is made of it, that no pod before has."""
    meta = work.pod.metadata
    key = work.pod.key
    taken[key] = taken.get(key, 0) + 1
    if taken[key] == 1:
        return work
    name = f"{meta.name}-{taken[key]}"
    meta = msgspec.structs.replace(meta, name=name, uid=f"{meta.namespace}/{name}")
    return msgspec.structs.replace(work, pod=msgspec.structs.replace(work.pod, metadata=meta))
