"""Volumes: inline ones of every kind that matters, claims in every state, and all that binding them reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

from tests.parity.hostile.chance import HOSTNAME, NAMESPACES, ZONE, Chance, Object

_DRIVERS = ("csi.example.com", "pd.csi.storage.gke.io", "ebs.csi.aws.com", "absent.example.com")
_CLASSES = ("immediate", "late", "late-capacity", "late-zoned", "no-provisioner", "gone", "")
_MODES = (
    ["ReadWriteOnce"],
    ["ReadWriteMany"],
    ["ReadOnlyMany"],
    ["ReadWriteOncePod"],
    ["ReadWriteOnce", "ReadOnlyMany"],
)
_SIZES = ("1Gi", "5Gi", "10Gi", "100Gi")
_CLAIMS = ("v0", "v1", "v2", "v3", "v4")
_BOUND = {"pv.kubernetes.io/bind-completed": "yes"}
_KINDS = ("claim", "claim", "claim", "inline", "ephemeral", "harmless")
_STATES = ("bound", "bound", "bound", "waiting", "waiting", "lost", "pre-bound", "no-volume", "selected")


@dataclasses.dataclass(frozen=True)
class Leaning:
    """What a question's storage is mostly about: the volumes of one plugin, past what others refuse before it."""

    states: tuple[str, ...] = _STATES
    classes: tuple[str, ...] = _CLASSES
    kinds: tuple[str, ...] = ("csi", "csi", "gcePersistentDisk", "awsElasticBlockStore", "hostPath", "local")
    labelled: float = 1 / 3  # how likely a volume has a zone
    reaches: float = 1 / 3  # and how likely an affinity to nodes
    pools: tuple[int, int] = (0, 4)  # how many free volumes, and pools with a capacity
    is_whole: bool = False  # whether nothing is missing: neither claims nor classes, drivers or what nodes say of them

    def fits(self, chance: Chance) -> bool:
        """Whether an object is one that others can be had from."""
        return self.is_whole and not chance.once_in(8)

    def lacks(self, chance: Chance, once_in: int) -> bool:
        """Whether an object is missing."""
        return not self.is_whole and chance.once_in(once_in)


ANY: Final = Leaning()
LEANINGS: Final[Mapping[str, Leaning]] = {
    "attached": Leaning(("bound",), ("late",), ("csi", "csi", "gcePersistentDisk"), 0.05, 0.0, is_whole=True),
    "zoned": Leaning(
        ("bound",), ("immediate", "late"), ("gcePersistentDisk", "csi", "hostPath"), 0.8, 0.0, is_whole=True
    ),
    "provisioned": Leaning(
        ("waiting", "waiting", "waiting", "waiting", "selected", "bound"),
        ("late", "late-capacity", "late-capacity", "late-capacity", "no-provisioner"),
        reaches=0.2,
        pools=(4, 9),
        is_whole=True,
    ),
}


def mount(chance: Chance, made: Object, leaning: Leaning) -> None:
    volumes = made["spec"].setdefault("volumes", [])
    for index in range(chance.choice((1, 1, 1, 2, 3))):
        name = f"vol{index}"
        kinds = ("claim", "claim", "ephemeral") if leaning.fits(chance) else _KINDS
        kind = chance.choice(kinds)
        if kind == "claim":
            source: Object = {
                "persistentVolumeClaim": {
                    "claimName": "missing" if leaning.lacks(chance, 6) else chance.choice(_CLAIMS)
                }
            }
            if chance.once_in(5):
                source["persistentVolumeClaim"]["readOnly"] = True
        elif kind == "inline":
            source = _inline(chance)
        elif kind == "ephemeral":
            source = {"ephemeral": {"volumeClaimTemplate": {"spec": _claim_spec(chance, leaning)}}}
        else:
            source = chance.choice(
                ({"emptyDir": {}}, {"hostPath": {"path": "/x", "type": ""}}, {"configMap": {"name": "c"}})
            )
        volumes.append({"name": name, **source})


