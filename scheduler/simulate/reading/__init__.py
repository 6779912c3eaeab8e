"""What a simulation is made of, read from files of which each tells by its content what it is.

    our own format            docs/simulate-format.md; YAML or JSON, the whole or a part (nodes here, pods there)
    the API's objects         as `kubectl get ... --output json` lists them, or as manifests
    an earlier benchmark      benchmark_config.yaml of the earlier implementation, with workloads/ beside it
    a workflow instance       WfFormat 1.3 to 1.6 (https://wfcommons.org/format)

Several files add up to one scenario: a topology and a workflow, the lists of several kinds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scheduler import errors, sections
from scheduler.simulate import scenario
from scheduler.simulate.reading import assembling, earlier, expanding, listed, ours, wfformat

_Told = assembling.Part | tuple[ours.File, str]  # a file of our own format and where it is, as others may tell sizes


def read(paths: Sequence[Path]) -> scenario.Scenario:
    """One scenario of all files.

    Raises:
        InputError: one cannot be read, or they do not add up to a scenario; says where and what to do.
    """
    told = [each for path in paths for each in _told(path)]
    known: dict[str, int] = {}
    for each in told:
        if isinstance(each, assembling.Part):
            known |= {obj.spec.urn: obj.status.size_bytes for obj in each.objects if obj.status.size_bytes}
        else:
            known |= expanding.sizes(*each)
    return assembling.assemble(
        [each if isinstance(each, assembling.Part) else expanding.expand(each[0], known, each[1]) for each in told]
    )


def _told(path: Path) -> Sequence[_Told]:
    where = str(path)
    documents = sections.load_all(path)
    if not documents:
        raise errors.InputError(
            where, "", "nothing in it; write nodes, pods or what else docs/simulate-format.md tells"
        )
    objects = [document for document in documents if "kind" in document]
    found = [_of(document, path, where) for document in documents if "kind" not in document]
    return [*found, listed.part(objects, where)] if objects else found


def _of(document: Mapping[str, Any], path: Path, where: str) -> _Told:
    if wfformat.is_instance(document):
        return wfformat.part(document, where)
    if earlier.is_configuration(document):
        return earlier.part(document, path)
    if ours.KEYS.isdisjoint(document):
        told = "nodes, pods or another key of docs/simulate-format.md, kind, schemaVersion or workloads"
        raise errors.InputError(where, "", f"none of the formats that are read here; write a file with {told}")
    return ours.parse(document, where), where
