"""What pods are expected to have under way, by names, as it stands in questions; times are seconds since 1970."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Rate = Annotated[float, msgspec.Meta(gt=0)]


class Place(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """Where nodes are that look alike to the network."""

    region: str = ""
    zone: str = ""
    node_type: str = ""


class Passage(msgspec.Struct, rename="camel", omit_defaults=True, frozen=True):
    """What transfers share: a node's ``store``, its way ``out`` or ``in``, or the ``link`` between two places."""

    kind: Literal["store", "out", "in", "link"]
    bytes_per_second: Rate
    node: str = ""
    source: Place = msgspec.field(name="from", default=Place())
    target: Place = msgspec.field(name="to", default=Place())


class Transfer(msgspec.Struct, rename="camel", frozen=True):
    """A transfer of a pod (``uid``)."""

    uid: str
    via: tuple[Passage, ...]
    size_bytes: Annotated[int, msgspec.Meta(ge=0)]
    begins_at: float
    ends_at: float


class Fetched(msgspec.Struct, rename="camel", frozen=True):
    """An input of a namespace's pods that a node has, or gets, and keeps."""

    uid: str
    namespace: str
    urn: str
    node: str
    ends_at: float
