"""The manifests as files: the rights that must be missing, the restrictions that must be there, examples that parse."""

import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from daemon import config as daemon_config
from scheduler import cli, config
from scheduler.api import annotations, names
from webhook.certificates import renewal

ROOT = pathlib.Path(__file__).parents[2]
BASE = ROOT / "manifests" / "base"
OVERLAYS = ROOT / "manifests" / "overlays"
EXAMPLES = sorted((ROOT / "manifests" / "examples").glob("*.yaml"))
WRITES = {"create", "update", "patch", "delete", "deletecollection", "*"}

CERTIFICATE = "data-locality-webhook-certificate"

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


def test_scheduler_writes_bindings_claims_conditions_and_events_deletes_pods_and_nothing_else() -> None:
    rules = base("ClusterRole")["data-locality-scheduler"]["rules"]
    data = f"{names.GROUP}/{names.DATA_OBJECTS}"
    asked = {"authentication.k8s.io/tokenreviews", "authorization.k8s.io/subjectaccessreviews"}
    pods = {"/pods", "/pods/binding", "/pods/status", "events.k8s.io/events"}
    claims = {"/persistentvolumeclaims", "/persistentvolumes"}
    devices = "resource.k8s.io/resourceclaims"
    held = {devices, f"{devices}/status", f"{devices}/binding"}
    assert writable(rules) == {data, f"{data}/status"} | pods | claims | held | asked
    assert all(allowed(rules, "", one.strip("/")) == {"list", "watch", "patch"} for one in claims)
    kept = {"get", "list", "watch", "create", "update", "patch", "delete"}
    assert allowed(rules, "resource.k8s.io", "resourceclaims") == kept
    assert allowed(rules, "resource.k8s.io", "resourceclaims/status") == {"update", "patch"}
    assert allowed(rules, names.GROUP, names.DATA_OBJECTS) == {"get", "list", "watch", "create", "patch", "delete"}
    assert allowed(rules, names.GROUP, f"{names.DATA_OBJECTS}/status") == {"patch"}
    (make, hold) = base("Role")["data-locality-scheduler"]["rules"]
    lease = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    assert make == {**lease, "verbs": ["create"]}, "which RBAC cannot bind to a name"
    name = config.LeaderElection().name
    assert hold == {**lease, "resourceNames": [name], "verbs": ["get", "list", "watch", "patch"]}
    policy = base("ValidatingAdmissionPolicy")["data-locality-scheduler"]
    assert (
        base("ValidatingAdmissionPolicyBinding")["data-locality-scheduler"]["spec"]["policyName"]
        == (policy["metadata"]["name"])
    )
    (rule,) = policy["spec"]["matchConstraints"]["resourceRules"]
    assert (rule["resources"], rule["operations"]) == ([names.DATA_OBJECTS], ["CREATE", "UPDATE", "DELETE"])
    assert allowed(rules, "", "pods") == {"get", "list", "watch", "delete"}
    assert allowed(rules, "policy", "poddisruptionbudgets") == {"list", "watch"}
    assert allowed(rules, "", "nodes") == allowed(rules, "", "namespaces") == {"list", "watch"}
    assert allowed(rules, "", "secrets") == set()
    assert allowed(rules, "", "pods/binding") == {"create"}
    assert allowed(rules, "", "pods/status") == {"patch"}


def test_daemon_writes_custom_resources_events_and_nodes_and_nothing_else() -> None:
    rules = base("ClusterRole")["data-locality-daemon"]["rules"]
    own = {f"{names.GROUP}/{kind}" for kind in (names.DATA_OBJECTS, names.NODE_CAPABILITIES)}
    assert writable(rules) == own | {f"{name}/status" for name in own} | {"events.k8s.io/events", "/nodes"}
    assert allowed(rules, "", "nodes") == {"get", "list", "watch", "patch"}, (
        "of these patches, a policy admits its own node's labels"
    )
    assert allowed(rules, "", "secrets") == set(), "only a Role in a namespace may allow that"


