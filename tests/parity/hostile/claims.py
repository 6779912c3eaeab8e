"""Claims to devices in every state, and extended resources that device classes stand for."""

from __future__ import annotations

from typing import Final

from tests.parity.hostile import devices
from tests.parity.hostile.chance import HOSTNAME, ZONE, Chance, Object

_NAMES: Final = ("c0", "c1", "c2")
_EXTENDED: Final = (*devices.KEYS, "deviceclass.resource.kubernetes.io/nic", "deviceclass.resource.kubernetes.io/gone")
NOW: Final = "2026-06-01T00:00:00Z"
_LONG_AGO: Final = "2001-01-01T00:00:00Z"
_FAR_AHEAD: Final = "2999-01-01T00:00:00Z"


def claim(chance: Chance, made: Object) -> None:
    """Have a pod refer to claims, by name or by a template whose claim may not be made yet."""
    spec, statuses = made["spec"], []
    for index in range(chance.choice((1, 1, 1, 1, 2))):
        name, kind = f"r{index}", chance.choice(("named", "named", "named", "template", "template"))
        if kind == "named":
            name_of_claim = "missing" if chance.once_in(50) else chance.choice(_NAMES)
            spec.setdefault("resourceClaims", []).append({"name": name, "resourceClaimName": name_of_claim})
            continue
        spec.setdefault("resourceClaims", []).append({"name": name, "resourceClaimTemplateName": "template"})
        if chance.once_in(20):
            statuses.append({"name": name})  # none is needed
        elif not chance.once_in(30):
            statuses.append({"name": name, "resourceClaimName": f"{made['metadata']['name']}-{name}"})
    if statuses:
        made["status"]["resourceClaimStatuses"] = statuses
    spec["containers"][0]["resources"]["claims"] = [{"name": one["name"]} for one in spec["resourceClaims"]]


def extend(chance: Chance, made: Object) -> None:
    """Have containers ask for extended resources that classes may claim."""
    for index, container in enumerate((*made["spec"].get("initContainers", ()), *made["spec"]["containers"])):
        if index == 0 or chance.once_in(2):
            amounts = {
                name: chance.choice(("0", "1", "1", "1", "1", "2"))
                for name in chance.some((*_EXTENDED[:3], _EXTENDED[0]), 2, 1)
            }
            if chance.once_in(25):
                amounts[_EXTENDED[3]] = "1"
            resources = container.setdefault("resources", {})
            resources["requests"] = {**resources.get("requests", {}), **amounts}
            resources["limits"] = {**resources.get("limits", {}), **amounts}
    if chance.once_in(3):
        init = {"name": "early", "image": "plain", "resources": {}}
        made["spec"].setdefault("initContainers", []).append(init)
        amounts = {chance.choice(_EXTENDED[:2]): chance.choice(("1", "2", "3"))}
        init["resources"] = {"requests": amounts, "limits": dict(amounts)}
        if chance.once_in(2):
            init["restartPolicy"] = "Always"