def _inline(chance: Chance) -> Object:
    read_only = {"readOnly": True} if chance.once_in(3) else {}
    name = chance.choice(("d1", "d2"))
    kinds: tuple[Object, ...] = (
        {"gcePersistentDisk": {"pdName": name, **read_only}},
        {"awsElasticBlockStore": {"volumeID": name, **read_only}},
        {
            "iscsi": {
                "targetPortal": "10.0.0.1:3260",
                "iqn": chance.choice(("iqn.2001-04.com.example:a", "iqn.2001-04.com.example:b")),
                "lun": chance.choice((0, 1)),
                **read_only,
            }
        },
        {
            "rbd": {
                "monitors": chance.some(("m1", "m2", "m3"), 2, 1),
                "image": name,
                "pool": chance.choice(("rbd", "p2")),
                "user": "admin",
                "keyring": "/etc/ceph/keyring",
                **read_only,
            }
        },
        {
            "azureDisk": {
                "diskName": name,
                "diskURI": f"/subscriptions/x/{name}",
                "cachingMode": "ReadWrite",
                "kind": "Managed",
            }
        },
        {"cinder": {"volumeID": name}},
        {"vsphereVolume": {"volumePath": f"[ds] {name}"}},
        {"portworxVolume": {"volumeID": name}},
        {"csi": {"driver": chance.choice(_DRIVERS)}},
    )
    return chance.choice(kinds)


def _claim_spec(chance: Chance, leaning: Leaning) -> Object:
    found: Object = {
        "accessModes": list(_MODES[0] if leaning.fits(chance) else chance.choice(_MODES)),
        "resources": {"requests": {"storage": chance.choice(_SIZES[:2] if leaning.fits(chance) else _SIZES)}},
        "volumeMode": "Block" if chance.once_in(12) else "Filesystem",
        "storageClassName": chance.choice(leaning.classes),
    }
    if chance.once_in(10):
        found["selector"] = {"matchLabels": {"kind": chance.choice(("fast", "slow"))}}
    if leaning.lacks(chance, 25):
        found.pop("storageClassName")
    return found


def fill(chance: Chance, question: Object, names: list[str], leaning: Leaning) -> None:
    """Give the cluster storage: classes, drivers, volumes, claims for all that pods mount."""
    question["storageClasses"] = [made for made in _classes(chance) if not leaning.lacks(chance, 12)]
    question["csiDrivers"] = [_driver(chance, name, leaning) for name in _DRIVERS if not leaning.lacks(chance, 4)]
    question["csiNodes"] = [_csi_node(chance, name, leaning) for name in names if not leaning.lacks(chance, 6)]
    question["csiStorageCapacities"] = [
        _capacity(chance, index, leaning) for index in range(chance.randint(*leaning.pools))
    ]
    # Upstream takes the first that suffices, in the order of a map; we take them by name.
    question["csiStorageCapacities"].sort(key=lambda made: (made["metadata"]["namespace"], made["metadata"]["name"]))
    volumes: list[Object] = [
        _volume(chance, f"pv{index}", names, leaning) for index in range(chance.randint(*leaning.pools))
    ]
    claims: list[Object] = []
    namespaces = {pod["metadata"]["namespace"] for pod in (question["pod"], *question["pods"])}
    for namespace in sorted(namespaces):
        for name in _CLAIMS:
            if not leaning.lacks(chance, 6):
                _claim(chance, claims, volumes, {"name": name, "namespace": namespace}, names, leaning)
    for pod in (question["pod"], *question["pods"]):
        _ephemeral(chance, pod, claims, volumes, names, leaning)
    question["pvcs"], question["pvs"] = claims, volumes
    question["volumeAttachments"] = [
        _attachment(chance, index, volumes, names) for index in range(chance.randint(0, 3))
    ]


