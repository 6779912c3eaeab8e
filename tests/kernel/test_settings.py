"""Settings that change while a kernel runs: what is decided from then on is decided as if they had always been so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler import config, kubeconfiguration, kubeplugins
from scheduler.api import core, crd
from scheduler.kernel import commands, events, journal, kernel, places, recording, validation
from tests.kernel import running
from tests.kernel.running import capability, node, pod

NAMES = ("zone-a", "zone-b", "edge")
READS = {"data.scheduler.thesis/input-1": "logs/k,1000000000"}
ALONE = dataclasses.replace(running.SETTINGS, batch_window_s=0.0)


def with_plugins(**plugins: Any) -> config.Settings:
    return dataclasses.replace(ALONE, plugins=config.Plugins(**plugins))


def without(name: str) -> tuple[str, ...]:
    return tuple(one for one in kubeplugins.POINTS["filter"] if one != name)


PACKED = with_plugins(fit_strategy="MostAllocated", score_weights={"NodeResourcesFit": 1})
SPREAD = with_plugins(score_weights={"NodeResourcesFit": 1})
LINK = config.Link(bandwidth_bytes_per_s=1_000_000, latency_s=1.0)
# Each differs from the others in something that decisions read.
CHOICES = (
    ALONE,
    PACKED,
    SPREAD,
    dataclasses.replace(ALONE, network=config.Network(same_region=LINK)),
    dataclasses.replace(ALONE, network=config.Network(local=LINK, edge_cloud=LINK)),
    dataclasses.replace(ALONE, tau_s=500.0),
    dataclasses.replace(ALONE, counts_bytes=True),
    dataclasses.replace(ALONE, witness_max_age_s=60.0),
    dataclasses.replace(ALONE, weights=config.Profiles(default=config.Weights(1, 0, 0, 0, 0.001))),
    dataclasses.replace(ALONE, learning=False, lookahead=0.0, contention=False),
    with_plugins(filters=without("NodeUnschedulable")),
)


def object_at(name: str, seen: str) -> crd.DataObject:
    body = {
        "metadata": {"name": "o", "namespace": "default"},
        "spec": {"urn": "logs/k"},
        "status": {"replicas": [{"node": name, "available": True, "lastProbeTime": seen}]},
    }
    return core.convert(body, crd.DataObject, "o")


def seen(settings: config.Settings, now_s: float = 1000.0) -> events.SettingsSeen:
    return events.SettingsSeen(now_s, settings)


def started(settings: config.Settings) -> running.Bare:
    """A kernel with three nodes, data on one of them, and a pod that was decided about."""
    bare = running.Bare(kernel.Kernel(settings, "home", seed=1))
    place = "topology.kubernetes.io/"
    bare.nodes(
        node("zone-a", cpu="4", labels={f"{place}region": "r", f"{place}zone": "a", "node-role": "cloud"}),
        node("zone-b", cpu="8", labels={f"{place}region": "r", f"{place}zone": "b", "node-role": "cloud"}),
        node("edge", cpu="5", labels={f"{place}region": "e", f"{place}zone": "e", "node-role": "edge"}),
    )
    for name in NAMES:
        bare.kernel.handle(events.CapabilitySeen(bare.now_s, capability(name)))
    bare.kernel.handle(events.ObjectSeen(bare.now_s, object_at("zone-a", "1970-01-01T00:10:00Z")))
    bare.seen(pod("resident", cpu="2", node="zone-b"))
    return bare


def decide(bare: running.Bare, name: str, **changes: Any) -> journal.Record:
    """Have a pod decided about, whose data is known."""
    given = bare.pending(pod(name, cpu="500m", **changes)) + bare.step()
    for ask in running.only(commands.AskData, given):
        bare.kernel.handle(events.DataAnswered(bare.now_s, ask.pod.metadata.uid, None))
    bare.later(0.2)
    [(_, record)] = bare.kernel.journal.of(f"default/{name}")
    return record


@pytest.fixture
def bare() -> Iterator[running.Bare]:
    bare = started(ALONE)
    yield bare
    validation.check(bare.kernel)


def test_the_next_pod_goes_where_the_new_settings_send_it(bare: running.Bare) -> None:
    assert decide(bare, "near", annotations=READS).node == "zone-a"
    slow = config.Network(local=LINK)  # as if a node's own store were the slowest
    bare.kernel.handle(seen(dataclasses.replace(ALONE, network=slow), bare.now_s))
    assert decide(bare, "elsewhere", annotations=READS).node == "zone-b"
    bare.kernel.handle(seen(ALONE, bare.now_s))
    assert decide(bare, "near-again", annotations=READS).node == "zone-a"


def decided(bare: running.Bare) -> list[tuple[Any, ...]]:
    """What is decided now about a pod with data and one without."""
    told = [decide(bare, "reader", annotations=READS), decide(bare, "plain")]
    return [
        (one.node, one.cost, one.second_cost, one.terms, one.runner_up, one.refused, one.transfers, one.profile)
        for one in told
    ]


@given(st.sampled_from(CHOICES), st.sampled_from(CHOICES), st.booleans())
def test_decisions_are_as_if_the_settings_had_always_been_so(
    before: config.Settings, after: config.Settings, is_warm: bool
) -> None:
    changed, always = started(before), started(after)
    for each in (changed, always):
        if is_warm:  # rows are there, of what is asked for again
            decide(each, "warm", annotations=READS)
            each.gone("warm")
            decide(each, "warm-too")
            each.gone("warm-too")
    changed.kernel.handle(seen(after, changed.now_s))
    always.kernel.handle(seen(after, always.now_s))
    assert decided(changed) == decided(always)
    for each in (changed, always):
        validation.check(each.kernel)


def test_a_pod_that_fitted_nowhere_is_tried_by_the_new_settings(bare: running.Bare) -> None:
    bare.nodes(*(node(name, spec={"unschedulable": True}) for name in NAMES))
    assert decide(bare, "sleeps").node == ""
    assert bare.place("sleeps") is places.Place.UNSCHEDULABLE
    bare.kernel.handle(seen(with_plugins(filters=without("NodeUnschedulable")), bare.now_s))
    assert running.bound(bare.later(2)).keys() == {"sleeps"}


def test_profiles_are_read_anew(bare: running.Bare) -> None:
    def named(plugins: config.Plugins) -> config.Settings:
        return dataclasses.replace(ALONE, further=(kubeconfiguration.Profile("other", plugins),))

    bare.kernel.handle(seen(named(PACKED.plugins), bare.now_s))
    assert decide(bare, "packed", schedulerName="other").node == "zone-b"
    bare.kernel.handle(seen(named(SPREAD.plugins), bare.now_s))
    assert decide(bare, "spread", schedulerName="other").node == "edge"


def test_fewer_bindings_may_be_under_way_at_once(bare: running.Bare) -> None:
    bare.kernel.handle(seen(dataclasses.replace(ALONE, binds_in_flight=2), bare.now_s))
    bare.pending(*(pod(f"p{number}", cpu="100m") for number in range(5)))
    assert len(running.bound(bare.step())) == 2


def test_back_off_is_the_new_one_from_the_next_attempt_on(bare: running.Bare) -> None:
    bare.kernel.handle(seen(dataclasses.replace(ALONE, backoff_initial_s=50, backoff_max_s=50), bare.now_s))
    assert decide(bare, "big", nodeSelector={"no": "such"}).node == ""
    entry = bare.kernel.queue.get("uid-big")
    assert entry is not None
    assert 49 <= entry.ready_at - bare.now_s <= 51


def test_a_recording_holds_the_change_and_replays() -> None:
    settings = CHOICES[4]
    header = recording.Header(version="1", settings=ALONE, home="home", seed=1)
    lines, subject = [recording.first_line(header)], kernel.Kernel(ALONE, "home", 1)
    after = dataclasses.replace(settings, max_delay_s=3.0)
    reader = core.convert(_body("reader"), core.Pod, "reader")
    inputs: tuple[events.Event, ...] = (
        events.NodeSeen(1.0, node("zone-a")),
        events.NodeSeen(1.0, node("zone-b")),
        events.ObjectSeen(1.0, object_at("zone-a", "1970-01-01T00:10:00Z")),
        seen(after, 2.0),
        events.PendingSeen(3.0, reader),
        events.Turn(3.0, 1000.0, 5),
        events.DataAnswered(3.0, "uid-reader", None),
        events.Turn(4.0, 1001.0, 5),
    )
    for event in inputs:
        followed = recording.perform(subject, event)
        lines.append(recording.line(subject.sequence, event, followed))
    replayed = recording.replay(lines)
    assert replayed.difference is None
    assert replayed.decisions == subject.journal.added == 1
    assert replayed.kernel.settings == after


def _body(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}", "annotations": READS},
        "spec": {"schedulerName": "data-locality-scheduler", "containers": [{"name": "c", "image": "i"}]},
        "status": {"phase": "Pending"},
    }
