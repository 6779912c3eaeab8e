"""Nodes that would be there: as a file describes them, or as another one is, with nothing on it yet."""

from __future__ import annotations

from typing import Final

import msgspec

from scheduler import errors, sections
from scheduler.api import core, crd, decoding, names
from scheduler.locality.whatif import changes
from scheduler.offline import world as worlds

# What is set on a node by what happens to it, not by what it is.
_LIFECYCLE: Final = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
_OF_STORES: Final = (names.STORAGE_BUCKET_PREFIX, f"{names.NODE_CAPABILITY_PREFIX}storage-service")
_OF_LINKS: Final = (names.BANDWIDTH_PREFIX, names.LATENCY_PREFIX)
_NOT_SHARED: Final = (*_OF_STORES, *_OF_LINKS)


def need_node(world: worlds.World, name: str) -> core.Node:
    """A node by its name.

    Raises:
        InputError: there is none.
    """
    known = {node.metadata.name: node for node in world.nodes}
    if name in known:
        return known[name]
    near = sections.nearest(name, tuple(known))
    raise errors.InputError(
        "node", name, f"there is none; {f'did you mean {near}?' if near else 'see kubectl get nodes'}"
    )


def like(world: worlds.World, change: changes.LikeNode) -> worlds.World:
    """With nodes like another one: its size, labels, taints and hardware, without its pods, data, images and links.

    Raises:
        InputError: there is none to be like, or the name is taken.
    """
    model = need_node(world, change.like)
    capability = next((one for one in world.node_capabilities if one.metadata.name == change.like), None)
    volumes = next((one for one in world.csi_nodes if one.metadata.name == change.like), None)
    taken = {node.metadata.name for node in world.nodes}
    first = change.name or f"{change.like}-like"
    made = [first if change.count == 1 else f"{first}-{number + 1}" for number in range(change.count)]
    for name in made:
        if name in taken:
            raise errors.InputError("--add-node", name, "there is a node of this name; write another one as name=...")
    return msgspec.structs.replace(
        world,
        nodes=(*world.nodes, *(_node(model, name, change) for name in made)),
        node_capabilities=(
            *world.node_capabilities,
            *(_capability(capability, name, change) for name in made if capability is not None),
        ),
        csi_nodes=(
            *world.csi_nodes,
            *(msgspec.structs.replace(volumes, metadata=core.ObjectMeta(name=name)) for name in made if volumes),
        ),
    )


def of_file(world: worlds.World, path: str) -> worlds.World:
    """With the nodes that a file describes, and what it says of them.

    Raises:
        InputError: it cannot be read, has something else in it, or a node that is there already.
    """
    nodes, capabilities = list(world.nodes), {one.metadata.name: one for one in world.node_capabilities}
    taken = {node.metadata.name for node in nodes}
    for data in sections.load_all(path):
        where = f"{path}: {data.get('kind', 'an object without kind')}"
        match data.get("kind"):
            case "Node":
                node = decoding.convert(data, core.Node, where)
                if not node.metadata.name or node.metadata.name in taken:
                    raise errors.InputError(where, node.metadata.name, "there is a node of this name, or none given")
                taken.add(node.metadata.name)
                nodes.append(node)
            case "NodeCapability":
                capability = decoding.convert(data, crd.NodeCapability, where)
                capabilities[capability.metadata.name] = capability
            case _:
                raise errors.InputError(where, "", "write Nodes, and NodeCapabilities of the same names")
    if len(nodes) == len(world.nodes):
        raise errors.InputError(path, "", "no Node in it")
    return msgspec.structs.replace(world, nodes=tuple(nodes), node_capabilities=tuple(capabilities.values()))


def _node(model: core.Node, name: str, change: changes.LikeNode) -> core.Node:
    given = {
        names.HOSTNAME_LABEL: name,
        names.REGION_LABEL: change.region,
        names.ZONE_LABEL: change.zone,
        names.NODE_TYPE_LABEL: change.kind,
    }
    labels = {key: value for key, value in model.metadata.labels.items() if not key.startswith(_NOT_SHARED)}
    labels |= {key: value for key, value in given.items() if value}
    taints = tuple(taint for taint in model.spec.taints if not taint.key.startswith(_LIFECYCLE))
    return core.Node(
        metadata=core.ObjectMeta(name=name, labels=labels),
        spec=core.NodeSpec(taints=taints),
        status=core.NodeStatus(
            allocatable=model.status.allocatable,
            capacity=model.status.capacity,
            declared_features=model.status.declared_features,
            node_info=model.status.node_info,
        ),
    )


def _capability(model: crd.NodeCapability, name: str, change: changes.LikeNode) -> crd.NodeCapability:
    status, prefix = model.status, names.NODE_CAPABILITY_PREFIX
    return crd.NodeCapability(
        metadata=core.ObjectMeta(name=name),
        spec=model.spec,
        status=crd.NodeCapabilityStatus(
            node_type=change.kind or status.node_type,
            region=change.region or status.region,
            zone=change.zone or status.zone,
            cpu=status.cpu,
            memory_bytes=status.memory_bytes,
            disks=status.disks,
            interfaces=status.interfaces,
            os=status.os,
            accelerators=status.accelerators,
            capabilities={
                key: value for key, value in status.capabilities.items() if not f"{prefix}{key}".startswith(_NOT_SHARED)
            },
        ),
    )
