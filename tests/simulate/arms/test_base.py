"""What all arms share: who waits, what is taken at once, and what follows of answers."""

from __future__ import annotations

import msgspec
import pytest

from scheduler.api import core, verdicts
from scheduler.kernel import commands, events
from scheduler.simulate import arms, scheduling
from tests.simulate.arms import feeding
from tests.simulate.arms.feeding import pod
from tests.state import build

NODES = [build.node("a", cpu="1"), build.node("b", cpu="1")]
GATED = {"schedulingGates": [{"name": "later"}]}


def subject(nodes: list[feeding.Object] = NODES) -> scheduling.Scheduling:
    made = arms.make("random", feeding.world(nodes), 1)
    for node in nodes:
        made.handle(events.NodeSeen(1.0, build.as_node(node)))
    return made


def pending(made: scheduling.Scheduling, *pods: core.Pod) -> None:
    for one in pods:
        made.handle(events.PendingSeen(1.0, one))


def bound(made: scheduling.Scheduling, budget: int = 100) -> dict[str, str]:
    return {one.name: one.node for one in made.step(1.0, 1.0, budget) if isinstance(one, commands.Bind)}


def test_nothing_is_to_be_done_while_nobody_waits() -> None:
    made = subject()
    assert made.wait_s() is None
    assert not made.step(1.0, 1.0, 10)


def test_a_node_is_taken_at_once_and_who_fits_nowhere_waits_for_an_event() -> None:
    made = subject()
    pending(made, pod("one"), pod("two"), pod("three"))
    assert made.wait_s() == 0
    first = bound(made)
    assert sorted(first.values()) == ["a", "b"]
    assert not bound(made)
    assert made.wait_s() is None
    made.handle(events.PodGone(1.0, "uid-one"))
    assert made.wait_s() == 0
    assert bound(made) == {"three": first["one"]}


def test_a_budget_is_kept_to_and_the_rest_goes_on_with_the_next_step() -> None:
    made = subject()
    pending(made, pod("one"), pod("two"))
    assert list(bound(made, budget=1)) == ["one"]
    assert made.wait_s() == 0
    assert list(bound(made, budget=1)) == ["two"]


def test_a_gated_pod_waits_for_its_gates() -> None:
    made = subject()
    pending(made, pod("one", spec=GATED))
    assert made.wait_s() is None
    pending(made, pod("one"))
    assert list(bound(made)) == ["one"]


@pytest.mark.parametrize("how", ["gone", "listed", "placed"])
def test_who_is_not_pending_any_more_is_not_placed(how: str) -> None:
    made, one = subject(), pod("one")
    pending(made, one)
    if how == "gone":
        made.handle(events.PendingGone(1.0, "uid-one"))
    elif how == "listed":
        made.handle(events.PendingListed(1.0, 1.0, ()))
    else:
        placed = msgspec.structs.replace(one, spec=msgspec.structs.replace(one.spec, node_name="b"))
        made.handle(events.PodSeen(1.0, placed))
    assert not bound(made)


def test_who_is_listed_is_placed() -> None:
    made = subject()
    made.handle(events.PendingListed(1.0, 1.0, (pod("one"),)))
    assert list(bound(made)) == ["one"]


def test_a_binding_that_is_refused_frees_its_node_and_is_tried_again() -> None:
    made = subject(NODES[:1])
    pending(made, pod("one"), pod("two"))
    assert bound(made) == {"one": "a"}
    made.handle(events.BindAnswered(1.0, "uid-one", verdicts.Verdict.REFUSED))
    assert bound(made) == {"two": "a"}  # which was there before it came back
    made.handle(events.PodGone(1.0, "uid-two"))
    assert bound(made) == {"one": "a"}


def test_who_is_gone_when_it_is_bound_does_not_come_back() -> None:
    made = subject(NODES[:1])
    pending(made, pod("one"))
    assert bound(made) == {"one": "a"}
    made.handle(events.BindAnswered(1.0, "uid-one", verdicts.Verdict.GONE))
    assert made.wait_s() is None
    pending(made, pod("two"))
    assert bound(made) == {"two": "a"}


def test_a_pod_seen_pending_late_is_not_bound_twice() -> None:
    made = subject()
    pending(made, pod("one"))
    assert list(bound(made)) == ["one"]
    pending(made, pod("one"))
    assert not bound(made)


def test_what_a_pod_requires_of_a_node_is_kept_to_and_what_it_prefers_is_nothing_to_filters() -> None:
    nodes = [*NODES, build.node("c", cpu="1", can={"gpu-nvidia": "true"})]
    made = subject(nodes)
    pending(made, pod("one", requires_gpu="true", prefer_region="nowhere", inputs=["data/k,5"]))
    assert bound(made) == {"one": "c"}
