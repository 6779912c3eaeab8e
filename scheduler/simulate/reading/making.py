"""The API's objects, made of the few words in which scenarios, workflows and topologies tell of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import core, crd, names, units, urns

STORE: Final = "store"
EVERY_BUCKET: Final = "*"  # stands for all that a scenario names, until it is put together

MAX_NODES: Final = 20_000
MAX_PODS: Final = 500_000
MAX_WAITS: Final = 3_000_000  # of one pod for one other, some 150 bytes each

_NAME: Final = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
_NAME_RULE: Final = "not a name; write lower-case letters, digits, hyphens and dots, such as edge-1"


def named(text: str, where: str) -> str:
    """A name as the API server takes it.

    Raises:
        InputError: it is none.
    """
    if _NAME.fullmatch(text):
        return text
    raise errors.InputError(where, text, _NAME_RULE)


def amount(value: core.Quantity, where: str) -> int:
    """A quantity in whole units, such as the bytes of "100Mi".

    Raises:
        InputError: it is none.
    """
    try:
        return units.quantity(value)
    except errors.InputError as error:
        raise error.at(where) from error


def seconds(value: str | float, where: str) -> float:
    """A duration such as "30s", or a number of seconds.

    Raises:
        InputError: it is none, or too long to be meant.
    """
    try:
        found_s = units.duration_s(value)
    except errors.InputError as error:
        raise error.at(where) from error
    if found_s > intents.MAX_PROCESSING_S:
        most = f"longer than anything lasts; write at most {intents.MAX_PROCESSING_S:g} s"
        raise errors.InputError(where, value, most)
    return found_s


def urn(text: str, where: str) -> str:
    """A urn.

    Raises:
        InputError: it is none.
    """
    if fault := urns.fault(text):
        raise errors.InputError(where, text, fault)
    return text


def numbers(count: int | None) -> Iterator[int | None]:
    """The numbers of so many alike, from 1; of one that has no count, None."""
    yield from (None,) if count is None else range(1, count + 1)


def numbered(text: str, number: int | None) -> str:
    """A text in which "{n}" is the number."""
    return text if number is None else text.replace("{n}", str(number))


def numbered_name(text: str, number: int | None, where: str) -> str:
    """The name of one of several, or of one alone.

    Raises:
        InputError: it is no name.
    """
    return named(numbered(text, number) if number is None or "{n}" in text else f"{text}-{number}", where)


def node(
    name: str,
    *,
    region: str = "",
    zone: str = "",
    node_type: str = "",
    resources: core.ResourceList,
    labels: Mapping[str, str] | None = None,
    taints: tuple[core.Taint, ...] = (),
    images: Sequence[core.ContainerImage] = (),
) -> core.Node:
    """A node that is ready; ``node_type`` is "edge", "cloud" or ""."""
    told = {names.REGION_LABEL: region, names.ZONE_LABEL: zone, names.NODE_TYPE_LABEL: node_type}
    return core.Node(
        metadata=core.ObjectMeta(
            name=name,
            uid=f"node-{name}",
            labels={names.HOSTNAME_LABEL: name}
            | {key: text for key, text in told.items() if text}
            | dict(labels or {}),
        ),
        spec=core.NodeSpec(taints=taints),
        status=core.NodeStatus(allocatable=resources, capacity=resources, images=tuple(images)),
    )


def capability(
    name: str, *, buckets: Sequence[str] = (), speed_mbps: int = 0, links: tuple[crd.Link, ...] = ()
) -> crd.NodeCapability:
    """What a node's daemon would say: a store for everybody with these buckets, the interface, the links."""
    stores = (crd.Store(name=STORE, available=True, buckets=tuple(buckets)),) if buckets else ()
    interfaces = (crd.Interface(name="eth0", speed_mbps=speed_mbps),) if speed_mbps else ()
    return crd.NodeCapability(
        metadata=core.ObjectMeta(name=name),
        status=crd.NodeCapabilityStatus(stores=stores, interfaces=interfaces, links=links),
    )


def data_object(
    name: str, size_bytes: int, places: Iterable[str], *, namespace: str = names.HOME_NAMESPACE
) -> crd.DataObject:
    """Data that lies on nodes, or at ``external:REGION/ZONE``; in the scheduler's namespace it is for everybody."""
    replicas = tuple(_replica(place, size_bytes) for place in places)
    return crd.DataObject(
        metadata=core.ObjectMeta(
            name=f"data-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:20]}", namespace=namespace
        ),
        spec=crd.DataObjectSpec(urn=name),
        status=crd.DataObjectStatus(size_bytes=size_bytes, replicas=replicas),
    )


def pod(
    name: str,
    *,
    namespace: str = "default",
    intent: intents.Intent,
    resources: core.ResourceList,
    image: str = "",
    labels: Mapping[str, str] | None = None,
    notes: Mapping[str, str] | None = None,
    spec: core.PodSpec | None = None,
) -> core.Pod:
    """A pod of one container. ``spec`` has what is not said here, ``notes`` further annotations."""
    given = spec or core.PodSpec(scheduler_name=names.SCHEDULER_NAME)
    container = core.Container(name="main", image=image, resources=core.Resources(requests=resources))
    return core.Pod(
        metadata=core.ObjectMeta(
            name=name,
            namespace=namespace,
            uid=f"{namespace}/{name}",
            labels=dict(labels or {}),
            annotations=intents.format(intent) | dict(notes or {}),
        ),
        spec=msgspec.structs.replace(given, containers=(container, *given.containers)),
    )


def _replica(place: str, size_bytes: int) -> crd.Replica:
    inside = f"{names.EXTERNAL}:"
    if not place.startswith(inside):
        return crd.Replica(node=place, store=STORE, size_bytes=size_bytes, available=True)
    region, _, zone = place.removeprefix(inside).partition("/")
    return crd.Replica(node=names.EXTERNAL, region=region, zone=zone, size_bytes=size_bytes, available=True)
