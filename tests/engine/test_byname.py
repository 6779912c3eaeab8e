"""Engines of several profiles share what they work out, and none decides otherwise than it would alone."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import config, kubeconfiguration
from scheduler.api import core
from scheduler.engine import byname, decide
from scheduler.offline import explain
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
