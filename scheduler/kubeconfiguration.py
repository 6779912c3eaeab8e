"""What is taken from kube-scheduler's own configuration file, KubeSchedulerConfiguration v1, and what it means here.

Of its first profile the name, the filters and scores with their weights, and the arguments of those plugins that this
scheduler computes itself. ``plugins`` merges as upstream does: the defaults come as multiPoint plugins, ``disabled``
("*" is all) takes from them, ``enabled`` puts back or replaces, and a single extension point overrules multiPoint. A
plugin that is enabled without a weight has weight 1, even if its default is more.

What has no effect here (client settings, other extension points) is accepted and listed; what would
change placements and is not supported (extenders, foreign plugins) is refused.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Final, Literal, cast

from scheduler import errors, sections
from scheduler.api import core, names, requirements

API_VERSION: Final = "kubescheduler.config.k8s.io/v1"
KIND: Final = "KubeSchedulerConfiguration"

FitStrategy = Literal["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"]

# The default plugins of kube-scheduler 1.37 that filter.
FILTERS: Final = frozenset(
    {
        "NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit",
        "VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone", "PodTopologySpread",
        "InterPodAffinity", "DynamicResources", "NodeDeclaredFeatures",
    }
)  # fmt: skip
# Those that score by default, with their weights (pkg/scheduler/apis/config/v1/default_plugins.go).
SCORE_WEIGHTS: Final[Mapping[str, int]] = {
    "NodeResourcesFit": 1,
    "VolumeBinding": 1,
    "NodeResourcesBalancedAllocation": 1,
    "ImageLocality": 1,
    "TaintToleration": 3,
    "NodeAffinity": 2,
    "PodTopologySpread": 2,
    "InterPodAffinity": 2,
}
_OTHERS: Final = frozenset({"PrioritySort", "SchedulingGates", "DefaultPreemption", "DefaultBinder"})
_KNOWN: Final = FILTERS | frozenset(SCORE_WEIGHTS) | _OTHERS

_POINTS_WITHOUT_EFFECT: Final = (
    "preEnqueue", "queueSort", "postFilter", "reserve", "permit", "preBind", "bind",
    "postBind",
)  # fmt: skip
_KEYS_WITHOUT_EFFECT: Final = (
    "parallelism", "percentageOfNodesToScore", "clientConnection", "enableProfiling", "enableContentionProfiling",
    "healthzBindAddress", "metricsBindAddress", "delayCacheUntilActive",
)  # fmt: skip
_ARGS_WITHOUT_EFFECT: Final = ("DefaultPreemption", "DynamicResources")


@dataclasses.dataclass(frozen=True)
class Plugins:
    """How kube-scheduler's plugins are set; the defaults are upstream's."""

    disabled_filters: frozenset[str] = frozenset()
    """Filters that are not asked, by upstream's names."""

    first_filters: tuple[str, ...] = ()
    """Filters that are asked before all others, in this order."""

    last_filters: tuple[str, ...] = ()
    """Filters that are asked after all others of upstream, in this order."""

    prepared_filters: frozenset[str] = frozenset()
    """Filters that are off, but prepared for all the same: their PreFilter may refuse the pod or narrow it to nodes."""

    prepared_scores: frozenset[str] = frozenset()
    """Scores that are off, but prepared for all the same: what their PreScore cannot read fails the cycle."""

    score_weights: Mapping[str, int] = dataclasses.field(default_factory=lambda: dict(SCORE_WEIGHTS))
    """Weight of each score plugin that is computed here; 0 is disabled."""

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
class Profile:
    """What holds for the pods that name one scheduler."""

    scheduler_name: str
    plugins: Plugins


@dataclasses.dataclass(frozen=True)
class KubeConfiguration:
    """What a KubeSchedulerConfiguration says that has an effect here."""

    scheduler_name: str
    plugins: Plugins
    ignored: tuple[str, ...]


def read(top: sections.Section) -> KubeConfiguration:
    """Read all but back-off and leader election, which our own file has too; problems go to the section's list."""
    top.choice("kind", KIND, (KIND,))
    top.choice("apiVersion", API_VERSION, (API_VERSION,))
    ignored = [key for key in _KEYS_WITHOUT_EFFECT if top.has(key)]
    if top.has("extenders") and top.raw("extenders") != []:
        top.report("extenders", "extenders are not supported; remove them")
    profiles = top.sections("profiles")
    ignored += [f"profiles[{index}]" for index in range(1, len(profiles))]
    if not profiles:
        return KubeConfiguration(names.SCHEDULER_NAME, Plugins(), tuple(ignored))
    profile = profiles[0]
    name = profile.text("schedulerName", names.SCHEDULER_NAME)
    if profile.has("percentageOfNodesToScore"):
        ignored.append("profiles[0].percentageOfNodesToScore")
    plugins = _read_plugins(profile.section("plugins"), ignored)
    for entry in profile.sections("pluginConfig"):
        plugins = _read_args(plugins, entry, ignored)
    profile.finish()
    return KubeConfiguration(name, plugins, tuple(ignored))


