"""The manifests on a real API server: admitted as they are, under the rights and restrictions they state."""

import os
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from localcluster import cluster
from scheduler import errors
from tests.manifests import test_manifests as manifests
from tests.manifests.sending import MERGE, sender
from webhook.certificates import issuing, renewal

pytestmark = pytest.mark.e2e

NAMESPACE = "data-locality-scheduler"
SERVICE = "data-locality-webhook"


@pytest.fixture(scope="module")
def installed(bare_cluster: cluster.Cluster) -> Iterator[cluster.Cluster]:
    """The base, as the README has it applied, and all rights in it."""
    base = bare_cluster.directory / "base.yaml"
    base.write_text(bare_cluster.kubectl("kustomize", str(manifests.BASE)))
    bare_cluster.apply(base)
    yield bare_cluster
    # No webhook runs here, and others who use this cluster need not be asked for it.
    bare_cluster.kubectl("delete", "mutatingwebhookconfiguration,validatingwebhookconfiguration", SERVICE)


@pytest.mark.parametrize(("kind", "name"), manifests.WORKLOADS)
def test_pods_are_admitted_where_restricted_is_enforced(installed: cluster.Cluster, kind: str, name: str) -> None:
    namespace = f"enforced-{kind}-{name}".lower()
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    installed.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace, "labels": labels}})
    template = manifests.pod_template(kind, name)
    account = {"metadata": {"name": template["spec"]["serviceAccountName"]}}
    installed.api.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    pod = {"metadata": {"name": "probe", "labels": template["metadata"]["labels"]}, "spec": template["spec"]}
    path = f"/api/v1/namespaces/{namespace}/pods?dryRun=All&fieldValidation=Strict"
    assert installed.api.request("POST", path, pod)["metadata"]["namespace"] == namespace
    rooted = {"metadata": {"name": "root"}, "spec": {"containers": [{"name": "c", "image": "busybox"}]}}
    with pytest.raises(errors.DeniedError, match="violates PodSecurity"):
        installed.api.request("POST", path, rooted)


def test_workloads_of_earlier_manifests_are_admitted_in_our_namespace(installed: cluster.Cluster) -> None:
    pod = {"metadata": {"name": "store"}, "spec": {"containers": [{"name": "c", "image": "minio/minio"}]}}
    installed.wait_for_account(NAMESPACE)
    installed.api.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", pod)


def may(
    running: cluster.Cluster, account: str, verb: str, group: str, resource: str, namespace: str, name: str
) -> bool:
    """The API server's own answer to whether the account may do that."""
    kind, _, sub = resource.partition("/")
    attributes = {
        "verb": verb,
        "group": group,
        "resource": kind,
        "subresource": sub,
        "namespace": namespace,
        "name": name,
    }
    # the groups that a real token of the account carries; with them come the rights of everybody
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{NAMESPACE}", "system:authenticated"]
    user = f"system:serviceaccount:{NAMESPACE}:{account}"
    review = {"spec": {"user": user, "groups": groups, "resourceAttributes": attributes}}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    return bool(running.api.request("POST", path, review)["status"]["allowed"])


