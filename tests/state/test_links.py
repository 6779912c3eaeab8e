"""Measured links: how far they are believed, by direction, by pair of nodes and of zones, and as they age."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.state import cluster, links, network, snapshot
from tests.state import build
from tests.state.build import Object

PRIOR = build.PRIOR
START_S = 1_767_322_800.0  # a multiple of the step of ages
HOUR_S = 3600.0
NODES = [
    build.node("a1", region="r", zone="a"),
    build.node("a2", region="r", zone="a", kind="edge"),
    build.node("b1", region="r", zone="b"),
    build.node("b2", region="r", zone="b", kind="cloud"),
    build.node("c1", region="s", zone="a"),  # a zone of the same name elsewhere
    build.node("x", region="r"),  # in no zone
]


def at(time_s: float) -> str:
    return datetime.datetime.fromtimestamp(time_s, datetime.UTC).isoformat().replace("+00:00", "Z")


def measured(peer: str, bandwidth: int, **more: Any) -> Object:
    return build.link(peer, bandwidth=bandwidth) | {"lastProbeTime": at(START_S), "confidence": 1.0} | more


def frozen(now_s: float = START_S, **reports: list[Object]) -> snapshot.Snapshot:
    return _state(**reports).freeze(now_s)


def _state(**reports: list[Object]) -> cluster.Cluster:
    return build.state(NODES, capabilities=[build.capability(name, links=said) for name, said in reports.items()])


def used(snap: snapshot.Snapshot, source: str, target: str) -> network.Used:
    """A link's bandwidth and where it comes from, which both directions of asking must agree on."""
    start, end = snap.index_of[source], snap.index_of[target]
    found = snap.links_of(start, outward=True).used(end)
    assert snap.links_of(end, outward=False).used(start) == found
    assert float(snap.reach(start, outward=True)[0][end]) == found.bandwidth_bytes_per_s
    assert float(snap.reach(end, outward=False)[0][start]) == found.bandwidth_bytes_per_s
    return found


def latency_s(snap: snapshot.Snapshot, source: str, target: str) -> float:
    start, end = snap.index_of[source], snap.index_of[target]
    found = float(snap.reach(start, outward=True)[1][end])
    assert float(snap.reach(end, outward=False)[1][start]) == found
    return found


def test_a_pair_of_zones_stands_for_all_its_nodes_in_its_direction() -> None:
    snap = frozen(a1=[measured("zone:r/b", 1000, latencySeconds=0.5)])
    for source in ("a1", "a2"):
        for target in ("b1", "b2"):
            assert used(snap, source, target) == (1000, network.Source.MEASURED, 1.0, 0.0)
            assert latency_s(snap, source, target) == 0.5
            assert used(snap, target, source).source == network.Source.PRIOR
    for source, target in (("a1", "a2"), ("a1", "c1"), ("c1", "b1"), ("a1", "x"), ("x", "b1"), ("b1", "b2")):
        assert used(snap, source, target).source == network.Source.PRIOR, (source, target)
    assert used(snap, "a1", "a1").source == network.Source.LOCAL


def test_what_comes_from_the_peer_is_measured_at_this_end() -> None:
    snap = frozen(a1=[measured("zone:r/b", 1000, direction="From"), measured("c1", 77, direction="From")])
    assert used(snap, "b1", "a2").bandwidth_bytes_per_s == 1000
    assert used(snap, "c1", "a1").bandwidth_bytes_per_s == 77
    assert used(snap, "a1", "b1").source == used(snap, "a1", "c1").source == network.Source.PRIOR


def test_both_directions_of_one_peer_are_kept_apart() -> None:
    snap = frozen(a1=[measured("b1", 1000), measured("b1", 50, direction="From")])
    assert used(snap, "a1", "b1").bandwidth_bytes_per_s == 1000
    assert used(snap, "b1", "a1").bandwidth_bytes_per_s == 50


