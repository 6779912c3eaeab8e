"""The one copy of cluster state, and the only code that changes it: apply what was seen, assume what was decided.

Every node has a slot (an index) for as long as it lives; slots of deleted nodes are used again. Every assigned pod is
counted on its node's slot exactly once, whether it was seen there or only assumed there because a binding is under way.
An assumed pod stays counted until the watch confirms it or the binder takes it back with ``forget``; it never expires.
All methods are synchronous and run on the loop's thread.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from scheduler import config
from scheduler.api import core, crd
from scheduler.state import (
    budgets,
    changes,
    demand,
    durations,
    neighbours,
    nodes,
    nominated,
    pipelines,
    placed,
    replicas,
    selecting,
    snapshot,
    traffic,
    witnesses,
)
from scheduler.state.claims import store
from scheduler.state.volumes import storage

_FINISHED: Final = ("Succeeded", "Failed")
_FIRST_CAPACITY: Final = 64


class Counts(NamedTuple):
    """Nodes, counted pods, and those of them that are only assumed."""

    nodes: int
    pods: int
    assumed: int


class Held(NamedTuple):
    """The objects that a state is made of, but for the DataObjects, of which only what they say is kept."""

    nodes: list[core.Node]
    capabilities: list[crd.NodeCapability]
    namespaces: Mapping[str, Mapping[str, str]]
    placed: list[snapshot.Placed]
    nominated: list[core.Pod]
    selectors: Mapping[selecting.Selecting, core.LabelSelector]


class Cluster:
    """Nodes, assigned pods, namespaces, DataObjects and NodeCapabilities.

    Args:
        prior: Bandwidth and latency by topology class.
        home_namespace: Whose DataObjects every pod may use.
        capacity: Node slots to begin with; grows by doubling.
        witness_max_age_s: For how long a copy of data counts that nobody has seen since.
        learns: Whether anything is remembered of pods for those that come after them.
    """

    def __init__(
        self,
        prior: config.Network,
        home_namespace: str,
        capacity: int = _FIRST_CAPACITY,
        *,
        witness_max_age_s: float = config.Settings.witness_max_age_s,
        learns: bool = True,
    ) -> None:
        capacity = max(capacity, 1)
        self.changes = changes.Log(capacity)
        self.witnesses = witnesses.Witnesses(witness_max_age_s)
        self.replicas = replicas.ReplicaTable(home_namespace, self.witnesses)
        self._nodes = nodes.NodeTable(prior, self.replicas, self.changes, capacity)
        self._index_of = self._nodes.index_of
        self.storage = storage.Storage(self.changes, self._index_of)
        self.claims = store.Claims(self.changes, self._index_of)
        self._nominated = nominated.NominatedPods(self.changes, self._index_of)
        self._neighbours = neighbours.Neighbours(self._nodes.labels, self.changes)
        self._placed = placed.PlacedPods(
            self.changes, self._index_of, self._nodes.usage, self._neighbours, self.storage.use
        )
        self._selectors = selecting.SelectorTable()
        self._last: snapshot.Snapshot | None = None
        self.budgets = budgets.Budgets()
        self.traffic = traffic.Traffic()
        self.durations = durations.Durations(learns=learns)
        self.pipelines = pipelines.Pipelines(self.durations, learns=learns)

    @property
    def generation(self) -> int:
        """Grows whenever something changes that scheduling reads."""
        return self.changes.seq

    def configure(self, settings: config.Settings) -> None:
        """From now on reckon by other settings: links that nobody measured, how old a witness may be, learning."""
        if self._nodes.network.assume(settings.network):
            self.changes.note(changes.ALL, changes.LINKS)
        self.witnesses.set_max_age(settings.witness_max_age_s)
        self.durations.set_learning(learns=settings.learning)
        self.pipelines.set_learning(learns=settings.learning)
        self._last = None

    # Nodes

    def apply_node(self, node: core.Node) -> None:
        """Add a node or take in its new version.

        Raises:
            InputError: a quantity of it cannot be read; nothing is changed then.
        """
        name = node.metadata.name
        index = self._index_of.get(name)
        if index is None:
            self._nodes.apply(node)
            self._placed.node_came(name)
        elif name in self._placed.on_node and self._nodes.labels.of(index) != node.metadata.labels:
            self._relabel(node, index)
        else:
            self._nodes.apply(node)

    def _relabel(self, node: core.Node, index: int) -> None:
        """Take in a node whose pods come into other domains."""
        before, after = self._nodes.labels.of(index), node.metadata.labels
        keys = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        here = self._placed.on_node[node.metadata.name].values()
        companies = [one.company for one in here if one.company is not None]
        self._neighbours.move(companies, index, keys, -1)
        try:
            self._nodes.apply(node)
        finally:
            self._neighbours.move(companies, index, keys, 1)
        if self._neighbours.are_asked(keys):
            self.changes.note(changes.ALL, changes.COMPANY)

    def remove_node(self, name: str) -> list[core.Pod]:
        """Forget a node; returns its pods, which stay known and count again if it comes back."""
        index = self._index_of.get(name)
        if index is None:
            return []
        pods = self._placed.node_goes(name)
        self.traffic.leave(index)
        self._nodes.remove(name)
        return pods

    def apply_capability(self, capability: crd.NodeCapability) -> bool:
        """Add or replace a NodeCapability; it counts once its node is known.

        Returns:
            Whether a store of it may count again that was silent for too long.
        """
        return self._nodes.set_capability(capability.metadata.name, capability)

    def remove_capability(self, name: str) -> None:
        """Forget a NodeCapability; an unknown one is no error."""
        self._nodes.set_capability(name, None)

    # Namespaces

    def apply_namespace(self, namespace: core.Namespace) -> None:
        """Add a namespace or take in its labels."""
        name, labelled = namespace.metadata.name, namespace.metadata.labels
        if self._neighbours.namespaces.get(name) != labelled:
            self._neighbours.namespaces[name] = labelled
            self.changes.note(changes.ALL, changes.NAMESPACES)

    def remove_namespace(self, name: str) -> None:
        """Forget a namespace."""
        if self._neighbours.namespaces.pop(name, None) is not None:
            self.changes.note(changes.ALL, changes.NAMESPACES)

    # What Services and controllers of pods select

    def apply_selector(self, of: selecting.Selecting, selector: core.LabelSelector) -> None:
        """Add what one selects, or take in that it selects otherwise."""
        if self._selectors.apply(of, selector):
            self.changes.note(changes.ALL, changes.SELECTORS)

    def remove_selector(self, of: selecting.Selecting) -> None:
        """Forget one."""
        if self._selectors.remove(of):
            self.changes.note(changes.ALL, changes.SELECTORS)

    # Data

    def apply_data_object(self, obj: crd.DataObject) -> None:
        """Add or replace a DataObject."""
        if self.replicas.apply(obj):
            self.changes.note(changes.ALL, changes.OBJECTS)

    def remove_data_object(self, namespace: str, name: str) -> None:
        """Forget a DataObject."""
        if self.replicas.remove(namespace, name):
            self.changes.note(changes.ALL, changes.OBJECTS)

    # Pods

    def apply_pod(self, pod: core.Pod) -> None:
        """Take in a pod as seen: counted while assigned and unfinished; seeing an assumed one confirms it.

        Raises:
            InputError: a quantity of it cannot be read; the pod is then not counted.
        """
        uid = pod.metadata.uid
        before = self._placed.by_uid.get(uid)
        if not pod.spec.node_name or pod.status.phase in _FINISHED:
            if before is not None and before.assumed and pod.status.phase not in _FINISHED:
                return  # an older version of a pod whose binding is under way
            if self._nominated.by_uid.get(uid) == pod:
                return
            self.remove_pod(uid)
            if pod.status.nominated_node_name and pod.status.phase not in _FINISHED:
                self._nominated.put(pod)
            return
        if before is not None and before.node == pod.spec.node_name and before.counts_like(pod):
            before.pod, before.assumed = pod, False
        else:
            if before is not None or uid in self._nominated.by_uid:
                self._drop(uid)
            if before is not None and before.node != pod.spec.node_name:
                self.traffic.end(uid)
            self._placed.put(pod, pod.spec.node_name, demand.of(pod), assumed=False)

    def remove_pod(self, uid: str) -> None:
        """Forget a pod that is gone; an unknown one is no error."""
        self._drop(uid)
        self.traffic.end(uid)

    def assume(self, pod: core.Pod, node: str, asked: demand.Demand | None = None) -> None:
        """Count a pod on the node it is about to be bound to.

        Args:
            pod: The pod.
            node: The node's name.
            asked: What the pod was taken to ask for when it was decided, where the caller has it at hand.

        Raises:
            KeyError: the node is unknown, or the pod is counted already.
        """
        uid = pod.metadata.uid
        if node not in self._index_of or uid in self._placed.by_uid:
            raise KeyError(f"{pod.key} cannot be assumed on {node!r}")
        self._nominated.drop(uid)
        # A pod that says something of running counts by that too, which its decision did not look at.
        runs = pod.status.container_statuses or pod.status.init_container_statuses or pod.status.resources
        self._placed.put(pod, node, demand.of(pod) if asked is None or runs else asked, assumed=True)

    def forget(self, uid: str) -> None:
        """Take back an assumption that did not come true; a pod seen as bound meanwhile stays counted."""
        if self.is_assumed(uid):
            pod = self._placed.by_uid[uid].pod
            self.remove_pod(uid)
            if pod.status.nominated_node_name:
                self._nominated.put(pod)

    def is_assumed(self, uid: str) -> bool:
        """Whether a pod is counted only because its binding is under way."""
        found = self._placed.by_uid.get(uid)
        return found is not None and found.assumed

    def is_placed(self, uid: str) -> bool:
        """Whether a pod is counted on a node, assumed or seen."""
        return uid in self._placed.by_uid

    # Reading

    def counts(self) -> Counts:
        """How much is known."""
        pods = self._placed.by_uid.values()
        return Counts(nodes=len(self._index_of), pods=len(pods), assumed=sum(one.assumed for one in pods))

    def held(self) -> Held:
        """The objects that the state is made of."""
        nodes_held, capabilities = self._nodes.held()
        return Held(
            nodes=nodes_held,
            capabilities=capabilities,
            namespaces=self._neighbours.namespaces,
            placed=list(self._placed.by_uid.values()),
            nominated=list(self._nominated.by_uid.values()),
            selectors=self._selectors.held(),
        )

    def freeze(self, now_s: float | None = None) -> snapshot.Snapshot:
        """The state as the engine reads it; valid until the next change.

        Args:
            now_s: The time to which the ages of measurements and of copies are reckoned, in seconds since 1970; None
                takes that of the latest of them.
        """
        of, last = self._nodes, self._last
        if now_s is None:
            now_s = max(of.network.newest_s(), self.witnesses.newest_s(), self.replicas.newest_s())
        size = len(of.names)
        if last is not None and last.now_s == now_s and self._is_as_it_was(last):
            return last
        view = slice(0, size)
        self._last = snapshot.Snapshot(
            changes=self.changes,
            size=size,
            count=len(of.index_of),
            names=of.names,
            index_of=of.index_of,
            alive=snapshot.read_only(of.alive[view]),
            unschedulable=snapshot.read_only(of.unschedulable[view]),
            taint_set=snapshot.read_only(of.taints.ids[view]),
            taint_sets=of.taints.sets,
            node_labels=of.labels,
            capabilities=of.capabilities,
            features=of.features,
            node_type=snapshot.read_only(of.node_type[view]),
            has_gpu=snapshot.read_only(of.hardware[0, view]),
            has_fast_storage=snapshot.read_only(of.hardware[1, view]),
            resource_row=of.usage.rows,
            offered=snapshot.read_only(of.usage.offered[:, view]),
            taken=snapshot.read_only(of.usage.taken[:, view]),
            ports=of.usage.ports,
            offering=of.usage.offering,
            images=of.images.by_name,
            neighbours=self._neighbours,
            selectors=self._selectors,
            nominated_pods=self._nominated.by_uid,
            expected=self._nominated.placed,
            placed=self._placed.by_uid,
            placed_on=self._placed.on_node,
            priorities=self._placed.priorities,
            budgets=self.budgets,
            locations=self.replicas,
            witnesses=self.witnesses,
            storage=self.storage,
            links=of.network,
            claims=self.claims,
            traffic=self.traffic,
            durations=self.durations,
            pipelines=self.pipelines,
            now_s=now_s,
        )
        return self._last

    @contextlib.contextmanager
    def without(self, uid: str, now_s: float) -> Iterator[snapshot.Snapshot]:
        """The state as it would be without a pod, valid as long as the block runs, in which nothing else may change it.

        All is as it was afterwards, the order in which pods came as well.
        """
        with self._placed.uncounted(uid):
            here = self.freeze(now_s)
            others, placed_on = dict(here.placed), dict(here.placed_on)
            if (placed := others.pop(uid, None)) is not None:
                there = placed_on[placed.node]
                placed_on[placed.node] = {other: one for other, one in there.items() if other != uid}
            yield dataclasses.replace(here, placed=others, placed_on=placed_on, traffic=_without(here.traffic, uid))

    # Inside

    def _is_as_it_was(self, last: snapshot.Snapshot) -> bool:
        """Whether a snapshot still shows the state: its arrays and tables are the state's own, unless these grew."""
        of = self._nodes
        return (
            last.size == len(of.names)
            and last.count == len(of.index_of)
            and last.alive.base is of.alive
            and last.offered.base is of.usage.offered
            and last.taken.base is of.usage.taken
        )

    def _drop(self, uid: str) -> None:
        self._nominated.drop(uid)
        self._placed.drop(uid)


def _without(of: traffic.Traffic, uid: str) -> traffic.Traffic:
    """The same traffic but for what one pod moves, and what will be kept of that; a copy, where there is any."""
    kept = [(whose, fetch) for whose, fetch in of.fetched.each() if whose != uid]
    if uid not in of.movers() and len(kept) == len(of.fetched):
        return of
    other = traffic.Traffic()
    for mover in of.movers():
        if mover != uid:
            other.begin(mover, traffic.Expected(tuple(of.flows_of(mover))))
    for whose, fetch in kept:
        other.begin(whose, traffic.Expected(fetches=(fetch,)))
    return other
