"""Full nodes, for preemption: budgets, when pods started, and who is being evicted already."""

from __future__ import annotations

import copy
from collections import Counter

from tests.parity.hostile import chance as chances
from tests.parity.hostile.chance import NAMESPACES, Chance, Object

# Upstream's sort keeps pods of the same importance in order up to so many; beyond, their order is nobody's decision.
_KEPT_IN_ORDER = 12


def fill(chance: Chance, found: Object) -> None:
    """Give the pod a priority, and make the pods on the nodes differ in what preemption weighs."""
    _ask_for_much(chance, found["pod"]["spec"])
    names = [node["metadata"]["name"] for node in found["nodes"]]
    busy = chance.some(names, 3, 1) if names else []
    running = [pod for pod in found["pods"] if "nodeName" in pod["spec"]]
    for pod in running:
        if busy and not chance.once_in(5):
            pod["spec"]["nodeName"] = chance.choice(busy)
    on_node = Counter(pod["spec"]["nodeName"] for pod in running)
    for node in found["nodes"]:
        name, offered = node["metadata"]["name"], node["status"]["allocatable"]
        offered["cpu"] = chance.choice(("2", "2500m", "3", "4") if name in busy else ("250m", "500m", "1", "2"))
        if chance.once_in(3):
            offered["pods"] = str(on_node[name])
    if len(busy) > 1 and chance.once_in(6):
        running = _twins(found, busy[0], busy[1])
        on_node[busy[1]] = on_node[busy[0]]
    for number, pod in enumerate(running):
        if on_node[pod["spec"]["nodeName"]] > _KEPT_IN_ORDER:
            pod["status"]["startTime"] = f"2026-01-01T01:00:{number:02}Z"
        elif chance.once_in(12):
            del pod["status"]["startTime"]
    if chance.once_in(2):
        found["pdbs"] = [_budget(chance, f"b{index}", found["pods"]) for index in range(chance.randint(1, 5))]
    if chance.once_in(8) and found["nodes"]:
        _nominate(chance, found)


def _twins(found: Object, node: str, twin: str) -> list[Object]:
    """Make two nodes alike, with pods that are alike, so that candidates tie; returns who runs."""
    one, other = (next(each for each in found["nodes"] if each["metadata"]["name"] == name) for name in (node, twin))
    other["status"]["allocatable"] = dict(one["status"]["allocatable"])
    kept = [pod for pod in found["pods"] if pod["spec"].get("nodeName") != twin]
    copies = [copy.deepcopy(pod) for pod in kept if pod["spec"].get("nodeName") == node]
    for pod in copies:
        pod["metadata"] |= {"name": f"{pod['metadata']['name']}-twin", "uid": f"{pod['metadata']['uid']}-twin"}
        pod["spec"]["nodeName"] = twin
    found["pods"] = [*kept, *copies]
    return [pod for pod in found["pods"] if "nodeName" in pod["spec"]]


def _ask_for_much(chance: Chance, spec: Object) -> None:
    spec["priority"] = chance.choice((0, 10, 100, 1000, 1000, 1000))
    if chance.once_in(3):
        spec.pop("preemptionPolicy", None)
    if chance.once_in(4):
        return
    resources = spec["containers"][0].setdefault("resources", {})
    resources.setdefault("requests", {})["cpu"] = chance.choice(("300m", "1", "1", "1500m"))
    if chance.once_in(3):
        resources["requests"]["memory"] = chance.choice(("1Gi", "1Gi", "3Gi"))


def _budget(chance: Chance, name: str, pods: list[Object]) -> Object:
    status: Object = {"disruptionsAllowed": chance.choice((0, 0, 1, 1, 2, 5, -1))}
    if pods and chance.once_in(4):
        disrupted = chance.some([pod["metadata"]["name"] for pod in pods], 3, 1)
        status["disruptedPods"] = dict.fromkeys(disrupted, "2026-01-02T00:00:00Z")
    spec: Object = {"maxUnavailable": 1}
    selector = chances.selector(chance)
    if selector is not None:
        spec["selector"] = selector
    return {"metadata": {"name": name, "namespace": chance.choice(NAMESPACES)}, "spec": spec, "status": status}


def _nominate(chance: Chance, found: Object) -> None:
    """It has preempted before: on a node where its victims may still end."""
    node = chance.choice((*[node["metadata"]["name"] for node in found["nodes"]], "gone"))
    found["pod"]["status"]["nominatedNodeName"] = node
    for pod in found["pods"]:
        if pod["spec"].get("nodeName") == node and chance.once_in(3):
            pod["metadata"] |= {"deletionTimestamp": "2026-01-02T00:00:00Z", "deletionGracePeriodSeconds": 30}
            evicted = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
            pod["status"]["conditions"] = [evicted]
