"""PodDisruptionBudgets: whom they would not let go, in which order, and what is forgotten."""

from __future__ import annotations

from scheduler.api import core, policy
from scheduler.state import budgets
from tests.state import build

WEB = {"matchLabels": {"app": "web"}}


def budget(
    name: str, allowed: int, selector: object = WEB, *, disrupted: tuple[str, ...] = ()
) -> policy.PodDisruptionBudget:
    made = {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"selector": selector},
        "status": {"disruptionsAllowed": allowed, "disruptedPods": dict.fromkeys(disrupted, "")},
    }
    return core.convert(made, policy.PodDisruptionBudget, "pdb")


def made_of(*given: policy.PodDisruptionBudget) -> budgets.Budgets:
    made = budgets.Budgets()
    for one in given:
        made.apply(one)
    return made


def pods(*names: str, namespace: str = "default", app: str = "web") -> list[core.Pod]:
    labels = {"app": app} if app else {}
    return [build.as_pod(build.pod(name, namespace=namespace, labels=labels)) for name in names]


def test_so_many_may_go_and_no_more() -> None:
    assert list(made_of(budget("b", 1)).violating(pods("p", "q", "r"))) == [False, True, True]


def test_a_pod_stops_at_the_first_budget_that_keeps_it() -> None:
    """The second budget is not counted down by who is kept by the first: so the order of budgets decides."""
    others = [*pods("p"), *pods("q", app="db")]
    every = {"matchExpressions": [{"key": "app", "operator": "Exists"}]}
    assert list(made_of(budget("web", 0), budget("every", 1, every)).violating(others)) == [True, False]
    assert list(made_of(budget("every", 1, every), budget("web", 0)).violating(others)) == [True, True]


def test_whom_it_does_not_mean() -> None:
    kept = made_of(budget("b", 0), budget("empty", 0, {}), budget("none", 0, None))
    strangers = [*pods("p", app="db"), *pods("q", namespace="elsewhere"), *pods("r", app="")]
    assert list(kept.violating(strangers)) == [False, False, False]


def test_a_selector_that_cannot_be_read_means_nobody() -> None:
    odd = {"matchExpressions": [{"key": "app", "operator": "Like", "values": ["web"]}]}
    assert list(made_of(budget("b", 0, odd)).violating(pods("p"))) == [False]


def test_who_is_being_disrupted_already_does_not_count() -> None:
    assert list(made_of(budget("b", 0, disrupted=("p",))).violating(pods("p", "q"))) == [False, True]


def test_a_new_version_replaces_the_old_and_what_is_gone_is_forgotten() -> None:
    kept = made_of(budget("b", 0))
    assert list(kept.violating(pods("p"))) == [True]
    for newer, violating in ((budget("b", 1), False), (budget("b", 0, {"matchLabels": {"app": "db"}}), False)):
        kept.apply(newer)
        assert list(kept.violating(pods("p"))) == [violating]
    assert list(kept.violating(pods("p", app="db"))) == [True]
    kept.remove("default", "b")
    kept.remove("default", "b")
    assert list(kept.violating(pods("p", app="db"))) == [False]
    assert not kept.namespaces
