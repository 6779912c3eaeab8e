"""The nodes and what is said of each, as columns over slots.

A node has a slot (an index) for as long as it lives; slots of deleted nodes are used again and are empty meanwhile.
What a node offers, and what pods take of it, stands in ``usage``; which pods those are is not known here. Every change
is noted in the log, by the facets that really differ: a heartbeat leaves no trace.
"""

from __future__ import annotations

import numpy as np

from scheduler import config
from scheduler.api import core, crd
from scheduler.state import changes, facts, images, labels, links, network, replicas, sites, taints, usage


class NodeTable:
    """Nodes and their NodeCapabilities; one writer.

    Args:
        prior: Bandwidth and latency by topology class.
        locations: Where the stores of nodes are kept, and who is ready.
        log: Where changes are noted.
        capacity: Slots to begin with; grows by doubling.

    Attributes:
        names: By slot; "" where it is free.
        index_of: The slot of each node.
    """

    def __init__(
        self, prior: config.Network, locations: replicas.ReplicaTable, log: changes.Log, capacity: int
    ) -> None:
        self.names: list[str] = []
        self.index_of: dict[str, int] = {}
        self._free: list[int] = []
        self._nodes: dict[str, core.Node] = {}
        self._capabilities: dict[str, crd.NodeCapability] = {}
        self._locations = locations
        self._log = log
        self._capacity = capacity
        self.alive = np.zeros(capacity, np.bool_)
        self.unschedulable = np.zeros(capacity, np.bool_)
        self.node_type = np.zeros(capacity, np.int8)
        self.hardware = np.zeros((2, capacity), np.bool_)  # gpu, fast storage
        self.taints = taints.TaintTable(capacity)
        self.labels = labels.LabelTable(capacity)
        self.features = labels.LabelTable(capacity)  # each declared one a label without value
        self.capabilities = labels.LabelTable(capacity)
        self.images = images.ImageTable(capacity)
        self.usage = usage.Usage(capacity)
        self.network = network.Network(prior, self.names, self.index_of, capacity)

    def apply(self, node: core.Node) -> int:
        """Add a node or take in its new version; returns the facets that changed, all of them for a new one.

        Raises:
            InputError: a quantity of it cannot be read; nothing is changed then.
        """
        name = node.metadata.name
        before = self._nodes.get(name)
        offers_anew = before is None or before.status.allocatable != node.status.allocatable
        offered = usage.amounts(node.status.allocatable) if offers_anew else {}
        index = self.index_of[name] if before is not None else self._take_slot(name)
        self._nodes[name] = node
        changed = self._set_columns(index, before, node)
        if offers_anew and self.usage.set_node(index, offered):
            changed |= changes.OFFER
        if self._locations.witnesses.set_node(node):
            changed |= changes.STORES
        if offers_anew or changed & changes.LABELS:
            changed |= self._set_facts(name, index)
        if before is None:
            changed = changes.EVERY
        if changed:
            self._log.note(index, changed)
        if changed & changes.IMAGES:
            self._log.note(changes.ALL, changes.IMAGES)
        return changed

    def remove(self, name: str) -> None:
        """Forget a node that is known."""
        index = self.index_of.pop(name)
        self.images.replace(index, self._nodes.pop(name).status.images, ())
        self.usage.set_node(index, {})
        self.taints.set(index, ())
        for table in (self.labels, self.features, self.capabilities):
            table.set_row(index, {})
        self._locations.witnesses.remove_node(name)
        self._locations.served.serve(name, ())
        self._report_links(name, ("", ""), ())
        self.network.place(index, sites.NOWHERE)
        self.network.set_speed(index, 0.0)
        self.alive[index] = self.unschedulable[index] = False
        self.node_type[index] = 0
        self.hardware[:, index] = False
        self.names[index] = ""
        self._free.append(index)
        self._log.note(index, changes.EVERY)
        self._log.note(changes.ALL, changes.IMAGES)

    def set_capability(self, name: str, capability: crd.NodeCapability | None) -> bool:
        """Replace a NodeCapability or, with None, forget it; it counts once its node is known.

        Returns:
            Whether a store of it may count again that was silent for too long.
        """
        before = self._capabilities.pop(name, None)
        if capability is not None:
            self._capabilities[name] = capability
        stores, stores_now = (one.status.stores if one is not None else () for one in (before, capability))
        came_back = self._locations.witnesses.set_stores(name, stores_now)
        changed = changes.STORES if stores != stores_now else 0
        if changed and not all(store.is_served for store in (*stores, *stores_now)):
            self._log.note(changes.ALL, changes.STORES)  # it asks stores outside the cluster for all
        index = self.index_of.get(name)
        if index is not None:
            changed |= self._set_facts(name, index)
            if changed:
                self._log.note(index, changed)
        return came_back

    def held(self) -> tuple[list[core.Node], list[crd.NodeCapability]]:
        """All nodes and all NodeCapabilities, as last applied."""
        return list(self._nodes.values()), list(self._capabilities.values())

    def _take_slot(self, name: str) -> int:
        if self._free:
            index = self._free.pop()
            self.names[index] = name
        else:
            index = len(self.names)
            self.names.append(name)
            if index == self._capacity:
                self._grow(2 * self._capacity)
        self.index_of[name] = index
        self.alive[index] = True
        return index

    def _grow(self, capacity: int) -> None:
        more = capacity - self._capacity
        self.alive, self.unschedulable, self.node_type = (
            np.pad(self.alive, (0, more)),
            np.pad(self.unschedulable, (0, more)),
            np.pad(self.node_type, (0, more)),
        )
        self.hardware = np.pad(self.hardware, ((0, 0), (0, more)))
        labelled = (self.labels, self.features, self.capabilities)
        for table in (*labelled, self.taints, self.images, self.usage, self.network, self._log):
            table.grow(capacity)
        self._capacity = capacity

    def _set_columns(self, index: int, before: core.Node | None, node: core.Node) -> int:
        changed = 0
        if self.unschedulable.item(index) != node.spec.unschedulable:
            self.unschedulable[index] = node.spec.unschedulable
            changed |= changes.CORDON
        if self.taints.set(index, node.spec.taints):
            changed |= changes.TAINTS
        if self.labels.set_row(index, node.metadata.labels):
            changed |= changes.LABELS
        if self.features.set_row(index, dict.fromkeys(node.status.declared_features, "")):
            changed |= changes.FEATURES
        if self.images.replace(index, before.status.images if before is not None else (), node.status.images):
            changed |= changes.IMAGES
        return changed

    def _set_facts(self, name: str, index: int) -> int:
        """Take in what a node and its NodeCapability say together; returns the facets that changed."""
        found = facts.of(self._nodes[name], self._capabilities.get(name))
        changed = 0
        hardware = [found.has_gpu, found.has_fast_storage]
        if found.type_code != self.node_type.item(index) or hardware != self.hardware[:, index].tolist():
            self.node_type[index] = found.type_code
            self.hardware[:, index] = hardware
            changed |= changes.FACTS
        if self.capabilities.set_row(index, found.capabilities):
            changed |= changes.FACTS
        self.network.set_speed(index, found.speed_bytes_per_s)
        if self.network.place(index, found.site):
            changed |= changes.PLACE
        if self._report_links(name, (found.site.region, found.site.zone), found.links):
            changed |= changes.LINKS
        if self._locations.served.serve(name, found.stores):
            changed |= changes.STORES
        return changed

    def _report_links(self, name: str, zone: links.Zone, reports: tuple[links.KnownLink, ...]) -> bool:
        """Take in what a node reports of its links; returns whether anything of it changed."""
        told = self.network.set_links(name, zone, reports)
        for peer in told.peers:
            if peer in self.index_of:
                self._log.note(self.index_of[peer], changes.LINKS)
        if told.zones:
            self._log.note(changes.ALL, changes.LINKS)
        return bool(told.peers or told.zones)
