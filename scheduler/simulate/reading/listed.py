"""The API's objects as kubectl lists them, or as their manifests: a cluster, with what runs in it and what waits.

Pods with a node stay there, those without are the work, and who is finished, or deleted unplaced, is left out. How
long a pod works is known as far as it says so itself: by its annotations or, in the manifests of the earlier
implementation's benchmark, by the variable that its workload simulator reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import core, crd, decoding
from scheduler.api import services as selects
from scheduler.simulate import scenario
from scheduler.simulate.reading import assembling, making

_DURATION: Final = "WORKLOAD_DURATION"
_FINISHED: Final = ("Succeeded", "Failed")
_LIST: Final = "List"
_NAMESPACE: Final = "default"  # of what names none, as kubectl takes it
T = TypeVar("T", core.Node, core.Pod, crd.NodeCapability, crd.DataObject, selects.Controller, selects.Service)


class _Variable(msgspec.Struct, frozen=True):
    name: str = ""
    value: str = ""


class _Container(msgspec.Struct, frozen=True):
    env: tuple[_Variable, ...] = ()


class _Spec(msgspec.Struct, frozen=True):
    containers: tuple[_Container, ...] = ()


class _Simulated(msgspec.Struct, frozen=True):
    """Of a pod, what only a simulation reads."""

    spec: _Spec = _Spec()


def part(documents: Sequence[Mapping[str, Any]], where: str) -> assembling.Part:
    """A file of objects, or of lists of objects; kinds that placing does not read are passed over.

    Raises:
        InputError: an object cannot be read; names it and the field.
    """
    by_kind: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for at, item in _items(documents, where):
        kind = item.get("kind")
        if isinstance(kind, str):
            by_kind.setdefault(kind, []).append((at, item))
    pods = list(_pods(by_kind.get("Pod", ())))
    return assembling.Part(
        where=where,
        nodes=tuple(_converted(by_kind.get("Node", ()), core.Node, namespace="")),
        capabilities=tuple(_converted(by_kind.get("NodeCapability", ()), crd.NodeCapability, namespace="")),
        objects=tuple(_converted(by_kind.get("DataObject", ()), crd.DataObject)),
        controllers=tuple(_converted(by_kind.get("ReplicaSet", ()), selects.Controller)),
        services=tuple(_converted(by_kind.get("Service", ()), selects.Service)),
        running=tuple(_without_claims(work.pod) for work in pods if work.pod.spec.node_name),
        works=tuple(work for work in pods if not work.pod.spec.node_name),
        spreads_data=not any(_is_list(document) for document in documents),
    )


def _is_list(document: Mapping[str, Any]) -> bool:
    return str(document.get("kind")).endswith(_LIST) and "items" in document


def _items(documents: Sequence[Mapping[str, Any]], where: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each object, and how messages name it. A list of one kind (PodList) need not say the kind of each."""
    for number, document in enumerate(documents):
        if not _is_list(document):
            yield _place(where, f"document {number + 1}", document), document
            continue
        items = document["items"]
        if not isinstance(items, list):
            raise errors.InputError(f"{where}: items", "", "write a list of objects, as kubectl prints it")
        kind = str(document["kind"]).removesuffix(_LIST)
        for index, item in enumerate(items):
            if not isinstance(item, Mapping):
                raise errors.InputError(f"{where}: items[{index}]", item, "write an object, as kubectl prints it")
            yield _place(where, f"items[{index}]", item), {"kind": kind} | dict(item) if kind else item


def _place(where: str, position: str, item: Mapping[str, Any]) -> str:
    meta = item.get("metadata")
    name = meta.get("name") if isinstance(meta, Mapping) else None
    return f"{where}: {position} {decoding.shown_key(name)}" if isinstance(name, str) else f"{where}: {position}"


def _converted(
    items: Sequence[tuple[str, Mapping[str, Any]]], kind: type[T], *, namespace: str = _NAMESPACE
) -> Iterator[T]:
    """The objects of one kind; those that are of no namespace are of ``namespace``."""
    for at, item in items:
        one = decoding.convert(item, kind, at)
        if not one.metadata.name:
            raise errors.InputError(f"{at}: metadata.name", "", "missing; write one")
        meta = msgspec.structs.replace(one.metadata, namespace=one.metadata.namespace or namespace)
        yield msgspec.structs.replace(one, metadata=meta)


def _pods(items: Sequence[tuple[str, Mapping[str, Any]]]) -> Iterator[scenario.Work]:
    for (at, item), pod in zip(items, _converted(items, core.Pod), strict=True):
        is_over = pod.status.phase in _FINISHED or (pod.metadata.deletion_timestamp and not pod.spec.node_name)
        if not is_over:
            meta = msgspec.structs.replace(pod.metadata, uid=pod.metadata.uid or pod.key)
            found = msgspec.structs.replace(pod, metadata=meta)
            yield scenario.Work(pod=found, works_s=_works_s(item, found, at))


def _works_s(item: Mapping[str, Any], pod: core.Pod, at: str) -> float:
    """How long a pod says that it works."""
    simulated = decoding.convert(item, _Simulated, at)
    for container in simulated.spec.containers:
        for variable in container.env:
            if variable.name == _DURATION:
                return making.seconds(variable.value, f"{at}: {_DURATION}")
    return intents.parse(pod.metadata.annotations)[0].processing_s


def _without_claims(pod: core.Pod) -> core.Pod:
    """A pod that runs has its volumes and devices; that they are elsewhere keeps nobody from anything here."""
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, volumes=(), resource_claims=()))
