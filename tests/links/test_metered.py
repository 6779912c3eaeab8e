"""Probing by default is something that a metered link can bear, and what it may take in all is kept to over months."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from daemon import app
from daemon.links import budget, measurer, schedule
from scheduler import cli

DAY_S = 86_400.0
MONTH_S = 31 * DAY_S
GIGABYTE = 1_000_000_000
HEADERS = 1.05  # of Ethernet, IP and TCP, and of acknowledgements, for what a probe counts as its bytes
DEFAULT = measurer.Settings(node="n", bytes_per_hour=app.Options(node="n").probe_bytes_per_hour)


def test_the_command_lines_default_is_the_daemons() -> None:
    (option,) = (each for each in cli.main.commands["daemon"].params if each.name == "probe_bytes_per_hour")
    assert option.default == DEFAULT.bytes_per_hour == measurer.BYTES_PER_HOUR


def a_months_bytes(settings: measurer.Settings, *, duties: int, seed: int) -> int:
    """What a node spends in a month whose every probe takes all it may, of paths that never settle."""
    plan = schedule.Planner(
        period_s=settings.period_s,
        bytes_per_hour=settings.bytes_per_hour,
        hours=settings.hours,
        transfer_bytes=settings.transfer_bytes,
        rng=random.Random(seed),
    )
    there = [schedule.Member(f"n{number}", ("r", f"z{number}"), "10.0.0.1", 1) for number in range(duties)]
    plan.assign([schedule.Duty(member.zone, (member,)) for member in there], 0.0)
    now_s, spent = 0.0, 0
    while now_s < MONTH_S:
        task = plan.take(now_s, loaded=False)
        if task is not None:
            spent += task.reserved_bytes
            plan.done(task, now_s, spent_bytes=task.reserved_bytes, settled=False)
        next_s = plan.next_s()
        assert next_s is not None
        now_s = max(next_s, now_s + 2.0)
    return spent


def test_a_month_of_probing_by_default_costs_less_than_a_gigabyte_both_ways_together() -> None:
    for duties in (1, schedule.MAX_DUTIES):
        own = a_months_bytes(DEFAULT, duties=duties, seed=duties)
        assert own > 0, "a budget that allows nothing"
        # Others may cause as much again: the endpoint has the same budget.
        assert 2 * own * HEADERS < GIGABYTE
    assert 2 * DEFAULT.bytes_per_hour * MONTH_S / 3600 * HEADERS < GIGABYTE


def test_with_few_bytes_probes_are_rare_and_not_so_small_that_they_find_no_rate() -> None:
    assert DEFAULT.transfer_bytes == 2 * 2**20
    assert 2 * DEFAULT.transfer_bytes <= DEFAULT.hours * DEFAULT.bytes_per_hour, "a probe both ways is affordable"
    ample = measurer.Settings(node="n", bytes_per_hour=128 * 2**20)
    assert (ample.transfer_bytes, ample.hours) == (8 * 2**20, 1)
    assert not measurer.Settings(node="n", bytes_per_hour=0).is_on


@given(
    limit=st.integers(1, 1000),
    hours=st.integers(1, 9),
    steps=st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 3000), st.floats(0, 1)), max_size=60),
)
def test_no_window_costs_more_than_its_hours_allow(limit: int, hours: int, steps: list[tuple[int, int, float]]) -> None:
    allowed, now_s = budget.Budget(limit, hours), 0.0
    spent: list[tuple[float, int]] = []
    for pause_s, wanted, share in steps:
        now_s += pause_s
        if allowed.reserve(wanted, now_s):
            spent.append((now_s, int(wanted * share)))
            allowed.spend(wanted, spent[-1][1], now_s)
        elif wanted <= limit * hours:
            assert allowed.free_s(wanted, now_s) > now_s
    for start_s, _ in spent:
        assert sum(size for at_s, size in spent if start_s <= at_s < start_s + hours * 3600) <= limit * hours


def test_who_has_no_bytes_left_is_asked_ever_more_seldom() -> None:
    plan = schedule.Planner(period_s=1800.0, bytes_per_hour=2**30, transfer_bytes=1, rng=random.Random(1))
    plan.assign([schedule.Duty(("r", "z"), (schedule.Member("n", ("r", "z"), "10.0.0.1", 1),))], 0.0)
    now_s, asked = 100.0, []
    while now_s < DAY_S:
        task = plan.take(now_s, loaded=False)
        assert task is not None
        plan.busy(task, now_s, spent_bytes=0)
        next_s = plan.next_s()
        assert next_s is not None
        asked.append(next_s - now_s)
        now_s = next_s
    assert asked[0] <= 40, "a peer that is measured at this moment has time soon"
    assert min(asked[8:]) >= 0.85 * 1800
    assert len(asked) < 70
