"""Counters and histograms: what Prometheus reads of them is what its own client would have given."""

from __future__ import annotations

import hypothesis
import prometheus_client as prometheus
from hypothesis import strategies as st

from scheduler.live import tallies

BOUNDS = (0.5, 1.0, 5.0)
KINDS = st.sampled_from(["a", "b", 'odd "\n'])


@hypothesis.given(
    counted=st.lists(st.tuples(KINDS, st.floats(0, 100))), seen=st.lists(st.tuples(KINDS, st.floats(0, 10)))
)
def test_they_read_as_the_client_s_own(counted: list[tuple[str, float]], seen: list[tuple[str, float]]) -> None:
    own, other = prometheus.CollectorRegistry(), prometheus.CollectorRegistry()
    counter = tallies.Counter("c", "Counts.", ["kind"], among=own)
    histogram = tallies.Histogram("h", "Spreads.", ["kind"], buckets=BOUNDS, among=own)
    bare = tallies.Counter("bare", "Without labels.", among=own)
    own_flat = tallies.Histogram("flat", "x", buckets=(1,), among=own)
    their_counter = prometheus.Counter("c", "Counts.", ["kind"], registry=other)
    their_histogram = prometheus.Histogram("h", "Spreads.", ["kind"], buckets=BOUNDS, registry=other)
    prometheus.Counter("bare", "Without labels.", registry=other).inc(len(seen))
    flat = prometheus.Histogram("flat", "x", buckets=(1,), registry=other)
    bare.add(by=len(seen))
    for kind, value in counted:
        counter.add(kind, by=value)
        their_counter.labels(kind).inc(value)
    for kind, value in seen:
        histogram.observe(value, kind)
        own_flat.observe(value)
        their_histogram.labels(kind).observe(value)
        flat.observe(value)
    wanted = prometheus.generate_latest(other).decode().splitlines()
    assert prometheus.generate_latest(own).decode().splitlines() == [line for line in wanted if "_created" not in line]


def test_a_series_may_come_into_being_before_anything_is_counted() -> None:
    registry = prometheus.CollectorRegistry()
    tallies.Counter("c", "x", ["kind"], among=registry).add("a", by=0)
    tallies.Histogram("h", "x", ["kind"], buckets=BOUNDS, among=registry).begin("a")
    assert registry.get_sample_value("c_total", {"kind": "a"}) == 0
    assert registry.get_sample_value("h_bucket", {"kind": "a", "le": "+Inf"}) == 0
