"""Puts together what several files say: one cluster, its data and its work, checked as a whole.

A topology, a workflow and a dump know nothing of each other, so that what only the whole can tell is settled here:
which buckets "*" stands for, and where data lies that pods read, that nobody writes and of which nobody says where it
is. Such data lies in the stores of its bucket, in turn, as if whoever brought it had spread it evenly.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from scheduler import config, errors
from scheduler.api import annotations as intents
from scheduler.api import core, crd, names
from scheduler.api import services as selects
from scheduler.simulate import checking, scenario
from scheduler.simulate.reading import making

T = TypeVar("T")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What one file says of a scenario; the fields are a Scenario's.

    Attributes:
        where: The file, as messages name it.
        settings: None where it says nothing of them.
        spreads_data: Whether data of which nobody says where it is lies in the stores of its bucket, in turn. What is
            listed of a real cluster is complete: there, each of them has all that the bucket is said to have.
    """

    where: str
    name: str = ""
    settings: config.Settings | None = None
    nodes: tuple[core.Node, ...] = ()
    capabilities: tuple[crd.NodeCapability, ...] = ()
    objects: tuple[crd.DataObject, ...] = ()
    controllers: tuple[selects.Controller, ...] = ()
    services: tuple[selects.Service, ...] = ()
    running: tuple[core.Pod, ...] = ()
    works: tuple[scenario.Work, ...] = ()
    images: tuple[scenario.Image, ...] = ()
    outages: tuple[scenario.Outage, ...] = ()
    keeps_inputs: bool = False
    spreads_data: bool = True


def assemble(parts: Sequence[Part]) -> scenario.Scenario:
    """One scenario of all parts.

    Raises:
        InputError: they contradict each other, or something that is named is nowhere.
    """
    where = ", ".join(part.where for part in parts)
    found = scenario.Scenario(
        name=" + ".join(dict.fromkeys(part.name for part in parts if part.name)) or where,
        settings=_settings(parts),
        nodes=tuple(_once("node", [(part, node, node.metadata.name) for part in parts for node in part.nodes])),
        capabilities=tuple(
            _once("NodeCapability", [(part, one, one.metadata.name) for part in parts for one in part.capabilities])
        ),
        objects=tuple(
            _once(
                "DataObject",
                [
                    (part, one, f"{one.metadata.namespace}/{one.metadata.name}")
                    for part in parts
                    for one in part.objects
                ],
            )
        ),
        controllers=tuple(one for part in parts for one in part.controllers),
        services=tuple(one for part in parts for one in part.services),
        running=tuple(_once("pod", [(part, pod, pod.key) for part in parts for pod in part.running])),
        works=tuple(_once("pod", [(part, work, work.pod.key) for part in parts for work in part.works])),
        images=tuple(_once("image", [(part, image, image.name) for part in parts for image in part.images])),
        outages=tuple(one for part in parts for one in part.outages),
        keeps_inputs=any(part.keeps_inputs for part in parts),
    )
    if not found.nodes:
        raise errors.InputError(where, "", "no nodes; name a file with nodes too, as docs/simulate-format.md tells")
    _check_objects([obj for part in parts if part.spreads_data for obj in part.objects], found, where)
    try:
        checking.check(found)
    except errors.InputError as error:
        raise error.at(f"{where}: {error.where}") from error
    buckets = _buckets(found)
    found = msgspec.structs.replace(
        found, capabilities=tuple(_with_every_bucket(one, buckets) for one in found.capabilities)
    )
    spread = [work for part in parts if part.spreads_data for work in part.works]
    return msgspec.structs.replace(found, objects=(*found.objects, *_lying(found, spread)))


def _settings(parts: Sequence[Part]) -> config.Settings:
    given = [part for part in parts if part.settings is not None]
    if len(given) > 1:
        raise errors.InputError(given[1].where, "settings", f"{given[0].where} has settings too; keep one of them")
    return given[0].settings or config.Settings() if given else config.Settings()


def _once(kind: str, told: Iterable[tuple[Part, T, str]]) -> Iterator[T]:
    first: dict[str, Part] = {}
    for part, one, name in told:
        if name in first:
            before = "" if first[name] is part else f", in {first[name].where}"
            raise errors.InputError(f"{part.where}: {kind}", name, f"another one has this name{before}; keep one")
        first[name] = part
        yield one


def _check_objects(objects: Iterable[crd.DataObject], found: scenario.Scenario, where: str) -> None:
    nodes = {node.metadata.name for node in found.nodes} | {names.EXTERNAL}
    for obj in objects:
        for copy in obj.status.replicas:
            if copy.node not in nodes:
                where = f"{where}: objects: {obj.spec.urn}"
                raise errors.InputError(where, copy.node, "no such node; name one of the nodes")


def _buckets(found: scenario.Scenario) -> tuple[str, ...]:
    """All buckets that anything names."""
    urns = [obj.spec.urn for obj in found.objects]
    for pod in (*found.running, *(work.pod for work in found.works)):
        intent, _ = intents.parse(pod.metadata.annotations)
        urns += [transfer.urn for transfer in (*intent.inputs, *intent.outputs)]
    told = {bucket for one in found.capabilities for store in one.status.stores for bucket in store.buckets}
    return tuple(sorted({urn.partition("/")[0] for urn in urns} | told - {making.EVERY_BUCKET}))


def _with_every_bucket(one: crd.NodeCapability, buckets: tuple[str, ...]) -> crd.NodeCapability:
    stores = tuple(
        msgspec.structs.replace(store, buckets=buckets) if making.EVERY_BUCKET in store.buckets else store
        for store in one.status.stores
    )
    if stores == one.status.stores:
        return one
    return msgspec.structs.replace(one, status=msgspec.structs.replace(one.status, stores=stores))


def _lying(found: scenario.Scenario, works: Sequence[scenario.Work]) -> Iterator[crd.DataObject]:
    """Data that is read, that nobody writes, and of which nothing else says where it is."""
    told = {obj.spec.urn for obj in found.objects}
    sizes: dict[str, int] = {}
    for work in works:
        intent, _ = intents.parse(work.pod.metadata.annotations)
        told.update(transfer.urn for transfer in intent.outputs)
        for transfer in intent.inputs:
            sizes[transfer.urn] = max(transfer.size_bytes, sizes.get(transfer.urn, 0))
    holders = {bucket: itertools.cycle(nodes) for bucket, nodes in _holders(found).items()}
    for urn, size_bytes in sizes.items():
        turns = holders.get(urn.partition("/")[0])
        if urn not in told and "/" in urn and turns is not None:
            yield making.data_object(urn, size_bytes, [next(turns)])


def _holders(found: scenario.Scenario) -> Mapping[str, list[str]]:
    """By bucket, the nodes with a store that has it, as they are listed."""
    holders: dict[str, list[str]] = {}
    for one in found.capabilities:
        for bucket in dict.fromkeys(bucket for store in one.status.stores for bucket in store.buckets):
            holders.setdefault(bucket, []).append(one.metadata.name)
    return holders
