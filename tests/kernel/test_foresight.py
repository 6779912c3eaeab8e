"""What the kernel keeps of pods for those that come after them, and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from scheduler.api import names, verdicts
from scheduler.kernel import commands, events
from tests.kernel import running
from tests.kernel.running import node, pod
from tests.state import build

GATES = [{"name": "later"}]


def run(bare: running.Bare, name: str, seconds: float, **changes: Any) -> None:
    """A pod comes, is bound to a node, and is done after so many seconds."""
    bare.pending(pod(name, **changes))
    bare.step()
    bare.answer(name, verdicts.Verdict.BOUND)
    bare.seen(pod(name, node="n1", **changes))
    bare.kernel.handle(events.PendingGone(bare.now_s, f"uid-{name}"))
    bare.now_s += seconds
    bare.gone(name)


def test_how_long_a_kind_of_pods_works_is_learned_of_those_that_are_done(bare: running.Bare) -> None:
    bare.nodes(node("n1"))
    for number in range(2):
        run(bare, f"step-{number}", 30.0)
    assert bare.kernel.state.durations.learned_s(pod("step-7")) == pytest.approx(30.0)


def test_a_pod_whose_node_is_lost_tells_nothing(bare: running.Bare) -> None:
    bare.nodes(node("n1"))
    bare.seen(pod("step-1", node="n1"), pod("step-2", node="n1"))
    bare.now_s += 3
    bare.nodes(node("n1", status={"conditions": [{"type": "Ready", "status": "Unknown"}]}))
    for number in (1, 2):
        bare.gone(f"step-{number}")
    assert bare.kernel.state.durations.learned_s(pod("step-7")) is None


def test_a_binding_that_fails_is_no_run(bare: running.Bare) -> None:
    bare.nodes(node("n1"))
    bare.pending(pod("step-1"))
    bare.step()
    assert bare.kernel.state.durations.at_work() == ["uid-step-1"]
    bare.answer("step-1", verdicts.Verdict.REFUSED)
    assert bare.kernel.state.durations.at_work() == []


def test_a_gated_pod_is_known_to_read_until_it_is_bound(bare: running.Bare) -> None:
    bare.nodes(node("n1"))
    reads = build.data(inputs=["mid/x,5"])
    producer = pod("producer", annotations=build.data(outputs=["mid/x,5"]))
    bare.pending(pod("consumer", annotations=reads, schedulingGates=[{"name": "later"}]))
    bare.step()
    known = bare.kernel.state.pipelines
    assert [one.pod.metadata.name for one in known.readers_of(producer)] == ["consumer"]
    bare.seen(pod("consumer", annotations=reads, node="n1"))
    assert not list(known.readers_of(producer))


def test_what_was_learned_stands_in_for_what_is_not_declared(bare: running.Bare) -> None:
    bare.nodes(node("n1"), node("n2"))
    bare.kernel.handle(
        events.ObjectSeen(bare.now_s, build.as_data_object(build.data_object("photos/a", at=["n1"], size=1000)))
    )
    reads: dict[str, Any] = {"annotations": build.data(inputs=["photos/a,1000"])}
    for number in range(2):
        bare.pending(pod(f"step-{number}", **reads))
        [asked] = running.only(commands.AskData, bare.step())
        bare.kernel.handle(events.DataAnswered(bare.now_s, asked.pod.metadata.uid, None))
        bare.step()
        bare.answer(f"step-{number}", verdicts.Verdict.BOUND)
        bare.seen(pod(f"step-{number}", node="n1", **reads))
        bare.kernel.handle(events.PendingGone(bare.now_s, f"uid-step-{number}"))
        bare.now_s += 60.0
        bare.gone(f"step-{number}")
    bare.pending(pod("step-9", **reads))
    bare.step()
    bare.kernel.handle(events.DataAnswered(bare.now_s, "uid-step-9", None))
    bare.step()
    profiles = [
        record.profile for name in ("step-0", "step-9") for _, record in bare.kernel.journal.of(f"default/{name}")
    ]
    assert profiles == ["default", "compute-intensive"]


def test_who_writes_for_the_same_reader_goes_to_the_same_place_before_anything_is_written(bare: running.Bare) -> None:
    for number in range(8):
        region = {names.REGION_LABEL: f"region-{number}"}
        bare.nodes(running.node(f"n{number}", labels=region))
    at = [f"n{number}" for number in range(8)]
    bare.kernel.handle(events.ObjectSeen(bare.now_s, build.as_data_object(build.data_object("mid", at=at))))
    outputs = [f"mid/{name}" for name in "abcd"]
    bare.pending(
        pod("reader", annotations=build.data(inputs=[f"{urn},{10**9}" for urn in outputs]), schedulingGates=GATES)
    )
    bare.pending(*(pod(urn[-1], annotations=build.data(outputs=[f"{urn},{10**9}"])) for urn in outputs))
    given = [command for _ in range(12) for command in bare.later(0.01)]
    assert len(running.bound(given)) == 4
    assert len(set(running.bound(given).values())) == 1
    for name in "abcd":
        bare.answer(name, verdicts.Verdict.REFUSED)
    assert bare.kernel.state.pipelines.producers() == []