SCHEDULER = "data-locality-scheduler"
DAEMON = "data-locality-daemon"
WEBHOOK = "data-locality-webhook"
KEEPER = "data-locality-webhook-certificate"
ADMISSION = "admissionregistration.k8s.io"
HOOKS = "mutatingwebhookconfigurations"
LEASES = "coordination.k8s.io"
RIGHTS = [
    pytest.param(SCHEDULER, "watch", "", "pods", True, id="scheduler watches pods"),
    pytest.param(SCHEDULER, "watch", "", "nodes", True, id="scheduler watches nodes"),
    pytest.param(SCHEDULER, "watch", "", "namespaces", True, id="scheduler watches namespaces"),
    pytest.param(SCHEDULER, "watch", "scheduler.thesis", "dataobjects", True, id="scheduler watches data objects"),
    pytest.param(SCHEDULER, "create", "", "pods/binding", True, id="scheduler binds"),
    pytest.param(SCHEDULER, "patch", "", "pods/status", True, id="scheduler sets conditions"),
    pytest.param(SCHEDULER, "create", "events.k8s.io", "events", True, id="scheduler writes events"),
    pytest.param(SCHEDULER, "patch", "", "pods", False, id="scheduler does not patch pods"),
    pytest.param(SCHEDULER, "update", "", "pods", False, id="scheduler does not update pods"),
    pytest.param(SCHEDULER, "delete", "", "pods", True, id="scheduler deletes pods to make room"),
    pytest.param(SCHEDULER, "deletecollection", "", "pods", False, id="scheduler deletes no pods wholesale"),
    pytest.param(SCHEDULER, "watch", "policy", "poddisruptionbudgets", True, id="scheduler watches budgets"),
    pytest.param(SCHEDULER, "create", "", "pods", False, id="scheduler does not create pods"),
    pytest.param(SCHEDULER, "patch", "", "nodes", False, id="scheduler does not patch nodes"),
    pytest.param(SCHEDULER, "get", "", "secrets", False, id="scheduler reads no secret"),
    pytest.param(SCHEDULER, "patch", "scheduler.thesis", "dataobjects/status", True, id="scheduler expects outputs"),
    pytest.param(SCHEDULER, "patch", "scheduler.thesis", "dataobjects", True, id="scheduler labels data objects"),
    pytest.param(SCHEDULER, "create", "scheduler.thesis", "dataobjects", True, id="and makes those of keys"),
    pytest.param(SCHEDULER, "delete", "scheduler.thesis", "dataobjects", True, id="and deletes what it made"),
    pytest.param(SCHEDULER, "patch", "scheduler.thesis", "nodecapabilities", False, id="nor describes nodes"),
    pytest.param(DAEMON, "patch", "scheduler.thesis", "dataobjects/status", True, id="daemon writes status"),
    pytest.param(DAEMON, "create", "scheduler.thesis", "nodecapabilities", True, id="daemon describes its node"),
    pytest.param(DAEMON, "list", "", "services", True, id="daemon finds stores"),
    pytest.param(DAEMON, "get", "", "secrets", False, id="daemon reads no secret elsewhere"),
    pytest.param(DAEMON, "patch", "", "nodes", True, id="daemon labels its node"),
    pytest.param(DAEMON, "patch", "", "nodes/status", False, id="daemon writes no node's status"),
    pytest.param(DAEMON, "update", "", "nodes", False, id="daemon does not replace nodes"),
    pytest.param(DAEMON, "delete", "", "nodes", False, id="daemon deletes no node"),
    pytest.param(DAEMON, "delete", "scheduler.thesis", "nodecapabilities", False, id="daemon deletes no description"),
    pytest.param(DAEMON, "create", "", "pods/binding", False, id="daemon does not bind"),
    *(
        pytest.param(WEBHOOK, "watch", group, resource, True, id=f"webhook watches {resource}.{group}")
        for group, resource in [
            ("", "namespaces"),
            ("apps", "deployments"),
            ("apps", "statefulsets"),
            ("batch", "jobs"),
            ("batch", "cronjobs"),
            ("serving.knative.dev", "services"),
            ("scheduler.thesis", "dataobjects"),
        ]
    ),
    pytest.param(WEBHOOK, "create", "authentication.k8s.io", "tokenreviews", True, id="webhook asks who sends"),
    pytest.param(WEBHOOK, "get", "", "secrets", False, id="webhook reads no secret"),
    pytest.param(WEBHOOK, "list", "", "pods", False, id="webhook reads no pods"),
    pytest.param(WEBHOOK, "patch", "", "pods", False, id="webhook writes no pods"),
    pytest.param(WEBHOOK, "create", "", "pods", False, id="webhook creates no pods"),
    pytest.param(WEBHOOK, "list", "", "configmaps", False, id="webhook reads no configmaps elsewhere"),
    pytest.param(WEBHOOK, "create", "", "configmaps", False, id="webhook keeps nothing elsewhere"),
    pytest.param(WEBHOOK, "patch", "scheduler.thesis", "dataobjects", False, id="webhook writes no data objects"),
    pytest.param(WEBHOOK, "patch", ADMISSION, HOOKS, False, id="webhook does not say what it is asked"),
    pytest.param(KEEPER, "get", "", "secrets", False, id="certificate's keeper reads no secret elsewhere"),
    pytest.param(KEEPER, "patch", ADMISSION, HOOKS, False, id="nor changes webhooks of others"),
    pytest.param(KEEPER, "list", ADMISSION, HOOKS, False, id="nor looks for them"),
]


