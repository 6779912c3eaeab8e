"""Volumes: inline ones of every kind that matters, claims in every state, and all that binding them reads."""

from __future__ import annotations

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


def mount(chance: Chance, made: Object) -> None:
    volumes = made["spec"].setdefault("volumes", [])
    for index in range(chance.choice((1, 1, 1, 2, 3))):
        name = f"vol{index}"
        kind = chance.choice(("claim", "claim", "claim", "inline", "ephemeral", "harmless"))
        if kind == "claim":
            source: Object = {"persistentVolumeClaim": {"claimName": chance.choice((*_CLAIMS, "missing"))}}
            if chance.once_in(5):
                source["persistentVolumeClaim"]["readOnly"] = True
        elif kind == "inline":
            source = _inline(chance)
        elif kind == "ephemeral":
            source = {"ephemeral": {"volumeClaimTemplate": {"spec": _claim_spec(chance)}}}
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


def _claim_spec(chance: Chance) -> Object:
    found: Object = {
        "accessModes": list(chance.choice(_MODES)),
        "resources": {"requests": {"storage": chance.choice(_SIZES)}},
        "volumeMode": "Block" if chance.once_in(12) else "Filesystem",
        "storageClassName": chance.choice(_CLASSES),
    }
    if chance.once_in(10):
        found["selector"] = {"matchLabels": {"kind": chance.choice(("fast", "slow"))}}
    if chance.once_in(25):
        found.pop("storageClassName")
    return found


def fill(chance: Chance, question: Object, names: list[str]) -> None:
    """Give the cluster storage: classes, drivers, volumes, claims for all that pods mount."""
    question["storageClasses"] = _classes(chance)
    question["csiDrivers"] = [_driver(chance, name) for name in _DRIVERS if not chance.once_in(4)]
    question["csiNodes"] = [_csi_node(chance, name) for name in names if not chance.once_in(6)]
    question["csiStorageCapacities"] = [_capacity(chance, index) for index in range(chance.randint(0, 4))]
    volumes: list[Object] = [_volume(chance, f"pv{index}", names) for index in range(chance.randint(0, 4))]
    claims: list[Object] = []
    namespaces = {pod["metadata"]["namespace"] for pod in (question["pod"], *question["pods"])}
    for namespace in sorted(namespaces):
        for name in _CLAIMS:
            if not chance.once_in(6):
                _claim(chance, claims, volumes, {"name": name, "namespace": namespace}, names)
    for pod in (question["pod"], *question["pods"]):
        _ephemeral(chance, pod, claims, volumes, names)
    question["pvcs"], question["pvs"] = claims, volumes
    question["volumeAttachments"] = [
        _attachment(chance, index, volumes, names) for index in range(chance.randint(0, 3))
    ]


def _ephemeral(chance: Chance, pod: Object, claims: list[Object], volumes: list[Object], names: list[str]) -> None:
    for volume in pod["spec"].get("volumes", ()):
        if "ephemeral" in volume and not chance.once_in(5):
            meta: Object = {
                "name": f"{pod['metadata']['name']}-{volume['name']}",
                "namespace": pod["metadata"]["namespace"],
            }
            if not chance.once_in(6):
                owner = {"apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "controller": True}
                meta["ownerReferences"] = [{**owner, "uid": pod["metadata"]["uid"], "blockOwnerDeletion": True}]
            _claim(chance, claims, volumes, meta, names)


def _claim(chance: Chance, claims: list[Object], volumes: list[Object], meta: Object, names: list[str]) -> None:
    spec, status = _claim_spec(chance), {"phase": "Pending"}
    meta = {**meta, "uid": f"pvc-{meta['namespace']}-{meta['name']}", "annotations": {}}
    state = chance.choice(
        ("bound", "bound", "bound", "waiting", "waiting", "lost", "pre-bound", "no-volume", "selected")
    )
    if state in {"bound", "pre-bound"}:
        volume = _volume(chance, f"pv-{meta['namespace']}-{meta['name']}", names)
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


def _volume(chance: Chance, name: str, names: list[str]) -> Object:
    meta: Object = {"name": name, "uid": f"uid-{name}", "labels": {}}
    spec: Object = {
        "capacity": {"storage": chance.choice(_SIZES)},
        "accessModes": list(chance.choice(_MODES)),
        "volumeMode": "Block" if chance.once_in(12) else "Filesystem",
        "storageClassName": chance.choice(_CLASSES),
        "persistentVolumeReclaimPolicy": "Retain",
    }
    handle = chance.choice((name, "shared-1", "shared-2"))
    spec.update(
        chance.choice(
            (
                {"csi": {"driver": chance.choice(_DRIVERS), "volumeHandle": handle}},
                {"csi": {"driver": chance.choice(_DRIVERS), "volumeHandle": handle}},
                {"gcePersistentDisk": {"pdName": handle}},
                {"awsElasticBlockStore": {"volumeID": handle}},
                {"hostPath": {"path": "/data"}},
                {"local": {"path": "/mnt/d1"}},
            )
        )
    )
    if "local" in spec or chance.once_in(3):
        spec["nodeAffinity"] = {
            "required": {"nodeSelectorTerms": [_reach(chance, names) for _ in range(chance.randint(1, 2))]}
        }
    if chance.once_in(3):
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
    return [made for made in (*found, zoned) if not chance.once_in(12)]


def _driver(chance: Chance, name: str) -> Object:
    spec: Object = {"attachRequired": not chance.once_in(6), "storageCapacity": chance.once_in(2)}
    if chance.once_in(2):
        spec["preventPodSchedulingIfMissing"] = chance.once_in(2)
    return {"metadata": {"name": name}, "spec": spec}


def _csi_node(chance: Chance, name: str) -> Object:
    drivers = []
    for driver in chance.some(_DRIVERS[:3], 3):
        found: Object = {"name": driver, "nodeID": name, "topologyKeys": [ZONE]}
        if not chance.once_in(4):
            found["allocatable"] = {"count": chance.choice((0, 1, 2, 3, 10))} if not chance.once_in(8) else {}
        drivers.append(found)
    meta: Object = {"name": name, "uid": f"csi-{name}"}
    if chance.once_in(2):
        migrated = chance.some(("kubernetes.io/gce-pd", "kubernetes.io/aws-ebs"), 2, 1)
        meta["annotations"] = {"storage.alpha.kubernetes.io/migrated-plugins": ",".join(migrated)}
    return {"metadata": meta, "spec": {"drivers": drivers}}


def _capacity(chance: Chance, index: int) -> Object:
    found: Object = {
        "metadata": {"name": f"cap{index}", "namespace": chance.choice(NAMESPACES)},
        "storageClassName": chance.choice(("late", "late-capacity", "late-zoned")),
    }
    if not chance.once_in(6):
        found["nodeTopology"] = chance.choice(({"matchLabels": {ZONE: "a"}}, {"matchLabels": {ZONE: "b"}}, {}))
    if not chance.once_in(6):
        found["capacity"] = chance.choice(_SIZES)
    if chance.once_in(4):
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