def test_nodes_before_zones_before_the_prior() -> None:
    snap = frozen(a1=[measured("zone:r/b", 1000), measured("b1", 70)])
    assert used(snap, "a1", "b1").bandwidth_bytes_per_s == 70
    assert used(snap, "a1", "b2").bandwidth_bytes_per_s == 1000
    assert used(snap, "a2", "b1").bandwidth_bytes_per_s == 1000
    # A pair of nodes that is half forgotten is drawn towards the zones' figure, which is not.
    old = at(START_S - links.HALF_LIFE_S)
    snap = frozen(a1=[measured("zone:r/b", 1000), measured("b1", 10, lastProbeTime=old)])
    assert used(snap, "a1", "b1").bandwidth_bytes_per_s == pytest.approx(100)


def test_the_lower_quantile_is_what_counts() -> None:
    snap = frozen(a1=[measured("b1", 1000, bandwidthLowBytesPerSecond=600)])
    assert used(snap, "a1", "b1").bandwidth_bytes_per_s == 600


def test_a_label_is_believed_before_what_was_measured() -> None:
    labelled = [build.node("a1", region="r", zone="a", can={"bandwidth-to-b1": "5"}), *NODES[1:]]
    report = build.capability("a1", links=[measured("b1", 1000, latencySeconds=0.3), measured("zone:r/b", 9000)])
    snap = build.state(labelled, capabilities=[report]).freeze(START_S)
    assert used(snap, "a1", "b1") == (5, network.Source.DECLARED, 1.0, None)
    assert latency_s(snap, "a1", "b1") == 0.3


def test_the_daemons_own_label_is_no_more_than_its_measurement() -> None:
    copied = {"bandwidth-to-b1": "1000", "latency-to-b1": "300.000"}
    report = build.capability("a1", links=[measured("b1", 1000, latencySeconds=0.3)], found=copied)
    for labels, expected in (
        (copied, (1000, network.Source.MEASURED, 1.0, 0.0)),
        (copied | {"bandwidth-to-b1": "5"}, (5, network.Source.DECLARED, 1.0, None)),
    ):
        nodes = [build.node("a1", region="r", zone="a", can=labels), *NODES[1:]]
        assert used(build.state(nodes, capabilities=[report]).freeze(START_S), "a1", "b1") == expected


def test_a_node_in_no_zone_speaks_for_itself_alone() -> None:
    snap = frozen(x=[measured("zone:r/b", 1000), measured("b1", 70)], a1=[measured("zone:r/", 9)])
    assert used(snap, "x", "b1").bandwidth_bytes_per_s == 70
    assert used(snap, "x", "b2").source == used(snap, "a1", "x").source == network.Source.PRIOR


def test_what_several_report_lies_between_their_figures_nearer_the_surer() -> None:
    snap = frozen(
        a1=[measured("zone:r/b", 100, confidence=0.9)],
        b2=[measured("zone:r/a", 10_000, direction="From", confidence=0.3)],
    )
    found = used(snap, "a2", "b1")
    assert found.weight == 0.9
    prior = PRIOR.same_region.bandwidth_bytes_per_s
    assert found.bandwidth_bytes_per_s == pytest.approx(prior**0.1 * (100**0.75 * 10_000**0.25) ** 0.9)


def test_reports_go_with_their_reporter() -> None:
    made = _state(a1=[measured("zone:r/b", 1000)], b1=[measured("zone:r/a", 1000, direction="From")])
    made.remove_capability("a1")
    assert used(made.freeze(START_S), "a1", "b1").bandwidth_bytes_per_s == 1000
    made.remove_node("b1")
    assert used(made.freeze(START_S), "a1", "b2").source == network.Source.PRIOR
    made.apply_node(build.as_node(NODES[2]))
    assert used(made.freeze(START_S), "a1", "b2").bandwidth_bytes_per_s == 1000
    # The reporter moves to another zone: what it says is said of that one.
    made.apply_node(build.as_node(build.node("b1", region="s", zone="a")))
    assert used(made.freeze(START_S), "a1", "b2").source == network.Source.PRIOR
    assert used(made.freeze(START_S), "a1", "c1").bandwidth_bytes_per_s == 1000


