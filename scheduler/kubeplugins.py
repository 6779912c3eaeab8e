"""kube-scheduler's plugins: which there are, at which extension points, and what a profile's ``plugins`` makes of them.

A profile merges as upstream does. The defaults come as multiPoint plugins; ``disabled`` ("*" is all) takes from them,
``enabled`` replaces in place or adds. Then each extension point is filled: first what it enables itself and multiPoint
has too, in its own order; then the rest of multiPoint, less what it disables; then what only it enables. Source:
mergePluginSet in pkg/scheduler/apis/config/v1/default_plugins.go, expandMultiPointPlugins and getValidScoreWeights in
pkg/scheduler/framework/runtime/framework.go.

A plugin here is one thing: it filters as it has prepared, and binds what it has filtered by. Combinations of its points
that would leave upstream's without its own state (a filter without its preFilter, say) are refused by name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Final, Literal

from scheduler import sections
from scheduler.api import core

FitStrategy = Literal["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"]

# getDefaultPlugins of 1.37 with every feature gate at its default: the plugins in order, and the weight of those that
# score.
_DEFAULTS: Final[Mapping[str, int]] = {
    "SchedulingGates": 0,
    "PrioritySort": 0,
    "NodeName": 0,
    "NodeUnschedulable": 0,
    "TaintToleration": 3,
    "NodeAffinity": 2,
    "NodePorts": 0,
    "NodeResourcesFit": 1,
    "VolumeRestrictions": 0,
    "NodeVolumeLimits": 0,
    "VolumeBinding": 0,
    "VolumeZone": 0,
    "PodTopologySpread": 2,
    "InterPodAffinity": 2,
    "DynamicResources": 2,
    "DefaultPreemption": 0,
    "NodeResourcesBalancedAllocation": 1,
    "ImageLocality": 1,
    "DefaultBinder": 0,
    "NodeDeclaredFeatures": 0,
}
KNOWN: Final = frozenset(_DEFAULTS)
# Of the same release, for what is in alpha there; or of earlier ones.
_OTHER_PLUGINS: Final = frozenset(
    {
        "GangScheduling", "TopologyPlacementGenerator", "PodGroupPodsCount", "DeferredPodScheduling",
        "NodeLabel", "ServiceAffinity", "NodePreferAvoidPods", "SelectorSpread",
        "NodeResourcesLeastAllocated", "NodeResourcesMostAllocated", "RequestedToCapacityRatio",
        "AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits",
    }
)  # fmt: skip

_FILTERS: Final = (
    "NodeName", "NodeUnschedulable", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit",
    "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone", "PodTopologySpread", "InterPodAffinity",
    "DynamicResources", "NodeDeclaredFeatures",
)  # fmt: skip
_SCORES: Final = (
    "TaintToleration", "NodeAffinity", "NodeResourcesFit", "VolumeBinding", "PodTopologySpread", "InterPodAffinity",
    "DynamicResources", "NodeResourcesBalancedAllocation", "ImageLocality",
)  # fmt: skip
# Which plugins there are at a point. Source: ExpandedPluginsV1 in pkg/scheduler/apis/config/testing/defaults.
POINTS: Final[Mapping[str, tuple[str, ...]]] = {
    "preEnqueue": ("SchedulingGates", "DynamicResources", "DefaultPreemption"),
    "queueSort": ("PrioritySort",),
    "preFilter": _FILTERS,
    "filter": _FILTERS,
    "postFilter": ("DynamicResources", "DefaultPreemption"),
    "preScore": tuple(name for name in _SCORES if name not in {"DynamicResources", "ImageLocality"}),
    "score": _SCORES,
    "reserve": ("VolumeBinding", "DynamicResources"),
    "permit": (),
    "preBind": ("VolumeBinding", "DynamicResources"),
    "bind": ("DefaultBinder",),
    "postBind": (),
    "placementGenerate": (),
    "placementScore": ("NodeResourcesFit",),
    "podGroupPostFilter": ("DynamicResources", "DefaultPreemption"),
}
FILTERS: Final = frozenset(_FILTERS)
# What scores, with its weight, in upstream's order.
SCORE_WEIGHTS: Final[Mapping[str, int]] = {name: _DEFAULTS[name] or 1 for name in _SCORES}

_OF_GROUPS: Final = "podGroupPostFilter"  # where upstream gives a plugin that runs nowhere else no arguments
_INT32_MAX: Final = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class Plugins:
    """How kube-scheduler's plugins are set; the defaults are upstream's."""

    filters: tuple[str, ...] = POINTS["filter"]
    """Filters, by upstream's names, in the order in which a node is put before them."""

    prefilters: tuple[str, ...] = POINTS["preFilter"]
    """In the order in which they look at the pod as a whole: each may refuse it or narrow it to nodes, even one whose
    filter is off."""

    prescores: tuple[str, ...] = POINTS["preScore"]
    """Scores that are prepared, even if they are off: what they cannot read fails the cycle."""

    score_weights: Mapping[str, int] = dataclasses.field(default_factory=lambda: dict(SCORE_WEIGHTS))
    """Weight of each score plugin that is computed here; 0 is disabled."""

    extensions: tuple[str, ...] = ()
    """Plugins from outside that are on, by name; the weights of those that score stand above."""

    preempts: bool = True
    """Whether DefaultPreemption looks for pods to evict where no node fits."""

    fit_strategy: FitStrategy = "LeastAllocated"
    """How NodeResourcesFit scores: spread out, pack, or by ``fit_shape``."""

    fit_resources: tuple[tuple[str, int], ...] = (("cpu", 1), ("memory", 1))
    """Resources that NodeResourcesFit scores, each with its weight."""

    fit_shape: tuple[tuple[int, int], ...] = ()
    """For RequestedToCapacityRatio: points of utilization (0..100 percent, rising) and score (0..10)."""

    volume_shape: tuple[tuple[int, int], ...] = ((0, 10), (100, 0))
    """How VolumeBinding scores the share of a volume or pool that is taken: points as of ``fit_shape``."""

    volume_bind_timeout_s: int = 600
    """For how long VolumeBinding waits until a pod's claims are bound."""

    device_bind_timeout_s: float = 600.0
    """For how long DynamicResources waits until a pod's devices are ready."""

    balanced_resources: tuple[str, ...] = ("cpu", "memory")
    """Resources whose use NodeResourcesBalancedAllocation keeps even."""

    ignored_resources: frozenset[str] = frozenset()
    """Extended resources that NodeResourcesFit does not check."""

    ignored_resource_groups: frozenset[str] = frozenset()
    """Domains of extended resources (before the slash) that NodeResourcesFit does not check."""

    added_affinity: core.NodeAffinity | None = None
    """Affinity that every pod has in addition to its own."""

    hard_pod_affinity_weight: int = 1
    """What an existing pod's required affinity for the incoming pod adds to a node's score, 0..100."""

    ignore_preferred_terms_of_existing_pods: bool = False
    """InterPodAffinity does not score a pod that prefers no pods itself."""

    default_spread: tuple[core.TopologySpreadConstraint, ...] | None = None
    """Spread constraints of pods that have none; None are the system's, which only score."""


