"""Workflow instances in WfFormat: tasks become pods, files objects of one bucket, and the tasks' runtimes their work.

Source: https://github.com/wfcommons/WfFormat, the schema of 1.5 and 1.6, in which what was asked for (specification)
and what was measured (execution) stand apart, and that of 1.3 and 1.4, in which a task holds both.

A task asks for the cores that it was given and the memory that it had, and for one core and 64 MiB at least, as many
instances tell neither. Of a task with more inputs than a pod may name the largest are named, and so are its outputs.
"""

from __future__ import annotations

import collections
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import core, decoding
from scheduler.simulate import scenario
from scheduler.simulate.reading import assembling, making

BUCKET: Final = "workflow"
NAMESPACE: Final = "workflow"
_MIN_MEMORY_BYTES: Final = 64 * 2**20

_Seconds = Annotated[float, msgspec.Meta(ge=0, le=intents.MAX_PROCESSING_S)]
_Cores = Annotated[float, msgspec.Meta(ge=0, le=1e6)]
_Bytes = Annotated[float, msgspec.Meta(ge=0, le=2**62)]
_MAX_NAME: Final = 60
_MAX_KEY: Final = 500
_UNNAMEABLE: Final = re.compile(r"[^a-z0-9]+")
_UNUSABLE: Final = re.compile(r"[^A-Za-z0-9._/-]+")


class _File(msgspec.Struct, rename="camel", frozen=True):
    """A file of the whole (1.5) or, with the direction in ``link``, of one task (before)."""

    id: str = ""
    name: str = ""
    path: str = ""
    link: str = ""
    size_in_bytes: _Bytes = 0
    size: _Bytes = 0  # in 1.3


class _Task(msgspec.Struct, rename="camel", frozen=True):
    """A task: as asked for, as measured, or (before 1.5) both."""

    id: str = ""
    name: str = ""
    parents: tuple[str, ...] = ()
    input_files: tuple[str, ...] = ()
    output_files: tuple[str, ...] = ()
    files: tuple[_File, ...] = ()
    runtime_in_seconds: _Seconds = 0.0
    runtime: _Seconds = 0.0  # in 1.3
    core_count: _Cores = 0.0
    cores: _Cores = 0.0  # before 1.5
    memory_in_bytes: _Bytes = 0.0


class _Specification(msgspec.Struct, frozen=True):
    tasks: tuple[_Task, ...] = ()
    files: tuple[_File, ...] = ()


class _Execution(msgspec.Struct, frozen=True):
    tasks: tuple[_Task, ...] = ()


class _Workflow(msgspec.Struct, frozen=True):
    specification: _Specification | None = None
    execution: _Execution = _Execution()
    tasks: tuple[_Task, ...] = ()


class _Instance(msgspec.Struct, frozen=True):
    workflow: _Workflow
    name: str = ""


def is_instance(document: Mapping[str, Any]) -> bool:
    """Whether a file's content is such an instance."""
    return "schemaVersion" in document and "workflow" in document