def _read_plugins(section: sections.Section, ignored: list[str]) -> Plugins:
    weights = dict.fromkeys(_KNOWN, 1) | dict(SCORE_WEIGHTS)
    weights = _merge(section.section("multiPoint"), weights)
    filters = _merge(section.section("filter"), weights)
    first, last = _moved(section.section("filter"), weights)
    scores = _merge(section.section("score"), weights)
    prefiltered = _merge(section.section("preFilter"), weights)
    prescored = _merge(section.section("preScore"), weights)
    ignored += [f"profiles[0].plugins.{point}" for point in _POINTS_WITHOUT_EFFECT if section.has(point)]
    section.finish()
    return Plugins(
        disabled_filters=FILTERS.difference(filters),
        first_filters=first,
        last_filters=last,
        prepared_filters=FILTERS & (prefiltered.keys() - filters.keys()),
        prepared_scores=frozenset(SCORE_WEIGHTS) & (prescored.keys() - scores.keys()),
        score_weights={name: scores.get(name, 0) for name in SCORE_WEIGHTS},
    )


def _merge(point: sections.Section, before: Mapping[str, int]) -> dict[str, int]:
    """The plugins of one extension point, name to weight, after its ``disabled`` and ``enabled``."""
    disabled, enabled = set(), {}
    for entry in point.sections("disabled"):
        disabled.add(_plugin_name(entry, {*_KNOWN, "*"}))
        entry.integer("weight", 0, 0, 2**31 - 1)
        entry.finish()
    for entry in point.sections("enabled"):
        weight = entry.integer("weight", 0, 0, 2**31 - 1)
        enabled[_plugin_name(entry, _KNOWN)] = weight or 1
        entry.finish()
    point.finish()
    kept = {} if "*" in disabled else {name: weight for name, weight in before.items() if name not in disabled}
    return kept | enabled


