"""Engines of several profiles share what they work out, and none decides otherwise than it would alone."""

from __future__ import annotations

import json

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import config, kubeconfiguration
from scheduler.api import core
from scheduler.engine import byname, decide
from scheduler.offline import door, explain
from scheduler.plugins import request
from tests import exploring
from tests.plugins import worlds
from tests.state import build
from tests.state.build import Object

pytestmark = pytest.mark.timeout(600)

HARD = core.TopologySpreadConstraint(max_skew=1, topology_key="zone", when_unsatisfiable="DoNotSchedule")
SSD = core.NodeSelectorTerm(match_expressions=(core.Requirement(key="disk", operator="Exists"),))
PROFILES = {
    "packed": config.Plugins(fit_strategy="MostAllocated", score_weights={"NodeResourcesFit": 3}),
    "spread": config.Plugins(default_spread=(HARD,), hard_pod_affinity_weight=50),
    "fast": config.Plugins(added_affinity=core.NodeAffinity(required=core.NodeSelector(node_selector_terms=(SSD,)))),
    "lax": config.Plugins(filters=("NodeName",), prefilters=("NodeName",), preempts=False),
}
SETTINGS = config.Settings(
    further=tuple(kubeconfiguration.Profile(name, plugins) for name, plugins in PROFILES.items())
)


@hypothesis.settings(max_examples=exploring.examples(200), deadline=None, print_blob=True)
@given(
    nodes=st.lists(st.sampled_from(worlds.NODES), min_size=1, max_size=3, unique=True).flatmap(
        lambda names: st.tuples(*map(worlds.nodes, names))
    ),
    pod=worlds.pods("new"),
    turns=st.lists(st.sampled_from(SETTINGS.scheduler_names), min_size=2, max_size=6),
)
def test_a_pod_is_decided_by_its_profile_whatever_the_others_asked_before(
    nodes: tuple[Object, ...], pod: Object, turns: list[str]
) -> None:
    view = build.state(nodes, capacity=1).freeze()
    engines = byname.Engines(SETTINGS)
    for name in turns:
        asked = request.prepare(build.as_pod({**pod, "spec": {**pod["spec"], "schedulerName": name}}))
        found = engines.of(asked.pod).decide(view, asked, 1)
        alone = decide.Engine(SETTINGS.of(name)).decide(view, asked, 1)
        assert explain.answer(found, view) == explain.answer(alone, view)
        assert found.refusers == alone.refusers


UNBOUND: Object = {
    "nodes": [{"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "9"}}}],
    "pod": {
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {
            "containers": [{"name": "c"}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
        },
    },
    "pvcs": [{"metadata": {"name": "c", "namespace": "default"}}],
}
ZONE_FIRST: Object = {"preFilter": {"enabled": [{"name": "VolumeZone"}]}}
ZONE_OFF: Object = {"filter": {"disabled": [{"name": "VolumeZone"}]}}
BY_BINDING = "pod has unbound immediate PersistentVolumeClaims"
BY_ZONE = "PersistentVolumeClaim had no pv name and storageClass name"


@pytest.mark.parametrize(
    ("plugins", "said"),
    [
        pytest.param({}, BY_BINDING, id="upstreams order"),
        pytest.param(ZONE_FIRST, BY_ZONE, id="another"),
        pytest.param(ZONE_FIRST | ZONE_OFF, BY_ZONE, id="of a filter that is off"),
    ],
)
def test_of_what_refuses_the_whole_pod_the_first_by_the_profiles_order_is_told(plugins: Object, said: str) -> None:
    kube = {"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}
    question = UNBOUND | {"config": kube | {"profiles": [{"plugins": plugins}]}}
    answer = json.loads(door.answer_line(json.dumps(question).encode()))
    assert answer["message"].startswith(f"0/1 nodes are available: {said}.")
