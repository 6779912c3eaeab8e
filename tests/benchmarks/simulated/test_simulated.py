"""The earlier implementation's benchmark: its metrics as it reckons them, and what ours comes to under each goal."""

import itertools
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quality import scenarios
from benchmarks.simulated import __main__ as simulated
from benchmarks.simulated import figures, measures, optimum, placing, published, report
from scheduler import config

SEED = Path(__file__).parents[4] / "shared" / "seed"


def access(size_mb: int, *near: measures.Near) -> measures.Access:
    nothing = np.zeros(len(near))
    return measures.Access("bucket/key", size_mb * measures.MB, np.array(near, np.int8), nothing, nothing)


def pod(key: str, workload: str, *accesses: measures.Access, prefers: int = 0, meets: tuple[int, ...]) -> measures.Pod:
    cost = np.zeros(len(meets))
    return measures.Pod(key, workload, accesses, prefers, np.array(meets), cost, (0, 0))


def test_scores_weigh_by_nearness_and_are_means_over_workloads() -> None:
    near = measures.Near
    pods = (
        pod("a", "one", access(30, near.LOCAL), access(10, near.SAME_REGION), prefers=2, meets=(1,)),
        pod("b", "one", access(40, near.CROSS_REGION), meets=(0,)),
        pod("c", "two", access(20, near.SAME_ZONE), meets=(0,)),
    )
    found = figures.of(measures.Measures(pods, ("n",), ((0, 0),)), [0, 0, 0])
    assert found.data_locality_score == pytest.approx((1 / 3 + 0) / 2)
    assert found.weighted_score == pytest.approx(((1 + 0.5 + 0) / 3 + 0.8) / 2)
    assert found.size_weighted_score == pytest.approx(((30 + 5) / 80 + 0.8) / 2)
    assert (found.local_data_share, found.cross_region_share) == pytest.approx((30 / 80 / 2, 40 / 80 / 2))
    assert (found.network_mb, found.cross_region_mb, found.total_mb) == (70, 40, 100)
    assert (found.local, found.accesses, found.met, found.preferences) == (1, 4, 1, 2)


@given(
    costs=st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=1, max_size=5),
    asks=st.lists(st.integers(1, 3), min_size=5, max_size=5),
    room=st.tuples(*[st.integers(2, 9)] * 3),
)
def test_the_optimum_is_what_trying_everything_finds(
    costs: list[tuple[int, ...]], asks: list[int], room: tuple[int, ...]
) -> None:
    pods = [pod(str(number), "", meets=(0, 0, 0))._replace(asks=(asks[number], 0)) for number in range(len(costs))]
    measured = measures.Measures(tuple(pods), ("a", "b", "c"), tuple((each, 0) for each in room))
    cost = np.array(costs, float)
    every = [
        sum(row[node] for row, node in zip(costs, nodes, strict=True))
        for nodes in itertools.product(range(3), repeat=len(costs))
        if all(sum(asks[p] for p, n in enumerate(nodes) if n == node) <= room[node] for node in range(3))
    ]
    found = optimum.least(measured, cost)
    assert (found is None) == (not every)
    if found is not None:
        assert sum(row[node] for row, node in zip(costs, found, strict=True)) == min(every)


@pytest.mark.parametrize(
    ("goal", "moved_mb", "crossed_mb", "met", "local"),
    [("seconds", 890, 270, 32, 37), ("bytes", 810, 310, 32, 38), ("locality-first", 745, 285, 28, 39)],
)
def test_each_goal_gets_the_five_pipelines_as_near_as_is_promised(
    goal: str, moved_mb: int, crossed_mb: int, met: int, local: int
) -> None:
    given = scenarios.pipelines()
    subject = simulated.subject(given, goal)
    placed = placing.one_by_one(subject, 1)
    found = figures.of(measures.of(given), [one.node for one in placed])
    assert (found.accesses, found.total_mb, found.preferences) == (56, 3536, 34)
    assert (found.network_mb, found.cross_region_mb, found.met, found.local) == (moved_mb, crossed_mb, met, local)
    _, excess = report.excess(measures.of(subject), placed)
    assert -1e-9 <= excess <= 0.02


def test_what_was_published_adds_up() -> None:
    assert sum(run.network_mb for run in published.EARLIER.values()) == 890
    assert sum(run.network_mb for run in published.KUBE_SCHEDULER.values()) == 2436


def test_no_placement_moves_less_than_the_front_says() -> None:
    measured = measures.of(scenarios.pipelines())
    found = [figures.of(measured, nodes) for nodes in optimum.front(measured)]
    assert [(each.preferences - each.met, each.network_mb) for each in found] == [
        (0, 900), (1, 850), (2, 810), (3, 795), (4, 770), (5, 755), (6, 745)
    ]  # fmt: skip
    assert found[-1].network_mb == sum(pod.moved_bytes.min() for pod in measured.pods) / measures.MB


def test_the_command_writes_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulated.main(["--arms", "ours", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert (tmp_path / "results.md").read_text() == printed
    told = json.loads((tmp_path / "results.json").read_text())
    assert told["placed"]["one by one, goal bytes"]["network_mb"] == 810
    assert "what outweighs it" in printed


@pytest.mark.skipif(not SEED.is_dir(), reason=f"no manifests of the earlier implementation at {SEED}")
def test_the_manifests_of_the_earlier_implementation_are_taken_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    simulated.main(["--config", str(SEED / "benchmark_config.yaml"), "--arms"])
    assert "of 3386" in capsys.readouterr().out


@pytest.mark.skipif(not SEED.is_dir(), reason=f"no manifests of the earlier implementation at {SEED}")
def test_so_are_its_other_workloads(capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted((SEED / "workloads").glob("*.yaml"))
    for file in files:
        simulated.main([str(file), "--arms", "ours"])
        assert "simulated, ours" in capsys.readouterr().out, file
    assert len(files) == 9


def test_a_goal_changes_nothing_but_what_it_says() -> None:
    given = msgspec.structs.replace(scenarios.pipelines(), settings=config.Settings(seed=7))
    assert simulated.subject(given, "seconds") == given
    assert simulated.subject(given, "bytes").settings.seed == 7
