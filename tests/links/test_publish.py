"""What is worth a write: every write reaches all who watch."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from daemon.links import status
from scheduler.api import crd

LINK = crd.Link("zone:r/a", "To", 1_000_000, 900_000, 0.010, 3, 0.75, "2026-01-02T03:00:00Z")
OTHER = msgspec.structs.replace(LINK, direction="From")


def changed(**fields: Any) -> crd.Link:
    return msgspec.structs.replace(LINK, **fields)


@pytest.mark.parametrize(
    ("after", "worth"),
    [
        pytest.param(LINK, False, id="nothing changed"),
        pytest.param(changed(bandwidth_bytes_per_second=1_099_000), False, id="a little faster"),
        pytest.param(changed(bandwidth_bytes_per_second=1_110_000), True, id="faster"),
        pytest.param(changed(bandwidth_low_bytes_per_second=800_000), True, id="slower on bad days"),
        pytest.param(changed(latency_seconds=0.0105), False, id="a little later"),
        pytest.param(changed(latency_seconds=0.012), True, id="later"),
        pytest.param(changed(samples=4, last_probe_time="2026-01-02T03:30:00Z"), False, id="measured again"),
        pytest.param(changed(last_probe_time="2026-01-02T04:00:00Z"), True, id="measured again after an hour"),
        pytest.param(changed(confidence=0.8), False, id="a little surer"),
        pytest.param(changed(confidence=0.86), True, id="much surer"),
        pytest.param(changed(confidence=0.5), True, id="less sure"),
        pytest.param(changed(peer="zone:r/b"), True, id="another path"),
    ],
)
def test_what_is_worth_writing(after: crd.Link, worth: bool) -> None:
    assert status.is_worth_writing([LINK, OTHER], [after, OTHER]) is worth


def test_a_path_more_or_less_is_worth_writing() -> None:
    assert status.is_worth_writing([LINK], [LINK, OTHER])
    assert status.is_worth_writing([LINK, OTHER], [LINK])
    assert not status.is_worth_writing([], [])


def test_tiny_latencies_may_tremble() -> None:
    assert not status.is_worth_writing([changed(latency_seconds=0.0001)], [changed(latency_seconds=0.00025)])


def test_what_somebody_vouches_for_is_left_alone() -> None:
    vouched = crd.Link("n2", bandwidth_bytes_per_second=5)
    assert not status.is_worth_writing([LINK, vouched], [LINK])
