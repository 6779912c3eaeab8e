"""What holds of every plugin: its row says of each slot what its cell says, also once pods have come or gone there."""

from __future__ import annotations

from typing import Any

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import config
from scheduler.api import core
from scheduler.plugins import contract, ports, registry, request
from scheduler.state import cluster, demand, snapshot
from tests import exploring
from tests.plugins import worlds
from tests.state import build
from tests.state.build import Object

SETTINGS = (
    config.Settings(),
    config.Settings(
        plugins=config.Plugins(fit_strategy="MostAllocated", balanced_resources=("cpu", "memory", worlds.GPU))
    ),
    config.Settings(
        plugins=config.Plugins(
            fit_strategy="RequestedToCapacityRatio",
            fit_shape=((0, 10), (40, 3), (100, 7)),
            fit_resources=(("cpu", 2), (worlds.GPU, 3)),
        )
    ),
    config.Settings(
        plugins=config.Plugins(
            default_spread=(
                core.TopologySpreadConstraint(max_skew=1, topology_key="zone", when_unsatisfiable="DoNotSchedule"),
                core.TopologySpreadConstraint(max_skew=2, topology_key="zone", when_unsatisfiable="ScheduleAnyway"),
            )
        )
    ),
)

pytestmark = pytest.mark.timeout(600)
many = hypothesis.settings(max_examples=exploring.examples(1000), deadline=None, print_blob=True)


@st.composite
def clusters(draw: st.DrawFn) -> cluster.Cluster:
    made = build.state([], capacity=1)
    for name in worlds.SPACES:
        made.apply_namespace(core.convert(worlds.namespace(name), core.Namespace, "namespace"))
    for name in draw(st.lists(worlds.some(*worlds.NODES), min_size=1, max_size=3, unique=True)):
        made.apply_node(build.as_node(draw(worlds.nodes(name))))
    for number in range(draw(st.integers(0, 2))):
        made.apply_pod(build.as_pod(draw(worlds.pods(f"p{number}", on=draw(worlds.some(*worlds.NODES))))))
    for of, selector in draw(st.lists(worlds.selectors(), max_size=2)):
        made.apply_selector(of, selector)
    if draw(st.booleans()):
        made.remove_node("n0")
    return made


def resolved(plugin: Any, pod: request.PodRequest, settings: config.Settings, view: snapshot.Snapshot) -> Any:
    """What the plugin asks; None where it says nothing of this pod."""
    asked = plugin.compile(pod, settings)
    if isinstance(asked, contract.Refuse) or asked is None:
        return None
    hash(asked)
    return asked if plugin.resolve is None else plugin.resolve(asked, view)


def placed(pod: core.Pod, slot: int) -> snapshot.Placed:
    return snapshot.Placed(pod, "", slot, demand.of(pod), demand.host_ports(pod), assumed=False)


def rows(plugin: Any, asked: Any, view: snapshot.Snapshot) -> list[contract.Refusal | None]:
    verdict = plugin.rows(asked, view)
    if verdict is None:
        return [None] * view.size
    said = zip(verdict.code.tolist(), verdict.reason.tolist(), strict=True)
    return [contract.Refusal(contract.Code(code), verdict.reasons[reason]) if code else None for code, reason in said]


def alike(one: contract.Refusal | None, other: contract.Refusal | None) -> bool:
    """Resources have no order among the reasons."""
    if one is None or other is None:
        return one is other
    return one.code == other.code and sorted(one.reasons) == sorted(other.reasons)


@many
@given(made=clusters(), pod=worlds.pods("new"), settings=st.sampled_from(SETTINGS))
def test_a_row_says_of_each_slot_what_its_cell_says(
    made: cluster.Cluster, pod: Object, settings: config.Settings
) -> None:
    view, ready = made.freeze(), request.prepare(build.as_pod(pod))
    for filtering in registry.FILTERS:
        if (asked := resolved(filtering, ready, settings, view)) is not None:
            row = rows(filtering, asked, view)
            cells = [filtering.cell(asked, view, slot, contract.NOTHING) for slot in range(view.size)]
            assert all(map(alike, row, cells)), (filtering.name, row, cells)
    for scoring in registry.SCORES:
        if (asked := resolved(scoring, ready, settings, view)) is not None:
            values = scoring.raws(asked, view)
            assert values.tolist() == [scoring.raw(asked, view, slot) for slot in range(view.size)], scoring.name
            if scoring.mix is not None:
                measured = scoring.mix.measure(asked, view, view.alive)
                hash(measured)
                mixed = [scoring.mix.one(asked, parts, measured) for parts in values.tolist()]
                values = scoring.mix.all(asked, values, measured)
                assert values.tolist() == mixed, scoring.name
                values = values[values != contract.UNRANKED]
            if not len(values):
                continue
            if scoring.normalise is not None:
                least, most = int(values.min()), int(values.max())
                assert scoring.normalise.all(values, least, most).tolist() == [
                    scoring.normalise.one(value, least, most) for value in values.tolist()
                ]
    for wish in registry.WISHES:
        if (asked := wish.compile(ready, settings)) is not None:
            hash(asked)
            shares = wish.shares(asked, view).tolist()
            assert shares == [wish.share(asked, view, slot) for slot in range(view.size)], wish.name


@many
@given(
    made=clusters(),
    pod=worlds.pods("new"),
    more=st.lists(worlds.pods("more", on="n1"), min_size=1, max_size=1),
    settings=st.sampled_from(SETTINGS),
)
def test_a_cell_with_pods_that_come_or_go_says_what_it_would_say_had_they(
    made: cluster.Cluster, pod: Object, more: list[Object], settings: config.Settings
) -> None:
    made.apply_node(build.as_node(build.node("n1", labels={"zone": "a", "kubernetes.io/hostname": "n1"})))
    ready = request.prepare(build.as_pod(pod))
    guests = [build.as_pod(one | {"metadata": one["metadata"] | {"uid": f"more-{i}"}}) for i, one in enumerate(more)]
    slot = made.freeze().index_of["n1"]
    moved = tuple(placed(guest, slot) for guest in guests)
    before, coming = [], []
    view = made.freeze()
    asked_of = [
        (plugin, asked) for plugin in registry.FILTERS if (asked := resolved(plugin, ready, settings, view)) is not None
    ]
    for plugin, asked in asked_of:
        before.append(plugin.cell(asked, view, slot, contract.NOTHING))
        coming.append(plugin.cell(asked, view, slot, contract.Delta(added=moved)))
    taken = [view.ports.get((port.protocol, port.number), {}).get(port.ip, {}) for port in moved[0].ports]
    shared = any(slot in counts for counts in taken)
    for guest in guests:
        made.apply_pod(guest)
    view = made.freeze()
    for (plugin, _), had, came in zip(asked_of, before, coming, strict=True):
        asked = resolved(plugin, ready, settings, view)  # perhaps those who came have something against the pod
        assert alike(plugin.cell(asked, view, slot, contract.NOTHING), came), plugin.name
        if plugin.eases is not None and plugin.eases(asked) and came is None:
            assert had is None, plugin.name
        # Of two pods that hold the same port, the first that goes leaves it to nobody, as upstream.
        if plugin is not ports.FILTER or not shared:
            assert alike(plugin.cell(asked, view, slot, contract.Delta(removed=moved)), had), plugin.name