@pytest.mark.parametrize(("account", "verb", "group", "resource", "expected"), RIGHTS)
def test_rights_are_what_the_roles_promise(
    installed: cluster.Cluster, account: str, verb: str, group: str, resource: str, expected: bool
) -> None:
    assert may(installed, account, verb, group, resource, "default", "x") is expected


IN_OUR_NAMESPACE = [
    pytest.param(SCHEDULER, "patch", LEASES, "leases", NAMESPACE, True, id="scheduler holds its lease"),
    pytest.param(SCHEDULER, "watch", LEASES, "leases", NAMESPACE, True, id="scheduler follows its lease"),
    pytest.param(SCHEDULER, "delete", LEASES, "leases", NAMESPACE, False, id="scheduler deletes no lease"),
    pytest.param(SCHEDULER, "patch", LEASES, "leases", "other", False, id="scheduler holds no other lease"),
    pytest.param(WEBHOOK, "update", "", "configmaps", "data-x", True, id="webhook keeps what events said"),
    pytest.param(WEBHOOK, "get", "", "secrets", "data-locality-webhook-tls", False, id="webhook reads no secret"),
    pytest.param(KEEPER, "update", "", "secrets", "data-locality-webhook-tls", True, id="keeper writes certificate"),
    pytest.param(KEEPER, "get", "", "secrets", "data-locality-webhook-authority", True, id="keeper reads authority"),
    pytest.param(KEEPER, "get", "", "secrets", "minio", False, id="keeper reads no other secret"),
    pytest.param(KEEPER, "patch", ADMISSION, HOOKS, SERVICE, True, id="keeper tells whom to trust"),
    pytest.param(KEEPER, "delete", ADMISSION, HOOKS, SERVICE, False, id="keeper deletes no webhook"),
]


@pytest.mark.parametrize(("account", "verb", "group", "resource", "name", "expected"), IN_OUR_NAMESPACE)
def test_rights_in_our_own_namespace(
    installed: cluster.Cluster, account: str, verb: str, group: str, resource: str, name: str, expected: bool
) -> None:
    assert may(installed, account, verb, group, resource, NAMESPACE, name) is expected


def test_daemon_reads_secrets_only_where_allowed(bare_cluster: cluster.Cluster, installed: cluster.Cluster) -> None:
    def answers() -> tuple[bool, ...]:
        return tuple(
            may(installed, DAEMON, verb, "", "secrets", namespace, "minio")
            for namespace, verb in [(NAMESPACE, "get"), (NAMESPACE, "list"), ("storage", "get"), ("storage", "list")]
        )

    assert answers() == (True, False, False, False)
    bare_cluster.apply(manifests.ROOT / "manifests/examples/store-access.yaml")
    assert answers() == (True, False, True, False)


SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
CONFIG_MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
KEPT = [
    f"{SECRETS}/{renewal.SECRET}",
    f"{SECRETS}/{renewal.AUTHORITY_SECRET}",
    f"{SECRETS}/data-locality-webhook-senders",
    f"{SECRETS}/anything-else",
    f"{CONFIG_MAPS}/what-events-said",
]


def test_a_daemons_token_reads_its_stores_secrets_and_none_of_the_webhooks(installed: cluster.Cluster) -> None:
    """With the token itself, not by asking what it may: the keys are there, and it does not get them."""
    installed.wait_for_account(NAMESPACE)
    readable = [f"{SECRETS}/minio", f"{CONFIG_MAPS}/minio-ca"]
    for path in (*KEPT, *readable):
        collection, _, name = path.rpartition("/")
        body = {"metadata": {"name": name}, "data": {"key": "c2VjcmV0"}}
        installed.api.request("POST", collection, body)
    send = sender(installed.service_account_kubeconfig(NAMESPACE, DAEMON))
    assert [send("GET", path)[0] for path in readable] == [200, 200]
    assert {path: send("GET", path)[0] for path in KEPT} == dict.fromkeys(KEPT, 403)
    for path in (SECRETS, CONFIG_MAPS, "/api/v1/secrets", "/api/v1/configmaps"):
        assert send("GET", path)[0] == 403, f"{path} may be listed"
        assert send("GET", f"{path}?watch=true")[0] == 403, f"{path} may be watched"
    one = f"{SECRETS}?fieldSelector=metadata.name%3D{renewal.AUTHORITY_SECRET}"
    assert send("GET", one)[0] == 403
    for path in readable:
        assert send("DELETE", path)[0] == send("PATCH", path, {"data": {}}, MERGE)[0] == 403


