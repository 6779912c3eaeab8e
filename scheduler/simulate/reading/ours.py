"""Our own format of a scenario: short to write, YAML or JSON; docs/simulate-format.md describes it by an example.

The structs are the format, and their JSON schema is made of them (``schema``). An entry with a ``count`` stands for so
many alike, in whose names and urns "{n}" is the number of each, from 1.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec

from scheduler import errors, sections
from scheduler.api import core, decoding

Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
Seconds = str | float
Rate = Annotated[float, msgspec.Meta(ge=1e-6, le=1e9)]


class _Entry(msgspec.Struct, rename="camel", frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all: camelCase, and a key that nobody knows is refused."""


class Node(_Entry, frozen=True):
    """Nodes that are alike.

    Attributes:
        buckets: Of the S3 store on each of them; "*" is every bucket that anything names. Without any, no store.
        mbit_per_second: Of its network interface; without it, nothing but the links limits what a node moves.
        resources: Further ones, such as {nvidia.com/gpu: 1}.
        images: Which it has from the beginning.
    """

    name: str
    count: Count | None = None
    region: str = ""
    zone: str = ""
    type: Literal["edge", "cloud", ""] = ""
    cpu: core.Quantity = "4"
    memory: core.Quantity = "8Gi"
    pods: core.Count = 110
    resources: core.ResourceList = {}
    buckets: tuple[str, ...] = ()
    mbit_per_second: core.Count = 0
    labels: dict[str, str] = {}
    taints: tuple[core.Taint, ...] = ()
    images: tuple[str, ...] = ()


class Link(_Entry, frozen=True):
    """What transfers meet between two ends, each a node, a zone or REGION/ZONE, both ways or from the first only."""

    between: tuple[str, str]
    mbit_per_second: Rate
    latency: Seconds = 0.0
    one_way: bool = False


class Object(_Entry, frozen=True):
    """Data that is there from the beginning, on nodes or at external:REGION/ZONE; else in a store of its bucket."""

    urn: str
    size: core.Quantity
    count: Count | None = None
    at: tuple[str, ...] = ()


class Arrivals(_Entry, frozen=True):
    """When the pods of an entry come: at a steady pace, or by chance, so many a second; several of them at once."""

    every: Seconds | None = None
    poisson_per_second: Rate | None = None
    burst: Count = 1
    seed: core.Count = 0


class Pod(_Entry, frozen=True):
    """Pods that are alike.

    Attributes:
        node: Where it runs from the beginning, and stays; without it, the pod is to be placed.
        arrives: When it is created; with ``arrivals``, when the first may come at the earliest.
        after: Pods, or entries of several, that must have done their work before it may be placed.
        works: How long it works between its inputs and its outputs.
        declares: How long it says that it works, where that is something else.
        inputs, outputs: urn to size; a list of urns where all sizes are told elsewhere.
        spec: Whatever else a pod's spec may say, in the API's words.
    """

    name: str
    namespace: str = "default"
    count: Count | None = None
    cpu: core.Quantity = "100m"
    memory: core.Quantity = "128Mi"
    resources: core.ResourceList = {}
    image: str = ""
    priority: core.Int32 = 0
    node: str = ""
    arrives: Seconds = 0.0
    arrivals: Arrivals | None = None
    after: tuple[str, ...] = ()
    works: Seconds = 0.0
    declares: Seconds | None = None
    inputs: tuple[str, ...] | dict[str, core.Quantity] = ()
    outputs: dict[str, core.Quantity] = {}
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    spec: dict[str, Any] = {}


class Outage(_Entry, frozen=True):
    """A node is not there for a while; without an end, for ever."""

    node: str
    begins: Seconds
    ends: Seconds | None = None


class Image(_Entry, frozen=True):
    """A container image, and the node or external:REGION/ZONE that nodes pull it from."""

    name: str
    size: core.Quantity
    registry: str


class File(_Entry, frozen=True):
    """A scenario, or a part of one; ``settings`` is a configuration file's content (docs/configuration.md)."""

    name: str = ""
    settings: dict[str, Any] | None = None
    keeps_inputs: bool = False
    nodes: tuple[Node, ...] = ()
    links: tuple[Link, ...] = ()
    images: tuple[Image, ...] = ()
    objects: tuple[Object, ...] = ()
    pods: tuple[Pod, ...] = ()
    outages: tuple[Outage, ...] = ()


_ENTRIES: Final = (File, Node, Link, Object, Arrivals, Pod, Outage, Image)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
KEYS: Final = frozenset(field.encode_name for field in msgspec.structs.fields(File))


def parse(data: Mapping[str, Any], where: str) -> File:
    """A file's content.

    Raises:
        InputError: a key is unknown, or a value of the wrong type; names its place.
    """
    try:
        return decoding.convert(data, File, where)
    except errors.InputError as error:
        unknown = _UNKNOWN.fullmatch(error.remedy)
        if unknown is None:
            raise
        known = sorted({field.encode_name for entry in _ENTRIES for field in msgspec.structs.fields(entry)})
        near = sections.nearest(unknown[1], known)
        hint = f"did you mean {near}?" if near else "write one of those in docs/simulate-format.md"
        raise errors.InputError(error.where, unknown[1], f"unknown key; {hint}") from error


def schema() -> str:
    """The format as a JSON schema."""
    return json.dumps(msgspec.json.schema(File), indent=2)
