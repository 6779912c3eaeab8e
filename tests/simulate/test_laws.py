"""Whatever is simulated: nothing is lost, nothing is counted twice, and the same comes of it again."""

from __future__ import annotations

import collections

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from scheduler import simulate
from scheduler.api import core, crd
from scheduler.kernel import kernel, recording, validation
from scheduler.simulate import outcome, scenario
from tests.simulate import recorder, worlds
from tests.simulate.worlds import MB

NODES = ("n0", "n1", "n2", "n3")
ZONES = {"n0": "r1/a", "n1": "r1/a", "n2": "r1/b", "n3": "r2/c"}
SIZES = st.sampled_from([0, MB, 30 * MB, 200 * MB])
SLOW = hypothesis.settings(max_examples=max(10, hypothesis.settings().max_examples // 4))

FOUND = tuple(f"data/{number}" for number in range(4))
MADE = tuple(f"made/{number}" for number in range(4))


@st.composite
def scenarios(draw: st.DrawFn) -> scenario.Scenario:
    works = []
    for number in range(draw(st.integers(1, 12))):
        # Who reads what a later pod writes would wait for it on its node, and perhaps in its way.
        readable = [*FOUND, *MADE[: number // 3]]
        reads = draw(st.dictionaries(st.sampled_from(readable), SIZES, max_size=3))
        writes = {MADE[number // 3]: draw(SIZES)} if draw(st.booleans()) else {}
        works.append(
            worlds.work(
                f"p{number}",
                reads=reads,
                writes=writes,
                cpu=draw(st.sampled_from(["1", "2"])),
                at_s=draw(st.sampled_from([0.0, 0.0, 1.0, 7.5])),
                after=tuple(
                    f"p{one}" for one in draw(st.sets(st.integers(0, max(number - 1, 0)), max_size=2)) if number
                ),
                works_s=draw(st.sampled_from([0.0, 0.5, 20.0])),
                image=draw(st.sampled_from(["", "big:1"])),
                priority=draw(st.sampled_from([0, 0, 5])),
            )
        )
    outages = draw(
        st.lists(
            st.builds(
                scenario.Outage,
                node=st.sampled_from(NODES[:3]),
                begins_s=st.sampled_from([0.0, 0.3, 2.0, 9.0]),
                ends_s=st.sampled_from([30.0, 50.0]),
            ),
            max_size=2,
            unique_by=lambda one: one.node,
        )
    )
    return worlds.world(
        *(worlds.node(name, zone=zone, cpu="3") for name, zone in ZONES.items()),
        objects=tuple(
            worlds.data(urn, *draw(st.sets(st.sampled_from(NODES), min_size=1, max_size=2))) for urn in FOUND
        ),
        capabilities=(worlds.store("n0", "made"), worlds.store("n3", "made")),
        works=tuple(works),
        outages=tuple(outages),
        images=(
            scenario.Image(name="big:1", size_bytes=50 * MB, registry=draw(st.sampled_from(["n3", "external:r9/z"]))),
        ),
        keeps_inputs=draw(st.booleans()),
        settings=draw(st.sampled_from([worlds.SETTINGS, worlds.TOGETHER])),
    )


def run(given: scenario.Scenario, seed: int = 1) -> outcome.Outcome:
    return simulate.run(given, simulate.ours(given, seed), arm="ours", seed=seed)


@SLOW
@hypothesis.given(scenarios())
def test_each_pod_ends_once_where_there_is_room_for_it(given: scenario.Scenario) -> None:
    found = run(given)
    asked = {one.pod.key: int(one.pod.spec.containers[0].resources.requests["cpu"]) for one in given.works}
    assert [one.pod for one in found.pods] == [one.pod.key for one in given.works]
    taken: collections.Counter[tuple[float, str]] = collections.Counter()
    for pod in found.pods:
        assert pod.released_s is not None
        assert pod.bound_s is not None
        assert pod.began_s is not None
        assert pod.worked_s is not None
        assert pod.done_s is not None
        assert pod.arrived_s <= pod.released_s <= pod.bound_s <= pod.began_s <= pod.worked_s <= pod.done_s
        taken[pod.bound_s, pod.node] += asked[pod.pod]
        taken[pod.done_s, pod.node] -= asked[pod.pod]
    in_use: collections.Counter[str] = collections.Counter()
    for (_, node), change in sorted(taken.items()):
        in_use[node] += change
        assert in_use[node] <= 3
    assert not any(in_use.values())


@SLOW
@hypothesis.given(scenarios())
def test_what_a_pod_declares_is_moved_once_and_whole(given: scenario.Scenario) -> None:
    found = run(given)
    ended = [one for one in found.moves if one.ended_s is not None]
    assert all(one.begun_s <= one.ended_s for one in ended if one.ended_s is not None)
    for work in given.works:
        (pod,) = (one for one in found.pods if one.pod == work.pod.key)
        told = [text.split(",") for key, text in sorted(work.pod.metadata.annotations.items()) if "put-" in key]
        moved = [one for one in ended if one.pod == pod.pod and one.kind is not outcome.Kind.IMAGE]
        for urn, size in told:
            sizes = [one.size_bytes for one in moved if one.urn == urn]
            assert set(sizes) <= {int(size)} or int(size) == 0
            if pod.attempts == 1 and not given.keeps_inputs:
                assert len(sizes) == 1


@SLOW
@hypothesis.given(scenarios(), st.integers(0, 3))
def test_the_same_comes_of_the_same_and_its_recording_replays(given: scenario.Scenario, seed: int) -> None:
    subject = kernel.Kernel(given.settings, "data-locality-scheduler", seed)
    recorded = recorder.Recorded(subject, given, seed)
    found = simulate.run(given, recorded, arm="ours", seed=seed)
    assert run(given, seed) == found
    validation.check(subject)
    replayed = recording.replay(recorded.lines)
    assert replayed.difference is None
    assert replayed.inputs == len(recorded.lines) - 1


LINKS = st.lists(
    st.builds(
        lambda peer, way, rate, latency: {
            "peer": peer,
            "direction": way,
            "bandwidthBytesPerSecond": rate * MB,
            "latencySeconds": latency,
            "confidence": 0.5,
            "lastProbeTime": "2020-02-02T02:02:02Z",
        },
        st.sampled_from([*NODES, "zone:r1/b", "zone:r2/c"]),
        st.sampled_from(["To", "From"]),
        st.sampled_from([1, 20, 700]),
        st.sampled_from([0.0, 0.25]),
    ),
    max_size=3,
)


@SLOW
@hypothesis.given(
    st.fixed_dictionaries(dict.fromkeys(NODES, LINKS)),
    st.sets(st.sampled_from([*NODES, "external:r1/z"]), min_size=1, max_size=3),
    st.sampled_from(NODES),
    st.booleans(),
    SIZES,
)
def test_a_transfer_alone_takes_what_the_decision_reckoned_with(
    links: dict[str, list[dict[str, object]]], holders: set[str], node: str, is_output: bool, size_bytes: int
) -> None:
    wanted = {"data/x": size_bytes}
    copies = [
        {"node": "external", "region": "r1", "zone": "z", "available": True}
        if holder.startswith("external")
        else {"node": holder, "available": True}
        for holder in sorted(holders)
    ]
    bucket = core.convert(
        {"metadata": {"name": "data", "namespace": "default"}, "spec": {"urn": "data"}, "status": {"replicas": copies}},
        crd.DataObject,
        "data",
    )
    given = worlds.world(
        *(worlds.node(name, zone=zone) for name, zone in ZONES.items()),
        capabilities=tuple(worlds.store(name, links=told) for name, told in links.items()),
        objects=(bucket,),
        works=(
            worlds.work(
                "p",
                reads={} if is_output else wanted,
                writes=wanted if is_output else {},
                nodeSelector={"kubernetes.io/hostname": node},
            ),
        ),
    )
    given = msgspec.structs.replace(given, nodes=tuple(labelled(one) for one in given.nodes))
    subject = simulate.ours(given, 1)
    (move,) = simulate.run(given, subject, arm="ours", seed=1).moves
    decided = subject.journal.latest
    assert decided is not None
    (reckoned,) = decided.transfers
    assert reckoned.partner == (move.target if is_output else move.source)
    assert reckoned.size_bytes == move.size_bytes
    assert move.ended_s is not None
    assert move.ended_s - move.begun_s == pytest.approx(reckoned.seconds, rel=1e-6, abs=1e-9)


def labelled(node: core.Node) -> core.Node:
    """With its name as a label, so that a pod can be sent to it."""
    labels = {**node.metadata.labels, "kubernetes.io/hostname": node.metadata.name}
    return msgspec.structs.replace(node, metadata=msgspec.structs.replace(node.metadata, labels=labels))
