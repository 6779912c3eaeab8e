"""Pods: containers of every kind with the requests that an API server lets in, ports, images, priorities, resizes."""

from __future__ import annotations

from typing import Any

from tests.parity.hostile import chance as chances
from tests.parity.hostile.chance import Chance, Object
from tests.parity.hostile.nodes import EXTENDED, IMAGES, Wanted

_CPU = ("0", "1m", "100m", "250m", "500m", "1", "1500m", "2")
_MEMORY = ("0", "1", "64Mi", "200Mi", "500M", "1Gi", "2Gi", "1500m", "3Gi")
_STORAGE = ("0", "1Gi", "5Gi")


def pod(chance: Chance, wanted: Wanted, name: str, namespace: str) -> Object:
    """A pod that nobody has placed yet."""
    spec: Object = {
        "schedulerName": "default-scheduler",
        "restartPolicy": "Always",
        "priority": chance.choice(chances.PRIORITIES) if wanted("priorities") else 0,
        "containers": [_container(chance, wanted, f"c{index}") for index in range(chance.choice((1, 1, 1, 2, 3)))],
    }
    if wanted("resources") and chance.once_in(2):
        spec["initContainers"] = [_init(chance, wanted, f"i{index}") for index in range(chance.randint(1, 3))]
    if wanted("resources") and chance.once_in(4):
        spec["overhead"] = {"cpu": chance.choice(_CPU), "memory": chance.choice(_MEMORY)}
    if wanted("podlevel"):
        spec["resources"] = _pod_level(chance, spec)
    if wanted("priorities") and chance.once_in(8):
        spec["preemptionPolicy"] = "Never"
    if wanted("features"):
        _need_features(chance, spec)
    if wanted("images") and chance.once_in(3):
        spec["volumes"] = [
            {"name": "model", "image": {"reference": chance.choice(IMAGES), "pullPolicy": "IfNotPresent"}}
        ]
    meta = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "labels": chances.labels(chance)}
    meta["creationTimestamp"] = f"2026-01-01T00:00:{chance.randrange(60):02}Z"
    return {"metadata": meta, "spec": spec, "status": {"phase": "Pending"}}


def run(chance: Chance, wanted: Wanted, made: Object, node: str) -> Object:
    """Place it: it runs, ends, or has ended."""
    made["spec"]["nodeName"] = node
    status: Object = {"phase": "Running", "startTime": f"2026-01-01T00:0{chance.randrange(4)}:00Z"}
    made["status"] = status
    if chance.once_in(10):
        made["metadata"]["deletionTimestamp"] = "2026-01-02T00:00:00Z"
        made["metadata"]["deletionGracePeriodSeconds"] = 30
        if chance.once_in(2):
            status["conditions"] = [
                {
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": chance.choice(("PreemptionByScheduler", "Other")),
                }
            ]
    if chance.once_in(15):
        status["phase"] = chance.choice(("Succeeded", "Failed"))
    if wanted("resize"):
        _resize(chance, made)
    return made


def _container(chance: Chance, wanted: Wanted, name: str) -> Object:
    found: Object = {"name": name, "image": chance.choice(IMAGES) if wanted("images") else "plain", "resources": {}}
    if not chance.once_in(4):
        found["resources"] = _resources(chance, wanted)
    if wanted("ports"):
        found["ports"] = [_port(chance) for _ in range(chance.randint(1, 3))]
    return found


def _init(chance: Chance, wanted: Wanted, name: str) -> Object:
    found = _container(chance, wanted, name)
    return found | {"restartPolicy": "Always"} if chance.once_in(2) else found


def _resources(chance: Chance, wanted: Wanted) -> Object:
    requests: Object = {}
    if not chance.once_in(4):
        requests["cpu"] = chance.choice(_CPU)
    if not chance.once_in(4):
        requests["memory"] = chance.choice(_MEMORY)
    if wanted("resources"):
        if chance.once_in(4):
            requests["ephemeral-storage"] = chance.choice(_STORAGE)
        limits: Object = {}
        for name in chance.some(EXTENDED, 2):
            amount = chance.choice(("0", "1", "2", "5")) if "/" in name else chance.choice(("0", "2Mi", "64Mi"))
            requests[name] = limits[name] = amount
        if wanted("huge"):
            requests[chance.choice(("cpu", "memory"))] = chance.choice(("9223372036854775807", "4E", "5E", "8E"))
        return {"requests": requests, "limits": limits}
    return {"requests": requests}


def _port(chance: Chance) -> Object:
    port = chance.choice((0, 80, 80, 443, 8080))
    found: Object = {"containerPort": port or 9000, "protocol": chance.choice(("TCP", "TCP", "UDP", "SCTP"))}
    if port:
        found["hostPort"] = port
    address = chance.choice(("", "", "0.0.0.0", "::", "127.0.0.1", "10.0.0.1"))  # noqa: S104 - nobody listens
    return found | ({"hostIP": address} if address else {})


def _pod_level(chance: Chance, spec: Object) -> Object:
    requests = {"cpu": chance.choice(("2", "3", "4")), "memory": chance.choice(("3Gi", "4Gi", "6Gi"))}
    if chance.once_in(3):
        requests.pop(chance.choice(("cpu", "memory")))
    return {"requests": requests, "limits": dict(requests)} if chance.once_in(2) else {"requests": requests}


def _need_features(chance: Chance, spec: Object) -> None:
    if chance.once_in(2):
        spec["hostUsers"] = False
        if chance.once_in(2):
            spec["hostNetwork"] = True
    if chance.once_in(2):
        spec["restartPolicy"] = "Never"
        spec["containers"][0]["restartPolicyRules"] = [
            {
                "action": chance.choice(("Restart", "RestartAllContainers")),
                "exitCodes": {"operator": "In", "values": [42]},
            }
        ]
        spec["containers"][0]["restartPolicy"] = "Never"


def _resize(chance: Chance, made: Object) -> None:
    """What the kubelet reports while the pod's requests change in place."""
    statuses: dict[str, list[Object]] = {"containerStatuses": [], "initContainerStatuses": []}
    for kind, containers in (("containerStatuses", "containers"), ("initContainerStatuses", "initContainers")):
        for container in made["spec"].get(containers, ()):
            if chance.once_in(4):
                continue
            status: Object = {"name": container["name"]}
            if not chance.once_in(3):
                status["allocatedResources"] = _amounts(chance)
            if not chance.once_in(3):
                status["resources"] = {"requests": _amounts(chance)}
            statuses[kind].append(status)
    made["status"].update({kind: found for kind, found in statuses.items() if found})
    if chance.once_in(2):
        made["status"].setdefault("conditions", []).append(
            {
                "type": "PodResizePending",
                "status": "True",
                "reason": chance.choice(("Infeasible", "Deferred")),
            }
        )
    if chance.once_in(4):
        made["status"]["allocatedResources"] = _amounts(chance)
    if chance.once_in(4):
        made["status"]["resources"] = {"requests": _amounts(chance)}


def _amounts(chance: Chance) -> dict[str, Any]:
    found = {"cpu": chance.choice(_CPU), "memory": chance.choice(_MEMORY)}
    if chance.once_in(4):
        found.pop(chance.choice(("cpu", "memory")))
    return found