def test_daemons_have_no_address_of_their_own_and_review_no_tokens() -> None:
    assert "data-locality-daemon" not in base("Service")
    rules = [rule for kind in ("ClusterRole", "Role") for name, role in base(kind).items() for rule in role["rules"]
             if name.startswith("data-locality-daemon")]  # fmt: skip
    assert allowed(rules, "authentication.k8s.io", "tokenreviews") == set()


def test_daemon_may_get_but_not_list_secrets_and_bundles_where_a_role_allows_it() -> None:
    role = next(documents(BASE / "../examples/store-access.yaml"))
    assert role["kind"] == "Role"
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": ["get"]}]


def test_in_its_own_namespace_a_daemon_may_get_only_what_is_named() -> None:
    example = next(documents(BASE / "../examples/store-access-home.yaml"))
    for role in (base("Role")["data-locality-daemon-stores"], example):
        (rule,) = role["rules"]
        assert (rule["resources"], rule["verbs"]) == (["secrets", "configmaps"], ["get"])
        assert rule["resourceNames"], "an empty list means all"
        assert not [name for name in rule["resourceNames"] if name.startswith("data-locality")]


def test_the_daemon_may_read_what_the_configurations_example_names() -> None:
    listed = base("Role")["data-locality-daemon-stores"]["rules"][0]["resourceNames"]
    named = re.findall(r"data-locality-scheduler/([a-z-]+)", (BASE / "daemon-config.yaml").read_text())
    assert set(named) == {"lake", "lake-ca"}
    assert set(named) <= set(listed)


def test_webhook_reads_what_pods_inherit_and_writes_configmaps_of_its_namespace_and_nothing_else() -> None:
    rules = base("ClusterRole")["data-locality-webhook"]["rules"]
    assert writable(rules) == {"authentication.k8s.io/tokenreviews"}
    assert all(rule["verbs"] in (["list", "watch"], ["create"]) for rule in rules)
    assert allowed(rules, "", "secrets") == allowed(rules, "", "pods") == allowed(rules, "", "configmaps") == set()
    (rule,) = base("Role")["data-locality-webhook-events"]["rules"]
    assert (rule["apiGroups"], rule["resources"]) == ([""], ["configmaps"])


def test_whoever_keeps_the_certificate_touches_its_two_secrets_and_our_two_configurations() -> None:
    role = base("Role")[CERTIFICATE]["rules"]
    assert [rule["resources"] for rule in role] == [["secrets"], ["secrets"]]
    assert role[0]["resourceNames"] == [renewal.SECRET, renewal.AUTHORITY_SECRET]
    assert "resourceNames" not in role[1]
    assert role[1]["verbs"] == ["create"]
    (rule,) = base("ClusterRole")[CERTIFICATE]["rules"]
    assert rule["resourceNames"] == [renewal.CONFIGURATION]
    assert rule["verbs"] == ["get", "patch"]


def test_no_rule_uses_a_wildcard_and_every_binding_finds_its_role_and_subject() -> None:
    roles = {**base("ClusterRole"), **base("Role")}
    for role in roles.values():
        for rule in role["rules"]:
            assert "*" not in [name for names_ in rule.values() for name in names_]
    for binding in [*base("ClusterRoleBinding").values(), *base("RoleBinding").values()]:
        assert binding["roleRef"]["name"] in roles
        assert {subject["name"] for subject in binding["subjects"]} <= set(base("ServiceAccount"))


WORKLOADS = [
    ("Deployment", "data-locality-scheduler"),
    ("DaemonSet", "data-locality-daemon"),
    ("Deployment", "data-locality-webhook"),
    ("CronJob", CERTIFICATE),
]


def pod_template(kind: str, name: str) -> Object:
    spec = base(kind)[name]["spec"]
    template: Object = spec["jobTemplate"]["spec"]["template"] if kind == "CronJob" else spec["template"]
    return template


