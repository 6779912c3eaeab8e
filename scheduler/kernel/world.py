"""What is known of the cluster: each object as last seen, the state that decisions read, and whom a change helps.

The state (scheduler.state) holds what decisions need, as arrays; the objects themselves are kept beside it, to tell
what a new version changes, and to hand out the question of a decision.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from scheduler import config, errors
from scheduler.api import core, crd, devices, policy, volumes, waits
from scheduler.kernel import commands, events, nominations, queue, waiters
from scheduler.plugins import contract, registry, request
from scheduler.plugins import events as changes
from scheduler.state import cluster, demand, selecting, snapshot, traffic

Place = tuple[str, str]
S = TypeVar("S", volumes.Object, devices.Object)

_STORED: Final = {kind.__name__: kind for kind in volumes.KINDS}
_DEVICES: Final = {kind.__name__: kind for kind in devices.KINDS}


class World:
    """Takes in what was seen, and wakes whom it may help.

    Args:
        home: The namespace whose DataObjects serve everybody's pods.

    Attributes:
        wall_s: The time of day in seconds since 1970, as of the last turn.
    """

    def __init__(self, settings: config.Settings, home: str, waiting: queue.Queue) -> None:
        self.wall_s = 0.0
        self._second = -1, ""  # a second since 1970, and as text
        self.state = cluster.Cluster(
            settings.network, home, witness_max_age_s=settings.witness_max_age_s, learns=settings.learning
        )
        self.nodes: dict[str, core.Node] = {}
        self.unreadable_nodes: set[str] = set()
        self.namespaces: dict[str, core.Namespace] = {}
        self.selectors: dict[selecting.Selecting, core.LabelSelector] = {}
        self.objects: dict[Place, crd.DataObject] = {}
        self.budgets: dict[Place, policy.PodDisruptionBudget] = {}
        self.capabilities: dict[str, crd.NodeCapability] = {}
        self.pods: dict[str, core.Pod] = {}  # by uid: those that have a node and are not finished
        self.nominations = nominations.Nominations(self.state, self._nomination_over)
        self._filters = _filters(settings)
        self._settings = settings
        self._queue = waiting
        self._told: list[commands.Command] = []

    def configure(self, settings: config.Settings) -> None:
        """From now on reckon by other settings; who sleeps is to be tried by them."""
        self._settings = settings
        self._filters = _filters(settings)
        self.state.configure(settings)
        for entry in self._queue.at(queue.Place.UNSCHEDULABLE):
            self._queue.rouse(entry)

    def view(self) -> snapshot.Snapshot:
        """The state as a decision reads it; valid until the next change."""
        return self.state.freeze(self.wall_s)

    def turn(self, wall_s: float) -> None:
        """Time has passed."""
        self.wall_s = wall_s
        self.state.traffic.sweep(wall_s)

    def under_way_bytes(self) -> float:
        """What placed pods have still to move of what should be under way by now."""
        return self.state.traffic.at(self.wall_s).left_bytes

    def time(self) -> str:
        """The time of day as RFC 3339 has it; to write out a whole date costs as much as a filter."""
        second = math.floor(self.wall_s)
        if second != self._second[0]:
            self._second = second, datetime.datetime.fromtimestamp(second, datetime.UTC).isoformat()
        return f"{self._second[1][:-6]}.{int((self.wall_s - second) * 1e6):06}+00:00"

    def drain(self) -> list[commands.Command]:
        """What there is to tell of since the last time."""
        told, self._told = self._told, []
        return told

    def handlers(self) -> dict[type[events.Event], Callable[[Any], None]]:
        """Who takes in what concerns nobody but the world."""
        return {
            events.NodeSeen: self.node_seen,
            events.NodeGone: self.node_gone,
            events.NamespaceSeen: self.namespace_seen,
            events.NamespaceGone: self.namespace_gone,
            events.DevicesSeen: self.devices_seen,
            events.DevicesGone: self.devices_gone,
            events.SelectorSeen: self.selector_seen,
            events.SelectorGone: self.selector_gone,
            events.BudgetSeen: self.budget_seen,
            events.BudgetGone: self.budget_gone,
            events.ObjectSeen: self.object_seen,
            events.ObjectGone: self.object_gone,
            events.CapabilitySeen: self.capability_seen,
            events.CapabilityGone: self.capability_gone,
        }

    # ------------------------------------------------------------------------------------------------------- nodes

    def node_seen(self, event: events.NodeSeen) -> None:
        node = event.node
        name = node.metadata.name
        known = self.state.generation
        try:
            self.state.apply_node(node)
        except errors.InputError as error:
            self._told.append(commands.Unreadable("Node", name, str(error)))
            self.unreadable_nodes.add(name)
            return
        self.unreadable_nodes.discard(name)
        before = self.nodes.get(name)
        self.nodes[name] = node
        if before is None or self.state.generation != known:  # most only say that a node still lives
            self.wake(changes.NodeChanged(before, node))

    def node_gone(self, event: events.NodeGone) -> None:
        self.unreadable_nodes.discard(event.name)
        before = self.nodes.pop(event.name, None)
        left = self.state.remove_node(event.name)
        if before is not None:
            self.wake(changes.NodeGone(before, tuple(left)))

    # -------------------------------------------------------------------------------------------------- namespaces

    def namespace_seen(self, event: events.NamespaceSeen) -> None:
        namespace = event.namespace
        self.state.apply_namespace(namespace)
        name, labels = namespace.metadata.name, namespace.metadata.labels
        before = self.namespaces.get(name)
        self.namespaces[name] = namespace
        self.wake(changes.NamespaceChanged(name, before.metadata.labels if before is not None else None, labels))

    def namespace_gone(self, event: events.NamespaceGone) -> None:
        before = self.namespaces.pop(event.name, None)
        self.state.remove_namespace(event.name)
        if before is not None:
            self.wake(changes.NamespaceChanged(event.name, before.metadata.labels, None))

    # ------------------------- what Services and controllers select: only how pods are spread by default, as upstream

    def selector_seen(self, event: events.SelectorSeen) -> None:
        of = selecting.Selecting(event.kind, event.namespace, event.name)
        self.selectors[of] = event.selector
        self.state.apply_selector(of, event.selector)

    def selector_gone(self, event: events.SelectorGone) -> None:
        of = selecting.Selecting(event.kind, event.namespace, event.name)
        self.selectors.pop(of, None)
        self.state.remove_selector(of)

    # ----------------------------------------------- budgets: whom preemption would rather spare; they wake nobody

    def budget_seen(self, event: events.BudgetSeen) -> None:
        self.budgets[event.budget.metadata.namespace, event.budget.metadata.name] = event.budget
        self.state.budgets.apply(event.budget)

    def budget_gone(self, event: events.BudgetGone) -> None:
        self.budgets.pop((event.namespace, event.name), None)
        self.state.budgets.remove(event.namespace, event.name)

    # ------------------------------------------------- data: where it lies refuses no node, so that it wakes nobody

    def object_seen(self, event: events.ObjectSeen) -> None:
        obj = event.obj
        before = self.objects.get((obj.metadata.namespace, obj.metadata.name))
        if before is not None and _content(before) != _content(obj):
            self.state.traffic.fetched.change(obj.spec.urn)
        self.objects[obj.metadata.namespace, obj.metadata.name] = obj
        self.state.apply_data_object(obj)

    def object_gone(self, event: events.ObjectGone) -> None:
        before = self.objects.pop((event.namespace, event.name), None)
        if before is not None:
            self.state.traffic.fetched.change(before.spec.urn)
        self.state.remove_data_object(event.namespace, event.name)

    def capability_seen(self, event: events.CapabilitySeen) -> None:
        capability = event.capability
        before = self.capabilities.get(capability.metadata.name)
        self.capabilities[capability.metadata.name] = capability
        came_back = self.state.apply_capability(capability)
        self.wake(changes.CapabilityChanged(before, capability, came_back))

    def capability_gone(self, event: events.CapabilityGone) -> None:
        self.capabilities.pop(event.name, None)
        self.state.remove_capability(event.name)

    # ------------------------------------------------------------------------------------------ claims and volumes

    def storage_seen(self, event: events.StorageSeen) -> None:
        self._take_in(event.obj, self.state.storage.apply, changes.StorageChanged)

    def storage_gone(self, event: events.StorageGone) -> volumes.Object | None:
        """Returns the object as it was."""
        before = self.state.storage.remove(_STORED[event.kind], event.namespace, event.name)
        if before is not None:
            self.wake(changes.StorageChanged(before, None))
        return before

    # ------------------------------------------------------------------------------------------- claims of devices

    def devices_seen(self, event: events.DevicesSeen) -> None:
        self._take_in(event.obj, self.state.claims.apply, changes.DevicesChanged)

    def devices_gone(self, event: events.DevicesGone) -> None:
        before = self.state.claims.remove(_DEVICES[event.kind], event.namespace, event.name)
        if before is not None:
            self.wake(changes.DevicesChanged(before, None))

    def _take_in(self, obj: S, apply: Callable[[S], S | None], changed: Callable[[S | None, S], changes.Event]) -> None:
        """Have an object that can be read in the state, and those tried again whom it may help."""
        try:
            before = apply(obj)
        except errors.InputError as error:
            meta = obj.metadata
            name = f"{meta.namespace}/{meta.name}".removeprefix("/")
            self._told.append(commands.Unreadable(type(obj).__name__, name, str(error)))
            return
        if before != obj:
            self.wake(changed(before, obj))

    # -------------------------------------------------------------------------------------------------------- pods

    def pod_seen(self, pod: core.Pod, assumed: tuple[core.Pod, str] | None) -> None:
        """A pod is on its node; ``assumed``: as it was counted until now, and where, as its binding was under way."""
        uid = pod.metadata.uid
        known = self.state.generation
        try:
            self.state.apply_pod(pod)
        except errors.InputError as error:
            self._told.append(commands.Unreadable("Pod", pod.key, str(error)))
            return
        before = self.pods.get(uid)
        self.pods[uid] = pod
        if before is None or self.state.generation != known:  # most only say how a pod is doing
            self.wake(changes.AssignedPodChanged(before, pod))
        self.nominations.end(uid, pod.spec.node_name)
        if assumed is None:
            return
        decided, node = assumed
        was = _on(decided, node)
        if node != pod.spec.node_name:
            self.wake(changes.AssignedPodChanged(was, None))
        elif was.spec != pod.spec or _known_by(was) != _known_by(pod):
            self.wake(changes.AssignedPodChanged(was, pod))

    def pod_gone(self, uid: str, assumed: tuple[core.Pod, str] | None) -> None:
        """A pod is on no node any more; ``assumed`` as above."""
        before = self.pods.pop(uid, None) or (_on(*assumed) if assumed is not None else None)
        self.state.remove_pod(uid)
        if before is not None:
            self.wake(changes.AssignedPodChanged(before, None))
        self.nominations.end(uid)

    def pod(self, uid: str) -> core.Pod | None:
        """A pod that is on a node or assumed there, as last seen."""
        if (seen := self.pods.get(uid)) is not None:
            return seen
        placed = self.view().placed.get(uid)
        return placed.pod if placed is not None else None

    def assume(self, pod: core.Pod, node: str, asked: demand.Demand, moves: traffic.Expected = traffic.NOTHING) -> None:
        """Count a pod, which asks for and moves so much, on the node that it is about to be bound to."""
        self.state.assume(pod, node, asked)
        self.state.traffic.begin(pod.metadata.uid, moves)
        self.nominations.take(pod.metadata.uid, node)

    def forget(self, pod: core.Pod, node: str) -> None:
        """Take an assumption back; what it held may be what another pod waits for."""
        uid = pod.metadata.uid
        if self.state.is_assumed(uid):
            self.state.durations.withdrawn(uid)
            self.state.pipelines.ended(uid)
            self.state.forget(uid)
            self.state.remove_pod(uid)  # where it was nominated to; whether it is again is for `Nominations.put`
            self.wake(changes.AssignedPodChanged(_on(pod, node), None))

    def retract(self, pod: core.Pod) -> None:
        """Take an assumption back of which nobody has heard."""
        uid = pod.metadata.uid
        self.state.forget(uid)
        self.state.remove_pod(uid)
        self.nominations.put(uid, pod)

    # ---------------------------------------------------------------------------------------------------- wake-ups

    def _nomination_over(self, before: core.Pod) -> None:
        """Who is more urgent than a pod counts on the room that is kept for it anyway (getLEPriorityPreCheck)."""
        gone = changes.AssignedPodChanged(_on(before, before.status.nominated_node_name), None)
        self.wake(gone, most_urgent=before.spec.priority)

    def wake(self, event: changes.Event, most_urgent: int | None = None) -> None:
        """Rouse those of whom a filter that refused them says that this may help, each once."""
        roused: dict[str, waiters.Entry] = {}
        for plugin in self._queue.asleep.plugins():
            if plugin in {queue.UNSUPPORTED, queue.GANG}:
                continue
            for asked, alike in self._queue.asleep.of(plugin):
                if self._helps(plugin, event, asked):
                    roused.update((entry.uid, entry) for entry in alike)
        for entry in roused.values():
            if most_urgent is None or entry.pod.spec.priority <= most_urgent:
                self._queue.rouse(entry)

    def asks_anew(self, entry: waiters.Entry, before: core.Pod) -> None:
        """A pod that sleeps is not what it was: rouse it if that may help it, or keep in mind what it asks for now."""
        event, settings = changes.OwnPodChanged(before, entry.pod), self._settings.of(entry.pod.spec.scheduler_name)
        asks: dict[str, waiters.Asked] = {}
        for plugin, asked in entry.refused_by.items():
            if plugin == queue.GANG and _gang(before) == _gang(entry.pod):
                asks[plugin] = asked
                continue
            rule = self._filters.get(plugin)
            try:
                # As it is now, of which its hints are asked; None, too, where its turn will tell what cannot be read.
                now = rule.compile(request.prepare(entry.pod), settings) if rule is not None else None
            except errors.InputError:
                now = None
            if now is None or self._helps(plugin, event, now):
                self._queue.rouse(entry)
                return
            asks[plugin] = now
        self._queue.asleep.add(entry, asks)

    def _helps(self, plugin: str, event: changes.Event, asked: waiters.Asked) -> bool:
        """Whether an event may help who asked a filter for this; where that cannot be told, it may."""
        rule = self._filters.get(plugin)
        if rule is None or asked is None:
            return True
        if isinstance(asked, contract.Refuse):
            return False  # only another version of the pod would help
        try:
            return rule.wakes(event, asked)
        except Exception as bug:  # noqa: BLE001 (costs this item alone)
            self._told.append(commands.Defect("queue", plugin, bug))
            return True


def _filters(settings: config.Settings) -> dict[str, contract.Filter[Any, Any]]:
    """The filters of all profiles, by name."""
    named = [settings.plugins, *(profile.plugins for profile in settings.further)]
    return {one.name: one for plugins in named for one in registry.filters(plugins.extensions)}


def _content(obj: crd.DataObject) -> object:
    """What tells whether data is what it was, as far as its stores say."""
    return {copy.etag for copy in obj.status.replicas if copy.etag}


def _gang(pod: core.Pod) -> waits.Gang | None:
    return waits.parse(pod.metadata.annotations)[0].gang


def _known_by(pod: core.Pod) -> tuple[str, dict[str, str]]:
    """What other pods' terms look at."""
    return pod.metadata.namespace, pod.metadata.labels


def _on(pod: core.Pod, node: str) -> core.Pod:
    """The pod, with a node."""
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, node_name=node))
