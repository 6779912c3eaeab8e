"""Configurations of kube-scheduler: weights, plugins left out, and every plugin's arguments."""

from __future__ import annotations

from tests.parity.hostile import placement
from tests.parity.hostile.chance import HOSTNAME, ZONE, Chance, Object

_SCORES = (
    "TaintToleration",
    "NodeAffinity",
    "PodTopologySpread",
    "InterPodAffinity",
    "NodeResourcesFit",
    "NodeResourcesBalancedAllocation",
    "ImageLocality",
)
_FILTERS = ("NodePorts", "TaintToleration", "NodeAffinity", "InterPodAffinity", "NodeResourcesFit", "NodeUnschedulable")


def config(chance: Chance) -> Object:
    profile: Object = {"schedulerName": "default-scheduler"}
    arguments = [
        {"name": name, "args": {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": f"{name}Args", **args}}
        for name, args in _arguments(chance).items()
    ]
    if arguments:
        profile["pluginConfig"] = arguments
    plugins: Object = {}
    if chance.once_in(2):
        weighed = chance.some(_SCORES, 3, 1)
        plugins["score"] = {
            "disabled": [{"name": name} for name in weighed],
            "enabled": [
                {"name": name, "weight": chance.choice((1, 2, 3, 10, 100))} for name in weighed if not chance.once_in(4)
            ],
        }
    if chance.once_in(4):
        left_out = chance.some(_FILTERS, 2, 1)
        first = [{"name": name} for name in left_out if chance.once_in(2)]
        disabled = [{"name": name} for name in left_out if not chance.once_in(3)]
        plugins["filter"] = {"disabled": disabled, "enabled": first}
    if plugins:
        profile["plugins"] = plugins
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "profiles": [profile],
    }


def _arguments(chance: Chance) -> dict[str, Object]:
    found: dict[str, Object] = {}
    if chance.once_in(2):
        found["NodeResourcesFit"] = _fit(chance)
    if chance.once_in(4):
        found["NodeResourcesBalancedAllocation"] = {
            "resources": [
                {"name": name, "weight": 1} for name in chance.some(("cpu", "memory", "example.com/gpu"), 3, 1)
            ]
        }
    if chance.once_in(3):
        found["InterPodAffinity"] = {
            "hardPodAffinityWeight": chance.choice((0, 1, 40, 100)),
            "ignorePreferredTermsOfExistingPods": chance.once_in(2),
        }
    if chance.once_in(3):
        affinity = placement.node_affinity(chance)
        if affinity:
            found["NodeAffinity"] = {"addedAffinity": affinity}
    if chance.once_in(3):
        found["PodTopologySpread"] = {
            "defaultingType": "List",
            "defaultConstraints": [
                {
                    "maxSkew": chance.randint(1, 3),
                    "topologyKey": key,
                    "whenUnsatisfiable": chance.choice(("DoNotSchedule", "ScheduleAnyway")),
                }
                for key in chance.some((HOSTNAME, ZONE, "disk"), 2)
            ],
        }
    return found


def _fit(chance: Chance) -> Object:
    resources = [
        {"name": name, "weight": chance.choice((1, 2, 5, 100))}
        for name in chance.some(("cpu", "memory", "ephemeral-storage", "example.com/gpu"), 4, 1)
    ]
    kind = chance.choice(("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"))
    strategy: Object = {"type": kind, "resources": resources}
    if kind == "RequestedToCapacityRatio":
        shape = [
            {"utilization": 0, "score": chance.randint(0, 10)},
            {"utilization": 100, "score": chance.randint(0, 10)},
        ]
        if chance.once_in(2):
            shape.insert(1, {"utilization": chance.choice((25, 50, 70)), "score": chance.randint(0, 10)})
        strategy["requestedToCapacityRatio"] = {"shape": shape}
    found: Object = {"scoringStrategy": strategy}
    if chance.once_in(4):
        found["ignoredResources"] = ["example.com/fpga"]
    if chance.once_in(4):
        found["ignoredResourceGroups"] = ["example.com"]
    return found
