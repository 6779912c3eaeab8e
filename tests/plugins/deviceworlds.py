"""Small clusters with devices of every kind, and pods that claim them, for laws of the plugin for devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from scheduler.api import core, devices
from tests.plugins.storageworlds import Draw
from tests.state import build
from tests.state.build import Object

NODES = ["n0", "n1", "n2"]
DRIVERS = ["gpu.example.com", "net.example.com"]
CLASSES = ["gpu", "big", "broken"]
CLAIMS = ["c0", "c1", "c2"]
SLICES = ["s0", "s1", "s2", "s3"]
RESOURCE = "example.com/gpu"
_BIG = 'device.capacity["gpu.example.com"].?memory.orValue(quantity("0")).isGreaterThan(quantity("5Gi"))'
_MODEL = 'device.attributes["gpu.example.com"].?model.orValue("") == "a"'
_FAILS = 'device.attributes["gpu.example.com"].model == "a"'
_VERSION = 'device.attributes["gpu.example.com"].?version.orValue(semver("0.1.0")).major() > 0'
_TOLERATION: Object = {"key": "worn", "operator": "Exists"}


def nodes(draw: Draw, name: str) -> Object:
    more = {RESOURCE: draw.some("0", "2")} if draw.some(True, False) else {}
    return build.node(name, labels={"zone": draw.some("a", "b"), "kubernetes.io/hostname": name}, more=more)


def _meta(draw: Draw, name: str, **more: str) -> Object:
    return {"name": name, "uid": f"uid-{name}", "resourceVersion": str(draw.randint(1, 3)), **more}


def _selectors(*expressions: str) -> list[Object]:
    return [{"cel": {"expression": one}} for one in expressions]


def classes(draw: Draw, name: str) -> Object:
    which = {"gpu": 'device.driver == "gpu.example.com"', "big": _BIG, "broken": draw.some(_FAILS, "nonsense(")}[name]
    spec: Object = {"selectors": _selectors(which)}
    if name == "gpu" and draw.some(True, False):
        spec["extendedResourceName"] = RESOURCE
    return {"metadata": _meta(draw, name), "spec": spec}


def _device(draw: Draw, name: str) -> Object:
    made: Object = {"name": name, "attributes": {"index": {"int": draw.randint(0, 2)}}, "capacity": {}}
    if draw.some(True, True, False):
        made["attributes"]["model"] = {"string": draw.some("a", "b")}
    if draw.some(True, False):
        made["attributes"]["version"] = {"version": draw.some("1.2.3", "0.9.0-rc.1")}
    if draw.some(True, False):
        made["capacity"]["memory"] = {"value": draw.some("4Gi", "8Gi")}
    match draw.randint(0, 7):
        case 0:
            made["taints"] = [{"key": "worn", "effect": draw.some("NoSchedule", "None")}]
        case 1:
            made["allowMultipleAllocations"] = True
        case 2:
            made["consumesCounters"] = [{"counterSet": "set", "counters": {"units": {"value": draw.some("1", "2")}}}]
        case 3:
            made["bindingConditions"] = ["ready"]
        case 4:
            made["nodeName"] = draw.some(*NODES)
        case _:
            pass
    return made


def slices(draw: Draw, name: str) -> Object:
    where: Object = draw.some(
        {"nodeName": draw.some(*NODES)},
        {"nodeName": draw.some(*NODES)},
        {"allNodes": True},
        {"perDeviceNodeSelection": True},
        {"nodeSelector": {"nodeSelectorTerms": [{"matchExpressions": [_in("zone", "a")]}]}},
    )
    pool = {"name": draw.some("p0", "p1"), "generation": draw.some(1, 1, 2), "resourceSliceCount": draw.some(1, 1, 2)}
    spec: Object = {"driver": draw.some(*DRIVERS), "pool": pool, **where}
    if draw.randint(0, 4):
        spec["devices"] = [_device(draw, f"d{number}") for number in range(draw.randint(0, 3))]
    else:
        spec["sharedCounters"] = [{"name": "set", "counters": {"units": {"value": "2"}}}]
    return {"metadata": _meta(draw, name), "spec": spec}


def _in(key: str, value: str) -> Object:
    return {"key": key, "operator": "In", "values": [value]}


def _asked(draw: Draw) -> Object:
    made: Object = {"deviceClassName": draw.some("gpu", "gpu", "big", "broken"), "allocationMode": "ExactCount"}
    made["count"] = draw.randint(1, 2)
    if not draw.randint(0, 3):
        made["allocationMode"] = "All"
    if draw.some(True, False):
        made["selectors"] = _selectors(draw.some(_BIG, _MODEL, _VERSION, _FAILS))
    if not draw.randint(0, 3):
        made["tolerations"] = [_TOLERATION]
    if not draw.randint(0, 4):
        made["capacity"] = {"requests": {"memory": draw.some("1Gi", "6Gi")}}
    return made


def _spec(draw: Draw) -> Object:
    requests: list[Object] = []
    for number in range(draw.randint(1, 2)):
        one: Object = {"name": f"r{number}"}
        if draw.randint(0, 2):
            one["exactly"] = _asked(draw) | draw.some({}, {}, {}, {"adminAccess": True})
        else:
            one["firstAvailable"] = [_asked(draw) | {"name": f"way{way}"} for way in range(draw.randint(1, 3))]
        requests.append(one)
    rules: list[Object] = [{"matchAttribute": "gpu.example.com/model"}, {"distinctAttribute": "gpu.example.com/index"}]
    return {"devices": {"requests": requests, "constraints": draw.several(rules, 1)}}


def claims(draw: Draw, name: str) -> Object:
    made: Object = {"metadata": _meta(draw, name, namespace="default"), "spec": _spec(draw)}
    if not draw.randint(0, 2):
        result: Object = {"request": "r0", "driver": draw.some(*DRIVERS), "pool": "p0", "device": draw.some("d0", "d1")}
        result |= draw.some(
            {}, {"shareID": f"share-{name}", "consumedCapacity": {"memory": "1Gi"}}, {"adminAccess": True}
        )
        term = draw.some({"matchFields": [_in("metadata.name", "n1")]}, {"matchExpressions": [_in("zone", "a")]})
        selector = draw.some({}, {"nodeSelector": {"nodeSelectorTerms": [term]}})
        made["status"] = {"allocation": {"devices": {"results": [result]}, **selector}}
    return made


def rules(draw: Draw, name: str) -> Object:
    selector: Object = draw.some({"driver": DRIVERS[0]}, {"pool": "p1"}, {"device": "d0"}, {})
    taint = {"key": draw.some("worn", "gone"), "effect": "NoExecute"}
    return {"metadata": _meta(draw, name), "spec": {"deviceSelector": selector, "taint": taint}}


STORED: list[tuple[type[devices.Object], Callable[[Draw, str], Object], Sequence[str]]] = [
    (devices.ResourceClaim, claims, CLAIMS),
    (devices.ResourceSlice, slices, SLICES),
    (devices.DeviceClass, classes, CLASSES),
    (devices.DeviceTaintRule, rules, ["t0"]),
]


def stored(draw: Draw) -> devices.Object:
    """Any object."""
    kind, make, names = draw.some(*STORED)
    found: devices.Object = core.convert(make(draw, draw.some(*names)), kind, "object")
    return found


def everything(draw: Draw) -> list[devices.Object]:
    """Most of what there can be; rules seldom."""
    return [
        core.convert(make(draw, name), kind, "object")
        for kind, make, names in STORED
        for name in names
        if draw.randint(0, 9) and (kind is not devices.DeviceTaintRule or draw.some(True, False))
    ]


def pods(draw: Draw, name: str, *, on: str = "") -> Object:
    named = [{"name": one, "resourceClaimName": one} for one in draw.sample(CLAIMS, draw.randint(0, 2))]
    more = {"resources": {"requests": {RESOURCE: "1"}}} if not draw.randint(0, 2) else {}
    return build.pod(name, build.container() | more, on=on, resourceClaims=named)