def _moved(point: sections.Section, before: Mapping[str, int]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which plugins of a point leave upstream's order for its start and its end, as it names them itself.

    One that is disabled and enabled again comes last. Source: expandMultiPointPlugins.
    """
    disabled, enabled = ([entry.text("name", "") for entry in point.sections(key)] for key in ("disabled", "enabled"))
    first = [name for name in enabled if name in before and not {name, "*"} & {*disabled}]
    return tuple(first), tuple(name for name in enabled if name not in first)


def _plugin_name(entry: sections.Section, known: set[str] | frozenset[str]) -> str:
    name = entry.choice("name", "", sorted(known))
    if not entry.has("name"):
        entry.report("name", "missing; write the plugin's name")
    return name


def _read_args(plugins: Plugins, entry: sections.Section, ignored: list[str]) -> Plugins:
    """``plugins`` with the arguments of one plugin."""
    name = _plugin_name(entry, _KNOWN)
    args = entry.section("args")
    entry.finish()
    if name in _ARGS_WITHOUT_EFFECT:
        ignored.append(f"pluginConfig {name}")
        return plugins
    args.text("apiVersion", "")
    args.text("kind", "")
    match name:
        case "PodTopologySpread":
            plugins = dataclasses.replace(plugins, default_spread=_read_spread(args))
        case "NodeResourcesFit":
            plugins = _read_fit(plugins, args)
        case "VolumeBinding":
            plugins = dataclasses.replace(
                plugins,
                volume_shape=_read_shape(args) or plugins.volume_shape,
                volume_bind_timeout_s=args.integer("bindTimeoutSeconds", plugins.volume_bind_timeout_s, 0, 2**31 - 1),
            )
        case "NodeResourcesBalancedAllocation" if args.has("resources"):
            default = tuple((resource, 1) for resource in plugins.balanced_resources)
            resources = tuple(resource for resource, _ in _read_resources(args, default, 1))
            plugins = dataclasses.replace(plugins, balanced_resources=resources)
        case "NodeAffinity" if args.has("addedAffinity"):
            plugins = dataclasses.replace(plugins, added_affinity=_read_affinity(args))
        case "InterPodAffinity":
            plugins = dataclasses.replace(
                plugins,
                hard_pod_affinity_weight=args.integer("hardPodAffinityWeight", 1, 0, 100),
                ignore_preferred_terms_of_existing_pods=args.boolean("ignorePreferredTermsOfExistingPods"),
            )
    args.finish()
    return plugins


def _read_fit(plugins: Plugins, args: sections.Section) -> Plugins:
    strategy = args.section("scoringStrategy")
    kind = strategy.choice(
        "type", plugins.fit_strategy, ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")
    )
    resources = _read_resources(strategy, plugins.fit_resources, 100)
    ratio = strategy.section("requestedToCapacityRatio")
    points = _read_shape(ratio)
    ratio.finish()
    if kind == "RequestedToCapacityRatio" and not points:
        strategy.report("requestedToCapacityRatio", "RequestedToCapacityRatio needs a shape with at least one point")
    strategy.finish()
    return dataclasses.replace(
        plugins,
        fit_strategy=cast(FitStrategy, kind),
        fit_resources=resources,
        fit_shape=points,
        ignored_resources=_read_names(args, "ignoredResources"),
        ignored_resource_groups=_read_names(args, "ignoredResourceGroups"),
    )


def _read_shape(section: sections.Section) -> tuple[tuple[int, int], ...]:
    points = []
    for point in section.sections("shape"):
        points.append((point.integer("utilization", 0, 0, 100), point.integer("score", 0, 0, 10)))
        point.finish()
    if any(after[0] <= before[0] for before, after in itertools.pairwise(points)):
        section.report("shape", "utilization must rise from point to point; put them in order, each once")
    return tuple(points)


def _read_names(args: sections.Section, key: str) -> frozenset[str]:
    """Names of resources, or of what stands before their slash. Source: ValidateNodeResourcesFitArgs."""
    found = args.texts(key)
    for name in found:
        if requirements.label_key_problem(name) or (key == "ignoredResourceGroups" and "/" in name):
            args.report(
                key, f"{errors.shorten(name)} is none; of the resource example.com/gpu, example.com is the group"
            )
    return frozenset(found)


def _read_resources(
    section: sections.Section, default: tuple[tuple[str, int], ...], highest: int
) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = {}
    for entry in section.sections("resources"):
        name = entry.text("name", "")
        if not name or name in found:
            entry.report("name", "write each resource's name, once")
        # 0 and absent are upstream's way to say 1.
        found[name] = entry.integer("weight", 0, 0, highest) or 1
        entry.finish()
    return tuple(found.items()) or default


def _read_spread(args: sections.Section) -> tuple[core.TopologySpreadConstraint, ...] | None:
    """The constraints of pods that have none; None for the system's. Source: ValidatePodTopologySpreadArgs."""
    kind = args.choice("defaultingType", "System", ("System", "List"))
    constraints = args.sections("defaultConstraints")
    if kind == "System" and constraints:
        args.report("defaultingType", "write List where defaultConstraints are given")
    seen = set()
    found = []
    for constraint in constraints:
        max_skew = constraint.integer("maxSkew", 0, 1, 2**31 - 1)
        if not max_skew and not constraint.has("maxSkew"):
            constraint.report("maxSkew", "missing; write a whole number of at least 1")
        min_domains = constraint.integer("minDomains", 1, 1, 2**31 - 1)
        key = constraint.text("topologyKey", "")
        if problem := requirements.label_key_problem(key):
            constraint.report("topologyKey", f"no label key: {problem}")
        action = constraint.choice("whenUnsatisfiable", "", ("DoNotSchedule", "ScheduleAnyway"))
        if not action:
            constraint.report("whenUnsatisfiable", "write DoNotSchedule or ScheduleAnyway")
        if constraint.has("labelSelector"):
            constraint.report("labelSelector", "remove it; the selector is that of the pod's Services and controller")
        if (key, action) in seen:
            constraint.report("topologyKey", f"named twice with {action}; keep one")
        seen.add((key, action))
        constraint.texts("matchLabelKeys")  # has no effect upstream either, where the selector is not the pod's own
        policies = ("Honor", "Ignore")
        found.append(
            core.TopologySpreadConstraint(
                max_skew=max_skew,
                topology_key=key,
                when_unsatisfiable=action,
                min_domains=min_domains,
                node_affinity_policy=constraint.choice("nodeAffinityPolicy", "Honor", policies),
                node_taints_policy=constraint.choice("nodeTaintsPolicy", "Ignore", policies),
            )
        )
        constraint.finish()
    return None if kind == "System" else tuple(found)


def _read_affinity(args: sections.Section) -> core.NodeAffinity | None:
    """The added affinity, whose selectors can all be read. Source: ValidateNodeAffinityArgs."""
    key = "addedAffinity"
    try:
        added = core.convert(args.raw(key), core.NodeAffinity, "")
    except errors.InputError as error:
        args.report(key, f"{error.where}: {error.remedy}".removeprefix(": "))
        return None
    required = added.required.node_selector_terms if added.required is not None else ()
    path = "requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    problems = [
        problem
        for number, term in enumerate(required)
        for problem in requirements.term_problems(term, f"{path}[{number}]")
    ]
    path = "preferredDuringSchedulingIgnoredDuringExecution"
    problems += requirements.preferred_problems(added.preferred, path)
    if problem := requirements.aggregate(problems):
        args.report(key, problem)
    return added
