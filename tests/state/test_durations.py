"""How long workloads work is learned from their runs: robustly, of few kinds, and never of what says nothing."""

from __future__ import annotations

import math
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from scheduler.api import core
from scheduler.state import durations
from tests.state import build


def pod(name: str, **changes: Any) -> core.Pod:
    body = build.pod(name, on="n1", notes=changes.pop("notes", None))
    body["metadata"] |= changes
    return build.as_pod(body)


def learned_of(*seconds: float, transfers_s: float = 0.0) -> durations.Durations:
    """What is known after runs of one workload that took so long."""
    known = durations.Durations()
    for number, work_s in enumerate(seconds):
        one = pod(f"step-{number}")
        known.placed(one, transfers_s, 100.0)
        known.ended(one, 100.0 + work_s, is_lost=False)
    return known


def test_two_runs_tell_of_a_third_and_one_does_not() -> None:
    assert learned_of(10.0).learned_s(pod("step-7")) is None
    assert learned_of(10.0, 10.0).learned_s(pod("step-7")) == pytest.approx(10.0)


def test_transfers_are_no_work() -> None:
    assert learned_of(10.0, 10.0, transfers_s=4.0).learned_s(pod("step-7")) == pytest.approx(6.0)


def test_transfers_that_were_reckoned_too_long_leave_some_work() -> None:
    assert learned_of(10.0, 10.0, transfers_s=40.0).learned_s(pod("step-7")) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("name", "owner", "alike"),
    [
        pytest.param("step-00000012", None, True, id="numbered"),
        pytest.param("x", "step-28391820", True, id="of a CronJob's Job"),
        pytest.param("x", "step-5d8f9c7b4", True, id="of a ReplicaSet"),
        pytest.param("step-5d8f9c7b4-x2v9k", None, True, id="of a template, without owner"),
        pytest.param("step-two", None, False, id="another word"),
        pytest.param("other-1", None, False, id="another name"),
    ],
)
def test_a_workload_is_known_by_what_is_not_made_up_of_its_name(name: str, owner: str | None, alike: bool) -> None:
    changes = {} if owner is None else {"ownerReferences": [{"kind": "K", "name": owner, "controller": True}]}
    found = learned_of(5.0, 5.0).learned_s(pod(name, **changes))
    assert (found is not None) == alike


def test_who_reads_much_more_is_another_workload() -> None:
    known = durations.Durations()
    for number in range(2):
        one = pod(f"step-{number}", notes=build.data(inputs=["photos/a,1000000"]))
        known.placed(one, 0.0, 0.0)
        known.ended(one, 5.0, is_lost=False)
    assert known.learned_s(pod("step-9", notes=build.data(inputs=["photos/b,1100000"]))) == pytest.approx(5.0)
    assert known.learned_s(pod("step-9", notes=build.data(inputs=["photos/b,900000000"]))) is None


@pytest.mark.parametrize("how", ["deleted", "lost", "off", "unseen"])
def test_a_run_that_did_not_come_to_its_end_tells_nothing(how: str) -> None:
    known = durations.Durations(learns=how != "off")
    for number in range(3):
        one = pod(f"step-{number}")
        if how != "unseen":
            known.placed(one, 0.0, 0.0)
        if how == "deleted":
            one = pod(f"step-{number}", deletionTimestamp="2026-01-01T00:00:00Z")
        known.ended(one, 5.0, is_lost=how == "lost")
    assert known.learned_s(pod("step-9")) is None
    assert (known.count(), known.at_work()) == (0, [])


def test_a_pod_that_ran_before_our_eyes_opened_counts_from_its_start() -> None:
    known = durations.Durations()
    body = build.pod("step-1", on="n1", status={"startTime": "1970-01-01T00:16:40Z"})  # 1000 s
    known.began(build.as_pod(body), 7.0)
    known.at(10.0, 1020.0)
    declares = build.pod("step-1", on="n1", notes=build.data(inputs=["photos/a,1,60"]))
    assert known.left_s(build.as_pod(declares), 12.0) == pytest.approx(60.0 - 22.0)


def test_what_is_left_of_a_run_is_what_is_declared_less_what_passed_and_never_nothing() -> None:
    known = durations.Durations()
    one = pod("step-1", notes=build.data(inputs=["photos/a,1,60"]))
    assert known.left_s(one, 0.0) is None
    known.placed(one, 5.0, 0.0)
    assert known.left_s(one, 10.0) == pytest.approx(55.0)
    assert known.left_s(one, 1000.0) == pytest.approx(6.5)
    assert known.left_s(pod("step-2"), 0.0) is None


def test_old_news_is_not_believed() -> None:
    known = learned_of(10.0, 10.0)
    known.at(100.0 + 40 * 86400, 0.0)
    assert known.learned_s(pod("step-7")) is None


@hypothesis.given(st.lists(st.floats(0.01, 1e6), min_size=2, max_size=30))
def test_what_is_learned_lies_between_the_shortest_and_the_longest_run(runs: list[float]) -> None:
    found = learned_of(*runs).learned_s(pod("step-7"))
    assert found is not None
    assert min(runs) * (1 - 1e-9) <= found <= max(runs) * (1 + 1e-9)


@hypothesis.given(st.floats(1.0, 100.0), st.floats(1e-3, 1e6))
def test_one_run_that_went_wrong_moves_what_is_known_by_half_at_most(usual_s: float, wrong_s: float) -> None:
    found = learned_of(*[usual_s] * 6, wrong_s).learned_s(pod("step-7"))
    assert found is not None
    assert abs(math.log(found / usual_s)) <= math.log(4) * 0.25 + 1e-9


def test_however_many_workloads_come_a_bounded_number_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "_KEPT", 10)
    known = durations.Durations()
    for number in range(40):
        for run in range(2):
            one = pod(f"{'abcdefghij'[number % 10]}{'klmn'[number // 10]}-{run}")
            known.placed(one, 0.0, 0.0)
            known.ended(one, 5.0, is_lost=False)
    assert (known.count(), known.at_work()) == (10, [])