# Those for Knative are accepted by Knative, see test_examples.py.
OF_KUBERNETES = [path for path in manifests.EXAMPLES if not path.stem.startswith("knative-")]


@pytest.mark.parametrize("path", OF_KUBERNETES, ids=lambda path: path.stem)
def test_example_is_accepted_to_the_letter(bare_cluster: cluster.Cluster, path: Any) -> None:
    accepted = bare_cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-o", "name", "-f", str(path))
    assert len(accepted.split()) == len(list(manifests.documents(path)))


def test_kind_overlay_uses_the_image_that_was_built_here(bare_cluster: cluster.Cluster) -> None:
    rendered = bare_cluster.kubectl("kustomize", str(manifests.ROOT / "manifests/overlays/kind"))
    items = list(yaml.safe_load_all(rendered))
    specs = [item["spec"] for item in items if item["kind"] in {"Deployment", "DaemonSet"}]
    specs += [item["spec"]["jobTemplate"]["spec"] for item in items if item["kind"] == "CronJob"]
    containers = [container for spec in specs for container in spec["template"]["spec"]["containers"]]
    assert {(item["image"], item["imagePullPolicy"]) for item in containers} == {
        ("data-locality-scheduler:dev", "Never")
    }
    assert len(containers) == 4


def test_kind_overlay_runs_one_of_each_that_may_be_evicted(bare_cluster: cluster.Cluster) -> None:
    rendered = bare_cluster.kubectl("kustomize", str(manifests.ROOT / "manifests/overlays/kind"))
    items = list(yaml.safe_load_all(rendered))
    replicas = {item["metadata"]["name"]: item["spec"]["replicas"] for item in items if item["kind"] == "Deployment"}
    assert replicas == {SERVICE: 1, "data-locality-scheduler": 1}
    assert "PodDisruptionBudget" not in {item["kind"] for item in items}


def test_with_cert_manager_nobody_of_ours_writes_certificates(bare_cluster: cluster.Cluster) -> None:
    rendered = bare_cluster.kubectl("kustomize", str(manifests.ROOT / "manifests/overlays/cert-manager"))
    items = list(yaml.safe_load_all(rendered))
    assert KEEPER not in {item["metadata"]["name"] for item in items}
    assert not [item for item in items if item["kind"] == "CronJob"]
    (certificate,) = (item for item in items if item["kind"] == "Certificate" and item["metadata"]["name"] == SERVICE)
    assert certificate["spec"]["secretName"] == renewal.SECRET
    assert certificate["spec"]["dnsNames"] == list(issuing.host_names(SERVICE, NAMESPACE))
    for hook in (item for item in items if item["kind"].endswith("WebhookConfiguration")):
        assert hook["metadata"]["annotations"] == {"cert-manager.io/inject-ca-from": f"{NAMESPACE}/{SERVICE}"}


def rendered(running: cluster.Cluster, folder: pathlib.Path, kustomization: str) -> list[dict[str, Any]]:
    """What somebody's own overlay of an overlay comes to, as kubectl renders it."""
    (folder / "kustomization.yaml").write_text(kustomization)
    return list(yaml.safe_load_all(running.kubectl("kustomize", str(folder))))


@pytest.mark.parametrize("overlay", ["base", *sorted(f"overlays/{path.name}" for path in manifests.OVERLAYS.iterdir())])
def test_in_another_namespace_everything_refers_to_that_namespace(
    bare_cluster: cluster.Cluster, tmp_path: pathlib.Path, overlay: str
) -> None:
    path = os.path.relpath(manifests.ROOT / "manifests" / overlay, tmp_path)
    items = rendered(bare_cluster, tmp_path, f"namespace: elsewhere\nresources: [{path}]\n")
    named = {item["metadata"]["namespace"] for item in items if "namespace" in item["metadata"]}
    assert named == {"elsewhere"}
    assert [item["metadata"]["name"] for item in items if item["kind"] == "Namespace"] == ["elsewhere"]
    for item in items:
        assert {subject["namespace"] for subject in item.get("subjects", ()) if "namespace" in subject} <= {"elsewhere"}
        for hook in item.get("webhooks", ()):
            assert hook["clientConfig"]["service"]["namespace"] == "elsewhere"
        if item["kind"] == "Certificate" and item["metadata"]["name"] == SERVICE:
            assert item["spec"]["dnsNames"] == list(issuing.host_names(SERVICE, "elsewhere"))
        injected = item["metadata"].get("annotations", {}).get("cert-manager.io/inject-ca-from", "elsewhere/")
        assert injected.startswith("elsewhere/")
    assert "$(" not in yaml.safe_dump_all(items)


