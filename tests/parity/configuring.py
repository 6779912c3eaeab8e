"""Have kube-scheduler and us read the same hostile configuration files: ``make parity-configuration COUNT=10000``.

Compared are whether a file is accepted, and if so what it comes to: of each profile its name, filters and preFilters in
order, what is prepared for scoring, weights, whether it preempts, and the arguments of its plugins; the back-off and
the terms of the lease. A file that upstream accepts we may refuse only by naming what is not supported. See
docs/parity.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from scheduler import config, errors, kubeplugins, sections
from scheduler.api import core, names, units
from tests.parity import program
from tests.parity.hostile import configurations

CORPUS: Final = pathlib.Path(__file__).parent / "configurations.jsonl"
UNSUPPORTED: Final = "not supported"
_SHOWN: Final = 3  # examples of a class
_OWN_NAME: Final = "default-scheduler"  # of a file that gives none, upstream


@dataclasses.dataclass(frozen=True)
class Read:
    """What a file comes to, or why it is refused."""

    refusal: str = ""
    told: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def ours(text: str) -> Read:
    try:
        settings = config.parse(sections.read(text.encode(), "config"), "config")
    except errors.InputError as error:
        return Read(refusal=str(error))
    profiles = [
        {"name": name, **_of_plugins(settings.of(name).plugins)} for name in settings.scheduler_names
    ]  # fmt: skip
    election = settings.leader_election
    told: dict[str, Any] = {
        "backoff": [settings.backoff_initial_s, settings.backoff_max_s],
        "leaderElect": election.is_on,
        "profiles": profiles,
    }
    if election.is_on:
        told["lease"] = [election.duration_s, election.renew_within_s, election.retry_s]
    return Read(told=told)


def _of_plugins(plugins: config.Plugins) -> dict[str, Any]:
    weights = {name: weight for name, weight in plugins.score_weights.items() if weight}
    found: dict[str, Any] = {
        "filter": list(plugins.filters),
        "preFilter": list(plugins.prefilters),
        "preScore": list(plugins.prescores),
        "weights": weights,
        "preempts": plugins.preempts,
        "NodeResourcesFit": [
            sorted(plugins.ignored_resources),
            sorted(plugins.ignored_resource_groups),
            plugins.fit_strategy,
            [list(pair) for pair in plugins.fit_resources],
            [list(point) for point in plugins.fit_shape],
        ],
        "NodeResourcesBalancedAllocation": list(plugins.balanced_resources),
        "InterPodAffinity": [plugins.hard_pod_affinity_weight, plugins.ignore_preferred_terms_of_existing_pods],
        "NodeAffinity": plugins.added_affinity,
        "PodTopologySpread": plugins.default_spread,
        "DynamicResources": plugins.device_bind_timeout_s,
        "VolumeBinding": [plugins.volume_bind_timeout_s, [list(point) for point in plugins.volume_shape]],
    }
    return found


def theirs(answer: Mapping[str, Any], text: str) -> Read:
    """Upstream's answer about a file, in our words."""
    if answer.get("error"):
        return Read(refusal=answer["error"])
    is_named = _is_named(text)
    told: dict[str, Any] = {
        "backoff": [answer["podInitialBackoffSeconds"], answer["podMaxBackoffSeconds"]],
        "leaderElect": answer["leaderElect"],
        "profiles": [_of_profile(one, is_named=is_named) for one in answer["profiles"]],
    }
    if answer["leaderElect"]:
        told["lease"] = answer["leaseSeconds"]
    return Read(told=told)


def _is_named(text: str) -> bool:
    try:
        profiles = sections.read(text.encode(), "").get("profiles")
    except errors.InputError:
        return False
    given = profiles if isinstance(profiles, list) else []
    return any(isinstance(one, dict) and one.get("schedulerName") is not None for one in given)


def _of_profile(given: Mapping[str, Any], *, is_named: bool) -> dict[str, Any]:
    points, args = given["points"], given["args"]
    found: dict[str, Any] = {
        "name": given["schedulerName"] if is_named else names.SCHEDULER_NAME,
        "filter": points.get("filter", []),
        "preFilter": points.get("preFilter", []),
        "preScore": points.get("preScore", []),
        "weights": {name: weight for name, weight in given["weights"].items() if name in kubeplugins.SCORE_WEIGHTS},
        "preempts": "DefaultPreemption" in points.get("postFilter", []),
    }
    for name, read in _ARGUMENTS.items():
        if name in args:  # of a plugin that is off, upstream keeps none
            found[name] = read(args[name])
    return found


