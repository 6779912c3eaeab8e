"""What the Services and the controller of a pod select together, as kube-scheduler's DefaultSelector has it."""

from __future__ import annotations

import pytest

from scheduler.api import core
from scheduler.state import selecting
from tests.state import build

X = {"app": "x"}
TIER = core.Requirement("tier", "Exists")


def of(kind: str, name: str = "c", namespace: str = "default") -> selecting.Selecting:
    return selecting.Selecting(kind, namespace, name)


def selector(*expressions: core.Requirement, **labels: str) -> core.LabelSelector:
    return core.LabelSelector(labels, expressions)


def meta(kind: str = "", api_version: str = "apps/v1", *, controls: bool = True, **labels: str) -> core.ObjectMeta:
    owner = {"apiVersion": api_version, "kind": kind, "name": "c", "controller": controls}
    made = build.pod(labels=labels)
    made["metadata"]["ownerReferences"] = [owner] if kind else []
    return build.as_pod(made).metadata


def table(**held: core.LabelSelector) -> selecting.SelectorTable:
    """Selectors by kind, `Service_name` for a Service of that name."""
    made = selecting.SelectorTable()
    for name, found in held.items():
        kind, _, named = name.partition("_")
        made.apply(of(kind, named or "c"), found)
    return made


@pytest.mark.parametrize(
    ("held", "pod", "expected"),
    [
        pytest.param({}, meta(app="x"), None, id="nothing"),
        pytest.param({"Service_s": selector(app="x")}, meta(app="x"), selector(app="x"), id="a Service"),
        pytest.param({"Service_s": selector(app="y")}, meta(app="x"), None, id="a Service of other pods"),
        pytest.param({"Service_s": selector()}, meta(app="x"), None, id="a Service that selects by hand"),
        pytest.param(
            {"Service_s": selector(app="x"), "Service_t": selector(tier="1")},
            meta(app="x", tier="1"),
            selector(app="x", tier="1"),
            id="two Services",
        ),
        pytest.param(
            {"Service_s": selector(app="x"), "ReplicaSet": selector(TIER, hash="h")},
            meta("ReplicaSet", app="x"),
            selector(core.Requirement("hash", "In", ("h",)), TIER, app="x"),
            id="a Service and a ReplicaSet",
        ),
        pytest.param(
            {"StatefulSet": selector(TIER)}, meta("StatefulSet", app="x"), selector(TIER), id="a StatefulSet alone"
        ),
        pytest.param(
            {"Service_s": selector(app="x"), "ReplicationController": selector(app="y")},
            meta("ReplicationController", "v1", app="x"),
            selector(app="y"),
            id="a ReplicationController goes before Services",
        ),
        pytest.param(
            {"ReplicaSet": selector(TIER)}, meta("ReplicaSet", "apps/v1beta1", app="x"), None, id="of an old version"
        ),
        pytest.param({"ReplicaSet": selector(TIER)}, meta("ReplicaSet", controls=False), None, id="no controller"),
        pytest.param({"StatefulSet": selector(TIER)}, meta("ReplicaSet", app="x"), None, id="of another kind"),
        pytest.param(
            {"ReplicaSet": selector(core.Requirement("a", "Like"), app="x")}, meta("ReplicaSet"), None, id="unreadable"
        ),
    ],
)
def test_selectors_are_merged(
    held: dict[str, core.LabelSelector], pod: core.ObjectMeta, expected: core.LabelSelector | None
) -> None:
    made = table(**held)
    assert made.of(pod) == expected
    assert made.of(pod) == expected, "asked again"


def test_what_changes_counts_from_then_on_and_what_is_gone_is_forgotten() -> None:
    made = table(Service_s=selector(app="x"))
    pod = meta("ReplicaSet", app="x")
    assert made.of(pod) == selector(app="x")
    assert made.apply(of("ReplicaSet"), selector(TIER))
    assert not made.apply(of("ReplicaSet"), selector(TIER))
    assert made.of(pod) == selector(TIER, app="x")
    assert made.remove(of("Service", "s"))
    assert not made.remove(of("Service", "s"))
    assert made.of(pod) == selector(TIER)
    assert made.remove(of("ReplicaSet"))
    assert made.of(pod) is None
    assert made.held() == {}