def test_a_new_site_is_of_its_zone() -> None:
    made = _state(a1=[measured("zone:r/b", 1000)])
    assert used(made.freeze(START_S), "a1", "b1").bandwidth_bytes_per_s == 1000
    made.apply_node(build.as_node(build.node("b3", region="r", zone="b", kind="edge")))
    assert used(made.freeze(START_S), "a2", "b3").bandwidth_bytes_per_s == 1000


def test_a_place_outside_the_cluster_is_reached_like_its_zone() -> None:
    snap = frozen(a1=[measured("zone:r/b", 1000, direction="From"), measured("zone:r/b", 50)])
    place = network.Site("r", "b", "")
    bandwidth, _ = snap.reach_place(place, outward=True)
    back, _ = snap.reach_place(place, outward=False)
    index = snap.index_of["a2"]
    assert (bandwidth[index], back[index]) == (1000, 50)
    assert snap.links_of(place, outward=True).used(index).source == network.Source.MEASURED


BANDWIDTHS = st.integers(1, 10**12)
CONFIDENCES = st.floats(0, 1)
AGES = st.integers(0, 100).map(lambda steps: steps * 1000.0)


@given(bandwidth=BANDWIDTHS, late_s=st.floats(1e-6, 10), confidence=CONFIDENCES, age_s=AGES, longer_s=AGES)
def test_a_figure_fades_from_what_was_measured_to_the_prior(
    bandwidth: int, late_s: float, confidence: float, age_s: float, longer_s: float
) -> None:
    prior = PRIOR.same_region

    def after(passed_s: float) -> tuple[float, float]:
        report = measured("b1", bandwidth, latencySeconds=late_s, confidence=confidence)
        snap = frozen(START_S + passed_s, a1=[report])
        return used(snap, "a1", "b1").bandwidth_bytes_per_s, latency_s(snap, "a1", "b1")

    for now, later, was, assumed in zip(
        after(age_s),
        after(age_s + longer_s),
        (bandwidth, late_s),
        (prior.bandwidth_bytes_per_s, prior.latency_s),
        strict=True,
    ):
        near = 1e-9 * max(was, assumed)
        assert min(was, assumed) - near <= now <= max(was, assumed) + near
        assert abs(later - assumed) <= abs(now - assumed) + near
    weight = confidence * 0.5 ** (age_s / links.HALF_LIFE_S)
    expected = prior.bandwidth_bytes_per_s ** (1 - weight) * bandwidth**weight
    assert after(age_s)[0] == pytest.approx(expected, rel=1e-9)


@given(bandwidth=BANDWIDTHS, faster=BANDWIDTHS, confidence=CONFIDENCES, age_s=AGES)
def test_a_faster_measurement_never_makes_a_slower_link(
    bandwidth: int, faster: int, confidence: float, age_s: float
) -> None:
    found = [
        used(frozen(START_S + age_s, a1=[measured("zone:r/b", rate, confidence=confidence)]), "a1", "b2")
        for rate in (bandwidth, bandwidth + faster)
    ]
    assert found[0].bandwidth_bytes_per_s <= found[1].bandwidth_bytes_per_s * (1 + 1e-12)


def test_what_has_no_time_does_not_age_and_what_is_from_the_future_is_new() -> None:
    snap = frozen(START_S + 1e6, a1=[build.link("b1", bandwidth=1000)])
    assert used(snap, "a1", "b1") == (1000, network.Source.MEASURED, 1.0, None)
    snap = frozen(START_S - HOUR_S, a1=[measured("b1", 1000)])
    assert used(snap, "a1", "b1") == (1000, network.Source.MEASURED, 1.0, 0.0)


def test_one_state_is_read_at_several_times() -> None:
    made = _state(a1=[measured("zone:r/b", 1000)])
    now, later = (made.freeze(START_S + hours * HOUR_S) for hours in (0, 24))
    first = used(now, "a1", "b1").bandwidth_bytes_per_s
    assert used(later, "a1", "b1").bandwidth_bytes_per_s > 10 * first
    assert used(now, "a1", "b1").bandwidth_bytes_per_s == first == 1000
    assert used(made.freeze(), "a1", "b1").bandwidth_bytes_per_s == 1000  # the time of the latest measurement


