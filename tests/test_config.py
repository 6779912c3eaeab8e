"""The configuration file: each form loads to what it says, and a bad one is refused whole, with all its problems."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import config, errors, kubeconfiguration, kubeplugins
from scheduler.api import core
from scheduler.config import Link, Settings, Weights

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
KUBE = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}


def message_of(data: dict[str, Any]) -> str:
    with pytest.raises(errors.InputError) as caught:
        config.parse(data, "config.yaml")
    return str(caught.value)


def profile(**data: Any) -> dict[str, Any]:
    return {**KUBE, "profiles": [data]}


def with_args(name: str, **args: Any) -> dict[str, Any]:
    return profile(pluginConfig=[{"name": name, "args": args}])


# --------------------------------------------------------------------------------------------------------- our file


def test_an_empty_file_gives_the_documented_defaults(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("# nothing set\n")
    settings = config.load(path)
    assert settings == Settings() == config.parse({}, "x")
    assert settings.scheduler_name == "data-locality-scheduler"
    assert settings.health_port == 8080
    assert settings.weights.default == Weights(0.15, 0.10, 0.15, 0.10, 0.50)
    assert settings.weights.data_intensive == Weights(0.10, 0.05, 0.05, 0.05, 0.75)
    assert settings.weights.compute_intensive == Weights(0.40, 0.15, 0.10, 0.15, 0.20)
    assert settings.network.local == Link(1_000_000_000, 0.0001)
    assert settings.network.same_zone == Link(500_000_000, 0.001)
    assert settings.network.same_region == Link(200_000_000, 0.005)
    assert settings.network.cross_region == Link(50_000_000, 0.030)
    assert settings.network.edge_cloud == Link(25_000_000, 0.040)


FLAT = """
schedulerName: other
healthServerPort: 9000
refreshInterval: 90s
resourceWeight: 0.5
dataIntensiveNodeAffinityWeight: 0.3
computeIntensiveDataLocalityWeight: 0
sameZoneBandwidth: 600000000
edgeCloudLatency: 12.5
tau: 2s
dataIntensiveRatio: 3
computeIntensiveRatio: 0.5
podInitialBackoffSeconds: 2
podMaxBackoffSeconds: 30
bindsInFlight: 8
batchWindowMilliseconds: 20
dataWait: 250ms
dataRetention: 1h
expectedConfidence: 0.5
maxWitnessAgeMinutes: 30
assumedReadBytes: 1000000
dataGoal: bytes
seed: 42
resourceCacheEnabled: true
percentageOfNodesToScore: 50
enableMockData: false
"""


def test_flat_keys_are_read_with_their_units(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(FLAT)
    settings = config.load(str(path))
    assert settings == Settings(
        scheduler_name="other",
        health_port=9000,
        refresh_interval_s=90.0,
        weights=config.Profiles(
            default=Weights(0.5, 0.10, 0.15, 0.10, 0.50),
            data_intensive=Weights(0.10, 0.3, 0.05, 0.05, 0.75),
            compute_intensive=Weights(0.40, 0.15, 0.10, 0.15, 0.0),
        ),
        network=config.Network(same_zone=Link(600_000_000, 0.001), edge_cloud=Link(25_000_000, 0.0125)),
        tau_s=2.0,
        data_ratio=3.0,
        compute_ratio=0.5,
        backoff_initial_s=2.0,
        backoff_max_s=30.0,
        binds_in_flight=8,
        batch_window_s=0.02,
        data_wait_s=0.25,
        data_retention_s=3600.0,
        expected_confidence=0.5,
        witness_max_age_s=1800.0,
        assumed_read_bytes=1_000_000,
        counts_bytes=True,
        seed=42,
        ignored=settings.ignored,
    )
    assert set(settings.ignored) == {"percentageOfNodesToScore", "resourceCacheEnabled", "enableMockData"}


def test_nested_weights_keep_the_profiles_defaults_where_they_say_nothing() -> None:
    weights = {"dataIntensive": {"dataLocality": 0.9}, "default": {"resource": 1, "capabilities": 0}}
    settings = config.parse({"scheduler": {"weights": weights}, "nodeTypeWeight": 0.3}, "x")
    assert settings.weights == config.Profiles(
        default=Weights(1.0, 0.10, 0.3, 0.0, 0.50), data_intensive=Weights(0.10, 0.05, 0.05, 0.05, 0.9)
    )


def test_weights_are_taken_as_they_stand() -> None:
    weights = {"resource": 7, "affinity": 5, "nodeType": 3, "capabilities": 2, "dataLocality": 100}
    settings = config.parse({"scheduler": {"weights": {"default": weights}}}, "x")
    assert settings.weights.default == Weights(7.0, 5.0, 3.0, 2.0, 100.0)


NO_WEIGHT = ("resourceWeight", "nodeAffinityWeight", "nodeTypeWeight", "capabilitiesWeight", "dataLocalityWeight")
PORT = "write a whole number from 0 to 65535"
MINUTES = "write a number from 1 to 525600"
BYTES = f"write a whole number from 0 to {2**63 - 1}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param({"tauu": 1}, 'tauu: "1": unknown key; did you mean tau?', id="typo"),
        pytest.param({"xyz": 1}, 'xyz: "1": unknown key; remove it', id="unknown"),
        pytest.param({"maxWitnessAgeMinutes": 0}, f'maxWitnessAgeMinutes: "0": {MINUTES}', id="no age at all"),
        pytest.param({"maxWitnessAgeMinutes": "15m"}, f'maxWitnessAgeMinutes: "15m": {MINUTES}', id="no minutes"),
        pytest.param({"assumedReadBytes": -1}, f'assumedReadBytes: "-1": {BYTES}', id="less than nothing"),
        pytest.param({"assumedReadBytes": "250MB"}, f'assumedReadBytes: "250MB": {BYTES}', id="no bytes"),
        pytest.param(
            {"scheduler": {"wights": 1}}, 'scheduler.wights: "1": unknown key; did you mean weights?', id="nested-typo"
        ),
        pytest.param(
            {"scheduler": {"weights": {"dataintensive": {}}}},
            'scheduler.weights.dataintensive: "{}": unknown key; did you mean dataIntensive?',
            id="nested-profile",
        ),
        pytest.param(
            {"scheduler": {"weights": {"default": {"data": 1}}}},
            'scheduler.weights.default.data: "1": unknown key; write one of affinity, capabilities, '
            "dataLocality, nodeType, resource",
            id="nested-weight",
        ),
        pytest.param({"scheduler": []}, 'scheduler: "[]": write a mapping of keys to values', id="no-mapping"),
        pytest.param(
            {"resourceWeight": -0.1}, 'resourceWeight: "-0.1": write a number from 0 to 1000', id="negative-weight"
        ),
        pytest.param(
            {"resourceWeight": float("nan")}, 'resourceWeight: "nan": write a number from 0 to 1000', id="nan-weight"
        ),
        pytest.param(
            {"resourceWeight": True}, 'resourceWeight: "True": write a number from 0 to 1000', id="bool-weight"
        ),
        pytest.param(
            {"resourceWeight": 0.2, "scheduler": {"weights": {"default": {"resource": 0.2}}}},
            'scheduler.weights.default.resource: "0.2": also given as resourceWeight; keep one of the two',
            id="given-twice",
        ),
        pytest.param(
            dict.fromkeys(NO_WEIGHT, 0),
            'scheduler.weights.default: "": all weights of this profile are 0; write at least one above 0',
            id="all-zero",
        ),
        pytest.param({"healthServerPort": "8080"}, f'healthServerPort: "8080": {PORT}', id="text-port"),
        pytest.param({"healthServerPort": 70000}, f'healthServerPort: "70000": {PORT}', id="high-port"),
        pytest.param(
            {"refreshInterval": "5 minutes"},
            'refreshInterval: "5 minutes": write a duration of at least 1 s, such as "30s" or "5m"',
            id="duration",
        ),
        pytest.param(
            {"refreshInterval": "0s"},
            'refreshInterval: "0s": write a duration of at least 1 s, such as "30s" or "5m"',
            id="no-duration",
        ),
        pytest.param(
            {"localBandwidth": 0}, 'localBandwidth: "0": write a number from 1 to 1e+15', id="no-bandwidth"
        ),
        pytest.param(
            {"localLatency": -1}, 'localLatency: "-1": write a number from 0 to 100000', id="negative-latency"
        ),
        pytest.param(
            {"percentageOfNodesToScore": 101},
            'percentageOfNodesToScore: "101": write a whole number from 0 to 100',
            id="percentage",
        ),
        pytest.param(
            {"computeIntensiveRatio": 3},
            'computeIntensiveRatio: "3": write at most dataIntensiveRatio, which is 2',
            id="ratios-crossed",
        ),
        pytest.param(
            {"podInitialBackoffSeconds": 20, "podMaxBackoffSeconds": 10},
            'podMaxBackoffSeconds: "10": write at least podInitialBackoffSeconds, which is 20',
            id="backoffs-crossed",
        ),
        pytest.param(
            {"batchWindowMilliseconds": 1001},
            'batchWindowMilliseconds: "1001": write a number from 0 to 1000',
            id="a window of more than a second",
        ),
        pytest.param({"schedulerName": ""}, 'schedulerName: "": write a text', id="no-name"),
        pytest.param({"schedulerName": 7}, 'schedulerName: "7": write a text', id="name-no-text"),
    ],
)  # fmt: skip
def test_one_bad_value_is_one_message(data: dict[str, Any], message: str) -> None:
    assert message_of(data) == f"config.yaml: {message}"


def test_all_problems_of_a_file_are_told_at_once() -> None:
    assert message_of({"resourceWieght": 1, "healthServerPort": -1, "seed": "x"}) == (
        'config.yaml: "3 problems": \n'
        '  healthServerPort: "-1": write a whole number from 0 to 65535\n'
        '  seed: "x": write a whole number from 0 to 9223372036854775807\n'
        '  resourceWieght: "1": unknown key; did you mean resourceWeight?'
    )


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        pytest.param(b"a: [", "not YAML: ", id="cut"),
        pytest.param(b"\xff\xfe\x00", "not YAML: ", id="not-text"),
        pytest.param(b"a: 2024-13-45", "not YAML: ", id="no-date"),
        pytest.param(b"a: !!python/object:os.system x", "not YAML: ", id="code"),
        pytest.param(b"a: " + b"[" * 20_000, "not YAML: ", id="deep"),
        pytest.param(b"- a", "write a mapping of keys to values", id="list"),
        pytest.param(b"seed: 0x" + b"f" * 5000, "write a whole number", id="number-that-cannot-be-printed"),
        pytest.param(b"a: &x\n  b: *x", "unknown key", id="cycle"),
    ],
)
def test_what_is_not_a_configuration_is_refused(tmp_path: Path, content: bytes, remedy: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content)
    with pytest.raises(errors.InputError) as caught:
        config.load(path)
    assert caught.value.where.startswith(str(path))
    assert caught.value.remedy.startswith(remedy)


def test_a_missing_file_is_told_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(errors.InputError, match=r'absent\.yaml: "": cannot be read: No such file or directory'):
        config.load(tmp_path / "absent.yaml")


# ---------------------------------------------------------------------------------------------------- leader election


@pytest.mark.parametrize("kind", [pytest.param({}, id="ours"), pytest.param(KUBE, id="kube-schedulers")])
def test_leader_election_is_set_in_both_kinds_of_file(kind: dict[str, Any]) -> None:
    section = {
        "leaderElect": True,
        "leaseDuration": "3s",
        "renewDeadline": "2s",
        "retryPeriod": "500ms",
        "resourceLock": "leases",
        "resourceName": "other",
        "resourceNamespace": "kube-system",
    }
    settings = config.parse({**kind, "leaderElection": section}, "x")
    assert settings == Settings(leader_election=config.LeaderElection(True, 3.0, 2.0, 0.5, "other", "kube-system"))
    assert config.parse({**kind, "leaderElection": {}}, "x") == config.parse(kind, "x")


def test_leader_election_is_as_kube_schedulers_by_default() -> None:
    assert Settings().leader_election == config.LeaderElection(True, 15.0, 10.0, 2.0, "data-locality-scheduler", "")


@pytest.mark.parametrize(
    ("section", "where", "remedy"),
    [
        pytest.param({"leaseDuration": "10s"}, "renewDeadline", "write less than leaseDuration", id="no-margin"),
        pytest.param({"retryPeriod": "9s"}, "retryPeriod", "write less than renewDeadline", id="retries-too-late"),
        pytest.param({"leaseDuration": "500ms"}, "leaseDuration", "write a duration of at least 1 s", id="too-short"),
        pytest.param({"leaderElect": "no"}, "leaderElect", "write true or false", id="not-a-boolean"),
        pytest.param({"resourceLock": "endpoints"}, "resourceLock", "write leases", id="another-lock"),
        pytest.param({"resourceName": "a/b"}, "resourceName", "write a name in lower case", id="no-name"),
        pytest.param({"resourceNamespace": "../x"}, "resourceNamespace", "write a name in lower case", id="no-place"),
        pytest.param({"leaseDurationSeconds": 3}, "leaseDurationSeconds", "unknown key", id="unknown"),
    ],
)
def test_leader_election_that_could_not_work_is_refused(section: dict[str, Any], where: str, remedy: str) -> None:
    with pytest.raises(errors.InputError) as caught:
        config.parse({"leaderElection": section}, "x")
    assert caught.value.where == f"x: leaderElection.{where}"
    assert caught.value.remedy.startswith(remedy)


# ---------------------------------------------------------------------------------------------- kube-scheduler's file


def plugins_of(data: dict[str, Any]) -> config.Plugins:
    return config.parse(data, "x").plugins


NAMED = ("NodePorts", "NodeResourcesFit", "TaintToleration")


def test_filters_that_a_configuration_names_leave_upstreams_order() -> None:
    named = [{"name": name} for name in NAMED]
    filters = {"enabled": named, "disabled": [{"name": "NodeResourcesFit"}, {"name": "NodeAffinity"}]}
    found = plugins_of({**KUBE, "profiles": [{"plugins": {"filter": filters}}]})
    rest = [name for name in Settings().plugins.filters if name not in {*NAMED, "NodeAffinity"}]
    assert found.filters == ("NodePorts", "TaintToleration", *rest, "NodeResourcesFit")
    assert found.prefilters == Settings().plugins.prefilters


def test_kube_schedulers_defaults_are_upstreams() -> None:
    assert config.parse(KUBE, "x") == Settings()
    assert Settings().plugins.score_weights == {
        "NodeResourcesFit": 1,
        "VolumeBinding": 1,
        "NodeResourcesBalancedAllocation": 1,
        "ImageLocality": 1,
        "TaintToleration": 3,
        "NodeAffinity": 2,
        "PodTopologySpread": 2,
        "InterPodAffinity": 2,
        "DynamicResources": 2,
    }


def test_kube_schedulers_profiles_are_read_and_what_has_no_effect_is_listed() -> None:
    data = {
        **KUBE,
        "parallelism": 16,
        "leaderElection": {"leaderElect": False},
        "podInitialBackoffSeconds": 3,
        "podMaxBackoffSeconds": 40,
        "extenders": [],
        "profiles": [
            {"schedulerName": "one", "percentageOfNodesToScore": 5, "plugins": {"queueSort": {}, "bind": {}}},
            {"schedulerName": "two"},
        ],
    }
    settings = config.parse(data, "x")
    assert settings == Settings(
        scheduler_name="one",
        further=(kubeconfiguration.Profile("two", config.Plugins()),),
        backoff_initial_s=3.0,
        backoff_max_s=40.0,
        leader_election=config.LeaderElection(is_on=False),
        ignored=settings.ignored,
    )
    assert set(settings.ignored) == {"parallelism", "profiles[0].percentageOfNodesToScore"}
    assert settings.ignored["profiles[0].percentageOfNodesToScore"] == "every node is looked at, always"


ALL = set(kubeplugins.SCORE_WEIGHTS)


@pytest.mark.parametrize(
    ("plugins", "left_out", "changed_weights"),
    [
        pytest.param({"multiPoint": {"disabled": [{"name": "NodePorts"}]}}, {"NodePorts"}, {}, id="off-everywhere"),
        pytest.param({"filter": {"disabled": [{"name": "NodeName"}]}}, {"NodeName"}, {}, id="filter-off"),
        pytest.param(
            {"multiPoint": {"disabled": [{"name": "TaintToleration"}]}},
            {"TaintToleration"},
            {"TaintToleration": 0},
            id="filter-and-score-off",
        ),
        pytest.param(
            {"score": {"disabled": [{"name": "TaintToleration"}]}}, set(), {"TaintToleration": 0}, id="score-off"
        ),
        pytest.param({"score": {"disabled": [{"name": "*"}]}}, set(), dict.fromkeys(ALL, 0), id="all-scores-off"),
        pytest.param(
            {"score": {"disabled": [{"name": "*"}], "enabled": [{"name": "ImageLocality", "weight": 9}]}},
            set(),
            dict.fromkeys(ALL, 0) | {"ImageLocality": 9},
            id="one-score-only",
        ),
        pytest.param(
            {"score": {"enabled": [{"name": "NodeAffinity", "weight": 50}]}}, set(), {"NodeAffinity": 50}, id="weight"
        ),
        pytest.param(
            {"multiPoint": {"enabled": [{"name": "TaintToleration"}]}},
            set(),
            {"TaintToleration": 1},
            id="enabled-without-a-weight-is-1",
        ),
        pytest.param(
            {
                "multiPoint": {"enabled": [{"name": "NodeAffinity", "weight": 5}]},
                "score": {"enabled": [{"name": "NodeAffinity", "weight": 7}]},
            },
            set(),
            {"NodeAffinity": 7},
            id="the-extension-point-overrules",
        ),
        pytest.param(
            {
                "multiPoint": {"disabled": [{"name": "*"}]},
                **{
                    point: {"enabled": [{"name": "NodeResourcesFit"}, {"name": "NodeName"}]}
                    for point in ("preFilter", "filter")
                },
                "preEnqueue": {"enabled": [{"name": "SchedulingGates"}]},
                "queueSort": {"enabled": [{"name": "PrioritySort"}]},
                "bind": {"enabled": [{"name": "DefaultBinder"}]},
            },
            kubeplugins.FILTERS - {"NodeResourcesFit", "NodeName"},
            dict.fromkeys(ALL, 0),
            id="only-two-filters",
        ),
    ],
)
def test_plugins_are_merged_as_upstream_does(
    plugins: dict[str, Any], left_out: set[str], changed_weights: dict[str, int]
) -> None:
    found = plugins_of(profile(plugins=plugins))
    assert set(found.filters) == kubeplugins.FILTERS - left_out
    assert found.score_weights == {**kubeplugins.SCORE_WEIGHTS, **changed_weights}


def test_plugin_arguments_are_read() -> None:
    data = profile(
        pluginConfig=[
            {
                "name": "NodeResourcesFit",
                "args": {
                    "apiVersion": "kubescheduler.config.k8s.io/v1",
                    "kind": "NodeResourcesFitArgs",
                    "ignoredResources": ["example.com/foo"],
                    "ignoredResourceGroups": ["example.org"],
                    "scoringStrategy": {
                        "type": "RequestedToCapacityRatio",
                        "resources": [{"name": "cpu", "weight": 3}, {"name": "nvidia.com/gpu"}],
                        "requestedToCapacityRatio": {
                            "shape": [{"utilization": 0, "score": 10}, {"utilization": 100, "score": 0}]
                        },
                    },
                },
            },
            {
                "name": "NodeResourcesBalancedAllocation",
                "args": {"resources": [{"name": "cpu", "weight": 1}, {"name": "nvidia.com/gpu", "weight": 1}]},
            },
            {
                "name": "InterPodAffinity",
                "args": {"hardPodAffinityWeight": 30, "ignorePreferredTermsOfExistingPods": True},
            },
            {
                "name": "NodeAffinity",
                "args": {
                    "addedAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
                        }
                    }
                },
            },
            {"name": "VolumeBinding", "args": {"bindTimeoutSeconds": 60}},
        ]
    )
    term = core.NodeSelectorTerm(match_expressions=(core.Requirement(key="a", operator="Exists"),))
    settings = config.parse(data, "x")
    assert settings.plugins == config.Plugins(
        volume_bind_timeout_s=60,
        fit_strategy="RequestedToCapacityRatio",
        fit_resources=(("cpu", 3), ("nvidia.com/gpu", 1)),
        fit_shape=((0, 10), (100, 0)),
        balanced_resources=("cpu", "nvidia.com/gpu"),
        ignored_resources=frozenset({"example.com/foo"}),
        ignored_resource_groups=frozenset({"example.org"}),
        added_affinity=core.NodeAffinity(required=core.NodeSelector(node_selector_terms=(term,))),
        hard_pod_affinity_weight=30,
        ignore_preferred_terms_of_existing_pods=True,
    )
    assert not settings.ignored


POINT = {"utilization": 50, "score": 5}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(
            {**KUBE, "apiVersion": "kubescheduler.config.k8s.io/v1beta3"},
            'apiVersion: "kubescheduler.config.k8s.io/v1beta3": only v1 is supported, as in kube-scheduler since 1.29; '
            "write kubescheduler.config.k8s.io/v1",
            id="version",
        ),
        pytest.param(
            {**KUBE, "extenders": [{}]}, 'extenders: "[{}]": extenders are not supported; remove them', id="extenders"
        ),
        pytest.param({**KUBE, "tau": "5s"}, 'tau: "5s": unknown key; remove it', id="our-key"),
        pytest.param({**KUBE, "profiles": [1]}, 'profiles[0]: "1": write a mapping of keys to values', id="profile"),
        pytest.param({**KUBE, "profiles": 1}, 'profiles: "1": write a list', id="profiles"),
        pytest.param(
            profile(plugins={"score": {"enabled": [{"name": "NodeAfinity"}]}}),
            'profiles[0].plugins.score.enabled[0].name: "NodeAfinity": this plugin is not supported; did you mean '
            "NodeAffinity?",
            id="misspelt-plugin",
        ),
        pytest.param(
            profile(plugins={"score": {"enabled": [{"weight": 3}]}}),
            'profiles[0].plugins.score.enabled[0].name: "": missing; write the plugin\'s name',
            id="plugin-without-name",
        ),
        pytest.param(
            profile(plugins={"scores": {}}), 'profiles[0].plugins.scores: "{}": unknown key; did you mean score?',
            id="extension-point",
        ),
        pytest.param(
            with_args("NodeResourcesFit", scoringStrategy={"type": "RequestedToCapacityRatio"}),
            'profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio: "": RequestedToCapacityRatio '
            "needs a shape with at least one point",
            id="no-shape",
        ),
        pytest.param(
            with_args(
                "NodeResourcesFit",
                scoringStrategy={
                    "type": "RequestedToCapacityRatio", "requestedToCapacityRatio": {"shape": [POINT, POINT]}
                },
            ),
            "profiles[0].pluginConfig[0].args.scoringStrategy.requestedToCapacityRatio.shape: "
            f'"[{POINT}, {POINT}]": utilization must rise from point to point; put them in order, each once',
            id="shape-out-of-order",
        ),
        pytest.param(
            with_args(
                "NodeResourcesFit",
                scoringStrategy={"type": "LeastAllocated", "resources": [{"name": "cpu", "weight": 101}]},
            ),
            'profiles[0].pluginConfig[0].args.scoringStrategy.resources[0].weight: "101": '
            "write a whole number from 0 to 100",
            id="resource-weight",
        ),
        pytest.param(
            with_args("NodeResourcesFit", ignoredResources="a"),
            'profiles[0].pluginConfig[0].args.ignoredResources: "a": write a list',
            id="ignored-resources",
        ),
        pytest.param(
            with_args("InterPodAffinity", hardPodAffinityWeight=101),
            'profiles[0].pluginConfig[0].args.hardPodAffinityWeight: "101": write a whole number from 0 to 100',
            id="hard-weight",
        ),
        pytest.param(
            with_args("InterPodAffinity", ignorePreferredTermsOfExistingPods="yes"),
            'profiles[0].pluginConfig[0].args.ignorePreferredTermsOfExistingPods: "yes": write true or false',
            id="ignore-terms",
        ),
        pytest.param(
            with_args("NodeAffinity", addedAffinity="x"),
            'profiles[0].pluginConfig[0].args.addedAffinity: "x": Expected `object`, got `str`',
            id="added-affinity",
        ),
        pytest.param(
            with_args("NodeAffinity", addedAffinity={REQUIRED: {"nodeSelectorTerms": [{"matchFields": 5}]}}),
            f"profiles[0].pluginConfig[0].args.addedAffinity: \"{{'{REQUIRED}': {{'nodeSelectorTerms': [{{'matc... "
            f"(95 characters)\": {REQUIRED}.nodeSelectorTerms[0].matchFields: Expected `array`, got `int`",
            id="added-affinity-field",
        ),
    ],
)  # fmt: skip
def test_a_bad_value_in_kube_schedulers_file_is_one_message(data: dict[str, Any], message: str) -> None:
    assert message_of(data) == f"config.yaml: {message}"


@pytest.mark.parametrize(
    ("args", "name"),
    [
        ({"ignoredResources": ["example.com/gpu", "a b"]}, "a b"),
        ({"ignoredResourceGroups": ["example.com", "example.com/x"]}, "example.com/x"),
    ],
)  # fmt: skip
def test_names_of_ignored_resources_that_no_resource_has_are_refused(args: dict[str, Any], name: str) -> None:
    assert f'"{name}" is none; of the' in message_of(with_args("NodeResourcesFit", **args))


@pytest.mark.parametrize(
    ("added", "problem"),
    [
        ({REQUIRED: {"nodeSelectorTerms": [{}, {"matchExpressions": [{"key": "t", "operator": "Lt", "values": "x"}]}]}},
         f"{REQUIRED}.nodeSelectorTerms[1].matchExpressions[0].values: Expected `array`, got `str`"),
        ({REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [{"key": "t", "operator": "Lt", "values": ["x"]}]}]}},
         f'{REQUIRED}.nodeSelectorTerms[0].matchExpressions[0].values[0]: Invalid value: "x": for'),
        ({REQUIRED: {"nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "Exists"}]}]}},
         f'{REQUIRED}.nodeSelectorTerms[0].matchFields[0].operator: Unsupported value: "Exists"'),
        ({PREFERRED: [{"weight": 1, "preference": {"matchExpressions": [{"key": "-t", "operator": "Exists"}]}}]},
         f'{PREFERRED}[0].matchExpressions[0].key: Invalid value: "-t": name part must consist of'),
        ({PREFERRED: [{"weight": 2**31}]}, f"{PREFERRED}[0].weight: Expected `int` <= 2147483647"),
    ],
)  # fmt: skip
def test_an_added_affinity_that_cannot_be_read_is_refused_with_the_file(added: dict[str, Any], problem: str) -> None:
    message = message_of(with_args("NodeAffinity", addedAffinity=added))
    assert message.startswith("config.yaml: profiles[0].pluginConfig[0].args.addedAffinity: ")
    assert problem in message


def test_an_added_preference_without_weight_is_not_looked_at() -> None:
    added = {PREFERRED: [{"weight": 0, "preference": {"matchExpressions": [{"key": "-t", "operator": "Exists"}]}}]}
    assert config.parse(with_args("NodeAffinity", addedAffinity=added), "x").plugins.added_affinity is not None


def spread(*constraints: dict[str, Any], **args: Any) -> dict[str, Any]:
    whole = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    return with_args(
        "PodTopologySpread", **{"defaultingType": "List", "defaultConstraints": [whole | c for c in constraints]} | args
    )


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (spread({"maxSkew": 0}), "[0].maxSkew"),
        (spread({"maxSkew": None}), "[0].maxSkew"),
        (spread({"maxSkew": 2**31}), "[0].maxSkew"),
        (spread({"topologyKey": "a b"}), "[0].topologyKey"),
        (spread({"topologyKey": None}), "[0].topologyKey"),
        (spread({"whenUnsatisfiable": "Never"}), "[0].whenUnsatisfiable"),
        (spread({"whenUnsatisfiable": None}), "[0].whenUnsatisfiable"),
        (spread({"labelSelector": {}}), "[0].labelSelector"),
        (spread({}, {}), "[1].topologyKey"),
        (spread({}, defaultingType="System"), "defaultingType"),
        (spread({}, defaultingType="Some"), "defaultingType"),
        (spread({"skew": 1}), "[0].skew"),
    ],
)  # fmt: skip
def test_default_spread_constraints_that_cannot_be_honoured_are_refused(data: dict[str, Any], problem: str) -> None:
    message = message_of(data)
    assert problem in message
    assert "profiles[0].pluginConfig[0].args.default" in message


def test_default_spread_constraints_are_read() -> None:
    read = config.parse(spread({}, {"whenUnsatisfiable": "DoNotSchedule", "minDomains": 3}), "x")
    assert not read.ignored
    soft, hard = read.plugins.default_spread or ()
    assert (soft.max_skew, soft.topology_key, soft.when_unsatisfiable) == (1, "zone", "ScheduleAnyway")
    assert (hard.when_unsatisfiable, hard.min_domains) == ("DoNotSchedule", 3)
    assert config.parse(spread(), "x").plugins.default_spread == ()
    system = with_args("PodTopologySpread", defaultingType="System")
    assert config.parse(system, "x").plugins.default_spread is None


# --------------------------------------------------------------------------------------------------- several profiles

DEFAULT = {
    "schedulerName": "default-scheduler",
    "plugins": {"score": {"disabled": [{"name": "ImageLocality"}]}},
}


def test_our_own_file_may_name_further_profiles_as_kube_schedulers_does() -> None:
    settings = config.parse({"tau": "2s", "profiles": [DEFAULT]}, "x")
    assert settings.scheduler_names == ("data-locality-scheduler", "default-scheduler")
    assert settings.of("data-locality-scheduler").plugins == config.Plugins()
    assert settings.of("default-scheduler").plugins.score_weights["ImageLocality"] == 0
    assert settings.of("default-scheduler").tau_s == 2.0
    assert settings.of("somebody-else").plugins == config.Plugins()


def test_a_profile_of_our_own_name_says_how_our_own_plugins_are_set() -> None:
    settings = config.parse({"schedulerName": "default-scheduler", "profiles": [DEFAULT]}, "x")
    assert settings.scheduler_names == ("default-scheduler",)
    assert settings.plugins.score_weights["ImageLocality"] == 0


SORTED: dict[str, Any] = {"queueSort": {"enabled": [{"name": "PrioritySort"}]}}


@pytest.mark.parametrize(
    ("profiles", "problem"),
    [
        pytest.param([{}, DEFAULT], "profiles[0].schedulerName", id="one of several without a name"),
        pytest.param([DEFAULT, DEFAULT], "profiles[1].schedulerName", id="one name twice"),
        pytest.param([DEFAULT, {"schedulerName": "b", "plugins": SORTED}], "profiles[1].plugins", id="another order"),
    ],
)
def test_profiles_that_cannot_be_told_apart_are_refused(profiles: list[dict[str, Any]], problem: str) -> None:
    assert message_of({**KUBE, "profiles": profiles}).startswith(f"config.yaml: {problem}: ")


NO_POINT = {"NodeResourcesFit": "permit", "ImageLocality": "filter", "VolumeZone": "score", "DefaultBinder": "preBind"}


@pytest.mark.parametrize(("plugin", "point"), NO_POINT.items())
def test_a_plugin_is_enabled_only_where_it_does_something(plugin: str, point: str) -> None:
    message = message_of(profile(plugins={point: {"enabled": [{"name": plugin}]}}))
    assert f'plugins.{point}.enabled[0].name: "{plugin}": this plugin does not extend {point}' in message


@pytest.mark.parametrize(
    ("plugins", "problem"),
    [
        pytest.param({"queueSort": {"disabled": [{"name": "*"}]}}, "only one queue sort plugin required", id="order"),
        pytest.param({"bind": {"disabled": [{"name": "*"}]}}, "at least one bind plugin is needed", id="binding"),
        pytest.param({"preEnqueue": {"disabled": [{"name": "SchedulingGates"}]}}, "not supported", id="gates"),
        pytest.param({"preFilter": {"disabled": [{"name": "NodePorts"}]}}, "not supported", id="unprepared"),
        pytest.param({"reserve": {"disabled": [{"name": "VolumeBinding"}]}}, "not supported", id="volumes unbound"),
        pytest.param({"filter": {"enabled": [{"name": "NodePorts"}] * 2}}, "NodePorts is enabled twice", id="twice"),
        pytest.param({"score": {"enabled": [{"name": "NodeAffinity", "weight": -1}]}}, "not supported", id="negative"),
        pytest.param({"permit": {"enabled": [{"name": "GangScheduling"}]}}, "not supported", id="pod groups"),
    ],
)
def test_plugins_that_cannot_be_run_so_are_refused_in_one_message(plugins: dict[str, Any], problem: str) -> None:
    message = message_of(profile(plugins=plugins))
    assert problem in message
    assert "\n" not in message


def test_a_profile_without_default_preemption_does_not_preempt() -> None:
    off = {"disabled": [{"name": "DefaultPreemption"}]}
    for plugins in ({"postFilter": off}, {"multiPoint": off}):
        assert not plugins_of(profile(plugins=plugins)).preempts
    assert Settings().plugins.preempts


@pytest.mark.parametrize("text", ["tau: 1s\ntau: 2s\n", '{"tau": "1s", "tau": "2s"}', "scheduler:\n  a: 1\n  a: 1\n"])
def test_a_key_that_is_given_twice_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    with pytest.raises(errors.InputError, match="is given twice"):
        config.load(path)


# ------------------------------------------------------------------------------------------------------------- laws

KEYS = st.sampled_from(
    [
        "apiVersion", "kind", "profiles", "plugins", "pluginConfig", "name", "args", "score", "enabled", "disabled",
        "weight", "scoringStrategy", "resources", "requestedToCapacityRatio", "shape", "utilization", "addedAffinity",
        "defaultConstraints", "defaultingType", "whenUnsatisfiable", "topologyKey", REQUIRED, "nodeSelectorTerms",
        "schedulerName", "scheduler", "weights", "default", "resource", "resourceWeight", "localLatency",
        "refreshInterval", "seed", "tau", "podMaxBackoffSeconds", "dataWait", "dataRetention", "expectedConfidence",
        "maxWitnessAgeMinutes", "assumedReadBytes", "dataGoal",
    ]
)  # fmt: skip
LEAVES = st.sampled_from([*KUBE.values(), "NodeResourcesFit", "NodeAffinity", "PodTopologySpread", "*", "5m", 10**4000])
VALUES = st.recursive(
    LEAVES | st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3) | st.integers(), inner),
    max_leaves=15,
)


@given(st.dictionaries(KEYS | st.text(max_size=3), VALUES))
def test_any_mapping_is_read_or_refused_with_our_error(data: dict[str, Any]) -> None:
    try:
        settings = config.parse(data, "config.yaml")
    except errors.InputError as error:
        assert error.where.startswith("config.yaml")  # noqa: PT017 (both outcomes are right)
        return
    assert settings.tau_s > 0


@given(text=st.text() | st.text("ab:-[]{}&*!|> \n0x.", max_size=30))
def test_any_text_is_read_or_refused_with_our_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(config.load(path), Settings)
    except errors.InputError as error:
        assert str(path) in error.where  # noqa: PT017 (both outcomes are right)


def test_what_a_file_does_not_say_is_as_in_what_it_is_based_on() -> None:
    """For trying out a change of one key on settings that somebody runs with."""
    said: dict[str, object] = {
        "schedulerName": "mine",
        "profiles": [{"schedulerName": "mine"}, {"schedulerName": "other"}],
        "dataLocalityWeight": 0.9,
        "scheduler": {"weights": {"dataIntensive": {"resource": 0.3}}},
        "localBandwidth": 7,
        "tau": "3s",
        "dataGoal": "bytes",
        "seed": 5,
        "podInitialBackoffSeconds": 2,
        "maxDelaySeconds": 9,
        "nodesKeepInputs": True,
        "imagePullAsData": True,
        "openStorageInfo": True,
        "contention": False,
        "registries": [{"host": "docker.io"}],
        "leaderElection": {"leaderElect": False},
    }
    base = config.parse(said, "x")
    assert config.parse({}, "x", base) == base
    changed = config.parse({"tau": "1s", "nodesKeepInputs": False, "resourceWeight": 0.4}, "x", base)
    default = dataclasses.replace(base.weights.default, resources=0.4)
    weights = dataclasses.replace(base.weights, default=default)
    assert changed == dataclasses.replace(base, tau_s=1.0, nodes_keep_inputs=False, weights=weights)
