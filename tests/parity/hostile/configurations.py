"""Texts of KubeSchedulerConfiguration files: right, nearly right, and wrong in every way that somebody may write one.

A file is first made with values from small sets that hold their bounds; then, in a third of all, something anywhere in
it is replaced, taken away, added or doubled; then it is written out as JSON or YAML.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from tests.parity.hostile import placement
from tests.parity.hostile.chance import HOSTNAME, ZONE, Chance, Object

_VERSION = "kubescheduler.config.k8s.io/v1"
_PLUGINS = (
    "SchedulingGates", "PrioritySort", "NodeName", "NodeUnschedulable", "TaintToleration", "NodeAffinity", "NodePorts",
    "NodeResourcesFit", "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone", "PodTopologySpread",
    "InterPodAffinity", "DynamicResources", "DefaultPreemption", "NodeResourcesBalancedAllocation", "ImageLocality",
    "DefaultBinder", "NodeDeclaredFeatures",
)  # fmt: skip
_STRANGERS = ("GangScheduling", "EBSLimits", "NodeResourcesLeastAllocated", "MyPlugin", "nodename", "")
_FILTERING = (*_PLUGINS[2:15], "NodeDeclaredFeatures")
_SCORING = (
    "TaintToleration", "NodeAffinity", "NodeResourcesFit", "VolumeBinding", "PodTopologySpread", "InterPodAffinity",
    "NodeResourcesBalancedAllocation", "ImageLocality", "DynamicResources",
)  # fmt: skip
_SAFE = ("filter", "score", "preScore", "postFilter", "preFilter")
# Those that are for the queue and the end may not be off; and what binds is on or off as a whole.
_FREE = tuple(name for name in _PLUGINS if name not in {"SchedulingGates", "PrioritySort", "DefaultBinder"})
_AT = {
    "preEnqueue": ("SchedulingGates", "DynamicResources", "DefaultPreemption"),
    "queueSort": ("PrioritySort",),
    "preFilter": _FILTERING,
    "filter": _FILTERING,
    "postFilter": ("DynamicResources", "DefaultPreemption"),
    "preScore": _SCORING[:7],
    "score": _SCORING,
    "reserve": ("VolumeBinding", "DynamicResources"),
    "permit": ("VolumeBinding",),
    "preBind": ("VolumeBinding", "DynamicResources"),
    "bind": ("DefaultBinder",),
    "postBind": ("DefaultBinder",),
    "podGroupPostFilter": ("DefaultPreemption",),
}
_NAMES = ("default-scheduler", "data-locality-scheduler", "batch", "gpu")
_DURATIONS = ("15s", "10s", "2s", "500ms", "1m0.5s", "0s", "-1s", "10", "", "1d", "1h", "+3s", "0", ".5s", "1e3s")
_ODD: Sequence[Any] = (
    None, "", "x", "10", -1, 0, 1, 101, 2**31, 2**63, 1.5, True, False, [], {}, ["x"], [None], {"x": 1}, [{}],
)  # fmt: skip


def _mostly(chance: Chance, right: Sequence[Any], wrong: Sequence[Any]) -> Any:
    """One of the first, and of the second now and then."""
    return chance.choice(wrong if chance.once_in(25) else right)


def text(seed: int) -> str:
    """The text of a file: a seed gives the same for ever."""
    chance = Chance(seed)
    config = _config(chance)
    if chance.once_in(3):
        for _ in range(chance.randint(1, 2)):
            _spoil(chance, config)
        if not config.keys() & {"apiVersion", "kind"}:
            config["kind"] = "KubeSchedulerConfiguration"  # else it is no file of kube-scheduler's at all
    if chance.once_in(4):
        written = yaml.safe_dump(config, default_flow_style=None if chance.once_in(4) else False)
        # What begins with a brace upstream reads as JSON only.
        return str(yaml.safe_dump(config) if written.startswith("{") else written)
    written = json.dumps(config, indent=chance.choice((None, 2)))
    if chance.once_in(30):  # a key twice
        key = chance.choice(("kind", "profiles", "name", "schedulerName", "weight", "args", "leaderElection"))
        written = written.replace(f'"{key}":', f'"{key}": {json.dumps(chance.choice(_ODD))}, "{key}":', 1)
    return written


def _config(chance: Chance) -> Object:
    found: Object = {"apiVersion": _VERSION, "kind": "KubeSchedulerConfiguration"}
    number = chance.choice((0, 1, 1, 1, 2, 2, 3))
    names = chance.several(_NAMES, number, number) if chance.once_in(15) else chance.some(_NAMES, number, number)
    if number:
        found["profiles"] = [_profile(chance, name) for name in names]
        if chance.once_in(5 if number == 1 else 25):
            del found["profiles"][0]["schedulerName"]
    optional: Object = {
        "parallelism": _mostly(chance, (1, 16), (0, -1)),
        "percentageOfNodesToScore": _mostly(chance, (0, 1, 50, 100), (101, -1)),
        "podInitialBackoffSeconds": _mostly(chance, (1, 2, 10), (0, -1, 20)),
        "podMaxBackoffSeconds": _mostly(chance, (10, 20), (1, 0)),
        "enableProfiling": chance.once_in(2),
        "enableContentionProfiling": chance.once_in(2),
        "delayCacheUntilActive": chance.once_in(2),
        "extenders": [],
        "clientConnection": {
            "kubeconfig": "/etc/kubernetes/scheduler.conf", "acceptContentTypes": "", "contentType": "",
            "qps": chance.choice((50, 0, 12.5, -1)), "burst": _mostly(chance, (100, 0), (-1,)),
        },
        "leaderElection": _election(chance),
    }  # fmt: skip
    found |= {key: value for key, value in optional.items() if chance.once_in(6)}
    if chance.once_in(60):
        found["extenders"] = [{"urlPrefix": "http://extender", "filterVerb": "filter"}]
    if chance.once_in(60):
        found["apiVersion"] = chance.choice((f"{_VERSION}beta3", f"{_VERSION}beta1", "v1", f"{_VERSION}alpha1", ""))
    return found


def _election(chance: Chance) -> Object:
    found: Object = {
        "leaderElect": not chance.once_in(3),
        "leaseDuration": _mostly(chance, ("15s", "1m0.5s", "30s", "1h"), _DURATIONS),
        "renewDeadline": _mostly(chance, ("10s", "5s", "0s", "12.5s"), _DURATIONS),
        "retryPeriod": _mostly(chance, ("2s", "500ms", "+3s", "0s"), _DURATIONS),
        "resourceLock": _mostly(chance, ("leases", ""), ("endpoints", "configmaps")),
        "resourceName": chance.choice(("kube-scheduler", "ours", "")),
        "resourceNamespace": chance.choice(("kube-system", "")),
    }
    return {key: value for key, value in found.items() if chance.once_in(2)}


def _profile(chance: Chance, name: str) -> Object:
    found: Object = {"schedulerName": name}
    if chance.once_in(6):
        found["percentageOfNodesToScore"] = _mostly(chance, (0, 30, 100), (101,))
    if not chance.once_in(3):
        found["plugins"] = _plugins(chance)
    if not chance.once_in(3):
        arguments = _arguments(chance)
        found["pluginConfig"] = [
            {"name": name, "args": _typed(chance, name, args)} for name, args in arguments.items() if chance.once_in(3)
        ]
    return found


def _typed(chance: Chance, name: str, args: Object) -> Object:
    if chance.once_in(3):
        return args
    return {"apiVersion": _VERSION, "kind": f"{name}Args", **args}


def _plugins(chance: Chance) -> Object:
    found: Object = {}
    if chance.once_in(2):
        found["multiPoint"] = _multi_point(chance)
    if chance.once_in(2):
        found["score"] = _set(chance, "score", 4)
    for point in chance.some(_SAFE if not chance.once_in(6) else tuple(_AT), 2):
        found[point] = _set(chance, point, 3)
    if chance.once_in(12):  # all of it named, as documents advise
        found["multiPoint"] = {"disabled": [{"name": "*"}]}
        for point in (
            "queueSort",
            "preEnqueue",
            "preFilter",
            "filter",
            "preScore",
            "score",
            "reserve",
            "preBind",
            "bind",
        ):
            found[point] = {"enabled": [{"name": name} for name in _AT[point] if not chance.once_in(100)]}
    return found


def _multi_point(chance: Chance) -> Object:
    among = _PLUGINS if chance.once_in(12) else _FREE
    found: Object = {
        "disabled": [{"name": name} for name in chance.some(among, 3)],
        "enabled": [_weighed(chance, name) for name in chance.some(among, 3)],
    }
    if chance.once_in(12):
        found["disabled"] = [{"name": "*"}]
        found["enabled"] = [_weighed(chance, name) for name in chance.some(_PLUGINS, 20, 19)]
    return _part(chance, found)


def _set(chance: Chance, point: str, most: int) -> Object:
    there = _AT[point]
    enabled, disabled = chance.some(there, most), chance.some(there, most)
    if point not in {"score", "filter"} and not chance.once_in(4):
        disabled = []
    if chance.once_in(6):
        disabled = ["*"]
        enabled = chance.some(there, len(there), len(there))
    if chance.once_in(2):
        enabled = [*enabled, *[name for name in disabled if name != "*" and name not in enabled]]
    if chance.once_in(60):
        enabled.append(chance.choice((*_PLUGINS, *_STRANGERS)))
    if chance.once_in(10):
        disabled.append(chance.choice((*_PLUGINS, *_STRANGERS)))
    found: Object = {
        "disabled": [{"name": name} for name in disabled],
        "enabled": [_weighed(chance, name) for name in enabled],
    }
    return _part(chance, found)


def _part(chance: Chance, found: Object) -> Object:
    return {key: value for key, value in found.items() if not chance.once_in(4)}


def _weighed(chance: Chance, name: str) -> Object:
    if chance.once_in(2):
        return {"name": name}
    return {"name": name, "weight": chance.choice((0, 1, 2, 5, 100, 2**31 - 1) if chance.once_in(4) else (1, 2, 3))}


def _arguments(chance: Chance) -> Object:
    shape = [
        {"utilization": chance.choice((0, 10, 49)), "score": chance.randint(0, 10)},
        {"utilization": _mostly(chance, (50, 100), (10, 101)), "score": _mostly(chance, (0, 5, 10), (11, -1))},
    ]
    found: Object = {
        "DefaultPreemption": {
            "minCandidateNodesPercentage": _mostly(chance, (0, 10, 100), (101, -1)),
            "minCandidateNodesAbsolute": _mostly(chance, (1, 100), (0, -1)),
        },
        "DynamicResources": {
            "filterTimeout": _mostly(chance, ("10s", "0s", "1h"), _DURATIONS),
            "bindingTimeout": _mostly(chance, ("10m", "1s"), _DURATIONS),
        },
        "InterPodAffinity": {
            "hardPodAffinityWeight": _mostly(chance, (0, 1, 100), (101, -1)),
            "ignorePreferredTermsOfExistingPods": chance.once_in(2),
        },
        "NodeAffinity": {"addedAffinity": placement.node_affinity(chance) or None},
        "NodeResourcesBalancedAllocation": {"resources": _resources(chance, (0, 1), (2, -1))},
        "NodeResourcesFit": _fit(chance, shape),
        "PodTopologySpread": _spread(chance),
        "VolumeBinding": {
            "bindTimeoutSeconds": _mostly(chance, (0, 60, 600), (-1,)),
            "shape": shape if chance.once_in(2) else [],
        },
        "NodeName": {"anything": 1},
        "ImageLocality": {},
    }  # fmt: skip
    if chance.once_in(30):
        found[chance.choice(_STRANGERS)] = {"x": 1}
    return {name: _part(chance, args) for name, args in found.items()}


def _resources(chance: Chance, right: Sequence[int], wrong: Sequence[int]) -> list[Object]:
    known = ("cpu", "memory", "example.com/gpu", "ephemeral-storage")
    named = chance.several(known, 3) if chance.once_in(12) else chance.some(known, 3)
    return [
        {"name": name} if chance.once_in(4) else {"name": name, "weight": _mostly(chance, right, wrong)}
        for name in named
    ]


def _fit(chance: Chance, shape: list[Object]) -> Object:
    kind = chance.choice(("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"))
    strategy: Object = {"type": kind, "resources": _resources(chance, (0, 1, 5, 100), (101, -1))}
    if (kind == "RequestedToCapacityRatio") != chance.once_in(25):
        strategy["requestedToCapacityRatio"] = {"shape": shape}
    return {
        "ignoredResources": [_mostly(chance, ("example.com/gpu", "example.com/fpga", "cpu"), ("a b", "", "/x"))],
        "ignoredResourceGroups": [_mostly(chance, ("example.com", "gpu"), ("example.com/gpu", "-x", ""))],
        "scoringStrategy": _part(chance, strategy) if chance.once_in(20) else strategy,
    }


def _spread(chance: Chance) -> Object:
    constraints = []
    for _ in range(chance.randint(0, 2)):
        constraint: Object = {
            "maxSkew": _mostly(chance, (1, 2, 5), (0, -1)),
            "topologyKey": _mostly(chance, (HOSTNAME, ZONE, "rack", "row"), ("a b", "")),
            "whenUnsatisfiable": chance.choice(("DoNotSchedule", "ScheduleAnyway")),
        }
        extra: Object = {
            "minDomains": _mostly(chance, (1, 3), (0, -1)),
            "nodeAffinityPolicy": _mostly(chance, ("Honor", "Ignore"), ("honor", "")),
            "nodeTaintsPolicy": _mostly(chance, ("Honor", "Ignore"), ("ignore", "")),
            "matchLabelKeys": ["app"],
        }
        if chance.once_in(40):
            constraint["labelSelector"] = {}
        constraints.append(constraint | {key: value for key, value in extra.items() if chance.once_in(8)})
    kind = "List" if constraints else "System"
    return {"defaultConstraints": constraints, "defaultingType": kind if not chance.once_in(20) else "Some"}


def _spoil(chance: Chance, config: Object) -> None:
    """Change something anywhere."""
    holder, key = chance.choice(list(_places(config)))
    match chance.randrange(5):
        case 0 | 1:
            holder[key] = copy.deepcopy(chance.choice(_ODD))
        case 2:
            del holder[key]
        case 3 if isinstance(holder, dict):
            holder[chance.choice(("unknown", "Name", "wieght", "plugin", "enable", "schedulername"))] = copy.deepcopy(
                holder[key]
            )
        case _ if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of every mapping and list, as its holder and key."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from _places(value[key])
