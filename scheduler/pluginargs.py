"""The arguments of kube-scheduler's plugins: a profile's ``pluginConfig``, with upstream's defaults and validation.

Source: pkg/scheduler/apis/config/validation/validation_pluginargs.go and apis/config/v1/defaults.go. What upstream lets
through and then reads in a way that nobody can have meant is refused here, in words that say so.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

import msgspec

from scheduler import errors, kubeplugins, sections
from scheduler.api import core, requirements

_VERSION: Final = "kubescheduler.config.k8s.io/v1"
_INT32_MAX: Final = 2**31 - 1
_INT64_MAX: Final = 2**63 - 1

Plugins = kubeplugins.Plugins


def read(plugins: Plugins, profile: sections.Section, running: frozenset[str], ignored: dict[str, str]) -> Plugins:
    """``plugins`` with what a profile's ``pluginConfig`` says.

    Args:
        running: The plugins that are enabled anywhere.
        ignored: Gets what has no effect, and why.
    """
    seen = set()
    for entry in profile.sections("pluginConfig"):
        name = entry.text_or_empty("name")
        kubeplugins.check_known(entry, name)
        if name in seen:
            entry.report("name", "its arguments are given twice; keep one")
        seen.add(name)
        if name in _READERS:
            before = len(entry.problems)
            plugins = read_args(plugins, entry, name, ignored)
            if name not in running and len(entry.problems) > before:
                entry.report("args", "wrong arguments are not supported even of a plugin that is off; remove them")
        elif entry.raw("args") is not None:
            ignored[f"pluginConfig {name}"] = "this plugin takes no arguments"
        if name in kubeplugins.KNOWN - running:
            ignored[f"pluginConfig {name}"] = "this plugin is off"
        entry.finish()
    return plugins


def read_args(plugins: Plugins, entry: sections.Section, name: str, ignored: dict[str, str]) -> Plugins:
    """``plugins`` with the arguments of one of those that take some (``TAKING``); the rest as in ``read``."""
    args = entry.section("args")
    for key, wanted in (("apiVersion", _VERSION), ("kind", f"{name}Args")):
        if args.raw(key) != "":
            args.choice(key, wanted, (wanted,))
    plugins = dataclasses.replace(plugins, **_READERS[name](args))
    args.finish()
    ignored |= {f"pluginConfig {name}.{key}": why for key, why in _WITHOUT_EFFECT.items() if key in args}
    return plugins


def _read_preemption(args: sections.Section) -> Mapping[str, Any]:
    percentage = args.integer("minCandidateNodesPercentage", 10, 0, 100)
    if not args.integer("minCandidateNodesAbsolute", 100, 0, _INT32_MAX) and not percentage:
        args.report("minCandidateNodesPercentage", "cannot be zero at the same time as minCandidateNodesAbsolute")
    return {}


def _read_pod_affinity(args: sections.Section) -> Mapping[str, Any]:
    return {
        "hard_pod_affinity_weight": args.integer("hardPodAffinityWeight", Plugins.hard_pod_affinity_weight, 0, 100),
        "ignore_preferred_terms_of_existing_pods": args.boolean("ignorePreferredTermsOfExistingPods"),
    }


def _read_volumes(args: sections.Section) -> Mapping[str, Any]:
    return {
        "volume_shape": _read_shape(args) or Plugins.volume_shape,
        "volume_bind_timeout_s": args.integer("bindTimeoutSeconds", Plugins.volume_bind_timeout_s, 0, _INT64_MAX),
    }


def _read_claims(args: sections.Section) -> Mapping[str, Any]:
    args.go_duration_s("filterTimeout", 0.0, 0.0)
    return {"device_bind_timeout_s": args.go_duration_s("bindingTimeout", Plugins.device_bind_timeout_s, 1.0)}


def _read_balance(args: sections.Section) -> Mapping[str, Any]:
    resources = _read_resources(args, 1)
    names = [name for name, _ in resources]
    if len(set(names)) < len(names):
        args.report("resources", "write each resource's name, once")
    return {"balanced_resources": tuple(names) or Plugins.balanced_resources}


def _read_fit(args: sections.Section) -> Mapping[str, Any]:
    strategy = args.section("scoringStrategy")
    kinds = ("LeastAllocated", "MostAllocated", "RequestedToCapacityRatio")
    kind = strategy.choice("type", Plugins.fit_strategy, kinds)
    if args.has("scoringStrategy") and not strategy.has("type"):
        strategy.report("type", f"missing; write {' or '.join(kinds)}")
    resources = _read_resources(strategy, 100)
    ratio = strategy.section("requestedToCapacityRatio")
    points = _read_shape(ratio)
    ratio.finish()
    if kind == "RequestedToCapacityRatio" and not points:
        strategy.report("requestedToCapacityRatio", "RequestedToCapacityRatio needs a shape with at least one point")
    if kind != "RequestedToCapacityRatio" and strategy.has("requestedToCapacityRatio"):
        strategy.report("requestedToCapacityRatio", "must be absent when type is not RequestedToCapacityRatio")
    strategy.finish()
    return {
        "fit_strategy": cast(kubeplugins.FitStrategy, kind),
        "fit_resources": resources or Plugins.fit_resources,
        "fit_shape": points if kind == "RequestedToCapacityRatio" else (),
        "ignored_resources": _read_names(args, "ignoredResources"),
        "ignored_resource_groups": _read_names(args, "ignoredResourceGroups"),
    }


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


def _read_resources(section: sections.Section, highest: int) -> tuple[tuple[str, int], ...]:
    found = []
    for entry in section.sections("resources"):
        name = entry.text_or_empty("name")
        # 0 and absent are upstream's way to say 1.
        found.append((name, entry.integer("weight", 0, 0, highest) or 1))
        entry.finish()
    return tuple(found)


def _read_spread(args: sections.Section) -> Mapping[str, Any]:
    """The constraints of pods that have none; None for the system's. Source: ValidatePodTopologySpreadArgs."""
    kind = args.choice("defaultingType", "System", ("System", "List")) if args.raw("defaultingType") != "" else "System"
    constraints = args.sections("defaultConstraints")
    if kind == "System" and constraints:
        args.report("defaultingType", "write List where defaultConstraints are given")
    seen = set()
    found = []
    for constraint in constraints:
        read = _read_constraint(constraint)
        if (read.topology_key, read.when_unsatisfiable) in seen:
            constraint.report("topologyKey", f"named twice with {read.when_unsatisfiable}; keep one")
        seen.add((read.topology_key, read.when_unsatisfiable))
        found.append(read)
        constraint.finish()
    return {"default_spread": None if kind == "System" else tuple(found)}