def part(document: Mapping[str, Any], where: str) -> assembling.Part:
    """The pods of an instance, all of which arrive at once; each comes after its parents.

    Raises:
        InputError: something cannot be read, or has no name by which others could refer to it.
    """
    instance = decoding.convert(document, _Instance, where)
    workflow = instance.workflow
    specification = workflow.specification
    tasks = workflow.tasks if specification is None else specification.tasks
    listed = () if specification is None else specification.files
    label = _slug(instance.name, "instance")
    keys = _Names()
    sizes = {file.id: int(file.size_in_bytes) for file in listed}
    sizes |= {_file_id(file): int(file.size_in_bytes or file.size) for task in tasks for file in task.files}
    pods = _pod_names(tasks, where)
    measured = {task.id: task for task in workflow.execution.tasks}
    works = []
    for index, task in enumerate(tasks):
        at = f"{where}: tasks[{index}]"
        runtime_s, resources = _measured(measured.get(task.id, task))
        reads = [*task.input_files, *(_file_id(file) for file in task.files if file.link.lower() == "input")]
        writes = [*task.output_files, *(_file_id(file) for file in task.files if file.link.lower() != "input")]
        inputs = list(_transfers(reads, sizes, keys, label, at))
        outputs = list(_transfers(writes, sizes, keys, label, at))
        declaring = inputs or outputs
        if declaring:
            declaring[0] = msgspec.structs.replace(declaring[0], processing_s=runtime_s)
        works.append(
            scenario.Work(
                pod=making.pod(
                    pods[_id(task)],
                    namespace=label,
                    intent=intents.Intent(inputs=tuple(inputs), outputs=tuple(outputs)),
                    resources=resources,
                ),
                after=tuple(f"{label}/{name}" for name in _parents(task, pods, at)),
                works_s=runtime_s,
            )
        )
    return assembling.Part(where=where, name=instance.name, works=tuple(works))


class _Names:
    """Texts made into such as may stand in a name, each into one of its own."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}
        self._taken: dict[str, int] = {}  # the number that was tried last for more of the same

    def of(self, text: str, plain: str) -> str:
        """The one of ``text``, which is like ``plain``."""
        if text not in self._given:
            name = plain
            while name in self._taken:
                self._taken[plain] += 1
                name = f"{plain}-{self._taken[plain]}"
            self._given[text] = name
            self._taken[name] = 1
        return self._given[text]


def _slug(text: str, otherwise: str) -> str:
    return _UNNAMEABLE.sub("-", text.lower())[:_MAX_NAME].strip("-") or otherwise


def _id(task: _Task) -> str:
    return task.id or task.name


def _file_id(file: _File) -> str:
    return f"{file.path}{file.id or file.name}"


def _pod_names(tasks: Sequence[_Task], where: str) -> Mapping[str, str]:
    """By task id and, where only one task has it, by name."""
    given = _Names()
    found: dict[str, str] = {}
    for index, task in enumerate(tasks):
        key = _id(task)
        if not key or key in found:
            fault = "another task has the same; give each its own" if key else "missing; write one"
            raise errors.InputError(f"{where}: tasks[{index}].id", key, fault)
        found[key] = given.of(key, _slug(key, "task"))
    names = collections.Counter(task.name for task in tasks)
    return {task.name: found[_id(task)] for task in tasks if names[task.name] == 1} | found


def _parents(task: _Task, pods: Mapping[str, str], at: str) -> Iterator[str]:
    for parent in dict.fromkeys(task.parents):
        if parent not in pods:
            raise errors.InputError(f"{at}.parents", parent, "no such task; name the id of one")
        yield pods[parent]


def _measured(task: _Task) -> tuple[float, core.ResourceList]:
    """A task's runtime in seconds, and what it asks for."""
    cores = max(1, math.ceil(task.core_count or task.cores))
    memory_bytes = max(_MIN_MEMORY_BYTES, math.ceil(task.memory_in_bytes))
    return task.runtime_in_seconds or task.runtime, {"cpu": str(cores), "memory": str(memory_bytes)}


def _transfers(
    files: Iterable[str], sizes: Mapping[str, int], keys: _Names, label: str, at: str
) -> Iterator[intents.Transfer]:
    """The largest of a task's files, as they are listed."""
    named = list(dict.fromkeys(files))
    for file in named:
        if file not in sizes:
            raise errors.InputError(f"{at}: file", file, "of unknown size; list it under files")
    kept = set(sorted(named, key=lambda file: -sizes[file])[: intents.MAX_TRANSFERS])
    for file in named:
        if file in kept:
            plain = _UNUSABLE.sub("_", file).strip("/")[-_MAX_KEY:] or "file"
            yield intents.Transfer(f"{BUCKET}/{label}/{keys.of(file, plain)}", sizes[file])