def _fit(args: Mapping[str, Any]) -> list[Any]:
    strategy = args["scoringStrategy"]
    ratio = strategy.get("requestedToCapacityRatio") or {}
    return [
        sorted(set(args.get("ignoredResources", []))),
        sorted(set(args.get("ignoredResourceGroups", []))),
        strategy["type"],
        [[one["name"], one["weight"]] for one in strategy["resources"]],
        _shape(ratio.get("shape", [])),
    ]


def _shape(points: Sequence[Mapping[str, int]]) -> list[list[int]]:
    return [[point["utilization"], point["score"]] for point in points]


def _spread(args: Mapping[str, Any]) -> tuple[core.TopologySpreadConstraint, ...] | None:
    if args["defaultingType"] == "System":
        return None
    return tuple(
        core.TopologySpreadConstraint(
            max_skew=one["maxSkew"],
            topology_key=one["topologyKey"],
            when_unsatisfiable=one["whenUnsatisfiable"],
            min_domains=one.get("minDomains", 1),
            node_affinity_policy=one.get("nodeAffinityPolicy", "Honor"),
            node_taints_policy=one.get("nodeTaintsPolicy", "Ignore"),
        )
        for one in args.get("defaultConstraints", [])
    )


def _affinity(args: Mapping[str, Any]) -> core.NodeAffinity | None:
    added = args.get("addedAffinity")
    return None if added is None else core.convert(added, core.NodeAffinity, "addedAffinity")


_ARGUMENTS: Final[Mapping[str, Any]] = {
    "NodeResourcesFit": _fit,
    "NodeResourcesBalancedAllocation": lambda args: [one["name"] for one in args["resources"]],
    "InterPodAffinity": lambda args: [args["hardPodAffinityWeight"], args["ignorePreferredTermsOfExistingPods"]],
    "NodeAffinity": _affinity,
    "PodTopologySpread": _spread,
    "DynamicResources": lambda args: units.duration_s(args["bindingTimeout"]),
    "VolumeBinding": lambda args: [args["bindTimeoutSeconds"], _shape(args["shape"])],
}


def differences(our: Read, their: Read) -> Iterator[tuple[str, str]]:
    """Where the two disagree, and how."""
    if our.refusal or their.refusal:
        if bool(our.refusal) != bool(their.refusal) and not (our.refusal and UNSUPPORTED in our.refusal):
            yield ("refused by ours alone", our.refusal) if our.refusal else ("refused upstream alone", their.refusal)
        return
    for key, value in their.told.items():
        if key != "profiles" and our.told.get(key) != value:
            yield key, f"ours {our.told.get(key)}, upstream {value}"
    if len(our.told["profiles"]) != len(their.told["profiles"]):
        yield "profiles", "not as many"
        return
    for one, other in zip(our.told["profiles"], their.told["profiles"], strict=True):
        for key, value in other.items():
            if one[key] != value:
                yield key, f"ours {one[key]}, upstream {value}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity.configuring", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="files (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the first file's seed (default: %(default)s)")
    parser.add_argument("--add", type=int, nargs="*", default=(), help="add the files of these seeds to the corpus")
    given = parser.parse_args(arguments)
    try:
        upstream = program.Upstream(program.build(), "validate")
    except program.UnavailableError as error:
        sys.stdout.write(f"Skipped: {error}\n")
        return 0
    for seed in given.add:
        text = configurations.text(seed)
        upstream.put(json.dumps(text).encode())
        with CORPUS.open("a") as corpus:
            corpus.write(json.dumps({"id": str(seed), "text": text, "answer": upstream.get()}) + "\n")
    outcomes: Counter[str] = Counter()
    classes: dict[str, list[str]] = {}
    for seed in range(given.seed * 1_000_000, given.seed * 1_000_000 + given.count):
        text = configurations.text(seed)
        upstream.put(json.dumps(text).encode())
        our = ours(text)
        their = theirs(upstream.get(), text)
        outcomes[_outcome(our, their)] += 1
        for where, detail in dict(differences(our, their)).items():
            classes.setdefault(where, []).append(f"seed {seed}: {detail}")
    upstream.close()
    put = sys.stdout.write
    put(f"{given.count} configuration files\n")
    for outcome, number in outcomes.most_common():
        put(f"{number:8} {outcome}\n")
    put("\nno disagreement\n" if not classes else "\ndisagreements\n")
    for where, examples in sorted(classes.items(), key=lambda one: -len(one[1])):
        put(f"{len(examples):8} {where}\n")
        for example in examples[:_SHOWN]:
            put(f"           {example[:600]}\n")
    return 1 if classes else 0


def _outcome(our: Read, their: Read) -> str:
    if our.refusal and their.refusal:
        return "refused by both"
    if our.refusal and UNSUPPORTED in our.refusal:
        return "refused by ours, which names what is not supported"
    return "accepted by both, or a disagreement"


if __name__ == "__main__":
    sys.exit(main())