def test_system_priority_is_an_overlay(bare_cluster: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    path = os.path.relpath(manifests.ROOT / "manifests/overlays/system-priority", tmp_path)
    items = rendered(bare_cluster, tmp_path, f"resources: [{path}]\n")
    assert "PriorityClass" not in {item["kind"] for item in items}
    text = yaml.safe_dump_all(items)
    assert "priorityClassName: data-locality\n" not in text
    assert text.count("priorityClassName: system-") == len(manifests.WORKLOADS)


def test_the_earlier_configmap_is_kept_and_read(bare_cluster: cluster.Cluster, tmp_path: pathlib.Path) -> None:
    """docs/migrating.md, step 2: the earlier implementation's own, as it lies there, under the file's name of then."""
    path = os.path.relpath(manifests.ROOT / "manifests/overlays/earlier-config", tmp_path)
    items = rendered(bare_cluster, tmp_path, f"resources: [{path}]\n")
    name = "data-locality-scheduler-config"
    assert not [item for item in items if item["kind"] == "ConfigMap" and item["metadata"]["name"].startswith(name)]
    (spec,) = (item["spec"]["template"]["spec"] for item in items
               if (item["kind"], item["metadata"]["name"]) == ("Deployment", "data-locality-scheduler"))  # fmt: skip
    (volume,) = (volume["configMap"] for volume in spec["volumes"] if "configMap" in volume)
    assert volume == {"name": name, "items": [{"key": "scheduler-config.yaml", "path": "config.yaml"}]}
    (container,) = spec["containers"]
    assert f"{container['volumeMounts'][0]['mountPath']}/config.yaml" in container["args"]


def test_what_is_applied_again_by_hand_or_by_gitops_is_taken_with_another_image_too(
    installed: cluster.Cluster, tmp_path: pathlib.Path
) -> None:
    path = os.path.relpath(manifests.BASE, tmp_path)
    for tag in ("0.2.0", "0.2.0", "0.3.0"):
        images = f"images: [{{name: data-locality-scheduler, newTag: {tag}}}]\n"
        items = rendered(installed, tmp_path, f"resources: [{path}]\n{images}")
        everything = tmp_path / "everything.yaml"
        everything.write_text(yaml.safe_dump_all(items))
        installed.apply(everything)
        installed.kubectl("apply", "--dry-run=server", "--server-side", "--force-conflicts", "-f", str(everything))


def test_with_host_facts_a_daemon_reads_the_nodes_files_and_still_changes_nothing(
    bare_cluster: cluster.Cluster,
) -> None:
    rendered = bare_cluster.kubectl("kustomize", str(manifests.ROOT / "manifests/overlays/host-facts"))
    (daemons,) = (item for item in yaml.safe_load_all(rendered) if item["kind"] == "DaemonSet")
    spec = daemons["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (mount,) = (mount for mount in container["volumeMounts"] if mount["name"] == "host")
    assert {"name": "HOST_ROOT", "value": mount["mountPath"]} in container["env"]
    assert mount["readOnly"] is True
    assert [volume["hostPath"] for volume in spec["volumes"] if "hostPath" in volume] == [
        {"path": "/", "type": "Directory"}
    ]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    bare_cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=rendered)


def test_a_changed_configuration_rolls_the_scheduler(bare_cluster: cluster.Cluster) -> None:
    rendered = list(yaml.safe_load_all(bare_cluster.kubectl("kustomize", str(manifests.BASE))))
    found = [item["metadata"]["name"] for item in rendered if item["kind"] == "ConfigMap"]
    assert "data-locality-daemon-config" in found, "the daemons follow theirs without a restart"
    (config,) = (name for name in found if name != "data-locality-daemon-config")
    (deployment,) = (item for item in rendered if (item["kind"], item["metadata"]["name"]) == ("Deployment", SCHEDULER))
    assert config.startswith("data-locality-scheduler-config-"), "no hash of the contents in the name"
    (volume,) = deployment["spec"]["template"]["spec"]["volumes"]
    assert volume["configMap"]["name"] == config
