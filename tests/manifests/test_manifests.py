"""The manifests as files: the rights that must be missing, the restrictions that must be there, examples that parse."""

import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from daemon import config as daemon_config
from scheduler import config
from scheduler.api import annotations, names

ROOT = pathlib.Path(__file__).parents[2]
BASE = ROOT / "manifests" / "base"
EXAMPLES = sorted((ROOT / "manifests" / "examples").glob("*.yaml"))
WRITES = {"create", "update", "patch", "delete", "deletecollection", "*"}

Object = dict[str, Any]


def documents(path: pathlib.Path) -> Iterator[Object]:
    yield from yaml.safe_load_all(path.read_text())


def base(kind: str) -> dict[str, Object]:
    objects = (document for path in sorted(BASE.glob("*.yaml")) for document in documents(path))
    return {item["metadata"]["name"]: item for item in objects if item.get("kind") == kind}


def allowed(rules: list[Object], group: str, resource: str) -> set[str]:
    """The verbs that the rules allow on a resource; a rule for some names counts as one for all."""
    return {
        verb
        for rule in rules
        if group in rule["apiGroups"] or "*" in rule["apiGroups"]
        if resource in rule["resources"] or "*" in rule["resources"]
        for verb in rule["verbs"]
    }


def writable(rules: list[Object]) -> set[str]:
    return {
        f"{group}/{resource}"
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if WRITES & set(rule["verbs"])
    }


def test_scheduler_writes_bindings_conditions_and_events_and_nothing_else() -> None:
    rules = base("ClusterRole")["data-locality-scheduler"]["rules"]
    data = f"{names.GROUP}/{names.DATA_OBJECTS}"
    assert writable(rules) == {"/pods/binding", "/pods/status", "events.k8s.io/events", data, f"{data}/status"}
    assert allowed(rules, names.GROUP, names.DATA_OBJECTS) == {"get", "list", "watch", "patch"}
    assert allowed(rules, names.GROUP, f"{names.DATA_OBJECTS}/status") == {"patch"}
    role = base("Role")["data-locality-scheduler"]
    assert role["rules"] == [{"apiGroups": [names.GROUP], "resources": ["dataobjects"], "verbs": ["create", "delete"]}]
    assert allowed(rules, "", "pods") == {"get", "list", "watch"}
    assert allowed(rules, "", "nodes") == {"list", "watch"}
    assert allowed(rules, "", "secrets") == set()
    assert allowed(rules, "", "pods/binding") == {"create"}
    assert allowed(rules, "", "pods/status") == {"patch"}


def test_daemon_writes_custom_resources_events_and_nodes_and_nothing_else() -> None:
    rules = base("ClusterRole")["data-locality-daemon"]["rules"]
    own = {f"{names.GROUP}/{kind}" for kind in (names.DATA_OBJECTS, names.NODE_CAPABILITIES)}
    reviews = {"authentication.k8s.io/tokenreviews"}
    assert writable(rules) == own | {f"{name}/status" for name in own} | {"events.k8s.io/events", "/nodes"} | reviews
    assert allowed(rules, "", "nodes") == {"get", "list", "patch"}, (
        "of these patches, a policy admits its own node's labels"
    )
    assert allowed(rules, "", "secrets") == set(), "only a Role in a namespace may allow that"


def test_daemon_may_get_but_not_list_secrets_and_bundles_where_a_role_allows_it() -> None:
    for role in (base("Role")["data-locality-daemon-stores"], next(documents(BASE / "../examples/store-access.yaml"))):
        assert role["kind"] == "Role"
        assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["get"]}]


def test_no_rule_uses_a_wildcard_and_every_binding_finds_its_role_and_subject() -> None:
    roles = {**base("ClusterRole"), **base("Role")}
    for role in roles.values():
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
    for binding in [*base("ClusterRoleBinding").values(), *base("RoleBinding").values()]:
        assert binding["roleRef"]["name"] in roles
        assert {subject["name"] for subject in binding["subjects"]} <= set(base("ServiceAccount"))


WORKLOADS = [
    pytest.param("Deployment", "data-locality-scheduler", id="scheduler"),
    pytest.param("DaemonSet", "data-locality-daemon", id="daemon"),
]


@pytest.mark.parametrize(("kind", "name"), WORKLOADS)
def test_workload_is_restricted_probed_and_not_scheduled_by_itself(kind: str, name: str) -> None:
    spec = base(kind)[name]["spec"]["template"]["spec"]
    assert spec.get("schedulerName", "default-scheduler") == "default-scheduler"
    assert spec["serviceAccountName"] == name
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert {"requests", "limits"} <= set(container["resources"])
    assert not any("hostPath" in volume or "secret" in volume for volume in spec.get("volumes", []))


def test_no_secret_stands_in_a_manifest() -> None:
    for path in sorted((ROOT / "manifests").rglob("*.yaml")):
        assert not [item for item in documents(path) if item.get("kind") == "Secret"], path


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_pods_name_the_scheduler_and_say_what_they_read(path: pathlib.Path) -> None:
    pods = [item for item in documents(path) if item["kind"] == "Pod"]
    assert all(pod["spec"]["schedulerName"] == names.SCHEDULER_NAME for pod in pods)
    for pod in pods:
        intent, problems = annotations.parse(pod["metadata"]["annotations"])
        assert problems == (), "an example that teaches a mistake"
        assert intent.inputs
        assert not intent.is_plain


def test_base_configuration_holds_nothing_without_an_effect() -> None:
    settings = config.load(BASE / "scheduler-config.yaml")
    assert settings.scheduler_name == names.SCHEDULER_NAME
    assert settings.ignored == ()
    ports = base("Deployment")["data-locality-scheduler"]["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert [port["containerPort"] for port in ports] == [settings.health_port]


def test_the_daemons_configuration_says_nothing_until_its_example_is_uncommented(tmp_path: pathlib.Path) -> None:
    path = BASE / "daemon-config.yaml"
    assert daemon_config.load(str(path)) == daemon_config.Settings()
    example = tmp_path / "config.yaml"
    lines = path.read_text().partition("#\n")[2].splitlines()
    example.write_text("\n".join(line.removeprefix("# ") for line in lines))
    settings = daemon_config.load(str(example))
    assert ([entry.store.name for entry in settings.stores], len(settings.paths)) == (["lake"], 1)
