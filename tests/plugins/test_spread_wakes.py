"""What may help a pod that PodTopologySpread refused, as kube-scheduler's hints have it."""

from __future__ import annotations

import pytest

from scheduler import config
from scheduler.plugins import events, request
from scheduler.plugins.topology_spread import constraints, requiring
from tests.state import build
from tests.state.build import Object

RULE: Object = {
    "maxSkew": 1,
    "topologyKey": "zone",
    "whenUnsatisfiable": "DoNotSchedule",
    "labelSelector": {"matchLabels": {"app": "x"}},
}


def node(*, taints: tuple[Object, ...] = (), **labels: str) -> Object:
    return build.node("n", labels=labels, taints=taints)


def placed(namespace: str = "default", **labels: str) -> Object:
    return build.pod("old", on="n", namespace=namespace, labels=labels)


def pods(old: Object | None, new: Object | None) -> events.Event:
    return events.AssignedPodChanged(build.as_pod(old) if old else None, build.as_pod(new) if new else None)


def nodes(old: Object | None, new: Object) -> events.Event:
    return events.NodeChanged(build.as_node(old) if old else None, build.as_node(new))


TAINT = {"key": "k", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("event", "helps"),
    [
        pytest.param(pods(placed(app="x"), None), True, id="one that is meant goes"),
        pytest.param(pods(None, placed(app="x")), True, id="one that is meant comes"),
        pytest.param(pods(placed(app="y"), None), False, id="another goes"),
        pytest.param(pods(placed("other", app="x"), None), False, id="one of another namespace goes"),
        pytest.param(pods(placed(app="x"), placed(app="y")), True, id="one is meant no longer"),
        pytest.param(pods(placed(app="x"), placed(app="x", tier="1")), False, id="one is meant as before"),
        pytest.param(nodes(None, node(zone="a")), True, id="a node comes"),
        pytest.param(nodes(None, node(rack="a")), False, id="a node without the label comes"),
        pytest.param(nodes(node(rack="a"), node(zone="a")), True, id="a node gets the label"),
        pytest.param(nodes(node(zone="a"), node(rack="a")), True, id="a node loses it"),
        pytest.param(nodes(node(zone="a"), node(zone="b")), True, id="a node moves"),
        pytest.param(nodes(node(zone="a"), node(zone="a", rack="b")), False, id="a node gets another label"),
        pytest.param(nodes(node(zone="a", taints=(TAINT,)), node(zone="a")), True, id="a taint goes"),
        pytest.param(events.NodeGone(build.as_node(node(zone="a"))), True, id="a node goes"),
        pytest.param(events.NodeGone(build.as_node(node(rack="a"))), False, id="a node without the label goes"),
        pytest.param(events.NamespaceChanged("default", {}, {"a": "b"}), False, id="something else"),
    ],
)
def test_what_may_help_a_refused_pod(event: events.Event, helps: bool) -> None:
    pod = build.as_pod(build.pod(labels={"app": "x"}, topologySpreadConstraints=[RULE]))
    asked = requiring.FILTER.compile(request.prepare(pod), config.Settings())
    assert isinstance(asked, constraints.Asked)
    assert requiring.FILTER.wakes(event, asked) == helps


def test_a_new_toleration_helps_where_taints_decide_what_counts() -> None:
    old, new = (build.as_pod(build.pod(tolerations=given)) for given in ([], [{"key": "k", "operator": "Exists"}]))
    for policy, helps in (("Honor", True), ("Ignore", False)):
        pod = build.as_pod(build.pod(topologySpreadConstraints=[RULE | {"nodeTaintsPolicy": policy}]))
        asked = requiring.FILTER.compile(request.prepare(pod), config.Settings())
        assert isinstance(asked, constraints.Asked)
        assert requiring.FILTER.wakes(events.OwnPodChanged(old, new), asked) == helps
