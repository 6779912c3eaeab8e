"""The roles hold nothing that is not used, and nothing that is used is missing."""

from typing import Any

from scheduler import config
from scheduler.api import names
from scheduler.live import access
from tests.manifests import test_manifests as manifests
from webhook.cluster import known


def rights(rules: list[dict[str, Any]]) -> set[tuple[str, str, str, str]]:
    """Each right of a role by itself: verb, group, resource, subresource."""
    found = set()
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                kind, _, part = resource.partition("/")
                found |= {(verb, group, kind, part) for verb in rule["verbs"]}
    return found


def test_the_schedulers_role_is_what_it_asks_for_at_the_start_and_upkeep_that_it_can_do_without() -> None:
    upkeep = {("get", ""), ("create", ""), ("patch", ""), ("delete", ""), ("patch", "status")}
    spare = {(verb, names.GROUP, names.DATA_OBJECTS, part) for verb, part in upkeep}
    devices = ("deviceclasses", "resourceslices", "devicetaintrules", "resourceclaims")
    spare |= {(verb, "resource.k8s.io", kind, "") for kind in devices for verb in ("list", "watch")}
    spare |= {
        (verb, "resource.k8s.io", "resourceclaims", "") for verb in ("get", "create", "update", "patch", "delete")
    }
    parts = [(verb, part) for verb in ("update", "patch") for part in ("status", "binding")]
    spare |= {(verb, "resource.k8s.io", "resourceclaims", part) for verb, part in parts}
    others = (("scheduling.k8s.io", "podgroups"), ("policy", "poddisruptionbudgets"))
    spare |= {(verb, group, kind, "") for group, kind in others for verb in ("list", "watch")}
    stored = [("", "persistentvolumeclaims"), ("", "persistentvolumes")]
    kinds = ("storageclasses", "csinodes", "csidrivers", "csistoragecapacities", "volumeattachments")
    stored += [("storage.k8s.io", kind) for kind in kinds]
    spare |= {(verb, group, kind, "") for group, kind in stored for verb in ("list", "watch")}
    spare |= {("patch", group, kind, "") for group, kind in stored[:2]}
    selecting = [("", "services"), ("", "replicationcontrollers"), ("apps", "replicasets"), ("apps", "statefulsets")]
    spare |= {(verb, group, kind, "") for group, kind in selecting for verb in ("list", "watch")}
    spare |= {("create", "authentication.k8s.io", "tokenreviews", "")}
    spare |= {("create", "authorization.k8s.io", "subjectaccessreviews", "")}
    assert rights(manifests.base("ClusterRole")["data-locality-scheduler"]["rules"]) == set(access.NEEDED) | spare
    asked = {
        (right.verb, right.name)
        for right in access.needed(config.LeaderElection(), names.HOME_NAMESPACE)
        if (right.group, right.resource, right.namespace) == (access.LEASES, "leases", names.HOME_NAMESPACE)
    }
    granted = {
        (verb, name)
        for rule in manifests.base("Role")["data-locality-scheduler"]["rules"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }
    assert granted == asked


def test_a_daemons_role_is_what_its_code_asks_for() -> None:
    own = {("list", ""), ("watch", ""), ("create", ""), ("patch", ""), ("patch", "status")}
    used = {(verb, names.GROUP, names.DATA_OBJECTS, part) for verb, part in own}
    used |= {(verb, names.GROUP, names.NODE_CAPABILITIES, part) for verb, part in own | {("get", "")}}
    used |= {(verb, "", "nodes", "") for verb in ("get", "list", "watch", "patch")}
    watched = ("pods", "services", "namespaces")
    used |= {(verb, "", kind, "") for kind in watched for verb in ("list", "watch")}
    used |= {("list", "", "persistentvolumes", "")}
    used |= {(verb, "", "namespaces", "") for verb in ("list", "watch")}
    used |= {(verb, "events.k8s.io", "events", "") for verb in ("create", "patch")}
    assert rights(manifests.base("ClusterRole")["data-locality-daemon"]["rules"]) == used


def test_the_webhooks_roles_are_what_its_code_asks_for() -> None:
    used = {("create", "authentication.k8s.io", "tokenreviews", "")}
    for path in known.PATHS.values():
        *prefix, plural = path.strip("/").split("/")
        group = prefix[1] if prefix[0] == "apis" else ""
        used |= {(verb, group, plural, "") for verb in ("list", "watch")}
    assert rights(manifests.base("ClusterRole")["data-locality-webhook"]["rules"]) == used
    kept = {(verb, "", "configmaps", "") for verb in ("get", "list", "watch", "create", "update", "delete")}
    assert rights(manifests.base("Role")["data-locality-webhook-events"]["rules"]) == kept
