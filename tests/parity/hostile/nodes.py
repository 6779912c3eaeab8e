"""Nodes: labels that are missing or odd, room that is short or absurd, taints, images, features, volumes in use."""

from __future__ import annotations

from collections.abc import Callable

from tests.parity.hostile.chance import HOSTNAME, REGION, ZONE, Chance, Object

TAINT_KEYS = ("gpu", "team", "node.kubernetes.io/unschedulable", "node.kubernetes.io/not-ready")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
IMAGES = ("web:1", "db:2", "registry.local:5000/cache", "model@sha256:" + "a" * 64, "huge:latest")
FEATURES = ("RestartAllContainersOnContainerExits", "UserNamespacesHostNetworkSupport", "GuaranteedQoSPodCPUResize")
EXTENDED = ("example.com/gpu", "example.com/fpga", "hugepages-2Mi")

Wanted = Callable[[str], bool]
"""Whether a feature of questions shows on this object; asked anew for each."""


def nodes(chance: Chance, wanted: Wanted) -> list[Object]:
    number = 0 if chance.once_in(60) else chance.choice((1, 2, 2, 3, 4, 5, 6, 8))
    zones = chance.some(("a", "b", "c"), 3, 1)
    return [_node(chance, wanted, f"n{index}", zones) for index in range(number)]


def _node(chance: Chance, wanted: Wanted, name: str, zones: list[str]) -> Object:
    allocatable = _allocatable(chance, wanted)
    status: Object = {"capacity": dict(allocatable), "allocatable": allocatable}
    if wanted("images"):
        status["images"] = _images(chance)
    if wanted("features"):
        status["declaredFeatures"] = sorted(chance.some(FEATURES, 3))
    spec: Object = {}
    if wanted("taints"):
        spec["taints"] = _taints(chance)
        if chance.once_in(4):
            spec["unschedulable"] = True
            if chance.once_in(2):
                spec["taints"].append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    return {
        "metadata": {"name": name, "uid": f"node-{name}", "labels": _labels(chance, wanted, name, zones)},
        "spec": spec,
        "status": status,
    }


def _labels(chance: Chance, wanted: Wanted, name: str, zones: list[str]) -> dict[str, str]:
    found = {HOSTNAME: name, ZONE: chance.choice(zones), REGION: "r1"}
    if chance.once_in(8):
        found.pop(chance.choice((HOSTNAME, ZONE, REGION)))
    if chance.once_in(15):
        found[HOSTNAME] = chance.choice(("n0", "n1", "other", ""))
    if chance.once_in(20):
        found[ZONE] = ""
    if wanted("affinity") or wanted("preferred") or chance.once_in(4):
        found["disk"] = chance.choice(("ssd", "hdd", ""))
        found["cores"] = chance.choice(
            ("4", "16", "-3", "007", "9223372036854775807", "9223372036854775808", "many", "")
        )
    return {} if chance.once_in(25) else found


def _allocatable(chance: Chance, wanted: Wanted) -> Object:
    found: Object = {
        "cpu": chance.choice(("1", "2", "4", "8", "3900m", "16")),
        "memory": chance.choice(("1Gi", "4Gi", "8Gi", "16Gi", "7812500Ki", "8589934591")),
        "pods": chance.choice(("110", "110", "110", "5", "3")),
        "ephemeral-storage": chance.choice(("10Gi", "100Gi", "1")),
    }
    if wanted("resources"):
        for name in chance.some(EXTENDED, 3):
            found[name] = chance.choice(("0", "1", "4", "8")) if "/" in name else chance.choice(("0", "64Mi", "1Gi"))
        if chance.once_in(6):
            found.pop(chance.choice(tuple(found)))
        if chance.once_in(8):
            found[chance.choice(("cpu", "memory"))] = chance.choice(("0", "1m", "1", "64Ti"))
    if wanted("huge"):
        found[chance.choice(("cpu", "memory"))] = chance.choice(("9223372036854775807", "9223372036854775", "8E"))
    return found


def _taints(chance: Chance) -> list[Object]:
    found, seen = [], set()
    for _ in range(chance.randint(0, 3)):
        key, effect = chance.choice(TAINT_KEYS), chance.choice(EFFECTS)
        if (key, effect) in seen:
            continue
        seen.add((key, effect))
        value = chance.choice(("", "x", "y", "10", "-7"))
        found.append({"key": key, "effect": effect} | ({"value": value} if value else {}))
    return found


def _images(chance: Chance) -> list[Object]:
    found = []
    for image in chance.some(IMAGES, 4):
        names = (
            [image, image + ":latest"] if chance.once_in(4) and "@" not in image and image.count(":") != 1 else [image]
        )
        size = chance.choice((1, 22 << 20, (23 << 20) + 1, 100 << 20, 500 << 20, 1000 << 20, 5000 << 20, 60 << 30))
        found.append({"names": names, "sizeBytes": size})
    return found
