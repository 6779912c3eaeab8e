"""An engine that keeps what it worked out decides, at every step of a cluster's life, as one that was never used."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import config
from scheduler.api import core
from scheduler.engine import decide
from scheduler.offline import explain
from scheduler.plugins import request
from scheduler.state import cluster
from tests import exploring
from tests.plugins import worlds
from tests.state import build
from tests.state.build import Object

PODS = [f"p{number}" for number in range(4)]
WATCHED = 2  # pods that are decided again after every event

pytestmark = pytest.mark.timeout(600)

Event = Callable[[cluster.Cluster], object]


@st.composite
def events(draw: st.DrawFn) -> Event:
    name = draw(worlds.some(*worlds.NODES))
    match draw(st.integers(0, 9)):
        case 0 | 1 | 2:
            node = build.as_node(draw(worlds.nodes(name)))
            return lambda made: made.apply_node(node)
        case 3:
            return lambda made: made.remove_node(name)
        case 4 | 5 | 6:
            pod = build.as_pod(draw(worlds.pods(draw(worlds.some(*PODS)), on=name)))
            return lambda made: made.apply_pod(pod)
        case 7:
            uid = f"uid-{draw(worlds.some(*PODS))}"
            return lambda made: made.remove_pod(uid)
        case 8:
            nominee: Object = draw(worlds.pods("nominee"))
            nominee["spec"].pop("nodeName", None)
            nominee["status"] = {"nominatedNodeName": name}
            waiting = build.as_pod(nominee)
            return lambda made: made.apply_pod(waiting)
        case _:
            return draw(others(name))


@st.composite
def others(draw: st.DrawFn, name: str) -> Event:
    match draw(st.integers(0, 3)):
        case 0:
            obj = build.as_data_object(draw(worlds.objects()))
            return lambda made: made.apply_data_object(obj)
        case 1:
            stores = [build.store("logs", available=draw(st.booleans()))]
            made_of = build.capability(name, found=draw(st.sampled_from([{}, {"tpu": "v2"}])), stores=stores)
            capability = build.as_capability(made_of)
            return lambda made: made.apply_capability(capability)
        case 2:
            of, selector = draw(worlds.selectors())
            if draw(st.booleans()):
                return lambda made: made.apply_selector(of, selector)
            return lambda made: made.remove_selector(of)
        case _:
            labels: Object = {"metadata": {"name": "other", "labels": {"team": draw(worlds.some("a", "b"))}}}
            namespace = core.convert(labels, core.Namespace, "namespace")
            return lambda made: made.apply_namespace(namespace)


@hypothesis.settings(max_examples=exploring.examples(1000), deadline=None, print_blob=True)
@given(
    nodes=st.lists(st.sampled_from(worlds.NODES), min_size=1, max_size=3, unique=True).flatmap(
        lambda names: st.tuples(*map(worlds.nodes, names))
    ),
    pods=st.tuples(*(worlds.pods(f"new-{number}") for number in range(WATCHED))),
    history=st.lists(events(), max_size=6),
    takes=st.lists(st.integers(0, WATCHED - 1), max_size=6),
)
def test_what_is_kept_changes_no_decision(
    nodes: tuple[Object, ...], pods: tuple[Object, ...], history: list[Event], takes: list[int]
) -> None:
    made = build.state(nodes, capacity=1)
    settings = config.Settings()
    kept = decide.Engine(settings)
    asked = [request.prepare(build.as_pod(pod)) for pod in pods]
    for step, event in enumerate((lambda _: None, *history)):
        event(made)
        for number, one in enumerate(asked):
            view = made.freeze()
            found, fresh = (engine.decide(view, one, step) for engine in (kept, decide.Engine(settings)))
            assert found.node == fresh.node
            assert found.full_message == fresh.full_message
            assert found.refusers == fresh.refusers
            assert found.deciding == fresh.deciding
            assert explain.answer(found, view) == explain.answer(fresh, view)
            is_taken = made.is_placed(one.pod.metadata.uid)
            if found.node and not is_taken and step < len(takes) and takes[step] == number:
                made.assume(one.pod, found.node)
