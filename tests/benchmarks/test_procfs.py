"""What processes used, between two looks."""

import os

import pytest

from benchmarks.scheduling import procfs


def look(at_s: float, *, machine_s: float, own_s: float = 0.0, **cpu_s: float) -> procfs.Sample:
    return procfs.Sample(at_s=at_s, cpu_s=cpu_s, machine_s=machine_s, own_s=own_s)


def test_a_process_that_came_later_began_with_nothing() -> None:
    assert look(2, machine_s=9, etcd=3, new=1).since(look(1, machine_s=0, etcd=2)) == {"etcd": 1, "new": 1}


def test_others_are_what_is_left_of_the_machine() -> None:
    before, after = look(0, machine_s=10, own_s=1, etcd=1), look(2, machine_s=14, own_s=1.5, etcd=2.5)
    assert after.others_cores(before) == pytest.approx((4 - 0.5 - 1.5) / 2)


def test_clock_ticks_never_make_others_negative() -> None:
    assert look(1, machine_s=1, etcd=2).others_cores(look(0, machine_s=0, etcd=0)) == 0


def test_this_process_is_there_and_one_that_is_gone_counts_nothing() -> None:
    assert procfs.peak_memory_mb(os.getpid()) > 1
    assert procfs.cpu_s(os.getpid()) > 0
    assert procfs.cpu_s(2**22 + 1) == 0
    assert procfs.peak_memory_mb(2**22 + 1) == 0
