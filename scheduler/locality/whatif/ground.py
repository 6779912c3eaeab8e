"""The state that decides in a world, made once, and moved to another world by what differs between the two.

It takes in differences by the same doors as the running scheduler's state does. Where the settings differ by which a
state is made (the network's priors, the age of witnesses), it is made anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from scheduler.api import core, underway, volumes
from scheduler.engine import byname
from scheduler.offline import door, question
from scheduler.offline import world as worlds
from scheduler.state import naming, snapshot

N = TypeVar("N", bound=question.Named)
_MADE_BY: Final = ("network", "witness_max_age_s")


class Ground:
    """A world's state and the engines that decide on it.

    Attributes:
        world: The one that it shows now.
    """

    def __init__(self, world: worlds.World) -> None:
        self._stand_on(world)

    def _stand_on(self, world: worlds.World) -> None:
        self.world = world
        self.state = door.state_of(world, world.settings)
        self.now_s = door.time(world.now)
        self._index()
        self.engines = byname.Engines(world.settings)

    def view(self) -> snapshot.Snapshot:
        """The state as it is now."""
        return self.state.freeze(self.now_s)

    def placed_on(self, uid: str) -> str:
        """The node of a pod; "" where it has none."""
        pod = self._pods.get(uid)
        return pod.spec.node_name if pod is not None and pod.status.phase not in question.FINISHED else ""

    @contextlib.contextmanager
    def without(self, uid: str) -> Iterator[None]:
        """As long as the block runs, the state is as it would be without a pod, and what it has under way."""
        pod = self._pods.get(uid)
        if pod is None:
            yield
            return
        self.state.remove_pod(uid)
        try:
            yield
        finally:
            door.apply_pod(pod, self.state)
            if uid in self._moved or uid in self._fetched:
                moved, there = self._moved.get(uid, ()), self._fetched.get(uid, ())
                naming.begin(self.state.traffic, self.view().index_of, moved, there)

    def become(self, world: worlds.World) -> None:
        """Show another world."""
        old, now = self.world, world.settings
        if any(getattr(old.settings, name) != getattr(now, name) for name in _MADE_BY):
            self._stand_on(world)
            return
        state, self.world = self.state, world
        if old.settings != now:
            self.engines = byname.Engines(now)
        _take_in(old.pods, world.pods, _uid, lambda pod: door.apply_pod(pod, state), self._forget_pod)
        _take_in(old.nodes, world.nodes, _name, state.apply_node, lambda node: state.remove_node(_name(node)))
        _take_in(
            old.node_capabilities,
            world.node_capabilities,
            _name,
            state.apply_capability,
            lambda one: state.remove_capability(_name(one)),
        )
        _take_in(
            old.csi_nodes,
            world.csi_nodes,
            _name,
            state.storage.apply,
            lambda one: state.storage.remove(volumes.CSINode, "", _name(one)),
        )
        _take_in(
            old.data_objects,
            world.data_objects,
            _key,
            state.apply_data_object,
            lambda one: state.remove_data_object(*_key(one)),
        )
        if old.pods is not world.pods:
            self._index()

    def _forget_pod(self, pod: core.Pod) -> None:
        self.state.remove_pod(pod.metadata.uid)
        self.state.pipelines.leaves(pod.metadata.uid)

    def _index(self) -> None:
        self._pods: Mapping[str, core.Pod] = {pod.metadata.uid: pod for pod in self.world.pods}
        self._moved: dict[str, list[underway.Transfer]] = {}
        self._fetched: dict[str, list[underway.Fetched]] = {}
        for one in self.world.transfers:
            self._moved.setdefault(one.uid, []).append(one)
        for there in self.world.fetched:
            if there.uid:
                self._fetched.setdefault(there.uid, []).append(there)


def _take_in(
    old: Sequence[N],
    new: Sequence[N],
    key: Callable[[N], object],
    apply: Callable[[N], object],
    remove: Callable[[N], object],
) -> None:
    """Apply what is new or otherwise than before, then remove what is gone.

    In this order, so that no slot is used again: among nodes that tie it is drawn by the order of slots.
    """
    if old is new:
        return
    before, after = {key(one): one for one in old}, {key(one): one for one in new}
    for name, one in after.items():
        if before.get(name) is not one:
            apply(one)
    for name, one in before.items():
        if name not in after:
            remove(one)


def _uid(pod: core.Pod) -> str:
    return pod.metadata.uid


def _name(obj: question.Named) -> str:
    return obj.metadata.name


def _key(obj: question.Named) -> tuple[str, str]:
    return obj.metadata.namespace, obj.metadata.name
