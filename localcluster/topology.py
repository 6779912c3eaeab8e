"""The topology file: which nodes a local cluster has.

    nodes:
      - name: edge-a            # with `count`, name-1, name-2, ...
        count: 1
        region: west            # topology.kubernetes.io/region
        zone: west-1            # topology.kubernetes.io/zone
        type: edge              # edge or cloud: the label node-capability/node-type
        cpu: 4                  # capacity and allocatable, as Kubernetes quantities
        memory: 8Gi
        pods: 110
        accelerators: {nvidia.com/gpu: 1}
        labels: {disk: ssd}
        taints: [{key: dedicated, value: gpu, effect: NoSchedule}]
        store: minio            # an S3 server runs on this node: minio, or versitygw, which announces no changes
        tls: true               # that server speaks TLS, with a certificate of the cluster's own authority
        minio: true             # the same as store: minio

Only `name` is required. A key or value that cannot be used is refused with a message that names it and the remedy, as a
typing mistake would otherwise show up much later, as pods that land on the wrong node.
"""

from __future__ import annotations

import dataclasses
import difflib
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from scheduler import errors

EDGE_CLOUD = pathlib.Path(__file__).parent / "topologies" / "edge-cloud.yaml"
"""The topology that is used when none is given."""

MAX_NODES = 20_000
MAX_STORES = 24  # a MinIO server takes about 100 MB of memory
STORES = ("minio", "versitygw")

Reader = Callable[[object, str], Any]
"""Takes a value and where it stands; returns what it means, or raises InputError."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_CPU = re.compile(r"[0-9]+(\.[0-9]{1,3})?|[0-9]+m")
_MEMORY = re.compile(r"[1-9][0-9]*([kMGT]|[KMGT]i)?")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@dataclass(frozen=True)
class Taint:
    """A taint of a node."""

    key: str
    effect: str
    value: str = ""


@dataclass(frozen=True)
class Node:
    """One node, as KWOK will play it."""

    name: str
    region: str = "region-1"
    zone: str = "region-1a"
    type: str = "cloud"
    cpu: str = "4"
    memory: str = "8Gi"
    pods: int = 110
    accelerators: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Taint] = ()
    minio: bool = False
    store: str = ""
    tls: bool = False

    @property
    def store_kind(self) -> str:
        """The S3 server that runs here, one of STORES, or "" for none."""
        return self.store or ("minio" if self.minio else "")


@dataclass(frozen=True)
class Topology:
    """All nodes of a cluster."""

    nodes: Sequence[Node]


def load(path: pathlib.Path) -> Topology:
    """Read a topology file.

    Raises:
        errors.InputError: The file cannot be read, or something in it cannot be used.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise errors.InputError("topology file", str(path), f"cannot be read: {error}") from error
    return parse(text, where=path.name)


