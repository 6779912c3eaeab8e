"""Configurations of kube-scheduler: weights, plugins left out, and every plugin's arguments."""

from __future__ import annotations

from tests.parity.hostile import placement
from tests.parity.hostile.chance import HOSTNAME, ZONE, Chance, Object

_SCORES = (
    "VolumeBinding",
    "TaintToleration",
    "NodeAffinity",
    "PodTopologySpread",
    "InterPodAffinity",
    "NodeResourcesFit",
    "NodeResourcesBalancedAllocation",
    "ImageLocality",
)
_FILTERS = (
    "NodeUnschedulable",
    "NodeName",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "VolumeRestrictions",
    "NodeVolumeLimits",
    "VolumeZone",
    "PodTopologySpread",
    "InterPodAffinity",
    "NodeDeclaredFeatures",
)


def config(chance: Chance) -> Object:
    """With one profile or several, of which the first is the pod's."""
    found: Object = {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "profiles": [_profile(chance, "default-scheduler")],
    }
    if chance.once_in(5):
        found["profiles"].append(_profile(chance, "second"))
    if chance.once_in(6):
        found["percentageOfNodesToScore"] = chance.choice((0, 5, 100))
    return found


def _profile(chance: Chance, name: str) -> Object:
    profile: Object = {"schedulerName": name}
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
    if not plugins and chance.once_in(2):  # else a score may be on whose PreScore is off, which fails every cycle
        weighed = chance.some(sorted({*_SCORES, *_FILTERS, "DefaultPreemption"}), 3, 1)
        plugins["multiPoint"] = {
            "disabled": [{"name": name} for name in weighed if not chance.once_in(3)],
            "enabled": [{"name": name, "weight": chance.choice((1, 4, 50))} for name in weighed if chance.once_in(2)],
        }
    if plugins:
        profile["plugins"] = plugins
    return profile


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
    if chance.once_in(4):
        found["VolumeBinding"] = {"bindTimeoutSeconds": chance.choice((0, 600)), "shape": _shape(chance)}
    if chance.once_in(8):
        found["PodTopologySpread"] = {"defaultingType": "System"}
    elif chance.once_in(3):
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
        strategy["requestedToCapacityRatio"] = {"shape": _shape(chance)}
    found: Object = {"scoringStrategy": strategy}
    if chance.once_in(4):
        found["ignoredResources"] = ["example.com/fpga"]
    if chance.once_in(4):
        found["ignoredResourceGroups"] = ["example.com"]
    return found


def _shape(chance: Chance) -> list[Object]:
    found: list[Object] = [{"utilization": of, "score": chance.randint(0, 10)} for of in (0, 100)]
    if chance.once_in(2):
        found.insert(1, {"utilization": chance.choice((25, 50, 70)), "score": chance.randint(0, 10)})
    return found
