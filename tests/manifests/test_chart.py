"""The Helm chart: the same objects as kustomize makes, values that do what they say, and others refused."""

import json
import os
import pathlib
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from scheduler import config
from tests.manifests import rendering
from tests.manifests import test_manifests as manifests

pytestmark = pytest.mark.e2e  # for the programs that have to be built; no cluster is started here

# What an overlay of kustomize does, said in values.
SAME: dict[str, dict[str, Any]] = {
    "cert-manager": {"webhook": {"certificate": "cert-manager"}},
    "earlier-config": {
        "scheduler": {
            "existingConfigMap": {"name": "data-locality-scheduler-config", "key": "scheduler-config.yaml"},
        },
    },
    "host-facts": {"daemon": {"hostFacts": True}},
    "kind": {
        "image": {"tag": "dev", "pullPolicy": "Never"},
        "scheduler": {"replicas": 1},
        "webhook": {"replicas": 1},
    },
    "monitoring": {"monitoring": True},
    "network-policies": {"networkPolicies": True},
    "system-priority": {"priority": "system"},
}
EACH_WORKLOAD = [
    ("scheduler", "Deployment", "data-locality-scheduler"),
    ("daemon", "DaemonSet", "data-locality-daemon"),
    ("webhook", "Deployment", "data-locality-webhook"),
]
CERTIFICATE = ("CronJob", "data-locality-webhook-certificate")


def without_namespace(objects: dict[rendering.Key, rendering.Object]) -> dict[rendering.Key, rendering.Object]:
    """All but the Namespace itself, which is Helm's to make."""
    return {key: item for key, item in objects.items() if key[0] != "Namespace"}


def test_the_chart_is_the_base() -> None:
    assert rendering.chart() == without_namespace(rendering.kustomize(manifests.BASE))


@pytest.mark.parametrize("name", sorted(path.name for path in manifests.OVERLAYS.iterdir()))
def test_each_overlay_can_be_said_in_values(name: str) -> None:
    assert rendering.chart(SAME[name]) == without_namespace(rendering.kustomize(manifests.OVERLAYS / name))


@pytest.mark.parametrize("name", ["../base", "cert-manager", "monitoring", "network-policies"])
def test_so_can_another_namespace(tmp_path: pathlib.Path, name: str) -> None:
    folder = os.path.relpath(manifests.OVERLAYS / name, tmp_path)
    (tmp_path / "kustomization.yaml").write_text(json.dumps({"namespace": "elsewhere", "resources": [folder]}))
    assert rendering.chart(SAME.get(name), namespace="elsewhere") == without_namespace(rendering.kustomize(tmp_path))


def test_what_the_chart_brings_beside_is_the_one_copy_of_the_schemas() -> None:
    shown = [item for item in yaml.safe_load_all(rendering.helm("show", "crds", rendering.CHART)) if item]
    kept = [item for path in sorted((rendering.ROOT / "crds").glob("*.yaml")) for item in manifests.documents(path)]
    assert shown == kept


def test_the_chart_is_in_order_by_helms_own_rules(tmp_path: pathlib.Path) -> None:
    rendering.helm("lint", "--strict", rendering.CHART)
    rendering.helm("package", rendering.CHART, "--destination", tmp_path)
    (package,) = tmp_path.iterdir()
    assert rendering.helm("template", "x", package) == rendering.helm("template", "x", rendering.CHART)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"priority": "high"}, "priority", id="a word that means nothing"),
        pytest.param({"scheduler": {"replica": 3}}, "replica", id="a key that is not there"),
        pytest.param({"scheduler": {"replicas": 0}}, "replicas", id="none"),
        pytest.param({"image": {"digest": "sha256:abc"}}, "digest", id="no digest"),
        pytest.param({"webhook": {"certificate": "yes"}}, "certificate", id="no certificate"),
    ],
)
def test_a_value_that_would_have_no_effect_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        rendering.chart(values)
    assert words in caught.value.stderr


def test_each_value_has_a_schema_with_words_and_a_place_in_the_documents() -> None:
    schema = json.loads((rendering.CHART / "values.schema.json").read_text())

    def walk(values: dict[str, Any], rules: dict[str, Any], path: str) -> Iterator[str]:
        assert set(values) == set(rules) - {"global"}, path
        for key, value in values.items():
            rule = rules[key]
            rule = schema["definitions"][rule["$ref"].rpartition("/")[2]] if "$ref" in rule else rule
            if "description" not in rule:
                yield from walk(value, rule["properties"], f"{path}{key}.")
            else:
                assert rule["description"].endswith("."), f"{path}{key}"
                yield f"{path}{key}"

    values = yaml.safe_load((rendering.CHART / "values.yaml").read_text())
    told = (rendering.ROOT / "docs" / "install.md").read_text()
    assert [path for path in walk(values, schema["properties"], "") if f"`{path}`" not in told] == []


