"""The daemon's configuration file: stores that no Service announces, and directories of nodes that hold data.

    volumesRoot: /host            # below which the daemon finds the node's directories; default: --host-root
    stores:
      - name: lake                # its name in NodeCapability and in replicas
        endpoint: https://s3.example.org
        secret: storage/lake      # namespace/name, with accessKey and secretKey; default: asked anonymously
        caBundle: storage/lake-ca # ConfigMap as namespace/name[/key], or a file as /path; default: the system's CAs
        region: eu-west-1         # that requests are signed for
        technology: minio         # minio or s3; default: found out
        role: gateway             # what it hands out lies elsewhere; default: store
        nodes: {names: [edge-1]}  # the nodes that serve it, or: nodes: {labels: {rack: r7}}
      - name: archive
        endpoint: https://archive.example.org
        place: {region: west, zone: west-1}   # instead of nodes: it stands outside the cluster
        probeFrom: {labels: {node-role: gateway}}  # and one of these nodes asks it
    paths:
      - {bucket: photos, path: /srv/photos, nodes: {names: [edge-2]}}  # the directory's files are the bucket's keys
    allowedEndpoints: [169.254.7.0/24]  # what anybody's Service may name as its store, see daemon.stores.addresses

All daemons share one file, so every entry says for which nodes it counts; ``paths`` without ``nodes`` count for all.
The file is read again when it changes. One that cannot be used stops a daemon that starts, and changes nothing for one
that runs: it keeps what it had, and says so once.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Final

from daemon.stores import addresses, model, services
from scheduler import errors, sections, watchedfile
from scheduler.api import urns

_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?")
_REFERENCE: Final = re.compile(r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9.-]*")
_BUNDLE: Final = re.compile(r"[a-z0-9][a-z0-9-]*/[a-z0-9][a-z0-9.-]*(/[A-Za-z0-9._-]+)?")
_LABEL_VALUE: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_MAX_PATH: Final = 240  # a store's name holds it


@dataclasses.dataclass(frozen=True)
class Nodes:
    """Some nodes: those named, and those that have all of the labels; neither means every node."""

    names: tuple[str, ...] = ()
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def include(self, name: str, labels: Mapping[str, str]) -> bool:
        if not self.names and not self.labels:
            return True
        return name in self.names or (
            bool(self.labels) and all(labels.get(key) == value for key, value in self.labels.items())
        )


@dataclasses.dataclass(frozen=True)
class ConfiguredStore:
    """An S3 store and the nodes whose daemons look after it."""

    store: model.Store
    nodes: Nodes


@dataclasses.dataclass(frozen=True)
class Directory:
    """A directory of nodes, which stands for a bucket."""

    bucket: str
    path: str
    nodes: Nodes = Nodes()


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that can be configured; an empty file gives the defaults."""

    volumes_root: str = ""
    """``volumesRoot``: where the daemon finds directories of the node; by default below ``--host-root``."""

    stores: tuple[ConfiguredStore, ...] = ()
    paths: tuple[Directory, ...] = ()

    allowed_endpoints: tuple[addresses.Network, ...] = ()
    """``allowedEndpoints``: networks that a Service of any namespace may name, though they would be refused to it."""


class Source(watchedfile.Source[Settings]):
    """The file as it changes under a running daemon; without a path the defaults count for ever.

    Raises:
        InputError: it cannot be used the first time.
    """

    def __init__(self, path: str | None) -> None:
        super().__init__(path, load, Settings())


def load(path: str) -> Settings:
    """Read a configuration file.

    Raises:
        InputError: it cannot be read, is not YAML, or says something unusable; names every problem.
    """
    return parse(sections.load(path), path)


def parse(data: Mapping[str, object], where: str) -> Settings:
    """Settings from a configuration file's content; ``where`` names it in messages.

    Raises:
        InputError: it says something unusable; names every problem.
    """
    problems: list[errors.InputError] = []
    top = sections.Section(data, f"{where}: ", problems)
    root = top.text("volumesRoot", Settings.volumes_root)
    if root and not root.startswith("/"):
        top.report("volumesRoot", "write an absolute path, such as /host")
    settings = Settings(
        volumes_root=root,
        stores=tuple(_read_store(entry) for entry in top.sections("stores")),
        paths=tuple(_read_path(entry) for entry in top.sections("paths")),
        allowed_endpoints=tuple(_read_networks(top, "allowedEndpoints")),
    )
    given = [configured.store.name for configured in settings.stores]
    for name in sorted({name for name in given if given.count(name) > 1}):
        top.report("stores", f"the name {name} is given twice; give each store its own")
    top.finish()
    sections.refuse(where, problems)
    return settings


