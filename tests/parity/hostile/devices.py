"""Devices: classes with selectors that pass, fail or break, and slices of pools: whole, old, partial, invalid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from tests.parity.hostile.chance import HOSTNAME, ZONE, Chance, Object

GPU: Final = "gpu.example.com"
NIC: Final = "nic.example.com"
RACK: Final = "rack.example.com"
CLASSES: Final = ("gpu", "gpu", "fast", "nic", "nic", "any", "any")
KEYS: Final = ("example.com/device", "example.com/fast")  # extended resources that classes may claim
ATTRIBUTES: Final = (f"{GPU}/model", f"{GPU}/speed", f"{GPU}/ecc", f"{RACK}/id", f"{GPU}/absent", f"{NIC}/model")
_ATTRIBUTES: Final = f'device.attributes["{GPU}"]'
_CAPACITY: Final = f'device.capacity["{GPU}"]'
_HOLDING: Final = (
    f'device.driver == "{GPU}"',
    f'device.driver == "{NIC}"',
    'device.driver.endsWith("example.com")',
    f'has({_ATTRIBUTES}.model) && {_ATTRIBUTES}.model == "a"',
    f'{_ATTRIBUTES}.?model.orValue("none") != "b"',
    f"has({_ATTRIBUTES}.speed) && {_ATTRIBUTES}.speed >= 5",
    f"{_ATTRIBUTES}.?speed.orValue(0) * 2 - 1 > 6",
    f'has({_CAPACITY}.memory) && {_CAPACITY}.memory.compareTo(quantity("40Gi")) >= 0',
    f'has({_CAPACITY}.memory) && {_CAPACITY}.memory.isLessThan(quantity("80Gi"))',
    f'has({_ATTRIBUTES}.version) && {_ATTRIBUTES}.version.isGreaterThan(semver("1.2.0"))',
    f'device.driver == "{NIC}" || {_ATTRIBUTES}.model in ["a", "c"]',
    f'device.driver != "{GPU}" || ["a", "b"].exists(m, m == {_ATTRIBUTES}.model)',
    f'cel.bind(gpu, {_ATTRIBUTES}, has(gpu.ecc) && gpu.ecc && gpu.?model.orValue("").matches("^[ab]$"))',
    f'"{RACK}" in device.attributes',
    f'device.attributes["{RACK}"].?id.orValue("r0") == "r1" ? true : device.driver.startsWith("nic")',
    "device.allowMultipleAllocations",
    "!device.allowMultipleAllocations",
    "true",
)
# What an API server lets in and what fails for some or for all devices, or what an older one let in.
_BREAKING: Final = (
    f'{_ATTRIBUTES}.model == "a"',
    f"{_ATTRIBUTES}.absent == 1",
    f'{_CAPACITY}.memory.compareTo(quantity("1Gi")) > 0',
    f"{_ATTRIBUTES}.speed / 0 == 1",
    f"{_ATTRIBUTES}.model > 3",
    f'{_ATTRIBUTES}.version.isLessThan(semver("one"))',
    "device.nothing",
    "device.driver",
    "true &&",
)
_AMOUNTS: Final = ("10Gi", "40Gi", "80Gi")
_TAINTS: Final = ("sick", "reserved")


def selectors(chance: Chance, breaking: float = 0.02) -> list[Object]:
    found = []
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2))):
        among = _BREAKING if chance.happens(breaking) else _HOLDING
        found.append({"cel": {"expression": chance.choice(among)}})
    return found


def config(chance: Chance) -> Object:
    return {"opaque": {"driver": chance.choice((GPU, NIC)), "parameters": {"mode": chance.choice(("x", "y"))}}}


def classes(chance: Chance) -> list[Object]:
    found: list[Object] = [
        _class("gpu", [{"cel": {"expression": f'device.driver == "{GPU}"'}}]),
        _class("fast", [{"cel": {"expression": _HOLDING[5]}}]),
        _class("nic", [{"cel": {"expression": f'device.driver == "{NIC}"'}}]),
        _class("any", selectors(chance, 0.1) if chance.once_in(4) else []),
    ]
    for made in found:
        made["metadata"]["creationTimestamp"] = f"2026-01-01T00:00:0{chance.randrange(3)}Z"
        if chance.once_in(3):
            made["spec"]["config"] = [config(chance) for _ in range(chance.randint(1, 2))]
    found[0]["spec"]["extendedResourceName"] = KEYS[0]
    if not chance.once_in(3):
        found[1]["spec"]["extendedResourceName"] = chance.choice(KEYS)  # two classes may claim the same
    chance.shuffle(found)
    return [made for made in found if not chance.once_in(40)]


def _class(name: str, chosen: list[Object]) -> Object:
    return {"metadata": {"name": name, "uid": f"class-{name}"}, "spec": {"selectors": chosen} if chosen else {}}


def slices(chance: Chance, names: list[str]) -> list[Object]:
    """Slices of several pools, in random order."""
    found: list[Object] = []
    for driver in (GPU, GPU, NIC):
        if not chance.once_in(6):
            found += _pool(chance, driver, f"p{len(found)}", names)
    for name in names:
        if not chance.once_in(4):
            found += _pool(chance, chance.choice((GPU, GPU, NIC)), name, names, node=name)
    chance.shuffle(found)
    return found


def _pool(chance: Chance, driver: str, pool: str, names: list[str], node: str = "") -> list[Object]:
    """All slices of a pool: of its generation, left over from one before, and what its partitions share."""
    reach = {"nodeName": node} if node else _reach(chance, names)
    generation = chance.choice((1, 1, 2))
    sets = ("s0", "s1")[: chance.choice((1, 2, 2))] if chance.once_in(4) else ()
    found: list[Object] = []
    for index in range(chance.choice((1, 1, 1, 2))):
        devices = [_device(chance, driver, f"d{index}{number}") for number in range(chance.choice((1, 2, 3, 4, 6)))]
        for device in devices if sets else ():
            _consume(chance, device, sets)
        if reach.get("perDeviceNodeSelection"):
            for device in devices:
                device.update(_reach(chance, names, of_device=True))
        found.append({**reach, "devices": devices})
    if sets and not chance.once_in(20):
        shared = [_counters(chance, name) for name in sets]
        found.append({**(reach if chance.once_in(2) else {"allNodes": True}), "sharedCounters": shared})
    count = len(found) + (chance.once_in(25) and chance.choice((-1, 1)))  # more than there are: not all are seen yet
    if chance.once_in(40):
        found[-1].setdefault("devices", []).append(_device(chance, driver, "d00"))  # a name twice
    specs = [{"pool": {"name": pool, "generation": generation, "resourceSliceCount": count}, **one} for one in found]
    if generation > 1 and chance.once_in(2):
        old = {"name": pool, "generation": 1, "resourceSliceCount": 1}
        left = _reach(chance, names) if chance.once_in(2) and not reach.get("perDeviceNodeSelection") else reach
        specs.append({"pool": old, **left, "devices": [_device(chance, driver, "old")]})
    if chance.once_in(50):
        specs.pop(chance.randrange(len(specs)))
    return [
        {"metadata": {"name": f"{driver}-{pool}-{index}", "uid": f"s-{driver}-{pool}-{index}"}, "spec": spec}
        for index, spec in enumerate({"driver": driver, **spec} for spec in specs)
    ]


def _reach(chance: Chance, names: list[str], *, of_device: bool = False) -> Object:
    kind = chance.choice(("all", "all", "all", "zone", "node", "several", "each"))
    if kind == "each" and not of_device:
        return {"perDeviceNodeSelection": True}
    if kind == "node" and of_device and names:
        return {"nodeName": chance.choice(names)}
    if kind in {"zone", "several"}:
        key, values = (ZONE, chance.some(("a", "b", "c"), 2, 1))
        if kind == "several" and names:
            key, values = HOSTNAME, chance.some(names, 3, 1)
        requirement = {"key": key, "operator": chance.choice(("In", "In", "In", "NotIn")), "values": values}
        return {"nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}}
    return {"allNodes": True}


def _device(chance: Chance, driver: str, name: str) -> Object:
    attributes: Object = {}
    if not chance.once_in(8):
        attributes["model" if chance.once_in(2) else f"{driver}/model"] = {"string": chance.choice(("a", "b", "c"))}
    if not chance.once_in(6):
        attributes["speed"] = {"int": chance.choice((1, 4, 5, 10))}
    if not chance.once_in(6):
        attributes["ecc"] = {"bool": not chance.once_in(3)}
    if chance.once_in(2):
        attributes["version"] = {"version": chance.choice(("1.0.0", "1.2.0", "1.2.3", "2.0.0-rc.1"))}
    if not chance.once_in(3):
        attributes[f"{RACK}/id"] = {"string": chance.choice(("r0", "r1"))}
    found: Object = {"name": name, "attributes": attributes}
    if not chance.once_in(4):
        found["capacity"] = {"memory": _capacity(chance)}
        if chance.once_in(3):
            found["capacity"][f"{driver}/cores"] = {"value": chance.choice(("4", "16"))}
    if chance.once_in(4):
        found["allowMultipleAllocations"] = not chance.once_in(8)
    if chance.once_in(8):
        found["taints"] = [taint(chance)]
    if chance.once_in(15):
        found.update(bindsToNode=chance.once_in(2), bindingConditions=["ready"], bindingFailureConditions=["broken"])
    return found


def _capacity(chance: Chance) -> Object:
    found: Object = {"value": chance.choice(_AMOUNTS)}
    if chance.once_in(3):
        policy: Object = {"default": "10Gi"}
        if chance.once_in(2):
            policy["validValues"] = ["10Gi", "20Gi", "40Gi"]
        else:
            policy["validRange"] = {"min": "5Gi", **chance.choice(({}, {"max": "40Gi"}, {"step": "5Gi"}))}
        found["requestPolicy"] = policy
    return found


def taint(chance: Chance) -> Object:
    found = {"key": chance.choice(_TAINTS), "effect": chance.choice(("NoSchedule", "NoExecute", "None"))}
    return found | ({"value": "yes"} if chance.once_in(2) else {})


def tolerations(chance: Chance) -> list[Object]:
    return chance.some(
        (
            {"operator": "Exists"},
            {"key": "sick", "operator": "Exists", "effect": "NoSchedule"},
            {"key": "reserved", "operator": "Equal", "value": "yes"},
            {"key": "reserved", "value": "no"},
        ),
        2,
        1,
    )


def taint_rules(chance: Chance, names: list[str]) -> list[Object]:
    found = []
    for index in range(chance.choice((0, 0, 0, 1, 2))):
        spec: Object = {"taint": taint(chance)}
        selector: Object = {}
        if chance.once_in(2):
            selector["driver"] = chance.choice((GPU, NIC))
        if chance.once_in(2):
            selector["pool"] = chance.choice((*names, "p0", "p1"))
        if chance.once_in(3):
            selector["device"] = chance.choice(("d00", "d01", "d10"))
        if selector or chance.once_in(2):
            spec["deviceSelector"] = selector
        found.append({"metadata": {"name": f"rule{index}", "uid": f"rule{index}"}, "spec": spec})
    return found


def _counters(chance: Chance, name: str) -> Object:
    return {"name": name, "counters": {key: {"value": chance.choice(("2", "4", "8"))} for key in ("slots", "lanes")}}


def _consume(chance: Chance, device: Object, sets: Sequence[str]) -> None:
    device["consumesCounters"] = [
        {"counterSet": name, "counters": {key: {"value": chance.choice(("1", "2", "3"))} for key in chosen}}
        for name in chance.some(("s0", "s1") if chance.once_in(60) else sets, 2, 1)
        for chosen in [chance.some(("slots", "lanes", "gone") if chance.once_in(60) else ("slots", "lanes"), 2, 1)]
    ]