def test_an_image_is_named_by_digest_where_one_is_given() -> None:
    digest = "sha256:" + "0123456789abcdef" * 4
    objects = rendering.chart(
        {"image": {"repository": "registry.example/dls", "tag": "9", "digest": digest, "pullSecrets": ["registry"]}}
    )
    for kind, name in [*(which[1:] for which in EACH_WORKLOAD), CERTIFICATE]:
        spec = rendering.workload(objects, kind, name)
        assert spec["containers"][0]["image"] == f"registry.example/dls@{digest}"
        assert spec["imagePullSecrets"] == [{"name": "registry"}]


@pytest.mark.parametrize(("component", "kind", "name"), EACH_WORKLOAD)
def test_what_is_said_of_one_part_changes_that_part_only(component: str, kind: str, name: str) -> None:
    values = {
        "args": ["--log-level", "debug"],
        "resources": {"requests": {"cpu": "2"}},
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "tolerations": [{"key": "edge", "operator": "Exists"}],
    }
    plain, objects = rendering.chart(), rendering.chart({component: values})
    before, after = (rendering.workload(which, kind, name) for which in (plain, objects))
    assert after["containers"][0]["args"] == before["containers"][0]["args"] + values["args"]
    assert after["containers"][0]["resources"] == values["resources"]
    assert (after["nodeSelector"], after["tolerations"]) == (values["nodeSelector"], values["tolerations"])
    changed = {key[0::2] for key in plain if plain[key] != objects[key]}
    # whoever makes the webhook's certificate runs where the webhook does
    assert changed == {(kind, name)} | ({CERTIFICATE} if component == "webhook" else set())


def test_keys_of_the_configuration_stand_beside_those_of_the_base(tmp_path: pathlib.Path) -> None:
    objects = rendering.chart({"scheduler": {"config": {"tau": 3, "localBandwidth": 500_000_000}}})
    file = tmp_path / "config.yaml"
    name = "data-locality-scheduler-config"
    file.write_text(objects["ConfigMap", rendering.NAMESPACE, name]["data"]["config.yaml"])
    settings, plain = config.load(file), config.load(manifests.BASE / "scheduler-config.yaml")
    assert (settings.tau_s, settings.network.local.bandwidth_bytes_per_s) == (3, 500_000_000)
    assert (settings.scheduler_name, settings.health_port) == (plain.scheduler_name, plain.health_port)


def test_a_changed_configuration_rolls_the_scheduler() -> None:
    def mounted(*arguments: str) -> set[str]:
        text = rendering.helm("template", "release", rendering.CHART, *arguments)
        objects = [item for item in yaml.safe_load_all(text) if item]
        (spec,) = (
            item["spec"]["template"]["spec"]
            for item in objects
            if (item["kind"], item["metadata"]["name"]) == ("Deployment", "data-locality-scheduler")
        )
        (volume,) = spec["volumes"]
        named = {item["metadata"]["name"] for item in objects if item["kind"] == "ConfigMap"}
        assert volume["configMap"]["name"] in named
        return {volume["configMap"]["name"]}

    assert mounted() == mounted("--set", "webhook.replicas=3")
    assert mounted() != mounted("--set", "scheduler.config.tau=3")


def test_daemons_may_read_the_secrets_of_stores_that_are_named() -> None:
    key = ("Role", rendering.NAMESPACE, "data-locality-daemon-stores")
    (before,), (after,) = (
        rendering.chart({"daemon": {"storeSecrets": names}})[key]["rules"] for names in ([], ["archive"])
    )
    assert after == {**before, "resourceNames": [*before["resourceNames"], "archive"]}


def test_our_pods_may_have_no_priority() -> None:
    objects = rendering.chart({"priority": "none"})
    assert "PriorityClass" not in {key[0] for key in objects}
    for kind, name in [*(which[1:] for which in EACH_WORKLOAD), CERTIFICATE]:
        assert "priorityClassName" not in rendering.workload(objects, kind, name)