def _read_store(entry: sections.Section) -> ConfiguredStore:
    name = _matching(entry, "name", _NAME, "write lower-case letters, digits, hyphens and dots, such as lake")
    if not name:
        entry.report("name", "every store needs a name, such as lake")
    endpoint = entry.text("endpoint", "")
    try:
        endpoint = services.parse_endpoint(endpoint)
    except errors.InputError as error:
        # Not the value as written, which may hold a password.
        entry.problems.append(errors.InputError(f"{entry.path}endpoint", error.value.strip('"'), error.remedy))
    secret = _matching(entry, "secret", _REFERENCE, "write namespace/name of a Secret with accessKey and secretKey")
    namespace, _, secret_name = secret.partition("/")
    nodes, place = _read_where(entry)
    store = model.Store(
        namespace=namespace,
        service="",
        service_uid="",
        endpoint=endpoint,
        secret=secret_name,
        alias=name,
        ca=_read_bundle(entry),
        region=entry.text("region", ""),
        technology=entry.choice("technology", "", ("minio", "s3")),
        role=services.ROLES[entry.choice("role", "store", tuple(services.ROLES))],
        place=place,
    )
    entry.finish()
    return ConfiguredStore(store, nodes)


def _read_where(entry: sections.Section) -> tuple[Nodes, model.Place | None]:
    """Which daemons look after a store, and where it stands if no node serves it."""
    if entry.has("place") == entry.has("nodes"):
        entry.report("nodes", "write either nodes (that serve the store) or place (of a store outside the cluster)")
    if not entry.has("place"):
        return _read_nodes(entry, "nodes"), None
    section = entry.section("place")
    shape = "write a label value, such as west"
    place = model.Place(*(_matching(section, key, _LABEL_VALUE, shape) for key in ("region", "zone")))
    if not place.region:
        section.report("region", "write the region where the store stands, as on nodes, such as west")
    section.finish()
    if not entry.has("probeFrom"):
        entry.report("probeFrom", "name the nodes of which one asks the store: {names: [...]} or {labels: {...}}")
    return _read_nodes(entry, "probeFrom"), place


def _read_nodes(entry: sections.Section, key: str) -> Nodes:
    section = entry.section(key)
    nodes = Nodes(section.texts("names"), section.pairs("labels"))
    if entry.has(key) and not nodes.names and not nodes.labels:
        entry.report(key, "write {names: [node, ...]} or {labels: {key: value}}")
    section.finish()
    return nodes


def _read_bundle(entry: sections.Section) -> model.Bundle | None:
    written = entry.text("caBundle", "")
    if not written:
        return None
    if written.startswith("/"):
        return model.Bundle("File", "", written)
    if not _BUNDLE.fullmatch(written):
        entry.report("caBundle", "write namespace/name or namespace/name/key of a ConfigMap, or /path of a file")
        return None
    namespace, name, *rest = written.split("/")
    return model.Bundle("ConfigMap", namespace, name, *rest)


def _read_networks(top: sections.Section, key: str) -> Iterator[addresses.Network]:
    for index, text in enumerate(top.texts(key)):
        try:
            yield ipaddress.ip_network(text)
        except ValueError:
            remedy = "write a network, such as 10.20.0.0/16 or fd00:7::/64, with no bits beyond its length"
            top.problems.append(errors.InputError(f"{top.path}{key}[{index}]", text, remedy))


def _read_path(entry: sections.Section) -> Directory:
    bucket = entry.text("bucket", "")
    if fault := urns.bucket_fault(bucket):
        entry.report("bucket", fault)
    path = entry.text("path", "")
    if not path.startswith("/") or ".." in path.split("/") or len(path) > _MAX_PATH:
        entry.report(
            "path", f"write an absolute path of at most {_MAX_PATH} characters without .., such as /srv/photos"
        )
    nodes = _read_nodes(entry, "nodes")
    entry.finish()
    return Directory(bucket, path, nodes)


def _matching(entry: sections.Section, key: str, pattern: re.Pattern[str], remedy: str) -> str:
    value = entry.text(key, "")
    if value and not pattern.fullmatch(value):
        entry.report(key, remedy)
    return value
