"""Pods of several schedulers in one kernel: each is decided by its own profile, on one state and in one queue."""

import dataclasses

import pytest

from scheduler import config, kubeconfiguration, kubeplugins
from scheduler.kernel import commands, kernel
from tests.kernel import running
from tests.kernel.running import node, pod

PACKED = config.Plugins(fit_strategy="MostAllocated", score_weights={"NodeResourcesFit": 1})
WITHOUT_FIT = config.Plugins(filters=tuple(name for name in kubeplugins.POINTS["filter"] if name != "NodeResourcesFit"))
NO_PREEMPTION = config.Plugins(preempts=False)


def bare_with(**plugins: config.Plugins) -> running.Bare:
    """A kernel of a profile of our own, which spreads, and of others by name."""
    further = tuple(kubeconfiguration.Profile(name, each) for name, each in plugins.items())
    own = config.Plugins(score_weights={"NodeResourcesFit": 1})
    settings = dataclasses.replace(running.SETTINGS, plugins=own, further=further)
    return running.Bare(kernel.Kernel(settings, "home", seed=1))


def test_each_pod_goes_where_the_weights_of_its_profile_send_it() -> None:
    bare = bare_with(packed=PACKED)
    bare.nodes(node("n1"), node("n2"))
    bare.seen(pod("there", cpu="2", node="n1"))
    bare.pending(pod("spread"), pod("packed", cpu="2", schedulerName="packed"))
    assert running.bound(bare.step()) == {"spread": "n2", "packed": "n1"}


def test_what_one_profile_places_the_next_sees() -> None:
    bare = bare_with(packed=PACKED)
    bare.nodes(node("n1", cpu="2"))
    bare.pending(pod("first", cpu="2", schedulerName="packed"))
    assert running.bound(bare.step()) == {"first": "n1"}
    bare.pending(pod("second"))
    assert running.bound(bare.step()) == {}


def test_a_filter_that_is_off_in_one_profile_is_on_in_the_other() -> None:
    bare = bare_with(anywhere=WITHOUT_FIT)
    bare.nodes(node("n1", cpu="1"))
    bare.pending(pod("strict", cpu="2"), pod("lax", cpu="2", schedulerName="anywhere"))
    assert running.bound(bare.step()) == {"lax": "n1"}


@pytest.mark.parametrize(("scheduler", "preempts"), [("data-locality-scheduler", True), ("meek", False)])
def test_a_profile_without_default_preemption_evicts_nobody(scheduler: str, *, preempts: bool) -> None:
    bare = bare_with(meek=NO_PREEMPTION)
    bare.nodes(node("n1", cpu="1"))
    bare.seen(pod("idle", node="n1"))
    bare.pending(pod("urgent", priority=10, schedulerName=scheduler))
    assert any(isinstance(one, commands.Evict) for one in bare.step()) == preempts
