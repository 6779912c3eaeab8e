"""What may be changed, as values, and how each is written: on a command line, and in a file of several.

    - cordon: worker-3
    - add-node: like:worker-3,zone=z2
    - add-replica: [photos/2026.tar=worker-7, photos/2025.tar=worker-7]

is a file (``-f``): a list of options with their values, without the dashes, which count in the order in which they
stand.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import yaml

from scheduler import errors, sections
from scheduler.api import units, urns

_RATE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKMGT]?)(i?)(B|bit|b)(?:/s|ps)")
_POWERS: Final = {"": 0, "k": 1, "K": 1, "M": 2, "G": 3, "T": 4}
_BITS_PER_BYTE: Final = 8
_LIKE: Final = "like:"
MOST_NODES: Final = 1000

# The keys of the configuration that weigh a criterion: its name here, after that of the kind of pod.
_CRITERIA: Final = {
    "resources": "ResourceWeight",
    "affinity": "NodeAffinityWeight",
    "nodeType": "NodeTypeWeight",
    "capability": "CapabilitiesWeight",
    "data": "DataLocalityWeight",
}
_KINDS: Final = {"default": "", "data-intensive": "dataIntensive", "compute-intensive": "computeIntensive"}


@dataclasses.dataclass(frozen=True, slots=True)
class Cordon:
    """No new pods on a node, or (``is_undone``) again some."""

    node: str
    is_undone: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Drain:
    """A node is cordoned, and its pods go but for those of DaemonSets, which have to be placed anew."""

    node: str


@dataclasses.dataclass(frozen=True, slots=True)
class RemoveNode:
    """A node is gone with all that is on it; its pods have to be placed anew, likewise."""

    node: str


@dataclasses.dataclass(frozen=True, slots=True)
class LikeNode:
    """Nodes as another one is, empty; "" leaves what that one has.

    Attributes:
        name: Of the first one; "" for one made of that of ``like``.
        kind: ``edge`` or ``cloud``.
    """

    like: str
    name: str = ""
    region: str = ""
    zone: str = ""
    kind: str = ""
    count: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class NodeFile:
    """Nodes, and NodeCapabilities of the same names, as a file describes them."""

    path: str


@dataclasses.dataclass(frozen=True, slots=True)
class Copy:
    """A urn can be had from a node, or (``is_removed``) cannot any more."""

    urn: str
    node: str
    is_removed: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Size:
    """A urn is so big, and as much of it is read."""

    urn: str
    size_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """What a transfer from one node to another meets, as if an administrator had declared it; None: as it is."""

    source: str
    target: str
    bytes_per_s: float
    latency_s: float | None = None


@dataclasses.dataclass(frozen=True)
class Configured:
    """Keys of the configuration that are set."""

    keys: Mapping[str, Any]


Change = Cordon | Drain | RemoveNode | LikeNode | NodeFile | Copy | Size | Link | Configured


def of_option(name: str, text: str) -> list[Change]:
    """What an option says, by its name without dashes; a link that goes both ways is two changes.

    Raises:
        InputError: it cannot be read; says what to write.
    """
    if name not in OPTIONS:
        near = sections.nearest(name, tuple(OPTIONS))
        remedy = f"did you mean {near}?" if near else f"write one of {', '.join(OPTIONS)}"
        raise errors.InputError("change", name, f"unknown; {remedy}")
    found = OPTIONS[name].read(f"--{name}", text.strip())
    return list(found) if isinstance(found, Sequence) else [found]


def of_file(content: bytes, where: str) -> list[Change]:
    """All that a file says, in its order.

    Raises:
        InputError: it is no such file, or a change in it cannot be read.
    """
    try:
        told = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise errors.InputError(where, "", f"not YAML: {' '.join(str(error).split())[:300]}") from error
    told = told.get("changes", told) if isinstance(told, dict) else told
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise errors.InputError(where, "", "write a list of changes, such as - cordon: worker-3")
    found: list[Change] = []
    for one in told:
        for name, value in one.items():
            for text in value if isinstance(value, list) else [value]:
                found += of_option(str(name), str(text))
    return found


def _node(_: str, text: str) -> str:
    if not text:
        raise errors.InputError("node", text, "write a node's name")
    return text


def _pair(where: str, text: str, form: str) -> tuple[str, str]:
    """What stands before and after the last ``=``."""
    first, equals, second = (part.strip() for part in text.rpartition("="))
    if not equals or not first or not second:
        raise errors.InputError(where, text, f"write {form}")
    return first, second


def _urn(where: str, text: str, form: str) -> tuple[str, str]:
    urn, value = _pair(where, text, form)
    if fault := urns.fault(urn):
        raise errors.InputError(where, urn, fault)
    return urn, value


def _copy(where: str, text: str) -> Copy:
    return Copy(*_urn(where, text, "URN=NODE, such as photos/2026.tar=worker-7"))


def _removed_copy(where: str, text: str) -> Copy:
    return dataclasses.replace(_copy(where, text), is_removed=True)


def _size(where: str, text: str) -> Size:
    urn, value = _urn(where, text, "URN=SIZE, such as photos/2026.tar=2Gi")
    try:
        return Size(urn, units.quantity(value))
    except errors.InputError as error:
        raise errors.InputError(where, value, "not a size; write one such as 2Gi, 500M or 1048576") from error


def _added(where: str, text: str) -> LikeNode | NodeFile:
    if not text.startswith(_LIKE):
        return NodeFile(_node(where, text))
    like, *more = text.removeprefix(_LIKE).split(",")
    said: dict[str, str] = {}
    for part in more:
        key, value = _pair(where, part, "like:NODE[,name=N][,zone=Z][,region=R][,type=edge|cloud][,count=N]")
        if key not in {"name", "zone", "region", "type", "count"} or key in said:
            raise errors.InputError(where, part, "write each of name, zone, region, type and count once at most")
        said[key] = value
    if said.get("type", "edge") not in {"edge", "cloud"}:
        raise errors.InputError(where, said["type"], "write type=edge or type=cloud")
    count = said.get("count", "1")
    if not count.isascii() or not count.isdecimal() or not 1 <= int(count[:9]) <= MOST_NODES:
        raise errors.InputError(where, count, f"write count=1 to count={MOST_NODES}")
    places = said.get("name", ""), said.get("region", ""), said.get("zone", ""), said.get("type", "")
    return LikeNode(_node(where, like.strip()), *places, int(count))


def _link(where: str, text: str) -> list[Link]:
    form = "FROM>TO=RATE[,LATENCY], such as edge-1>cloud-1=100MBps,20ms; A<>B=RATE is both ways"
    ends, value = _pair(where, text, form)
    source, arrow, target = ends.partition(">")
    is_both = bool(arrow) and source.endswith("<")
    source, target = source.removesuffix("<").strip(), target.strip()
    if not source or not target or source == target:
        raise errors.InputError(where, text, f"write {form}")
    rate, comma, latency = value.partition(",")
    latency_s = units.duration_s(latency) if comma else None
    link = Link(source, target, _bytes_per_s(where, rate.strip()), latency_s)
    return [link, dataclasses.replace(link, source=target, target=source)] if is_both else [link]


def _bytes_per_s(where: str, text: str) -> float:
    found = _RATE.fullmatch(text)
    if found is None or not float(found[1]):
        raise errors.InputError(where, text, "not a rate; write one such as 100MBps (bytes), 80MiB/s or 1Gbps (bits)")
    number, prefix, binary, unit = found.groups()
    in_bytes = float(number) * (1024.0 if binary else 1000.0) ** _POWERS[prefix]
    return in_bytes if unit == "B" else in_bytes / _BITS_PER_BYTE


def _weight(where: str, text: str) -> Configured:
    name, value = _pair(where, text, "CRITERION=WEIGHT, such as data=2, or of one kind of pod, data-intensive.data=2")
    kind, dot, criterion = name.rpartition(".")
    if criterion not in _CRITERIA or (dot and kind not in _KINDS):
        raise errors.InputError(
            where, name, f"write one of {', '.join(_CRITERIA)}; before it, if at all, {', '.join(_KINDS)} and a dot"
        )
    kinds = [_KINDS[kind]] if dot else list(_KINDS.values())
    keys = [f"{prefix}{_CRITERIA[criterion]}" for prefix in kinds]
    return Configured({f"{key[0].lower()}{key[1:]}": _scalar(where, value) for key in keys})


def _set(where: str, text: str) -> Configured:
    key, equals, value = (part.strip() for part in text.partition("="))
    if not key or not equals:
        raise errors.InputError(where, text, "write KEY=VALUE, with a key of the configuration, such as tau=10s")
    return Configured({key: _scalar(where, value)})


def _scalar(where: str, text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise errors.InputError(where, text, "not YAML; write a number, true, false or a text") from error


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """How a change is written, and what it does, in a line."""

    metavar: str
    help: str
    read: Callable[[str, str], Change | Sequence[Change]]


OPTIONS: Final[dict[str, Option]] = {
    "add-node": Option(
        "FILE|like:NODE[,...]",
        "Nodes of a file, or empty ones like another: like:NODE[,name=..][,zone=..][,region=..][,type=..][,count=..].",
        _added,
    ),
    "size": Option("URN=SIZE", "Data is so big: photos/2026.tar=2Gi.", _size),
    "cordon": Option("NODE", "No new pods there.", lambda where, text: Cordon(_node(where, text))),
    "uncordon": Option("NODE", "New pods again.", lambda where, text: Cordon(_node(where, text), is_undone=True)),
    "drain": Option("NODE", "Cordoned, and its pods placed anew.", lambda where, text: Drain(_node(where, text))),
    "remove-node": Option("NODE", "Gone, with all data on it.", lambda where, text: RemoveNode(_node(where, text))),
    "add-replica": Option("URN=NODE", "A copy of data there.", _copy),
    "remove-replica": Option("URN=NODE", "No copy there any more.", _removed_copy),
    "link": Option("FROM>TO=RATE[,LATENCY]", "A link is so fast: a>b=100MBps,20ms; a<>b both ways.", _link),
    "weight": Option("CRITERION=WEIGHT", "resources, affinity, nodeType, capability or data counts so much.", _weight),
    "set": Option("KEY=VALUE", "A key of the configuration.", _set),
}
