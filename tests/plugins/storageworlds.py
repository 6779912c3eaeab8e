"""Small clusters with volumes of every kind, and pods that ask for them, for laws of the plugins for volumes.

All is drawn by one generator, as thousands of clusters of thirty objects drawn one by one would take minutes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from scheduler.api import core, volumes
from tests.state import build
from tests.state.build import Object

NODES = ["n0", "n1", "n2"]
ZONE, BETA = "topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"
DRIVER, AWS = "csi.example.com", "kubernetes.io/aws-ebs"
MIGRATED = "storage.alpha.kubernetes.io/migrated-plugins"
SELECTED, COMPLETED = "volume.kubernetes.io/selected-node", "pv.kubernetes.io/bind-completed"
CLAIMS = ["c0", "c1", "c2", "p0-own", "new-own"]
VOLUMES = ["v0", "v1", "v2", "v3"]
CLASSES = ["late", "late-local", "now", "aws"]

T = TypeVar("T")


class Draw(random.Random):
    """Chance, by one number."""

    def some(self, *values: T) -> T:
        return self.choice(values)

    def several(self, values: Sequence[T], most: int) -> list[T]:
        return self.choices(values, k=self.randint(0, most))


def nodes(draw: Draw, name: str) -> Object:
    labels = {"kubernetes.io/hostname": name}
    for key, values in ((ZONE, ["a", "b"]), (BETA, ["a"]), ("rank", ["1", "5"])):
        if draw.some(True, False):
            labels[key] = draw.some(*values)
    return build.node(name, labels=labels)


_EXPRESSIONS: list[Object] = [
    {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"]},
    {"key": ZONE, "operator": "In", "values": ["a"]},
    {"key": BETA, "operator": "NotIn", "values": ["a"]},
    {"key": "rank", "operator": "Gt", "values": ["3"]},
    {"key": "rank", "operator": "Gt", "values": ["x"]},
]
_NAMED: Object = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
_SOURCES: list[Object] = [
    {"csi": {"driver": DRIVER, "volumeHandle": "h0"}},
    {"csi": {"driver": DRIVER, "volumeHandle": "h1"}},
    {"awsElasticBlockStore": {"volumeID": "aws://a/vol-1"}},
    {"awsElasticBlockStore": {"volumeID": "aws://a/1"}},
    {"gcePersistentDisk": {"pdName": "d"}},
    {"azureDisk": {"diskURI": "u", "kind": "Dedicated"}},
    {"nfs": {"server": "s"}},
]


def _term(draw: Draw) -> Object:
    return draw.some({"matchExpressions": draw.several(_EXPRESSIONS, 2)}, _NAMED)


def persistent_volumes(draw: Draw, name: str) -> Object:
    spec = dict(draw.some(*_SOURCES))
    spec |= {"capacity": {"storage": draw.some("1Gi", "2Gi", "2Gi", "5Gi")}, "accessModes": ["ReadWriteOnce"]}
    spec |= {"storageClassName": draw.some("late", "late-local", "aws")}
    if draw.some(True, False):
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [_term(draw), *draw.several([_NAMED], 1)]}}
    if not draw.randint(0, 2):
        claim = draw.some(*CLAIMS)
        spec["claimRef"] = {"namespace": "default", "name": claim} | draw.some({}, {"uid": f"uid-{claim}"})
    labels: dict[str, str] = draw.some({}, {ZONE: "a"}, {ZONE: "a__b"}, {BETA: "b"}, {ZONE: "__"})
    status = {"phase": draw.some("Available", "Available", "Bound")}
    return {"metadata": _meta(draw, name) | {"labels": labels}, "spec": spec, "status": status}


def claims(draw: Draw, name: str) -> Object:
    notes: dict[str, str] = {}
    spec: Object = {"accessModes": draw.some(["ReadWriteOnce"], ["ReadWriteOnce"], ["ReadWriteOncePod"])}
    spec["resources"] = {"requests": draw.some({"storage": "1Gi"}, {"storage": "2Gi"}, {})}
    if draw.randint(0, 9):
        spec["storageClassName"] = draw.some("late", "late", *CLASSES)
    match draw.randint(0, 4):
        case 0 | 1:
            spec["volumeName"] = draw.some(*VOLUMES, *VOLUMES, "unheard-of")
            notes[COMPLETED] = "yes"
        case 2:
            notes[SELECTED] = draw.some(*NODES)
    meta = _meta(draw, name) | {"namespace": "default", "annotations": notes}
    if name.endswith("-own"):
        owner = f"uid-{name.removesuffix('-own')}" if draw.randint(0, 4) else "uid-other"
        meta["ownerReferences"] = [{"uid": owner, "controller": True, "kind": "Pod", "name": "p"}]
    return {"metadata": meta, "spec": spec, "status": {"phase": "Bound" if draw.randint(0, 19) else "Lost"}}


def _meta(draw: Draw, name: str) -> Object:
    return {"name": name, "uid": f"uid-{name}", "resourceVersion": str(draw.randint(1, 3))}


def classes(draw: Draw, name: str) -> Object:
    provisioner = {"late-local": "kubernetes.io/no-provisioner", "aws": AWS}.get(name, DRIVER)
    mode = "Immediate" if name == "now" else "WaitForFirstConsumer"
    made: Object = {"metadata": _meta(draw, name), "provisioner": provisioner, "volumeBindingMode": mode}
    if not draw.randint(0, 2):
        made["allowedTopologies"] = [{"matchLabelExpressions": [{"key": ZONE, "values": ["a"]}]}]
    return made


def csi_nodes(draw: Draw, name: str) -> Object:
    limit: Object = draw.some({}, {"allocatable": {"count": 1}}, {"allocatable": {"count": 2}})
    running = draw.some([], [DRIVER], [DRIVER, "ebs.csi.aws.com"])
    notes: dict[str, str] = draw.some({}, {MIGRATED: f"{AWS},kubernetes.io/azure-disk"})
    listed = [{"name": one} | limit for one in running]
    return {"metadata": _meta(draw, name) | {"annotations": notes}, "spec": {"drivers": listed}}


def drivers(draw: Draw, name: str) -> Object:
    spec = {"storageCapacity": draw.some(True, False), "preventPodSchedulingIfMissing": draw.some(True, False)}
    return {"metadata": _meta(draw, name), "spec": spec}


def capacities(draw: Draw, name: str) -> Object:
    by_name: Object = {"matchLabels": {"kubernetes.io/hostname": "n1"}}
    topology: Object | None = draw.some({}, {"matchLabels": {ZONE: "a"}}, by_name, None)
    made = {"metadata": _meta(draw, name) | {"namespace": "default"}, "storageClassName": draw.some("late", "aws")}
    limited = {"capacity": "3Gi", "maximumVolumeSize": "1Gi"}
    size: Object = draw.some({"capacity": "10Gi"}, {"capacity": "1Gi"}, limited, {})
    return made | size | ({} if topology is None else {"nodeTopology": topology})


def attachments(draw: Draw, name: str) -> Object:
    source: Object = draw.some({"persistentVolumeName": draw.some(*VOLUMES)}, {})
    spec = {"attacher": draw.some(DRIVER, "other"), "nodeName": draw.some(*NODES), "source": source}
    return {"metadata": _meta(draw, name), "spec": spec}


STORED: list[tuple[type[volumes.Object], Callable[[Draw, str], Object], Sequence[str]]] = [
    (volumes.PersistentVolumeClaim, claims, CLAIMS),
    (volumes.PersistentVolume, persistent_volumes, VOLUMES),
    (volumes.StorageClass, classes, CLASSES),
    (volumes.CSINode, csi_nodes, NODES),
    (volumes.CSIDriver, drivers, [DRIVER, "ebs.csi.aws.com"]),
    (volumes.CSIStorageCapacity, capacities, ["k0", "k1"]),
    (volumes.VolumeAttachment, attachments, ["a0", "a1"]),
]


def stored(draw: Draw) -> volumes.Object:
    """Any object."""
    kind, make, names = draw.some(*STORED)
    found: volumes.Object = core.convert(make(draw, draw.some(*names)), kind, "object")
    return found


def everything(draw: Draw) -> list[volumes.Object]:
    """Most of what there can be, so that pods seldom lack what they name."""
    return [
        core.convert(make(draw, name), kind, "object")
        for kind, make, names in STORED
        for name in names
        if draw.randint(0, 9)
    ]


_INLINE: list[Object] = [
    {"gcePersistentDisk": {"pdName": "d"}},
    {"gcePersistentDisk": {"pdName": "d", "readOnly": True}},
    {"awsElasticBlockStore": {"volumeID": "vol-1"}},
    {"awsElasticBlockStore": {"volumeID": "aws://a/1"}},
    {"iscsi": {"iqn": "i"}},
    {"rbd": {"monitors": ["m1", "m2"], "pool": "rbd", "image": "x"}},
    {"rbd": {"monitors": ["m2"], "pool": "rbd", "image": "x", "readOnly": True}},
    {"emptyDir": {}},
]


def pods(draw: Draw, name: str, *, on: str = "") -> Object:
    named: list[Object] = [{"persistentVolumeClaim": {"claimName": claim}} for claim in CLAIMS[:3]]
    found = draw.several([*named, *named, *named, *_INLINE], 3)
    made = [{"name": f"v{number}", **source} for number, source in enumerate(found)]
    if not draw.randint(0, 3):
        made.insert(0, {"name": "own", "ephemeral": {"volumeClaimTemplate": {}}})
    return build.pod(name, on=on, volumes=made, priority=draw.randint(0, 1))