def _ephemeral(
    chance: Chance, pod: Object, claims: list[Object], volumes: list[Object], names: list[str], leaning: Leaning
) -> None:
    for volume in pod["spec"].get("volumes", ()):
        if "ephemeral" in volume and not leaning.lacks(chance, 5):
            meta: Object = {
                "name": f"{pod['metadata']['name']}-{volume['name']}",
                "namespace": pod["metadata"]["namespace"],
            }
            if not leaning.lacks(chance, 6):
                owner = {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "controller": True}
                meta["ownerReferences"] = [{**owner, "uid": pod["metadata"]["uid"], "blockOwnerDeletion": True}]
            _claim(chance, claims, volumes, meta, names, leaning)


def _claim(
    chance: Chance, claims: list[Object], volumes: list[Object], meta: Object, names: list[str], leaning: Leaning
) -> None:
    spec, status = _claim_spec(chance, leaning), {"phase": "Pending"}
    meta = {**meta, "uid": f"pvc-{meta['namespace']}-{meta['name']}", "annotations": {}}
    state = chance.choice(leaning.states)
    if state in {"bound", "pre-bound"}:
        volume = _volume(chance, f"pv-{meta['namespace']}-{meta['name']}", names, leaning)
        volume["spec"]["claimRef"] = {key: meta[key] for key in ("name", "namespace", "uid")} | {
            "kind": "PersistentVolumeClaim"
        }
        volume["status"]["phase"] = "Bound"
        volumes.append(volume)
        spec["volumeName"] = volume["metadata"]["name"]
        if state == "bound":
            meta["annotations"], status["phase"] = dict(_BOUND), "Bound"
    elif state == "no-volume":
        spec["volumeName"], meta["annotations"], status["phase"] = "pv-gone", dict(_BOUND), "Bound"
    elif state == "lost":
        spec["volumeName"], status["phase"] = "pv-gone", "Lost"
    elif state == "selected" and names:
        meta["annotations"] = {"volume.kubernetes.io/selected-node": chance.choice((*names, "gone"))}
    if chance.once_in(15):
        meta["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    claims.append({"metadata": meta, "spec": spec, "status": status})


def _volume(chance: Chance, name: str, names: list[str], leaning: Leaning) -> Object:
    meta: Object = {"name": name, "uid": f"uid-{name}", "labels": {}}
    spec: Object = {
        "capacity": {"storage": chance.choice(_SIZES[1:] if leaning.fits(chance) else _SIZES)},
        "accessModes": list(_MODES[0] if leaning.fits(chance) else chance.choice(_MODES)),
        "volumeMode": "Block" if chance.once_in(12) else "Filesystem",
        "storageClassName": chance.choice(leaning.classes),
        "persistentVolumeReclaimPolicy": "Retain",
    }
    handle = name if leaning.is_whole and chance.happens(0.8) else chance.choice((name, "shared-1", "shared-2"))
    sources: dict[str, Object] = {
        "csi": {"driver": chance.choice(_DRIVERS), "volumeHandle": handle},
        "gcePersistentDisk": {"pdName": handle},
        "awsElasticBlockStore": {"volumeID": handle},
        "hostPath": {"path": "/data"},
        "local": {"path": "/mnt/d1"},
    }
    kind = chance.choice(leaning.kinds)
    spec[kind] = sources[kind]
    if kind == "local" or chance.happens(leaning.reaches):
        spec["nodeAffinity"] = {
            "required": {"nodeSelectorTerms": [_reach(chance, names) for _ in range(chance.randint(1, 2))]}
        }
    if chance.happens(leaning.labelled):
        key = chance.choice((ZONE, "failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/region"))
        meta["labels"][key] = chance.choice(("a", "b", "a__b", "a__", "__", "r1", "c__a"))
    if chance.once_in(4):
        meta["labels"]["kind"] = chance.choice(("fast", "slow"))
    if chance.once_in(20):
        meta["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    phase = "Available" if not chance.once_in(8) else chance.choice(("Released", "Failed", "Pending"))
    return {"metadata": meta, "spec": spec, "status": {"phase": phase}}


def _reach(chance: Chance, names: list[str]) -> Object:
    key = chance.choice((ZONE, HOSTNAME))
    values = chance.some(("a", "b", "c"), 2, 1) if key == ZONE else [chance.choice((*names, "gone"))]
    return {"matchExpressions": [{"key": key, "operator": "In", "values": values}]}


def _classes(chance: Chance) -> list[Object]:
    late, driver = {"volumeBindingMode": "WaitForFirstConsumer"}, "csi.example.com"
    found: list[Object] = [
        {"metadata": {"name": "immediate"}, "provisioner": driver, "volumeBindingMode": "Immediate"},
        {"metadata": {"name": "late"}, "provisioner": chance.choice(_DRIVERS), **late},
        {"metadata": {"name": "late-capacity"}, "provisioner": driver, **late},
        {"metadata": {"name": "no-provisioner"}, "provisioner": "kubernetes.io/no-provisioner", **late},
    ]
    zoned: Object = {
        "metadata": {"name": "late-zoned"},
        "provisioner": chance.choice(("kubernetes.io/gce-pd", driver)),
        **late,
    }
    zoned["allowedTopologies"] = [
        {
            "matchLabelExpressions": [
                {"key": chance.choice((ZONE, "disk")), "values": chance.some(("a", "b", "ssd"), 2, 1)}
            ]
        }
    ]
    return [*found, zoned]


def _driver(chance: Chance, name: str, leaning: Leaning) -> Object:
    has_capacity = leaning.fits(chance) or chance.once_in(2)
    spec: Object = {"attachRequired": not chance.once_in(6), "storageCapacity": has_capacity}
    if chance.once_in(2):
        spec["preventPodSchedulingIfMissing"] = chance.once_in(2)
    return {"metadata": {"name": name}, "spec": spec}


def _csi_node(chance: Chance, name: str, leaning: Leaning) -> Object:
    drivers = []
    for driver in _DRIVERS[:3] if leaning.fits(chance) else chance.some(_DRIVERS[:3], 3):
        found: Object = {"name": driver, "nodeID": name, "topologyKeys": [ZONE]}
        if not chance.once_in(4):
            found["allocatable"] = {"count": chance.choice((0, 1, 2, 3, 10))} if not chance.once_in(8) else {}
        drivers.append(found)
    meta: Object = {"name": name, "uid": f"csi-{name}"}
    if chance.once_in(2):
        migrated = chance.some(("kubernetes.io/gce-pd", "kubernetes.io/aws-ebs"), 2, 1)
        meta["annotations"] = {"storage.alpha.kubernetes.io/migrated-plugins": ",".join(migrated)}
    return {"metadata": meta, "spec": {"drivers": drivers}}


def _capacity(chance: Chance, index: int, leaning: Leaning) -> Object:
    found: Object = {
        "metadata": {"name": f"cap{index}", "namespace": chance.choice(NAMESPACES)},
        "storageClassName": chance.choice(("late", "late-capacity", "late-zoned")),
    }
    if not chance.once_in(6):
        found["nodeTopology"] = chance.choice(({"matchLabels": {ZONE: "a"}}, {"matchLabels": {ZONE: "b"}}, {}))
    if not chance.once_in(6):
        found["capacity"] = chance.choice(_SIZES[1:] if leaning.fits(chance) else _SIZES)
        if chance.once_in(4):  # upstream's score ends its process over one alone
            found["maximumVolumeSize"] = chance.choice(_SIZES)
    return found


def _attachment(chance: Chance, index: int, volumes: list[Object], names: list[str]) -> Object:
    volume = chance.choice(volumes)["metadata"]["name"] if volumes else "pv-gone"
    return {
        "metadata": {"name": f"att{index}"},
        "spec": {
            "attacher": chance.choice(_DRIVERS),
            "nodeName": chance.choice((*names, "gone")),
            "source": {"persistentVolumeName": volume},
        },
        "status": {"attached": not chance.once_in(3)},
    }
