"""The work is the same for whoever is to do it."""

import pathlib
import random
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.scheduling import claims, contenders, storage, work

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
        constraints = pod["spec"]["topologySpreadConstraints"]
        assert [one["topologyKey"] for one in constraints] == [work.ZONE, work.HOSTNAME]
        for one in constraints:
            assert one["labelSelector"]["matchLabels"] == pod["metadata"]["labels"]
            assert one["whenUnsatisfiable"] == otherwise


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
    owned = {pod["metadata"]["ownerReferences"][0]["name"] for pod in made("default-spread", "x")}
    assert owned <= selected
    assert owned == {each["metadata"]["name"] for each in work.replica_sets(250)}


def test_three_of_the_pods_in_the_way_have_to_go() -> None:
    room_milli = 32_000 - work.LOW_PODS * work.LOW_CPU_MILLI
    assert room_milli + 2 * work.LOW_CPU_MILLI < work.HIGH_CPU_MILLI <= room_milli + 3 * work.LOW_CPU_MILLI
    nodes = [pod["spec"]["nodeName"] for pod in work.low_pods(5)]
    assert sorted(nodes) == sorted(work.node_name(number) for number in range(5) for _ in range(work.LOW_PODS))


@pytest.mark.parametrize(
    ("kind", "named", "there"),
    [
        ("csi", lambda spec: spec["volumes"][0]["persistentVolumeClaim"]["claimName"], storage.bound_claim),
        ("claims", lambda spec: spec["resourceClaims"][0]["resourceClaimName"], claims.claim),
    ],
)
def test_each_pod_has_a_claim_of_its_own(
    kind: str, named: Callable[[Json], str], there: Callable[[int, str], Json]
) -> None:
    assert [named(pod["spec"]) for pod in made(kind, "x", count=5)] == [
        there(number, "x")["metadata"]["name"] for number in range(5)
    ]


def test_a_claim_is_bound_to_the_volume_that_is_kept_for_it() -> None:
    claim, volume = storage.bound_claim(3, "x"), storage.volume(3, "x")
    assert claim["spec"]["volumeName"] == volume["metadata"]["name"]
    assert volume["spec"]["claimRef"]["name"] == claim["metadata"]["name"]


def test_another_contender_begins_each_round() -> None:
    taking_part = contenders.chosen(list(contenders.NAMES), None)
    orders = [contenders.in_turn(taking_part, turn) for turn in range(len(taking_part))]
    assert [order[0] for order in orders] == taking_part
    assert all(sorted(one.name for one in order) == sorted(contenders.NAMES) for order in orders)