@given(data=st.data())
def test_reporting_anew_is_the_same_as_reporting_once(data: st.DataObject) -> None:
    names = [node["metadata"]["name"] for node in NODES]
    peers = st.sampled_from([*names, "zone:r/a", "zone:r/b", "zone:s/a", "zone:s/none", "gone"])
    report = st.builds(measured, peers, BANDWIDTHS, confidence=CONFIDENCES, direction=st.sampled_from(["To", "From"]))
    reports = st.lists(report, max_size=4, unique_by=lambda one: (one["peer"], one["direction"]))
    made = build.state(NODES)
    last: dict[str, list[Object]] = {}
    for _ in range(data.draw(st.integers(1, 6))):
        name = data.draw(st.sampled_from(names))
        last[name] = data.draw(reports)
        made.apply_capability(build.as_capability(build.capability(name, links=last[name])))
    found, expected = made.freeze(START_S), _state(**last).freeze(START_S)
    for source in names:
        for target in names:
            assert used(found, source, target) == pytest.approx(used(expected, source, target))


@given(data=st.data(), hours=st.sampled_from([0.0, 0.5, 7.0]))
def test_sites_and_exceptions_are_the_whole_row(data: st.DataObject, hours: float) -> None:
    """Gathered by site and put right at the exceptions, a row is what it is node by node, to the bit."""
    peers = st.sampled_from(["a1", "a2", "b1", "c1", "x", "nobody", "zone:r/a", "zone:r/b", "zone:s/a"])
    reports = st.lists(
        st.builds(
            lambda peer, bandwidth, latency_s, confidence, direction: measured(
                peer, bandwidth, latencySeconds=latency_s, confidence=confidence, direction=direction
            ),
            peers,
            st.sampled_from([0, 7, 123_456_789]),
            st.sampled_from([0.0, 0.25]),
            st.sampled_from([1.0, 0.3]),
            st.sampled_from(["To", "From"]),
        ),
        max_size=4,
    )
    snap = frozen(START_S + hours * HOUR_S, a1=data.draw(reports), b2=data.draw(reports), x=data.draw(reports))
    site_of = snap.links.site_of[: snap.size]
    ends: list[int | network.Site] = [*snap.index_of.values(), network.Site("r", "a", ""), network.Site("t", "", "")]
    for end in ends:
        for outward in (True, False):
            bandwidth, latency = (row[site_of] for row in snap.site_row(end, outward=outward))
            for index, (bandwidth_there, latency_there) in snap.exceptions(end, outward=outward).items():
                bandwidth[index], latency[index] = bandwidth_there, latency_there
            expected = snap.links_of(end, outward=outward)

            assert (bandwidth == expected[0]).all()
            assert (latency == expected[1]).all()


def test_rows_stay_as_long_as_what_they_are_made_of() -> None:
    made = _state(a1=[measured("zone:r/b", 1000)])
    before = made.freeze(START_S).links.made_of(START_S)
    made.apply_node(build.as_node(build.node("a3", region="r", zone="a")))  # at a site that there is
    assert made.freeze().links.made_of(START_S + network.STEP_S / 2) == before
    assert made.freeze().links.made_of(START_S + network.STEP_S) != before
    made.apply_node(build.as_node(build.node("d1", region="t", zone="d")))
    assert made.freeze().links.made_of(START_S) != before


def test_where_nothing_ages_rows_stay_for_ever() -> None:
    snap = build.state(NODES).freeze(START_S)
    assert snap.links.made_of(START_S) == snap.links.made_of(START_S + HOUR_S)


def test_a_site_is_forgotten_with_its_last_node() -> None:
    made = build.state(NODES)
    for zone in range(50):
        made.apply_node(build.as_node(build.node("moves", region="t", zone=str(zone))))
    made.apply_node(build.as_node(build.node("moves", region="r", zone="a")))
    snap = made.freeze()
    assert len(snap.links.sites) <= len(NODES) + 3
    assert [site for site in snap.links.sites if site.region == "t"] == []
    assert used(snap, "moves", "a1").bandwidth_bytes_per_s == PRIOR.same_zone.bandwidth_bytes_per_s
