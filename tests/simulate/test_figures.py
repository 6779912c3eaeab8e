"""Figures of outcomes that are small enough to be reckoned by hand."""

from __future__ import annotations

import pytest

from scheduler.simulate import figures, outcome

Distance, Kind = outcome.Distance, outcome.Kind


def moved(
    pod: str,
    size_bytes: int,
    distance: outcome.Distance,
    *,
    kind: outcome.Kind = Kind.INPUT,
    seconds: float | None = 1.0,
) -> outcome.Moved:
    return outcome.Moved(
        pod=pod,
        urn="bucket/key",
        kind=kind,
        source="a",
        target="b",
        distance=distance,
        size_bytes=size_bytes,
        begun_s=10.0,
        ended_s=None if seconds is None else 10.0 + seconds,
    )


def run(*moves: outcome.Moved, pods: tuple[outcome.Ran, ...] = ()) -> figures.Figures:
    return figures.of(outcome.Outcome(scenario="s", arm="a", seed=1, ended_s=99.0, pods=pods, moves=moves))


def test_bytes_count_by_how_far_they_went_and_images_apart() -> None:
    found = run(
        moved("p", 100, Distance.LOCAL),
        moved("p", 30, Distance.CROSS_REGION, kind=Kind.OUTPUT),
        moved("p", 7, Distance.EDGE_CLOUD),
        moved("q", 5, Distance.SAME_ZONE),
        moved("q", 1000, Distance.CROSS_REGION, kind=Kind.IMAGE, seconds=20.0),
    )
    assert found.bytes_by_distance == {
        Distance.LOCAL: 100,
        Distance.SAME_ZONE: 5,
        Distance.SAME_REGION: 0,
        Distance.CROSS_REGION: 30,
        Distance.EDGE_CLOUD: 7,
    }
    assert (found.data_bytes, found.moved_bytes, found.cross_region_bytes) == (142, 42, 37)
    assert (found.accesses, found.local_accesses, found.transfer_s) == (4, 1, 4.0)
    assert (found.image_bytes, found.image_s) == (1000, 20.0)


def test_each_pod_counts_alike_for_the_local_share_however_much_it_moves() -> None:
    found = run(
        moved("p", 1, Distance.LOCAL),
        moved("q", 250, Distance.LOCAL),
        moved("q", 750, Distance.SAME_ZONE),
        moved("r", 0, Distance.SAME_ZONE),
    )
    assert found.mean_local_share == pytest.approx((1 + 0.25) / 2)


def test_what_was_cut_off_moved_nothing() -> None:
    found = run(moved("p", 100, Distance.SAME_ZONE, seconds=None))
    assert (found.cut, found.moved_bytes, found.accesses, found.transfer_s) == (1, 0, 0, 0.0)


def test_pods_wait_from_when_they_could_have_been_placed() -> None:
    first = outcome.Ran(
        pod="n/p", arrived_s=1.0, released_s=1.0, bound_s=2.0, node="a", done_s=10.0, attempts=1, prefers=2, meets=1
    )
    second = outcome.Ran(
        pod="n/q", arrived_s=1.0, released_s=10.0, bound_s=13.0, node="a", done_s=31.0, attempts=2, prefers=1, meets=1
    )
    third = outcome.Ran(pod="n/r", arrived_s=5.0, released_s=5.0)
    found = run(pods=(first, second, third))
    assert (found.pods, found.done, found.makespan_s, found.attempts) == (3, 2, 30.0, 3)
    assert found.waiting == figures.Spread(mean_s=2.0, p95_s=3.0, max_s=3.0)
    assert found.turnaround == figures.Spread(mean_s=15.0, p95_s=21.0, max_s=21.0)
    assert (found.prefers, found.meets) == (3, 2)


def test_a_run_in_which_nothing_happened_has_figures_too() -> None:
    found = run()
    assert (found.data_bytes, found.mean_local_share, found.waiting) == (0, 0.0, figures.Spread())
