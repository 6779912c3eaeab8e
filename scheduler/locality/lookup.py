"""What a user may see of the cluster, read with the user's own rights, and made into the state that decisions read.

Objects come from the API server, through kubectl. What cannot be read costs one line, and the rest is shown. What only
the scheduler knows, for how long copies count and how fast links are held to be, comes by its door; where that is shut,
the defaults count, and a line says so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import click
import msgspec

from scheduler import config, errors
from scheduler.api import core, crd, decoding, names
from scheduler.locality import door, show
from scheduler.state import cluster

T = TypeVar("T")


class _Listed(msgspec.Struct):
    """A list as the API server answers it."""

    items: tuple[msgspec.Raw, ...] = ()


class Reader:
    """Lists objects; what cannot be listed is noted."""

    def __init__(self, where: door.Where) -> None:
        self._where = where
        self._answered = False
        self._failures: list[errors.DoorError] = []

    def nodes(self) -> list[core.Node] | None:
        return self._list("nodes", "/api/v1/nodes", core.Node)

    def capabilities(self) -> list[crd.NodeCapability]:
        path = f"/apis/{names.API_VERSION}/{names.NODE_CAPABILITIES}"
        return self._list("NodeCapabilities", path, crd.NodeCapability) or []

    def data_objects(self, *namespaces: str) -> list[crd.DataObject]:
        """Those of some namespaces, "" for all."""
        api = f"/apis/{names.API_VERSION}"
        return self._of("DataObjects", api, names.DATA_OBJECTS, crd.DataObject, namespaces)

    def pods(self, *namespaces: str) -> list[core.Pod]:
        return self._of("pods", "/api/v1", "pods", core.Pod, namespaces)

    def metadata(self, resource: str, *namespaces: str) -> list[core.ObjectMeta]:
        """Names, labels and annotations of objects of the core API, and nothing else of them."""
        found = self._of(resource, "/api/v1", resource, core.Namespace, namespaces)
        return [one.metadata for one in found]

    def finish(self) -> None:
        """Say what could not be read.

        Raises:
            DoorError: nothing could.
        """
        if self._failures and not self._answered:
            raise self._failures[0]
        for failure in self._failures:
            note(str(failure))

    def _of(self, what: str, api: str, resource: str, kind: type[T], namespaces: Sequence[str]) -> list[T]:
        found: list[T] = []
        for namespace in dict.fromkeys(namespaces):
            path = f"{api}/namespaces/{namespace}/{resource}" if namespace else f"{api}/{resource}"
            place = f"{what} of {namespace}" if namespace else what
            found += self._list(place, path, kind) or []
        return found

    def _list(self, what: str, path: str, kind: type[T]) -> list[T] | None:
        """The objects at a path; None where they cannot be listed."""
        try:
            items = msgspec.json.decode(self._where.kubectl("get", "--raw", path), type=_Listed).items
        except (errors.DoorError, msgspec.MsgspecError) as error:
            self._failures.append(errors.DoorError(f"{what} cannot be listed: {error}"))
            return None
        self._answered = True
        found = []
        for item in items:
            try:
                found.append(decoding.decode(item, kind, what))
            except errors.InputError as error:
                note(str(error))
        return found


class World:
    """Nodes and data, as decisions read them.

    Attributes:
        nodes, capabilities, objects: By name; objects by namespace and name.
        state: Made of them.
        now_s: When they were read, in seconds since 1970.
    """

    def __init__(
        self,
        nodes: Sequence[core.Node] | None,
        capabilities: Sequence[crd.NodeCapability],
        objects: Sequence[crd.DataObject],
        *,
        home: str,
        settings: config.Settings,
    ) -> None:
        self.now_s = time.time()
        self.capabilities = {one.metadata.name: one for one in capabilities}
        self.objects = {(one.metadata.namespace, one.metadata.name): one for one in objects}
        if nodes is None:  # whether they are ready is not known; that they are there is
            nodes = [core.Node(metadata=core.ObjectMeta(name=name)) for name in self.capabilities]
        self.nodes: dict[str, core.Node] = {}
        self.settings = settings
        self.state = cluster.Cluster(settings.network, home, witness_max_age_s=settings.witness_max_age_s)
        for node in nodes:
            try:
                self.state.apply_node(node)
            except errors.InputError as error:
                note(str(error))
            else:
                self.nodes[node.metadata.name] = node
        for capability in capabilities:
            self.state.apply_capability(capability)
        for obj in objects:
            self.state.apply_data_object(obj)


def read(where: door.Where, *namespaces: str) -> tuple[World, Reader]:
    """The world of some namespaces ("" for all), and what read it, to read more and to be finished."""
    reader = Reader(where)
    with show.progress("reading nodes and data"):
        nodes, capabilities = reader.nodes(), reader.capabilities()
        objects = reader.data_objects(*namespaces)
        settings = _settings(where)
    return World(nodes, capabilities, objects, home=where.scheduler_namespace, settings=settings), reader


def note(text: str) -> None:
    """Tell of what is missing, on standard error."""
    click.echo(f"{show.doubtful('note')}: {text}", err=True)


def _settings(where: door.Where) -> config.Settings:
    """What decisions rest on of the scheduler's configuration, as far as it can be asked."""
    try:
        with door.opened(where) as scheduler:
            told = scheduler.get("/storage-info", limit="1")
    except errors.DoorError as error:
        first = str(error).splitlines()[0]
        note(f"the scheduler's own settings are not known, so its defaults are shown: {first}")
        return config.Settings()
    return settings_of(told)


def settings_of(told: Mapping[str, Any]) -> config.Settings:
    """The same of what /storage-info answers."""
    default = config.Settings()
    links = {
        name: config.Link(one["bandwidthBytesPerSecond"], one["latencySeconds"])
        for name in vars(default.network)
        if (one := told.get("bandwidth", {}).get(_camel(name))) is not None
    }
    return config.Settings(
        network=config.Network(**links), witness_max_age_s=told.get("maxWitnessAgeSeconds", default.witness_max_age_s)
    )


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