def _read_constraint(constraint: sections.Section) -> core.TopologySpreadConstraint:
    max_skew = constraint.integer("maxSkew", 0, 1, _INT32_MAX)
    if not max_skew and not constraint.has("maxSkew"):
        constraint.report("maxSkew", "missing; write a whole number of at least 1")
    min_domains = constraint.integer("minDomains", 1, -(2**31), _INT32_MAX)
    if min_domains < 1:
        constraint.report("minDomains", "less than 1 is not supported; write 1 or more")
    key = constraint.text("topologyKey", "")
    if problem := requirements.label_key_problem(key):
        constraint.report("topologyKey", f"no label key: {problem}")
    action = constraint.choice("whenUnsatisfiable", "", ("DoNotSchedule", "ScheduleAnyway"))
    if not action:
        constraint.report("whenUnsatisfiable", "write DoNotSchedule or ScheduleAnyway")
    if constraint.has("labelSelector"):
        constraint.report("labelSelector", "remove it; the selector is that of the pod's Services and controller")
    constraint.texts("matchLabelKeys")  # has no effect upstream either, where the selector is not the pod's own
    return core.TopologySpreadConstraint(
        max_skew=max_skew,
        topology_key=key,
        when_unsatisfiable=action,
        min_domains=min_domains,
        node_affinity_policy=_read_policy(constraint, "nodeAffinityPolicy", "Honor"),
        node_taints_policy=_read_policy(constraint, "nodeTaintsPolicy", "Ignore"),
    )


def _read_policy(constraint: sections.Section, key: str, default: str) -> str:
    policy = constraint.text(key, default) if constraint.raw(key) != "" else ""
    if policy not in {"Honor", "Ignore"}:
        constraint.report(key, "any other than Honor and Ignore is not supported; write one of the two")
    return policy


def _read_affinity(args: sections.Section) -> Mapping[str, Any]:
    """The added affinity, whose selectors can all be read. Source: ValidateNodeAffinityArgs."""
    key = "addedAffinity"
    if not args.has(key):
        return {}
    try:
        added = core.convert(args.raw(key), core.NodeAffinity, "")
    except errors.InputError as error:
        args.report(key, f"{error.where}: {error.remedy}".removeprefix(": "))
        return {}
    if stray := _stray(args.raw(key), core.NodeAffinity):
        args.report(key, stray)
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
    return {"added_affinity": added}


def _stray(data: object, kind: object) -> str:
    """What is in data that was read as a struct and did not get into it, and where; "" for nothing."""
    if isinstance(data, list):
        if None in data:
            return "null in a list is not supported; remove it"
        (inner, *_) = kind.__args__ if hasattr(kind, "__args__") else (kind,)
        return next((found for item in data if (found := _stray(item, inner))), "")
    if not isinstance(data, Mapping):
        return ""
    if hasattr(kind, "__args__"):  # it, or None
        kind = kind.__args__[0]
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(cast(type[msgspec.Struct], kind))}
    for key, value in data.items():
        if key not in fields:
            return f"{errors.shorten(str(key))}: unknown key; remove it"
        if found := _stray(value, fields[key]):
            return f"{key}.{found}"
    return ""


_ALL_CANDIDATES: Final = "every node is looked at that preemption may help"
_WITHOUT_EFFECT: Final = {
    "minCandidateNodesPercentage": _ALL_CANDIDATES,
    "minCandidateNodesAbsolute": _ALL_CANDIDATES,
    "filterTimeout": "a look at one node has bounds of its own",
}
_READERS: Final[Mapping[str, Callable[[sections.Section], Mapping[str, Any]]]] = {
    "DefaultPreemption": _read_preemption,
    "DynamicResources": _read_claims,
    "InterPodAffinity": _read_pod_affinity,
    "NodeAffinity": _read_affinity,
    "NodeResourcesBalancedAllocation": _read_balance,
    "NodeResourcesFit": _read_fit,
    "PodTopologySpread": _read_spread,
    "VolumeBinding": _read_volumes,
}
TAKING: Final = tuple(_READERS)
