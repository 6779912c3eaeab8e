"""The roles hold nothing that is not used, and nothing that is used is missing."""

from typing import Any

from scheduler.loop import access
from tests.manifests import test_manifests as manifests


def rights(rules: list[dict[str, Any]]) -> set[tuple[str, str, str, str]]:
    """Each right of a role by itself: verb, group, resource, subresource."""
    found = set()
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                kind, _, part = resource.partition("/")
                found |= {(verb, group, kind, part) for verb in rule["verbs"]}
    return found


def test_the_schedulers_role_is_what_it_asks_for_at_the_start() -> None:
    assert rights(manifests.base("ClusterRole")["data-locality-scheduler"]["rules"]) == set(access.NEEDED)
