"""What really is, as far as a simulation knows: the nodes, what is taken of them, and where data lies.

It is kept in the scheduler's own state, so that a urn means the same to both, and so do sizes and links. Unlike the
scheduler this one knows at once: daemons look all the time, so that nothing ages, and what is only expected is no copy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from scheduler import errors
from scheduler.api import core, crd, names
from scheduler.plugins import contract, request
from scheduler.plugins.data import moves, spread, wanted
from scheduler.plugins.resources import room
from scheduler.simulate import scenario as scenarios
from scheduler.state import cluster, facts, snapshot

_AWAY: Final = "node.kubernetes.io/unreachable"


class Ground:
    """The cluster.

    Attributes:
        nodes: As the API server has them now.
        capabilities: By node.

    Raises:
        InputError: what a node offers cannot be read.
    """

    def __init__(self, given: scenarios.Scenario) -> None:
        nodes = map(_keeping, given.nodes) if given.keeps_inputs else given.nodes
        self.nodes: dict[str, core.Node] = {one.metadata.name: one for one in nodes}
        self.capabilities = {one.metadata.name: _undated(one) for one in given.capabilities}
        self._settings = given.settings
        self._state = cluster.Cluster(given.settings.network, names.HOME_NAMESPACE, len(given.nodes))
        for name, node in self.nodes.items():
            try:
                self._state.apply_node(node)
            except errors.InputError as error:
                raise error.at(f"node {name}: {error.where}") from error
        for capability in self.capabilities.values():
            self._state.apply_capability(capability)
        self._images = {
            node.metadata.name: {name for image in node.status.images for name in image.names} for node in given.nodes
        }

    @property
    def view(self) -> snapshot.Snapshot:
        return self._state.freeze(0.0)

    def interfaces(self) -> dict[int, float]:
        """What the fastest interface of a node carries, in bytes per second, by slot, where that is known."""
        speeds = {
            name: facts.of(node, self.capabilities.get(name)).speed_bytes_per_s for name, node in self.nodes.items()
        }
        return {self.slot(name): speed for name, speed in speeds.items() if speed}

    # -------------------------------------------------------------------------------------------------------- nodes

    def slot(self, node: str) -> int:
        return self.view.index_of[node]

    def is_up(self, end: spread.End) -> bool:
        """Whether an end can be reached; places outside the cluster always can."""
        return not isinstance(end, int) or self._state.witnesses.is_ready(self.view.names[end])

    def set_up(self, name: str, *, is_up: bool) -> core.Node:
        """A node is lost, or there again; returns it as it is then, in the words of the node lifecycle controller."""
        node = self.nodes[name]
        conditions = tuple(one for one in node.status.conditions if one.type != "Ready")
        taints = tuple(one for one in node.spec.taints if one.key != _AWAY)
        if not is_up:
            taints += tuple(core.Taint(key=_AWAY, effect=effect) for effect in ("NoSchedule", "NoExecute"))
        ready = core.NodeCondition(type="Ready", status="True" if is_up else "Unknown")
        status = msgspec.structs.replace(node.status, conditions=(*conditions, ready))
        return self._put(
            msgspec.structs.replace(node, status=status, spec=msgspec.structs.replace(node.spec, taints=taints))
        )

    def has_image(self, node: str, image: str) -> bool:
        return image in self._images[node]

    def add_image(self, name: str, image: scenarios.Image) -> core.Node:
        """A node holds one more image; returns it as it is then."""
        self._images[name].add(image.name)
        node = self.nodes[name]
        held = core.ContainerImage(names=(image.name,), size_bytes=image.size_bytes)
        status = msgspec.structs.replace(node.status, images=(*node.status.images, held))
        return self._put(msgspec.structs.replace(node, status=status))

    def _put(self, node: core.Node) -> core.Node:
        self.nodes[node.metadata.name] = node
        self._state.apply_node(node)
        return node

    # --------------------------------------------------------------------------------------------------------- pods

    def lacks(self, pod: request.PodRequest, node: str) -> str:
        """What of a pod's requests a node has not got, in the words of the rule that asks for it; "" for nothing."""
        asked = room.FILTER.compile(pod, self._settings.of(pod.pod.spec.scheduler_name))
        if asked is None or isinstance(asked, contract.Refuse):
            return ""
        refusal = room.FILTER.cell(asked, self.view, self.slot(node), contract.NOTHING)
        return ", ".join(refusal.reasons) if refusal is not None else ""

    def put_pod(self, pod: core.Pod) -> None:
        self._state.apply_pod(pod)

    def remove_pod(self, uid: str) -> None:
        self._state.remove_pod(uid)

    # --------------------------------------------------------------------------------------------------------- data

    def put_object(self, obj: crd.DataObject) -> None:
        status = msgspec.structs.replace(obj.status, expected=())
        self._state.apply_data_object(msgspec.structs.replace(obj, status=status))

    def exactly(self, namespace: str, urn: str) -> tuple[str, str] | None:
        """The DataObject of exactly a urn that a namespace's pods see first: its namespace and name."""
        return next(iter(self._state.replicas.exactly(namespace, urn)), None)

    def home_of(self, namespace: str, urn: str) -> str:
        """The namespace where a DataObject of a key is made, as `scheduler.live.ondemand` does."""
        return self._state.replicas.speaks_in(namespace, urn.partition("/")[0]) or namespace

    def is_there(self, namespace: str, urn: str) -> bool:
        """Whether exactly this can be read now."""
        entry = self.view.where_is(namespace, urn)
        return entry is not None and entry.is_there and entry.urn == urn

    def ends(self, namespace: str, urn: str, *, is_output: bool) -> tuple[spread.End, ...] | None:
        """From where an input can be had now, or to where an output can be written; None: nobody knows of any place."""
        view = self.view
        entry = view.stores_for(namespace, urn) if is_output else view.where_is(namespace, urn)
        if entry is None:
            return None
        return (*(view.index_of[node] for node in entry.nodes), *entry.places)

    def size_bytes(self, namespace: str, one: wanted.Wanted) -> int:
        """How much of an input or output is moved, as the engine counts it."""
        entry = None if one.is_output else self.view.where_is(namespace, one.urn)
        return one.size_bytes if entry is None else moves.amount(one, entry, self._settings.assumed_read_bytes)[0]

    def store_at(self, namespace: str, urn: str, node: str) -> str:
        """The name of the store on a node that has a namespace's pods' bucket, their own first; "" if not known."""
        bucket = urn.partition("/")[0]
        stores: Iterable[crd.Store] = self.capabilities[node].status.stores if node in self.capabilities else ()
        found = {one.namespace: one.name for one in stores if bucket in one.buckets}
        return found.get(namespace) or found.get("", "")


def _keeping(node: core.Node) -> core.Node:
    """With the label by which the scheduler knows that a node keeps what pods fetch."""
    labels = {f"{names.NODE_CAPABILITY_PREFIX}keeps-inputs": "true"} | node.metadata.labels
    return msgspec.structs.replace(node, metadata=msgspec.structs.replace(node.metadata, labels=labels))


def _undated(capability: crd.NodeCapability) -> crd.NodeCapability:
    status = capability.status
    stores = tuple(msgspec.structs.replace(one, last_probe_time="") for one in status.stores)
    links = tuple(msgspec.structs.replace(one, last_probe_time="") for one in status.links)
    return msgspec.structs.replace(capability, status=msgspec.structs.replace(status, stores=stores, links=links))


def undated(obj: crd.DataObject) -> crd.DataObject:
    """A DataObject whose copies are seen all the time."""
    replicas = tuple(msgspec.structs.replace(one, last_probe_time="") for one in obj.status.replicas)
    return msgspec.structs.replace(obj, status=msgspec.structs.replace(obj.status, replicas=replicas))
