"""A scenario and what comes of it: times that can be reckoned by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from scheduler import errors, simulate
from scheduler.kernel import commands, events, validation
from scheduler.simulate import outcome, scenario, scheduling
from tests.simulate import worlds
from tests.simulate.worlds import MB

Distance, Kind = outcome.Distance, outcome.Kind


def run(given: scenario.Scenario) -> outcome.Outcome:
    subject = simulate.ours(given, seed=1)
    found = simulate.run(given, subject, arm="ours", seed=1)
    validation.check(subject)
    return found


def test_a_pod_goes_to_its_data_and_reads_it_at_the_local_rate() -> None:
    given = worlds.world(
        worlds.node("a"),
        worlds.node("b", zone="r2/b"),
        objects=(worlds.data("data/x", "b"),),
        works=(worlds.work("p", reads={"data/x": 100 * MB}, works_s=3.0),),
    )
    found = run(given)
    (pod,) = found.pods
    assert (pod.node, pod.bound_s, pod.began_s, pod.worked_s, pod.done_s) == ("b", 0.0, 0.1, 3.1, 3.1)
    (move,) = found.moves
    assert (move.distance, move.source, move.target, move.size_bytes) == (Distance.LOCAL, "b", "b", 100 * MB)


def test_transfers_at_once_share_the_way_out_of_the_node_that_has_the_data() -> None:
    given = worlds.world(
        worlds.node("a", cpu="1"),
        worlds.node("b", cpu="1"),
        worlds.node("c", cpu="0"),
        objects=(worlds.data("data/x", "c"),),
        works=(worlds.work("p", reads={"data/x": 100 * MB}), worlds.work("q", reads={"data/x": 100 * MB})),
    )
    found = run(given)
    assert {one.node for one in found.pods} == {"a", "b"}
    assert [one.began_s for one in found.pods] == [2.0, 2.0]


def test_an_output_is_read_where_it_was_written() -> None:
    given = worlds.world(
        worlds.node("a", cpu="1"),
        worlds.node("b", zone="r2/b", cpu="1"),
        capabilities=(worlds.store("a", "out"),),
        works=(
            worlds.work("p", writes={"out/y": 50 * MB}, works_s=1.0),
            worlds.work("q", reads={"out/y": 50 * MB}, after=("p",)),
        ),
    )
    found = run(given)
    first, second = found.pods
    assert second.node == "a"
    assert second.released_s == first.done_s
    assert [(one.kind, one.source, one.target) for one in found.moves][-1] == (Kind.INPUT, "a", "a")


def test_who_reads_what_is_still_to_be_written_waits_for_it_on_its_node() -> None:
    given = worlds.world(
        worlds.node("a"),
        capabilities=(worlds.store("a", "out"),),
        works=(
            worlds.work("q", reads={"out/y": 50 * MB}),
            worlds.work("p", writes={"out/y": 50 * MB}, works_s=7.0),
        ),
    )
    reader, writer = run(given).pods
    assert reader.bound_s == 0.0
    assert writer.done_s == pytest.approx(7.05)
    assert reader.began_s == pytest.approx(7.1)


def test_nobody_waits_for_what_it_is_to_write_itself() -> None:
    given = worlds.world(
        worlds.node("a"),
        capabilities=(worlds.store("a", "made"),),
        works=(worlds.work("p", reads={"made/log": 0}, writes={"made/log": 10 * MB}),),
    )
    assert run(given).pods[0].done_s == pytest.approx(0.01)


def test_nobody_waits_for_what_those_are_to_write_that_come_after_it() -> None:
    given = worlds.world(
        worlds.node("a"),
        capabilities=(worlds.store("a", "made"),),
        works=tuple(
            worlds.work(name, reads={"made/x": 0}, writes={"made/x": 100 * MB}, after=after, works_s=1.0)
            for name, after in (("p", ()), ("q", ("p",)), ("r", ("q",)))
        ),
    )
    # Writing takes 0.1 s, and so does reading what is there from then on.
    assert [one.done_s for one in run(given).pods] == [pytest.approx(one) for one in (1.1, 2.3, 3.5)]


def test_a_pod_that_fits_nowhere_waits_until_another_one_is_done() -> None:
    given = worlds.world(
        worlds.node("a", cpu="1"),
        works=(worlds.work("p", works_s=10.0), worlds.work("q", at_s=1.0, works_s=1.0)),
    )
    first, second = run(given).pods
    assert (first.bound_s, first.done_s, second.bound_s, second.done_s) == (0.0, 10.0, 10.0, 11.0)


def test_what_can_never_be_placed_ends_the_run_without_it() -> None:
    given = worlds.world(worlds.node("a", cpu="1"), works=(worlds.work("p", cpu="2"), worlds.work("q", works_s=5.0)))
    found = run(given)
    assert [one.done_s for one in found.pods] == [None, 5.0]
    assert found.ended_s == 5.0


def test_pods_of_a_node_that_is_lost_are_created_anew_and_its_transfers_end() -> None:
    given = worlds.world(
        worlds.node("a", cpu="1"),
        worlds.node("b", cpu="1", zone="r1/b"),
        objects=(worlds.data("data/x", "a"),),
        works=(worlds.work("p", reads={"data/x": 1000 * MB}, works_s=5.0),),
        outages=(scenario.Outage(node="a", begins_s=0.5, ends_s=10.0),),
    )
    found = run(given)
    (pod,) = found.pods
    assert (pod.attempts, pod.node, pod.bound_s) == (2, "b", 0.5)  # where it waits until its data can be had
    assert [(one.source, one.target, one.begun_s, one.ended_s) for one in found.moves] == [
        ("a", "a", 0.0, None),
        ("a", "b", 10.0, 30.0),
    ]
    assert pod.done_s == 35.0


@pytest.mark.parametrize(
    ("outages", "back_s"),
    [
        pytest.param([(0, 10), (5, 20)], 20.0, id="overlapping"),
        pytest.param([(0, 10), (10, 20)], 20.0, id="one after the other"),
        pytest.param([(0, 20), (5, 10)], 20.0, id="one in the other"),
        pytest.param([(0, 10), (0, 10)], 10.0, id="twice the same"),
    ],
)
def test_a_node_is_away_as_long_as_any_outage_of_it_lasts(outages: list[tuple[float, float]], back_s: float) -> None:
    given = worlds.world(
        worlds.node("a"),
        objects=(worlds.data("data/x", "a"),),
        works=(worlds.work("p", reads={"data/x": 1000 * MB}, works_s=30.0, tolerations=[{"operator": "Exists"}]),),
        outages=tuple(scenario.Outage(node="a", begins_s=begins_s, ends_s=ends_s) for begins_s, ends_s in outages),
    )
    (pod,) = run(given).pods
    assert (pod.began_s, pod.done_s) == (back_s + 1.0, back_s + 31.0)


def test_what_takes_until_after_the_last_year_is_simulated_too() -> None:
    given = worlds.world(
        worlds.node("a"),
        capabilities=(worlds.store("a", "made"),),
        works=(worlds.work("p", works_s=1e12, writes={"made/x": MB}), worlds.work("q", reads={"made/x": MB})),
    )
    assert [one.done_s for one in run(given).pods] == [pytest.approx(1e12), pytest.approx(1e12)]


def test_a_transfer_from_a_node_that_is_lost_begins_anew_from_another_copy() -> None:
    given = worlds.world(
        worlds.node("a", cpu="0"),
        worlds.node("b"),
        worlds.node("c", cpu="0", zone="r1/b"),
        objects=(worlds.data("data/x", "a", "c"),),
        works=(worlds.work("p", reads={"data/x": 100 * MB}),),
        outages=(scenario.Outage(node="a", begins_s=0.5),),
    )
    found = run(given)
    assert [(one.source, one.begun_s, one.ended_s) for one in found.moves] == [("a", 0.0, None), ("c", 0.5, 2.5)]
    assert found.pods[0].attempts == 1


def test_an_output_whose_store_is_lost_goes_to_another_one() -> None:
    given = worlds.world(
        worlds.node("a"),
        worlds.node("b", cpu="0"),
        worlds.node("c", cpu="0", zone="r1/b"),
        capabilities=(worlds.store("b", "made"), worlds.store("c", "made")),
        works=(worlds.work("p", writes={"made/y": 100 * MB}),),
        outages=(scenario.Outage(node="b", begins_s=0.5),),
    )
    assert [(one.target, one.ended_s) for one in run(given).moves] == [("b", None), ("c", 2.5)]


def test_an_image_is_pulled_once_for_all_pods_of_a_node_and_counts_as_there_then() -> None:
    given = worlds.world(
        worlds.node("a"),
        images=(scenario.Image(name="big:1", size_bytes=100 * MB, registry="external:r1/x"),),
        works=tuple(worlds.work(f"p{number}", image="big:1", at_s=at_s) for number, at_s in enumerate((0, 1, 5))),
    )
    found = run(given)
    (pull,) = found.moves
    assert (pull.kind, pull.source, pull.distance) == (Kind.IMAGE, "external:r1/x", Distance.SAME_REGION)
    assert [one.began_s for one in found.pods] == [2.0, 2.0, 5.0]


def test_what_a_node_keeps_is_fetched_once() -> None:
    given = worlds.world(
        worlds.node("a"),
        worlds.node("b", cpu="0"),
        objects=(worlds.data("data/x", "b"),),
        works=tuple(worlds.work(f"p{number}", reads={"data/x": 100 * MB}, at_s=number / 2) for number in range(3)),
    )
    # 50 MB alone, 25 beside one other, 25 beside two.
    assert run(given).pods[0].began_s == pytest.approx(1.75)
    kept = run(msgspec.structs.replace(given, keeps_inputs=True))
    assert [one.began_s for one in kept.pods] == [1.0, 1.0, pytest.approx(1.1)]
    assert [(one.source, one.distance) for one in kept.moves] == [("b", Distance.SAME_ZONE), ("a", Distance.LOCAL)]


def test_a_more_urgent_pod_has_another_one_go_which_comes_again() -> None:
    given = worlds.world(
        worlds.node("a", cpu="1"),
        works=(worlds.work("low", works_s=10.0), worlds.work("high", at_s=1.0, works_s=2.0, priority=9)),
    )
    low, high = run(given).pods
    assert (high.bound_s, high.done_s) == (1.0, 3.0)
    assert low.attempts == 2
    assert low.done_s is not None
    assert low.done_s >= 13.0


def test_wishes_that_are_met_are_counted() -> None:
    given = worlds.world(
        worlds.node("a", kind="edge"),
        works=(
            worlds.work("p", annotations={"scheduler.thesis/prefer-edge": "true", "scheduler.thesis/prefer-zone": "b"}),
            worlds.work("q", annotations={"scheduler.thesis/prefer-region": "r1"}),
        ),
    )
    assert [(one.prefers, one.meets) for one in run(given).pods] == [(2, 1), (1, 1)]


def test_zones_share_the_link_between_them_and_interfaces_bound_what_a_node_takes() -> None:
    given = worlds.world(
        worlds.node("a", cpu="1"),
        worlds.node("b", cpu="1"),
        worlds.node("c", cpu="0", zone="r1/b"),
        worlds.node("d", cpu="0", zone="r1/b"),
        capabilities=(worlds.store("a", interfaces=[{"name": "eth0", "speedMbps": 80}]),),
        objects=(worlds.data("data/x", "c"), worlds.data("data/y", "d")),
        works=(worlds.work("p", reads={"data/x": 100 * MB}), worlds.work("q", reads={"data/y": 100 * MB})),
    )
    found = {one.node: one.began_s for one in run(given).pods}
    # 50 MB/s between the zones, of which the way into a takes 10.
    assert found == {"a": pytest.approx(10.0), "b": pytest.approx(2.5)}


def test_how_far_it_is_is_told_on_the_way() -> None:
    given = worlds.world(worlds.node("a", cpu="1"), works=tuple(worlds.work(f"p{n}", works_s=1.0) for n in range(3)))
    told: list[tuple[int, int, float]] = []
    simulate.run(given, simulate.ours(given, 1), arm="ours", seed=1, progress=lambda *far: told.append(far))
    assert told == sorted(told)
    assert [(done, pods) for done, pods, _ in told][-1] == (3, 3)
    assert {0, 1, 2} < {done for done, _, _ in told}


class Careless:
    """Binds whatever it sees to one node, as often as it sees it."""

    def handle(self, event: events.Event) -> Sequence[commands.Command]:
        if not isinstance(event, events.PendingSeen):
            return []
        meta = event.pod.metadata
        return [commands.Bind(meta.uid, meta.namespace, meta.name, "a")]

    def step(self, now_s: float, wall_s: float, budget: int) -> Sequence[commands.Command]:
        return []

    def wait_s(self) -> float | None:
        return None


def test_a_scheduler_that_takes_more_than_there_is_is_found_out() -> None:
    given = worlds.world(worlds.node("a", cpu="1"), works=(worlds.work("p"), worlds.work("q")))
    with pytest.raises(RuntimeError, match="careless binds default/q to a: Insufficient cpu"):
        simulate.run(given, Careless(), arm="careless", seed=0)


class Ahead(Careless):
    """Has the data of a pod that comes later copied to the node where it will bind it."""

    def handle(self, event: events.Event) -> Sequence[commands.Command]:
        if isinstance(event, events.ObjectSeen) and len(event.obj.status.replicas) == 1:
            return [scheduling.Copy("default", event.obj.spec.urn, "a")]
        return super().handle(event)


def test_what_is_copied_in_advance_is_there_when_its_pod_comes() -> None:
    given = worlds.world(
        worlds.node("a"),
        worlds.node("b"),
        objects=(worlds.data("data/x", "b"),),
        works=(worlds.work("p", reads={"data/x": 100 * MB}, at_s=3.0),),
    )
    found = simulate.run(given, Ahead(), arm="ahead", seed=0)
    assert [(one.pod, one.source, one.target) for one in found.moves] == [
        ("default/", "b", "a"),
        ("default/p", "a", "a"),
    ]


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        pytest.param({"works": (worlds.work("p"), worlds.work("p"))}, "pod: .*default/p.*twice", id="twice"),
        pytest.param(
            {"works": (worlds.work("p", after=("q",)),)},
            "default/p: after: .*default/q.*no such pod",
            id="after nobody",
        ),
        pytest.param({"outages": (scenario.Outage(node="z", begins_s=0),)}, "no such node", id="outage of nothing"),
        pytest.param({}, "no pods to come", id="nobody"),
        pytest.param({"works": (worlds.work("p", cpu="much"),)}, r"pod default/p: spec.containers\[0\]", id="cpu"),
        pytest.param(
            {"nodes": (worlds.node("a", status={"allocatable": {"cpu": "much"}}),), "works": (worlds.work("p"),)},
            "node a: status.allocatable",
            id="node",
        ),
        pytest.param({"nodes": (worlds.node("external"),)}, "outside the cluster; name it otherwise", id="external"),
        pytest.param(
            {"works": (worlds.work("p", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]),)},
            "claims of volumes are not simulated",
            id="volume",
        ),
        pytest.param(
            {"images": (scenario.Image(name="i", size_bytes=1, registry="nowhere"),)}, "external:REGION", id="registry"
        ),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_words(parts: dict[str, Any], fault: str) -> None:
    with pytest.raises(errors.InputError, match=fault):
        run(msgspec.structs.replace(worlds.world(worlds.node("a")), **parts))
