"""The configuration file: what an operator may set, with units and the reasons of the defaults.

Three kinds of file are read, all as YAML or JSON:

- our own keys, flat, which include those of the earlier implementation (``resourceWeight``, ``localLatency``);
- its nested form of the weights (``scheduler: weights: default: resource: 0.2``), which may stand beside flat keys;
- kube-scheduler's KubeSchedulerConfiguration (see scheduler.kubeconfiguration).

A file is accepted as a whole or refused as a whole, with all its problems in one message, each with its key, its value
and what to write; a key that nobody knows is a problem, as a setting that silently does nothing is worse than none.
Keys of the earlier implementation that cannot have an effect here are accepted and listed in ``Settings.ignored``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from scheduler import costs, errors, kubeconfiguration, kubeplugins, leaderelection, registries, sections
from scheduler.api import names

# Settings are one thing to their users, wherever a part of them is read.
Plugins = kubeplugins.Plugins
LeaderElection = leaderelection.LeaderElection
Weights = costs.Weights
Profiles = costs.Profiles
Link = costs.Link
Network = costs.Network


@dataclasses.dataclass(frozen=True)
class Settings:
    """Everything that can be set; an empty file gives the defaults."""

    scheduler_name: str = names.SCHEDULER_NAME
    """``schedulerName``: the pods with this name in their spec are ours."""

    further: tuple[kubeconfiguration.Profile, ...] = ()
    """``profiles``: further names whose pods are ours, each with its own plugins and all else alike."""

    health_port: int = 8080
    """``healthServerPort``: where health, metrics and explanations are served."""

    refresh_interval_s: float = 300.0
    """``refreshInterval``, "5m": how often everything is listed anew, in case an event was lost; at this rate the lists
    cost the API server next to nothing."""

    weights: Profiles = dataclasses.field(default_factory=Profiles)
    """``resourceWeight`` and so on, or ``scheduler.weights``: see Profiles."""

    network: Network = dataclasses.field(default_factory=Network)
    """``localBandwidth`` (bytes per second), ``localLatency`` (milliseconds) and so on: see Network."""

    tau_s: float = 5.0
    """``tau``: the transfer time that costs as much as the whole weight of data. It is the time constant of the
    earlier implementation's score, whose order it keeps for transfers of some seconds."""

    data_ratio: float = 2.0
    """``dataIntensiveRatio``: a pod that does not say what it is counts as data-intensive if moving its data takes more
    than this many times as long as its declared processing."""

    compute_ratio: float = 0.2
    """``computeIntensiveRatio``: such a pod counts as compute-intensive if moving its data takes less than this many
    times as long as its declared processing."""

    plugins: Plugins = dataclasses.field(default_factory=Plugins)
    """How kube-scheduler's own plugins are set, by a KubeSchedulerConfiguration or by ``profiles``."""

    backoff_initial_s: float = 1.0
    """``podInitialBackoffSeconds``: the wait after a pod's first failed attempt; doubles with each. Upstream's."""

    backoff_max_s: float = 10.0
    """``podMaxBackoffSeconds``: the longest wait. Upstream's."""

    binds_in_flight: int = 64
    """``bindsInFlight``: how many Bindings may be under way at once. More wait in line without holding up decisions;
    an API server takes some hundreds of writes a second, so more would only fill its queue."""

    batch_window_s: float = 0.05
    """``batchWindowMilliseconds``: for how long a pod with data waits at most for others that are ready at about the
    same time, to be placed together with them; 0 to place each by itself. Nobody notices so little, and an API server
    tells of some ten to thirty new pods meanwhile."""

    seed: int | None = None
    """``seed``: of the draw among nodes that tie, for a repeatable run; without it, each run draws differently."""

    data_wait_s: float = 0.5
    """``dataWait``, "500ms": how long a pod may wait, from when it is first seen, until its keys have been looked up;
    0 for not at all. A daemon needs some ten milliseconds for a look."""

    data_retention_s: float = 600.0
    """``dataRetention``: how long a DataObject that was made on demand outlives the last pod that names its key."""

    expected_confidence: float = 0.8
    """``expectedConfidence``: how sure it is that an output that does not exist yet will lie in the store nearest to
    its producer. Not 1, as nothing forces a pod to write there or to succeed; far from 0.5, as most do."""

    open_storage_info: bool = False
    """``openStorageInfo``: whether everybody who reaches the port may read /storage-info, as in the earlier
    implementation. It names all tenants' buckets, so otherwise it takes a token with the right to get that URL."""

    witness_max_age_s: float = 900.0
    """``maxWitnessAgeMinutes``: for how long a copy of data, or a store, counts after its node's daemon last saw it.
    Daemons write when they asked a store every 5 minutes, so that 15 are three that were missed: one silence more than
    a restart explains, and room for clocks that differ by minutes."""

    assumed_read_bytes: int = 250_000_000
    """``assumedReadBytes``: how much is read of a bucket or prefix of which the pod does not say how much, at most. It
    is what a link between regions moves within ``tau``: enough to tell near from far, and too little to drown what is
    declared."""

    counts_bytes: bool = False
    """``dataGoal: bytes``: whether each byte over the network counts alike, at ``crossRegionBandwidth`` and without
    latency, whatever link it takes: for networks that are paid by the byte. Else (``seconds``) it counts what it takes.
    """

    contention: bool = True
    """``contention``: whether what placed pods are expected to have under way counts for those that would share links,
    ways of nodes or stores with it. Where bytes count rather than seconds it has no effect."""

    nodes_keep_inputs: bool = False
    """``nodesKeepInputs``: whether every node keeps what pods have fetched to it, so that the next pod there need not
    fetch it again; else those nodes do that are labelled ``node-capability/keeps-inputs``. Needs ``contention``."""

    image_pull_as_data: bool = False
    """``imagePullAsData``: whether the images that a node has not got count with the data of a pod that has some, in
    seconds and however big they are, instead of by kube-scheduler's ImageLocality."""

    registries: tuple[registries.Registry, ...] = ()
    """``registries``: where images come from, a list; one that is not named is as far as another region."""

    learning: bool = True
    """``learning``: whether it is learned from pods that were seen how long their kind works, and who reads what they
    write."""

    lookahead: float = 1.0
    """``lookahead``, 0 to 1: what a second counts that a pod's place costs those who will read what it writes, against
    one of its own; 0 for not at all. On simulated workflows a whole one moves less, and is done sooner, than half."""

    max_delay_s: float | None = None
    """``maxDelaySeconds``: for how long a pod may wait for room where its data is, if that is expected to pay; 0 for
    never. Without it: 15 s, or half of the seconds of transfers that it saves if that is more, up to 10 minutes."""

    leader_election: LeaderElection = dataclasses.field(default_factory=LeaderElection)
    """``leaderElection``, a section: how several replicas agree which one places pods."""

    ignored: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Keys of the file that are known and have no effect here, each with the reason, to be logged once."""

    @property
    def scheduler_names(self) -> tuple[str, ...]:
        """Whose pods are ours; the first is our own."""
        return self.scheduler_name, *(profile.scheduler_name for profile in self.further)

    def of(self, scheduler_name: str) -> Settings:
        """What holds for the pods of one profile; for those of a name that is not ours, what holds for our own."""
        for profile in self.further:
            if profile.scheduler_name == scheduler_name:
                return dataclasses.replace(self, scheduler_name=scheduler_name, plugins=profile.plugins, further=())
        return dataclasses.replace(self, further=()) if self.further else self


# What a process begins with and keeps, by the keys under which it is known. The rest may change while it runs.
FIXED: Final[Mapping[str, str]] = {
    "scheduler_name": "schedulerName",
    "health_port": "healthServerPort",
    "seed": "seed",
    "leader_election": "leaderElection",
}
# Ours, as the earlier implementation names it in its flat and in its nested form.
CRITERIA: Final = {
    "resources": ("resourceWeight", "resource"),
    "affinity": ("nodeAffinityWeight", "affinity"),
    "node_type": ("nodeTypeWeight", "nodeType"),
    "capability": ("capabilitiesWeight", "capabilities"),
    "data": ("dataLocalityWeight", "dataLocality"),
}
PROFILES: Final = {"default": "", "data_intensive": "dataIntensive", "compute_intensive": "computeIntensive"}
LINKS: Final = {
    "local": "local",
    "same_zone": "sameZone",
    "same_region": "sameRegion",
    "cross_region": "crossRegion",
    "edge_cloud": "edgeCloud",
}
# Of the earlier implementation, each with the reason why it does nothing here.
_NO_CACHE: Final = "there is no cache that could go stale"
_NO_LIMIT: Final = "a pod is tried until it is placed, and none is turned away"
_AS_UPSTREAM: Final = "requests that are missing count as they do for kube-scheduler"
_WITHOUT_EFFECT: Final = {
    "podQueueSize": _NO_LIMIT,
    "maxFailedAttempts": _NO_LIMIT,
    "percentageOfNodesToScore": kubeconfiguration.ALL_NODES,
    "minFeasibleNodesToFind": kubeconfiguration.ALL_NODES,
    "resourceCacheEnabled": _NO_CACHE,
    "resourceCacheExpiration": _NO_CACHE,
    "resourceCacheSize": _NO_CACHE,
    "storageCacheExpiration": _NO_CACHE,
    "defaultCPURequest": _AS_UPSTREAM,
    "defaultMemoryRequest": _AS_UPSTREAM,
    "minResourceScore": "costs in seconds have no scale to be cut",
    "maxResourceScore": "costs in seconds have no scale to be cut",
    "defaultScore": "costs in seconds have no scale to be cut",
    "enablePreemption": "it is a profile's: disable DefaultPreemption there",
    "enableMockData": "there is none",
    "verboseLogging": "write --log-level debug",
    "detailedMetrics": "all metrics are always served",
}


def load(path: str | Path) -> Settings:
    """Read a configuration file.

    Raises:
        InputError: it cannot be read, is not YAML, or says something unusable; names every problem.
    """
    return parse(sections.load(path), str(path))


def parse(data: Mapping[str, object], where: str, base: Settings | None = None) -> Settings:
    """Settings from a configuration file's content; ``where`` names it in messages.

    Args:
        base: What holds where a file of our own keys says nothing; the defaults if None.

    Raises:
        InputError: it says something unusable; names every problem.
    """
    problems: list[errors.InputError] = []
    top = sections.Section(data, f"{where}: ", problems)
    try:
        is_kube = data.get("kind") == kubeconfiguration.KIND or "apiVersion" in data
        settings = read_kube(top) if is_kube else read_ours(top, base or Settings())
    except RecursionError as error:
        raise errors.InputError(where, "", "nested too deeply; a configuration has five levels at most") from error
    top.finish()
    sections.refuse(where, problems)
    return settings


def read_kube(top: sections.Section) -> Settings:
    """Settings from kube-scheduler's own kind of file; problems go to the section's list."""
    kube = kubeconfiguration.read(top)
    first, *further = kube.profiles
    return Settings(
        scheduler_name=first.scheduler_name,
        further=tuple(further),
        plugins=first.plugins,
        backoff_initial_s=kube.backoff_s[0],
        backoff_max_s=kube.backoff_s[1],
        leader_election=leaderelection.read(top, is_kube=True),
        ignored=kube.ignored,
    )


def read_ours(top: sections.Section, default: Settings) -> Settings:
    """Settings from a file of our own keys, likewise; ``default`` are those of whatever it does not say."""
    data_ratio = top.number("dataIntensiveRatio", default.data_ratio, 0)
    compute_ratio = top.number("computeIntensiveRatio", default.compute_ratio, 0)
    if compute_ratio > data_ratio:
        top.report("computeIntensiveRatio", f"write at most dataIntensiveRatio, which is {data_ratio:g}")
    top.integer("percentageOfNodesToScore", 0, 0, 100)
    initial_s, max_s = _read_backoff(top, default)
    name = top.text("schedulerName", default.scheduler_name)
    ignored = {key: why for key, why in _WITHOUT_EFFECT.items() if top.has(key)}
    profiles = {profile.scheduler_name: profile for profile in kubeconfiguration.read_profiles(top, name, ignored)}
    own = profiles.pop(name, None)
    return Settings(
        scheduler_name=name,
        further=tuple(profiles.values()) if top.has("profiles") else default.further,
        plugins=default.plugins if own is None else own.plugins,
        health_port=top.integer("healthServerPort", default.health_port, 0, 65535),
        refresh_interval_s=top.duration_s("refreshInterval", default.refresh_interval_s, 1),
        weights=_read_weights(top, default.weights),
        network=Network(**{name: _read_link(top, key, getattr(default.network, name)) for name, key in LINKS.items()}),
        tau_s=top.duration_s("tau", default.tau_s, 0.001),
        data_ratio=data_ratio,
        compute_ratio=compute_ratio,
        backoff_initial_s=initial_s,
        backoff_max_s=max_s,
        binds_in_flight=top.integer("bindsInFlight", default.binds_in_flight, 1, 10_000),
        batch_window_s=top.number("batchWindowMilliseconds", default.batch_window_s * 1000, 0, 1000) / 1000,
        data_wait_s=top.duration_s("dataWait", default.data_wait_s, 0),
        data_retention_s=top.duration_s("dataRetention", default.data_retention_s, 1),
        expected_confidence=top.number("expectedConfidence", default.expected_confidence, 0, 1),
        witness_max_age_s=top.number("maxWitnessAgeMinutes", default.witness_max_age_s / 60, 1, 525_600) * 60,
        assumed_read_bytes=top.integer("assumedReadBytes", default.assumed_read_bytes, 0, 2**63 - 1),
        counts_bytes=_read_goal(top, default),
        seed=top.integer("seed", 0, 0, 2**63 - 1) if top.has("seed") else default.seed,
        open_storage_info=top.boolean("openStorageInfo", default=default.open_storage_info),
        contention=top.boolean("contention", default=default.contention),
        nodes_keep_inputs=top.boolean("nodesKeepInputs", default=default.nodes_keep_inputs),
        image_pull_as_data=top.boolean("imagePullAsData", default=default.image_pull_as_data),
        registries=registries.read(top) if top.has("registries") else default.registries,
        learning=top.boolean("learning", default=default.learning),
        lookahead=top.number("lookahead", default.lookahead, 0, 1),
        max_delay_s=top.number("maxDelaySeconds", 0, 0, 3600) if top.has("maxDelaySeconds") else default.max_delay_s,
        leader_election=leaderelection.read(top, is_kube=False)
        if top.has("leaderElection")
        else default.leader_election,
        ignored=ignored,
    )


def _read_backoff(top: sections.Section, default: Settings) -> tuple[float, float]:
    initial_s = top.number("podInitialBackoffSeconds", default.backoff_initial_s, 0.001, 3600)
    max_s = top.number("podMaxBackoffSeconds", max(initial_s, default.backoff_max_s), 0.001, 86_400)
    if max_s < initial_s:
        top.report("podMaxBackoffSeconds", f"write at least podInitialBackoffSeconds, which is {initial_s:g}")
    return initial_s, max_s


def _read_link(top: sections.Section, key: str, default: Link) -> Link:
    return Link(
        bandwidth_bytes_per_s=int(top.number(f"{key}Bandwidth", default.bandwidth_bytes_per_s, 1, 1e15)),
        latency_s=top.number(f"{key}Latency", default.latency_s * 1000, 0, 100_000) / 1000,
    )


def _read_goal(top: sections.Section, default: Settings) -> bool:
    return top.choice("dataGoal", "bytes" if default.counts_bytes else "seconds", ("seconds", "bytes")) == "bytes"


def _read_weights(top: sections.Section, default: Profiles) -> Profiles:
    outer = top.section("scheduler")
    nested = outer.section("weights")
    profiles = {name: _read_profile(top, nested, key, getattr(default, name)) for name, key in PROFILES.items()}
    nested.finish()
    outer.finish()
    return Profiles(**profiles)


def flat_key(prefix: str, flat: str) -> str:
    """The flat key of a criterion's weight in the profile whose keys begin so."""
    return f"{prefix}{flat[0].upper()}{flat[1:]}" if prefix else flat


def _read_profile(top: sections.Section, nested: sections.Section, prefix: str, default: Weights) -> Weights:
    key = prefix or "default"
    profile = nested.section(key)
    weights: dict[str, float] = {}
    for criterion, (flat, short) in CRITERIA.items():
        key_of_flat = flat_key(prefix, flat)
        weight = top.number(key_of_flat, getattr(default, criterion), 0, 1000)
        weights[criterion] = profile.number(short, weight, 0, 1000)
        if top.has(key_of_flat) and profile.has(short):
            profile.report(short, f"also given as {key_of_flat}; keep one of the two")
    profile.finish()
    if not any(weights.values()):
        nested.report(key, "all weights of this profile are 0; write at least one above 0")
    return Weights(**weights)