def are_asked(pod: Object) -> bool:
    """Whether a pod refers to a claim or may need one for extended resources."""
    containers = (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
    asked = {name for one in containers for name in one.get("resources", {}).get("requests", ())}
    return "resourceClaims" in pod["spec"] or not asked.isdisjoint(_EXTENDED)


def fill(chance: Chance, question: Object, names: list[str]) -> None:
    """Give the cluster devices, and claims for all pods that refer to some."""
    question["deviceClasses"] = devices.classes(chance)
    question["resourceSlices"] = devices.slices(chance, names)
    question["deviceTaintRules"] = devices.taint_rules(chance, names)
    for node in question["nodes"]:
        for name in _EXTENDED[:3]:
            if chance.once_in(4):
                amount = chance.choice(("0", "1", "4"))
                node["status"]["allocatable"][name] = node["status"]["capacity"][name] = amount
    pods = [question["pod"], *question["pods"]]
    found: list[Object] = []
    for namespace in sorted({pod["metadata"]["namespace"] for pod in pods}):
        found += [_claim(chance, question, name, namespace, names) for name in _NAMES if not chance.once_in(40)]
    for pod in pods:
        meta = pod["metadata"]
        for status in pod["status"].get("resourceClaimStatuses", ()):
            if "resourceClaimName" in status and not chance.once_in(40):
                made = _claim(chance, question, status["resourceClaimName"], meta["namespace"], names)
                _own(chance, made, pod)
                found.append(made)
    if chance.once_in(25):
        found.append(_left_over(chance, question, names))
    question["resourceClaims"] = found


def _own(chance: Chance, made: Object, pod: Object) -> None:
    if not chance.once_in(30):
        owner = {
            "apiVersion": "v1",
            "kind": "Pod",
            "name": pod["metadata"]["name"],
            "controller": not chance.once_in(25),
        }
        made["metadata"]["ownerReferences"] = [{**owner, "uid": pod["metadata"]["uid"], "blockOwnerDeletion": True}]


def _left_over(chance: Chance, question: Object, names: list[str]) -> Object:
    """The claim that an earlier attempt made for the pod's extended resources."""
    pod = question["pod"]["metadata"]
    made = _claim(chance, question, f"{pod['name']}-extended-resources-x", pod["namespace"], names)
    made["metadata"]["annotations"] = {"resource.kubernetes.io/extended-resource-claim": "true"}
    owner = {"apiVersion": "v1", "kind": "Pod", "name": pod["name"], "uid": pod["uid"], "controller": True}
    made["metadata"]["ownerReferences"] = [owner]
    return made


def _claim(chance: Chance, question: Object, name: str, namespace: str, names: list[str]) -> Object:
    requests = [_request(chance, f"q{index}") for index in range(chance.choice((1, 1, 1, 1, 2, 3)))]
    wanted: Object = {"requests": requests}
    references = [ref for request in requests for ref in _references(request)]
    if chance.once_in(5):
        wanted["constraints"] = [_constraint(chance, references) for _ in range(chance.choice((1, 1, 2)))]
    if chance.once_in(4):
        wanted["config"] = [
            {**devices.config(chance), **({"requests": chance.some(references, 2, 1)} if chance.once_in(2) else {})}
            for _ in range(chance.randint(1, 2))
        ]
    made: Object = {
        "metadata": {"name": name, "namespace": namespace, "uid": f"claim-{namespace}-{name}"},
        "spec": {"devices": wanted},
        "status": {},
    }
    if chance.once_in(6):
        made["status"] = _allocated(chance, question, requests, names)
    if chance.once_in(70):
        made["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
    return made


def _references(request: Object) -> list[str]:
    return [request["name"], *(f"{request['name']}/{one['name']}" for one in request.get("firstAvailable", ()))]


def _request(chance: Chance, name: str) -> Object:
    if chance.once_in(2):
        return {"name": name, "firstAvailable": [_exact(chance, f"s{index}") for index in range(chance.randint(1, 4))]}
    exactly = _exact(chance, "")
    if chance.once_in(12):
        exactly["adminAccess"] = True
    return {"name": name, "exactly": exactly}


def _exact(chance: Chance, name: str) -> Object:
    found: Object = {"deviceClassName": "gone" if chance.once_in(120) else chance.choice(devices.CLASSES)}
    if name:
        found["name"] = name
    if chosen := devices.selectors(chance):
        found["selectors"] = chosen
    found["allocationMode"] = "All" if chance.once_in(12) else "ExactCount"
    if found["allocationMode"] == "ExactCount":
        found["count"] = (
            chance.choice((1, 1, 1, 1, 2, 3)) if not chance.once_in(100) else chance.choice((32, 33, 2**62))
        )
    if chance.once_in(6):
        found["tolerations"] = devices.tolerations(chance)
    if chance.once_in(7):
        key = chance.choice(("memory", "memory", f"{devices.GPU}/memory", "cores", "absent"))
        found["capacity"] = {"requests": {key: chance.choice(("1Gi", "10Gi", "12Gi", "40Gi", "100Gi", "2"))}}
    return found


def _constraint(chance: Chance, references: list[str]) -> Object:
    kind = chance.choice(("matchAttribute", "matchAttribute", "distinctAttribute"))
    found: Object = {kind: chance.choice(devices.ATTRIBUTES)}
    return found | ({"requests": chance.some(references, 3, 1)} if chance.once_in(2) else {})


def _allocated(chance: Chance, question: Object, requests: list[Object], names: list[str]) -> Object:
    """A claim that has devices, on some nodes or everywhere, and perhaps users."""
    slices = [one["spec"] for one in question["resourceSlices"] if one["spec"].get("devices")]
    results: list[Object] = []
    for request in requests[:2]:
        result: Object = {"request": _references(request)[-1], "driver": devices.GPU, "pool": "gone", "device": "d00"}
        if slices and not chance.once_in(12):
            spec = chance.choice(slices)
            device = chance.choice(spec["devices"])
            result |= {"driver": spec["driver"], "pool": spec["pool"]["name"], "device": device["name"]}
            if device.get("allowMultipleAllocations"):
                result["shareID"] = f"a671734a-e8e5-11e4-8fde-42010af0932{len(results)}"
                if chance.once_in(2):
                    result["consumedCapacity"] = {"memory": chance.choice(("10Gi", "40Gi"))}
        if request.get("exactly", {}).get("adminAccess"):
            result["adminAccess"] = True
        if chance.once_in(6):
            result.update(bindingConditions=["ready"], bindingFailureConditions=["broken"])
        results.append(result)
    allocation: Object = {"devices": {"results": results}}
    if chance.once_in(2):
        key, values = chance.choice(((ZONE, ["a"]), (HOSTNAME, [chance.choice((*names, "gone"))])))
        requirement = {"key": key, "operator": "In", "values": values}
        allocation["nodeSelector"] = {"nodeSelectorTerms": [{"matchExpressions": [requirement]}]}
    if chance.once_in(2):
        allocation["allocationTimestamp"] = chance.choice((_LONG_AGO, _FAR_AHEAD))
    status: Object = {"allocation": allocation}
    users = [question["pod"], *question["pods"]][: chance.choice((0, 1, 2, 3))]
    status["reservedFor"] = [
        {"resource": "pods", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]} for pod in users
    ]
    if chance.once_in(2):
        status["devices"] = [_device_status(chance, result) for result in results]
    return status


def _device_status(chance: Chance, result: Object) -> Object:
    conditions = [
        {"type": kind, "status": chance.choice(("True", "True", "False")), "reason": "Said", "message": "so it is"}
        for kind in chance.some(("ready", "ready", "broken"), 2)
    ]
    return {**{key: result[key] for key in ("driver", "pool", "device")}, "conditions": conditions}
