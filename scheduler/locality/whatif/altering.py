"""The world as it would be once changes are made: objects in place of others, as the API server would have them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from scheduler import config, errors
from scheduler.api import annotations as intents
from scheduler.api import core, names
from scheduler.locality.whatif import adding, changes, copying
from scheduler.offline import world as worlds

_DAEMON_SET: Final = "DaemonSet"
_MIRROR: Final = "kubernetes.io/config.mirror"


class Altered(NamedTuple):
    """A changed world, and the pods that lost their nodes by it and have to be placed anew."""

    world: worlds.World
    evicted: tuple[core.Pod, ...] = ()


def altered(world: worlds.World, wanted: Iterable[changes.Change], where: copying.Where) -> Altered:
    """The world after some changes, in their order.

    Args:
        where: Where the pods of a namespace find a urn in the world as it is.

    Raises:
        InputError: there is nothing that could be changed so.
    """
    evicted: list[core.Pod] = []
    for change in wanted:
        match change:
            case changes.Cordon():
                world = _cordoned(world, change.node, is_on=not change.is_undone)
            case changes.Drain():
                world, gone = _left(_cordoned(world, change.node, is_on=True), change.node, _may_stay)
                evicted += gone
            case changes.RemoveNode():
                world, gone = _left(_without(world, change.node), change.node, _nobody_stays)
                evicted += [pod for pod in gone if not _may_stay(pod)]
            case changes.LikeNode():
                world = adding.like(world, change)
            case changes.NodeFile():
                world = adding.of_file(world, change.path)
            case changes.Copy():
                adding.need_node(world, change.node)
                world = (copying.removed if change.is_removed else copying.added)(world, change, where)
            case changes.Size():
                world = _sized(world, change)
            case changes.Link():
                world = _linked(world, change)
            case changes.Configured():
                world = _configured(world, change.keys)
    return Altered(world, tuple(evicted))


def _cordoned(world: worlds.World, name: str, *, is_on: bool) -> worlds.World:
    node = adding.need_node(world, name)
    return _with_node(
        world, msgspec.structs.replace(node, spec=msgspec.structs.replace(node.spec, unschedulable=is_on))
    )


def _with_node(world: worlds.World, changed: core.Node) -> worlds.World:
    nodes = tuple(changed if node.metadata.name == changed.metadata.name else node for node in world.nodes)
    return msgspec.structs.replace(world, nodes=nodes)


def _without(world: worlds.World, name: str) -> worlds.World:
    """Without a node, and what it says of itself."""
    adding.need_node(world, name)
    return msgspec.structs.replace(
        world,
        nodes=_but(world.nodes, name),
        node_capabilities=_but(world.node_capabilities, name),
        csi_nodes=_but(world.csi_nodes, name),
    )


def _but(objects: Sequence[Any], name: str) -> tuple[Any, ...]:
    return tuple(one for one in objects if one.metadata.name != name)


def _left(world: worlds.World, name: str, stays: Callable[[core.Pod], bool]) -> tuple[worlds.World, list[core.Pod]]:
    """Without the pods of a node but for those that stay, and these pods."""
    gone = [pod for pod in world.pods if pod.spec.node_name == name and not stays(pod)]
    uids = {pod.metadata.uid for pod in gone}
    left = tuple(pod for pod in world.pods if pod.metadata.uid not in uids)
    return msgspec.structs.replace(world, pods=left), gone


def _may_stay(pod: core.Pod) -> bool:
    """Whether `kubectl drain` leaves a pod alone."""
    meta = pod.metadata
    is_daemons = any(one.controller and one.kind == _DAEMON_SET for one in meta.owner_references)
    return is_daemons or _MIRROR in meta.annotations


def _nobody_stays(_: core.Pod) -> bool:
    return False


def _linked(world: worlds.World, change: changes.Link) -> worlds.World:
    """By the labels with which an administrator declares it."""
    adding.need_node(world, change.target)
    node = adding.need_node(world, change.source)
    labels = node.metadata.labels | {f"{names.BANDWIDTH_PREFIX}{change.target}": f"{change.bytes_per_s:.12g}"}
    if change.latency_s is not None:
        labels[f"{names.LATENCY_PREFIX}{change.target}"] = f"{change.latency_s * 1000:.12g}"
    return _with_node(
        world, msgspec.structs.replace(node, metadata=msgspec.structs.replace(node.metadata, labels=labels))
    )


def _sized(world: worlds.World, change: changes.Size) -> worlds.World:
    """Pinned in the DataObjects of the urn, and as the pods say that name it."""
    objects = tuple(
        msgspec.structs.replace(obj, spec=msgspec.structs.replace(obj.spec, size_bytes=change.size_bytes))
        if obj.spec.urn == change.urn
        else obj
        for obj in world.data_objects
    )
    pods = tuple(_moving(pod, change) for pod in world.pods)
    recent = tuple(msgspec.structs.replace(one, pod=_moving(one.pod, change)) for one in world.recent)
    is_named = any(new.pod is not old.pod for new, old in zip(recent, world.recent, strict=True))
    if not is_named and not any(obj.spec.urn == change.urn for obj in objects):
        raise errors.InputError("--size", change.urn, "no DataObject has this urn, and no recent pod names it")
    return msgspec.structs.replace(world, data_objects=objects, pods=pods, recent=recent)


def _moving(pod: core.Pod, change: changes.Size) -> core.Pod:
    """A pod that says of a urn that it is so big, if it says anything of it."""
    told = pod.metadata.annotations
    intent, _ = intents.parse(told)
    changed: dict[str, str] = {}
    for prefix, moved in ((names.INPUT_PREFIX, intent.inputs), (names.OUTPUT_PREFIX, intent.outputs)):
        for transfer in moved:
            if transfer.urn == change.urn:
                text = intents.format_transfer(msgspec.structs.replace(transfer, size_bytes=change.size_bytes))
                changed |= dict.fromkeys(_keys(told, prefix, change.urn), text)
    if not changed:
        return pod
    return msgspec.structs.replace(pod, metadata=msgspec.structs.replace(pod.metadata, annotations=told | changed))


def _keys(told: dict[str, str], prefix: str, urn: str) -> list[str]:
    """The annotations that name a urn; one more, where only an event does."""
    numbered = [key for key in told if intents.index(key, prefix) is not None]
    naming = [key for key in numbered if told[key].partition(",")[0].strip() == urn]
    last = max((intents.index(key, prefix) or 0 for key in numbered), default=0)
    return naming or [f"{prefix}{last + 1}"]


def _configured(world: worlds.World, keys: Any) -> worlds.World:  # noqa: ANN401 (as YAML has them)
    settings = config.parse(keys, "configuration", world.settings)
    for key, why in settings.ignored.items():
        raise errors.InputError("configuration", key, f"has no effect: {why}")
    return msgspec.structs.replace(world, settings=dataclasses.replace(settings, ignored=world.settings.ignored))
