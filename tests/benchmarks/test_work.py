"""The work is the same for whoever is to do it."""

import pathlib
import random
from typing import Any

import pytest

from benchmarks.scheduling import contenders, work

Json = dict[str, Any]


def made(kind: str, scheduler: str, *, count: int = 250, with_data: bool = True, seed: int = 1) -> list[Json]:
    scene = work.Scene(nodes=100, rng=random.Random(seed))
    return list(work.pods(work.KINDS[kind], count, scene, scheduler, with_data=with_data))


@pytest.mark.parametrize("kind", work.KINDS)
def test_pods_differ_only_in_whom_they_name(kind: str) -> None:
    theirs, ours = made(kind, "theirs"), made(kind, "ours")
    for pod in (*theirs, *ours):
        pod["spec"].pop("schedulerName")
    assert theirs == ours


@pytest.mark.parametrize("kind", work.KINDS)
def test_names_are_unique_and_grace_is_none(kind: str) -> None:
    pods = made(kind, "x")
    assert len({pod["metadata"]["name"] for pod in pods}) == len(pods)
    assert {pod["spec"]["terminationGracePeriodSeconds"] for pod in pods} == {0}


def test_without_data_a_data_pod_is_a_plain_pod() -> None:
    assert made("data", "x", with_data=False) == made("plain", "x")


def test_data_pods_name_what_there_is() -> None:
    known = {obj["spec"]["urn"] for obj in work.data_objects(work.Scene(nodes=100, rng=random.Random(2)))}
    named = [value.partition(",")[0] for pod in made("data", "x") for value in pod["metadata"]["annotations"].values()]
    assert len(known) == work.DATA_OBJECTS
    assert set(named) <= known


@pytest.mark.parametrize(("kind", "otherwise"), [("spread", "DoNotSchedule"), ("preferred-spread", "ScheduleAnyway")])
def test_a_group_that_spreads_selects_its_own_pods(kind: str, otherwise: str) -> None:
    for pod in made(kind, "x"):
        (constraint,) = pod["spec"]["topologySpreadConstraints"]
        assert constraint["labelSelector"]["matchLabels"] == pod["metadata"]["labels"]
        assert (constraint["topologyKey"], constraint["whenUnsatisfiable"]) == (work.ZONE, otherwise)


def test_the_page_tells_all_kinds_and_their_twins() -> None:
    page = (pathlib.Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.count("|") == 4]
    told = {row[1].strip(" `"): row[3].strip() for row in rows}
    assert {name: told.get(name) for name in work.KINDS} == {name: kind.twin for name, kind in work.KINDS.items()}


def test_shapes_are_as_many_as_promised() -> None:
    requests = {str(pod["spec"]["containers"][0]["resources"]) for pod in made("shapes", "x", count=2 * work.SHAPES)}
    assert len(requests) == work.SHAPES


def test_a_group_that_keeps_apart_fits_on_the_nodes() -> None:
    scene = work.Scene(nodes=40, rng=random.Random(1))
    pods = work.pods(work.KINDS["anti-affinity"], 100, scene, "x", with_data=True)
    sizes: dict[str, int] = {}
    for pod in pods:
        sizes[pod["metadata"]["labels"]["app"]] = sizes.get(pod["metadata"]["labels"]["app"], 0) + 1
    assert max(sizes.values()) <= 40
    assert sum(sizes.values()) == 100


def test_every_pod_of_a_replica_set_has_its_service() -> None:
    selected = {service["spec"]["selector"]["app"] for service in work.services(250)}
    owned = {pod["metadata"]["ownerReferences"][0]["name"] for pod in made("deployments", "x")}
    assert owned <= selected
    assert owned == {each["metadata"]["name"] for each in work.replica_sets(250)}


def test_another_contender_begins_each_round() -> None:
    taking_part = contenders.chosen(list(contenders.NAMES), None)
    orders = [contenders.in_turn(taking_part, turn) for turn in range(len(taking_part))]
    assert [order[0] for order in orders] == taking_part
    assert all(sorted(one.name for one in order) == sorted(contenders.NAMES) for order in orders)