@pytest.mark.parametrize(("kind", "name"), WORKLOADS)
def test_workload_is_restricted_probed_and_not_scheduled_by_itself(kind: str, name: str) -> None:
    spec = pod_template(kind, name)["spec"]
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
        if kind != "CronJob":
            assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
            assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert {"requests", "limits"} <= set(container["resources"])
    volumes = spec.get("volumes", [])
    assert not any("hostPath" in volume for volume in volumes)
    secrets = {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}
    expected = {renewal.SECRET, "data-locality-webhook-senders"} if name == "data-locality-webhook" else set()
    assert secrets == expected, "the key of the authority is nobody's to mount"


@pytest.mark.parametrize(("kind", "name"), WORKLOADS)
def test_the_command_line_is_one_that_the_program_takes(monkeypatch: pytest.MonkeyPatch, kind: str, name: str) -> None:
    (container,) = pod_template(kind, name)["spec"]["containers"]
    for variable in container.get("env", []):
        monkeypatch.setenv(variable["name"], "x")
    command, *options = container["args"]
    cli.main.commands[command].make_context(command, options)


def test_nothing_is_installed_that_cannot_be_changed_or_that_goes_by_itself() -> None:
    """A Job would be in the way of the next version, and one that goes when it is done is made again and again."""
    assert base("Job") == {}
    (schedule,) = (item["spec"]["schedule"] for item in base("CronJob").values())
    assert schedule == "*/5 * * * *", "the first certificate is there soon"


@pytest.mark.parametrize(("kind", "name"), WORKLOADS)
def test_our_pods_need_no_priority_of_the_system(kind: str, name: str) -> None:
    (ours,) = base("PriorityClass").values()
    assert pod_template(kind, name)["spec"]["priorityClassName"] == ours["metadata"]["name"]
    assert not ours["metadata"]["name"].startswith("system-")
    assert (ours["value"], ours["globalDefault"]) == (1_000_000_000, False), "the highest that is not the system's"


@pytest.mark.parametrize("name", ["data-locality-scheduler", "data-locality-webhook"])
def test_replicas_stand_apart_and_go_away_only_one_by_one(name: str) -> None:
    deployment, budget = (base(kind)[name]["spec"] for kind in ("Deployment", "PodDisruptionBudget"))
    assert deployment["replicas"] == 2
    spec = deployment["template"]["spec"]
    (apart,) = spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    (spread,) = spec["topologySpreadConstraints"]
    assert apart["podAffinityTerm"]["labelSelector"] == spread["labelSelector"] == deployment["selector"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert (budget["minAvailable"], budget["selector"]) == (1, deployment["selector"])


@pytest.mark.parametrize(
    ("kind", "path"), [("MutatingWebhookConfiguration", "/enrich"), ("ValidatingWebhookConfiguration", "/check")]
)
def test_admission_never_stands_in_the_way(kind: str, path: str) -> None:
    (hook,) = base(kind)[renewal.CONFIGURATION]["webhooks"]
    expected = {"failurePolicy": "Ignore", "timeoutSeconds": 3, "sideEffects": "None", "matchPolicy": "Equivalent"}
    assert {key: hook[key] for key in expected} == expected
    service = base("Service")[renewal.SERVICE]
    assert hook["clientConfig"] == {
        "service": {"name": renewal.SERVICE, "namespace": names.HOME_NAMESPACE, "path": path, "port": 443}
    }
    assert [port["port"] for port in service["spec"]["ports"]] == [443, 8443]


def test_the_webhook_is_not_asked_about_our_own_pods() -> None:
    (hook,) = base("MutatingWebhookConfiguration")[renewal.CONFIGURATION]["webhooks"]
    (spared,) = (
        rule["values"] for rule in hook["objectSelector"]["matchExpressions"] if rule["key"] == "app.kubernetes.io/name"
    )
    ours = {pod_template(*which)["metadata"]["labels"]["app.kubernetes.io/name"] for which in WORKLOADS}
    assert set(spared) == ours


def test_no_secret_stands_in_a_manifest() -> None:
    templates = ROOT / "manifests" / "chart" / "templates"  # what they render to is what the base holds
    for path in sorted(set((ROOT / "manifests").rglob("*.yaml")) - set(templates.iterdir())):
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
    assert not settings.ignored
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