@dataclasses.dataclass(frozen=True)
class PluginSet:
    """What is said of one point: the enabled plugins with their weights, as given, and the names of the disabled."""

    enabled: tuple[tuple[str, int], ...] = ()
    disabled: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True)
class Expanded:
    """What a profile's ``plugins`` come to.

    Attributes:
        points: The plugins at each extension point, in order.
        weights: Those of the plugins that score.
        sorting: What is said of the queue's order, which is to be the same in all profiles.
        running: Plugins that are enabled anywhere.
    """

    points: Mapping[str, tuple[str, ...]]
    weights: Mapping[str, int]
    running: frozenset[str]
    sorting: PluginSet

    def settings(self) -> Plugins:
        """All that is said of which plugins there are, in what order."""
        return Plugins(
            filters=self.points["filter"],
            prefilters=self.points["preFilter"],
            prescores=self.points["preScore"],
            score_weights={name: self.weights.get(name, 0) for name in SCORE_WEIGHTS},
            preempts="DefaultPreemption" in self.points["postFilter"],
        )


def read(section: sections.Section, profile: str, ignored: dict[str, str]) -> Expanded:
    """Read a profile's ``plugins``; problems go to the section's list.

    Args:
        profile: The name of its scheduler.
        ignored: Gets what has no effect, and why.
    """
    multi = _read_set(section, "multiPoint", KNOWN, ignored)
    multi = PluginSet(_merge(multi), multi.disabled)
    sets = {point: _read_set(section, point, names, ignored) for point, names in POINTS.items()}
    section.finish()
    points = {point: _expand(section, point, given, multi) for point, given in sets.items()}
    weights: dict[str, int] = {}
    for name, weight in (*sets["score"].enabled, *multi.enabled):
        weights.setdefault(name, weight or 1)
    running = {name for given in (multi, *sets.values()) for name, _ in given.enabled}
    _check(section, profile, points)
    elsewhere = {name for point, given in sets.items() if point != _OF_GROUPS for name, _ in given.enabled}
    for name in sorted(running.difference(elsewhere, (name for name, _ in multi.enabled))):
        section.report(_OF_GROUPS, f"{name} at {_OF_GROUPS} alone is not supported; enable it in multiPoint")
    return Expanded(
        points, {name: weights[name] for name in points["score"]}, frozenset(running), sorting=sets["queueSort"]
    )