def parse(text: str, *, where: str = "topology") -> Topology:
    """Read a topology from YAML text; ``where`` begins the messages of errors."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise errors.InputError(where, text, f"is not YAML: {error}") from error
    if not isinstance(document, dict):
        raise errors.InputError(where, document, "must be a mapping with the key `nodes`")
    _refuse_unknown(document, ("nodes",), where)
    entries = document.get("nodes")
    if not isinstance(entries, list) or not entries:
        raise errors.InputError(f"{where}: nodes", entries, "must be a list of at least one node")
    nodes: list[Node] = []
    for position, entry in enumerate(entries):
        nodes += _parse_entry(entry, f"{where}: nodes[{position}]")
    _check_whole(nodes, where)
    return Topology(tuple(nodes))


def _parse_entry(entry: object, where: str) -> Sequence[Node]:
    if not isinstance(entry, dict):
        raise errors.InputError(where, entry, "must be a mapping such as {name: edge-a, region: west, type: edge}")
    _refuse_unknown(entry, tuple(_READERS), where)
    if "name" not in entry:
        raise errors.InputError(f"{where}.name", "", "is missing; every node needs a name")
    where = f"{where} ({entry['name']})"
    values = {key: _READERS[key](value, f"{where}.{key}") for key, value in entry.items()}
    count = values.pop("count", None)
    node = Node(**values)
    if count is None:
        return [node]
    return [dataclasses.replace(node, name=f"{node.name}-{number}") for number in range(1, count + 1)]


def _check_whole(nodes: Sequence[Node], where: str) -> None:
    seen: set[str] = set()
    for node in nodes:
        if node.name in seen:
            raise errors.InputError(f"{where}: nodes", node.name, "is the name of two nodes; give each its own")
        seen.add(node.name)
    if len(nodes) > MAX_NODES:
        raise errors.InputError(f"{where}: nodes", len(nodes), f"are too many nodes; at most {MAX_NODES} are supported")
    for node in nodes:
        if node.tls and not node.store_kind:
            raise errors.InputError(f"{where}: nodes ({node.name}).tls", True, "is for nodes with a store; add one")
        if node.minio and node.store not in {"", "minio"}:
            raise errors.InputError(f"{where}: nodes ({node.name}).store", node.store, "contradicts minio: true")
    stores = sum(bool(node.store_kind) for node in nodes)
    if stores > MAX_STORES:
        raise errors.InputError(
            f"{where}: store",
            stores,
            f"are too many S3 servers for one machine; at most {MAX_STORES} nodes may have one",
        )


def _refuse_unknown(mapping: Mapping[Any, object], known: Sequence[str], where: str) -> None:
    for key in mapping:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"known keys are {', '.join(known)}"
            raise errors.InputError(f"{where}", key, f"is not a known key; {hint}")


def _matching(pattern: re.Pattern[str], remedy: str) -> Callable[[object, str], str]:
    def read(value: object, where: str) -> str:
        # YAML makes numbers of some texts, `cpu: 4` for one; a float keeps the way it was written well enough here.
        text = str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""
        if not pattern.fullmatch(text) or text == "":
            raise errors.InputError(where, value, remedy)
        return text

    return read


def _between(low: int, high: int) -> Callable[[object, str], int]:
    def read(value: object, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise errors.InputError(where, value, f"must be a whole number from {low} to {high}")
        return value

    return read


def _one_of(*choices: object) -> Reader:
    def read(value: object, where: str) -> object:
        if value not in choices or (isinstance(value, int) and not isinstance(value, bool)):  # 1 == True
            shown = " or ".join(str(choice).lower() if isinstance(choice, bool) else str(choice) for choice in choices)
            raise errors.InputError(where, value, f"must be {shown}")
        return value

    return read


def _mapping_of(read_value: Reader, *, qualified: bool) -> Reader:
    def read(value: object, where: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise errors.InputError(where, value, "must be a mapping")
        for key in value:
            if not isinstance(key, str) or not _LABEL_KEY.fullmatch(key) or (qualified and "/" not in key):
                example = "nvidia.com/gpu" if qualified else "example.com/disk"
                raise errors.InputError(where, key, f"is not a usable name; write one like {example}")
        return {key: read_value(item, f"{where}.{key}") for key, item in value.items()}

    return read


def _read_label_value(value: object, where: str) -> str:
    if not isinstance(value, str) or not _LABEL_VALUE.fullmatch(value):
        raise errors.InputError(where, value, "must be a label value: text of up to 63 letters, digits, `-`, `_`, `.`")
    return value


def _read_taints(value: object, where: str) -> Sequence[Taint]:
    if not isinstance(value, list):
        raise errors.InputError(where, value, "must be a list such as [{key: dedicated, effect: NoSchedule}]")
    return tuple(_read_taint(item, f"{where}[{position}]") for position, item in enumerate(value))


def _read_taint(value: object, where: str) -> Taint:
    if not isinstance(value, dict):
        raise errors.InputError(where, value, "must be a mapping such as {key: dedicated, effect: NoSchedule}")
    _refuse_unknown(value, ("key", "value", "effect"), where)
    key = _matching(_LABEL_KEY, "must be a name such as dedicated")(value.get("key", ""), f"{where}.key")
    effect = _one_of(*_EFFECTS)(value.get("effect"), f"{where}.effect")
    return Taint(key, effect, _read_label_value(value.get("value", ""), f"{where}.value"))


_READERS: Mapping[str, Reader] = {
    "name": _matching(_NAME, "must be up to 50 lower-case letters, digits and hyphens, such as edge-a"),
    "count": _between(1, MAX_NODES),
    "region": _matching(_LABEL_VALUE, "must be a label value such as west"),
    "zone": _matching(_LABEL_VALUE, "must be a label value such as west-1"),
    "type": _one_of("edge", "cloud"),
    "cpu": _matching(_CPU, "must be a number of cores such as 4, 0.5 or 500m"),
    "memory": _matching(_MEMORY, "must be a number of bytes with an optional suffix, such as 8Gi or 512Mi"),
    "pods": _between(1, 100_000),
    "accelerators": _mapping_of(_between(0, 1_000_000), qualified=True),
    "labels": _mapping_of(_read_label_value, qualified=False),
    "taints": _read_taints,
    "minio": _one_of(True, False),
    "store": _one_of(*STORES),
    "tls": _one_of(True, False),
}
