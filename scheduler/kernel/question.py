"""The question of a decision, as one line for `data-locality-scheduler decide`, and the world that all are asked in.

It is made of the state as it is when it is asked for, as a state for each decision would be a thousand clusters. So the
line says which state it shows: its ``id`` has the number of inputs taken in by then beside that of the decision. Where
the state has moved on too far, a recording (scheduler.kernel.recording) has the one that was decided on: it is that of
the recording's first lines, up to the decision's number.

A pod that is placed meanwhile is asked about as if it were not.

A world is what questions are made of: such a line without a pod to place, with the settings and the last decisions.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from scheduler.api import core, devices, services, volumes
from scheduler.kernel import journal, kernel
from scheduler.state import naming, selecting, snapshot

_STORED: Final[dict[str, type[volumes.Object]]] = {
    "pvcs": volumes.PersistentVolumeClaim,
    "pvs": volumes.PersistentVolume,
    "storageClasses": volumes.StorageClass,
    "csiNodes": volumes.CSINode,
    "csiDrivers": volumes.CSIDriver,
    "csiStorageCapacities": volumes.CSIStorageCapacity,
    "volumeAttachments": volumes.VolumeAttachment,
}

_DEVICES: Final[dict[str, type[devices.Object]]] = {
    "deviceClasses": devices.DeviceClass,
    "resourceClaims": devices.ResourceClaim,
    "resourceSlices": devices.ResourceSlice,
    "deviceTaintRules": devices.DeviceTaintRule,
}

_encode = msgspec.json.Encoder().encode


def line(subject: kernel.Kernel, record: journal.Record, wall_s: float) -> Iterator[bytes] | None:
    """One line of JSON, an object at a time; None where the pod is gone.

    Args:
        record: The attempt that is asked about.
        wall_s: The time of day, in seconds since 1970.
    """
    world, uid = subject.world, record.uid
    view = subject.state.freeze(wall_s)
    placed, entry = view.placed.get(uid), subject.queue.get(uid)
    if entry is not None:
        pod = entry.pod
    elif placed is not None:
        pod = still_to_be_placed(placed.pod)
    else:
        return None
    when = datetime.datetime.fromtimestamp(wall_s, datetime.UTC)
    identity = {
        "pod": record.pod,
        "uid": uid,
        "decided": {"sequence": record.sequence, "time": record.time, "node": record.node, "draw": record.draw},
        "shown": {"sequence": subject.sequence, "time": when.isoformat()},
    }
    head = {"id": identity, "now": when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "pod": pod}
    counted = [(one.pod, one.node) for other, one in view.placed.items() if other != uid]
    expected = {other: one for other, one in world.nominations.pods.items() if other != uid}
    readers = [one.pod for one in subject.state.pipelines.readers_of(pod) if not one.is_learned]
    expected |= {
        one.metadata.uid: one for one in readers if one.metadata.uid != uid and one.metadata.uid not in view.placed
    }
    pods = itertools.chain(itertools.starmap(_on, counted), expected.values())
    return _pieces(_encode(head), _collections(subject, view, uid) | {"pods": pods})


def whole(subject: kernel.Kernel, wall_s: float) -> Iterator[bytes]:
    """The world in one line of JSON, an object at a time: docs/decide.md tells what it holds.

    Args:
        wall_s: The time of day, in seconds since 1970.
    """
    view = subject.state.freeze(wall_s)
    when = datetime.datetime.fromtimestamp(wall_s, datetime.UTC)
    head = {
        "id": {"shown": {"sequence": subject.sequence, "time": when.isoformat()}},
        "now": when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "settings": subject.settings,
    }
    counted = [(one.pod, one.node) for one in view.placed.values()]
    waiting = [entry.pod for entry in subject.queue.entries() if entry.uid not in view.placed]
    return _pieces(
        _encode(head),
        {
            **_collections(subject, view, ""),
            "pods": itertools.chain(itertools.starmap(_on, counted), waiting),
            "recent": [{"pod": pod, "decision": record} for pod, record in subject.journal.recent()],
        },
    )


def _collections(subject: kernel.Kernel, view: snapshot.Snapshot, but: str) -> dict[str, Iterable[object]]:
    """All objects but pods, and what is under way but for one pod, by its uid.

    Taken at this moment: what changes while they are sent does not change what is shown.
    """
    world = subject.world
    stored, claimed = subject.state.storage.objects, subject.state.claims.objects
    return {
        "nodes": list(world.nodes.values()),
        "namespaces": list(world.namespaces.values()),
        **_selectors(world.selectors),
        "pdbs": list(world.budgets.values()),
        "dataObjects": list(world.objects.values()),
        "nodeCapabilities": list(world.capabilities.values()),
        "transfers": list(naming.transfers(view.traffic, view.names, but)),
        "fetched": list(naming.kept(view.traffic, view.names, but)),
        **{name: list(stored[kind].values()) for name, kind in _STORED.items()},
        **{name: list(claimed[kind].values()) for name, kind in _DEVICES.items()},
    }


def _selectors(held: Mapping[selecting.Selecting, core.LabelSelector]) -> dict[str, Iterable[object]]:
    """What Services and controllers select, as these."""
    found: dict[str, list[object]] = {collection: [] for collection in selecting.COLLECTIONS.values()}
    for of, selector in held.items():
        meta = core.ObjectMeta(name=of.name, namespace=of.namespace)
        found[selecting.COLLECTIONS[of.kind]].append(
            services.Service(meta, services.ServiceSpec(selector.match_labels))
            if of.kind in selecting.BY_LABELS
            else services.Controller(meta, services.ControllerSpec(selector))
        )
    return dict(found)


def _pieces(head: bytes, collections: dict[str, Iterable[object]]) -> Iterator[bytes]:
    yield head[:-1]
    for name, objects in collections.items():
        yield b',"%b":[' % name.encode()
        for number, one in enumerate(objects):
            yield (b"," if number else b"") + _encode(one)
        yield b"]"
    yield b"}\n"


def _on(pod: core.Pod, node: str) -> core.Pod:
    if pod.spec.node_name:
        return pod
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, node_name=node))


def still_to_be_placed(pod: core.Pod) -> core.Pod:
    """A pod that has a node, as if it had none."""
    return msgspec.structs.replace(pod, spec=msgspec.structs.replace(pod.spec, node_name=""), status=core.PodStatus())
