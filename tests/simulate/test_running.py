"""A scenario and what comes of it: times that can be reckoned by hand."""

from __future__ import annotations

import pytest

from scheduler import simulate
from scheduler.simulate import outcome, scenario
from tests.simulate import worlds
from tests.simulate.worlds import MB

Distance, Kind = outcome.Distance, outcome.Kind


def run(given: scenario.Scenario) -> outcome.Outcome:
    return simulate.run(given, simulate.ours(given, seed=1), arm="ours", seed=1)


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
