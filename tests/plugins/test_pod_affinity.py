"""Whom a pod that comes to a node makes the rules of pod affinity look at again."""

from __future__ import annotations

import pytest

from scheduler import config
from scheduler.plugins import contract, request
from scheduler.plugins.pod_affinity import preferring
from scheduler.state import cluster
from tests.plugins.worlds import PREFERRED
from tests.state import build
from tests.state.build import Object

ZONES = {"a1": "a", "a2": "a", "b1": "b", "bare": ""}


def wish(app: str, key: str) -> Object:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key}
    return {"podAffinity": {PREFERRED: [{"weight": 1, "podAffinityTerm": term}]}}


def touched(made: cluster.Cluster, pod: Object, newcomer: Object) -> set[str] | None:
    """The nodes that are looked at again for a pod once another has come."""
    asked = preferring.SCORE.compile(request.prepare(build.as_pod(pod)), config.Settings())
    assert isinstance(asked, preferring.Asked)
    assert preferring.SCORE.resolve is not None
    assert preferring.SCORE.touched is not None
    resolved = preferring.SCORE.resolve(asked, made.freeze())
    assert resolved is not None
    assert not isinstance(resolved, contract.Refuse)
    since = made.changes.seq
    made.apply_pod(build.as_pod(newcomer))
    hits = made.changes.since(since)
    assert hits is not None
    view = made.freeze()
    found = preferring.SCORE.touched(resolved, view, hits, since)
    return None if found is None else {view.names[slot] for slot in found}


@pytest.mark.parametrize(
    ("app", "key", "on", "expected"),
    [
        pytest.param("x", "zone", "a1", {"a1", "a2"}, id="one that is meant, for its zone"),
        pytest.param("x", "kubernetes.io/hostname", "a1", {"a1"}, id="one that is meant, for its node"),
        pytest.param("y", "zone", "a1", set(), id="one that no term means, for nobody"),
        pytest.param("x", "zone", "bare", set(), id="one in no zone, for nobody"),
    ],
)
def test_a_pod_is_looked_at_where_it_counts(app: str, key: str, on: str, expected: set[str]) -> None:
    nodes = [
        build.node(name, labels={"kubernetes.io/hostname": name} | ({"zone": zone} if zone else {}))
        for name, zone in ZONES.items()
    ]
    made = build.state(nodes, pods=[build.pod("old", on="b1", labels={"app": "x"})])
    asking = build.pod("new", affinity=wish("x", key))
    assert touched(made, asking, build.pod("newcomer", on=on, labels={"app": app})) == expected
