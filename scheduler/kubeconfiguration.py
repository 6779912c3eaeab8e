"""kube-scheduler's own configuration file, KubeSchedulerConfiguration v1, and what it means here.

An operator carries such a file over unchanged: what it says of profiles, plugins, their weights and arguments,
back-off and leader election counts as it does for kube-scheduler 1.37, by the same rules and with the same refusals.
What can have no effect here is accepted and listed with the reason; what would change placements and is not supported
(extenders, plugins that are in alpha) is refused by name. Plugins of one's own are named beside those, as a profile's
``extensions``.

One thing is not as upstream has it: a file that names no scheduler is not that of ``default-scheduler`` but of ours,
for two schedulers of one name would both place its pods.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final

from scheduler import extensions, kubeplugins, pluginargs, sections
from scheduler.api import names

API_VERSION: Final = "kubescheduler.config.k8s.io/v1"
KIND: Final = "KubeSchedulerConfiguration"
ALL_NODES: Final = "every node is looked at, always"

_INT32_MAX: Final = 2**31 - 1
_INT64_MAX: Final = 2**63 - 1


@dataclasses.dataclass(frozen=True)
class Profile:
    """What holds for the pods that name one scheduler."""

    scheduler_name: str
    plugins: kubeplugins.Plugins


@dataclasses.dataclass(frozen=True)
class KubeConfiguration:
    """What a KubeSchedulerConfiguration says that has an effect here, but for leader election.

    Attributes:
        profiles: At least one.
        backoff_s: After the first failed attempt, and at most.
        ignored: What has no effect, and why.
    """

    profiles: tuple[Profile, ...]
    backoff_s: tuple[float, float]
    ignored: Mapping[str, str]


def read(top: sections.Section) -> KubeConfiguration:
    """Read all but leader election, which our own file has too; problems go to the section's list."""
    _check_type(top)
    ignored: dict[str, str] = {}
    _read_without_effect(top, ignored)
    if top.has("extenders") and top.raw("extenders") != []:
        top.report("extenders", "extenders are not supported; remove them")
    profiles = read_profiles(top, names.SCHEDULER_NAME, ignored)
    initial_s = top.integer("podInitialBackoffSeconds", 1, 1, _INT64_MAX)
    max_s = top.integer("podMaxBackoffSeconds", 10, -(2**63), _INT64_MAX)
    if max_s < initial_s:
        top.report("podMaxBackoffSeconds", f"write at least podInitialBackoffSeconds, which is {initial_s}")
    default = Profile(names.SCHEDULER_NAME, kubeplugins.Plugins())
    return KubeConfiguration(profiles or (default,), (float(initial_s), float(max_s)), ignored)


def read_profiles(top: sections.Section, single: str, ignored: dict[str, str]) -> tuple[Profile, ...]:
    """The profiles of either kind of file; of several, each has a name.

    Args:
        single: The name of a profile that is the only one and gives none.
        ignored: Gets what has no effect, and why.
    """
    found: dict[str, Profile] = {}
    given = top.sections("profiles")
    sorting: kubeplugins.PluginSet | None = None
    for index, profile in enumerate(given):
        name = profile.text("schedulerName", single if len(given) == 1 else "")
        if not name and not profile.has("schedulerName"):
            profile.report("schedulerName", "missing; of several profiles each needs its name")
        if name in found:
            profile.report("schedulerName", "the name of another profile; keep one of the two")
        told: dict[str, str] = {}
        profile.integer("percentageOfNodesToScore", 0, 0, 100)
        if profile.has("percentageOfNodesToScore"):
            told["percentageOfNodesToScore"] = ALL_NODES
        expanded = kubeplugins.read(profile.section("plugins"), name, told)
        sorting = sorting or expanded.sorting
        if expanded.sorting != sorting:
            profile.report("plugins", "what it says of queueSort must be the same for all profiles")
        plugins = pluginargs.read(expanded.settings(), profile, expanded.running, told)
        plugins = _with_extensions(plugins, profile)
        profile.finish()
        ignored |= {f"profiles[{index}].{key}": why for key, why in told.items()}
        found[name] = Profile(name, plugins)
    return tuple(found.values())


def _with_extensions(plugins: kubeplugins.Plugins, profile: sections.Section) -> kubeplugins.Plugins:
    """Read the plugins from outside that a profile has beside kube-scheduler's, in order."""
    weights: dict[str, int] = {}
    for entry in profile.sections("extensions"):
        name = entry.text("name", "")
        weight = entry.integer("weight", 1, 0, _INT32_MAX)
        there = sorted(extensions.installed())
        if not name:
            entry.report("name", "missing; write the plugin's name")
        elif name in kubeplugins.KNOWN:
            entry.report("name", "this is one of kube-scheduler's; set it in plugins")
        elif name not in there:
            entry.report("name", f"no installed package brings it; {f'there are {there}' if there else 'install it'}")
        elif name in weights:
            entry.report("name", "named twice; keep one")
        entry.finish()
        weights[name] = weight
    return dataclasses.replace(plugins, extensions=tuple(weights), score_weights={**plugins.score_weights, **weights})


def _check_type(top: sections.Section) -> None:
    """Report another kind or version, or none."""
    for key, wanted in (("kind", KIND), ("apiVersion", API_VERSION)):
        if not top.has(key):
            top.report(key, f"missing; write {wanted}")
    top.choice("kind", KIND, (KIND,))
    version = top.raw("apiVersion")
    if isinstance(version, str) and version.startswith("kubescheduler.config.k8s.io/v1") and version != API_VERSION:
        top.report("apiVersion", f"only v1 is supported, as in kube-scheduler since 1.29; write {API_VERSION}")
        return
    top.choice("apiVersion", API_VERSION, (API_VERSION,))


def _read_without_effect(top: sections.Section, ignored: dict[str, str]) -> None:
    """What is to be right, as upstream would refuse it, and makes no difference here."""
    top.integer("parallelism", 1, 1, _INT32_MAX)
    top.integer("percentageOfNodesToScore", 0, 0, 100)
    for key in ("enableProfiling", "enableContentionProfiling", "delayCacheUntilActive"):
        top.boolean(key)
    connection = top.section("clientConnection")
    for key in ("kubeconfig", "acceptContentTypes", "contentType"):
        connection.text_or_empty(key)
    connection.number("qps", 0.0, -3.4e38, 3.4e38)
    connection.integer("burst", 0, 0, _INT32_MAX)
    connection.finish()
    reasons = {
        "parallelism": "a decision works on all nodes at once",
        "percentageOfNodesToScore": ALL_NODES,
        "clientConnection": "write --kubeconfig; requests are paced by what waits for them",
        "enableProfiling": "there is no profiling port",
        "enableContentionProfiling": "there is no profiling port",
        "delayCacheUntilActive": "whoever follows is always ready to lead",
    }
    ignored |= {key: why for key, why in reasons.items() if top.has(key)}
