"""Copies of data that would be there, or would not: by DataObjects, as who declares them writes them.

Where DataObjects have exactly the urn, these get the location or lose it. Where pods find it otherwise (by a prefix, or
the bucket), their namespace gets a DataObject of the urn, which says of the other copies what they would find.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from scheduler import errors
from scheduler.api import annotations as intents
from scheduler.api import core, crd, names
from scheduler.locality.whatif import changes
from scheduler.offline import world as worlds
from scheduler.state import replicas

Where = Callable[[str, str], replicas.Entry | None]
"""Where the pods of a namespace find a urn."""


def added(world: worlds.World, change: changes.Copy, where: Where) -> worlds.World:
    """With one more copy."""
    exact = [obj for obj in world.data_objects if obj.spec.urn == change.urn]
    homes = _homes(world, change.urn, exact)
    if not exact and not homes:
        homes = [names.HOME_NAMESPACE]
    made: list[crd.DataObject] = []
    for home in homes:
        found = where(home, change.urn) or replicas.Entry(change.urn, None)
        made.append(_made(world, found._replace(urn=change.urn, nodes=(*found.nodes, change.node)), home))
    return _with(world, [_located(obj, change.node) for obj in exact], made)


def removed(world: worlds.World, change: changes.Copy, where: Where) -> worlds.World:
    """Without a copy.

    Raises:
        InputError: none is known there.
    """
    exact = [obj for obj in world.data_objects if obj.spec.urn == change.urn]
    left = [_unlocated(obj, change.node) for obj in exact]
    unserved = _unserved(world, change)
    is_served = unserved is not world
    made: list[crd.DataObject] = []
    seen: set[str] = set()
    for home in [] if is_served else _homes(world, change.urn, exact):
        found = where(home, change.urn)
        if found is None:
            continue
        seen.update(found.nodes)
        if change.node in found.nodes:
            others = tuple(node for node in found.nodes if node != change.node)
            made.append(_made(world, found._replace(urn=change.urn, nodes=others), home, gone=change.node))
    if not made and not is_served and all(new is old for new, old in zip(left, exact, strict=True)):
        for obj in exact:
            seen.update([one.node for one in obj.spec.locations], [one.node for one in obj.status.replicas])
        where_else = f"; copies are known on {', '.join(sorted(seen)[:5])}" if seen else ""
        raise errors.InputError("--remove-replica", change.urn, f"no copy is known on {change.node}{where_else}")
    return _with(unserved, left, made)


def _homes(world: worlds.World, urn: str, exact: list[crd.DataObject]) -> list[str]:
    """The namespaces of pods that name a urn and see no DataObject of exactly it."""
    told = {obj.metadata.namespace for obj in exact}
    naming = {pod.metadata.namespace for pod in _asking(world) if _names(pod, urn)}
    return [] if names.HOME_NAMESPACE in told else sorted(naming - told)


def _asking(world: worlds.World) -> list[core.Pod]:
    return [one.pod for one in world.recent] + [pod for pod in world.pods if not pod.spec.node_name]


def _names(pod: core.Pod, urn: str) -> bool:
    intent, _ = intents.parse(pod.metadata.annotations)
    return urn in intent.sources or any(one.urn == urn for one in (*intent.inputs, *intent.outputs))


def _located(obj: crd.DataObject, node: str) -> crd.DataObject:
    if any(one.node == node for one in obj.spec.locations):
        return obj
    spec = msgspec.structs.replace(obj.spec, locations=(*obj.spec.locations, crd.Location(node)))
    return msgspec.structs.replace(obj, spec=spec)


def _unlocated(obj: crd.DataObject, node: str) -> crd.DataObject:
    locations = tuple(one for one in obj.spec.locations if one.node != node)
    copies = tuple(one for one in obj.status.replicas if one.node != node)
    if len(locations) == len(obj.spec.locations) and len(copies) == len(obj.status.replicas):
        return obj
    return msgspec.structs.replace(
        obj,
        spec=msgspec.structs.replace(obj.spec, locations=locations),
        status=msgspec.structs.replace(obj.status, replicas=copies),
    )


def _made(world: worlds.World, found: replicas.Entry, home: str, gone: str = "") -> crd.DataObject:
    """A DataObject that says of a urn what was found; ``gone`` is where a copy was."""
    known = {obj.metadata.name for obj in world.data_objects if obj.metadata.namespace == home}
    name = next(name for count in range(len(known) + 1) if (name := f"what-if-{count}") not in known)
    copies = [
        crd.Replica(names.EXTERNAL, region=place.region, zone=place.zone, available=True) for place in found.places
    ]
    if gone and not found.is_there:
        copies.append(crd.Replica(gone))  # of a urn without any it would be looked for by its bucket again
    return crd.DataObject(
        metadata=core.ObjectMeta(name=name, namespace=home),
        spec=crd.DataObjectSpec(found.urn, locations=tuple(crd.Location(node) for node in dict.fromkeys(found.nodes))),
        status=crd.DataObjectStatus(replicas=tuple(copies)),
    )


def _with(world: worlds.World, changed: list[crd.DataObject], made: list[crd.DataObject]) -> worlds.World:
    new = {(obj.metadata.namespace, obj.metadata.name): obj for obj in changed}
    kept = (new.get((obj.metadata.namespace, obj.metadata.name), obj) for obj in world.data_objects)
    return msgspec.structs.replace(world, data_objects=(*kept, *made))


def _unserved(world: worlds.World, change: changes.Copy) -> worlds.World:
    """Without what the node itself says of who serves the bucket, if the urn is one that it serves."""
    label = f"{names.STORAGE_BUCKET_PREFIX}{change.urn}"
    nodes, capabilities = list(world.nodes), list(world.node_capabilities)
    for place, node in enumerate(nodes):
        if node.metadata.name == change.node and label in node.metadata.labels:
            labels = {key: value for key, value in node.metadata.labels.items() if key != label}
            meta = msgspec.structs.replace(node.metadata, labels=labels)
            nodes[place] = msgspec.structs.replace(node, metadata=meta)
    for place, capability in enumerate(capabilities):
        stores = capability.status.stores
        if capability.metadata.name == change.node and any(change.urn in one.buckets for one in stores):
            left = tuple(
                msgspec.structs.replace(one, buckets=tuple(each for each in one.buckets if each != change.urn))
                for one in stores
            )
            status = msgspec.structs.replace(capability.status, stores=left)
            capabilities[place] = msgspec.structs.replace(capability, status=status)
    if tuple(nodes) == world.nodes and tuple(capabilities) == world.node_capabilities:
        return world
    return msgspec.structs.replace(world, nodes=tuple(nodes), node_capabilities=tuple(capabilities))