def check_known(entry: sections.Section, name: str) -> None:
    """Report a plugin that there is not."""
    if name not in KNOWN:
        near = "" if name in _OTHER_PLUGINS else sections.nearest(name, sorted(KNOWN))
        entry.report("name", f"this plugin is not supported; {f'did you mean {near}?' if near else 'remove it'}")


def _read_set(section: sections.Section, point: str, there: Collection[str], ignored: dict[str, str]) -> PluginSet:
    """What is said of one point."""
    inner = section.section(point)
    enabled: list[tuple[str, int]] = []
    for entry in inner.sections("enabled"):
        name = entry.text("name", "")
        weight = entry.integer("weight", 0, -(2**31), _INT32_MAX)
        if not entry.has("name"):
            entry.report("name", "missing; write the plugin's name")
        elif name in KNOWN and name not in there:
            entry.report("name", f"this plugin does not extend {point}; remove it here")
        elif name:
            check_known(entry, name)
        if weight < 0:
            entry.report("weight", "weights below 0 are not supported; write 1 or more, or disable the plugin")
        if name in there:
            enabled.append((name, weight))
        entry.finish()
    disabled = set()
    for entry in inner.sections("disabled"):
        name = entry.text_or_empty("name")
        entry.integer("weight", 0, -(2**31), _INT32_MAX)
        disabled.add(name)
        if name not in {*there, "*"}:
            ignored[f"plugins.{point}.disabled {name}"] = "there is no such plugin at this point"
        entry.finish()
    inner.finish()
    return PluginSet(tuple(enabled), frozenset(disabled))


def _merge(given: PluginSet) -> tuple[tuple[str, int], ...]:
    """The defaults, less what is disabled, with what is enabled."""
    index_of = {name: index for index, (name, _) in enumerate(given.enabled)}
    kept = [] if "*" in given.disabled else [pair for pair in _DEFAULTS.items() if pair[0] not in given.disabled]
    replaced = {index_of[name] for name, _ in kept if name in index_of}
    merged = [given.enabled[index_of[name]] if name in index_of else (name, weight) for name, weight in kept]
    return (*merged, *(pair for index, pair in enumerate(given.enabled) if index not in replaced))


def _expand(section: sections.Section, point: str, given: PluginSet, multi: PluginSet) -> tuple[str, ...]:
    """The plugins at one point, in order."""
    own = [name for name, _ in given.enabled]
    from_multi = [name for name, _ in multi.enabled if name in POINTS[point] and name not in given.disabled]
    if "*" in given.disabled:
        from_multi = []
    overriding = [name for name in own if name in from_multi]
    rest = [name for name in from_multi if name not in own]
    twice = [*_twice(own), *_twice(rest)]
    if twice:
        section.report(point, f"{twice[0]} is enabled twice; keep one")
    return tuple(dict.fromkeys((*overriding, *rest, *own)))


def _twice(names: list[str]) -> list[str]:
    return [name for index, name in enumerate(names) if name in names[:index]]


# At which points a plugin cannot be off while it is on at another. What it reserves it has found by filtering.
_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "filter": ("preFilter", "reserve", "preBind", "preEnqueue", "postFilter"),
    "score": ("preScore",),
    "postFilter": ("preEnqueue",),
}
_NEEDS_OF_RESERVING: Final = ("preFilter", "score", "reserve", "preBind")


def _check(section: sections.Section, profile: str, points: Mapping[str, tuple[str, ...]]) -> None:
    """Report what upstream cannot run with, and what of it cannot be run here: of each plugin one thing."""
    if not points["queueSort"]:
        section.report("queueSort", f"only one queue sort plugin required for profile {profile}, but got 0")
    if not points["bind"]:
        section.report("bind", f"at least one bind plugin is needed for profile {profile}")
    if "SchedulingGates" not in points["preEnqueue"]:
        section.report("preEnqueue", "a profile without SchedulingGates is not supported; do not disable it")
    needs = [(name, point, other) for point, others in _NEEDS.items() for name in points[point] for other in others]
    needs += [
        (name, point, "filter") for point in _NEEDS_OF_RESERVING for name in points[point] if name in POINTS["reserve"]
    ]
    lacking = {
        name: (point, other)
        for name, point, other in reversed(needs)
        if name in POINTS[other] and name not in points[other]
    }
    for name, (point, other) in sorted(lacking.items()):
        remedy = f"{name} at {point} but not at {other} is not supported; disable it in multiPoint, or nowhere"
        section.report(other, remedy)
